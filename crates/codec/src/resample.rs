//! From one sample rate to another by a polyphase filter (windowed sinc): for files that are
//! played or recorded; not for clocks that drift.

use core::fmt;

/// The highest sample rate, in samples per second.
pub const MAX_RATE_HZ: u32 = 192_000;

/// The most phases of a filter: enough for every rate that files have to 8,000 Hz and back.
pub const MAX_PHASES: u32 = 640;

/// Crossings of zero on each side of the filter's middle: more make a steeper filter.
const ZERO_CROSSINGS: f64 = 24.0;

/// Where the filter begins to close, as a share of half the lower rate.
const PASS_SHARE: f64 = 0.92;

/// The shape of the Kaiser window: about 80 dB of attenuation.
const KAISER_BETA: f64 = 8.0;

/// The rates cannot be converted into each other. To be chosen otherwise by whoever made the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateError {
    /// A rate is 0 or above [`MAX_RATE_HZ`].
    OutOfRange(u32),
    /// The rates have no simple ratio.
    OddRatio {
        /// The rate there is.
        from_hz: u32,
        /// The rate that is wanted.
        to_hz: u32,
    },
}

impl fmt::Display for RateError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RateError::OutOfRange(rate) => {
                write!(
                    formatter,
                    "{rate} Hz is no sample rate between 1 and {MAX_RATE_HZ} Hz"
                )
            }
            RateError::OddRatio { from_hz, to_hz } => write!(
                formatter,
                "{from_hz} Hz cannot be converted to {to_hz} Hz; \
                 take 8000, 16000, 44100 or 48000 Hz"
            ),
        }
    }
}

impl core::error::Error for RateError {}

/// Converts one stream of samples.
#[derive(Clone, Debug)]
pub struct Resampler {
    /// Output samples for every `step` input samples.
    phases: usize,
    step: usize,
    taps: usize,
    /// The filter, phase by phase, each with its taps in the order of the input.
    filter: Box<[f32]>,
    /// Input that is still needed, oldest first.
    waiting: Vec<f32>,
    /// The phase of the next output sample.
    phase: usize,
}

impl Resampler {
    /// From `from_hz` to `to_hz`.
    ///
    /// # Errors
    /// [`RateError`] when a rate is out of range or the ratio would need too long a filter.
    pub fn new(from_hz: u32, to_hz: u32) -> Result<Resampler, RateError> {
        for rate in [from_hz, to_hz] {
            if rate == 0 || rate > MAX_RATE_HZ {
                return Err(RateError::OutOfRange(rate));
            }
        }
        let divisor = greatest_common_divisor(from_hz, to_hz);
        let (phases, step) = (to_hz / divisor, from_hz / divisor);
        if phases > MAX_PHASES || step > MAX_PHASES {
            return Err(RateError::OddRatio { from_hz, to_hz });
        }
        let (phases, step) = (phases as usize, step as usize);
        let (taps, filter) = design(phases, step);
        // Half a filter of silence first, so that the output begins with the input.
        let waiting = vec![0.0; taps / 2];
        Ok(Resampler {
            phases,
            step,
            taps,
            filter,
            waiting,
            phase: 0,
        })
    }

    /// Takes samples in and adds what comes out to the end of `out`.
    pub fn push(&mut self, samples: &[i16], out: &mut Vec<i16>) {
        out.reserve(samples.len() * self.phases / self.step + 1);
        self.waiting
            .extend(samples.iter().map(|&sample| f32::from(sample)));
        let mut at = 0;
        while let Some(input) = self.waiting.get(at..at + self.taps) {
            let taps = self
                .filter
                .get(self.phase * self.taps..)
                .unwrap_or_default();
            let sum: f32 = input
                .iter()
                .zip(taps)
                .map(|(sample, tap)| sample * tap)
                .sum();
            out.push(sum.round() as i16);
            self.phase += self.step;
            at += self.phase / self.phases;
            self.phase %= self.phases;
        }
        self.waiting.drain(..at.min(self.waiting.len()));
    }

    /// Adds what is still inside to the end of `out`, at the end of the stream.
    pub fn finish(mut self, out: &mut Vec<i16>) {
        self.push(&vec![0; self.taps / 2], out);
    }
}

/// All samples of a stream at another rate.
///
/// # Errors
/// [`RateError`] as from [`Resampler::new`].
pub fn resample(samples: &[i16], from_hz: u32, to_hz: u32) -> Result<Vec<i16>, RateError> {
    let mut resampler = Resampler::new(from_hz, to_hz)?;
    if from_hz == to_hz {
        return Ok(samples.to_vec());
    }
    let mut out = Vec::new();
    resampler.push(samples, &mut out);
    resampler.finish(&mut out);
    Ok(out)
}

