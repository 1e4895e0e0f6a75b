//! The ports of one local address: which are free, which pairs of sockets lie ready, which rest
//! after a call. Numbers only; the sockets are elsewhere.

use std::collections::{HashMap, VecDeque};

use crate::random::Random;

/// How long a port that another program holds is left alone, in microseconds.
const TAKEN_PAUSE_MICROS: u64 = 60_000_000;

/// Where a new endpoint gets its pair from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A pair that is bound already, in this slot.
    Ready { slot: u32 },
    /// This port, which must be bound.
    Bind { port: u16 },
}

/// The ports of one local address. A port is in exactly one place: unbound, taken by somebody else,
/// being bound, or bound in a slot, which is ready, resting or in use.
#[derive(Debug)]
pub(crate) struct Ports {
    unbound: Vec<u16>,
    /// Held by other programs, and until when they are left alone.
    taken: VecDeque<(u64, u16)>,
    /// Slots by port.
    bound: HashMap<u16, u32>,
    /// Slots that are bound and free.
    ready: Vec<u32>,
    /// Slots that were in use a short time ago, and until when they rest: those for a short and those
    /// for a long time, each in the order in which they wake.
    resting: [VecDeque<(u64, u32)>; 2],
}

/// How long a pair rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    Short,
    Long,
}

impl Ports {
    pub(crate) fn new(ports: impl Iterator<Item = u16>) -> Ports {
        Ports {
            unbound: ports.collect(),
            taken: VecDeque::new(),
            bound: HashMap::new(),
            ready: Vec::new(),
            resting: Default::default(),
        }
    }

    /// Takes any pair, at random; `None` when all are in use or resting.
    pub(crate) fn take_any(&mut self, random: &Random, now_micros: u64) -> Option<Place> {
        self.wake(now_micros);
        if !self.ready.is_empty() {
            let slot = self.ready.swap_remove(random.below(self.ready.len()));
            return Some(Place::Ready { slot });
        }
        self.take_unbound(random)
    }

    /// Takes a port that is not bound, at random.
    pub(crate) fn take_unbound(&mut self, random: &Random) -> Option<Place> {
        if self.unbound.is_empty() {
            return None;
        }
        let port = self.unbound.swap_remove(random.below(self.unbound.len()));
        Some(Place::Bind { port })
    }

    /// Takes this port, wherever it is; `None` when it is in use. A call that is picked up again has
    /// a right to its port even while that rests.
    pub(crate) fn take_exactly(&mut self, port: u16) -> Option<Place> {
        if let Some(&slot) = self.bound.get(&port) {
            let ready = self.ready.iter().position(|&ready| ready == slot);
            if let Some(at) = ready {
                self.ready.swap_remove(at);
                return Some(Place::Ready { slot });
            }
            let is_resting = self.resting.iter_mut().any(|queue| {
                let at = queue.iter().position(|&(_, resting)| resting == slot);
                at.is_some_and(|at| queue.remove(at).is_some())
            });
            return is_resting.then_some(Place::Ready { slot });
        }
        if let Some(at) = self.unbound.iter().position(|&unbound| unbound == port) {
            self.unbound.swap_remove(at);
        }
        self.taken.retain(|&(_, taken)| taken != port);
        Some(Place::Bind { port })
    }

    /// Notes that a port has been bound in this slot.
    pub(crate) fn set_bound(&mut self, port: u16, slot: u32) {
        self.bound.insert(port, slot);
        self.taken.retain(|&(_, taken)| taken != port);
    }

    /// Gives back a port that could not be bound because another program has it.
    pub(crate) fn give_back_taken(&mut self, port: u16, now_micros: u64) {
        if !self.bound.contains_key(&port) && !self.taken.iter().any(|&(_, taken)| taken == port) {
            self.taken
                .push_back((now_micros + TAKEN_PAUSE_MICROS, port));
        }
    }

    /// Gives back a port that is not bound any more.
    pub(crate) fn give_back_unbound(&mut self, port: u16) {
        self.bound.remove(&port);
        self.unbound.push(port);
    }

    /// Forgets a port that is not of the range.
    pub(crate) fn forget(&mut self, port: u16) {
        self.bound.remove(&port);
    }

    /// Gives back a pair that has never been used.
    pub(crate) fn give_back_ready(&mut self, slot: u32) {
        self.ready.push(slot);
    }

    /// Gives back a pair after its use; it rests until then, which must not be before the end of
    /// those that were given back for the same kind of rest.
    pub(crate) fn give_back_used(&mut self, slot: u32, rest: Rest, until_micros: u64) {
        let [short, long] = &mut self.resting;
        let queue = if rest == Rest::Short { short } else { long };
        queue.push_back((until_micros, slot));
    }

    /// Takes a pair out of those that lie ready when there are more than `idle`, to unbind it.
    pub(crate) fn take_surplus(&mut self, idle: usize, now_micros: u64) -> Option<u32> {
        self.wake(now_micros);
        if self.ready.len() > idle {
            self.ready.pop()
        } else {
            None
        }
    }

    /// Pairs that lie ready, and pairs that rest.
    pub(crate) fn idle(&self) -> (usize, usize) {
        (
            self.ready.len(),
            self.resting.iter().map(VecDeque::len).sum(),
        )
    }

