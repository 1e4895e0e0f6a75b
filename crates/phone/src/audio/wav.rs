//! WAV files in and out: what is played is brought to telephone speech, what is heard is written as
//! such.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use fernamt_codec::SAMPLE_RATE_HZ;
use fernamt_codec::resample::{RateError, resample};

/// The longest file that is played, in seconds.
pub const MAX_SOURCE_SECONDS: u32 = 3_600;

/// How many samples are written before the header is brought up to date, so that even a process
/// that is killed leaves a file that can be played: one second.
const SAMPLES_PER_FLUSH: usize = SAMPLE_RATE_HZ as usize;

/// A WAV file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WavError {
    /// It is not there, or not a WAV file.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system or the format says.
        source: hound::Error,
    },
    /// Not 16 bits of PCM in one or two channels.
    #[error(
        "{path} has {bits} bits in {channels} channels{float}; the phone plays 16 bits PCM, mono \
         or stereo (convert it with: sox IN.wav -b 16 -c 1 OUT.wav)",
        float = if *float { " as floating point" } else { "" }
    )]
    Format {
        /// The file.
        path: PathBuf,
        /// Bits of a sample.
        bits: u16,
        /// Channels.
        channels: u16,
        /// Whether the samples are floating point.
        float: bool,
    },
    /// A rate that nobody uses.
    #[error(
        "{path} cannot be brought to telephone speech: {reason} (convert it with: sox IN.wav -r \
         8000 OUT.wav)"
    )]
    Rate {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: RateError,
    },
    /// Too long to be held.
    #[error("{path} is longer than {MAX_SOURCE_SECONDS} seconds; play a shorter part")]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// Nothing in it.
    #[error("{path} has no samples")]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be written.
    #[error("cannot write {path}: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: hound::Error,
    },
}

/// Reads a file as telephone speech: mono, 8,000 samples a second.
///
/// # Errors
/// [`WavError`] when it is no file that the phone can play.
pub fn read(path: &Path) -> Result<Vec<i16>, WavError> {
    let failed = |source| WavError::Read {
        path: path.to_owned(),
        source,
    };
    let mut reader = hound::WavReader::open(path).map_err(failed)?;
    let spec = reader.spec();
    let float = spec.sample_format == hound::SampleFormat::Float;
    if float || spec.bits_per_sample != 16 || !(1..=2).contains(&spec.channels) {
        return Err(WavError::Format {
            path: path.to_owned(),
            bits: spec.bits_per_sample,
            channels: spec.channels,
            float,
        });
    }
    if !is_short_enough(reader.duration(), spec.sample_rate) {
        return Err(WavError::TooLong {
            path: path.to_owned(),
        });
    }
    let samples: Vec<i16> = reader.samples().collect::<Result<_, _>>().map_err(failed)?;
    if samples.is_empty() {
        return Err(WavError::Empty {
            path: path.to_owned(),
        });
    }
    let mono = if spec.channels == 2 {
        mix_down(&samples)
    } else {
        samples
    };
    resample(&mono, spec.sample_rate, SAMPLE_RATE_HZ).map_err(|reason| WavError::Rate {
        path: path.to_owned(),
        reason,
    })
}

/// Whether so many samples of each channel are at most [`MAX_SOURCE_SECONDS`].
fn is_short_enough(samples: u32, rate_hz: u32) -> bool {
    u64::from(samples) <= u64::from(MAX_SOURCE_SECONDS) * u64::from(rate_hz)
}

fn mix_down(stereo: &[i16]) -> Vec<i16> {
    stereo
        .as_chunks::<2>()
        .0
        .iter()
        .map(|[left, right]| left.midpoint(*right))
        .collect()
}

/// Writes what is heard. Dropped or finished, the file is whole.
pub struct Recorder {
    path: PathBuf,
    writer: hound::WavWriter<BufWriter<File>>,
    unflushed: usize,
}

impl Recorder {
    /// Creates the file, or replaces one of this name.
    ///
    /// # Errors
    /// [`WavError::Write`] when that is not possible.
    pub fn create(path: &Path) -> Result<Recorder, WavError> {
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: SAMPLE_RATE_HZ,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let writer = hound::WavWriter::create(path, spec).map_err(|source| WavError::Write {
            path: path.to_owned(),
            source,
        })?;
        Ok(Recorder {
            path: path.to_owned(),
            writer,
            unflushed: 0,
        })
    }

