//! STUN messages (RFC 8489), a TURN server and a TURN client (RFC 8656); no socket, clock or random source
//!
//! The rooms: [`message`] is bytes to view and back, with everything that protects a message;
//! [`frame`] is what shares a port with it; [`credential`] makes passwords for a limited time;
//! [`server`] and [`client`] are machines that take an input and the time and give back outputs.
//!
//! ```
//! use fernamt_stun::message::{Builder, Integrity, Key, attribute};
//! use fernamt_stun::{Class, Message, Method, TransactionId};
//!
//! // Who can foresee the name of a transaction can forge its answer.
//! let transaction = TransactionId(*b"unforeseen!!");
//! let key = Key::short_term("secret")?;
//! let mut datagram = Vec::new();
//! Builder::new(&mut datagram, Class::Success, Method::BINDING, transaction)
//!     .masked_address(attribute::XOR_MAPPED_ADDRESS, ([192, 0, 2, 1], 32_853).into())
//!     .integrity(Integrity::Sha256, &key)
//!     .fingerprint()
//!     .finish()?;
//!
//! let answer = Message::parse(&datagram)?;
//! assert_eq!(answer.verify(&key), Some(Integrity::Sha256));
//! assert_eq!(answer.mapped_address(), Some(([192, 0, 2, 1], 32_853).into()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
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
