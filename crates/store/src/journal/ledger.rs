//! Which calls are in progress, where their last states stand, and which segments are still needed.
//! Bookkeeping only; files are read and removed elsewhere.
//!
//! Segments go oldest first, never one from the middle: the end of a call that stands in a later
//! segment must not be gone while a state of that call is still in an earlier one, or the next start
//! would take the call for one in progress.

use std::collections::{HashMap, VecDeque};

use fernamt_charging::CallReference;

use super::segment::{Position, SegmentId};

/// A segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) id: SegmentId,
    /// Up to where it is sound and on disk, in bytes.
    pub(super) length: u64,
    /// Bytes of states that are still needed.
    live_bytes: u64,
}

impl Extent {
    pub(super) fn new(id: SegmentId, length: u64) -> Extent {
        Extent {
            id,
            length,
            live_bytes: 0,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    position: Position,
    bytes: u32,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    extents: VecDeque<Extent>,
    open: HashMap<CallReference, Place>,
    total_bytes: u64,
    live_bytes: u64,
}

impl Ledger {
    /// A new last segment.
    pub(super) fn add(&mut self, extent: Extent) {
        self.total_bytes += extent.length;
        self.extents.push_back(extent);
    }

    /// The newest segment is this one, and so long.
    pub(super) fn written(&mut self, id: SegmentId, length: u64) {
        match self.extents.back_mut().filter(|last| last.id == id) {
            Some(last) => {
                self.total_bytes += length.saturating_sub(last.length);
                last.length = length;
            }
            None => self.add(Extent::new(id, length)),
        }
    }

    /// The state of a call stands there now, and not where it stood before.
    pub(super) fn state(&mut self, call: CallReference, position: Position, bytes: u32) {
        self.release(call);
        self.open.insert(call, Place { position, bytes });
        self.live_bytes += u64::from(bytes);
        if let Some(extent) = self.extent_mut(position.segment) {
            extent.live_bytes += u64::from(bytes);
        }
    }

    /// The call is over, or its state is in vain.
    pub(super) fn release(&mut self, call: CallReference) {
        let Some(Place { position, bytes }) = self.open.remove(&call) else {
            return;
        };
        self.live_bytes -= u64::from(bytes);
        if let Some(extent) = self.extent_mut(position.segment) {
            extent.live_bytes -= u64::from(bytes);
        }
    }

    fn extent_mut(&mut self, segment: u64) -> Option<&mut Extent> {
        self.extents
            .iter_mut()
            .rfind(|extent| extent.id.number == segment)
    }

    /// Whether the state at this place is the one that counts.
    pub(super) fn is_live(&self, call: CallReference, position: Position) -> bool {
        self.open
            .get(&call)
            .is_some_and(|place| place.position == position)
    }

    /// The oldest segment, where there are others.
    fn oldest(&self) -> Option<Extent> {
        self.extents
            .front()
            .filter(|_| self.extents.len() > 1)
            .copied()
    }

    /// The oldest segment, where nobody needs it any more: it is not the last, no state in it counts,
    /// and all its closed calls have been moved.
    pub(super) fn done(&self, moved: Position) -> Option<Extent> {
        let oldest = self.oldest()?;
        (oldest.live_bytes == 0 && moved.segment > oldest.id.number).then_some(oldest)
    }

    /// The oldest segment is gone.
    pub(super) fn forget_oldest(&mut self) {
        if let Some(oldest) = self.extents.pop_front() {
            self.total_bytes -= oldest.length;
        }
    }

    /// Whether the journal is larger than it should be: more than `slack` bytes and three times what
    /// is needed of it.
    fn is_overgrown(&self, slack: u64) -> bool {
        self.total_bytes > slack + 3 * self.live_bytes
    }

    /// The segment whose states are to be written anew now, so that it can go.
    pub(super) fn to_be_emptied(&self, slack: u64) -> Option<Extent> {
        self.oldest()
            .filter(|oldest| oldest.live_bytes > 0 && self.is_overgrown(slack))
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame::Salt;
    use super::*;

    const A: CallReference = CallReference(1);
    const B: CallReference = CallReference(2);

    fn at(segment: u64, offset: u64) -> Position {
        Position { segment, offset }
    }

    fn ledger(segments: u64) -> Ledger {
        let mut ledger = Ledger::default();
        for number in 1..=segments {
            ledger.add(Extent::new(
                SegmentId {
                    number,
                    salt: Salt(0),
                },
                100,
            ));
        }
        ledger
    }

    #[test]
    fn a_segment_goes_when_its_states_are_in_vain_and_its_closed_calls_moved() {
        let mut ledger = ledger(3);
        ledger.state(A, at(1, 16), 50);
        ledger.state(B, at(1, 66), 20);
        assert_eq!(ledger.done(at(9, 0)), None);
        ledger.state(A, at(2, 16), 50);
        assert!(ledger.is_live(A, at(2, 16)) && !ledger.is_live(A, at(1, 16)));
        assert_eq!(ledger.done(at(9, 0)), None);
        ledger.release(B);
        assert_eq!(ledger.done(at(1, 100)), None);
        assert_eq!(
            ledger.done(at(2, 0)).map(|extent| extent.id.number),
            Some(1)
        );
    }

    #[test]
    fn no_segment_goes_before_an_older_one_and_the_last_one_stays() {
        let mut ledger = ledger(3);
        ledger.state(A, at(1, 16), 50);
        assert_eq!(ledger.done(at(9, 0)), None);
        ledger.release(A);
        for number in [1, 2] {
            assert_eq!(
                ledger.done(at(9, 0)).map(|extent| extent.id.number),
                Some(number)
            );
            ledger.forget_oldest();
        }
        assert_eq!(ledger.done(at(9, 0)), None);
    }

    #[test]
    fn the_journal_is_overgrown_when_little_of_it_is_needed() {
        let mut ledger = ledger(4);
        assert!(!ledger.is_overgrown(400));
        assert!(ledger.is_overgrown(399));
        assert_eq!(ledger.to_be_emptied(0), None);
        ledger.state(A, at(1, 16), 100);
        assert_eq!(ledger.to_be_emptied(100), None);
        assert_eq!(
            ledger.to_be_emptied(99).map(|extent| extent.id.number),
            Some(1)
        );
    }
}
