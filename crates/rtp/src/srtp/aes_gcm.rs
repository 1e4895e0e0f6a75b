//! AES-GCM for SRTP and SRTCP (RFC 7714); knows nothing of sources and windows.

use aes::cipher::consts::U12;
use aes::cipher::{InOutBuf, KeyInit};
use aes::{Aes128Enc, Aes256Enc};
use aes_gcm::AesGcm as Gcm;
use aes_gcm::aead::AeadInOut;
use zeroize::Zeroizing;

use super::derivation::{SessionKeys, head};
use super::suite::Suite;

/// Bytes of a tag.
pub(super) const TAG_BYTES: usize = 16;

const NONCE_BYTES: usize = 12;

/// The session keys of one direction of RTP or RTCP, made ready.
pub(super) struct AesGcm {
    cipher: Cipher,
    salt: Zeroizing<u128>,
}

enum Cipher {
    Aes128(Gcm<Aes128Enc, U12>),
    Aes256(Gcm<Aes256Enc, U12>),
}

impl AesGcm {
    pub(super) fn new(keys: &SessionKeys, suite: Suite) -> AesGcm {
        let key = &keys.encryption[..];
        let cipher = match suite.key_bytes() {
            16 => Cipher::Aes128(Gcm::new((&*head::<16>(key)).into())),
            _ => Cipher::Aes256(Gcm::new((&*head::<32>(key)).into())),
        };
        let salt = u128::from_be_bytes(*head(&keys.salt[..]));
        AesGcm {
            cipher,
            // Of the 128 bits, the salt is the upper 96.
            salt: Zeroizing::new(salt >> 32),
        }
    }

    /// Two zeros, the source, and the index of 48 bits, with the salt (RFC 7714 sections 8.1 and 9.1;
    /// the index of SRTCP has 31 bits, with zeros before it).
    #[inline]
    fn nonce(&self, ssrc: u32, index: u64) -> [u8; NONCE_BYTES] {
        let bits = *self.salt ^ (u128::from(ssrc) << 48) ^ u128::from(index);
        let [_, _, _, _, nonce @ ..] = bits.to_be_bytes();
        nonce
    }

    /// Encrypts in place; returns the tag. `None` for more than GCM takes, which no datagram is.
    #[inline]
    pub(super) fn seal(
        &self,
        ssrc: u32,
        index: u64,
        associated: &[u8],
        data: &mut [u8],
    ) -> Option<[u8; TAG_BYTES]> {
        let nonce = self.nonce(ssrc, index).into();
        let data = InOutBuf::from(data);
        let tag = match &self.cipher {
            Cipher::Aes128(cipher) => cipher.encrypt_inout_detached(&nonce, associated, data),
            Cipher::Aes256(cipher) => cipher.encrypt_inout_detached(&nonce, associated, data),
        };
        tag.ok().map(Into::into)
    }

    /// Decrypts in place when the tag is right; else leaves the data as it is.
    #[inline]
    pub(super) fn open(
        &self,
        ssrc: u32,
        index: u64,
        associated: &[u8],
        data: &mut [u8],
        tag: &[u8; TAG_BYTES],
    ) -> bool {
        let nonce = self.nonce(ssrc, index).into();
        let data = InOutBuf::from(data);
        let opened = match &self.cipher {
            Cipher::Aes128(cipher) => {
                cipher.decrypt_inout_detached(&nonce, associated, data, tag.into())
            }
            Cipher::Aes256(cipher) => {
                cipher.decrypt_inout_detached(&nonce, associated, data, tag.into())
            }
        };
        opened.is_ok()
    }
}
