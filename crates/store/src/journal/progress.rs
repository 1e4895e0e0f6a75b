//! What the writer and the mover tell each other: how far the journal is on disk, and how far its
//! closed calls are in the database.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::queue::FlushReply;
use super::segment::{Position, SegmentId};

/// A segment, as far as the mover may read it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Readable {
    pub(super) id: SegmentId,
    pub(super) length: u64,
    /// Something in it could not be read: it is not to be removed.
    pub(super) damaged: bool,
}

#[derive(Debug, Default)]
pub(super) struct Progress {
    state: Mutex<State>,
    work: Condvar,
}

#[derive(Debug, Default)]
struct State {
    segments: Vec<Readable>,
    moved: Position,
    /// Closed calls that are on disk and not in the database.
    unmoved: u64,
    flushes: Vec<FlushReply>,
    stop: bool,
    /// The mover sleeps until there is work.
    mover_sleeps: bool,
}

impl State {
    /// Whether the mover has something to do: calls, or a segment that is complete and can be left.
    fn has_work(&self) -> bool {
        self.unmoved > 0
            || self
                .segments
                .last()
                .is_some_and(|last| last.id.number > self.moved.segment)
    }
}

/// What the mover is to do next.
#[derive(Debug)]
pub(super) struct Errand {
    pub(super) flushes: Vec<FlushReply>,
    pub(super) stop: bool,
}

impl Progress {
    pub(super) fn new(segments: Vec<Readable>, moved: Position, unmoved: u64) -> Progress {
        let state = State {
            segments,
            moved,
            unmoved,
            ..State::default()
        };
        Progress {
            state: Mutex::new(state),
            work: Condvar::new(),
        }
    }

    /// The writer has committed: the last segment is `id`, now so long, with so many more closed calls.
    /// Gives back how far the mover has come.
    pub(super) fn written(&self, id: SegmentId, length: u64, closed: u64) -> Position {
        let mut state = self.lock();
        match state.segments.last_mut().filter(|last| last.id == id) {
            Some(last) => last.length = length,
            None => state.segments.push(Readable {
                id,
                length,
                damaged: false,
            }),
        }
        state.unmoved += closed;
        let moved = state.moved;
        if state.mover_sleeps && state.has_work() {
            state.mover_sleeps = false;
            drop(state);
            self.work.notify_one();
        }
        moved
    }

    pub(super) fn flush(&self, replies: Vec<FlushReply>) {
        self.lock().flushes.extend(replies);
        self.work.notify_one();
    }

    pub(super) fn stop(&self) {
        self.lock().stop = true;
        self.work.notify_one();
    }

    /// Whether something in this segment could not be read.
    pub(super) fn is_damaged(&self, id: SegmentId) -> bool {
        self.lock()
            .segments
            .iter()
            .any(|segment| segment.id == id && segment.damaged)
    }

    /// The segment is gone.
    pub(super) fn removed(&self, id: SegmentId) {
        self.lock().segments.retain(|segment| segment.id != id);
    }

    /// The segment from which the mover reads on, and the one behind it.
    pub(super) fn next_segment(&self) -> (Position, Option<Readable>, Option<Readable>) {
        let state = self.lock();
        let mut from_here = state
            .segments
            .iter()
            .filter(|segment| segment.id.number >= state.moved.segment);
        (
            state.moved,
            from_here.next().copied(),
            from_here.next().copied(),
        )
    }

    /// The mover has come so far, with so many calls.
    pub(super) fn moved(&self, to: Position, calls: u64) {
        let mut state = self.lock();
        state.moved = to;
        state.unmoved = state.unmoved.saturating_sub(calls);
    }

    pub(super) fn mark_damaged(&self, id: SegmentId) {
        let mut state = self.lock();
        let segment = state.segments.iter_mut().find(|segment| segment.id == id);
        if let Some(segment) = segment {
            segment.damaged = true;
        }
    }

    /// Waits until there is something to move, then for `delay` so that there is more, or until
    /// somebody wants it at once.
    pub(super) fn wait_for_work(&self, delay: Duration) -> Errand {
        let mut state = self.lock();
        while !state.has_work() && !state.stop && state.flushes.is_empty() {
            state.mover_sleeps = true;
            state = self
                .work
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.mover_sleeps = false;
        let until = Instant::now() + delay;
        while !state.stop && state.flushes.is_empty() {
            let length = until.saturating_duration_since(Instant::now());
            if length.is_zero() {
                break;
            }
            // With `mover_sleeps` off only a flush and a stop wake.
            let woken = self.work.wait_timeout(state, length);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        Errand {
            flushes: std::mem::take(&mut state.flushes),
            stop: state.stop,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
