//! The thin shell: sockets, the system's clock and random source, and the loop that moves bytes and
//! deadlines between them and the pure rooms. It decides nothing about calls.

mod connection;
mod network;
mod tls;
mod wake;

pub use network::NetworkError;
pub use tls::{TlsError, Trust};
pub use wake::Interrupter;