/// The filter: taps for every phase.
fn design(phases: usize, step: usize) -> (usize, Box<[f32]>) {
    // Cut at the lower of the two rates, in parts of the input rate.
    let ratio = (phases as f64 / step as f64).min(1.0);
    let cutoff = ratio * PASS_SHARE;
    let half = (ZERO_CROSSINGS / ratio).ceil();
    let taps = 2 * half as usize + 1;
    let mut filter = Vec::with_capacity(phases * taps);
    for phase in 0..phases {
        let shift = phase as f64 / phases as f64;
        let begin = filter.len();
        for tap in 0..taps {
            let distance = tap as f64 - half - shift;
            filter.push(cutoff * sinc(cutoff * distance) * kaiser(distance / (half + 1.0)));
        }
        // Every phase passes a constant unchanged.
        let sum: f64 = filter.iter().skip(begin).sum();
        filter.iter_mut().skip(begin).for_each(|tap| *tap /= sum);
    }
    (taps, filter.into_iter().map(|tap| tap as f32).collect())
}

fn sinc(x: f64) -> f64 {
    let angle = core::f64::consts::PI * x;
    if angle.abs() < 1e-9 {
        1.0
    } else {
        angle.sin() / angle
    }
}

fn kaiser(x: f64) -> f64 {
    let inside = (1.0 - x * x).max(0.0).sqrt();
    bessel_i0(KAISER_BETA * inside) / bessel_i0(KAISER_BETA)
}

/// The modified Bessel function of order zero, by its series.
fn bessel_i0(x: f64) -> f64 {
    let square = x * x / 4.0;
    let mut term = 1.0;
    let mut sum = 1.0;
    for n in 1..40 {
        term *= square / f64::from(n * n);
        sum += term;
    }
    sum
}

const fn greatest_common_divisor(mut a: u32, mut b: u32) -> u32 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::level::rms_dbfs;

    fn sine(frequency: f64, rate: u32, seconds: f64) -> Vec<i16> {
        let count = (f64::from(rate) * seconds) as usize;
        let step = core::f64::consts::TAU * frequency / f64::from(rate);
        (0..count)
            .map(|n| ((n as f64 * step).sin() * 16_000.0).round() as i16)
            .collect()
    }

    /// How far `samples` are from the sine they should be, below the sine, in decibels.
    fn error_db(samples: &[i16], frequency: f64, rate: u32) -> f32 {
        let expected = sine(frequency, rate, samples.len() as f64 / f64::from(rate));
        let middle = 200..samples.len() - 200;
        let error: Vec<i16> = middle
            .clone()
            .map(|n| samples[n].saturating_sub(expected[n]))
            .collect();
        rms_dbfs(&expected[middle]) - rms_dbfs(&error)
    }

    #[test]
    fn a_tone_keeps_frequency_phase_and_level_at_every_usual_rate() {
        for rate in [11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000] {
            for frequency in [300.0, 1_000.0, 3_000.0] {
                let down = resample(&sine(frequency, rate, 0.5), rate, 8_000).unwrap();
                assert_eq!(down.len(), 4_000, "half a second stays half a second");
                let error = error_db(&down, frequency, 8_000);
                assert!(error > 55.0, "{frequency} Hz from {rate} Hz: {error} dB");
                let up = resample(&sine(frequency, 8_000, 0.5), 8_000, rate).unwrap();
                let error = error_db(&up, frequency, rate);
                assert!(error > 55.0, "{frequency} Hz to {rate} Hz: {error} dB");
            }
        }
    }

    #[test]
    fn what_would_fold_back_is_filtered_out() {
        for frequency in [4_400.0, 5_000.0, 7_000.0] {
            let down = resample(&sine(frequency, 48_000, 0.5), 48_000, 8_000).unwrap();
            assert!(rms_dbfs(&down[200..3_800]) < -60.0, "{frequency} Hz");
        }
    }

    #[test]
    fn pieces_give_the_same_as_the_whole() {
        let input = sine(700.0, 44_100, 0.3);
        let whole = resample(&input, 44_100, 8_000).unwrap();
        let mut pieces = Vec::new();
        let mut resampler = Resampler::new(44_100, 8_000).unwrap();
        for piece in input.chunks(77) {
            resampler.push(piece, &mut pieces);
        }
        resampler.finish(&mut pieces);
        assert_eq!(whole, pieces);
    }

    #[test]
    fn full_scale_is_clipped_and_not_wrapped() {
        let square: Vec<i16> = (0..4_800)
            .map(|n| if n / 60 % 2 == 0 { i16::MAX } else { i16::MIN })
            .collect();
        let down = resample(&square, 48_000, 8_000).unwrap();
        for (n, sample) in down.iter().enumerate().skip(50).take(700) {
            let middle = n % 10 >= 3 && n % 10 <= 7;
            let positive = n / 10 % 2 == 0;
            assert!(
                !middle || (*sample > 0) == positive,
                "sample {n} is {sample}"
            );
        }
    }

    #[test]
    fn rates_without_a_simple_ratio_are_refused() {
        let refused = |from, to| Resampler::new(from, to).map(|_| ()).unwrap_err();
        assert_eq!(refused(0, 8_000), RateError::OutOfRange(0));
        assert_eq!(refused(8_000, 192_001), RateError::OutOfRange(192_001));
        assert_eq!(
            refused(44_101, 8_000),
            RateError::OddRatio {
                from_hz: 44_101,
                to_hz: 8_000
            }
        );
        assert!(refused(44_101, 8_000).to_string().contains("take 8000"));
        assert_eq!(resample(&[1, 2, 3], 8_000, 8_000), Ok(vec![1, 2, 3]));
    }
}
