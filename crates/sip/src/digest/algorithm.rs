//! The hash algorithms of digest authentication and their hexadecimal results on the stack.
//! What is hashed in which order is in [`super::response`].

use md5::Md5;
use serde::{Deserialize, Serialize};
use sha2::digest::Digest;
use sha2::{Sha256, Sha512_256};

/// A hash algorithm of the IANA registry "Hash Algorithms for HTTP Digest Authentication", weakest
/// first, so that the greater one is the stronger one (RFC 8760 section 2.1).
///
/// The `-sess` variants are not supported: no SIP peer needs them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Algorithm {
    /// MD5 (RFC 2617): what every old telephone can do.
    Md5,
    /// SHA-256 (RFC 7616).
    Sha256,
    /// SHA-512/256 (RFC 7616), written `SHA-512-256` in messages.
    Sha512_256,
}

impl Algorithm {
    /// All algorithms, strongest first: the order of challenges (RFC 8760 section 2.4).
    pub const STRONGEST_FIRST: [Algorithm; 3] =
        [Algorithm::Sha512_256, Algorithm::Sha256, Algorithm::Md5];

    /// The token in an `algorithm` parameter.
    pub const fn name(self) -> &'static str {
        match self {
            Algorithm::Md5 => "MD5",
            Algorithm::Sha256 => "SHA-256",
            Algorithm::Sha512_256 => "SHA-512-256",
        }
    }

    /// Reads the token of an `algorithm` parameter, in any case of letters.
    pub fn from_token(token: &str) -> Option<Algorithm> {
        Algorithm::STRONGEST_FIRST
            .into_iter()
            .find(|algorithm| algorithm.name().eq_ignore_ascii_case(token))
    }

    /// Hashes the concatenation of `parts` and writes the result in lower-case hexadecimal.
    pub(super) fn hash(self, parts: &[&[u8]]) -> HexHash {
        match self {
            Algorithm::Md5 => HexHash::of(&hash::<Md5>(parts)),
            Algorithm::Sha256 => HexHash::of(&hash::<Sha256>(parts)),
            Algorithm::Sha512_256 => HexHash::of(&hash::<Sha512_256>(parts)),
        }
    }
}

/// The plain hash of the concatenation of `parts`.
pub(super) fn hash<D: Digest>(parts: &[&[u8]]) -> sha2::digest::Output<D> {
    let mut state = D::new();
    for part in parts {
        state.update(part);
    }
    state.finalize()
}

/// Lower-case hexadecimal digits of a hash, without allocation.
#[derive(Clone, Copy)]
pub(super) struct HexHash {
    digits: [u8; 64],
    length: usize,
}

impl HexHash {
    /// Writes `hash` as digits. A hash here has at most 32 bytes; what is longer is cut off.
    pub(super) fn of(hash: &[u8]) -> HexHash {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digit = |nibble: u8| {
            DIGITS
                .get(usize::from(nibble & 0x0f))
                .copied()
                .unwrap_or(b'0')
        };
        let mut digits = [0; 64];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(hash) {
            if let [high, low] = pair {
                *high = digit(byte >> 4);
                *low = digit(*byte);
            }
        }
        HexHash {
            digits,
            length: digits.len().min(hash.len() * 2),
        }
    }

    /// The digits.
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.digits.get(..self.length).unwrap_or_default()
    }

    /// The digits as text.
    pub(super) fn as_str(&self) -> &str {
        core::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

/// Compares secrets in a time that depends on their length only.
pub(super) fn equal_in_constant_time(left: &[u8], right: &[u8]) -> bool {
    if left.len() != right.len() {
        return false;
    }
    let difference = left
        .iter()
        .zip(right)
        .fold(0, |difference, (l, r)| difference | (l ^ r));
    // The compiler must not find an early way out of the loop.
    core::hint::black_box(difference) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_any_case_and_session_variants_are_not_known() {
        for algorithm in Algorithm::STRONGEST_FIRST {
            assert_eq!(Algorithm::from_token(algorithm.name()), Some(algorithm));
            assert_eq!(
                Algorithm::from_token(&algorithm.name().to_lowercase()),
                Some(algorithm)
            );
        }
        assert_eq!(Algorithm::from_token("MD5-sess"), None);
        assert_eq!(Algorithm::from_token(""), None);
    }

    #[test]
    fn the_strongest_algorithm_is_the_greatest() {
        assert!(Algorithm::STRONGEST_FIRST.is_sorted_by(|left, right| left > right));
    }

    #[test]
    fn hashes_agree_with_the_published_values_of_the_empty_string_and_abc() {
        assert_eq!(
            Algorithm::Md5.hash(&[]).as_str(),
            "d41d8cd98f00b204e9800998ecf8427e"
        );
        assert_eq!(
            Algorithm::Md5.hash(&[b"a", b"bc"]).as_str(),
            "900150983cd24fb0d6963f7d28e17f72"
        );
        assert_eq!(
            Algorithm::Sha256.hash(&[b"abc"]).as_str(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(
            Algorithm::Sha512_256.hash(&[b"abc"]).as_str(),
            "53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23"
        );
    }

    #[test]
    fn comparison_sees_every_bit_and_the_length() {
        assert!(equal_in_constant_time(b"abc", b"abc"));
        assert!(!equal_in_constant_time(b"abc", b"abd"));
        assert!(!equal_in_constant_time(b"abc", b"ab"));
        assert!(equal_in_constant_time(b"", b""));
    }
}
