//! Where writes wait for the writer, in the form in which they will stand in the journal. Appending
//! takes a lock for the time of encoding and wakes the writer only when it sleeps; the writer takes
//! everything that is there.
//!
//! They are encoded here because the shard has the values of a call at hand, and takes back the memory
//! of what it has made: to another thread each of some fifty pieces would be a stranger's.

use std::sync::mpsc::Sender;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use fernamt_charging::CallReference;
use fernamt_exchange::interface::Write;

use super::QueueFull;
use super::frame::MAX_PAYLOAD_BYTES;
use super::record::{self, Meaning};

/// How many writes may wait before states are refused.
pub(super) const MAX_WAITING: usize = 65_536;

/// How many writes may wait before the ends of calls are refused too: the disk has not answered for
/// minutes.
pub(super) const MAX_WAITING_CLOSED: usize = 4 * MAX_WAITING;

/// How long writes that nobody waits for may wait for others, so that they go together.
const PATIENCE: Duration = Duration::from_millis(20);

/// Where to say how a flush went; the reason in words when it went wrong.
pub(super) type FlushReply = Sender<Result<(), Box<str>>>;

/// A buffer that a flood has made larger than this is given back, in bytes.
pub(super) const KEPT_BUFFER_BYTES: usize = 4 * 1024 * 1024;

/// A write that waits.
#[derive(Debug)]
struct Item {
    call: CallReference,
    meaning: Meaning,
    /// Where its payload ends in the bytes of the batch; it begins where the one before ends.
    end: usize,
}

/// Everything that was waiting.
#[derive(Debug, Default)]
pub(super) struct Batch {
    items: Vec<Item>,
    payloads: Vec<u8>,
    pub(super) flushes: Vec<FlushReply>,
    /// This is the last one.
    pub(super) stop: bool,
}

impl Batch {
    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// What is to be written, in order, with the payloads.
    pub(super) fn writes(&self) -> impl Iterator<Item = (CallReference, Meaning, &[u8])> {
        let mut start = 0;
        self.items.iter().map(move |item| {
            let payload = self.payloads.get(start..item.end).unwrap_or_default();
            start = item.end;
            (item.call, item.meaning, payload)
        })
    }

    fn push(&mut self, shard: u16, write: &Write) {
        // What a write has left behind that did not come to its end.
        let end = self.items.last().map_or(0, |item| item.end);
        self.payloads.truncate(end);
        let (call, meaning) = match write {
            Write::State {
                call,
                state,
                ticket,
            } => {
                record::push_state(*call, state, &mut self.payloads);
                let waits = ticket.map(|ticket| (shard, ticket));
                (*call, Meaning::State { waits })
            }
            Write::Closed {
                record,
                journal,
                ticket,
            } => {
                record::push_closed(record, journal, MAX_PAYLOAD_BYTES, &mut self.payloads);
                let waits = ticket.map(|ticket| (shard, ticket));
                let answered = record.answer.is_some();
                (record.call, Meaning::Closed { answered, waits })
            }
        };
        self.items.push(Item {
            call,
            meaning,
            end: self.payloads.len(),
        });
    }

    /// An empty one that uses the memory of this one again.
    pub(super) fn cleared(mut self) -> Batch {
        self.items.clear();
        self.payloads.clear();
        if self.payloads.capacity() > KEPT_BUFFER_BYTES {
            self.payloads = Vec::new();
        }
        Batch {
            items: self.items,
            payloads: self.payloads,
            ..Batch::default()
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    arrival: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    batch: Batch,
    /// Somebody waits for one of them.
    urgent: bool,
    sleeper: Sleeper,
}

/// What the writer sleeps for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Sleeper {
    #[default]
    Awake,
    UntilAnything,
    UntilUrgent,
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.batch.is_empty() && !self.urgent
    }
}

impl Queue {
    pub(super) fn push(&self, shard: u16, write: Write) -> Result<(), QueueFull> {
        let limit = match write {
            Write::State { .. } => MAX_WAITING,
            Write::Closed { .. } => MAX_WAITING_CLOSED,
        };
        let urgent = write.ticket().is_some();
        let mut waiting = self.lock();
        if waiting.batch.items.len() >= limit {
            return Err(QueueFull(write));
        }
        waiting.batch.push(shard, &write);
        self.arrived(waiting, urgent);
        Ok(())
    }

    pub(super) fn flush(&self, reply: FlushReply) {
        let mut waiting = self.lock();
        waiting.batch.flushes.push(reply);
        self.arrived(waiting, true);
    }

    pub(super) fn stop(&self) {
        let mut waiting = self.lock();
        waiting.batch.stop = true;
        self.arrived(waiting, true);
    }

    fn arrived(&self, mut waiting: MutexGuard<'_, Waiting>, urgent: bool) {
        waiting.urgent |= urgent;
        let wake = match waiting.sleeper {
            Sleeper::Awake => false,
            Sleeper::UntilAnything => true,
            Sleeper::UntilUrgent => urgent,
        };
        if wake {
            waiting.sleeper = Sleeper::Awake;
            drop(waiting);
            self.arrival.notify_one();
        }
    }

