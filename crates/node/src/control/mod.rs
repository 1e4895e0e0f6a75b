//! The control socket: how the command line speaks with a running exchange. A Unix socket in the
//! data folder that only its owner can open; each request and each answer is one line of JSON.

mod client;
mod protocol;
pub(crate) mod server;

pub use self::client::{Client, ControlError};
pub use self::protocol::{
    Ban, Call, Listener, MAX_LINE_BYTES, Registration, Request, Response, Status, TurnCredential,
};

/// The socket's name in the data folder.
pub const SOCKET_NAME: &str = "control.sock";
