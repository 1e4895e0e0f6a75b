//! A message as it lies in the bytes that were received: its structure is checked once, its
//! attributes are read when they are asked for.

use std::net::SocketAddr;

use super::address::{read_masked, read_plain};
use super::algorithm::{PasswordAlgorithm, PasswordAlgorithms};
use super::attribute::{self, Attribute, Attributes, RawAttributes, padded};
use super::header::{Class, Method, TransactionId, class_and_method};
use super::integrity::{self, MIN_SHA256_BYTES, SHA1_BYTES, SHA256_BYTES, equal_in_constant_time};
use super::{
    ErrorCode, HEADER_BYTES, Integrity, Key, MAGIC_COOKIE, MAX_ATTRIBUTES, MAX_TEXT_BYTES,
    MAX_USERNAME_BYTES, fingerprint,
};

/// A message, and the bytes it stands in.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    bytes: &'a [u8],
    class: Class,
    method: Method,
    transaction: TransactionId,
}

/// Why bytes are no STUN message. The peer, or somebody who is none, broke a rule: they are dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Shorter than the header.
    #[error("shorter than a STUN header")]
    Short,
    /// The two bits that are zero in STUN are not, or the magic cookie is missing.
    #[error("not STUN")]
    NotStun,
    /// The length field is no multiple of four, or not what has arrived.
    #[error("the length field says {said} bytes, {arrived} have arrived")]
    Length {
        /// Bytes after the header, as the field says.
        said: u16,
        /// Bytes after the header.
        arrived: usize,
    },
    /// An attribute does not fit into the message.
    #[error("an attribute does not fit into the message")]
    Attribute,
    /// More than [`MAX_ATTRIBUTES`].
    #[error("more than {MAX_ATTRIBUTES} attributes")]
    ManyAttributes,
    /// There is a fingerprint, and it is wrong or not at the end.
    #[error("the fingerprint is wrong")]
    Fingerprint,
}

impl<'a> Message<'a> {
    /// Reads a message that fills `bytes`. A fingerprint is checked where there is one.
    ///
    /// # Errors
    /// [`MessageError`]; nothing is answered then.
    pub fn parse(bytes: &'a [u8]) -> Result<Message<'a>, MessageError> {
        let header = bytes
            .first_chunk::<HEADER_BYTES>()
            .ok_or(MessageError::Short)?;
        let [k0, k1, l0, l1, c0, c1, c2, c3, transaction @ ..] = *header;
        if k0 & 0xc0 != 0 || [c0, c1, c2, c3] != MAGIC_COOKIE {
            return Err(MessageError::NotStun);
        }
        let said = u16::from_be_bytes([l0, l1]);
        let arrived = bytes.len() - HEADER_BYTES;
        if said % 4 != 0 || usize::from(said) != arrived {
            return Err(MessageError::Length { said, arrived });
        }
        let (class, method) = class_and_method(u16::from_be_bytes([k0, k1]));
        let message = Message {
            bytes,
            class,
            method,
            transaction: TransactionId(transaction),
        };
        message.check_attributes()?;
        Ok(message)
    }

    fn check_attributes(&self) -> Result<(), MessageError> {
        let mut end = HEADER_BYTES;
        let mut count = 0;
        for attribute in self.raw() {
            count += 1;
            if count > MAX_ATTRIBUTES {
                return Err(MessageError::ManyAttributes);
            }
            end = attribute.offset + 4 + padded(attribute.value.len());
            if attribute.kind == attribute::FINGERPRINT {
                let value = fingerprint::value(self.bytes, attribute.offset);
                let is_right = value.is_some_and(|value| value == *attribute.value);
                if !is_right || end != self.bytes.len() {
                    return Err(MessageError::Fingerprint);
                }
            }
        }
        if end == self.bytes.len() {
            Ok(())
        } else {
            Err(MessageError::Attribute)
        }
    }

    fn raw(&self) -> RawAttributes<'a> {
        RawAttributes {
            message: self.bytes,
            offset: HEADER_BYTES,
        }
    }

    /// The class.
    pub const fn class(&self) -> Class {
        self.class
    }

    /// The method.
    pub const fn method(&self) -> Method {
        self.method
    }

    /// The transaction.
    pub const fn transaction(&self) -> TransactionId {
        self.transaction
    }

