//! The journal of calls on a disk that can be slow, full, or cut off in the middle of a write.

use std::collections::BTreeMap;

use fernamt_charging::{CallRecord, CallReference};
use fernamt_exchange::interface::{Ticket, Write};

/// The double.
#[derive(Debug, Default)]
pub(super) struct Journal {
    /// What is on disk of calls in progress.
    pub(super) states: BTreeMap<CallReference, Vec<u8>>,
    /// What is on disk of calls that are over.
    pub(super) records: BTreeMap<CallReference, CallRecord>,
    /// What waits for the next write.
    waiting: Vec<(usize, Write)>,
    pub(super) is_full: bool,
}

/// What a write came to, for whoever waits for it.
pub(super) struct Written {
    pub(super) shard: usize,
    pub(super) ticket: Ticket,
    pub(super) done: bool,
}

impl Journal {
    pub(super) fn push(&mut self, shard: usize, write: Write) {
        self.waiting.push((shard, write));
    }

    /// Whether something waits.
    pub(super) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Writes everything that waits. On a full disk what somebody waits for fails, and the rest
    /// goes on waiting.
    pub(super) fn flush(&mut self) -> (Vec<Written>, Vec<String>) {
        let mut written = Vec::new();
        let mut complaints = Vec::new();
        let mut left = Vec::new();
        for (shard, write) in std::mem::take(&mut self.waiting) {
            let ticket = write.ticket();
            if self.is_full {
                written.extend(ticket.map(|ticket| Written {
                    shard,
                    ticket,
                    done: false,
                }));
                left.extend(still_to_be_written(write).map(|write| (shard, write)));
                continue;
            }
            complaints.extend(self.write(write));
            written.extend(ticket.map(|ticket| Written {
                shard,
                ticket,
                done: true,
            }));
        }
        self.waiting = left;
        (written, complaints)
    }

    fn write(&mut self, write: Write) -> Option<String> {
        match write {
            Write::State { call, state, .. } => {
                if self.records.contains_key(&call) {
                    return Some(format!("call {call} is written down after its record"));
                }
                self.states.insert(call, state);
                None
            }
            Write::Closed { record, .. } => {
                let call = record.call;
                self.states.remove(&call);
                let second = self.records.insert(call, *record).is_some();
                second.then(|| format!("call {call} has two records"))
            }
        }
    }

    /// The process is killed: of what waits, the first `survivors` were on disk just in time.
    pub(super) fn crash(&mut self, survivors: usize) -> Vec<String> {
        let waiting = std::mem::take(&mut self.waiting);
        if self.is_full {
            return Vec::new();
        }
        let survivors = waiting.into_iter().take(survivors);
        survivors
            .filter_map(|(_, write)| self.write(write))
            .collect()
    }

    /// How many writes wait.
    pub(super) fn waiting_count(&self) -> usize {
        self.waiting.len()
    }
}

/// What stays of a write that could not be made and that nobody waits for any more: all but the state
/// of a call that was refused for it.
fn still_to_be_written(write: Write) -> Option<Write> {
    match write {
        Write::State {
            ticket: Some(_), ..
        } => None,
        Write::Closed {
            record, journal, ..
        } => Some(Write::Closed {
            record,
            journal,
            ticket: None,
        }),
        write => Some(write),
    }
}
