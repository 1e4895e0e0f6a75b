//! A user agent: places and answers calls, plays and records audio; no exchange inside
//!
//! ```text
//! agent   signalling without sockets: registers, calls, answers (Input in, Output out)
//! media   the voice of one call without sockets: RTP, RTCP, jitter buffer, figures
//! audio   what is played and recorded: WAV files, tones
//! shell   the sockets, the clock and the loop around them: `Phone`
//! ```
#![forbid(unsafe_code)]

pub mod address;
pub mod agent;
pub mod audio;
pub mod media;
pub mod shell;

pub use address::{AddressError, ServerAddress, Target};
pub use shell::{Phone, PhoneSettings};
