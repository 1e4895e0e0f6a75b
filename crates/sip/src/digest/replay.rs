//! Remembers which nonce counts were used, in a table of fixed size (RFC 7616 section 3.4.5).
//!
//! # What is guaranteed
//!
//! One pair of nonce and nonce count is admitted at most once in the life of a table, whatever
//! else happens. The price of the fixed size is paid in the other direction: when more nonces are
//! in use than the table has places, old ones are forgotten, and a forgotten nonce is refused as
//! stale, which costs its user one more round trip and nothing else.
//!
//! Only nonces with which somebody authenticated take a place; handing out a nonce takes none. A
//! restart empties the table, so that a count used before it can be used once more after it,
//! within the life of the nonce. Tables of different shards do not know each other.

use super::nonce::Nonce;

/// Nonces that share one part of the table.
const WAYS: usize = 8;
/// How far behind the highest count a request may arrive out of order.
const WINDOW: u32 = 32;

#[derive(Clone, Copy, Default)]
struct Place {
    issued_ms: u64,
    instance: u32,
    serial: u32,
    /// The highest count that was used; zero in an empty place.
    highest: u32,
    /// Bit n says that the count `highest - n` was used.
    used: u32,
}

impl Place {
    fn holds(&self, nonce: Nonce) -> bool {
        self.highest != 0
            && self.issued_ms == nonce.issued_ms
            && self.instance == nonce.instance
            && self.serial == nonce.serial
    }

    fn admit(&mut self, count: u32) -> Result<(), Refusal> {
        if count > self.highest {
            let step = count - self.highest;
            self.used = if step < WINDOW {
                (self.used << step) | 1
            } else {
                1
            };
            self.highest = count;
            return Ok(());
        }
        let behind = self.highest - count;
        if behind >= WINDOW || self.used & (1 << behind) != 0 {
            return Err(Refusal::Used);
        }
        self.used |= 1 << behind;
        Ok(())
    }
}

#[derive(Clone, Copy, Default)]
struct Set {
    places: [Place; WAYS],
    /// Nonces issued up to here may have been used and forgotten; zero when none was.
    forgotten_until_ms: u64,
}

/// Why a nonce count is not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It was used, or is too far behind to know.
    Used,
    /// The nonce had to make room and may have been used.
    Forgotten,
}

/// The table.
pub(super) struct Replay {
    sets: Box<[Set]>,
}

impl Replay {
    /// A table for at least `nonces` nonces in use at the same time, and at least eight.
    pub(super) fn new(nonces: usize) -> Replay {
        let sets = nonces.div_ceil(WAYS).max(1).next_power_of_two();
        Replay {
            sets: vec![Set::default(); sets].into_boxed_slice(),
        }
    }

    /// Uses up a nonce count.
    pub(super) fn admit(&mut self, nonce: Nonce, count: u32) -> Result<(), Refusal> {
        if count == 0 {
            return Err(Refusal::Used);
        }
        // Serial numbers are consecutive, so that this spreads the nonces evenly.
        let index = (nonce.serial ^ nonce.instance) as usize & (self.sets.len() - 1);
        let Some(set) = self.sets.get_mut(index) else {
            return Err(Refusal::Forgotten);
        };
        if let Some(place) = set.places.iter_mut().find(|place| place.holds(nonce)) {
            return place.admit(count);
        }
        if set.forgotten_until_ms != 0 && nonce.issued_ms <= set.forgotten_until_ms {
            return Err(Refusal::Forgotten);
        }
        // An empty place has the issue time zero and is taken first.
        let Some(place) = set.places.iter_mut().min_by_key(|place| place.issued_ms) else {
            return Err(Refusal::Forgotten);
        };
        if place.highest != 0 {
            set.forgotten_until_ms = set.forgotten_until_ms.max(place.issued_ms);
        }
        *place = Place {
            issued_ms: nonce.issued_ms,
            instance: nonce.instance,
            serial: nonce.serial,
            highest: count,
            used: 1,
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn nonce(issued_ms: u64, serial: u32) -> Nonce {
        Nonce {
            issued_ms,
            instance: 0,
            serial,
        }
    }

    #[test]
    fn a_count_is_admitted_once_and_out_of_order_within_the_window() {
        let mut table = Replay::new(8);
        let nonce = nonce(1000, 1);
        assert_eq!(table.admit(nonce, 2), Ok(()));
        assert_eq!(table.admit(nonce, 2), Err(Refusal::Used));
        assert_eq!(table.admit(nonce, 1), Ok(()));
        assert_eq!(table.admit(nonce, 1), Err(Refusal::Used));
        assert_eq!(table.admit(nonce, 40), Ok(()));
        assert_eq!(table.admit(nonce, 40 - WINDOW), Err(Refusal::Used));
        assert_eq!(table.admit(nonce, 41 - WINDOW), Ok(()));
        assert_eq!(table.admit(nonce, 0), Err(Refusal::Used));
        assert_eq!(table.admit(nonce, u32::MAX), Ok(()));
        assert_eq!(table.admit(nonce, u32::MAX), Err(Refusal::Used));
    }

    #[test]
    fn a_full_table_forgets_the_oldest_nonce_and_refuses_it_from_then_on() {
        let mut table = Replay::new(WAYS);
        for serial in 0..WAYS as u32 {
            assert_eq!(
                table.admit(nonce(1000 + u64::from(serial), serial), 1),
                Ok(())
            );
        }
        assert_eq!(table.admit(nonce(2000, 99), 1), Ok(()));
        assert_eq!(table.admit(nonce(1000, 0), 2), Err(Refusal::Forgotten));
        assert_eq!(table.admit(nonce(1001, 1), 2), Ok(()));
        assert_eq!(table.admit(nonce(2001, 100), 1), Ok(()));
    }

    proptest! {
        #[test]
        fn no_count_is_ever_admitted_twice(
            uses in prop::collection::vec((1_u64..60, 0_u32..60, 1_u32..80), 1..400)
        ) {
            let mut table = Replay::new(16);
            let mut admitted = HashSet::new();
            for (issued_ms, serial, count) in uses {
                if table.admit(nonce(issued_ms, serial), count).is_ok() {
                    prop_assert!(admitted.insert((issued_ms, serial, count)));
                }
            }
        }
    }
}
