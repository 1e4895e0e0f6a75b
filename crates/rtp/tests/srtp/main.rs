//! SRTP and SRTCP: what is sent arrives once, whatever the network does; nothing else gets in.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

mod carried;
mod ends;
mod indexes;
mod lifetime;
mod properties;
mod refused;
mod renamed;
