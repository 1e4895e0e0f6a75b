//! The system calls of the media plane: pairs of UDP sockets, receiving and sending datagrams. No
//! decision about a packet is made here.
//!
//! A party sends one datagram in 20 ms, so that a socket has hardly ever two: `recvmmsg` and
//! `sendmmsg` would find one each time and cost more than `recvfrom` and `sendto` (measured).

use core::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use fernamt_rtp::extension::MAX_ELEMENT_GROWTH;
use fernamt_rtp::srtp::MAX_OVERHEAD_BYTES;
use rustix::io::{Errno, Result};
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::MAX_DATAGRAM_BYTES;

/// Which of the two sockets of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Channel {
    Rtp,
    Rtcp,
}

/// The two sockets of an endpoint, bound to an even port and the next.
#[derive(Debug)]
pub(crate) struct SocketPair {
    rtp: OwnedFd,
    rtcp: OwnedFd,
    address: SocketAddr,
    /// The one peer of the RTP socket while it is connected.
    peer: Option<SocketAddr>,
}

impl SocketPair {
    /// Binds both, not connected and not blocking. `port` is that of RTP; RTCP gets the next.
    pub(crate) fn bind(local: IpAddr, port: u16, traffic_class: u8) -> Result<SocketPair> {
        let rtcp_port = port.checked_add(1).ok_or(Errno::ADDRNOTAVAIL)?;
        let rtp = bind_one(local, port, traffic_class)?;
        let rtcp = bind_one(local, rtcp_port, traffic_class)?;
        Ok(SocketPair {
            rtp,
            rtcp,
            address: SocketAddr::new(local, port),
            peer: None,
        })
    }

    /// Connects the RTP socket to the only one that it is to hear from now on, or lets it hear
    /// everybody again. The kernel then looks for no route to the peer with each packet, and throws away
    /// what strangers send. Where it cannot be done nothing changes but the work.
    pub(crate) fn connect(&mut self, peer: Option<SocketAddr>) {
        if peer == self.peer {
            return;
        }
        let connected = match peer {
            Some(peer) => net::connect(&self.rtp, &peer),
            None => net::connect_unspec(&self.rtp),
        };
        // Refused, it hears whom it heard before.
        if connected.is_ok() {
            self.peer = peer;
        }
    }

    /// The RTP address.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn socket(&self, channel: Channel) -> BorrowedFd<'_> {
        match channel {
            Channel::Rtp => self.rtp.as_fd(),
            Channel::Rtcp => self.rtcp.as_fd(),
        }
    }

    /// Takes one datagram, when there is one: its length and where it came from. One that is too long
    /// for the room is as good as empty, and so is its length.
    #[inline]
    pub(crate) fn receive(&self, channel: Channel, room: &mut Room) -> Option<(usize, SocketAddr)> {
        let flags = RecvFlags::DONTWAIT | RecvFlags::TRUNC;
        let (_, length, source) =
            net::recvfrom(self.socket(channel), room.for_receiving(), flags).ok()?;
        let length = if length > MAX_DATAGRAM_BYTES {
            0
        } else {
            length
        };
        Some((length, SocketAddr::try_from(source?).ok()?))
    }

    /// Sends one datagram; whether the kernel took it. A full queue or an unreachable network is a
    /// lost packet, which is what RTP expects of a network.
    #[inline]
    pub(crate) fn send(&self, channel: Channel, datagram: &[u8], to: SocketAddr) -> bool {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        if channel == Channel::Rtp && self.peer == Some(to) {
            return net::send(&self.rtp, datagram, flags).is_ok();
        }
        match to {
            SocketAddr::V4(to) => net::sendto(self.socket(channel), datagram, flags, &to).is_ok(),
            SocketAddr::V6(to) => net::sendto(self.socket(channel), datagram, flags, &to).is_ok(),
        }
    }

    /// Throws away what has arrived and was not taken, up to `most` datagrams of each socket. The bound
    /// is for somebody who sends faster than this reads.
    pub(crate) fn drain(&self, most: usize) {
        for channel in [Channel::Rtp, Channel::Rtcp] {
            // An error that the network has reported comes before what has arrived.
            let is_taken = |_: &usize| {
                let taken = net::recv(self.socket(channel), &mut [0; 1], RecvFlags::DONTWAIT);
                taken != Err(Errno::AGAIN)
            };
            let _ = (0..most).take_while(is_taken).count();
        }
    }
}

