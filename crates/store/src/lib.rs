//! Records on SQLite and the journal of calls in progress; no telephony decisions.
//!
//! ```text
//! DataFolder      one folder holds everything; at most one exchange works on it
//! Records         devices, numbers, settings, call records: the database, beside a running exchange too
//! CallJournal     append-only files: an answered call is on disk before the answer goes out
//! BindingJournal  registrations, written behind
//! ```
//!
//! A call reaches the database in two steps. The exchange appends to the [`CallJournal`], whose
//! writer thread commits whole groups of writes with one `fdatasync`; a mover carries the records
//! of closed calls into the database in large transactions and remembers in the same transaction
//! how far it has come, so that every record arrives exactly once, whatever crashes when.
#![forbid(unsafe_code)]

pub mod bindings;
mod clock;
pub mod csv;
pub mod desired;
pub mod error;
pub mod folder;
pub mod journal;
mod payload;
pub mod records;
#[cfg(test)]
mod samples;

pub use bindings::BindingJournal;
pub use desired::{Change, Desired};
pub use error::StoreError;
pub use folder::{DataFolder, ExchangeLock};
pub use journal::{CallJournal, CommitSink, Recovered};
pub use records::Records;
