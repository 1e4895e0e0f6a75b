//! The stored form of a SIP password: its digest hashes (A1 of RFC 7616 section 3.4.2).

use core::fmt;

use md5::Md5;
use serde::{Deserialize, Serialize};
use sha2::{Sha256, Sha512_256};

use super::algorithm::{Algorithm, HexHash, equal_in_constant_time, hash};

/// The hashes of `user:realm:password`, one per algorithm.
///
/// This is all that is kept of a password. It is still a secret: whoever has it can answer
/// challenges of that realm. [`fmt::Debug`] shows nothing, and comparison takes constant time.
#[derive(Clone, Serialize, Deserialize)]
pub struct Ha1 {
    /// For [`Algorithm::Md5`].
    pub md5: [u8; 16],
    /// For [`Algorithm::Sha256`].
    pub sha256: [u8; 32],
    /// For [`Algorithm::Sha512_256`].
    pub sha512_256: [u8; 32],
}

impl Ha1 {
    /// Hashes a password for a user of a realm.
    pub fn new(user: &str, realm: &str, password: &str) -> Ha1 {
        let parts = [
            user.as_bytes(),
            b":",
            realm.as_bytes(),
            b":",
            password.as_bytes(),
        ];
        Ha1 {
            md5: hash::<Md5>(&parts).into(),
            sha256: hash::<Sha256>(&parts).into(),
            sha512_256: hash::<Sha512_256>(&parts).into(),
        }
    }

    /// The hash for one algorithm in hexadecimal, as it enters the response.
    pub(super) fn hex(&self, algorithm: Algorithm) -> HexHash {
        match algorithm {
            Algorithm::Md5 => HexHash::of(&self.md5),
            Algorithm::Sha256 => HexHash::of(&self.sha256),
            Algorithm::Sha512_256 => HexHash::of(&self.sha512_256),
        }
    }
}

impl PartialEq for Ha1 {
    fn eq(&self, other: &Ha1) -> bool {
        equal_in_constant_time(&self.md5, &other.md5)
            & equal_in_constant_time(&self.sha256, &other.sha256)
            & equal_in_constant_time(&self.sha512_256, &other.sha512_256)
    }
}

impl Eq for Ha1 {}

impl fmt::Debug for Ha1 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Ha1(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_of_a_password_is_not_shown_by_debug() {
        let ha1 = Ha1::new("alice", "fernamt", "secret");
        assert_eq!(format!("{ha1:?}"), "Ha1(secret)");
        assert_eq!(format!("{ha1:#?}"), "Ha1(secret)");
    }

    #[test]
    fn users_realms_and_passwords_make_different_hashes() {
        let ha1 = Ha1::new("alice", "fernamt", "secret");
        assert_eq!(ha1, Ha1::new("alice", "fernamt", "secret"));
        assert_ne!(ha1, Ha1::new("bob", "fernamt", "secret"));
        assert_ne!(ha1, Ha1::new("alice", "other", "secret"));
        assert_ne!(ha1, Ha1::new("alice", "fernamt", "Secret"));
    }

    #[test]
    fn the_md5_hash_is_the_one_of_rfc_2617() {
        let ha1 = Ha1::new("Mufasa", "testrealm@host.com", "Circle Of Life");
        assert_eq!(
            ha1.hex(Algorithm::Md5).as_str(),
            "939e7578ed9e3c518a452acee763bce9"
        );
    }
}
