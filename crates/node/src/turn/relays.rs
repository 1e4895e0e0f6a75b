//! The sockets of relays: opening, sending, receiving. Which there are is decided elsewhere.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use fernamt_stun::server::{OpenError, RelayId};
use hashbrown::HashMap;
use rustix::event::epoll;
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};

/// What is asked of the kernel for each socket buffer: a burst of a video frame.
const SOCKET_BUFFER_BYTES: usize = 256 << 10;

#[derive(Debug, Default)]
pub(super) struct Relays {
    sockets: HashMap<RelayId, OwnedFd>,
}

impl Relays {
    /// Opens a socket, and has it watched under the relay's number.
    pub(super) fn open(
        &mut self,
        watch: &OwnedFd,
        relay: RelayId,
        address: SocketAddr,
    ) -> Result<(), OpenError> {
        let socket = bind(address).map_err(|error| match error {
            Errno::ADDRINUSE => OpenError::InUse,
            error => {
                tracing::warn!(%address, %error, "a relay cannot be opened");
                OpenError::Failed
            }
        })?;
        let token = epoll::EventData::new_u64(relay.as_u64());
        epoll::add(watch, &socket, token, epoll::EventFlags::IN).map_err(|_| OpenError::Failed)?;
        self.sockets.insert(relay, socket);
        Ok(())
    }

    /// Closes a socket; the system watches it no longer then.
    pub(super) fn close(&mut self, relay: RelayId) {
        self.sockets.remove(&relay);
    }

    /// Sends, without waiting. What the system does not take now is lost, as datagrams are.
    pub(super) fn send(&self, relay: RelayId, peer: SocketAddr, data: &[u8]) {
        if let Some(socket) = self.sockets.get(&relay) {
            let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
            if let Err(error) = net::sendto(socket, data, flags, &peer) {
                tracing::trace!(%peer, %error, "not sent by a relay");
            }
        }
    }

    /// Takes one datagram into `room`: its length and its sender. `None`: there is none.
    pub(super) fn receive(&self, relay: RelayId, room: &mut [u8]) -> Option<(usize, SocketAddr)> {
        let socket = self.sockets.get(&relay)?;
        loop {
            let received = net::recvfrom(socket, &mut *room, RecvFlags::DONTWAIT);
            match received {
                Ok((length, _, sender)) => {
                    let sender = sender.and_then(|sender| SocketAddr::try_from(sender).ok())?;
                    return Some((length, sender));
                }
                Err(Errno::INTR) => {}
                // A report that a peer was not there; the next one may be a datagram.
                Err(Errno::CONNREFUSED | Errno::HOSTUNREACH | Errno::NETUNREACH) => {}
                Err(_) => return None,
            }
        }
    }
}

fn bind(address: SocketAddr) -> Result<OwnedFd, Errno> {
    let family = if address.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = net::socket_with(family, SocketType::DGRAM, flags, None)?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    // As large as the system allows.
    let _ = sockopt::set_socket_recv_buffer_size(&socket, SOCKET_BUFFER_BYTES);
    let _ = sockopt::set_socket_send_buffer_size(&socket, SOCKET_BUFFER_BYTES);
    net::bind(&socket, &address)?;
    Ok(socket)
}

/// What watches the sockets.
pub(super) fn watch() -> io::Result<OwnedFd> {
    Ok(epoll::create(epoll::CreateFlags::CLOEXEC)?)
}
