//! Many datagrams with one system call (`recvmmsg`, `sendmmsg`), with the local address of each.
//! The only room with raw pointers besides the socket options; nothing here knows SIP.
#![allow(unsafe_code)]

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

/// Datagrams per system call.
pub(crate) const BATCH: usize = 32;

/// Room for one datagram; no UDP datagram is longer, so none is ever cut off. Only the pages that a
/// datagram really fills are ever touched.
const BUFFER_BYTES: usize = 65_536;

/// Room for one `IP_PKTINFO` or `IPV6_PKTINFO`.
const CONTROL_BYTES: usize = 64;

#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Control([u8; CONTROL_BYTES]);

const NO_CONTROL: Control = Control([0; CONTROL_BYTES]);

pub(super) fn zeroed_address() -> libc::sockaddr_storage {
    // SAFETY: `sockaddr_storage` is plain data; all zeroes is the unspecified family.
    unsafe { core::mem::zeroed() }
}

fn empty_header() -> libc::mmsghdr {
    // SAFETY: `mmsghdr` is plain data; null pointers with zero lengths mean nothing.
    unsafe { core::mem::zeroed() }
}

/// A datagram that has arrived.
pub(crate) struct Datagram<'a> {
    /// Who sent it.
    pub(crate) remote: SocketAddr,
    /// The local address it was sent to, where the socket reports it.
    pub(crate) local: Option<IpAddr>,
    /// What it says.
    pub(crate) bytes: &'a [u8],
}

/// Buffers for one `recvmmsg`, reused for ever.
pub(crate) struct ReceiveBatch {
    buffers: Vec<u8>,
    addresses: Vec<libc::sockaddr_storage>,
    controls: Vec<Control>,
    vectors: Vec<libc::iovec>,
    headers: Vec<libc::mmsghdr>,
    filled: usize,
}

impl ReceiveBatch {
    pub(crate) fn new() -> ReceiveBatch {
        let mut batch = ReceiveBatch {
            buffers: vec![0; BATCH * BUFFER_BYTES],
            addresses: vec![zeroed_address(); BATCH],
            controls: vec![NO_CONTROL; BATCH],
            vectors: Vec::with_capacity(BATCH),
            headers: vec![empty_header(); BATCH],
            filled: 0,
        };
        // The vectors never grow again, so what the headers point at never moves.
        for buffer in batch.buffers.chunks_exact_mut(BUFFER_BYTES) {
            batch.vectors.push(libc::iovec {
                iov_base: buffer.as_mut_ptr().cast(),
                iov_len: BUFFER_BYTES,
            });
        }
        let parts = batch
            .addresses
            .iter_mut()
            .zip(&mut batch.controls)
            .zip(&mut batch.vectors);
        for (header, ((address, control), vector)) in batch.headers.iter_mut().zip(parts) {
            header.msg_hdr.msg_name = ptr::from_mut(address).cast();
            header.msg_hdr.msg_iov = vector;
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_control = control.0.as_mut_ptr().cast();
        }
        batch.filled = BATCH;
        batch
    }

    /// Takes what has arrived, without waiting. Zero: nothing has.
    pub(crate) fn receive(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        for header in self.headers.iter_mut().take(self.filled) {
            header.msg_hdr.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
            header.msg_hdr.msg_controllen = CONTROL_BYTES as _;
            header.msg_hdr.msg_flags = 0;
        }
        self.filled = 0;
        // SAFETY: every header points at an address, a vector and a control buffer of this value,
        // which live as long as it and have the lengths given; the socket is open.
        let received = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                BATCH as libc::c_uint,
                libc::MSG_DONTWAIT as _,
                ptr::null_mut(),
            )
        };
        match usize::try_from(received) {
            Ok(count) => {
                self.filled = count.min(BATCH);
                Ok(self.filled)
            }
            Err(_) => {
                // What the kernel left in the lengths is not known.
                self.filled = BATCH;
                let error = io::Error::last_os_error();
                match error.kind() {
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(0),
                    _ => Err(error),
                }
            }
        }
    }

    /// Datagram `index` of those just received; `None` past the last one, or when its sender is of a
    /// family that we do not speak.
    pub(crate) fn get(&self, index: usize) -> Option<Datagram<'_>> {
        if index >= self.filled {
            return None;
        }
        let header = self.headers.get(index)?;
        let length = usize::try_from(header.msg_len).ok()?.min(BUFFER_BYTES);
        let start = index * BUFFER_BYTES;
        let bytes = self.buffers.get(start..start + length)?;
        let remote = socket_address(self.addresses.get(index)?)?;
        Some(Datagram {
            remote,
            local: local_address(&header.msg_hdr),
            bytes,
        })
    }
}

