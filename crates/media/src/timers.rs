//! Which endpoints a media thread has to look after, and when: those that check their way or agree on
//! keys. All others need no time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use fernamt_exchange::media::EndpointId;

use crate::slots::lock;

/// An endpoint in its slot, and a time in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Timer {
    pub(crate) micros: u64,
    pub(crate) slot: u32,
    pub(crate) endpoint: EndpointId,
}

/// The timers of a thread. An endpoint has the one it was given last; others of it are left to pass.
#[derive(Debug)]
pub(crate) struct Timers {
    heap: Mutex<BinaryHeap<Reverse<Timer>>>,
    next_micros: AtomicU64,
}

impl Default for Timers {
    fn default() -> Timers {
        Timers {
            heap: Mutex::default(),
            next_micros: AtomicU64::new(u64::MAX),
        }
    }
}

impl Timers {
    /// Adds one; whether it is now the first.
    pub(crate) fn add(&self, timer: Timer) -> bool {
        lock(&self.heap).push(Reverse(timer));
        self.next_micros.fetch_min(timer.micros, Ordering::AcqRel) > timer.micros
    }

    /// When the first is due; never: the end of time.
    pub(crate) fn next_micros(&self) -> u64 {
        self.next_micros.load(Ordering::Acquire)
    }

    /// Takes one that is due.
    pub(crate) fn take_due(&self, now_micros: u64) -> Option<Timer> {
        let mut heap = lock(&self.heap);
        let due = heap
            .peek()
            .is_some_and(|Reverse(first)| first.micros <= now_micros);
        let timer = if due { heap.pop() } else { None };
        let next = heap.peek().map_or(u64::MAX, |Reverse(first)| first.micros);
        self.next_micros.store(next, Ordering::Release);
        timer.map(|Reverse(timer)| timer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timer(micros: u64) -> Timer {
        Timer {
            micros,
            slot: 0,
            endpoint: EndpointId(micros),
        }
    }

    #[test]
    fn timers_are_due_in_their_order_and_not_before_their_time() {
        let timers = Timers::default();
        assert_eq!(timers.next_micros(), u64::MAX);
        assert_eq!(
            [30, 10, 20].map(|at| timers.add(timer(at))),
            [true, true, false]
        );
        assert_eq!(timers.next_micros(), 10);
        assert_eq!(timers.take_due(9), None);
        assert_eq!(timers.take_due(20), Some(timer(10)));
        assert_eq!(timers.take_due(20), Some(timer(20)));
        assert_eq!(timers.take_due(20), None);
        assert_eq!(timers.next_micros(), 30);
    }
}
