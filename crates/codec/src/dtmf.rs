//! The tones of the keys (ITU-T Q.23, Q.24): made and recognised; events are in RTP.

use crate::SAMPLE_RATE_HZ;
use crate::level::power_dbfs;
use crate::spectrum::Goertzel;
use crate::tone::{Pair, Source};

const LOW_HZ: [f32; 4] = [697.0, 770.0, 852.0, 941.0];
const HIGH_HZ: [f32; 4] = [1_209.0, 1_336.0, 1_477.0, 1_633.0];

/// The keys by row and column.
const KEYS: [[char; 4]; 4] = [
    ['1', '2', '3', 'A'],
    ['4', '5', '6', 'B'],
    ['7', '8', '9', 'C'],
    ['*', '0', '#', 'D'],
];

/// The level of each of the two tones.
pub const LEVEL_DBFS: f32 = -9.0;

/// How long a key sounds unless said otherwise.
pub const KEY_MILLISECONDS: u32 = 100;

/// The pause behind a key unless said otherwise.
pub const PAUSE_MILLISECONDS: u32 = 100;

/// The two frequencies of a key; small letters count as capitals.
pub fn frequencies(key: char) -> Option<(f32, f32)> {
    let key = key.to_ascii_uppercase();
    for (row, low) in KEYS.iter().zip(LOW_HZ) {
        for (&candidate, high) in row.iter().zip(HIGH_HZ) {
            if candidate == key {
                return Some((low, high));
            }
        }
    }
    None
}

/// Plays one key and the pause behind it.
#[derive(Clone, Debug)]
pub struct KeyTone {
    pair: Pair,
    sounding: usize,
    pause: usize,
}

impl KeyTone {
    /// A key for `milliseconds` and a pause of `pause_milliseconds`; `None` when it is no key.
    pub fn new(key: char, milliseconds: u32, pause_milliseconds: u32) -> Option<KeyTone> {
        let (low, high) = frequencies(key)?;
        let samples = |milliseconds: u32| milliseconds as usize * SAMPLE_RATE_HZ as usize / 1_000;
        Some(KeyTone {
            pair: Pair::new(low, high, LEVEL_DBFS),
            sounding: samples(milliseconds),
            pause: samples(pause_milliseconds),
        })
    }

    /// Whether tone and pause are over.
    pub const fn is_over(&self) -> bool {
        self.sounding == 0 && self.pause == 0
    }
}

impl Source for KeyTone {
    fn fill(&mut self, samples: &mut [i16]) {
        let sounding = self.sounding.min(samples.len());
        let Some((tone, silence)) = samples.split_at_mut_checked(sounding) else {
            return;
        };
        self.pair.fill(tone);
        silence.fill(0);
        self.sounding -= sounding;
        self.pause = self.pause.saturating_sub(silence.len());
    }
}

/// The quietest tone that counts as a key (Q.24 leaves it to the network).
const LEAST_DBFS: f32 = -40.0;

/// The most that one tone may be louder than the other, in decibels.
const MOST_TWIST: f32 = 8.0;

/// How much of all energy the two tones must have.
const LEAST_SHARE: f64 = 0.75;

/// The key that sounds throughout `samples`: 20 to 60 ms are right.
pub fn detect(samples: &[i16]) -> Option<char> {
    let total: f64 = samples
        .iter()
        .map(|&sample| f64::from(sample).powi(2))
        .sum();
    if samples.is_empty() || power_dbfs(total / samples.len() as f64) < LEAST_DBFS {
        return None;
    }
    let (row, low) = strongest(LOW_HZ, samples)?;
    let (column, high) = strongest(HIGH_HZ, samples)?;
    let twist = (power_dbfs(low) - power_dbfs(high)).abs();
    let share = (low + high) * samples.len() as f64 / total;
    if twist > MOST_TWIST || share < LEAST_SHARE {
        return None;
    }
    KEYS.get(row)?.get(column).copied()
}

/// The strongest of four frequencies with its mean square.
fn strongest(frequencies: [f32; 4], samples: &[i16]) -> Option<(usize, f64)> {
    frequencies
        .into_iter()
        .map(|frequency| Goertzel::measure(frequency, samples))
        .enumerate()
        .max_by(|(_, first), (_, second)| first.total_cmp(second))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_recognised_by_its_tones() {
        for key in "0123456789*#ABCD".chars() {
            let mut tone = KeyTone::new(key, 100, 100).unwrap();
            let mut samples = [0; 320];
            tone.fill(&mut samples);
            assert_eq!(detect(&samples), Some(key));
        }
        assert!(KeyTone::new('x', 100, 100).is_none());
        assert_eq!(frequencies('d'), Some((941.0, 1_633.0)));
    }

    #[test]
    fn a_key_sounds_as_long_as_it_should_and_then_pauses() {
        let mut tone = KeyTone::new('5', 50, 30).unwrap();
        let mut samples = [1; 640];
        tone.fill(&mut samples);
        assert!(samples[390..400].iter().any(|&sample| sample != 0));
        assert!(samples[400..].iter().all(|&sample| sample == 0));
        assert!(tone.is_over());
    }

    #[test]
    fn one_tone_silence_and_noise_are_no_key() {
        let mut samples = [0; 320];
        assert_eq!(detect(&samples), None);
        assert_eq!(detect(&[]), None);
        crate::tone::Sine::new(697.0, -10.0).fill(&mut samples);
        assert_eq!(detect(&samples), None);
        let mut state = 1u32;
        for sample in &mut samples {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *sample = (state >> 16) as i16 / 4;
        }
        assert_eq!(detect(&samples), None);
    }
}
