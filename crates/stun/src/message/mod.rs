//! One STUN message (RFC 8489 section 5): bytes to view and back; no transactions, no transport.
//!
//! Parsing looks at the whole structure once and copies nothing; what an attribute means is read
//! when it is asked for. [`Builder`] writes into a buffer that is used again.

pub mod address;
pub mod algorithm;
pub mod attribute;
pub mod builder;
pub mod error_code;
pub mod fingerprint;
pub mod header;
pub mod integrity;
pub mod key;

mod parse;
#[cfg(test)]
mod tests;

pub use attribute::{Attribute, Attributes};
pub use builder::{Builder, TooLong};
pub use error_code::ErrorCode;
pub use header::{Class, Method, TransactionId};
pub use integrity::Integrity;
pub use key::Key;
pub use parse::{Message, MessageError, Unknown};

/// The fixed header (RFC 8489 section 5), in bytes.
pub const HEADER_BYTES: usize = 20;

/// The value by which STUN is told from other protocols (RFC 8489 section 5).
pub const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

/// The longest message, in bytes: what the length field can say, and a multiple of four.
pub const MAX_MESSAGE_BYTES: usize = HEADER_BYTES + 65_532;

/// Attributes in one message, at most. Honest messages have about ten.
pub const MAX_ATTRIBUTES: usize = 64;

/// The longest USERNAME, in bytes (RFC 8489 section 14.3: less than 509).
pub const MAX_USERNAME_BYTES: usize = 508;

/// The longest REALM, NONCE, SOFTWARE and reason phrase, in bytes (RFC 8489 sections 14.8 to 14.14:
/// 127 characters of up to six bytes each).
pub const MAX_TEXT_BYTES: usize = 763;
