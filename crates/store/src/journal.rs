//! The journal of calls: append-only files that make an answered call durable before its answer
//! goes out. Not the journal of one call (its course), which is only a payload here.
//!
//! ```text
//! shards --push--> queue --take all--> writer --one write, one sync--> segments   (sink is told)
//!                                                                         |
//!                                        database <--large transactions-- mover
//! ```
//!
//! A segment is removed when no state in it counts any more and its closed calls are in the database,
//! oldest first. When calls that go on for long keep old segments, their states are written anew.

use std::sync::Arc;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use fernamt_charging::CallReference;
use fernamt_exchange::interface::{Ticket, Write};

use crate::error::StoreError;
use crate::folder::{DataFolder, FolderError};

mod appender;
mod disk;
mod emptying;
mod frame;
mod held;
mod ledger;
mod mover;
mod progress;
mod queue;
mod record;
mod recovery;
mod segment;
#[cfg(test)]
mod tests;
mod writer;

use appender::Appender;
use disk::{Disk, RealDisk};
use mover::Mover;
use progress::Progress;
use queue::Queue;
use recovery::Scan;
use writer::Writer;

/// Is told what became of writes with a ticket. Called on the writer's thread: hand over and return.
pub trait CommitSink: Send + 'static {
    /// The writes of this shard with these tickets are on disk.
    fn committed(&mut self, shard: u16, tickets: &[Ticket]);
    /// The writes of this shard with these tickets could not be made and will not be.
    fn failed(&mut self, shard: u16, tickets: &[Ticket]);
}

/// What was found at start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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

/// What [`settle`] found and did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// An exchange runs on this folder and does it itself, a few seconds after a call's end.
    ExchangeRuns,
    /// So many records of closed calls were moved into the database.
    Moved(u64),
}

/// How large things get.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    /// A segment that has reached this length gets a successor, in bytes.
    segment_bytes: u64,
    /// By how much the journal may be larger than three times what is needed of it, in bytes.
    slack_bytes: u64,
}

impl Default for Sizes {
    fn default() -> Sizes {
        const SEGMENT_BYTES: u64 = 32 * 1024 * 1024;
        Sizes {
            segment_bytes: SEGMENT_BYTES,
            slack_bytes: 4 * SEGMENT_BYTES,
        }
    }
}

/// The journal of an exchange that runs. Dropping it writes and moves everything that is waiting.
#[derive(Debug)]
pub struct CallJournal {
    queue: Arc<Queue>,
    threads: Vec<JoinHandle<()>>,
}

/// What the mover's thread has found before it begins.
struct Begun {
    scan: Scan,
    progress: Arc<Progress>,
    /// What the next segment is called: behind all that there are and were.
    next_number: u64,
}

impl CallJournal {
    /// Checks the database, reads what a former process left, and starts the writer and the mover.
    /// The folder's [lock](DataFolder::lock) must be held. Blocks while it reads.
    ///
    /// # Errors
    /// The folder or the database cannot be used.
    pub fn open(
        folder: &DataFolder,
        sink: impl CommitSink,
    ) -> Result<(CallJournal, Recovered), StoreError> {
        CallJournal::open_with(folder, Box::new(sink), Box::new(RealDisk), Sizes::default())
    }

    fn open_with(
        folder: &DataFolder,
        sink: Box<dyn CommitSink>,
        disk: Box<dyn Disk>,
        sizes: Sizes,
    ) -> Result<(CallJournal, Recovered), StoreError> {
        let (mover, begun) = start_mover(folder)?;
        let Begun {
            scan,
            progress,
            next_number,
        } = begun;
        let recovered = Recovered {
            open: scan.open.into_iter().collect(),
            closed_not_moved: scan.unmoved,
            damaged_bytes: scan.damaged_bytes,
        };
        let appender = Appender::new(folder.journal(), disk, next_number, sizes.segment_bytes);
        let writer = Writer::new(appender, sink, progress, scan.ledger, sizes.slack_bytes);
        let queue = Arc::new(Queue::default());
        let from = Arc::clone(&queue);
        let writer = spawn("journal writer", move || writer.run(&from))?;
        Ok((
            CallJournal {
                queue,
                threads: vec![writer, mover],
            },
            recovered,
        ))
    }

