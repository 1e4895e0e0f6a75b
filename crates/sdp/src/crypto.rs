//! Keys of SRTP in session descriptions, `a=crypto` (RFC 4568): suites, lines, and which lines are
//! fit to be chosen. No cipher.

mod key;

use core::fmt;

use serde::{Deserialize, Serialize};

pub use key::{InlineKey, MasterKey, MasterKeyIdentifier};

use crate::attribute::Attribute;

/// The most keys in one line; RFC 4568 has no limit, and nobody is known to send more than two.
pub const MAX_KEYS: usize = 4;

/// The longest text of session parameters that is read.
pub const MAX_SESSION_PARAMETER_BYTES: usize = 256;

/// The largest tag: nine digits (RFC 4568 section 9.1).
pub const MAX_TAG: u32 = 999_999_999;

/// A key that is good for fewer packets is not taken: somebody would have to agree on new ones every few
/// minutes. So many are 22 minutes of voice; RFC 4568 section 6.1 has 2^20 in its examples.
pub const MIN_LIFETIME_PACKETS: u64 = 1 << 16;

/// A crypto suite of SRTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CryptoSuite {
    /// `AES_CM_128_HMAC_SHA1_80` (RFC 4568).
    AesCm128HmacSha1_80,
    /// `AES_CM_128_HMAC_SHA1_32` (RFC 4568).
    AesCm128HmacSha1_32,
    /// `AES_256_CM_HMAC_SHA1_80` (RFC 6188).
    AesCm256HmacSha1_80,
    /// `AES_256_CM_HMAC_SHA1_32` (RFC 6188).
    AesCm256HmacSha1_32,
    /// `AEAD_AES_128_GCM` (RFC 7714).
    AeadAes128Gcm,
    /// `AEAD_AES_256_GCM` (RFC 7714).
    AeadAes256Gcm,
}

impl CryptoSuite {
    /// All of them, the strongest first.
    pub const ALL: [CryptoSuite; 6] = [
        CryptoSuite::AeadAes256Gcm,
        CryptoSuite::AeadAes128Gcm,
        CryptoSuite::AesCm256HmacSha1_80,
        CryptoSuite::AesCm128HmacSha1_80,
        CryptoSuite::AesCm256HmacSha1_32,
        CryptoSuite::AesCm128HmacSha1_32,
    ];

    /// The name as it is registered.
    pub const fn as_str(self) -> &'static str {
        match self {
            CryptoSuite::AesCm128HmacSha1_80 => "AES_CM_128_HMAC_SHA1_80",
            CryptoSuite::AesCm128HmacSha1_32 => "AES_CM_128_HMAC_SHA1_32",
            CryptoSuite::AesCm256HmacSha1_80 => "AES_256_CM_HMAC_SHA1_80",
            CryptoSuite::AesCm256HmacSha1_32 => "AES_256_CM_HMAC_SHA1_32",
            CryptoSuite::AeadAes128Gcm => "AEAD_AES_128_GCM",
            CryptoSuite::AeadAes256Gcm => "AEAD_AES_256_GCM",
        }
    }

    /// The name that phones use which were built before RFC 6188 had put the key length elsewhere.
    const fn early_name(self) -> Option<&'static str> {
        match self {
            CryptoSuite::AesCm256HmacSha1_80 => Some("AES_CM_256_HMAC_SHA1_80"),
            CryptoSuite::AesCm256HmacSha1_32 => Some("AES_CM_256_HMAC_SHA1_32"),
            _ => None,
        }
    }

    /// The suite with this name, in any case and in either spelling.
    pub fn from_name(name: &str) -> Option<CryptoSuite> {
        CryptoSuite::spelled(name).map(|(suite, _)| suite)
    }

    /// The suite, and whether it is spelled the early way.
    fn spelled(name: &str) -> Option<(CryptoSuite, bool)> {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        CryptoSuite::ALL.into_iter().find_map(|suite| {
            let early = suite.early_name().is_some_and(is);
            (early || is(suite.as_str())).then_some((suite, early))
        })
    }

    /// How long the master key is.
    pub const fn key_bytes(self) -> usize {
        match self {
            CryptoSuite::AesCm128HmacSha1_80
            | CryptoSuite::AesCm128HmacSha1_32
            | CryptoSuite::AeadAes128Gcm => 16,
            CryptoSuite::AesCm256HmacSha1_80
            | CryptoSuite::AesCm256HmacSha1_32
            | CryptoSuite::AeadAes256Gcm => 32,
        }
    }

    /// How long the master salt is: 112 bits with AES-CM (RFC 3711), 96 with GCM (RFC 7714).
    pub const fn salt_bytes(self) -> usize {
        match self {
            CryptoSuite::AeadAes128Gcm | CryptoSuite::AeadAes256Gcm => 12,
            _ => 14,
        }
    }

    /// How long key and salt are together.
    pub const fn key_and_salt_bytes(self) -> usize {
        self.key_bytes() + self.salt_bytes()
    }
}

