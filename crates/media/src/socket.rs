//! The system calls of the media plane: pairs of UDP sockets, receiving many datagrams at once,
//! sending one. No decision about a packet is made here. The only file with unsafe code, and there
//! only for `recvmmsg`, which no safe wrapper offers.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use core::{mem, ptr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::io::{Errno, Result};
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::MAX_DATAGRAM_BYTES;

/// Datagrams taken from a socket in one system call. A party sends one in 20 ms, so that more than
/// one is the exception.
pub(crate) const BATCH: usize = 8;

/// Bytes of the longest socket address, that of IPv6.
const ADDRESS_BYTES: usize = mem::size_of::<libc::sockaddr_in6>();

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
        })
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

    /// Sends one datagram; whether the kernel took it. A full queue or an unreachable network is a
    /// lost packet, which is what RTP expects of a network.
    #[inline]
    pub(crate) fn send(&self, channel: Channel, datagram: &[u8], to: SocketAddr) -> bool {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        match to {
            SocketAddr::V4(to) => net::sendto(self.socket(channel), datagram, flags, &to).is_ok(),
            SocketAddr::V6(to) => net::sendto(self.socket(channel), datagram, flags, &to).is_ok(),
        }
    }

    /// Throws away what has arrived and was not taken, up to `most` datagrams of each socket; whether
    /// that was all. The bound is for somebody who sends faster than this reads.
    pub(crate) fn drain(&self, most: usize) -> bool {
        [Channel::Rtp, Channel::Rtcp].into_iter().all(|channel| {
            let taken = || net::recv(self.socket(channel), &mut [0; 1], RecvFlags::DONTWAIT);
            (0..=most).any(|_| taken().is_err())
        })
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

/// Room for the datagrams of one system call; one per thread, used again and again.
pub(crate) struct Batch {
    datagrams: Box<[[u8; MAX_DATAGRAM_BYTES]; BATCH]>,
    sources: [SourceBytes; BATCH],
    lengths: [usize; BATCH],
}

/// A socket address as the kernel writes it.
#[derive(Clone, Copy)]
#[repr(C, align(4))]
struct SourceBytes([u8; ADDRESS_BYTES]);

impl Batch {
    pub(crate) fn new() -> Batch {
        Batch {
            datagrams: Box::new([[0; MAX_DATAGRAM_BYTES]; BATCH]),
            sources: [SourceBytes([0; ADDRESS_BYTES]); BATCH],
            lengths: [0; BATCH],
        }
    }

    /// Takes what has arrived, up to [`BATCH`] datagrams; returns how many. Fewer than that means
    /// that the queue was empty, so that the next arrival gives a new edge to epoll.
    #[allow(unsafe_code)]
    pub(crate) fn receive(&mut self, socket: BorrowedFd<'_>) -> usize {
        // SAFETY: all-zero bytes are a valid value of these two structures of integers and pointers.
        let (mut vectors, mut headers): ([libc::iovec; BATCH], [libc::mmsghdr; BATCH]) =
            unsafe { (mem::zeroed(), mem::zeroed()) };
        let rooms = self.datagrams.iter_mut().zip(&mut self.sources);
        for ((vector, header), (datagram, source)) in
            vectors.iter_mut().zip(&mut headers).zip(rooms)
        {
            vector.iov_base = datagram.as_mut_ptr().cast();
            vector.iov_len = datagram.len();
            header.msg_hdr.msg_iov = vector;
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_name = source.0.as_mut_ptr().cast();
            header.msg_hdr.msg_namelen = ADDRESS_BYTES as libc::socklen_t;
        }
        let count = loop {
            // SAFETY: `headers` holds BATCH entries, each with one vector and one address that point
            // into `vectors`, `self.datagrams` and `self.sources`; all of them outlive the call, none
            // is touched during it, and every length given is the length of what is pointed to.
            let count = unsafe {
                libc::recvmmsg(
                    socket.as_raw_fd(),
                    headers.as_mut_ptr(),
                    BATCH as libc::c_uint,
                    libc::MSG_DONTWAIT,
                    ptr::null_mut(),
                )
            };
            match usize::try_from(count) {
                Ok(count) => break count.min(BATCH),
                Err(_) if std::io::Error::last_os_error().raw_os_error() == Some(libc::EINTR) => {}
                Err(_) => return 0,
            }
        };
        for (length, header) in self.lengths.iter_mut().zip(&headers).take(count) {
            let truncated = header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0;
            // What was cut is as good as nothing: an empty datagram is dropped in the same way.
            *length = if truncated {
                0
            } else {
                header.msg_len as usize
            };
        }
        count
    }

    /// One datagram of the last call and where it came from. One that was too long is empty.
    #[inline]
    pub(crate) fn datagram(&mut self, index: usize) -> Option<(&mut [u8], SocketAddr)> {
        let source = self.sources.get(index)?.address()?;
        let length = *self.lengths.get(index)?;
        Some((self.datagrams.get_mut(index)?.get_mut(..length)?, source))
    }
}

impl SourceBytes {
    #[inline]
    fn address(&self) -> Option<SocketAddr> {
        let (family, rest) = self.0.split_first_chunk::<2>()?;
        let (port, rest) = rest.split_first_chunk::<2>()?;
        let port = u16::from_be_bytes(*port);
        match libc::c_int::from(u16::from_ne_bytes(*family)) {
            libc::AF_INET => {
                let ip = Ipv4Addr::from(*rest.first_chunk::<4>()?);
                Some(SocketAddr::V4(SocketAddrV4::new(ip, port)))
            }
            libc::AF_INET6 => {
                let (_flow, rest) = rest.split_first_chunk::<4>()?;
                let (ip, rest) = rest.split_first_chunk::<16>()?;
                let scope = u32::from_ne_bytes(*rest.first_chunk::<4>()?);
                Some(SocketAddr::V6(SocketAddrV6::new(
                    Ipv6Addr::from(*ip),
                    port,
                    0,
                    scope,
                )))
            }
            _ => None,
        }
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
    use std::net::UdpSocket;
    use std::time::Duration;

    const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn bind_somewhere(local: IpAddr) -> SocketPair {
        (20_000..20_400)
            .step_by(2)
            .find_map(|port| SocketPair::bind(local, port, 0xb8).ok())
            .unwrap()
    }

    fn receive_soon(batch: &mut Batch, pair: &SocketPair, channel: Channel) -> usize {
        for _ in 0..200 {
            let count = batch.receive(pair.socket(channel));
            if count > 0 {
                return count;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        0
    }

    #[test]
    fn the_source_of_a_datagram_is_read_for_both_families() {
        for local in [LOOPBACK, IpAddr::V6(Ipv6Addr::LOCALHOST)] {
            let pair = bind_somewhere(local);
            let party = UdpSocket::bind((local, 0)).unwrap();
            party.send_to(b"hello", pair.address()).unwrap();
            let mut batch = Batch::new();
            assert_eq!(receive_soon(&mut batch, &pair, Channel::Rtp), 1);
            let (datagram, source) = batch.datagram(0).unwrap();
            assert_eq!(datagram, b"hello");
            assert_eq!(source, party.local_addr().unwrap());
        }
    }

    #[test]
    fn a_datagram_of_the_limit_arrives_and_one_byte_more_counts_as_empty() {
        let pair = bind_somewhere(LOOPBACK);
        let party = UdpSocket::bind((LOOPBACK, 0)).unwrap();
        let mut batch = Batch::new();
        for (length, expected) in [
            (MAX_DATAGRAM_BYTES, MAX_DATAGRAM_BYTES),
            (MAX_DATAGRAM_BYTES + 1, 0),
            (65_507, 0),
            (0, 0),
        ] {
            party.send_to(&vec![1; length], pair.address()).unwrap();
            assert_eq!(receive_soon(&mut batch, &pair, Channel::Rtp), 1);
            assert_eq!(batch.datagram(0).unwrap().0.len(), expected);
        }
    }

    #[test]
    fn draining_leaves_nothing_behind() {
        let pair = bind_somewhere(LOOPBACK);
        let party = UdpSocket::bind((LOOPBACK, 0)).unwrap();
        for _ in 0..3 * BATCH {
            party.send_to(b"late", pair.address()).unwrap();
        }
        assert!(!pair.drain(BATCH));
        assert!(pair.drain(2 * BATCH));
        assert_eq!(Batch::new().receive(pair.socket(Channel::Rtp)), 0);
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
