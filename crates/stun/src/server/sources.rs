//! What is remembered of sources that have not shown who they are: how many answers they got in this
//! second, and how often they failed. Two tables of fixed size; nothing that a source sends makes
//! them grow.

use core::time::Duration;
use std::net::IpAddr;

use crate::time::{Micros, Now};

/// Places of each table.
pub(super) const PLACES: usize = 4096;

const SECOND: Micros = 1_000_000;

/// Answers to sources, counted in the current second. Sources that share a place share its limit.
#[derive(Debug)]
pub(super) struct Answers {
    mix: u64,
    per_second: u32,
    places: Box<[(Micros, u32)]>,
}

/// Spreads sources over places in a way that others do not know. A whole network of IPv6, which is
/// what one customer gets, is one source.
fn place(mix: u64, source: IpAddr) -> usize {
    let bits = match source.to_canonical() {
        IpAddr::V4(ip) => u64::from(ip.to_bits()),
        IpAddr::V6(ip) => (ip.to_bits() >> 64) as u64,
    };
    let first = (bits ^ mix).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let second = (first ^ first >> 29 ^ mix.rotate_left(32)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (second >> 40) as usize % PLACES
}

impl Answers {
    pub(super) fn new(mix: u64, per_second: u32) -> Answers {
        Answers {
            mix,
            per_second,
            places: vec![(0, 0); PLACES].into(),
        }
    }

    /// Whether one more answer may go to a source.
    pub(super) fn may_answer(&mut self, now: Now, source: IpAddr) -> bool {
        let Some((since, count)) = self.places.get_mut(place(self.mix, source)) else {
            return false;
        };
        if now.micros.saturating_sub(*since) >= SECOND {
            *since = now.micros;
            *count = 0;
        }
        *count = count.saturating_add(1);
        *count <= self.per_second
    }
}

#[derive(Clone, Copy, Debug)]
struct Record {
    source: IpAddr,
    since: Micros,
    count: u32,
    banned_until: Micros,
}

/// Sources that failed to authenticate.
#[derive(Debug)]
pub(super) struct Failures {
    mix: u64,
    most: u32,
    window: Duration,
    ban: Duration,
    places: Box<[Option<Record>]>,
}

impl Failures {
    pub(super) fn new(mix: u64, most: u32, window: Duration, ban: Duration) -> Failures {
        Failures {
            mix,
            most,
            window,
            ban,
            places: vec![None; PLACES].into(),
        }
    }

    /// Whether a source is ignored now.
    pub(super) fn is_banned(&self, now: Now, source: IpAddr) -> bool {
        self.places
            .get(place(self.mix, source))
            .and_then(Option::as_ref)
            .is_some_and(|record| record.source == source && now.micros < record.banned_until)
    }

    /// Forgets the failures of a source.
    pub(super) fn forgive(&mut self, source: IpAddr) {
        if let Some(held) = self.places.get_mut(place(self.mix, source))
            && held.as_ref().is_some_and(|record| record.source == source)
        {
            *held = None;
        }
    }

    /// Counts a failure; whether the source is ignored from now on. A place that somebody else holds
    /// is not taken before its time is over.
    pub(super) fn count(&mut self, now: Now, source: IpAddr) -> bool {
        let Some(held) = self.places.get_mut(place(self.mix, source)) else {
            return false;
        };
        let fresh = Record {
            source,
            since: now.micros,
            count: 0,
            banned_until: 0,
        };
        let window = u64::try_from(self.window.as_micros()).unwrap_or(u64::MAX);
        let is_over = |record: &Record| {
            now.micros >= record.banned_until
                && (now.micros.saturating_sub(record.since) >= window || record.banned_until != 0)
        };
        let record = held.get_or_insert(fresh);
        if is_over(record) {
            *record = fresh;
        }
        if record.source != source {
            return false;
        }
        record.count = record.count.saturating_add(1);
        if record.count < self.most || record.banned_until != 0 {
            return false;
        }
        record.banned_until = now.after(self.ban);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: Micros) -> Now {
        Now { micros, unix_ms: 0 }
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_source_gets_so_many_answers_in_a_second_and_not_one_more() {
        let mut answers = Answers::new(7, 3);
        let mut count = |now, source| (0..10).filter(|_| answers.may_answer(now, source)).count();
        assert_eq!(count(at(5 * SECOND), ip("192.0.2.1")), 3);
        assert_eq!(count(at(5 * SECOND), ip("192.0.2.2")), 3);
        assert_eq!(count(at(6 * SECOND), ip("192.0.2.1")), 3);
        assert_eq!(count(at(6 * SECOND), ip("2001:db8::1")), 3);
        assert_eq!(count(at(6 * SECOND), ip("2001:db8::2")), 0);
    }

    #[test]
    fn a_source_is_ignored_after_so_many_failures_and_not_one_before() {
        let ban = Duration::from_secs(600);
        let mut failures = Failures::new(7, 3, Duration::from_secs(60), ban);
        let source = ip("192.0.2.1");
        assert!(!failures.count(at(SECOND), source));
        assert!(!failures.count(at(2 * SECOND), source));
        assert!(!failures.is_banned(at(2 * SECOND), source));
        assert!(failures.count(at(3 * SECOND), source));
        assert!(failures.is_banned(at(4 * SECOND), source));
        assert!(!failures.is_banned(at(4 * SECOND), ip("192.0.2.2")));
        assert!(failures.is_banned(at(602 * SECOND), source));
        assert!(!failures.is_banned(at(603 * SECOND), source));
        for _ in 0..3 {
            failures.count(at(603 * SECOND), source);
        }
        assert!(failures.is_banned(at(604 * SECOND), source));
        failures.forgive(ip("192.0.2.2"));
        assert!(failures.is_banned(at(604 * SECOND), source));
        failures.forgive(source);
        assert!(!failures.is_banned(at(604 * SECOND), source));
    }

    #[test]
    fn failures_that_are_far_apart_are_no_attack() {
        let mut failures = Failures::new(7, 2, Duration::from_secs(60), Duration::from_secs(600));
        for minute in 0..100 {
            assert!(!failures.count(at(minute * 60 * SECOND), ip("192.0.2.1")));
        }
    }
}
