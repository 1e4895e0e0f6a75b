//! The hashes of a password as text. They are secret too: no error and no log shows them.

use core::fmt;

use fernamt_sip::digest::Ha1;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The hashes of a password for one realm (HA1 of RFC 7616), one per algorithm.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "a table with realm, md5, sha-256 and sha-512-256"
)]
pub struct DesiredHashes {
    /// The realm they were made for.
    pub realm: Box<str>,
    md5: Hexadecimal<16>,
    #[serde(rename = "sha-256")]
    sha256: Hexadecimal<32>,
    #[serde(rename = "sha-512-256")]
    sha512_256: Hexadecimal<32>,
}

impl DesiredHashes {
    /// The text form of `ha1`.
    pub fn new(realm: Box<str>, ha1: &Ha1) -> DesiredHashes {
        DesiredHashes {
            realm,
            md5: Hexadecimal(ha1.md5),
            sha256: Hexadecimal(ha1.sha256),
            sha512_256: Hexadecimal(ha1.sha512_256),
        }
    }
}

impl From<&DesiredHashes> for Ha1 {
    fn from(hashes: &DesiredHashes) -> Ha1 {
        Ha1 {
            md5: hashes.md5.0,
            sha256: hashes.sha256.0,
            sha512_256: hashes.sha512_256.0,
        }
    }
}

impl fmt::Debug for DesiredHashes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "DesiredHashes({:?})", self.realm)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Hexadecimal<const LENGTH: usize>([u8; LENGTH]);

impl<const LENGTH: usize> Serialize for Hexadecimal<LENGTH> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(self.0))
    }
}

impl<'de, const LENGTH: usize> Deserialize<'de> for Hexadecimal<LENGTH> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Box::<str>::deserialize(deserializer)?;
        let mut bytes = [0; LENGTH];
        hex::decode_to_slice(&*text, &mut bytes).map_err(|_| {
            de::Error::custom(format!("{} hexadecimal digits are needed", 2 * LENGTH))
        })?;
        Ok(Hexadecimal(bytes))
    }
}
