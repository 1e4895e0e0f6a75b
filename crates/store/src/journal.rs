//! The journal of calls: append-only files that make an answered call durable before its answer
//! goes out. Not the journal of one call (its course), which is only a payload here.

use fernamt_charging::CallReference;
use fernamt_exchange::interface::{Ticket, Write};

use crate::error::StoreError;
use crate::folder::DataFolder;

/// Is told what became of writes with a ticket. Called on the writer's thread: hand over, return.
pub trait CommitSink: Send + 'static {
    /// The writes of this shard with these tickets are on disk.
    fn committed(&mut self, shard: u16, tickets: &[Ticket]);
    /// The writes of this shard with these tickets could not be made and will not be.
    fn failed(&mut self, shard: u16, tickets: &[Ticket]);
}

/// What was found at start.
#[derive(Debug, Default)]
pub struct Recovered {
    /// Calls that were in progress, with what was last written of them.
    pub open: Vec<(CallReference, Vec<u8>)>,
    /// How many records of closed calls were not in the database yet. They are being moved.
    pub closed_not_moved: u64,
    /// Bytes of damaged records in the middle of the journal; zero on a sound disk.
    pub damaged_bytes: u64,
}

/// A write was not taken: too many are waiting for the disk.
#[derive(Debug)]
pub struct QueueFull(pub Write);

/// The journal of an exchange that runs.
#[derive(Debug)]
pub struct CallJournal {}

/// What [`settle`] found and did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// An exchange runs on this folder and does it itself, at most a second after a call's end.
    ExchangeRuns,
    /// So many records of closed calls were moved into the database.
    Moved(u64),
}

impl CallJournal {
    /// Reads what a former process left, and starts the writer and the mover. Needs the folder's
    /// lock to be held.
    ///
    /// # Errors
    /// The folder or the database cannot be used.
    pub fn open(
        folder: &DataFolder,
        sink: impl CommitSink,
    ) -> Result<(CallJournal, Recovered), StoreError> {
        let _ = (folder, sink);
        todo!()
    }

    /// Queues a write. Never blocks on the disk; the ticket comes back through the sink.
    ///
    /// # Errors
    /// [`QueueFull`] gives the write back when it is a state; the record of a closed call is always
    /// taken.
    pub fn append(&self, shard: u16, write: Write) -> Result<(), QueueFull> {
        let _ = (shard, write);
        todo!()
    }

    /// Returns when everything appended so far is on disk and every closed call is in the database.
    ///
    /// # Errors
    /// Something could not be written; it is kept and tried again.
    pub fn flush(&self) -> Result<(), StoreError> {
        todo!()
    }
}

/// Moves the closed calls that a crashed exchange has left in the journal into the database, where
/// no exchange runs on the folder. Blocks; not to be called on an async thread.
///
/// # Errors
/// The folder or the database cannot be used.
pub fn settle(folder: &DataFolder) -> Result<Settled, StoreError> {
    let _ = folder;
    todo!()
}
