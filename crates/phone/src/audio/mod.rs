//! What the phone plays and records: files, tones, silence. No network.

mod source;
pub mod wav;

pub use source::{Player, Sound};
pub use wav::{Recorder, WavError};