    /// Ends the rest of those that have rested, and tries ports again that others had.
    fn wake(&mut self, now_micros: u64) {
        for queue in &mut self.resting {
            while let Some(&(until_micros, slot)) = queue.front()
                && until_micros <= now_micros
            {
                queue.pop_front();
                self.ready.push(slot);
            }
        }
        while let Some(&(until_micros, port)) = self.taken.front()
            && until_micros <= now_micros
        {
            self.taken.pop_front();
            self.unbound.push(port);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn ports(count: u16) -> Ports {
        Ports::new((0..count).map(|n| 10_000 + 2 * n))
    }

    fn take_all(ports: &mut Ports, now_micros: u64) -> Vec<Place> {
        let random = Random::new();
        std::iter::from_fn(|| ports.take_any(&random, now_micros)).collect()
    }

    #[test]
    fn every_port_of_the_range_is_given_once_and_then_none() {
        let places = take_all(&mut ports(100), 0);
        let distinct: HashSet<u16> = places
            .iter()
            .map(|place| match place {
                Place::Bind { port } => *port,
                Place::Ready { .. } => panic!("nothing is bound"),
            })
            .collect();
        assert_eq!(distinct.len(), 100);
    }

    /// Takes all ports with numbers that are known.
    fn order(count: u16, numbers: impl FnMut() -> u64 + Send + 'static) -> Vec<u16> {
        let (mut ports, random) = (ports(count), Random::known(numbers));
        let mut take = || match ports.take_any(&random, 0)? {
            Place::Bind { port } => Some(port),
            Place::Ready { .. } => panic!("nothing is bound"),
        };
        std::iter::from_fn(&mut take).collect()
    }

    /// Who knows all ports that were given knows nothing of the next: each is drawn by a number of the
    /// source of its own, and by nothing else.
    #[test]
    fn each_port_follows_from_the_next_number_of_the_source_and_from_nothing_else() {
        let numbers = |n: u64| (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut n = 0;
        let given = order(100, move || {
            n += 1;
            numbers(n)
        });
        // The part of all numbers in which the drawn one lies, of as many parts as ports are left.
        let mut left: Vec<u16> = (0..100).map(|n| 10_000 + 2 * n).collect();
        let expected = (1..=100).map(|n| {
            let parts = left.len() as u128;
            left.swap_remove(((u128::from(numbers(n)) * parts) >> 64) as usize)
        });
        assert_eq!(given, expected.collect::<Vec<_>>());
    }

    #[test]
    fn a_number_that_would_favour_a_port_is_drawn_again() {
        // Zero is the number too many among 2^64 for three ports, and just another for four.
        let with_zero = |count| {
            let mut numbers = vec![0];
            order(count, move || numbers.pop().unwrap_or(u64::MAX))
        };
        assert_eq!(with_zero(3)[0], 10_004);
        assert_eq!(with_zero(4)[0], 10_000);
    }

    #[test]
    fn all_orders_of_ports_are_equally_likely() {
        let mut counts = std::collections::HashMap::new();
        let mut numbers = fernamt_sim::random::Random::new(1, 0);
        for _ in 0..24_000 {
            let drawn: Vec<u64> = (0..40).map(|_| numbers.below(u64::MAX)).collect();
            let mut drawn = drawn.into_iter();
            let given = order(4, move || drawn.next().unwrap());
            *counts.entry(given).or_insert(0) += 1;
        }
        // 24 orders; six standard deviations.
        assert_eq!(counts.len(), 24);
        assert!(
            counts.values().all(|count| (810..1_190).contains(count)),
            "{counts:?}"
        );
    }

    #[test]
    fn a_used_pair_rests_before_it_is_given_again() {
        let mut ports = ports(1);
        assert_eq!(take_all(&mut ports, 0), [Place::Bind { port: 10_000 }]);
        ports.set_bound(10_000, 7);
        for (rest, until_micros) in [(Rest::Long, 2_000), (Rest::Short, 3_000)] {
            ports.give_back_used(7, rest, until_micros);
            assert_eq!(take_all(&mut ports, until_micros - 1), []);
            assert_eq!(
                take_all(&mut ports, until_micros),
                [Place::Ready { slot: 7 }]
            );
        }
    }

    #[test]
    fn a_named_port_is_found_wherever_it_is_unless_in_use() {
        let mut ports = ports(3);
        assert_eq!(
            ports.take_exactly(10_002),
            Some(Place::Bind { port: 10_002 })
        );
        ports.set_bound(10_002, 1);
        assert_eq!(ports.take_exactly(10_002), None);
        ports.give_back_used(1, Rest::Long, 5_000);
        assert_eq!(ports.take_exactly(10_002), Some(Place::Ready { slot: 1 }));
        ports.give_back_ready(1);
        assert_eq!(ports.take_exactly(10_002), Some(Place::Ready { slot: 1 }));
        assert_eq!(take_all(&mut ports, 0).len(), 2);
        assert_eq!(
            ports.take_exactly(40_000),
            Some(Place::Bind { port: 40_000 })
        );
    }

    #[test]
    fn a_port_that_another_program_has_is_tried_again_later() {
        let mut ports = ports(1);
        assert_eq!(take_all(&mut ports, 0).len(), 1);
        ports.give_back_taken(10_000, 0);
        assert_eq!(take_all(&mut ports, TAKEN_PAUSE_MICROS - 1), []);
        assert_eq!(take_all(&mut ports, TAKEN_PAUSE_MICROS).len(), 1);
    }

    #[test]
    fn only_pairs_above_the_idle_limit_are_surplus() {
        let mut ports = ports(0);
        ports.give_back_ready(1);
        ports.give_back_ready(2);
        assert_eq!(ports.take_surplus(2, 0), None);
        assert_eq!(ports.take_surplus(1, 0), Some(2));
        assert_eq!(ports.idle(), (1, 0));
    }
}
