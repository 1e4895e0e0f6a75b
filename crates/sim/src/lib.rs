//! The exchange under virtual time on a faulty network, checked against its promises.
//!
//! A seed stands for a world: phones with their characters, a network with its faults, a disk, a
//! directory and a media plane with theirs, and an exchange that is killed now and then. [`run`]
//! lets it happen and says which promises of the exchange were broken. The same seed is the same
//! world, message by message.
//!
//! ```text
//! scenario    what the seed stands for
//! phone       model phones: well-behaved, sloppy, rude, gone
//! world       virtual time, the network, the machine, and what is checked
//! flood       more than the exchange can take
//! nat         routers that translate addresses; the tests of the media plane call through them
//! ```
#![forbid(unsafe_code)]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a mistake of the simulation itself must end the run"
)]

pub mod flood;
pub mod nat;
mod phone;
pub mod random;
mod scenario;
mod world;

pub use world::{Counts, Options, Report, Sabotage, run};
