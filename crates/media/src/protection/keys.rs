//! Keys as the exchange writes them, and as SRTP takes them; no key is used here.

use fernamt_exchange::media::{DtlsRole, ProtectionFailure, SrtpKey, SrtpKeys};
use fernamt_rtp::srtp::{MasterKey, Suite};
use fernamt_sdp::CryptoSuite;

/// A key ready for use.
pub(crate) fn master_key(key: &SrtpKey) -> Result<MasterKey, ProtectionFailure> {
    let suite = suite(key.suite).ok_or(ProtectionFailure::Key)?;
    let mut master = MasterKey::new(suite, &key.key_and_salt);
    if !key.identifier.is_empty() {
        master = master.and_then(|master| master.with_mki(&key.identifier));
    }
    if let Some(packets) = key.lifetime_packets {
        master = master.and_then(|master| master.with_lifetime(packets));
    }
    master.map_err(|_| ProtectionFailure::Key)
}

/// The keys that a handshake has exported, in which we had this role.
pub(crate) fn from_handshake(
    suite: CryptoSuite,
    material: &[u8],
    role: DtlsRole,
) -> Option<SrtpKeys> {
    let (client, server) = MasterKey::pair_from_dtls(self::suite(suite)?, material).ok()?;
    let key = |master: MasterKey| SrtpKey {
        suite,
        key_and_salt: master.inline().into(),
        identifier: Box::default(),
        lifetime_packets: None,
    };
    let (ours, theirs) = match role {
        DtlsRole::Client => (client, server),
        DtlsRole::Server => (server, client),
    };
    Some(SrtpKeys {
        ours: key(ours),
        theirs: key(theirs),
    })
}

/// Bytes that a handshake has to export for both sides.
pub(crate) fn exported_bytes(suite: CryptoSuite) -> usize {
    self::suite(suite).map_or(0, Suite::exported_bytes)
}

/// What is done with a suite, by the name that both know.
fn suite(suite: CryptoSuite) -> Option<Suite> {
    Suite::from_name(suite.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_negotiated_is_what_is_done() {
        for negotiated in CryptoSuite::ALL {
            let suite = suite(negotiated).unwrap();
            assert_eq!(suite.name(), negotiated.as_str());
            assert_eq!(suite.key_bytes(), negotiated.key_bytes());
            assert_eq!(suite.salt_bytes(), negotiated.salt_bytes());
        }
        assert_eq!(CryptoSuite::ALL.len(), Suite::ALL.len());
    }

    #[test]
    fn each_side_of_a_handshake_sends_with_its_own_key() {
        for suite in CryptoSuite::ALL {
            let (key, salt) = (suite.key_bytes(), suite.salt_bytes());
            let material = [vec![1; key], vec![2; key], vec![3; salt], vec![4; salt]].concat();
            assert_eq!(exported_bytes(suite), material.len());
            let of = |role| from_handshake(suite, &material, role).unwrap();
            let (client, server) = (of(DtlsRole::Client), of(DtlsRole::Server));
            assert_eq!(
                (&client.ours, &client.theirs),
                (&server.theirs, &server.ours)
            );
            assert_eq!(client.ours.key_and_salt[0], 1);
            let short = &material[..material.len() - 1];
            assert_eq!(from_handshake(suite, short, DtlsRole::Client), None);
        }
    }
}
