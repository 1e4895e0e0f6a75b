//! PASSWORD-ALGORITHM and PASSWORD-ALGORITHMS (RFC 8489 sections 14.11 and 14.12): how a long-term
//! key is made out of a password.

use super::address::u16_at;
use super::attribute::padded;

/// How a long-term key is made (RFC 8489 section 18.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordAlgorithm {
    /// MD5, the only one before RFC 8489.
    Md5,
    /// SHA-256.
    Sha256,
}

impl PasswordAlgorithm {
    const fn number(self) -> u16 {
        match self {
            PasswordAlgorithm::Md5 => 0x0001,
            PasswordAlgorithm::Sha256 => 0x0002,
        }
    }

    const fn from_number(number: u16) -> Option<PasswordAlgorithm> {
        match number {
            0x0001 => Some(PasswordAlgorithm::Md5),
            0x0002 => Some(PasswordAlgorithm::Sha256),
            _ => None,
        }
    }

    /// The value of PASSWORD-ALGORITHM; neither algorithm has parameters.
    pub const fn value(self) -> [u8; 4] {
        let [high, low] = self.number().to_be_bytes();
        [high, low, 0, 0]
    }

    /// Reads the value of PASSWORD-ALGORITHM; `None` when it is malformed or not known.
    pub fn read(value: &[u8]) -> Option<PasswordAlgorithm> {
        let mut all = PasswordAlgorithms(value);
        let first = all.next()?;
        if all.0.is_empty() { first } else { None }
    }
}

/// The entries of PASSWORD-ALGORITHMS in the server's order of preference; what is not known is
/// `None`.
#[derive(Clone, Debug)]
pub struct PasswordAlgorithms<'a>(pub &'a [u8]);

impl Iterator for PasswordAlgorithms<'_> {
    type Item = Option<PasswordAlgorithm>;

    fn next(&mut self) -> Option<Option<PasswordAlgorithm>> {
        let number = u16_at(self.0, 0)?;
        let length = usize::from(u16_at(self.0, 2)?);
        self.0 = self.0.get(4 + padded(length)..).unwrap_or_default();
        Some(PasswordAlgorithm::from_number(number).filter(|_| length == 0))
    }
}
