//! Tones as samples: sines, pairs of sines, and the call progress tones with their cadences
//! (ITU-T E.180, supplement 2); no listening.

use core::f32::consts::TAU;

use crate::SAMPLE_RATE_HZ;
use crate::level::amplitude_of_dbfs;

/// Something that makes samples without end.
pub trait Source {
    /// Fills `samples` with what comes next.
    fn fill(&mut self, samples: &mut [i16]);
}

/// A sine that goes on without a break from frame to frame.
#[derive(Clone, Debug)]
pub struct Sine {
    rotation: (f32, f32),
    phasor: (f32, f32),
    amplitude: f32,
}

impl Sine {
    /// A sine of `frequency_hz` at `level_dbfs` (0 fills the range), beginning at zero.
    pub fn new(frequency_hz: f32, level_dbfs: f32) -> Sine {
        let step = TAU * frequency_hz / SAMPLE_RATE_HZ as f32;
        Sine {
            rotation: (step.cos(), step.sin()),
            phasor: (1.0, 0.0),
            amplitude: amplitude_of_dbfs(level_dbfs),
        }
    }

    fn next(&mut self) -> f32 {
        let (cosine, sine) = self.phasor;
        let (turn_cosine, turn_sine) = self.rotation;
        self.phasor = (
            cosine * turn_cosine - sine * turn_sine,
            cosine * turn_sine + sine * turn_cosine,
        );
        sine * self.amplitude
    }

    /// Rounding lets the phasor grow or shrink over time; this brings it back to length 1.
    fn steady(&mut self) {
        let (cosine, sine) = self.phasor;
        let length = cosine.hypot(sine);
        if length > 0.0 {
            self.phasor = (cosine / length, sine / length);
        }
    }
}

impl Source for Sine {
    fn fill(&mut self, samples: &mut [i16]) {
        for sample in samples {
            *sample = round(self.next());
        }
        self.steady();
    }
}

/// Two sines at once, as keys have them.
#[derive(Clone, Debug)]
pub struct Pair {
    low: Sine,
    high: Sine,
}

impl Pair {
    /// Two frequencies, each at `level_dbfs`; above −6 they may be clipped.
    pub fn new(low_hz: f32, high_hz: f32, level_dbfs: f32) -> Pair {
        Pair {
            low: Sine::new(low_hz, level_dbfs),
            high: Sine::new(high_hz, level_dbfs),
        }
    }
}

impl Source for Pair {
    fn fill(&mut self, samples: &mut [i16]) {
        for sample in samples {
            *sample = round(self.low.next() + self.high.next());
        }
        self.low.steady();
        self.high.steady();
    }
}

fn round(value: f32) -> i16 {
    // The conversion keeps within the range by itself.
    value.round() as i16
}

/// A stretch of one frequency, or of silence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Segment {
    /// 0 for silence.
    pub frequency_hz: f32,
    /// How long; 0 means for ever.
    pub milliseconds: u32,
}

const fn on(frequency_hz: f32, milliseconds: u32) -> Segment {
    Segment {
        frequency_hz,
        milliseconds,
    }
}

const fn off(milliseconds: u32) -> Segment {
    Segment {
        frequency_hz: 0.0,
        milliseconds,
    }
}

/// What the network tells a caller by a tone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Progress {
    /// Dial now.
    Dial,
    /// The other phone rings.
    Ringback,
    /// The other is busy.
    Busy,
    /// The network has no way.
    Congestion,
    /// Something is wrong with the number; three rising tones.
    SpecialInformation,
}

/// Whose tones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Region {
    /// What ITU-T E.180 recommends to all.
    #[default]
    Generic,
    /// Germany.
    Germany,
}

impl Progress {
    /// The segments, which repeat.
    pub const fn cadence(self, region: Region) -> &'static [Segment] {
        const DIAL: &[Segment] = &[on(425.0, 0)];
        const RINGBACK: &[Segment] = &[on(425.0, 1_000), off(4_000)];
        const BUSY: &[Segment] = &[on(425.0, 500), off(500)];
        const BUSY_GERMANY: &[Segment] = &[on(425.0, 480), off(480)];
        const CONGESTION: &[Segment] = &[on(425.0, 250), off(250)];
        const CONGESTION_GERMANY: &[Segment] = &[on(425.0, 240), off(240)];
        const SPECIAL: &[Segment] = &[
            on(950.0, 330),
            on(1_400.0, 330),
            on(1_800.0, 330),
            off(1_000),
        ];
        match (self, region) {
            (Progress::Dial, _) => DIAL,
            (Progress::Ringback, _) => RINGBACK,
            (Progress::Busy, Region::Generic) => BUSY,
            (Progress::Busy, Region::Germany) => BUSY_GERMANY,
            (Progress::Congestion, Region::Generic) => CONGESTION,
            (Progress::Congestion, Region::Germany) => CONGESTION_GERMANY,
            (Progress::SpecialInformation, _) => SPECIAL,
        }
    }
}

