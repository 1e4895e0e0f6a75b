//! The exchange and programs that others wrote: each test starts both, lets them talk, and judges
//! what was heard and recorded.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr
)]

mod addresses;
mod browsers;
mod calls;
mod crash;
mod hostile;
mod late;
mod life;
mod load;
mod nat;
mod release;
mod secure;
mod streams;
mod turn;
mod video;
