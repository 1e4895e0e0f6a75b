//! Which sources are banned, and until when.

use std::collections::BTreeSet;

use fernamt_sip::time::Time;
use hashbrown::HashMap;

use super::Source;

/// A source that is banned for a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ban {
    /// Who.
    pub source: Source,
    /// Until when.
    pub until: Time,
}

/// All bans, by source and by end.
#[derive(Debug)]
pub(super) struct Bans {
    capacity: usize,
    ends: HashMap<Source, Time>,
    order: BTreeSet<(Time, Source)>,
}

impl Bans {
    pub(super) fn new(capacity: usize) -> Bans {
        Bans {
            capacity,
            ends: HashMap::new(),
            order: BTreeSet::new(),
        }
    }

    pub(super) fn holds(&self, now: Time, source: Source) -> bool {
        !self.ends.is_empty() && self.ends.get(&source).is_some_and(|until| *until > now)
    }

    /// Bans a source; gives back the ban that holds then. When there are too many, the one that
    /// would end first goes.
    pub(super) fn insert(&mut self, now: Time, source: Source, until: Time) -> Ban {
        self.drop_ended(now);
        let until = self
            .ends
            .get(&source)
            .copied()
            .map_or(until, |held| held.max(until));
        self.remove(source);
        if self.ends.len() >= self.capacity {
            self.drop_first();
        }
        self.ends.insert(source, until);
        self.order.insert((until, source));
        Ban { source, until }
    }

    pub(super) fn remove(&mut self, source: Source) {
        if let Some(until) = self.ends.remove(&source) {
            self.order.remove(&(until, source));
        }
    }

    pub(super) fn iter(&self, now: Time) -> impl Iterator<Item = Ban> {
        let holding = self
            .order
            .iter()
            .skip_while(move |(until, _)| *until <= now);
        holding.map(|&(until, source)| Ban { source, until })
    }

    fn drop_ended(&mut self, now: Time) {
        while self.order.first().is_some_and(|(until, _)| *until <= now) {
            self.drop_first();
        }
    }

    fn drop_first(&mut self) {
        if let Some((_, source)) = self.order.pop_first() {
            self.ends.remove(&source);
        }
    }
}