    /// The attributes that count, in their order.
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes {
            raw: self.raw(),
            is_over: false,
        }
    }

    /// The value of the first attribute of a type that counts; later ones are repetitions
    /// (RFC 8489 section 14).
    pub fn find(&self, kind: u16) -> Option<&'a [u8]> {
        self.find_attribute(kind).map(|found| found.value)
    }

    fn find_attribute(&self, kind: u16) -> Option<Attribute<'a>> {
        self.attributes().find(|attribute| attribute.kind == kind)
    }

    /// Whether there is such an attribute that counts.
    pub fn has(&self, kind: u16) -> bool {
        self.find(kind).is_some()
    }

    fn text(&self, kind: u16, most: usize) -> Option<&'a str> {
        let value = self.find(kind).filter(|value| value.len() <= most)?;
        core::str::from_utf8(value).ok()
    }

    /// USERNAME; `None` also when it is too long or no UTF-8, as below.
    pub fn username(&self) -> Option<&'a str> {
        self.text(attribute::USERNAME, MAX_USERNAME_BYTES)
    }

    /// REALM.
    pub fn realm(&self) -> Option<&'a str> {
        self.text(attribute::REALM, MAX_TEXT_BYTES)
    }

    /// NONCE.
    pub fn nonce(&self) -> Option<&'a str> {
        self.text(attribute::NONCE, MAX_TEXT_BYTES)
    }

    /// SOFTWARE.
    pub fn software(&self) -> Option<&'a str> {
        self.text(attribute::SOFTWARE, MAX_TEXT_BYTES)
    }

    /// USERHASH.
    pub fn user_hash(&self) -> Option<&'a [u8; 32]> {
        self.find(attribute::USERHASH)?.try_into().ok()
    }

    /// ERROR-CODE: the code and the words.
    pub fn error_code(&self) -> Option<(ErrorCode, &'a str)> {
        ErrorCode::read(self.find(attribute::ERROR_CODE)?)
    }

    /// PASSWORD-ALGORITHM; `None` also when we do not know it.
    pub fn password_algorithm(&self) -> Option<PasswordAlgorithm> {
        PasswordAlgorithm::read(self.find(attribute::PASSWORD_ALGORITHM)?)
    }

    /// PASSWORD-ALGORITHMS in the order in which they stand.
    pub fn password_algorithms(&self) -> Option<PasswordAlgorithms<'a>> {
        self.find(attribute::PASSWORD_ALGORITHMS)
            .map(PasswordAlgorithms)
    }

    /// XOR-MAPPED-ADDRESS, or MAPPED-ADDRESS from a server that knows nothing else.
    pub fn mapped_address(&self) -> Option<SocketAddr> {
        self.masked_address(attribute::XOR_MAPPED_ADDRESS)
            .or_else(|| read_plain(self.find(attribute::MAPPED_ADDRESS)?))
    }

    /// ALTERNATE-SERVER.
    pub fn alternate_server(&self) -> Option<SocketAddr> {
        read_plain(self.find(attribute::ALTERNATE_SERVER)?)
    }

    /// The first masked address of a type, such as XOR-PEER-ADDRESS.
    pub fn masked_address(&self, kind: u16) -> Option<SocketAddr> {
        read_masked(self.find(kind)?, self.transaction)
    }

    /// A 32-bit number, such as LIFETIME.
    pub fn number(&self, kind: u16) -> Option<u32> {
        Some(u32::from_be_bytes(self.find(kind)?.try_into().ok()?))
    }

    /// The attributes that must be understood and are not in `known` (RFC 8489 section 6.3).
    pub fn unknown(&self, known: &[u16]) -> Unknown {
        let mut unknown = Unknown::default();
        for attribute in self.attributes() {
            if attribute::is_comprehension_required(attribute.kind)
                && !known.contains(&attribute.kind)
            {
                unknown.push(attribute.kind);
            }
        }
        unknown
    }

    /// Which protection there is; both are possible.
    pub fn has_integrity(&self, integrity: Integrity) -> bool {
        self.has(match integrity {
            Integrity::Sha1 => attribute::MESSAGE_INTEGRITY,
            Integrity::Sha256 => attribute::MESSAGE_INTEGRITY_SHA256,
        })
    }

    /// Whether the message was protected with this key: by MESSAGE-INTEGRITY-SHA256 where there is
    /// one, and by MESSAGE-INTEGRITY otherwise (RFC 8489 section 9.2.4). Gives back which it was.
    pub fn verify(&self, key: &Key) -> Option<Integrity> {
        if let Some(found) = self.find_attribute(attribute::MESSAGE_INTEGRITY_SHA256) {
            let length = found.value.len();
            if !(MIN_SHA256_BYTES..=SHA256_BYTES).contains(&length) || length % 4 != 0 {
                return None;
            }
            let expected = integrity::sha256(key, self.bytes, found.offset, length)?;
            let expected = expected.get(..length)?;
            return equal_in_constant_time(expected, found.value).then_some(Integrity::Sha256);
        }
        let found = self.find_attribute(attribute::MESSAGE_INTEGRITY)?;
        if found.value.len() != SHA1_BYTES {
            return None;
        }
        let expected = integrity::sha1(key, self.bytes, found.offset)?;
        equal_in_constant_time(&expected, found.value).then_some(Integrity::Sha1)
    }
}

/// Attributes that must be understood and are not; as many as an answer lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unknown {
    kinds: [u16; Unknown::MOST],
    count: usize,
}

impl Unknown {
    /// As many are listed, at most.
    pub const MOST: usize = 16;

    fn push(&mut self, kind: u16) {
        if let Some(place) = self.kinds.get_mut(self.count) {
            *place = kind;
            self.count += 1;
        }
    }

    /// The list with one that is known, but cannot be done.
    pub fn with(mut self, kind: u16) -> Unknown {
        self.push(kind);
        self
    }

    /// Whether all is understood.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The types.
    pub fn kinds(&self) -> &[u16] {
        self.kinds.get(..self.count).unwrap_or_default()
    }
}
