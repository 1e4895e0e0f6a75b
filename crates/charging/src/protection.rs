//! How the media of one leg were protected, as its record says it. No key, and nothing of how it came
//! about.

use core::fmt;

use fernamt_sdp::CryptoSuite;
use serde::{Deserialize, Serialize};

/// How media were protected on their way between a party and the exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MediaProtection {
    /// Not at all.
    Clear,
    /// SRTP with keys that crossed in the session descriptions (RFC 4568).
    Sdes {
        /// Cipher and authentication.
        suite: CryptoSuite,
        /// The signalling that carried the keys was encrypted on its way between the party and us.
        signalling_encrypted: bool,
    },
    /// SRTP with keys from a handshake on the media path (RFC 5764).
    Dtls {
        /// Cipher and authentication. `None`: the handshake was not completed, and not one packet
        /// passed; or the phones made it between themselves, and nobody else knows what it came to.
        suite: Option<CryptoSuite>,
        /// The same of the signalling that carried the fingerprints.
        signalling_encrypted: bool,
    },
}

/// Who can listen to media on their way between a party and the exchange by watching what passes. The
/// most come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Listeners {
    /// Whoever sees the packets.
    Everybody,
    /// Whoever sees the packets and the signalling, which carried the keys in clear.
    ReadersOfSignalling,
    /// Nobody.
    Nobody,
}

impl MediaProtection {
    /// The weaker one of two: what more people can listen to, then what unencrypted signalling had a
    /// part in, then what has the weaker suite.
    #[must_use]
    pub fn weaker(self, other: MediaProtection) -> MediaProtection {
        match other.strength() < self.strength() {
            true => other,
            false => self,
        }
    }

    /// The same, where keys or fingerprints have crossed this signalling as well.
    #[must_use]
    pub const fn also_over(self, encrypted: bool) -> MediaProtection {
        match self {
            MediaProtection::Clear => self,
            MediaProtection::Sdes {
                suite,
                signalling_encrypted,
            } => MediaProtection::Sdes {
                suite,
                signalling_encrypted: signalling_encrypted && encrypted,
            },
            MediaProtection::Dtls {
                suite,
                signalling_encrypted,
            } => MediaProtection::Dtls {
                suite,
                signalling_encrypted: signalling_encrypted && encrypted,
            },
        }
    }

    /// Who can listen.
    pub const fn listeners(self) -> Listeners {
        match self {
            MediaProtection::Clear => Listeners::Everybody,
            MediaProtection::Sdes {
                signalling_encrypted: false,
                ..
            } => Listeners::ReadersOfSignalling,
            MediaProtection::Sdes { .. } | MediaProtection::Dtls { .. } => Listeners::Nobody,
        }
    }

    /// Cipher and authentication, where there are any and they are known.
    pub const fn suite(self) -> Option<CryptoSuite> {
        match self {
            MediaProtection::Clear => None,
            MediaProtection::Sdes { suite, .. } => Some(suite),
            MediaProtection::Dtls { suite, .. } => suite,
        }
    }

    /// Whether the signalling that carried keys or fingerprints was encrypted; `None` where there were
    /// none.
    pub const fn signalling_encrypted(self) -> Option<bool> {
        match self {
            MediaProtection::Clear => None,
            MediaProtection::Sdes {
                signalling_encrypted,
                ..
            }
            | MediaProtection::Dtls {
                signalling_encrypted,
                ..
            } => Some(signalling_encrypted),
        }
    }

    /// A suite that is not known yet is weaker than none: as soon as it is known, it counts.
    fn strength(self) -> (Listeners, Option<bool>, usize) {
        let all = CryptoSuite::ALL;
        let rank = |suite| all.iter().rev().position(|known| *known == suite);
        let suite = self.suite().and_then(rank).unwrap_or(all.len());
        (self.listeners(), self.signalling_encrypted(), suite)
    }
}

