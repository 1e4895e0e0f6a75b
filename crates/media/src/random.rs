//! Numbers that nobody can guess, from the operating system; no generator of our own.

use core::fmt;
use std::sync::{Mutex, PoisonError};

use rustix::rand::{GetRandomFlags, getrandom};

/// Bytes fetched at once, so that not every number is a system call.
const BUFFER_BYTES: usize = 256;

/// Fills bytes from the first one on: how many it has filled.
type Source = Box<dyn FnMut(&mut [u8]) -> usize + Send>;

/// A source of random numbers, shared.
pub(crate) struct Random(Mutex<Buffer>);

struct Buffer {
    bytes: [u8; BUFFER_BYTES],
    used: usize,
    source: Source,
}

impl Random {
    pub(crate) fn new() -> Random {
        // It waits until the kernel has been seeded and cannot fail for so few bytes; a signal may cut
        // it short.
        Random::from_source(|bytes| getrandom(bytes, GetRandomFlags::empty()).unwrap_or(0))
    }

    /// Numbers that are the bytes of this source, in their order, and nothing else.
    fn from_source(source: impl FnMut(&mut [u8]) -> usize + Send + 'static) -> Random {
        Random(Mutex::new(Buffer {
            bytes: [0; BUFFER_BYTES],
            used: BUFFER_BYTES,
            source: Box::new(source),
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

    /// A number below `bound`, each as likely as the others; zero when that is zero.
    pub(crate) fn below(&self, bound: usize) -> usize {
        // Lemire's reduction: of 2^64 numbers so many are drawn again that the others can be dealt
        // out in equal parts.
        let bound = bound as u64;
        let too_many = bound.wrapping_neg().checked_rem(bound).unwrap_or(0);
        loop {
            let product = u128::from(self.next()) * u128::from(bound);
            if product as u64 >= too_many {
                return (product >> 64) as usize;
            }
        }
    }

    /// Numbers whose bytes a test knows.
    #[cfg(test)]
    pub(crate) fn known(mut next: impl FnMut() -> u64 + Send + 'static) -> Random {
        Random::from_source(move |bytes| {
            let (whole, _) = bytes.as_chunks_mut::<8>();
            whole
                .iter_mut()
                .for_each(|bytes| *bytes = next().to_ne_bytes());
            8 * whole.len()
        })
    }
}

impl fmt::Debug for Random {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What comes next is nobody's business.
        formatter.write_str("Random")
    }
}

impl Buffer {
    fn refill(&mut self) {
        let mut filled = 0;
        while let Some(rest) = self.bytes.get_mut(filled..)
            && !rest.is_empty()
        {
            filled += (self.source)(rest);
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

    /// A source that gives little at once, as one that signals cut short.
    #[test]
    fn numbers_are_the_bytes_of_the_source_and_nothing_else() {
        let mut given = 0_u8;
        let random = Random::from_source(move |bytes| {
            let count = bytes.len().min(5);
            for byte in &mut bytes[..count] {
                *byte = given;
                given = given.wrapping_add(1);
            }
            count
        });
        for number in 0..200_u64 {
            let first = (8 * number) as u8;
            let bytes = core::array::from_fn(|at| first.wrapping_add(at as u8));
            assert_eq!(random.next(), u64::from_ne_bytes(bytes));
        }
    }

    #[test]
    fn what_cannot_be_dealt_out_in_equal_parts_is_drawn_again() {
        // 2^64 numbers are four more than six equal parts: the first one of four of the six parts.
        let first = |part: u64| (u128::from(part) << 64).div_ceil(6) as u64;
        let mut again = 0;
        for part in 0..6 {
            let mut drawn = vec![7, first(part) + 1, first(part)];
            let random = Random::known(move || drawn.pop().unwrap_or(0));
            assert_eq!(random.below(6) as u64, part);
            again += u64::from(random.next() == 7);
        }
        assert_eq!(again, 4);
        // A power of two divides it.
        let random = Random::known(|| 0);
        assert_eq!(random.below(8), 0);
        assert_eq!(Random::known(|| u64::MAX).below(8), 7);
    }

    #[test]
    fn every_number_below_the_bound_comes() {
        let random = Random::new();
        let numbers: HashSet<usize> = (0..1_000).map(|_| random.below(7)).collect();
        assert_eq!(numbers, (0..7).collect::<HashSet<_>>());
        assert_eq!(random.below(0), 0);
    }
}
