//! The media plane: RTP sockets and threads that relay, echo and play; no signalling
//!
//! ```text
//! Plane::start(config, sink)        threads, one per core, each with its own epoll
//! plane.execute(Command) -> Event   carried out at once by the caller, under the endpoint's lock
//! sink(Event)                       what happens later: Latched, Secured, Connected, Played, Silent
//! ```
//!
//! A packet's way is `worker` (epoll) → `relay` → `endpoint` → `gate` (who may speak) → `protection`
//! (is it authentic) → the socket of the other side. The way to a party is found by `ice`, keys are
//! agreed by `dtls`, `bundle` tells streams apart that share ports. `ports` keeps pairs of sockets bound from call to call, `slots` is where they live.
#![forbid(unsafe_code)]

pub mod announcement;
mod bundle;
mod config;
mod dtls;
mod endpoint;
mod gate;
mod ice;
mod plane;
mod play;
mod ports;
mod protection;
mod random;
mod reception;
mod relay;
mod shared;
mod slots;
mod socket;
mod timers;
mod translation;
#[cfg(test)]
mod traversal;
mod wave;
mod worker;

pub use config::{MAX_DATAGRAM_BYTES, MAX_LOCAL_ADDRESSES, MAX_THREADS, PlaneConfig, StartError};
pub use dtls::Certificate;
pub use plane::{Plane, Usage};
