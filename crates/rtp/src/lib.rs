//! RTP, RTCP, SRTP and SRTCP packets (RFC 3550, RFC 3711), telephone-event (RFC 4733) and receiver
//! statistics; no socket, no clock, no key exchange.
//!
//! Bytes come in, values go out, and the other way round; what a relay changes, it changes in place. Time comes in as microseconds on any
//! monotonic clock; only differences count.
#![forbid(unsafe_code)]

mod bytes;
pub mod demultiplex;
pub mod event;
pub mod extension;
pub mod outgoing;
pub mod packet;
pub mod playout;
pub mod quality;
pub mod rtcp;
pub mod srtp;
pub mod statistics;

pub use demultiplex::{Kind, classify};
pub use outgoing::Outgoing;
pub use packet::{Header, Packet, PacketError};
