//! Numbers that nobody can guess, from the operating system; no generator of our own.

use std::sync::{Mutex, PoisonError};

use rustix::rand::{GetRandomFlags, getrandom};

/// Bytes fetched at once, so that not every number is a system call.
const BUFFER_BYTES: usize = 256;

/// A source of random numbers, shared.
#[derive(Debug)]
pub(crate) struct Random(Mutex<Buffer>);

#[derive(Debug)]
struct Buffer {
    bytes: [u8; BUFFER_BYTES],
    used: usize,
}

impl Random {
    pub(crate) fn new() -> Random {
        Random(Mutex::new(Buffer {
            bytes: [0; BUFFER_BYTES],
            used: BUFFER_BYTES,
        }))
    }

    /// 64 random bits.
    pub(crate) fn next(&self) -> u64 {
        let mut buffer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if buffer.used + 8 > BUFFER_BYTES {
            buffer.refill();
        }
        let used = buffer.used;
        buffer.used += 8;
        let bytes = buffer
            .bytes
            .get(used..)
            .and_then(|bytes| bytes.first_chunk::<8>());
        bytes.map_or(0, |bytes| u64::from_ne_bytes(*bytes))
    }

    /// A number below `bound`, and zero when that is zero.
    pub(crate) fn below(&self, bound: usize) -> usize {
        // Lemire's reduction; its bias is 2^-48 for the bounds here.
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }
}

impl Buffer {
    fn refill(&mut self) {
        let mut filled = 0;
        while let Some(rest) = self.bytes.get_mut(filled..)
            && !rest.is_empty()
        {
            // It waits until the kernel has been seeded and cannot fail for so few bytes; a signal
            // may cut it short.
            filled += getrandom(rest, GetRandomFlags::empty()).unwrap_or(0);
        }
        self.used = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn numbers_do_not_repeat_over_refills() {
        let random = Random::new();
        let numbers: HashSet<u64> = (0..1_000).map(|_| random.next()).collect();
        assert_eq!(numbers.len(), 1_000);
    }

    #[test]
    fn every_number_below_the_bound_comes() {
        let random = Random::new();
        let numbers: HashSet<usize> = (0..1_000).map(|_| random.below(7)).collect();
        assert_eq!(numbers, (0..7).collect::<HashSet<_>>());
        assert_eq!(random.below(0), 0);
    }
}
