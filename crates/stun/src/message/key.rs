//! Keys of MESSAGE-INTEGRITY: of a password alone, or of a user, a realm and a password
//! (RFC 8489 section 9). Where users come from is not known here.

use core::fmt;

use md5::Md5;
use sha2::{Digest, Sha256};

use super::algorithm::PasswordAlgorithm;

/// The longest password of the short-term mechanism, in bytes: that of ICE (RFC 8839 section 5.4).
pub const MAX_PASSWORD_BYTES: usize = 256;

/// The key of a message's integrity. `Debug` shows nothing of it.
#[derive(Clone)]
pub struct Key {
    bytes: [u8; MAX_PASSWORD_BYTES],
    length: u16,
}

/// The password is longer than [`MAX_PASSWORD_BYTES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the password is longer than {MAX_PASSWORD_BYTES} bytes")]
pub struct LongPassword;

impl Key {
    /// The key of the short-term mechanism (RFC 8489 section 9.1.1): the password as it is.
    ///
    /// # Errors
    /// [`LongPassword`].
    pub fn short_term(password: &str) -> Result<Key, LongPassword> {
        Key::from_bytes(password.as_bytes()).ok_or(LongPassword)
    }

    /// The key of the long-term mechanism (RFC 8489 section 9.2.2): the hash of
    /// `user:realm:password`. Both texts must have gone through the profiles of RFC 8265 already,
    /// which change nothing in ASCII.
    pub fn long_term(algorithm: PasswordAlgorithm, user: &str, realm: &str, password: &str) -> Key {
        fn hash<D: Digest>(parts: [&str; 5]) -> impl AsRef<[u8]> {
            let mut state = D::new();
            parts.iter().for_each(|part| state.update(part));
            state.finalize()
        }
        let parts = [user, ":", realm, ":", password];
        match algorithm {
            PasswordAlgorithm::Md5 => Key::md5(to_array(hash::<Md5>(parts).as_ref())),
            PasswordAlgorithm::Sha256 => Key::sha256(to_array(hash::<Sha256>(parts).as_ref())),
        }
    }

    /// A long-term key that was hashed before with MD5: the A1 of SIP's digest is the same value.
    pub fn md5(hash: [u8; 16]) -> Key {
        Key::from_bytes(&hash).unwrap_or_else(Key::nothing)
    }

    /// A long-term key that was hashed before with SHA-256.
    pub fn sha256(hash: [u8; 32]) -> Key {
        Key::from_bytes(&hash).unwrap_or_else(Key::nothing)
    }

    fn nothing() -> Key {
        Key {
            bytes: [0; MAX_PASSWORD_BYTES],
            length: 0,
        }
    }

    fn from_bytes(bytes: &[u8]) -> Option<Key> {
        let mut key = Key::nothing();
        key.bytes.get_mut(..bytes.len())?.copy_from_slice(bytes);
        key.length = u16::try_from(bytes.len()).ok()?;
        Some(key)
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        self.bytes
            .get(..usize::from(self.length))
            .unwrap_or_default()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Key(secret)")
    }
}

fn to_array<const N: usize>(hash: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    for (target, byte) in array.iter_mut().zip(hash) {
        *target = *byte;
    }
    array
}

/// The value of USERHASH (RFC 8489 section 14.4).
pub fn user_hash(user: &str, realm: &str) -> [u8; 32] {
    let mut state = Sha256::new();
    state.update(user);
    state.update(":");
    state.update(realm);
    state.finalize().into()
}
