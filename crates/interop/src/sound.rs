//! Tones to play and recordings to judge. Nothing here knows where a recording comes from.

use std::path::{Path, PathBuf};

use fernamt_codec::level::rms_dbfs;
use fernamt_codec::spectrum::{LEAST_DBFS, LEAST_SHARE, share_at};
use fernamt_codec::tone::{Sine, Source as _};
use fernamt_codec::{FRAME_SAMPLES, SAMPLE_RATE_HZ, SILENCE};

use crate::lab::Lab;

/// A recording is judged in pieces of this many samples, a tenth of a second.
const PIECE_SAMPLES: usize = 800;
const PIECES_A_SECOND: f64 = 10.0;

/// The share of audible pieces that may be something else than the tone: its first and last one,
/// and where the network had a hiccup.
const FOREIGN_SHARE: f64 = 0.1;

/// What must be heard of a tone in a test that wants nothing else, in seconds; of a talk of
/// [`TALK_SECONDS`](crate::exchange::TALK_SECONDS) the rest is its begin and its end.
pub const HEARD_SECONDS: f64 = 2.0;

/// How loud tones are played.
const TONE_DBFS: f32 = -10.0;

/// Writes a WAV file with a tone (8 kHz, mono, 16 bits).
pub fn tone_file(lab: &Lab, frequency_hz: u16, seconds: u32) -> PathBuf {
    let path = lab.path(&format!("tone-{frequency_hz}-{seconds}.wav"));
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: SAMPLE_RATE_HZ,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(&path, spec).expect("a WAV file can be made");
    let mut sine = Sine::new(f32::from(frequency_hz), TONE_DBFS);
    let mut frame = SILENCE;
    for _ in 0..seconds * SAMPLE_RATE_HZ / FRAME_SAMPLES as u32 {
        sine.fill(&mut frame);
        for sample in frame {
            writer.write_sample(sample).expect("a sample is written");
        }
    }
    writer.finalize().expect("a WAV file can be closed");
    path
}

/// What somebody heard.
#[derive(Debug)]
pub struct Recording {
    name: String,
    samples: Vec<i16>,
}

impl Recording {
    /// Samples of 8 kHz, mono, 16 bits, and a name for what they are.
    pub fn new(name: &str, samples: Vec<i16>) -> Recording {
        Recording {
            name: name.to_owned(),
            samples,
        }
    }

    /// Reads a WAV file of 8 kHz, mono, 16 bits.
    ///
    /// # Panics
    /// When there is none, or another kind.
    #[track_caller]
    pub fn read(path: &Path) -> Recording {
        let shown = path.display();
        let reader =
            hound::WavReader::open(path).unwrap_or_else(|error| panic!("{shown}: {error}"));
        let spec = reader.spec();
        assert_eq!(
            (spec.sample_rate, spec.channels, spec.bits_per_sample),
            (SAMPLE_RATE_HZ, 1, 16),
            "{shown} is another kind of WAV file"
        );
        Recording {
            name: path
                .file_name()
                .map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
            samples: reader.into_samples().map_while(Result::ok).collect(),
        }
    }

    /// Its length.
    pub fn seconds(&self) -> f64 {
        self.samples.len() as f64 / f64::from(SAMPLE_RATE_HZ)
    }

    /// The last part of it.
    #[must_use]
    pub fn last_seconds(&self, seconds: f64) -> Recording {
        let wanted = (seconds * f64::from(SAMPLE_RATE_HZ)) as usize;
        Recording {
            name: format!("the last {seconds} s of {}", self.name),
            samples: self.samples[self.samples.len().saturating_sub(wanted)..].to_vec(),
        }
    }

    fn audible_pieces(&self) -> impl Iterator<Item = &[i16]> {
        self.samples
            .chunks_exact(PIECE_SAMPLES)
            .filter(|piece| rms_dbfs(piece) >= LEAST_DBFS)
    }

    /// For how long something is heard.
    pub fn audible_seconds(&self) -> f64 {
        self.audible_pieces().count() as f64 / PIECES_A_SECOND
    }

    /// For how long this tone is heard, and drowns everything else.
    pub fn tone_seconds(&self, frequency_hz: u16) -> f64 {
        let is_tone = |piece: &&[i16]| share_at(f32::from(frequency_hz), piece) >= LEAST_SHARE;
        self.audible_pieces().filter(is_tone).count() as f64 / PIECES_A_SECOND
    }

    /// The tone of the other side was heard for so long, and hardly anything else.
    ///
    /// # Panics
    /// When it was not.
    #[track_caller]
    pub fn assert_tone(&self, frequency_hz: u16, at_least_seconds: f64) {
        let (tone, audible) = (self.tone_seconds(frequency_hz), self.audible_seconds());
        let story = format!(
            "{}: of {:.1} s, {audible:.1} s are audible and {tone:.1} s are the tone of \
             {frequency_hz} Hz",
            self.name,
            self.seconds()
        );
        assert!(tone >= at_least_seconds, "{story}, too little");
        // One piece at each edge is no sign of anything.
        let foreign = audible - tone - 2.0 / PIECES_A_SECOND;
        assert!(
            foreign <= FOREIGN_SHARE * audible,
            "{story}: there is something else"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_is_heard_as_itself_and_not_as_another() {
        let lab = Lab::new();
        let recording = Recording::read(&tone_file(&lab, 700, 2));
        recording.assert_tone(700, 1.9);
        assert_eq!(recording.tone_seconds(440), 0.0);
        assert!((recording.last_seconds(0.5).seconds() - 0.5).abs() < 0.01);
    }
}