impl fmt::Display for MediaProtection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let signalling = match self.signalling_encrypted() {
            Some(true) => "encrypted signalling",
            Some(false) | None => "unencrypted signalling",
        };
        match self {
            MediaProtection::Clear => formatter.write_str("in clear"),
            MediaProtection::Sdes { suite, .. } => {
                write!(formatter, "SRTP, {suite}, keys (SDES) over {signalling}")
            }
            MediaProtection::Dtls {
                suite: Some(suite), ..
            } => write!(
                formatter,
                "SRTP, {suite}, keys from DTLS, fingerprints over {signalling}"
            ),
            MediaProtection::Dtls { suite: None, .. } => write!(
                formatter,
                "SRTP, keys from DTLS (no handshake was seen), fingerprints over {signalling}"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRONG: CryptoSuite = CryptoSuite::AeadAes256Gcm;
    const WEAK: CryptoSuite = CryptoSuite::AesCm128HmacSha1_32;

    const fn sdes(suite: CryptoSuite, signalling_encrypted: bool) -> MediaProtection {
        MediaProtection::Sdes {
            suite,
            signalling_encrypted,
        }
    }

    const fn dtls(suite: Option<CryptoSuite>, signalling_encrypted: bool) -> MediaProtection {
        MediaProtection::Dtls {
            suite,
            signalling_encrypted,
        }
    }

    #[test]
    fn the_weaker_is_what_more_can_listen_to_then_what_is_easier_to_break() {
        let from_weak_to_strong = [
            MediaProtection::Clear,
            sdes(WEAK, false),
            sdes(STRONG, false),
            dtls(Some(WEAK), false),
            dtls(Some(STRONG), false),
            sdes(WEAK, true),
            dtls(Some(STRONG), true),
        ];
        for (place, weak) in from_weak_to_strong.iter().enumerate() {
            for strong in &from_weak_to_strong[place..] {
                assert_eq!(weak.weaker(*strong), *weak);
                assert_eq!(strong.weaker(*weak), *weak);
            }
        }
    }

    #[test]
    fn a_suite_counts_as_soon_as_it_is_known() {
        let (unknown, known) = (dtls(None, true), dtls(Some(STRONG), true));
        assert_eq!(unknown.weaker(known), known);
        assert_eq!(known.weaker(unknown), known);
        assert_eq!(unknown.weaker(MediaProtection::Clear).suite(), None);
    }

    #[test]
    fn keys_that_have_crossed_unencrypted_signalling_once_have_done_so() {
        assert_eq!(sdes(WEAK, true).also_over(true), sdes(WEAK, true));
        assert_eq!(sdes(WEAK, true).also_over(false), sdes(WEAK, false));
        assert_eq!(sdes(WEAK, false).also_over(true), sdes(WEAK, false));
        assert_eq!(dtls(None, true).also_over(false), dtls(None, false));
        assert_eq!(
            MediaProtection::Clear.also_over(true),
            MediaProtection::Clear
        );
    }

    #[test]
    fn keys_that_cross_in_clear_are_for_whoever_reads_them() {
        for (protection, listeners) in [
            (MediaProtection::Clear, Listeners::Everybody),
            (sdes(STRONG, false), Listeners::ReadersOfSignalling),
            (sdes(WEAK, true), Listeners::Nobody),
            (dtls(Some(WEAK), false), Listeners::Nobody),
        ] {
            assert_eq!(protection.listeners(), listeners);
        }
    }

    #[test]
    fn it_is_said_in_words() {
        for (protection, words) in [
            (MediaProtection::Clear, "in clear"),
            (
                sdes(STRONG, false),
                "SRTP, AEAD_AES_256_GCM, keys (SDES) over unencrypted signalling",
            ),
            (
                dtls(Some(STRONG), true),
                "SRTP, AEAD_AES_256_GCM, keys from DTLS, fingerprints over encrypted signalling",
            ),
            (
                dtls(None, true),
                "SRTP, keys from DTLS (no handshake was seen), fingerprints over encrypted \
                 signalling",
            ),
        ] {
            assert_eq!(protection.to_string(), words);
        }
    }
}
