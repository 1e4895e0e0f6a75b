//! The way between a client and the server (RFC 8656 section 3: the 5-tuple).

use std::net::SocketAddr;

/// Where a message came from, and where its answer goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Flow {
    /// The connection, for TCP and TLS; `None` for UDP. Numbers are never used again.
    pub connection: Option<u64>,
    /// Our address.
    pub local: SocketAddr,
    /// The client's address, as we see it.
    pub remote: SocketAddr,
}
