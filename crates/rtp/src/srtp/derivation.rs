//! Session keys out of a master key (RFC 3711 section 4.3, RFC 6188 section 3, RFC 7714 section 11); at
//! a derivation rate of 0, so once.

use aes::cipher::{InOutBuf, InnerIvInit, KeyInit, StreamCipherCore};
use aes::{Aes128Enc, Aes256Enc};
use ctr::{CtrCore, flavors::Ctr128BE};
use zeroize::Zeroizing;

use super::master_key::MasterKey;
use super::suite::Suite;

/// Which key is derived (RFC 3711 section 4.3.1 and 4.3.2).
#[derive(Clone, Copy)]
#[repr(u8)]
pub(super) enum Label {
    RtpEncryption = 0,
    RtpAuthentication = 1,
    RtpSalt = 2,
    RtcpEncryption = 3,
    RtcpAuthentication = 4,
    RtcpSalt = 5,
}

/// The longest session key of a cipher.
const MAX_KEY_BYTES: usize = 32;

/// Bytes of a session salt in counter mode; the salt of AEAD is two shorter.
pub(super) const SALT_BYTES: usize = 14;

/// Bytes of the key of HMAC-SHA1 (RFC 3711 section 5.2).
pub(super) const AUTHENTICATION_KEY_BYTES: usize = 20;

/// What protects RTP, or RTCP.
pub(super) struct SessionKeys {
    pub(super) encryption: Zeroizing<[u8; MAX_KEY_BYTES]>,
    pub(super) salt: Zeroizing<[u8; SALT_BYTES]>,
    pub(super) authentication: Zeroizing<[u8; AUTHENTICATION_KEY_BYTES]>,
}

impl SessionKeys {
    /// For RTP.
    pub(super) fn rtp(master: &MasterKey) -> SessionKeys {
        SessionKeys::derive(
            master,
            Label::RtpEncryption,
            Label::RtpAuthentication,
            Label::RtpSalt,
        )
    }

    /// For RTCP.
    pub(super) fn rtcp(master: &MasterKey) -> SessionKeys {
        SessionKeys::derive(
            master,
            Label::RtcpEncryption,
            Label::RtcpAuthentication,
            Label::RtcpSalt,
        )
    }

    fn derive(
        master: &MasterKey,
        encryption: Label,
        authentication: Label,
        salt: Label,
    ) -> SessionKeys {
        let suite = master.suite();
        let mut keys = SessionKeys {
            encryption: Zeroizing::new([0; MAX_KEY_BYTES]),
            salt: Zeroizing::new([0; SALT_BYTES]),
            authentication: Zeroizing::new([0; AUTHENTICATION_KEY_BYTES]),
        };
        derive(master, encryption, &mut keys.encryption[..]);
        if let Some(salt_of_suite) = keys.salt.get_mut(..suite.salt_bytes()) {
            derive(master, salt, salt_of_suite);
        }
        derive(master, authentication, &mut keys.authentication[..]);
        keys
    }
}

/// Fills `out`, which is zero, with the keystream that `label` stands for (RFC 3711 section 4.3.3).
pub(super) fn derive(master: &MasterKey, label: Label, out: &mut [u8]) {
    // A salt of 96 bits is filled up with zeros, as one of 112 bits is by being shifted.
    let salt = u128::from_be_bytes(*head(master.salt()));
    // The label stands before the 48 bits of index DIV rate, which are 0, at the end of 112 bits.
    let block = Zeroizing::new((salt ^ (u128::from(label as u8) << (48 + 16))).to_be_bytes());
    Aes::new(master.suite(), master.key()).add_keystream(&block, out);
}

/// The first bytes of a key, with zeros behind them when it is shorter.
pub(super) fn head<const N: usize>(bytes: &[u8]) -> Zeroizing<[u8; N]> {
    let mut head = Zeroizing::new([0; N]);
    for (to, from) in head.iter_mut().zip(bytes) {
        *to = *from;
    }
    head
}

/// AES in counter mode with a key of either length.
pub(super) enum Aes {
    Aes128(Aes128Enc),
    Aes256(Aes256Enc),
}

impl Aes {
    /// Of `key`, as much as the suite asks for.
    pub(super) fn new(suite: Suite, key: &[u8]) -> Aes {
        match suite.key_bytes() {
            16 => Aes::Aes128(Aes128Enc::new((&*head::<16>(key)).into())),
            _ => Aes::Aes256(Aes256Enc::new((&*head::<32>(key)).into())),
        }
    }

    /// Adds the keystream that begins at the counter `block`.
    #[inline]
    pub(super) fn add_keystream(&self, block: &[u8; 16], data: &mut [u8]) {
        let data = InOutBuf::from(data);
        match self {
            Aes::Aes128(aes) => {
                Counter::inner_iv_init(aes, block.into()).apply_keystream_partial(data)
            }
            Aes::Aes256(aes) => {
                Counter::inner_iv_init(aes, block.into()).apply_keystream_partial(data)
            }
        }
    }
}

type Counter<'a, C> = CtrCore<&'a C, Ctr128BE>;

#[cfg(test)]
mod tests {
    use aes::cipher::consts::U12;
    use sha1::Sha1;
    use zeroize::ZeroizeOnDrop;

    use super::*;

    /// That this compiles is the test.
    #[test]
    fn whatever_holds_a_key_is_wiped_when_it_is_dropped() {
        const fn wiped<T: ZeroizeOnDrop>() {}
        wiped::<Zeroizing<[u8; MAX_KEY_BYTES]>>();
        wiped::<Aes128Enc>();
        wiped::<Aes256Enc>();
        // HMAC is two states of its hash, and a buffer.
        wiped::<Sha1>();
        wiped::<aes_gcm::AesGcm<Aes128Enc, U12>>();
        wiped::<aes_gcm::AesGcm<Aes256Enc, U12>>();
    }
}
