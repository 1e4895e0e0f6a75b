//! Which tone is heard: the energy at chosen frequencies (Goertzel) and the cadence of call
//! progress tones; no full spectrum.

use core::f64::consts::TAU;

use crate::level::{power_dbfs, rms_dbfs};
use crate::tone::Progress;
use crate::{FRAME_SAMPLES, SAMPLE_RATE_HZ};

/// Measures one frequency, sample by sample.
#[derive(Clone, Copy, Debug)]
pub struct Goertzel {
    coefficient: f64,
    last: f64,
    before: f64,
    samples: u64,
}

impl Goertzel {
    /// Listens at `frequency_hz`.
    pub fn new(frequency_hz: f32) -> Goertzel {
        let step = TAU * f64::from(frequency_hz) / f64::from(SAMPLE_RATE_HZ);
        Goertzel {
            coefficient: 2.0 * step.cos(),
            last: 0.0,
            before: 0.0,
            samples: 0,
        }
    }

    /// Takes samples in.
    pub fn push(&mut self, samples: &[i16]) {
        for &sample in samples {
            let next = f64::from(sample) + self.coefficient * self.last - self.before;
            self.before = self.last;
            self.last = next;
        }
        self.samples += samples.len() as u64;
    }

    /// The mean square of a sine of this frequency in what was heard.
    pub fn mean_square(&self) -> f64 {
        if self.samples == 0 {
            return 0.0;
        }
        let magnitude =
            self.last.powi(2) + self.before.powi(2) - self.coefficient * self.last * self.before;
        let count = self.samples as f64;
        2.0 * magnitude.max(0.0) / (count * count)
    }

    /// The mean square of a sine of this frequency in `samples`.
    pub fn measure(frequency_hz: f32, samples: &[i16]) -> f64 {
        let mut goertzel = Goertzel::new(frequency_hz);
        goertzel.push(samples);
        goertzel.mean_square()
    }
}

/// The level of `frequency_hz` in samples, in dBFS.
pub fn level_at_dbfs(frequency_hz: f32, samples: &[i16]) -> f32 {
    power_dbfs(Goertzel::measure(frequency_hz, samples))
}

/// Which share of all energy is at `frequency_hz`, 0 to 1. With n samples, frequencies closer
/// than 8,000 / n Hz are not told apart.
pub fn share_at(frequency_hz: f32, samples: &[i16]) -> f64 {
    let total: f64 = samples
        .iter()
        .map(|&sample| f64::from(sample).powi(2))
        .sum();
    if total <= 0.0 {
        return 0.0;
    }
    (Goertzel::measure(frequency_hz, samples) * samples.len() as f64 / total).min(1.0)
}

/// The quietest tone that is taken for one.
pub const LEAST_DBFS: f32 = -45.0;

/// How much of all energy a tone must have to be heard as one.
pub const LEAST_SHARE: f64 = 0.7;

/// The first of `frequencies_hz` that sounds in `samples` and drowns everything else.
pub fn tone_among(frequencies_hz: &[f32], samples: &[i16]) -> Option<f32> {
    if rms_dbfs(samples) < LEAST_DBFS {
        return None;
    }
    frequencies_hz
        .iter()
        .copied()
        .find(|&frequency| share_at(frequency, samples) >= LEAST_SHARE)
}

/// The frequency of the call progress tones that can be told by their cadence.
const PROGRESS_HZ: f32 = 425.0;

/// Tone that lasts longer is no cadence but a dial tone.
const DIAL_MILLISECONDS: u32 = 2_000;

/// Tells call progress tones of 425 Hz by their cadence (ITU-T E.180).
#[derive(Clone, Debug, Default)]
pub struct ProgressListener {
    sounding: bool,
    /// How long it has been so.
    milliseconds: u32,
    /// How long the tone before this pause was.
    last_tone: Option<u32>,
    heard: Option<Progress>,
    special_step: usize,
}

const SPECIAL_HZ: [f32; 3] = [950.0, 1_400.0, 1_800.0];