impl fmt::Display for CryptoSuite {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Why a line is not chosen although its suite is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum CryptoObjection {
    /// `UNENCRYPTED_SRTP` or `UNENCRYPTED_SRTCP`.
    #[error("the line asks for packets without encryption")]
    Unencrypted,
    /// `UNAUTHENTICATED_SRTP`.
    #[error("the line asks for packets without authentication")]
    Unauthenticated,
    /// `KDR`: session keys are to be derived again and again.
    #[error("the line asks for a key derivation rate")]
    KeyDerivationRate,
    /// `FEC_ORDER` or `FEC_KEY`.
    #[error("the line asks for forward error correction")]
    ForwardErrorCorrection,
    /// A parameter that nobody here knows and that may not be ignored (RFC 4568 section 6.3.7).
    #[error("the line has a session parameter that is not known here")]
    UnknownParameter,
    /// More than one master key.
    #[error("the line has several master keys")]
    SeveralKeys,
    /// A master key for fewer packets than [`MIN_LIFETIME_PACKETS`].
    #[error("the key in the line is good for too few packets")]
    ShortLifetime,
}

/// A line `a=crypto` (RFC 4568 section 9.1).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crypto {
    /// Tells the lines of one section apart; an answer has that of the line it chose.
    pub tag: u32,
    /// Cipher and authentication.
    pub suite: CryptoSuite,
    /// The suite is spelled the early way, and must be in an answer.
    pub early_spelling: bool,
    /// The master keys of what the writer sends; at least one.
    pub keys: Vec<InlineKey>,
    /// What else is asked for, as it is written; empty: nothing.
    pub session_parameters: String,
}

impl Crypto {
    /// A line with one key.
    pub fn new(tag: u32, suite: CryptoSuite, master: MasterKey) -> Crypto {
        Crypto {
            tag: tag.clamp(1, MAX_TAG),
            suite,
            early_spelling: false,
            keys: vec![InlineKey::new(master)],
            session_parameters: String::new(),
        }
    }

    /// The line that answers this one (RFC 4568 section 5.1.2): its tag and suite with our key.
    #[must_use]
    pub fn answer(&self, master: MasterKey) -> Crypto {
        Crypto {
            early_spelling: self.early_spelling,
            ..Crypto::new(self.tag, self.suite, master)
        }
    }

    /// Reads `crypto:`. `None` for another attribute, an unknown suite, or a line with anything that
    /// is not as it must be: a key of another length, a lifetime of 0, several keys that no
    /// identifiers tell apart (RFC 4568 section 6.1).
    pub fn parse(attribute: &Attribute<'_>) -> Option<Crypto> {
        if attribute.name != "crypto" {
            return None;
        }
        let (tag, rest) = next_word(attribute.value_text())?;
        let (suite, rest) = next_word(rest)?;
        let (keys, session_parameters) = next_word(rest)?;
        let (suite, early_spelling) = CryptoSuite::spelled(suite)?;
        if session_parameters.len() > MAX_SESSION_PARAMETER_BYTES {
            return None;
        }
        let keys = parse_keys(keys, suite)?;
        Some(Crypto {
            tag: parse_digits(tag).filter(|&tag| tag <= MAX_TAG)?,
            suite,
            early_spelling,
            keys,
            session_parameters: session_parameters.to_owned(),
        })
    }

