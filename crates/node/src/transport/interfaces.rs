//! The addresses of this machine, as its interfaces have them now.
#![allow(unsafe_code)]

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ptr;

use super::udp::route_to;

/// Addresses that are listed at most; a machine with more is a router.
pub(crate) const MAX_ADDRESSES: usize = 256;

/// All unicast addresses of the machine. Of each family the one that leads to the rest of the world
/// comes first; loopback and link-local ones come last.
///
/// # Errors
/// When the system does not list them.
pub(crate) fn addresses() -> io::Result<Vec<IpAddr>> {
    let mut list = Vec::new();
    let mut first: *mut libc::ifaddrs = ptr::null_mut();
    // SAFETY: the pointer is valid for writing; on success it owns a list that is freed below.
    if unsafe { libc::getifaddrs(&raw mut first) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let mut next = first;
    while !next.is_null() {
        // SAFETY: `next` is an element of the list that is not yet freed.
        let interface = unsafe { &*next };
        if let Some(address) = address_of(interface)
            && list.len() < MAX_ADDRESSES
            && !list.contains(&address)
        {
            list.push(address);
        }
        next = interface.ifa_next;
    }
    // SAFETY: `first` came from `getifaddrs` and nothing refers to the list any more.
    unsafe { libc::freeifaddrs(first) };
    let preferred = [default_source(true), default_source(false)];
    list.sort_by_key(|address| rank(*address, &preferred));
    Ok(list)
}

fn address_of(interface: &libc::ifaddrs) -> Option<IpAddr> {
    if interface.ifa_addr.is_null() || interface.ifa_flags & libc::IFF_UP as u32 == 0 {
        return None;
    }
    // SAFETY: the address is not null and its family says what it is.
    let family = i32::from(unsafe { (*interface.ifa_addr).sa_family });
    match family {
        libc::AF_INET => {
            // SAFETY: an address of this family is a `sockaddr_in`; it is read unaligned.
            let v4 = unsafe { ptr::read_unaligned(interface.ifa_addr.cast::<libc::sockaddr_in>()) };
            Some(Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: an address of this family is a `sockaddr_in6`; it is read unaligned.
            let v6 =
                unsafe { ptr::read_unaligned(interface.ifa_addr.cast::<libc::sockaddr_in6>()) };
            Some(Ipv6Addr::from(v6.sin6_addr.s6_addr).into())
        }
        _ => None,
    }
}

/// The source address towards the rest of the world (documentation addresses: nothing is sent).
fn default_source(ipv4: bool) -> Option<IpAddr> {
    let far = if ipv4 {
        SocketAddr::from(([192, 0, 2, 1], 9))
    } else {
        SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], 9))
    };
    route_to(far).ok()
}

fn rank(address: IpAddr, preferred: &[Option<IpAddr>]) -> u8 {
    let link_local = match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    if address.is_loopback() {
        3
    } else if link_local {
        2
    } else {
        u8::from(!preferred.contains(&Some(address)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_listed_and_comes_last() {
        let list = addresses().unwrap();
        assert!(list.contains(&IpAddr::from([127, 0, 0, 1])), "{list:?}");
        let first_loopback = list.iter().position(IpAddr::is_loopback).unwrap();
        assert!(
            list.iter().skip(first_loopback).all(IpAddr::is_loopback),
            "{list:?}"
        );
    }
}
