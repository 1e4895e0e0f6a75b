//! What was heard over a whole call: how loud, and which tone stood out. No decision about it.

use fernamt_codec::Frame;
use fernamt_codec::level::{Meter, SILENCE_DBFS};
use fernamt_codec::spectrum::{Goertzel, LEAST_DBFS, LEAST_SHARE, level_at_dbfs, share_at};

use super::figures::{HeardTone, round};

/// Samples that are looked at together: 100 ms tells frequencies of 10 Hz apart.
const BLOCK_SAMPLES: usize = 800;

/// The distance of the frequencies that are looked at first.
const COARSE_HZ: u16 = 10;

/// The lowest and the highest frequency that are looked for: the telephone's band.
const LOWEST_HZ: u16 = 50;
const HIGHEST_HZ: u16 = 3_700;

/// Tones closer than this are the same.
const SAME_TONE_HZ: f64 = 10.0;

/// Different tones that are kept; further ones are not counted.
const MAX_TONES: usize = 64;

/// Listens to a call.
#[derive(Debug)]
pub(super) struct Analysis {
    meter: Meter,
    block: Vec<i16>,
    blocks: u64,
    tones: Vec<Tone>,
    /// Where a tone was found last: it is probably still there, and looked for there first.
    last_hz: Option<f32>,
}

/// One tone, summed over the blocks that had it.
#[derive(Clone, Copy, Debug)]
struct Tone {
    blocks: u64,
    frequency_sum: f64,
    level_sum: f64,
}

impl Tone {
    fn frequency_hz(&self) -> f64 {
        self.frequency_sum / self.blocks as f64
    }
}

impl Analysis {
    /// Nothing heard yet.
    pub(super) fn new() -> Analysis {
        Analysis {
            meter: Meter::new(),
            block: Vec::with_capacity(BLOCK_SAMPLES),
            blocks: 0,
            tones: Vec::new(),
            last_hz: None,
        }
    }

    /// Takes 20 ms that were heard.
    pub(super) fn heard(&mut self, frame: &Frame) {
        self.meter.push(frame);
        self.block.extend_from_slice(frame);
        if self.block.len() < BLOCK_SAMPLES {
            return;
        }
        self.blocks += 1;
        let here = self
            .last_hz
            .and_then(|near| dominant_near(near, &self.block));
        let found = here.or_else(|| dominant(&self.block));
        self.last_hz = found.map(|(frequency, _)| frequency);
        if let Some((frequency, level)) = found {
            self.count(frequency.into(), level.into());
        }
        self.block.clear();
    }

    fn count(&mut self, frequency: f64, level: f64) {
        let same = |tone: &&mut Tone| (tone.frequency_hz() - frequency).abs() < SAME_TONE_HZ;
        if let Some(tone) = self.tones.iter_mut().find(same) {
            tone.blocks += 1;
            tone.frequency_sum += frequency;
            tone.level_sum += level;
        } else if self.tones.len() < MAX_TONES {
            self.tones.push(Tone {
                blocks: 1,
                frequency_sum: frequency,
                level_sum: level,
            });
        }
    }

    /// The tone that was heard longest.
    pub(super) fn tone(&self) -> Option<HeardTone> {
        let tone = self.tones.iter().max_by_key(|tone| tone.blocks)?;
        Some(HeardTone {
            frequency_hz: round(tone.frequency_hz()),
            level_dbfs: round(tone.level_sum / tone.blocks as f64),
            share: round(tone.blocks as f64 / self.blocks as f64),
        })
    }

    /// How loud all of it was.
    pub(super) fn level_dbfs(&self) -> Option<f64> {
        let level = self.meter.rms_dbfs();
        (level > SILENCE_DBFS).then(|| round(level.into()))
    }
}

/// The frequency and level of a tone that drowns everything else in `samples`.
fn dominant(samples: &[i16]) -> Option<(f32, f32)> {
    let mut meter = Meter::new();
    meter.push(samples);
    if meter.rms_dbfs() < LEAST_DBFS {
        return None;
    }
    let coarse = (LOWEST_HZ..=HIGHEST_HZ)
        .step_by(COARSE_HZ.into())
        .map(f32::from);
    let near = strongest(coarse, |frequency| Goertzel::measure(frequency, samples))?;
    dominant_near(near, samples)
}

/// The same, where it is known about where to look.
fn dominant_near(near: f32, samples: &[i16]) -> Option<(f32, f32)> {
    let fine = (-10_i8..=10).map(|step| near + f32::from(step));
    let frequency = strongest(fine, |frequency| Goertzel::measure(frequency, samples))?;
    let level = level_at_dbfs(frequency, samples);
    let is_one = level >= LEAST_DBFS && share_at(frequency, samples) >= LEAST_SHARE;
    is_one.then_some((frequency, level))
}

fn strongest(frequencies: impl Iterator<Item = f32>, power: impl Fn(f32) -> f64) -> Option<f32> {
    frequencies
        .map(|frequency| (frequency, power(frequency)))
        .max_by(|(_, left), (_, right)| left.total_cmp(right))
        .map(|(frequency, _)| frequency)
}

#[cfg(test)]
mod tests {
    use super::*;
    use fernamt_codec::tone::{Sine, Source as _};
    use fernamt_codec::{FRAME_SAMPLES, SILENCE};

    fn hear(analysis: &mut Analysis, source: &mut Sine, frames: usize) {
        for _ in 0..frames {
            let mut frame = [0; FRAME_SAMPLES];
            source.fill(&mut frame);
            analysis.heard(&frame);
        }
    }

    #[test]
    fn the_tone_that_was_heard_longest_is_named() {
        for frequency in [300.0, 425.0, 700.0, 1_004.0, 3_333.0] {
            let mut analysis = Analysis::new();
            hear(&mut analysis, &mut Sine::new(1_800.0, -20.0), 10);
            hear(&mut analysis, &mut Sine::new(frequency, -12.0), 40);
            let tone = analysis.tone().expect("a tone");
            assert!(
                (tone.frequency_hz - f64::from(frequency)).abs() < 2.0,
                "{tone:?}"
            );
            assert!((tone.level_dbfs + 12.0).abs() < 0.5, "{tone:?}");
            assert!((tone.share - 0.8).abs() < 0.01, "{tone:?}");
        }
    }

    #[test]
    fn silence_and_noise_have_no_tone() {
        let mut analysis = Analysis::new();
        let mut noise = 1_u32;
        for index in 0..100 {
            let mut frame = SILENCE;
            if index % 2 == 0 {
                for sample in &mut frame {
                    noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    *sample = (noise >> 18) as i16;
                }
            }
            analysis.heard(&frame);
        }
        assert_eq!(analysis.tone(), None);
        assert_eq!(Analysis::new().level_dbfs(), None);
    }
}
