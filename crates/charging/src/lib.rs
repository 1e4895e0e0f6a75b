//! Call records; no store, no clock. Tariffs, rating and reservations will live here too.
#![forbid(unsafe_code)]

pub mod record;

pub use record::{CallRecord, CallReference, LegRecord, LegRole, Releaser};
