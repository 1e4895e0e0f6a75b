//! Registrations, written behind: what a restart must not forget. Not the registrar, and no decision
//! about who may register.
//!
//! The cost counts, since every phone registers every few minutes or, behind a NAT, every few seconds.
//! A change of a user that a restart must know of (a new address, a new contact) is on disk within a
//! second. A refresh that only moves the expiry waits in memory: until the expiry that the database
//! knows comes near, or until once a minute all of them are written in the order of their table.

use std::collections::HashMap;
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use fernamt_exchange::registrar::BindingsOf;

use crate::error::StoreError;
use crate::folder::DataFolder;

mod backlog;
#[cfg(test)]
mod tests;
mod writer;

use writer::Writer;

/// How often changes are written.
const INTERVAL: Duration = Duration::from_secs(1);

type Reply = Sender<Result<(), Box<str>>>;

/// Takes changes of bindings and writes them to the database in batches.
///
/// Dropping it writes everything that is still waiting.
#[derive(Debug)]
pub struct BindingJournal {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    arrival: Condvar,
}

/// What the shards have handed over.
#[derive(Debug, Default)]
struct Waiting {
    /// The last change of each user: as many as the registrar has users.
    changes: HashMap<Box<str>, BindingsOf>,
    flushes: Vec<Reply>,
    stop: bool,
    /// The writer sleeps until something comes.
    sleeps: bool,
}

impl BindingJournal {
    /// Loads the bindings that have not expired and starts the writing thread. Blocks while it loads.
    ///
    /// # Errors
    /// The database cannot be used, or the thread not be started.
    pub fn open(folder: &DataFolder) -> Result<(BindingJournal, Vec<BindingsOf>), StoreError> {
        let shared = Arc::new(Shared::default());
        let (tell, told) = mpsc::channel();
        let (from, folder) = (Arc::clone(&shared), folder.clone());
        let work = move || match Writer::open(&folder) {
            Ok((writer, loaded)) => {
                if tell.send(Ok(loaded)).is_ok() {
                    from.serve(writer);
                }
            }
            // Whoever asked has gone only if it has panicked.
            Err(error) => drop(tell.send(Err(error))),
        };
        let failed = |source| StoreError::System {
            what: "starting the thread that writes registrations".into(),
            source,
        };
        let thread = thread::Builder::new()
            .name("binding writer".to_owned())
            .spawn(work);
        let thread = thread.map_err(failed)?;
        let loaded = told
            .recv()
            .map_err(|_| failed(std::io::Error::other("it stopped at once")))?;
        Ok((
            BindingJournal {
                shared,
                thread: Some(thread),
            },
            loaded?,
        ))
    }

    /// Takes a change; never blocks on the disk. The last one of a user counts.
    pub fn write(&self, change: BindingsOf) {
        let mut waiting = self.shared.lock();
        waiting.changes.insert(change.user.clone(), change);
        if waiting.sleeps {
            waiting.sleeps = false;
            drop(waiting);
            self.shared.arrival.notify_one();
        }
    }

    /// Writes everything that is waiting now, lazily held refreshes too, and returns when it is on
    /// disk. Blocks; not to be called on an async thread.
    ///
    /// # Errors
    /// The database cannot be written; everything stays in memory and is tried again.
    pub fn flush(&self) -> Result<(), StoreError> {
        let (reply, answer) = mpsc::channel();
        self.shared.lock().flushes.push(reply);
        self.shared.arrival.notify_one();
        let gone = || Err("the writer has stopped".into());
        answer
            .recv()
            .unwrap_or_else(|_| gone())
            .map_err(|reason| StoreError::NotYetWritten { reason })
    }
}

impl Drop for BindingJournal {
    fn drop(&mut self) {
        self.shared.lock().stop = true;
        self.shared.arrival.notify_one();
        if self
            .thread
            .take()
            .is_some_and(|thread| thread.join().is_err())
        {
            tracing::error!("the thread that writes registrations has panicked");
        }
    }
}

impl Shared {
    /// The writing thread.
    fn serve(&self, mut writer: Writer) {
        loop {
            let Waiting {
                changes,
                flushes,
                stop,
                ..
            } = self.take(writer.has_backlog());
            let result = writer.write(changes, stop || !flushes.is_empty());
            for flush in flushes {
                let reply = result
                    .as_ref()
                    .map(|_| ())
                    .map_err(|error| error.to_string().into());
                // Whoever asked may have gone.
                let _ = flush.send(reply);
            }
            writer.tell(result);
            if stop {
                writer.close();
                return;
            }
        }
    }

    /// Waits until there is something, then so long that there is more, and takes it.
    fn take(&self, has_backlog: bool) -> Waiting {
        let mut waiting = self.lock();
        while !has_backlog && waiting.changes.is_empty() && waiting.patient() {
            waiting.sleeps = true;
            waiting = self
                .arrival
                .wait(waiting)
                .unwrap_or_else(PoisonError::into_inner);
        }
        // From here on only a flush or a stop wakes.
        waiting.sleeps = false;
        let until = Instant::now() + INTERVAL;
        while waiting.patient() {
            let length = until.saturating_duration_since(Instant::now());
            if length.is_zero() {
                break;
            }
            let woken = self.arrival.wait_timeout(waiting, length);
            waiting = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        std::mem::take(&mut waiting)
    }

    /// Every change under the lock is whole, whoever panics.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// Whether nobody wants everything written at once.
    fn patient(&self) -> bool {
        self.flushes.is_empty() && !self.stop
    }
}