/// The level of call progress tones: −10 dBm0 (ITU-T E.180 section 4).
pub const PROGRESS_LEVEL_DBFS: f32 = -13.14;

/// Plays segments over and over.
#[derive(Clone, Debug)]
pub struct Cadence {
    segments: &'static [Segment],
    at: usize,
    sine: Sine,
    sounding: bool,
    /// Samples until the next segment; `None` for ever.
    left: Option<usize>,
    level_dbfs: f32,
}

impl Cadence {
    /// A call progress tone at its usual level.
    pub fn progress(progress: Progress, region: Region) -> Cadence {
        Cadence::new(progress.cadence(region), PROGRESS_LEVEL_DBFS)
    }

    /// Any segments; none at all are silence.
    pub fn new(segments: &'static [Segment], level_dbfs: f32) -> Cadence {
        let mut cadence = Cadence {
            segments,
            at: 0,
            sine: Sine::new(0.0, level_dbfs),
            sounding: false,
            left: None,
            level_dbfs,
        };
        cadence.enter(0);
        cadence
    }

    fn enter(&mut self, at: usize) {
        let Some(segment) = self.segments.get(at).or(self.segments.first()) else {
            return;
        };
        self.at = if at < self.segments.len() { at } else { 0 };
        self.sounding = segment.frequency_hz > 0.0;
        if self.sounding {
            self.sine = Sine::new(segment.frequency_hz, self.level_dbfs);
        }
        let samples = segment.milliseconds as usize * (SAMPLE_RATE_HZ as usize / 1_000);
        self.left = (samples > 0).then_some(samples);
    }
}

impl Source for Cadence {
    fn fill(&mut self, samples: &mut [i16]) {
        let mut rest = samples;
        while !rest.is_empty() {
            let length = self.left.map_or(rest.len(), |left| left.min(rest.len()));
            let Some((part, behind)) = rest.split_at_mut_checked(length) else {
                return;
            };
            if self.sounding {
                self.sine.fill(part);
            } else {
                part.fill(0);
            }
            rest = behind;
            self.left = self.left.map(|left| left - length);
            if self.left == Some(0) {
                self.enter(self.at + 1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::level::rms_dbfs;
    use crate::spectrum::share_at;

    #[test]
    fn a_sine_goes_on_without_a_break_and_without_drift() {
        let mut whole = vec![0; 16_000];
        Sine::new(1_000.0, -6.0).fill(&mut whole);
        let mut pieces = vec![0; 16_000];
        let mut sine = Sine::new(1_000.0, -6.0);
        for piece in pieces.chunks_mut(37) {
            sine.fill(piece);
        }
        assert!(whole.iter().zip(&pieces).all(|(a, b)| a.abs_diff(*b) <= 2));
        let mut last = [0; 800];
        for _ in 0..10_000 {
            sine.fill(&mut last);
        }
        assert!(
            (rms_dbfs(&last) + 6.0).abs() < 0.01,
            "after a quarter of an hour"
        );
        assert!(share_at(1_000.0, &last) > 0.999);
    }

    #[test]
    fn two_tones_at_once_have_both_and_too_loud_ones_are_clipped() {
        let mut samples = [0; 800];
        Pair::new(440.0, 1_000.0, -9.0).fill(&mut samples);
        assert!((share_at(440.0, &samples) - 0.5).abs() < 0.01);
        assert!((share_at(1_000.0, &samples) - 0.5).abs() < 0.01);
        Pair::new(440.0, 1_000.0, 0.0).fill(&mut samples);
        assert!(samples.contains(&i16::MAX) && samples.contains(&i16::MIN));
    }

    #[test]
    fn a_cadence_changes_at_the_sample() {
        let mut cadence = Cadence::progress(Progress::Busy, Region::Germany);
        let mut second = [0; 3 * 3_840];
        // Frames of an odd length, so that changes fall into their middle.
        for frame in second.chunks_mut(111) {
            cadence.fill(frame);
        }
        let (tone, rest) = second.split_at(3_840);
        let (pause, again) = rest.split_at(3_840);
        assert!(share_at(425.0, tone) > 0.999);
        assert!(pause.iter().all(|&sample| sample == 0));
        assert!(share_at(425.0, again) > 0.999);
        assert!((rms_dbfs(tone) - PROGRESS_LEVEL_DBFS).abs() < 0.1);
    }
}
