//! The media plane: RTP sockets and threads that relay, echo and play; no signalling
//!
//! ```text
//! Plane::start(config, sink)        threads, one per core, each with its own epoll
//! plane.execute(Command) -> Event   carried out at once by the caller, under the endpoint's lock
//! sink(Event)                       what happens later: Latched, Played, Silent
//! ```
//!
//! A packet's way is `worker` (epoll) → `relay` → `endpoint` → `gate` (who may speak) → the socket of
//! the other side. `ports` keeps pairs of sockets bound from call to call, `slots` is where they live.
#![forbid(unsafe_code)]

pub mod announcement;
mod config;
mod endpoint;
mod gate;
mod plane;
mod play;
mod ports;
mod random;
mod reception;
mod relay;
mod shared;
mod slots;
mod socket;
mod wave;
mod worker;

pub use config::{MAX_DATAGRAM_BYTES, MAX_LOCAL_ADDRESSES, MAX_THREADS, PlaneConfig, StartError};
pub use plane::{Plane, Usage};