/// The address in a `sockaddr`, if it is an IP address. An IPv4-mapped IPv6 address is an IPv4 one.
pub(super) fn socket_address(storage: &libc::sockaddr_storage) -> Option<SocketAddr> {
    match i32::from(storage.ss_family) {
        libc::AF_INET => {
            // SAFETY: the kernel says that this is a `sockaddr_in`, which is smaller than the storage
            // and no stricter aligned.
            let v4 = unsafe { &*ptr::from_ref(storage).cast::<libc::sockaddr_in>() };
            let ip = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
            Some(SocketAddr::V4(SocketAddrV4::new(
                ip,
                u16::from_be(v4.sin_port),
            )))
        }
        libc::AF_INET6 => {
            // SAFETY: as above, for `sockaddr_in6`.
            let v6 = unsafe { &*ptr::from_ref(storage).cast::<libc::sockaddr_in6>() };
            let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
            let port = u16::from_be(v6.sin6_port);
            Some(match ip.to_ipv4_mapped() {
                Some(ip) => SocketAddr::V4(SocketAddrV4::new(ip, port)),
                None => SocketAddr::V6(SocketAddrV6::new(ip, port, 0, v6.sin6_scope_id)),
            })
        }
        _ => None,
    }
}

/// Goes through the control data of a received message: level, kind and a pointer to the data of each.
pub(super) fn control_messages(header: &libc::msghdr, mut each: impl FnMut(i32, i32, *const u8)) {
    // SAFETY: the kernel has written `msg_controllen` bytes of whole control messages into the
    // buffer that `msg_control` points at; the macros stay within them.
    unsafe {
        let mut message = libc::CMSG_FIRSTHDR(header);
        while !message.is_null() {
            let data = libc::CMSG_DATA(message);
            each((*message).cmsg_level, (*message).cmsg_type, data);
            message = libc::CMSG_NXTHDR(header, message);
        }
    }
}

/// The local address in the control data of a received message.
fn local_address(header: &libc::msghdr) -> Option<IpAddr> {
    let mut local = None;
    control_messages(header, |level, kind, data| match (level, kind) {
        (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
            // SAFETY: the data of this control message is an `in_pktinfo`; read unaligned.
            let info = unsafe { ptr::read_unaligned(data.cast::<libc::in_pktinfo>()) };
            // Not the destination in the packet, which may be a broadcast address.
            local = Some(Ipv4Addr::from(u32::from_be(info.ipi_spec_dst.s_addr)).into());
        }
        (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
            // SAFETY: the data of this control message is an `in6_pktinfo`; read unaligned.
            let info = unsafe { ptr::read_unaligned(data.cast::<libc::in6_pktinfo>()) };
            local = Some(Ipv6Addr::from(info.ipi6_addr.s6_addr).to_canonical());
        }
        _ => {}
    });
    local
}

/// A datagram to be sent.
pub(crate) trait Outgoing {
    /// Where to.
    fn remote(&self) -> SocketAddr;
    /// The local address to send from, where the socket is bound to all of them.
    fn local(&self) -> Option<IpAddr>;
    /// What.
    fn bytes(&self) -> &[u8];
}

/// Room for one `sendmmsg`, reused for ever.
pub(crate) struct SendBatch {
    addresses: Vec<libc::sockaddr_storage>,
    controls: Vec<Control>,
    vectors: Vec<libc::iovec>,
    headers: Vec<libc::mmsghdr>,
}

// SAFETY: the pointers lead into buffers that this value owns and that move with it, or to datagrams
// of a `send` that is over; none is followed outside `send`, which sets all that it uses.
unsafe impl Send for SendBatch {}

impl SendBatch {
    pub(crate) fn new() -> SendBatch {
        SendBatch {
            addresses: vec![zeroed_address(); BATCH],
            controls: vec![NO_CONTROL; BATCH],
            vectors: vec![
                libc::iovec {
                    iov_base: ptr::null_mut(),
                    iov_len: 0
                };
                BATCH
            ],
            headers: vec![empty_header(); BATCH],
        }
    }