impl ProgressListener {
    /// Nothing heard so far.
    pub fn new() -> ProgressListener {
        ProgressListener::default()
    }

    /// Takes a frame in; tells which tone is being heard as soon as that is sure.
    pub fn push(&mut self, frame: &[i16; FRAME_SAMPLES]) -> Option<Progress> {
        self.special(frame);
        let sounding = tone_among(&[PROGRESS_HZ], frame).is_some();
        if sounding != self.sounding {
            self.edge();
            self.sounding = sounding;
        }
        self.milliseconds = self.milliseconds.saturating_add(20);
        if sounding && self.milliseconds >= DIAL_MILLISECONDS {
            self.heard = Some(Progress::Dial);
        }
        self.heard
    }

    /// Which tone was heard last.
    pub const fn heard(&self) -> Option<Progress> {
        self.heard
    }

    fn edge(&mut self) {
        let lasted = core::mem::take(&mut self.milliseconds);
        if self.sounding {
            self.last_tone = Some(lasted);
            // A ring is told by its tone alone, long before the next one.
            if (660..=1_540).contains(&lasted) {
                self.heard = Some(Progress::Ringback);
            }
        } else if let Some(tone) = self.last_tone {
            self.heard = match (tone, lasted) {
                (660..=1_540, 2_900..=5_100) => Some(Progress::Ringback),
                (360..=640, 360..=640) => Some(Progress::Busy),
                (160..=320, 160..=320) => Some(Progress::Congestion),
                _ => self.heard,
            };
        }
    }

    fn special(&mut self, frame: &[i16; FRAME_SAMPLES]) {
        let Some(tone) = tone_among(&SPECIAL_HZ, frame) else {
            return;
        };
        let step = SPECIAL_HZ
            .iter()
            .position(|&frequency| frequency == tone)
            .unwrap_or(0);
        if step == 0 {
            self.special_step = 1;
        } else if step == self.special_step {
            self.special_step += 1;
        }
        if self.special_step == SPECIAL_HZ.len() {
            self.heard = Some(Progress::SpecialInformation);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tone::{Cadence, Region, Sine, Source};

    fn listen(source: &mut impl Source, frames: usize) -> Option<Progress> {
        let mut listener = ProgressListener::new();
        let mut frame = [0; FRAME_SAMPLES];
        for _ in 0..frames {
            source.fill(&mut frame);
            listener.push(&frame);
        }
        listener.heard()
    }

    #[test]
    fn a_tone_is_found_at_its_frequency_and_level_only() {
        let mut samples = [0; 1_600];
        Sine::new(1_000.0, -20.0).fill(&mut samples);
        assert!((level_at_dbfs(1_000.0, &samples) + 20.0).abs() < 0.05);
        assert!(level_at_dbfs(1_100.0, &samples) < -50.0);
        assert!(share_at(1_000.0, &samples) > 0.99);
        assert_eq!(tone_among(&[440.0, 1_000.0], &samples), Some(1_000.0));
        assert_eq!(tone_among(&[440.0, 2_000.0], &samples), None);
        assert_eq!(tone_among(&[440.0], &[0; 160]), None);
        assert_eq!(share_at(440.0, &[]), 0.0);
    }

    #[test]
    fn every_progress_tone_of_every_region_is_told_by_its_cadence() {
        for region in [Region::Generic, Region::Germany] {
            for progress in [
                Progress::Dial,
                Progress::Ringback,
                Progress::Busy,
                Progress::Congestion,
                Progress::SpecialInformation,
            ] {
                let mut cadence = Cadence::progress(progress, region);
                assert_eq!(listen(&mut cadence, 600), Some(progress), "{region:?}");
            }
        }
    }

    #[test]
    fn silence_and_another_tone_are_no_progress_tone() {
        assert_eq!(listen(&mut Cadence::new(&[], 0.0), 300), None);
        assert_eq!(listen(&mut Sine::new(1_000.0, -10.0), 300), None);
    }
}
