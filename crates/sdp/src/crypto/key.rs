//! `inline:` of a crypto line (RFC 4568 section 6.1): master key and salt, lifetime, identifier.
//! Keys are wiped when they are dropped and are never shown.

use core::fmt;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use super::{CryptoSuite, parse_digits};

/// The longest master key: 256 bits.
const MAX_KEY_BYTES: usize = 32;

/// The longest master salt: 112 bits.
const MAX_SALT_BYTES: usize = 14;

const MAX_KEY_AND_SALT_BYTES: usize = MAX_KEY_BYTES + MAX_SALT_BYTES;

/// Room for the longest key and salt in base64.
const MAX_TEXT_BYTES: usize = MAX_KEY_AND_SALT_BYTES.div_ceil(3) * 4;

/// SRTP may use a key for no more packets (RFC 3711 section 9.2).
const MAX_LIFETIME_PACKETS: u64 = 1 << 48;

/// The longest identifier (RFC 4568 section 6.1).
const MAX_IDENTIFIER_BYTES: u8 = 128;

/// Padding is written; some leave it out. Bits behind the last byte must be 0.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Master key and master salt (RFC 3711 section 3.2.1).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MasterKey {
    key: [u8; MAX_KEY_BYTES],
    salt: [u8; MAX_SALT_BYTES],
    key_length: u8,
    salt_length: u8,
}

impl MasterKey {
    /// From key and salt, one behind the other; `None` unless they are as long as the suite says.
    pub fn new(suite: CryptoSuite, key_and_salt: &[u8]) -> Option<MasterKey> {
        let (key, salt) = key_and_salt.split_at_checked(suite.key_bytes())?;
        if salt.len() != suite.salt_bytes() {
            return None;
        }
        let mut master = MasterKey {
            key: [0; MAX_KEY_BYTES],
            salt: [0; MAX_SALT_BYTES],
            key_length: u8::try_from(key.len()).ok()?,
            salt_length: u8::try_from(salt.len()).ok()?,
        };
        master.key.get_mut(..key.len())?.copy_from_slice(key);
        master.salt.get_mut(..salt.len())?.copy_from_slice(salt);
        Some(master)
    }

    /// The key.
    pub fn key(&self) -> &[u8] {
        let length = usize::from(self.key_length);
        self.key.get(..length).unwrap_or_default()
    }

    /// The salt.
    pub fn salt(&self) -> &[u8] {
        let length = usize::from(self.salt_length);
        self.salt.get(..length).unwrap_or_default()
    }

    /// A copy of both, one behind the other; whoever takes it wipes it.
    pub fn key_and_salt(&self) -> Box<[u8]> {
        [self.key(), self.salt()].concat().into_boxed_slice()
    }

    fn key_and_salt_array(&self) -> [u8; MAX_KEY_AND_SALT_BYTES] {
        let mut bytes = [0; MAX_KEY_AND_SALT_BYTES];
        let both = self.key().iter().chain(self.salt());
        bytes
            .iter_mut()
            .zip(both)
            .for_each(|(to, from)| *to = *from);
        bytes
    }

    fn from_text(text: &str, suite: CryptoSuite) -> Option<MasterKey> {
        if text.len() > MAX_TEXT_BYTES {
            return None;
        }
        let mut bytes = Zeroizing::new([0; MAX_TEXT_BYTES]);
        let length = BASE64.decode_slice(text, bytes.as_mut_slice()).ok()?;
        MasterKey::new(suite, bytes.get(..length)?)
    }

    fn write(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = Zeroizing::new(self.key_and_salt_array());
        let mut text = Zeroizing::new([0; MAX_TEXT_BYTES]);
        let length = usize::from(self.key_length) + usize::from(self.salt_length);
        let bytes = bytes.get(..length).unwrap_or_default();
        let length = BASE64
            .encode_slice(bytes, text.as_mut_slice())
            .map_err(|_| fmt::Error)?;
        let text = text.get(..length).unwrap_or_default();
        formatter.write_str(core::str::from_utf8(text).map_err(|_| fmt::Error)?)
    }
}

