//! Where things are: addresses of servers, our own address towards them, free ports for voice.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _, UdpSocket};

use super::network::NetworkError;
use crate::address::ServerAddress;

/// Pairs of ports that are tried for voice.
const PORT_TRIES: usize = 64;

/// An even port for RTP and the next one for RTCP (RFC 3550 section 11).
pub(super) fn media_sockets(local: IpAddr) -> io::Result<(UdpSocket, UdpSocket)> {
    let mut failure = None;
    for _ in 0..PORT_TRIES {
        let rtp = UdpSocket::bind(SocketAddr::new(local, 0))?;
        let port = rtp.local_addr()?.port();
        if port % 2 != 0 {
            continue;
        }
        match UdpSocket::bind(SocketAddr::new(local, port + 1)) {
            Ok(rtcp) => {
                rtp.set_nonblocking(true)?;
                rtcp.set_nonblocking(true)?;
                return Ok((rtp, rtcp));
            }
            Err(error) => failure = Some(error),
        }
    }
    Err(failure.unwrap_or_else(|| io::ErrorKind::AddrInUse.into()))
}

/// This machine's address on the way to `remote`; asks the system's routes and sends nothing.
pub(super) fn local_address_towards(remote: SocketAddr) -> Option<IpAddr> {
    let any: IpAddr = match remote {
        SocketAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0)).ok()?;
    socket.connect(remote).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// The address of a server; of the same family as our own, where we have one.
pub(super) fn resolve(
    server: &ServerAddress,
    local: SocketAddr,
) -> Result<SocketAddr, NetworkError> {
    let failed = |reason: String| NetworkError::Resolve {
        host: server.host.to_string(),
        reason,
    };
    let found: Vec<SocketAddr> = (&*server.host, server.effective_port())
        .to_socket_addrs()
        .map_err(|error| failed(error.to_string()))?
        .collect();
    let any = local.ip().is_unspecified() && local.port() == 0;
    let fits = |address: &&SocketAddr| any || address.is_ipv4() == local.is_ipv4();
    found
        .iter()
        .find(fits)
        .copied()
        .ok_or_else(|| failed("it has no address of the kind that the phone listens on".to_owned()))
}