    /// Adds samples.
    ///
    /// # Errors
    /// [`WavError::Write`] when the disk is full, say.
    pub fn write(&mut self, samples: &[i16]) -> Result<(), WavError> {
        for sample in samples {
            self.writer
                .write_sample(*sample)
                .map_err(|source| self.failed(source))?;
        }
        self.unflushed += samples.len();
        if self.unflushed >= SAMPLES_PER_FLUSH {
            self.unflushed = 0;
            self.writer.flush().map_err(|source| self.failed(source))?;
        }
        Ok(())
    }

    /// Ends the file.
    ///
    /// # Errors
    /// [`WavError::Write`] when its last part cannot be written.
    pub fn finish(self) -> Result<(), WavError> {
        let path = self.path;
        self.writer
            .finalize()
            .map_err(|source| WavError::Write { path, source })
    }

    fn failed(&self, source: hound::Error) -> WavError {
        WavError::Write {
            path: self.path.clone(),
            source,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write_tone(path: &Path, rate_hz: u32, channels: u16, seconds: u32) {
        let spec = hound::WavSpec {
            channels,
            sample_rate: rate_hz,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(path, spec).expect("a file");
        for index in 0..rate_hz * seconds {
            let angle = 700.0 * core::f64::consts::TAU * f64::from(index) / f64::from(rate_hz);
            for _ in 0..channels {
                writer
                    .write_sample((angle.sin() * 10_000.0) as i16)
                    .expect("a sample");
            }
        }
        writer.finalize().expect("a whole file");
    }

    #[test]
    fn any_rate_and_stereo_become_telephone_speech() {
        let folder = tempfile::tempdir().expect("a folder");
        for (rate_hz, channels) in [
            (8_000, 1),
            (8_000, 2),
            (16_000, 1),
            (44_100, 2),
            (48_000, 1),
        ] {
            let path = folder.path().join(format!("{rate_hz}-{channels}.wav"));
            write_tone(&path, rate_hz, channels, 1);
            let samples = read(&path).expect("a readable file");
            assert!(
                samples.len().abs_diff(8_000) < 100,
                "{rate_hz} {channels}: {}",
                samples.len()
            );
            let crossings = samples
                .windows(2)
                .filter(|pair| (pair[0] < 0) != (pair[1] < 0))
                .count();
            assert!(
                crossings.abs_diff(1_400) < 30,
                "{rate_hz} {channels}: {crossings}"
            );
            let peak = samples.iter().map(|sample| sample.unsigned_abs()).max();
            assert!(
                (9_000..11_500).contains(&peak.unwrap_or(0)),
                "{rate_hz}: {peak:?}"
            );
        }
    }

    #[test]
    fn a_file_that_cannot_be_played_says_why() {
        let folder = tempfile::tempdir().expect("a folder");
        let missing = folder.path().join("missing.wav");
        assert!(matches!(read(&missing), Err(WavError::Read { .. })));
        let text = folder.path().join("text.wav");
        std::fs::write(&text, "this is no sound").expect("a file");
        assert!(matches!(read(&text), Err(WavError::Read { .. })));
        let four = folder.path().join("four.wav");
        write_tone(&four, 8_000, 4, 1);
        assert!(matches!(
            read(&four),
            Err(WavError::Format { channels: 4, .. })
        ));
        let empty = folder.path().join("empty.wav");
        write_tone(&empty, 8_000, 1, 0);
        assert!(matches!(read(&empty), Err(WavError::Empty { .. })));
    }

    #[test]
    fn a_file_may_be_as_long_as_the_limit_and_not_longer() {
        for rate_hz in [8_000, 44_100, 192_000] {
            let most = MAX_SOURCE_SECONDS * rate_hz;
            assert!(is_short_enough(most, rate_hz));
            assert!(!is_short_enough(most + 1, rate_hz));
        }
    }

    #[test]
    fn what_was_recorded_reads_back_even_if_it_was_never_finished() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("heard.wav");
        let mut recorder = Recorder::create(&path).expect("a file");
        recorder.write(&[1_000; 12_000]).expect("room on the disk");
        assert_eq!(
            read(&path).expect("readable while it is written").len(),
            12_000
        );
        recorder.write(&[1_000; 100]).expect("room on the disk");
        recorder.finish().expect("room on the disk");
        assert_eq!(read(&path).expect("a whole file").len(), 12_100);
    }
}