impl Drop for MasterKey {
    fn drop(&mut self) {
        self.key.zeroize();
        self.salt.zeroize();
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("MasterKey(not shown)")
    }
}

/// Names a master key in every packet (RFC 3711 section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MasterKeyIdentifier {
    value: u128,
    length_bytes: u8,
}

impl MasterKeyIdentifier {
    /// `None` unless the length is 1 to 128 and the value fits into it.
    pub fn new(value: u128, length_bytes: u8) -> Option<MasterKeyIdentifier> {
        let bits = u32::from(length_bytes) * 8;
        let fits = value.checked_shr(bits).unwrap_or(0) == 0;
        let length_fits = (1..=MAX_IDENTIFIER_BYTES).contains(&length_bytes);
        (fits && length_fits).then_some(MasterKeyIdentifier {
            value,
            length_bytes,
        })
    }

    /// How long it is in a packet.
    pub const fn length_bytes(self) -> u8 {
        self.length_bytes
    }

    /// As it stands in a packet.
    pub fn to_bytes(self) -> Box<[u8]> {
        let value = self.value.to_be_bytes();
        let length = usize::from(self.length_bytes);
        let zeros = length.saturating_sub(value.len());
        let significant = value.len().saturating_sub(length);
        let mut bytes = vec![0; zeros];
        bytes.extend_from_slice(value.get(significant..).unwrap_or_default());
        bytes.into_boxed_slice()
    }

    fn parse(text: &str) -> Option<MasterKeyIdentifier> {
        let (value, length) = text.split_once(':')?;
        MasterKeyIdentifier::new(parse_digits(value)?, parse_digits(length)?)
    }
}

/// One key of a line, with what is said about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InlineKey {
    /// Key and salt.
    pub master: MasterKey,
    /// For how many packets; `None`: as many as SRTP allows.
    pub lifetime_packets: Option<u64>,
    /// Its name in packets; `None`: packets have none.
    pub identifier: Option<MasterKeyIdentifier>,
}

impl InlineKey {
    /// Without lifetime and identifier.
    pub const fn new(master: MasterKey) -> InlineKey {
        InlineKey {
            master,
            lifetime_packets: None,
            identifier: None,
        }
    }

    pub(super) fn parse(text: &str, suite: CryptoSuite) -> Option<InlineKey> {
        let (method, text) = text.split_once(':')?;
        if !method.eq_ignore_ascii_case("inline") {
            return None;
        }
        let mut parts = text.split('|');
        let mut key = InlineKey::new(MasterKey::from_text(parts.next()?, suite)?);
        let (second, third) = (parts.next(), parts.next());
        if parts.next().is_some() {
            return None;
        }
        // The lifetime may be missing; a colon tells what stands there.
        let (lifetime, identifier) = match (second, third) {
            (Some(identifier), None) if identifier.contains(':') => (None, Some(identifier)),
            both => both,
        };
        if let Some(lifetime) = lifetime {
            key.lifetime_packets = Some(parse_lifetime(lifetime)?);
        }
        if let Some(identifier) = identifier {
            key.identifier = Some(MasterKeyIdentifier::parse(identifier)?);
        }
        Some(key)
    }

    pub(super) fn write(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("inline:")?;
        self.master.write(formatter)?;
        match self.lifetime_packets {
            Some(packets) if packets.is_power_of_two() => {
                write!(formatter, "|2^{}", packets.trailing_zeros())?;
            }
            Some(packets) => write!(formatter, "|{packets}")?,
            None => {}
        }
        match self.identifier {
            Some(identifier) => {
                write!(
                    formatter,
                    "|{}:{}",
                    identifier.value, identifier.length_bytes
                )
            }
            None => Ok(()),
        }
    }
}

/// `2^n` or a number of packets.
fn parse_lifetime(text: &str) -> Option<u64> {
    let packets = match text.strip_prefix("2^") {
        Some(exponent) => 1u64.checked_shl(parse_digits(exponent)?)?,
        None => parse_digits(text)?,
    };
    (1..=MAX_LIFETIME_PACKETS)
        .contains(&packets)
        .then_some(packets)
}
