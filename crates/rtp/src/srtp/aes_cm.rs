//! AES in counter mode with HMAC-SHA1 (RFC 3711 sections 4.1.1 and 4.2.1, RFC 6188); knows nothing of
//! sources and windows.

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use zeroize::Zeroizing;

use super::derivation::{Aes, SessionKeys, head};
use super::suite::Suite;

/// The session keys of one direction of RTP or RTCP, made ready.
pub(super) struct AesCm {
    cipher: Aes,
    /// The salt in its place in the counter block.
    salt: Zeroizing<u128>,
    /// HMAC after its key: every packet begins with a copy of this.
    authenticator: Hmac<Sha1>,
    tag_bytes: usize,
}

impl AesCm {
    pub(super) fn new(keys: &SessionKeys, suite: Suite, tag_bytes: usize) -> AesCm {
        AesCm {
            cipher: Aes::new(suite, &keys.encryption[..]),
            salt: Zeroizing::new(u128::from_be_bytes(*head(&keys.salt[..]))),
            // HMAC fills its key up with zeros to a block in any case.
            authenticator: Hmac::new((&*head::<64>(&keys.authentication[..])).into()),
            tag_bytes,
        }
    }

    pub(super) const fn tag_bytes(&self) -> usize {
        self.tag_bytes
    }

    /// Encrypts or decrypts, which is the same. The index has 48 bits.
    #[inline]
    pub(super) fn crypt(&self, ssrc: u32, index: u64, data: &mut [u8]) {
        let block = *self.salt ^ (u128::from(ssrc) << 64) ^ (u128::from(index) << 16);
        self.cipher.add_keystream(&block.to_be_bytes(), data);
    }

    /// What authenticates `bytes`, to which more may be added.
    #[inline]
    pub(super) fn authenticate(&self, bytes: &[u8]) -> Authenticator {
        let mut mac = self.authenticator.clone();
        mac.update(bytes);
        Authenticator(mac)
    }
}

/// An authentication that has begun.
#[derive(Clone)]
pub(super) struct Authenticator(Hmac<Sha1>);

impl Authenticator {
    /// Ends with the rollover counter, and writes the tag, of which `tag` is as long a part as it is.
    #[inline]
    pub(super) fn write(mut self, more: &[u8], tag: &mut [u8]) {
        self.0.update(more);
        let whole = self.0.finalize().into_bytes();
        for (to, from) in tag.iter_mut().zip(whole) {
            *to = from;
        }
    }

    /// Ends with the rollover counter, and compares in constant time.
    #[inline]
    pub(super) fn verify(mut self, more: &[u8], tag: &[u8]) -> bool {
        self.0.update(more);
        self.0.verify_truncated_left(tag).is_ok()
    }
}
