//! Credentials of a device for a limited time (draft-uberti-behave-turn-rest): the user name is
//! `EXPIRY:USER`, the password follows from it and a secret. Nothing is kept of them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::digest::KeyInit;
use hmac::{Hmac, Mac};
use sha1::Sha1;
use sha2::Sha256;

/// Bytes of the secret.
pub const SECRET_BYTES: usize = 32;

/// The block size of both hashes, to which HMAC fills up its key (RFC 2104 section 2).
const BLOCK_BYTES: usize = 64;

/// A secret of its own for each purpose, out of the one that an installation has.
pub fn secret_for(purpose: &str, installation: &[u8; SECRET_BYTES]) -> [u8; SECRET_BYTES] {
    let mut block = [0; BLOCK_BYTES];
    for (target, byte) in block.iter_mut().zip(installation) {
        *target = *byte;
    }
    let mut state = Hmac::<Sha256>::new(&block.into());
    state.update(purpose.as_bytes());
    state.finalize().into_bytes().into()
}

/// What a user name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim<'a> {
    /// The device.
    pub user: &'a str,
    /// Until when, in seconds since 1970; `None`: the device's own password is used.
    pub expires: Option<u64>,
}

impl<'a> Claim<'a> {
    /// Reads a user name. What does not begin with digits and a colon is a device.
    pub fn of(username: &'a str) -> Claim<'a> {
        let timed = username.split_once(':').and_then(|(expires, user)| {
            let is_number = expires.bytes().all(|digit| digit.is_ascii_digit());
            let expires = expires.parse().ok().filter(|_| is_number)?;
            Some((expires, user))
        });
        match timed {
            Some((expires, user)) => Claim {
                user,
                expires: Some(expires),
            },
            None => Claim {
                user: username,
                expires: None,
            },
        }
    }
}

/// Makes and checks credentials under one secret.
#[derive(Clone)]
pub struct Credentials {
    state: Hmac<Sha1>,
}

/// A user name and its password. `Debug` shows no password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// `EXPIRY:USER`.
    pub username: String,
    /// The password.
    pub password: String,
}

impl core::fmt::Debug for Credential {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter
            .debug_struct("Credential")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

impl Credentials {
    /// Prepares the secret.
    pub fn new(secret: &[u8; SECRET_BYTES]) -> Credentials {
        let mut block = [0; BLOCK_BYTES];
        for (target, byte) in block.iter_mut().zip(secret) {
            *target = *byte;
        }
        Credentials {
            state: Hmac::new(&block.into()),
        }
    }

    /// A credential for a device, good until `expires` (seconds since 1970).
    pub fn issue(&self, user: &str, expires: u64) -> Credential {
        let username = format!("{expires}:{user}");
        let password = self.password(&username);
        Credential { username, password }
    }

    /// The password of a user name, whatever it says.
    pub fn password(&self, username: &str) -> String {
        let mut state = self.state.clone();
        state.update(username.as_bytes());
        STANDARD.encode(state.finalize().into_bytes())
    }
}

impl core::fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.write_str("Credentials(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_name_is_a_device_or_a_device_until_a_time() {
        let claim = |user, expires| Claim { user, expires };
        assert_eq!(
            Claim::of("1764200000:anna"),
            claim("anna", Some(1_764_200_000))
        );
        assert_eq!(Claim::of("anna"), claim("anna", None));
        assert_eq!(Claim::of("anna:1"), claim("anna:1", None));
        assert_eq!(Claim::of(":anna"), claim(":anna", None));
        assert_eq!(Claim::of("+5:anna"), claim("+5:anna", None));
        assert_eq!(Claim::of("12:"), claim("", Some(12)));
        let many = "99999999999999999999:anna";
        assert_eq!(Claim::of(many), claim(many, None));
    }

    /// RFC 2202 section 3, test case 1 has a key of 20 bytes, which HMAC fills up with zeroes too.
    #[test]
    fn the_password_is_an_hmac_of_the_user_name() {
        let mut secret = [0; SECRET_BYTES];
        secret[..20].fill(0x0b);
        let password = Credentials::new(&secret).password("Hi There");
        assert_eq!(password, "thcxhlUFcmTii8C2+zeMjvFGvgA=");
    }

    #[test]
    fn every_purpose_has_a_secret_of_its_own() {
        let first = secret_for("one", &[1; SECRET_BYTES]);
        assert_eq!(first, secret_for("one", &[1; SECRET_BYTES]));
        assert_ne!(first, secret_for("two", &[1; SECRET_BYTES]));
        assert_ne!(first, secret_for("one", &[2; SECRET_BYTES]));
    }

    #[test]
    fn another_time_user_or_secret_is_another_password() {
        let credentials = Credentials::new(&[1; SECRET_BYTES]);
        let first = credentials.issue("anna", 10);
        assert_eq!(first.username, "10:anna");
        assert_ne!(first.password, credentials.issue("anna", 11).password);
        assert_ne!(first.password, credentials.issue("berta", 10).password);
        let other = Credentials::new(&[2; SECRET_BYTES]);
        assert_ne!(first.password, other.issue("anna", 10).password);
        assert!(!format!("{first:?}{credentials:?}").contains(&first.password));
    }
}
