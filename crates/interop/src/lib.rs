//! A small laboratory for tests against programs that others wrote: it starts the exchange and the
//! foreign programs in a temporary folder, watches them and judges what was heard and recorded. It
//! knows nothing of how the exchange works inside.
//!
//! A test that fails ends in a panic with a sentence, here as in the tests themselves.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr
)]

pub mod baresip;
pub mod browser;
pub mod capture;
pub mod exchange;
pub mod lab;
pub mod linphone;
pub mod network;
pub mod phone;
pub mod ports;
pub mod process;
pub mod records;
pub mod sipp;
pub mod sound;
pub mod wait;
pub mod wire;
