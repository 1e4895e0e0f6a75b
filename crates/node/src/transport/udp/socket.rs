//! UDP sockets: one per shard and listener address, side by side on the same port.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use fernamt_sip::transport::Transport;
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

use super::batch::set_option;
use crate::error::NodeError;
use crate::transport::holder;

/// What is asked of the kernel for each socket buffer, so that a burst survives a busy moment.
const SOCKET_BUFFER_BYTES: usize = 4 << 20;

/// One UDP socket of one shard.
#[derive(Debug)]
pub(crate) struct Socket {
    file: OwnedFd,
    bound: SocketAddr,
}

impl Socket {
    /// What it is bound to.
    pub(crate) fn bound(&self) -> SocketAddr {
        self.bound
    }

    /// Whether it is bound to all addresses, so that each datagram must say its own.
    pub(crate) fn is_wildcard(&self) -> bool {
        self.bound.ip().is_unspecified()
    }

    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Whether a datagram can leave from `local` through this socket.
    pub(crate) fn serves(&self, local: SocketAddr) -> bool {
        self.bound.is_ipv4() == local.is_ipv4()
            && self.bound.port() == local.port()
            && (self.is_wildcard() || self.bound.ip() == local.ip())
    }
}

/// Binds `count` sockets to the same address. A port of 0 is chosen by the system, once for all.
///
/// # Errors
/// When the address is not ours, or any other socket holds the port.
pub(crate) fn bind(address: SocketAddr, count: usize) -> Result<Vec<Socket>, NodeError> {
    // Sockets that share a port share it with every other program of the same user that asks for
    // sharing. A probe without sharing finds those.
    let probe = open(address, false).map_err(|error| refused(address, error))?;
    let address = probe.bound;
    drop(probe);
    (0..count.max(1))
        .map(|_| open(address, true).map_err(|error| refused(address, error)))
        .collect()
}

fn refused(address: SocketAddr, error: io::Error) -> NodeError {
    holder::listen_error(Transport::Udp, address, error)
}

fn open(address: SocketAddr, shared: bool) -> io::Result<Socket> {
    let family = if address.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let file = rustix::net::socket_with(family, SocketType::DGRAM, flags, None)?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&file, true)?;
    }
    if shared {
        sockopt::set_socket_reuseport(&file, true)?;
    }
    if address.ip().is_unspecified() {
        match address.ip() {
            IpAddr::V4(_) => set_option(file.as_fd(), libc::IPPROTO_IP, libc::IP_PKTINFO, 1)?,
            IpAddr::V6(_) => {
                set_option(file.as_fd(), libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)?;
            }
        }
    }
    // Reports of unreachable destinations come through the error queue.
    match address.ip() {
        IpAddr::V4(_) => set_option(file.as_fd(), libc::IPPROTO_IP, libc::IP_RECVERR, 1)?,
        IpAddr::V6(_) => set_option(file.as_fd(), libc::IPPROTO_IPV6, libc::IPV6_RECVERR, 1)?,
    }
    enlarge_buffers(file.as_fd());
    // A datagram that is too long for the path is fragmented by us rather than lost: what must not
    // be fragmented does not come here (RFC 3261 section 18.1.1).
    rustix::net::bind(&file, &address)?;
    let bound = UdpSocket::from(file.try_clone()?).local_addr()?;
    Ok(Socket { file, bound })
}

/// As large as we like where we may, as large as the system allows where we may not.
fn enlarge_buffers(file: BorrowedFd<'_>) {
    let wanted = i32::try_from(SOCKET_BUFFER_BYTES).unwrap_or(i32::MAX);
    if set_option(file, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, wanted).is_err() {
        let _ = sockopt::set_socket_recv_buffer_size(file, SOCKET_BUFFER_BYTES);
    }
    if set_option(file, libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, wanted).is_err() {
        let _ = sockopt::set_socket_send_buffer_size(file, SOCKET_BUFFER_BYTES);
    }
}

/// The local address that the system would use to reach `remote`; nothing is sent.
pub(crate) fn route_to(remote: SocketAddr) -> io::Result<IpAddr> {
    let any = if remote.is_ipv4() {
        SocketAddr::from(([0, 0, 0, 0], 0))
    } else {
        SocketAddr::from(([0u16; 8], 0))
    };
    let socket = UdpSocket::bind(any)?;
    socket.connect(remote)?;
    Ok(socket.local_addr()?.ip())
}
