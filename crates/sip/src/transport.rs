//! Names of transports and flows (RFC 3261 section 18, RFC 5626): values only, no sockets.

use core::fmt;
use core::str::FromStr;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// How a message travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Transport {
    /// Datagrams (RFC 3261 section 18).
    Udp,
    /// A plain stream.
    Tcp,
    /// A stream inside TLS.
    Tls,
    /// WebSocket (RFC 7118).
    Ws,
    /// WebSocket inside TLS (RFC 7118).
    Wss,
}

impl Transport {
    /// Whether the transport itself delivers every byte in order, so that nothing is retransmitted
    /// by SIP (RFC 3261 section 17).
    pub const fn is_reliable(self) -> bool {
        !matches!(self, Transport::Udp)
    }

    /// Whether others on the path can read the message.
    pub const fn is_secure(self) -> bool {
        matches!(self, Transport::Tls | Transport::Wss)
    }

    /// The name in a Via header, for example `UDP`.
    pub const fn via_name(self) -> &'static str {
        match self {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
            Transport::Tls => "TLS",
            Transport::Ws => "WS",
            Transport::Wss => "WSS",
        }
    }

    /// The value of a `transport` URI parameter, for example `udp`.
    ///
    /// Secure WebSocket is `ws` in a `sips` URI by RFC 7118, but every browser client writes and
    /// accepts `wss`.
    pub const fn uri_name(self) -> &'static str {
        match self {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
            Transport::Tls => "tls",
            Transport::Ws => "ws",
            Transport::Wss => "wss",
        }
    }

    /// The port when an address gives none (RFC 3261 section 19.1.2, RFC 7118 section 8).
    pub const fn default_port(self) -> u16 {
        match self {
            Transport::Udp | Transport::Tcp => 5060,
            Transport::Tls => 5061,
            Transport::Ws => 80,
            Transport::Wss => 443,
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.via_name())
    }
}

/// The text names no transport that is known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown transport")]
pub struct UnknownTransport;

impl FromStr for Transport {
    type Err = UnknownTransport;

    fn from_str(text: &str) -> Result<Transport, UnknownTransport> {
        [
            Transport::Udp,
            Transport::Tcp,
            Transport::Tls,
            Transport::Ws,
            Transport::Wss,
        ]
        .into_iter()
        .find(|transport| transport.via_name().eq_ignore_ascii_case(text))
        .ok_or(UnknownTransport)
    }
}

/// Names one connection of a stream transport for as long as the process lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

/// The path between one local and one remote address (RFC 5626 section 3.1): what came along it
/// can be answered along it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Flow {
    /// How messages travel on it.
    pub transport: Transport,
    /// Our own end.
    pub local: SocketAddr,
    /// The other end.
    pub remote: SocketAddr,
    /// The connection of a stream transport; `None` for UDP, and for a stream that does not exist
    /// any more or does not exist yet: sending on such a flow opens one, where that is possible.
    pub connection: Option<ConnectionId>,
}

impl fmt::Display for Flow {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.transport, self.remote)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transport_is_read_without_regard_to_case() {
        assert_eq!("wss".parse(), Ok(Transport::Wss));
        assert_eq!("Udp".parse(), Ok(Transport::Udp));
        assert_eq!("sctp".parse::<Transport>(), Err(UnknownTransport));
    }
}