    /// Sends the first datagrams of `datagrams`, at most [`BATCH`], in order and without waiting, and
    /// says how many. An error means the first one; none was sent then.
    pub(crate) fn send<D: Outgoing>(
        &mut self,
        socket: BorrowedFd<'_>,
        datagrams: &[D],
    ) -> io::Result<usize> {
        let mut count = 0;
        let room = self.headers.iter_mut().zip(&mut self.vectors);
        let room = room.zip(self.addresses.iter_mut().zip(&mut self.controls));
        for (datagram, ((header, vector), (address, control))) in datagrams.iter().zip(room) {
            let bytes = datagram.bytes();
            vector.iov_base = bytes.as_ptr().cast_mut().cast();
            vector.iov_len = bytes.len();
            header.msg_hdr.msg_namelen = write_address(address, datagram.remote());
            header.msg_hdr.msg_name = ptr::from_mut(address).cast();
            header.msg_hdr.msg_iov = vector;
            header.msg_hdr.msg_iovlen = 1;
            write_control(
                &mut header.msg_hdr,
                control,
                datagram.local(),
                datagram.remote(),
            );
            count += 1;
        }
        // SAFETY: the first `count` headers point at addresses, vectors and control buffers of this
        // value and, through the vectors, at the bytes of `datagrams`; all outlive the call, and the
        // kernel only reads them.
        let sent = unsafe {
            libc::sendmmsg(
                socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                count as libc::c_uint,
                (libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) as _,
            )
        };
        usize::try_from(sent).map_err(|_| io::Error::last_os_error())
    }
}

fn write_address(storage: &mut libc::sockaddr_storage, address: SocketAddr) -> libc::socklen_t {
    *storage = zeroed_address();
    match address {
        SocketAddr::V4(v4) => {
            // SAFETY: the storage is larger than a `sockaddr_in` and aligned at least as strictly.
            let raw = unsafe { &mut *ptr::from_mut(storage).cast::<libc::sockaddr_in>() };
            raw.sin_family = libc::AF_INET as libc::sa_family_t;
            raw.sin_port = v4.port().to_be();
            raw.sin_addr.s_addr = u32::from(*v4.ip()).to_be();
            size_of::<libc::sockaddr_in>() as libc::socklen_t
        }
        SocketAddr::V6(v6) => {
            // SAFETY: as above, for `sockaddr_in6`.
            let raw = unsafe { &mut *ptr::from_mut(storage).cast::<libc::sockaddr_in6>() };
            raw.sin6_family = libc::AF_INET6 as libc::sa_family_t;
            raw.sin6_port = v6.port().to_be();
            raw.sin6_addr.s6_addr = v6.ip().octets();
            raw.sin6_scope_id = v6.scope_id();
            size_of::<libc::sockaddr_in6>() as libc::socklen_t
        }
    }
}

/// Asks for the local address that a datagram leaves from.
fn write_control(
    header: &mut libc::msghdr,
    control: &mut Control,
    local: Option<IpAddr>,
    remote: SocketAddr,
) {
    header.msg_control = control.0.as_mut_ptr().cast();
    match local {
        None => {
            header.msg_control = ptr::null_mut();
            header.msg_controllen = 0;
        }
        Some(IpAddr::V4(ip)) => {
            let info = libc::in_pktinfo {
                ipi_ifindex: 0,
                ipi_spec_dst: libc::in_addr {
                    s_addr: u32::from(ip).to_be(),
                },
                ipi_addr: libc::in_addr { s_addr: 0 },
            };
            put_control(header, libc::IPPROTO_IP, libc::IP_PKTINFO, info);
        }
        Some(IpAddr::V6(ip)) => {
            // A link-local address means nothing without its interface.
            let scope = match remote {
                SocketAddr::V6(remote) => remote.scope_id(),
                SocketAddr::V4(_) => 0,
            };
            let info = libc::in6_pktinfo {
                ipi6_addr: libc::in6_addr {
                    s6_addr: ip.octets(),
                },
                ipi6_ifindex: scope as _,
            };
            put_control(header, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info);
        }
    }
}

fn put_control<T: Copy>(header: &mut libc::msghdr, level: i32, kind: i32, data: T) {
    const { assert!(size_of::<T>() + 32 <= CONTROL_BYTES) };
    let length = size_of::<T>() as libc::c_uint;
    // SAFETY: `msg_control` points at CONTROL_BYTES aligned bytes, which hold one header and `T`, as
    // asserted; so the first header exists and its data may be written.
    unsafe {
        header.msg_controllen = libc::CMSG_SPACE(length) as _;
        let message = libc::CMSG_FIRSTHDR(header);
        if !message.is_null() {
            (*message).cmsg_level = level;
            (*message).cmsg_type = kind;
            (*message).cmsg_len = libc::CMSG_LEN(length) as _;
            ptr::write_unaligned(libc::CMSG_DATA(message).cast::<T>(), data);
        }
    }
}

/// Sets an integer socket option that the safe library has no name for.
pub(crate) fn set_option(
    socket: BorrowedFd<'_>,
    level: i32,
    name: i32,
    value: i32,
) -> io::Result<()> {
    // SAFETY: the option's value is one `int`, which lives through the call.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            ptr::from_ref(&value).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
