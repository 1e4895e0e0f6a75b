//! Call records; no store, no clock. Tariffs, rating and reservations will live here too.
#![forbid(unsafe_code)]

pub mod protection;
pub mod record;

pub use protection::{Listeners, MediaProtection};
pub use record::{CallRecord, CallReference, LegRecord, LegRole, Releaser};
