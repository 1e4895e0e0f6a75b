//! Why a node does not start, each with what to do about it.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use fernamt_sip::transport::Transport;

use crate::config::ConfigError;

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The configuration file is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A port is taken.
    #[error(
        "{transport} port {port} on {address} is already in use{holder}; stop that program or choose another port ({remedy})",
        port = address.port(),
        address = address.ip()
    )]
    PortTaken {
        /// What was to be served.
        transport: Transport,
        /// Where.
        address: SocketAddr,
        /// ` by NAME (process N)`, where it could be found out.
        holder: String,
        /// The option or key that changes the port.
        remedy: &'static str,
    },
    /// An address cannot be listened on for another reason.
    #[error("{transport} cannot listen on {address}: {error}{hint}")]
    Listen {
        /// What was to be served.
        transport: Transport,
        /// Where.
        address: SocketAddr,
        /// Why not.
        error: io::Error,
        /// What to do, starting with `; `, where we know it.
        hint: &'static str,
    },
    /// Nothing is listened on.
    #[error("nothing to listen on: switch UDP or TCP on, or name an address under [listen]")]
    NoListener,
    /// A certificate or key cannot be used.
    #[error("the TLS {what} {file} cannot be used: {problem}")]
    Certificate {
        /// `certificate` or `key`.
        what: &'static str,
        /// The file.
        file: PathBuf,
        /// Why.
        problem: String,
    },
    /// The data folder cannot be used.
    #[error("the data folder {folder} cannot be used: {problem}")]
    Data {
        /// The folder.
        folder: PathBuf,
        /// Why, and what to do.
        problem: String,
    },
    /// The realm cannot be used.
    #[error("the realm (key identity.realm) cannot be used: {0}")]
    Realm(String),
    /// The media plane does not start.
    #[error("the media plane does not start: {0}")]
    Media(String),
    /// The operating system refuses something that every start needs.
    #[error("{what}: {error}")]
    System {
        /// What was wanted.
        what: &'static str,
        /// Why not.
        error: io::Error,
    },
}

impl NodeError {
    pub(crate) fn system(what: &'static str) -> impl FnOnce(io::Error) -> NodeError {
        move |error| NodeError::System { what, error }
    }
}
