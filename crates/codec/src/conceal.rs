//! Filling the gap where a frame was lost: the last pitch period goes on and fades; not the
//! method of G.711 appendix I, but its idea in short.

use crate::{FRAME_SAMPLES, Frame};

/// The shortest pitch period that is looked for: 400 Hz.
const SHORTEST_PERIOD: usize = 20;

/// The longest pitch period that is looked for: 50 Hz.
const LONGEST_PERIOD: usize = 160;

/// Samples that are kept: what is compared, and the longest period before it.
const HISTORY: usize = 2 * LONGEST_PERIOD;

/// Frames after which a concealment is silent.
const FADE_FRAMES: f32 = 4.0;

/// Samples over which real voice takes over again: 5 ms.
const BLEND_SAMPLES: usize = 40;

/// Remembers what was heard, to go on with it.
#[derive(Clone, Debug)]
pub struct Concealer {
    history: [i16; HISTORY],
    /// The period that is repeated, while a gap lasts.
    period: Option<usize>,
    /// Samples of the gap so far.
    gap: usize,
}

impl Default for Concealer {
    fn default() -> Concealer {
        Concealer::new()
    }
}

impl Concealer {
    /// Nothing was heard so far.
    pub const fn new() -> Concealer {
        Concealer {
            history: [0; HISTORY],
            period: None,
            gap: 0,
        }
    }

    /// Takes note of a frame that came; its beginning is blended with a gap before it.
    pub fn heard(&mut self, frame: &mut Frame) {
        if self.period.is_some() {
            let mut tail = [0; FRAME_SAMPLES];
            self.go_on(&mut tail);
            for (at, (sample, old)) in frame.iter_mut().zip(tail).take(BLEND_SAMPLES).enumerate() {
                let new_part = at as i32;
                let old_part = BLEND_SAMPLES as i32 - new_part;
                let sum = i32::from(*sample) * new_part + i32::from(old) * old_part;
                *sample = (sum / BLEND_SAMPLES as i32) as i16;
            }
        }
        self.period = None;
        self.gap = 0;
        self.remember(frame);
    }

    /// Makes a frame in place of a lost one.
    pub fn conceal(&mut self, frame: &mut Frame) {
        if self.period.is_none() {
            self.period = Some(self.find_period());
        }
        self.go_on(frame);
    }

    fn go_on(&mut self, frame: &mut Frame) {
        let period = self.period.unwrap_or(LONGEST_PERIOD).max(1);
        let last = self.history.get(HISTORY - period..).unwrap_or_default();
        for (sample, at) in frame.iter_mut().zip(self.gap..) {
            let level = 1.0 - at as f32 / (FADE_FRAMES * FRAME_SAMPLES as f32);
            let repeated = last.get(at % period).copied().unwrap_or(0);
            *sample = (f32::from(repeated) * level.max(0.0)) as i16;
        }
        self.gap = self.gap.saturating_add(FRAME_SAMPLES);
    }

    fn remember(&mut self, frame: &Frame) {
        self.history.rotate_left(FRAME_SAMPLES);
        if let Some(end) = self.history.last_chunk_mut::<FRAME_SAMPLES>() {
            *end = *frame;
        }
    }

    /// The distance at which the end of what was heard is most like itself.
    fn find_period(&self) -> usize {
        let recent = self
            .history
            .get(HISTORY - LONGEST_PERIOD..)
            .unwrap_or_default();
        let likeness = |period: usize| {
            let from = HISTORY - LONGEST_PERIOD - period;
            let earlier = self.history.get(from..).unwrap_or_default();
            let mut product = 0.0f32;
            let mut energy = 1.0f32;
            for (&new, &old) in recent.iter().zip(earlier) {
                product += f32::from(new) * f32::from(old);
                energy += f32::from(old) * f32::from(old);
            }
            product / energy.sqrt()
        };
        (SHORTEST_PERIOD..=LONGEST_PERIOD)
            .map(|period| (period, likeness(period)))
            .max_by(|(_, first), (_, second)| first.total_cmp(second))
            .map_or(LONGEST_PERIOD, |(period, _)| period)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::level::rms_dbfs;
    use crate::spectrum::share_at;
    use crate::tone::{Sine, Source};

    fn after_voice(frequency: f32) -> (Concealer, Sine) {
        let mut concealer = Concealer::new();
        let mut voice = Sine::new(frequency, -10.0);
        let mut frame = [0; FRAME_SAMPLES];
        for _ in 0..5 {
            voice.fill(&mut frame);
            concealer.heard(&mut frame);
        }
        (concealer, voice)
    }

    #[test]
    fn a_lost_frame_goes_on_with_the_pitch_that_was_heard() {
        let (mut concealer, _) = after_voice(200.0);
        let mut frame = [0; FRAME_SAMPLES];
        concealer.conceal(&mut frame);
        assert!(share_at(200.0, &frame) > 0.95);
        assert!((-13.0..-9.0).contains(&rms_dbfs(&frame)));
    }

    #[test]
    fn a_long_gap_fades_to_silence() {
        let (mut concealer, _) = after_voice(200.0);
        let mut frame = [0; FRAME_SAMPLES];
        let mut before = 0.0;
        for _ in 0..4 {
            concealer.conceal(&mut frame);
            assert!(rms_dbfs(&frame) < before);
            before = rms_dbfs(&frame);
        }
        concealer.conceal(&mut frame);
        assert_eq!(frame, [0; FRAME_SAMPLES]);
    }

    #[test]
    fn voice_that_comes_back_is_blended_in_and_then_unchanged() {
        let (mut concealer, mut voice) = after_voice(200.0);
        let mut frame = [0; FRAME_SAMPLES];
        voice.fill(&mut frame);
        concealer.conceal(&mut frame);
        voice.fill(&mut frame);
        let original = frame;
        concealer.heard(&mut frame);
        assert_ne!(frame[..BLEND_SAMPLES], original[..BLEND_SAMPLES]);
        assert_eq!(frame[BLEND_SAMPLES..], original[BLEND_SAMPLES..]);
    }

    #[test]
    fn a_gap_before_any_voice_is_silent() {
        let mut frame = [7; FRAME_SAMPLES];
        Concealer::new().conceal(&mut frame);
        assert_eq!(frame, [0; FRAME_SAMPLES]);
    }
}