fn bind_one(local: IpAddr, port: u16, traffic_class: u8) -> Result<OwnedFd> {
    let family = match local {
        IpAddr::V4(_) => AddressFamily::INET,
        IpAddr::V6(_) => AddressFamily::INET6,
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = net::socket_with(family, SocketType::DGRAM, flags, None)?;
    match local {
        IpAddr::V4(_) => sockopt::set_ip_tos(&socket, traffic_class)?,
        IpAddr::V6(_) => {
            sockopt::set_ipv6_v6only(&socket, true)?;
            sockopt::set_ipv6_tclass(&socket, u32::from(traffic_class))?;
        }
    }
    net::bind(&socket, &SocketAddr::new(local, port))?;
    Ok(socket)
}

/// Room for one datagram and what a tag and protection add to it; one per thread, used again and again.
pub(crate) struct Room(Box<[u8; ROOM_BYTES]>);

const ROOM_BYTES: usize = MAX_DATAGRAM_BYTES + MAX_ELEMENT_GROWTH + MAX_OVERHEAD_BYTES;

impl Room {
    pub(crate) fn new() -> Room {
        Room(Box::new([0; ROOM_BYTES]))
    }

    /// Where a datagram is received.
    fn for_receiving(&mut self) -> &mut [u8] {
        self.0.get_mut(..MAX_DATAGRAM_BYTES).unwrap_or_default()
    }

    /// The datagram that was received last, when it had this length.
    #[inline]
    pub(crate) fn datagram(&mut self, length: usize) -> &mut [u8] {
        self.0.get_mut(..length).unwrap_or_default()
    }

    /// All of it, to let a datagram grow.
    #[inline]
    pub(crate) fn whole(&mut self) -> &mut [u8] {
        self.0.as_mut_slice()
    }

    /// Puts a datagram of our own into it; its length.
    pub(crate) fn put(&mut self, datagram: &[u8]) -> usize {
        for (place, byte) in self.0.iter_mut().zip(datagram) {
            *place = *byte;
        }
        datagram.len().min(ROOM_BYTES)
    }
}

/// Raises the limit of open files towards `wanted`, as far as this process may; returns the limit.
pub(crate) fn raise_open_files(wanted: u64) -> u64 {
    let now = getrlimit(Resource::Nofile);
    let (Some(current), Some(maximum)) = (now.current, now.maximum) else {
        return u64::MAX;
    };
    if current >= wanted {
        return current;
    }
    // A privileged process may go above the hard limit; the others up to it.
    let attempts = [wanted.max(maximum), maximum];
    for limit in attempts {
        let new = Rlimit {
            current: Some(limit.min(wanted)),
            maximum: Some(limit),
        };
        if setrlimit(Resource::Nofile, new).is_ok() {
            return limit.min(wanted);
        }
    }
    current
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, Ipv6Addr, UdpSocket};

    const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn bind_somewhere(local: IpAddr) -> SocketPair {
        (20_000..20_400)
            .step_by(2)
            .find_map(|port| SocketPair::bind(local, port, 0xb8).ok())
            .unwrap()
    }

    #[test]
    fn the_source_of_a_datagram_is_told_for_both_families() {
        for local in [LOOPBACK, IpAddr::V6(Ipv6Addr::LOCALHOST)] {
            let pair = bind_somewhere(local);
            let party = UdpSocket::bind((local, 0)).unwrap();
            let mut room = Room::new();
            assert_eq!(pair.receive(Channel::Rtp, &mut room), None);
            party.send_to(b"hello", pair.address()).unwrap();
            let received = pair.receive(Channel::Rtp, &mut room);
            assert_eq!(received, Some((5, party.local_addr().unwrap())));
            assert_eq!(room.datagram(5), b"hello");
        }
    }

    #[test]
    fn a_datagram_of_the_limit_arrives_and_one_byte_more_is_as_good_as_empty() {
        let pair = bind_somewhere(LOOPBACK);
        let party = UdpSocket::bind((LOOPBACK, 0)).unwrap();
        let mut room = Room::new();
        for (length, expected) in [
            (MAX_DATAGRAM_BYTES, MAX_DATAGRAM_BYTES),
            (MAX_DATAGRAM_BYTES + 1, 0),
            (65_507, 0),
            (0, 0),
        ] {
            party.send_to(&vec![1; length], pair.address()).unwrap();
            let received = pair.receive(Channel::Rtp, &mut room);
            assert_eq!(received, Some((expected, party.local_addr().unwrap())));
            assert_eq!(room.datagram(expected), vec![1; expected]);
        }
        assert_eq!(room.datagram(ROOM_BYTES + 1), [0_u8; 0]);
    }

    #[test]
    fn draining_leaves_nothing_behind_up_to_its_bound() {
        let pair = bind_somewhere(LOOPBACK);
        let party = UdpSocket::bind((LOOPBACK, 0)).unwrap();
        for _ in 0..20 {
            party.send_to(b"late", pair.address()).unwrap();
        }
        pair.drain(19);
        assert!(pair.receive(Channel::Rtp, &mut Room::new()).is_some());
        party.send_to(b"late", pair.address()).unwrap();
        pair.drain(19);
        assert_eq!(pair.receive(Channel::Rtp, &mut Room::new()), None);
    }

    #[test]
    fn a_connected_pair_hears_its_peer_only_and_keeps_its_port() {
        for local in [LOOPBACK, IpAddr::V6(Ipv6Addr::LOCALHOST)] {
            let mut pair = bind_somewhere(local);
            let [peer, other] = [(); 2].map(|()| UdpSocket::bind((local, 0)).unwrap());
            let mut room = Room::new();
            for is_connected in [true, false, true, false] {
                let address = peer.local_addr().unwrap();
                pair.connect(is_connected.then_some(address));
                other.send_to(b"other", pair.address()).unwrap();
                assert_eq!(
                    pair.receive(Channel::Rtp, &mut room).is_some(),
                    !is_connected
                );
                peer.send_to(b"peer", pair.address()).unwrap();
                assert_eq!(pair.receive(Channel::Rtp, &mut room), Some((4, address)));
                for party in [&peer, &other] {
                    assert!(pair.send(Channel::Rtp, b"answer", party.local_addr().unwrap()));
                    let mut answer = [0; 6];
                    let (length, from) = party.recv_from(&mut answer).unwrap();
                    assert_eq!(
                        (&answer[..length], from),
                        (b"answer".as_slice(), pair.address())
                    );
                }
            }
        }
    }

    #[test]
    fn both_families_carry_the_traffic_class() {
        let four = bind_somewhere(LOOPBACK);
        assert_eq!(sockopt::ip_tos(four.socket(Channel::Rtp)).unwrap(), 0xb8);
        let six = bind_somewhere(IpAddr::V6(Ipv6Addr::LOCALHOST));
        assert_eq!(
            sockopt::ipv6_tclass(six.socket(Channel::Rtcp)).unwrap(),
            0xb8
        );
    }

    #[test]
    fn the_limit_of_open_files_never_goes_down() {
        let before = getrlimit(Resource::Nofile).current.unwrap();
        assert!(raise_open_files(before) >= before);
        assert!(raise_open_files(1) >= before);
    }
}
