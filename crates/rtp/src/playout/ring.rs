//! The samples that wait to be heard, by their timestamps; no decisions.

use super::FRAME_SAMPLES;

/// Samples that can wait: about a second. A power of two, so that a timestamp finds its place by
/// a mask.
pub(super) const CAPACITY: usize = 8_192;

const MASK: u32 = CAPACITY as u32 - 1;

/// Samples and, for each, whether it is there.
#[derive(Clone, Debug)]
pub(super) struct Ring {
    samples: Box<[i16]>,
    present: Box<[bool]>,
}

impl Ring {
    pub(super) fn new() -> Ring {
        Ring {
            samples: vec![0; CAPACITY].into(),
            present: vec![false; CAPACITY].into(),
        }
    }

    /// Puts samples to their places. The caller has made sure that they fit before what is read.
    pub(super) fn write(&mut self, timestamp: u32, samples: &[i16]) {
        for (sample, at) in samples.iter().zip(0u32..) {
            let place = (timestamp.wrapping_add(at) & MASK) as usize;
            if let Some(slot) = self.samples.get_mut(place) {
                *slot = *sample;
            }
            if let Some(slot) = self.present.get_mut(place) {
                *slot = true;
            }
        }
    }

    /// Takes a frame out; missing samples are 0. Returns how many were there.
    pub(super) fn take(&mut self, timestamp: u32, frame: &mut [i16; FRAME_SAMPLES]) -> usize {
        let mut count = 0;
        for (sample, at) in frame.iter_mut().zip(0u32..) {
            let place = (timestamp.wrapping_add(at) & MASK) as usize;
            let present = self.present.get_mut(place).is_some_and(core::mem::take);
            let stored = self.samples.get(place).copied().unwrap_or(0);
            *sample = if present { stored } else { 0 };
            count += usize::from(present);
        }
        count
    }

    pub(super) fn clear(&mut self) {
        self.present.fill(false);
    }
}
