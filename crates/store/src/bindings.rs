//! Registrations, written behind: what a restart must not forget. Not the registrar.

use fernamt_exchange::registrar::BindingsOf;

use crate::error::StoreError;
use crate::folder::DataFolder;

/// Takes changes of bindings and writes them to the database in batches, at most one second later.
///
/// A refresh that only moves the expiry may be written later, but always before the expiry that the
/// database knows. Dropping it writes everything that is still waiting.
#[derive(Debug)]
pub struct BindingJournal {}

impl BindingJournal {
    /// Loads the bindings that have not expired and starts the writing thread.
    ///
    /// # Errors
    /// The database cannot be used, or the thread not be started.
    pub fn open(folder: &DataFolder) -> Result<(BindingJournal, Vec<BindingsOf>), StoreError> {
        let _ = folder;
        todo!()
    }

    /// Takes a change; never blocks on the disk. The last one of a user counts.
    pub fn write(&self, change: BindingsOf) {
        let _ = change;
        todo!()
    }

    /// Writes everything that is waiting now, lazily held refreshes too, and returns when it is on
    /// disk.
    ///
    /// # Errors
    /// The database cannot be written; everything stays in memory and is tried again.
    pub fn flush(&self) -> Result<(), StoreError> {
        todo!()
    }
}