    /// Queues a write. Never blocks on the disk; the ticket comes back through the sink.
    ///
    /// # Errors
    /// [`QueueFull`] gives the write back: the disk does not keep up. Ends of calls are still taken
    /// when states are not.
    pub fn append(&self, shard: u16, write: Write) -> Result<(), QueueFull> {
        self.queue.push(shard, write)
    }

    /// Returns when everything appended so far is on disk and every closed call is in the database.
    /// Blocks; not to be called on an async thread.
    ///
    /// # Errors
    /// Something could not be written; it is kept and tried again.
    pub fn flush(&self) -> Result<(), StoreError> {
        let (reply, answer) = mpsc::channel();
        self.queue.flush(reply);
        let gone = || Err("the writer has stopped".into());
        answer
            .recv()
            .unwrap_or_else(|_| gone())
            .map_err(|reason| StoreError::NotYetWritten { reason })
    }
}

impl Drop for CallJournal {
    fn drop(&mut self) {
        self.queue.stop();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the journal of calls has panicked");
            }
        }
    }
}

/// Starts the thread that has to do with the database; it begins with reading what is there.
fn start_mover(folder: &DataFolder) -> Result<(JoinHandle<()>, Begun), StoreError> {
    let (tell, told) = mpsc::channel();
    let folder = folder.clone();
    let thread = spawn("journal mover", move || match begin(&folder, true) {
        Ok((mover, begun)) => {
            let progress = Arc::clone(&begun.progress);
            if tell.send(Ok(begun)).is_ok() {
                mover.run(&progress);
            }
        }
        // Whoever asked has gone only if it has panicked.
        Err(error) => drop(tell.send(Err(error))),
    })?;
    match told.recv() {
        Ok(begun) => Ok((thread, begun?)),
        Err(_) => Err(thread_failed(std::io::Error::other("it stopped at once"))),
    }
}

fn begin(folder: &DataFolder, check: bool) -> Result<(Mover, Begun), StoreError> {
    let mut mover = Mover::new(folder.database(), folder.journal())?;
    mover.prepare(folder)?;
    if check {
        mover.check()?;
    }
    let moved = mover.position()?;
    let mut scan = Scan::read(&folder.journal(), moved)?;
    let next_number = scan.last_number().max(moved.segment) + 1;
    let segments = std::mem::take(&mut scan.segments);
    let progress = Arc::new(Progress::new(segments, moved, scan.unmoved));
    Ok((
        mover,
        Begun {
            scan,
            progress,
            next_number,
        },
    ))
}

/// Moves the closed calls that a crashed exchange has left in the journal into the database, where
/// no exchange runs on the folder. Blocks while it does.
///
/// # Errors
/// The folder or the database cannot be used.
pub fn settle(folder: &DataFolder) -> Result<Settled, StoreError> {
    let _lock = match folder.lock() {
        Ok(lock) => lock,
        Err(FolderError::InUse { .. }) => return Ok(Settled::ExchangeRuns),
        Err(error) => return Err(error.into()),
    };
    let folder = folder.clone();
    // The caller may be on an async thread, where another runtime must not be entered.
    let (tell, told) = mpsc::channel();
    let thread = spawn("journal mover", move || {
        let moved = begin(&folder, false).and_then(|(mut mover, begun)| {
            let moved = mover.move_all(&begun.progress);
            mover.close();
            moved
        });
        // Whoever asked has gone only if it has panicked.
        drop(tell.send(moved));
    })?;
    let moved = told
        .recv()
        .map_err(|_| thread_failed(std::io::Error::other("it stopped")))?;
    if thread.join().is_err() {
        tracing::error!("a thread of the journal of calls has panicked");
    }
    moved.map(Settled::Moved)
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, StoreError> {
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map_err(thread_failed)
}

fn thread_failed(source: std::io::Error) -> StoreError {
    StoreError::System {
        what: "starting a thread of the journal of calls".into(),
        source,
    }
}
