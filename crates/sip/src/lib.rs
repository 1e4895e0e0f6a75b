//! SIP messages, transactions, dialogs and digest (RFC 3261); no socket, clock or random source
//!
//! The rooms are the nouns of RFC 3261: [`message`] (text to view), [`header`] and [`uri`] (what
//! stands in it), [`builder`] (view to text), [`validate`] (what a message must have), [`stream`]
//! (framing on TCP and TLS), [`multipart`], [`transport`] (names of transports and flows),
//! [`transaction`] (section 17), [`dialog`] (section 12), [`digest`] (RFC 8760) and [`time`].
//!
//! ```
//! use fernamt_sip::builder::ResponseBuilder;
//! use fernamt_sip::message::{Message, Method, Name};
//! use fernamt_sip::validate::check_request;
//!
//! let datagram = b"OPTIONS sip:exchange.example SIP/2.0\r\n\
//!     Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK7;rport\r\n\
//!     From: \"Kitchen\" <sip:kitchen@exchange.example>;tag=a1\r\n\
//!     To: <sip:exchange.example>\r\nCall-ID: 9f\r\nCSeq: 1 OPTIONS\r\n\r\n";
//! let source = ([192, 0, 2, 1], 41_234).into();
//!
//! let request = Message::parse(datagram)?;
//! check_request(&request)?;
//! assert_eq!(request.method(), Method::Options);
//! assert_eq!(request.from()?.display_name().as_deref(), Some("Kitchen"));
//!
//! let mut out = Vec::new();
//! ResponseBuilder::for_request(&mut out, &request, 200, None, Some("b2"), Some(source))
//!     .header(Name::Allow, "INVITE, ACK, BYE, CANCEL, OPTIONS")
//!     .finish();
//! let response = Message::parse(&out)?;
//! assert_eq!(response.top_via()?.rport(), Some(41_234));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
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
