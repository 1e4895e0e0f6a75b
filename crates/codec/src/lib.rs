//! Voice codecs, tones and level measurement; no device, no file
//!
//! Everything works on linear samples, `i16` at [`SAMPLE_RATE_HZ`], in frames of
//! [`FRAME_SAMPLES`] unless a function says otherwise. Encoding and decoding allocate nothing.
//!
//! ```
//! use fernamt_codec::g711::Law;
//! use fernamt_codec::spectrum::tone_among;
//! use fernamt_codec::tone::{Sine, Source};
//! use fernamt_codec::{FRAME_SAMPLES, SILENCE};
//!
//! let mut frame = SILENCE;
//! Sine::new(440.0, -10.0).fill(&mut frame);
//! let mut octets = [0; FRAME_SAMPLES];
//! Law::A.encode(&frame, &mut octets);
//! Law::A.decode(&octets, &mut frame);
//! assert_eq!(tone_among(&[440.0, 1_000.0], &frame), Some(440.0));
//! ```
#![forbid(unsafe_code)]

pub mod conceal;
pub mod dtmf;
pub mod g711;
pub mod level;
pub mod resample;
pub mod spectrum;
pub mod tone;

/// Samples per second of telephone speech (ITU-T G.711).
pub const SAMPLE_RATE_HZ: u32 = 8_000;

/// Milliseconds of one frame.
pub const FRAME_MILLISECONDS: u32 = 20;

/// Samples of one frame.
pub const FRAME_SAMPLES: usize = 160;

/// Twenty milliseconds of speech.
pub type Frame = [i16; FRAME_SAMPLES];

/// A frame in which nothing is heard.
pub const SILENCE: Frame = [0; FRAME_SAMPLES];
