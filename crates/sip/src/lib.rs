//! SIP messages, transactions, dialogs and digest (RFC 3261); no socket, clock or random source
//!
//! The rooms are the nouns of RFC 3261: [`message`] (text to view and back), [`transport`]
//! (names of transports and flows), [`transaction`] (section 17), [`dialog`] (section 12),
//! [`digest`] (RFC 8760), [`stream`] (framing on TCP, TLS and WebSocket) and [`time`].
#![forbid(unsafe_code)]

pub mod builder;
pub mod dialog;
pub mod digest;
pub mod escape;
pub mod header;
pub mod limits;
pub mod message;
pub mod multipart;
pub mod status;
pub mod stream;
mod text;
pub mod time;
pub mod timer;
pub mod transaction;
pub mod transport;
pub mod uri;
pub mod validate;

pub use header::{name_addr, via};
