//! STUN messages (RFC 8489), a TURN server and a TURN client (RFC 8656); no socket, clock or random source
//!
//! The rooms: [`message`] is bytes to view and back, with everything that protects a message.
#![forbid(unsafe_code)]

pub mod message;

pub use message::{Class, Message, Method, TransactionId};
