//! A message written into a buffer that is used again (RFC 8489 section 6.1).

use std::net::SocketAddr;

use super::address::{Family, masked, write_plain};
use super::attribute::{self, padded};
use super::header::{Class, Method, TransactionId, kind};
use super::integrity::{self, SHA1_BYTES, SHA256_BYTES};
use super::{
    ErrorCode, HEADER_BYTES, Integrity, Key, MAGIC_COOKIE, MAX_MESSAGE_BYTES, fingerprint,
};

/// The message would be longer than [`MAX_MESSAGE_BYTES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the message would be longer than {MAX_MESSAGE_BYTES} bytes")]
pub struct TooLong;

/// Writes one message behind what is in the buffer already. Nothing is allocated when the buffer
/// has room.
#[derive(Debug)]
pub struct Builder<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
    transaction: TransactionId,
    is_too_long: bool,
}

impl<'a> Builder<'a> {
    /// Begins a message.
    pub fn new(
        out: &'a mut Vec<u8>,
        class: Class,
        method: Method,
        transaction: TransactionId,
    ) -> Builder<'a> {
        let start = out.len();
        out.extend_from_slice(&kind(class, method).to_be_bytes());
        out.extend_from_slice(&[0, 0]);
        out.extend_from_slice(&MAGIC_COOKIE);
        out.extend_from_slice(&transaction.0);
        Builder {
            out,
            start,
            transaction,
            is_too_long: false,
        }
    }

    /// Adds an attribute whose value consists of parts.
    fn parts(mut self, kind: u16, parts: &[&[u8]]) -> Self {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let end = self.out.len() - self.start + 4 + padded(length);
        let Ok(field) = u16::try_from(length) else {
            self.is_too_long = true;
            return self;
        };
        if end > MAX_MESSAGE_BYTES {
            self.is_too_long = true;
            return self;
        }
        self.out.extend_from_slice(&kind.to_be_bytes());
        self.out.extend_from_slice(&field.to_be_bytes());
        for part in parts {
            self.out.extend_from_slice(part);
        }
        self.out.resize(self.start + end, 0);
        self
    }

    /// Adds an attribute.
    pub fn attribute(self, kind: u16, value: &[u8]) -> Self {
        self.parts(kind, &[value])
    }

    /// Adds a text.
    pub fn text(self, kind: u16, value: &str) -> Self {
        self.parts(kind, &[value.as_bytes()])
    }

    /// Adds a 32-bit number, such as LIFETIME.
    pub fn number(self, kind: u16, value: u32) -> Self {
        self.parts(kind, &[&value.to_be_bytes()])
    }

    /// Adds a masked address, such as XOR-MAPPED-ADDRESS.
    pub fn masked_address(self, kind: u16, address: SocketAddr) -> Self {
        let value = write_plain(masked(address, self.transaction));
        self.parts(kind, &[value.as_slice()])
    }

    /// Adds a plain address, such as ALTERNATE-SERVER.
    pub fn plain_address(self, kind: u16, address: SocketAddr) -> Self {
        let value = write_plain(address);
        self.parts(kind, &[value.as_slice()])
    }

    /// Adds ERROR-CODE with its words.
    pub fn error(self, code: ErrorCode) -> Self {
        self.parts(
            attribute::ERROR_CODE,
            &[&code.head(), code.reason().as_bytes()],
        )
    }

    /// Adds ADDRESS-ERROR-CODE (RFC 8656 section 18.12): why there is no relay of a family.
    pub fn address_error(self, family: Family, code: ErrorCode) -> Self {
        let [_, _, class, number] = code.head();
        self.parts(
            attribute::ADDRESS_ERROR_CODE,
            &[
                &[family.number(), 0, class, number],
                code.reason().as_bytes(),
            ],
        )
    }

    /// Adds UNKNOWN-ATTRIBUTES.
    pub fn unknown(self, kinds: &[u16]) -> Self {
        let mut value = [0; 2 * super::Unknown::MOST];
        let mut length = 0;
        for (place, kind) in value.chunks_exact_mut(2).zip(kinds) {
            place.copy_from_slice(&kind.to_be_bytes());
            length += 2;
        }
        let value = value.get(..length).unwrap_or_default();
        self.parts(attribute::UNKNOWN_ATTRIBUTES, &[value])
    }

    /// Adds MESSAGE-INTEGRITY or MESSAGE-INTEGRITY-SHA256 over what is there.
    pub fn integrity(self, integrity: Integrity, key: &Key) -> Self {
        let message = self.out.get(self.start..).unwrap_or_default();
        let offset = message.len();
        match integrity {
            Integrity::Sha1 => {
                let value = integrity::sha1(key, message, offset);
                self.protection(attribute::MESSAGE_INTEGRITY, value)
            }
            Integrity::Sha256 => {
                let value = integrity::sha256(key, message, offset, SHA256_BYTES);
                self.protection(attribute::MESSAGE_INTEGRITY_SHA256, value)
            }
        }
    }

    fn protection<const N: usize>(mut self, kind: u16, value: Option<[u8; N]>) -> Self {
        const { assert!(N == SHA1_BYTES || N == SHA256_BYTES) };
        match value {
            Some(value) => self.parts(kind, &[&value]),
            None => {
                self.is_too_long = true;
                self
            }
        }
    }

    /// Adds FINGERPRINT; it must be the last attribute.
    pub fn fingerprint(mut self) -> Self {
        let offset = self.out.len() - self.start;
        self.write_length(offset + 8);
        let message = self.out.get(self.start..).unwrap_or_default();
        let value = fingerprint::value(message, offset).unwrap_or_default();
        self.parts(attribute::FINGERPRINT, &[&value])
    }

    fn write_length(&mut self, bytes: usize) {
        // What is longer is refused in the end.
        let length = u16::try_from(bytes - HEADER_BYTES).unwrap_or(u16::MAX);
        if let Some(field) = self.out.get_mut(self.start + 2..self.start + 4) {
            field.copy_from_slice(&length.to_be_bytes());
        }
    }

    /// Ends the message.
    ///
    /// # Errors
    /// [`TooLong`]; the buffer is then as it was before.
    pub fn finish(mut self) -> Result<(), TooLong> {
        if self.is_too_long {
            self.out.truncate(self.start);
            return Err(TooLong);
        }
        self.write_length(self.out.len() - self.start);
        Ok(())
    }
}
