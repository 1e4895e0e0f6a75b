//! Keys as the exchange writes them, and as SRTP takes them; no key is used here.

use fernamt_exchange::media::{DtlsRole, ProtectionFailure, SrtpKey, SrtpKeys};
use fernamt_rtp::srtp::{MasterKey, Suite};
use fernamt_sdp::CryptoSuite;

/// A key ready for use.
pub(crate) fn master_key(key: &SrtpKey) -> Result<MasterKey, ProtectionFailure> {
    let master = MasterKey::new(suite(key.suite), &key.key_and_salt);
    let master = master.map_err(|_| ProtectionFailure::Key)?;
    if key.identifier.is_empty() {
        return Ok(master);
    }
    master
        .with_mki(&key.identifier)
        .map_err(|_| ProtectionFailure::Key)
}

/// The keys that a handshake has exported (RFC 5764 section 4.2): both master keys, that of the client
/// first, then both salts.
pub(crate) fn from_handshake(
    suite: CryptoSuite,
    material: &[u8],
    role: DtlsRole,
) -> Option<SrtpKeys> {
    let [key_bytes, salt_bytes] = sizes(suite);
    let (keys, salts) = material.split_at_checked(2 * key_bytes)?;
    let (client_key, server_key) = keys.split_at_checked(key_bytes)?;
    let (client_salt, server_salt) = salts.split_at_checked(salt_bytes)?;
    let key = |key: &[u8], salt: &[u8]| SrtpKey {
        suite,
        key_and_salt: [key, salt].concat().into(),
        identifier: Box::default(),
    };
    let client = key(client_key, client_salt);
    let server = key(server_key, server_salt.get(..salt_bytes)?);
    Some(match role {
        DtlsRole::Client => SrtpKeys {
            ours: client,
            theirs: server,
        },
        DtlsRole::Server => SrtpKeys {
            ours: server,
            theirs: client,
        },
    })
}

/// Bytes that a handshake has to export for both sides.
pub(crate) fn exported_bytes(suite: CryptoSuite) -> usize {
    let [key_bytes, salt_bytes] = sizes(suite);
    2 * (key_bytes + salt_bytes)
}

/// Bytes of a master key and of a master salt.
fn sizes(suite: CryptoSuite) -> [usize; 2] {
    match suite {
        CryptoSuite::AesCm128HmacSha1_80 | CryptoSuite::AesCm128HmacSha1_32 => [16, 14],
        CryptoSuite::AesCm256HmacSha1_80 | CryptoSuite::AesCm256HmacSha1_32 => [32, 14],
        CryptoSuite::AeadAes128Gcm => [16, 12],
        CryptoSuite::AeadAes256Gcm => [32, 12],
    }
}

fn suite(suite: CryptoSuite) -> Suite {
    match suite {
        CryptoSuite::AesCm128HmacSha1_80 => Suite::AesCm128HmacSha1_80,
        CryptoSuite::AesCm128HmacSha1_32 => Suite::AesCm128HmacSha1_32,
        CryptoSuite::AesCm256HmacSha1_80 => Suite::AesCm256HmacSha1_80,
        CryptoSuite::AesCm256HmacSha1_32 => Suite::AesCm256HmacSha1_32,
        CryptoSuite::AeadAes128Gcm => Suite::AeadAes128Gcm,
        CryptoSuite::AeadAes256Gcm => Suite::AeadAes256Gcm,
    }
}
