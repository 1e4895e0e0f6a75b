//! Records that could not be written, kept until there is space again. Bounded; what is lost is said.

use std::collections::HashMap;

use fernamt_charging::CallReference;

/// How many ends of calls are kept. Those of calls that nobody answered only up to half of it: on
/// them hangs no money.
pub(super) const MAX_HELD_CLOSED: usize = 100_000;

/// How many states of calls in progress are kept.
pub(super) const MAX_HELD_STATES: usize = 100_000;

/// After how many lost records the next one is said.
const SAY_EVERY: u64 = 1_000;

/// Payloads as they will stand in the journal.
#[derive(Debug, Default)]
pub(super) struct Held {
    states: HashMap<CallReference, Vec<u8>>,
    closed: Vec<(CallReference, Vec<u8>)>,
    lost: u64,
}

impl Held {
    pub(super) fn is_empty(&self) -> bool {
        self.states.is_empty() && self.closed.is_empty()
    }

    /// Keeps the last state of a call that nobody waits for.
    pub(super) fn keep_state(&mut self, call: CallReference, payload: &[u8]) {
        if self.states.len() < MAX_HELD_STATES || self.states.contains_key(&call) {
            self.states.insert(call, payload.to_vec());
        }
    }

    /// Keeps the end of a call.
    pub(super) fn keep_closed(&mut self, call: CallReference, answered: bool, payload: &[u8]) {
        self.states.remove(&call);
        let limit = if answered {
            MAX_HELD_CLOSED
        } else {
            MAX_HELD_CLOSED / 2
        };
        if self.closed.len() < limit {
            self.closed.push((call, payload.to_vec()));
            return;
        }
        if self.lost.is_multiple_of(SAY_EVERY) {
            tracing::error!(
                %call, lost = self.lost + 1, kept = self.closed.len(),
                "call records are being LOST: the journal cannot be written and memory for them is \
                 full; free space on the file system of the data folder"
            );
        }
        self.lost += 1;
    }

    /// How many are kept.
    pub(super) fn len(&self) -> usize {
        self.states.len() + self.closed.len()
    }

    pub(super) fn states(&self) -> impl Iterator<Item = (CallReference, &[u8])> {
        self.states
            .iter()
            .map(|(call, payload)| (*call, &**payload))
    }

    pub(super) fn closed(&self) -> impl Iterator<Item = (CallReference, &[u8])> {
        self.closed
            .iter()
            .map(|(call, payload)| (*call, &**payload))
    }

    /// Everything is written.
    pub(super) fn clear(&mut self) {
        self.states = HashMap::new();
        self.closed = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_more_than_the_limit_is_counted_as_lost() {
        let mut held = Held::default();
        for call in 0..MAX_HELD_CLOSED as u64 / 2 + 1 {
            held.keep_closed(CallReference(call), false, b"");
        }
        assert_eq!((held.len(), held.lost), (MAX_HELD_CLOSED / 2, 1));
        for call in 0..MAX_HELD_CLOSED as u64 / 2 + 1 {
            held.keep_closed(CallReference(call), true, b"");
        }
        assert_eq!((held.len(), held.lost), (MAX_HELD_CLOSED, 2));
    }

    #[test]
    fn of_a_call_the_last_state_is_kept_until_its_end() {
        let mut held = Held::default();
        held.keep_state(CallReference(1), b"first");
        held.keep_state(CallReference(1), b"second");
        assert_eq!(
            held.states().collect::<Vec<_>>(),
            [(CallReference(1), &b"second"[..])]
        );
        held.keep_closed(CallReference(1), true, b"end");
        assert_eq!(held.states().count(), 0);
        assert_eq!(held.closed().count(), 1);
    }

    #[test]
    fn one_state_more_than_the_limit_is_not_kept() {
        let mut held = Held::default();
        for call in 0..=MAX_HELD_STATES as u64 {
            held.keep_state(CallReference(call), b"");
        }
        assert_eq!(held.len(), MAX_HELD_STATES);
    }
}
