//! SRTP and SRTCP (RFC 3711, RFC 6188, RFC 7714): packets protected and unprotected in place; no key
//! exchange, no random source.
//!
//! A [`MasterKey`] comes from SDES (RFC 4568) or DTLS-SRTP (RFC 5764). One [`Protector`] is what we
//! send with it, one [`Unprotector`] what we receive with it; each derives its session keys once. A
//! [`Hearing`] is what we receive from somebody whose key may change. The
//! key derivation rate is 0, which is all that RFC 4568 and RFC 5764 ask for unless they say
//! otherwise, and nobody does: session keys stay what they are for the life of the master key.
//! AES-f8, and the null cipher, are not offered.
//!
//! Neither side takes anything from the heap for a packet. The tables of sources grow, up to a named
//! limit, when a source is new.

mod aes_cm;
mod aes_gcm;
mod derivation;
mod error;
mod hearing;
mod life;
mod master_key;
mod position;
mod protector;
mod sources;
mod substitutes;
mod suite;
mod transform;
mod unprotector;
#[cfg(test)]
mod vectors;
mod window;

pub use error::{MasterKeyError, ProtectError, UnprotectError};
pub use hearing::{FORMER_KEY_MICROS, Hearing};
pub use master_key::{MAX_MKI_BYTES, MasterKey};
pub use position::Position;
pub use protector::{MAX_RENAMED_SOURCES, MAX_SENT_SOURCES, Protector, RTCP_INDEX_STEP};
pub use substitutes::{MAX_SUBSTITUTES, Substitutes};
pub use suite::Suite;
pub use unprotector::{LIFETIME_GRACE_PACKETS, MAX_HEARD_SOURCES, Unprotector};
pub use window::WINDOW_PACKETS;

/// The most packets of RTP that one master key protects (RFC 3711 section 9.2).
pub const MAX_RTP_PACKETS: u64 = 1 << 48;

/// The most packets of RTCP that one master key protects (RFC 3711 section 9.2).
pub const MAX_RTCP_PACKETS: u32 = 1 << 31;

/// The most that protection adds to a packet: a tag, the SRTCP index, and the longest MKI.
pub const MAX_OVERHEAD_BYTES: usize = 16 + 4 + MAX_MKI_BYTES;
