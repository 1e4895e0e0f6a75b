//! STUN messages (RFC 8489), a TURN server and a TURN client (RFC 8656); no socket, clock or random source
//!
//! The rooms: [`message`] is bytes to view and back, with everything that protects a message;
//! [`frame`] is what shares a port with it; [`credential`] makes passwords for a limited time;
//! [`server`] and [`client`] are machines that take an input and the time and give back outputs.
#![forbid(unsafe_code)]

pub mod client;
pub mod credential;
pub mod frame;
pub mod message;
pub mod network;
pub mod server;
pub mod time;

pub use message::{Class, Message, Method, TransactionId};
pub use network::Network;
pub use time::Now;
