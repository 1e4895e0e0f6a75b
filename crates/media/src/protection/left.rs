//! Keys of ours that are not in use any more, with how far they were used: a description may ask for one
//! of them again, and under one key no number may be used a second time. Nothing is protected here.

use std::collections::VecDeque;

use fernamt_exchange::media::SrtpKey;

use super::{Ours, Theirs};

/// So many of them are known in one call; for one more, that which was left first goes.
pub(crate) const MAX_LEFT_KEYS: usize = 8;

/// The keys of ours that were left, the first one first.
#[derive(Default)]
pub(crate) struct LeftKeys(VecDeque<Left>);

/// A key that was left.
pub(super) struct Left {
    pub(super) ours: Ours,
    /// That of the party, where no other has followed it.
    pub(super) theirs: Option<Theirs>,
}

impl LeftKeys {
    pub(super) fn keep(&mut self, ours: Ours, theirs: Option<Theirs>) {
        if self.0.len() >= MAX_LEFT_KEYS {
            self.0.pop_front();
        }
        self.0.push_back(Left { ours, theirs });
    }

    /// What was left with this key.
    pub(super) fn take(&mut self, key: &SrtpKey) -> Option<Left> {
        let mut keys = self.0.iter();
        let place = keys.position(|left| key.continues(&left.ours.key))?;
        self.0.remove(place)
    }
}

/// Shows no keys.
impl core::fmt::Debug for LeftKeys {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(formatter, "LeftKeys({}, not shown)", self.0.len())
    }
}
