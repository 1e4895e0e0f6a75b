//! The hash of the certificate that a party will show on the media path, `a=fingerprint` (RFC 8122).
//! No certificate, and nothing is hashed here.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::attribute::Attribute;

/// A hash function (RFC 8122 section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum HashFunction {
    /// `md2`: must not be used.
    Md2,
    /// `md5`: must not be used.
    Md5,
    /// `sha-1`: broken for certificates.
    Sha1,
    /// `sha-224`.
    Sha224,
    /// `sha-256`: what everybody has.
    Sha256,
    /// `sha-384`.
    Sha384,
    /// `sha-512`.
    Sha512,
}

impl HashFunction {
    const ALL: [HashFunction; 7] = [
        HashFunction::Md2,
        HashFunction::Md5,
        HashFunction::Sha1,
        HashFunction::Sha224,
        HashFunction::Sha256,
        HashFunction::Sha384,
        HashFunction::Sha512,
    ];

    /// The name as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            HashFunction::Md2 => "md2",
            HashFunction::Md5 => "md5",
            HashFunction::Sha1 => "sha-1",
            HashFunction::Sha224 => "sha-224",
            HashFunction::Sha256 => "sha-256",
            HashFunction::Sha384 => "sha-384",
            HashFunction::Sha512 => "sha-512",
        }
    }

    /// The function with this name, in any case.
    pub fn from_name(name: &str) -> Option<HashFunction> {
        HashFunction::ALL
            .into_iter()
            .find(|function| name.eq_ignore_ascii_case(function.as_str()))
    }

    /// How long the hash is.
    pub const fn hash_bytes(self) -> usize {
        match self {
            HashFunction::Md2 | HashFunction::Md5 => 16,
            HashFunction::Sha1 => 20,
            HashFunction::Sha224 => 28,
            HashFunction::Sha256 => 32,
            HashFunction::Sha384 => 48,
            HashFunction::Sha512 => 64,
        }
    }

    /// Whether certificates with the same hash can be made: it proves nothing.
    pub const fn is_weak(self) -> bool {
        matches!(
            self,
            HashFunction::Md2 | HashFunction::Md5 | HashFunction::Sha1
        )
    }
}

impl fmt::Display for HashFunction {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A line `a=fingerprint` (RFC 8122 section 5).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Fingerprint {
    function: HashFunction,
    hash: Box<[u8]>,
}

impl Fingerprint {
    /// `None` unless the hash is as long as the function makes it.
    pub fn new(function: HashFunction, hash: &[u8]) -> Option<Fingerprint> {
        (hash.len() == function.hash_bytes()).then(|| Fingerprint {
            function,
            hash: hash.into(),
        })
    }

    /// Reads `fingerprint:`. `None` for another attribute, an unknown function, or a value that is no
    /// hash of it.
    pub fn parse(attribute: &Attribute<'_>) -> Option<Fingerprint> {
        if attribute.name != "fingerprint" {
            return None;
        }
        let (name, value) = attribute.format_and_rest()?;
        let function = HashFunction::from_name(name)?;
        if value.len() != function.hash_bytes() * 3 - 1 {
            return None;
        }
        let hash: Box<[u8]> = value.split(':').map(byte_of).collect::<Option<_>>()?;
        Fingerprint::new(function, &hash)
    }

    /// What it was made with.
    pub const fn function(&self) -> HashFunction {
        self.function
    }

    /// The hash.
    pub const fn hash(&self) -> &[u8] {
        &self.hash
    }
}

/// The value of the attribute.
impl fmt::Display for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.function)?;
        for (index, byte) in self.hash.iter().enumerate() {
            let separator = if index == 0 { ' ' } else { ':' };
            write!(formatter, "{separator}{byte:02X}")?;
        }
        Ok(())
    }
}

/// Two hexadecimal digits.
fn byte_of(text: &str) -> Option<u8> {
    let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    u8::from_str_radix(text, 16).ok().filter(|_| digits)
}
