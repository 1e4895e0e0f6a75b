//! A running exchange: sockets, TLS, DNS, timers and threads around the pure core. It moves bytes
//! and deadlines between the operating system and one `Exchange` per core; there is no telephony
//! decision here.

pub mod clock;
pub mod config;
pub mod control;
pub mod error;
mod location;
mod network;
mod node;
mod notify;
mod records;
mod resolve;
mod running;
mod services;
mod shard;
mod signals;
mod transport;
mod turn;

pub use config::NodeConfig;
pub use error::NodeError;
pub use node::{Node, RunningNode};
