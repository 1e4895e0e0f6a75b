//! How loud samples are; no ear's weighting.
//!
//! 0 dBFS is the level of a sine that just fills the range. In G.711, 0 dBm0 is 3.14 dB below it
//! with A-law and 3.17 dB with µ-law.

/// What is reported for silence, in dBFS.
pub const SILENCE_DBFS: f32 = -100.0;

/// The mean square of a sine of full scale.
const FULL_SCALE_MEAN_SQUARE: f64 = 32_767.0 * 32_767.0 / 2.0;

/// Sums up samples of any number.
#[derive(Clone, Copy, Debug, Default)]
pub struct Meter {
    sum_of_squares: u64,
    samples: u64,
    peak: u16,
}

impl Meter {
    /// Nothing heard so far.
    pub const fn new() -> Meter {
        Meter {
            sum_of_squares: 0,
            samples: 0,
            peak: 0,
        }
    }

    /// Takes samples in.
    pub fn push(&mut self, samples: &[i16]) {
        for &sample in samples {
            let magnitude = sample.unsigned_abs();
            self.sum_of_squares += u64::from(magnitude) * u64::from(magnitude);
            self.peak = self.peak.max(magnitude);
        }
        self.samples += samples.len() as u64;
    }

    /// The effective level in dBFS, at least [`SILENCE_DBFS`].
    pub fn rms_dbfs(&self) -> f32 {
        if self.samples == 0 {
            return SILENCE_DBFS;
        }
        power_dbfs(self.sum_of_squares as f64 / self.samples as f64)
    }

    /// The highest sample in dBFS, at least [`SILENCE_DBFS`].
    pub fn peak_dbfs(&self) -> f32 {
        let peak = f64::from(self.peak);
        power_dbfs(peak * peak / 2.0)
    }

    /// Samples taken in.
    pub const fn samples(&self) -> u64 {
        self.samples
    }
}

/// The effective level of samples in dBFS, at least [`SILENCE_DBFS`].
pub fn rms_dbfs(samples: &[i16]) -> f32 {
    let mut meter = Meter::new();
    meter.push(samples);
    meter.rms_dbfs()
}

/// The amplitude, in sample units, of a sine of this level.
pub fn amplitude_of_dbfs(dbfs: f32) -> f32 {
    32_767.0 * 10f32.powf(dbfs.min(0.0) / 20.0)
}

pub(crate) fn power_dbfs(mean_square: f64) -> f32 {
    if mean_square <= 0.0 {
        return SILENCE_DBFS;
    }
    let decibels = 10.0 * (mean_square / FULL_SCALE_MEAN_SQUARE).log10();
    (decibels as f32).max(SILENCE_DBFS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tone::{Sine, Source};

    #[test]
    fn a_sine_of_full_scale_is_zero() {
        let mut samples = [0; 8_000];
        Sine::new(440.0, 0.0).fill(&mut samples);
        assert!(rms_dbfs(&samples).abs() < 0.01);
        let mut meter = Meter::new();
        meter.push(&samples);
        assert!(meter.peak_dbfs().abs() < 0.05);
        assert_eq!(meter.samples(), 8_000);
    }

    #[test]
    fn silence_and_nothing_have_the_lowest_level() {
        assert_eq!(rms_dbfs(&[0; 160]), SILENCE_DBFS);
        assert_eq!(rms_dbfs(&[]), SILENCE_DBFS);
        assert_eq!(rms_dbfs(&[&[1][..], &[0; 999]].concat()), SILENCE_DBFS);
    }

    #[test]
    fn the_loudest_samples_do_not_overflow() {
        let mut meter = Meter::new();
        meter.push(&[i16::MIN; 8_000]);
        assert!(
            (meter.rms_dbfs() - 3.01).abs() < 0.01,
            "a full square wave is 3 dB above a sine"
        );
    }
}
