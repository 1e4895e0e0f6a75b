//! The thin shell: sockets, the system's clock and random source, and the loop that moves bytes and
//! deadlines between them and the pure rooms. It decides nothing about calls.

mod clock;
mod connection;
mod network;
mod phone;
mod place;
mod plan;
mod report;
mod tls;
mod wake;

pub use network::NetworkError;
pub use phone::{Phone, PhoneError};
pub use report::{Happening, Outcome, PhoneSettings, Report, Task, What};
pub use tls::{TlsError, Trust};
pub use wake::Interrupter;
