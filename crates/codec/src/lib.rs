//! Voice codecs, tones and level measurement; no device, no file
//!
//! Everything works on linear samples, `i16` at [`SAMPLE_RATE_HZ`], in frames of
//! [`FRAME_SAMPLES`] unless a function says otherwise. Encoding and decoding allocate nothing.
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