    /// The name of the suite as it stands in the line.
    fn suite_name(&self) -> &'static str {
        let early = self.suite.early_name().filter(|_| self.early_spelling);
        early.unwrap_or(self.suite.as_str())
    }

    /// The key of what the writer sends, when the line has one.
    pub fn key(&self) -> Option<&InlineKey> {
        self.keys.first()
    }

    /// Why the line is not to be chosen; `None`: it may be. All that a line asks for has to be acceptable
    /// to whoever takes it; another line may be taken instead (RFC 4568 section 7.1.2).
    pub fn objection(&self) -> Option<CryptoObjection> {
        if self.keys.len() > 1 {
            return Some(CryptoObjection::SeveralKeys);
        }
        let lifetime = self.key().and_then(|key| key.lifetime_packets);
        if lifetime.is_some_and(|packets| packets < MIN_LIFETIME_PACKETS) {
            return Some(CryptoObjection::ShortLifetime);
        }
        let mut parameters = self.session_parameters.split_ascii_whitespace();
        parameters.find_map(objection_to)
    }

    /// The value of the attribute, with its key: for the description of the one it is meant for and
    /// for nothing else.
    pub const fn exposed(&self) -> ExposedCrypto<'_> {
        ExposedCrypto(self)
    }
}

/// Without the key: a secret never reaches a log.
impl fmt::Debug for Crypto {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Crypto")
            .field("tag", &self.tag)
            .field("suite", &self.suite)
            .finish_non_exhaustive()
    }
}

/// A line as it is written, key and all.
pub struct ExposedCrypto<'a>(&'a Crypto);

impl fmt::Display for ExposedCrypto<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let crypto = self.0;
        write!(formatter, "{} {} ", crypto.tag, crypto.suite_name())?;
        for (index, key) in crypto.keys.iter().enumerate() {
            let separator = if index == 0 { "" } else { ";" };
            formatter.write_str(separator)?;
            key.write(formatter)?;
        }
        match crypto.session_parameters.as_str() {
            "" => Ok(()),
            parameters => write!(formatter, " {parameters}"),
        }
    }
}

fn parse_keys(text: &str, suite: CryptoSuite) -> Option<Vec<InlineKey>> {
    if text.split(';').count() > MAX_KEYS {
        return None;
    }
    let keys: Vec<InlineKey> = text
        .split(';')
        .map(|key| InlineKey::parse(key, suite))
        .collect::<Option<_>>()?;
    let identifier_bytes = |key: &InlineKey| key.identifier.map(MasterKeyIdentifier::length_bytes);
    let first = identifier_bytes(keys.first()?);
    let alike = keys.iter().all(|key| identifier_bytes(key) == first);
    (keys.len() == 1 || first.is_some() && alike).then_some(keys)
}

/// What is to be said against a session parameter (RFC 4568 section 6.3).
fn objection_to(parameter: &str) -> Option<CryptoObjection> {
    let name = parameter.split('=').next().unwrap_or(parameter);
    let is = |known: &str| name.eq_ignore_ascii_case(known);
    if is("UNENCRYPTED_SRTP") || is("UNENCRYPTED_SRTCP") {
        Some(CryptoObjection::Unencrypted)
    } else if is("UNAUTHENTICATED_SRTP") {
        Some(CryptoObjection::Unauthenticated)
    } else if is("KDR") {
        Some(CryptoObjection::KeyDerivationRate)
    } else if is("FEC_ORDER") || is("FEC_KEY") {
        Some(CryptoObjection::ForwardErrorCorrection)
    } else if is("WSH") || name.starts_with('-') {
        // A hint for the size of the replay window, and what may be ignored.
        None
    } else {
        Some(CryptoObjection::UnknownParameter)
    }
}

fn next_word(text: &str) -> Option<(&str, &str)> {
    let (word, rest) = text.split_once([' ', '\t']).unwrap_or((text, ""));
    (!word.is_empty()).then_some((word, rest.trim_ascii()))
}

/// A number of digits alone: no sign.
fn parse_digits<T: core::str::FromStr>(text: &str) -> Option<T> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}