    /// Waits until there is something and takes it, but not before `not_before`, so that under load
    /// many writes share one. Comes back empty at `retry`, where one is given. `spare` is an empty
    /// batch to be filled next.
    pub(super) fn take(&self, spare: Batch, not_before: Instant, retry: Option<Instant>) -> Batch {
        let mut waiting = self.rest(not_before);
        if waiting.is_empty() {
            while waiting.is_empty() && retry.is_none_or(|retry| Instant::now() < retry) {
                waiting = self.sleep(waiting, Sleeper::UntilAnything, retry);
            }
            let patience_ends = Instant::now() + PATIENCE;
            while !waiting.urgent && !waiting.is_empty() && Instant::now() < patience_ends {
                waiting = self.sleep(waiting, Sleeper::UntilUrgent, Some(patience_ends));
            }
        }
        waiting.urgent = false;
        std::mem::replace(&mut waiting.batch, spare)
    }

    /// Lets writes come together until `until`. Nobody has to wake the writer for them, and what has
    /// come by then has waited long enough.
    fn rest(&self, until: Instant) -> MutexGuard<'_, Waiting> {
        let waiting = self.lock();
        let length = until.saturating_duration_since(Instant::now());
        if length.is_zero() || waiting.batch.stop {
            return waiting;
        }
        drop(waiting);
        thread::sleep(length);
        self.lock()
    }

    fn sleep<'a>(
        &'a self,
        mut waiting: MutexGuard<'a, Waiting>,
        sleeper: Sleeper,
        until: Option<Instant>,
    ) -> MutexGuard<'a, Waiting> {
        waiting.sleeper = sleeper;
        let mut waiting = match until {
            None => self
                .arrival
                .wait(waiting)
                .unwrap_or_else(PoisonError::into_inner),
            Some(until) => {
                let length = until.saturating_duration_since(Instant::now());
                let woken = self.arrival.wait_timeout(waiting, length);
                woken.unwrap_or_else(PoisonError::into_inner).0
            }
        };
        waiting.sleeper = Sleeper::Awake;
        waiting
    }

    /// A thread that panicked while it held the lock has left nothing half done: a write counts when
    /// its item is pushed, after its payload.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use fernamt_charging::CallReference;
    use fernamt_exchange::interface::Ticket;

    use super::*;

    fn state(ticket: Option<Ticket>) -> Write {
        Write::State {
            call: CallReference(1),
            state: Vec::new(),
            ticket,
        }
    }

    #[test]
    fn one_state_more_than_the_limit_is_given_back() {
        let queue = Queue::default();
        for _ in 0..MAX_WAITING {
            queue.push(0, state(None)).unwrap();
        }
        let refused = queue.push(0, state(Some(Ticket(7)))).unwrap_err();
        assert!(matches!(
            refused.0,
            Write::State {
                ticket: Some(Ticket(7)),
                ..
            }
        ));
        let batch = queue.take(Batch::default(), Instant::now(), None);
        assert_eq!(batch.items.len(), MAX_WAITING);
        queue.push(0, state(None)).unwrap();
    }

    #[test]
    fn an_urgent_write_takes_the_others_along() {
        let queue = Queue::default();
        queue.push(0, state(None)).unwrap();
        queue.push(1, state(Some(Ticket(1)))).unwrap();
        let batch = queue.take(Batch::default(), Instant::now(), None);
        let waits: Vec<_> = batch
            .writes()
            .map(|(_, meaning, _)| match meaning {
                Meaning::State { waits } => waits,
                Meaning::Closed { .. } => None,
            })
            .collect();
        assert_eq!(waits, [None, Some((1, Ticket(1)))]);
    }

    #[test]
    fn a_retry_is_not_missed_when_nothing_comes() {
        let queue = Queue::default();
        let batch = queue.take(Batch::default(), Instant::now(), Some(Instant::now()));
        assert!(batch.is_empty() && !batch.stop);
    }

    #[test]
    fn each_write_keeps_its_own_payload_also_in_memory_that_is_used_again() {
        let queue = Queue::default();
        let mut batch = Batch::default();
        for round in [[3, 0], [1, 2]] {
            for length in round {
                let state = vec![7; length];
                let call = CallReference(length as u64);
                let ticket = Some(Ticket(1));
                queue
                    .push(
                        0,
                        Write::State {
                            call,
                            state,
                            ticket,
                        },
                    )
                    .unwrap();
            }
            batch = queue.take(batch.cleared(), Instant::now(), None);
            for ((call, _, payload), length) in batch.writes().zip(round) {
                assert_eq!(call, CallReference(length as u64));
                let read = record::read(payload);
                let state = &vec![7; length][..];
                assert_eq!(read, Some(record::Record::State { call, state }));
            }
            assert_eq!(batch.writes().count(), 2);
        }
    }
}
