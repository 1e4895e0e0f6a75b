//! Addresses in attributes, plain and masked (RFC 8489 sections 14.1 and 14.2).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{MAGIC_COOKIE, TransactionId};

/// The address families of the attributes (RFC 8489 section 14.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family of an address.
    pub const fn of(address: &SocketAddr) -> Family {
        if address.is_ipv4() {
            Family::V4
        } else {
            Family::V6
        }
    }

    /// The family with this number.
    pub const fn from_number(number: u8) -> Option<Family> {
        match number {
            0x01 => Some(Family::V4),
            0x02 => Some(Family::V6),
            _ => None,
        }
    }

    /// Its number.
    pub const fn number(self) -> u8 {
        match self {
            Family::V4 => 0x01,
            Family::V6 => 0x02,
        }
    }
}

/// The 16-bit number at `offset`.
pub(super) fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    let field = bytes.get(offset..)?.first_chunk::<2>()?;
    Some(u16::from_be_bytes(*field))
}

/// Reads the value of MAPPED-ADDRESS and its relatives.
pub fn read_plain(value: &[u8]) -> Option<SocketAddr> {
    let (head, address) = value.split_first_chunk::<4>()?;
    let [_, family, port @ ..] = *head;
    let ip = match Family::from_number(family)? {
        Family::V4 => IpAddr::from(Ipv4Addr::from(<[u8; 4]>::try_from(address).ok()?)),
        Family::V6 => IpAddr::from(Ipv6Addr::from(<[u8; 16]>::try_from(address).ok()?)),
    };
    Some(SocketAddr::new(ip, u16::from_be_bytes(port)))
}

/// Reads the value of XOR-MAPPED-ADDRESS and its relatives.
pub fn read_masked(value: &[u8], transaction: TransactionId) -> Option<SocketAddr> {
    read_plain(value).map(|address| masked(address, transaction))
}

/// Masks an address, or takes the mask off.
pub fn masked(address: SocketAddr, transaction: TransactionId) -> SocketAddr {
    let cookie = u32::from_be_bytes(MAGIC_COOKIE);
    let port = address.port() ^ (cookie >> 16) as u16;
    let ip = match address.ip() {
        IpAddr::V4(ip) => IpAddr::from(Ipv4Addr::from_bits(ip.to_bits() ^ cookie)),
        IpAddr::V6(ip) => {
            let low = transaction
                .0
                .iter()
                .fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
            let mask = u128::from(cookie) << 96 | low;
            IpAddr::from(Ipv6Addr::from_bits(ip.to_bits() ^ mask))
        }
    };
    SocketAddr::new(ip, port)
}

/// The value of an address attribute: 8 or 20 bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written {
    bytes: [u8; 20],
    length: usize,
}

impl Written {
    pub(super) fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// Writes the value of MAPPED-ADDRESS and its relatives.
pub(super) fn write_plain(address: SocketAddr) -> Written {
    let mut bytes = [0; 20];
    let [high, low] = address.port().to_be_bytes();
    let head = [0, Family::of(&address).number(), high, low];
    let mut put = |ip: &[u8]| {
        for (target, byte) in bytes.iter_mut().zip(head.iter().chain(ip)) {
            *target = *byte;
        }
        head.len() + ip.len()
    };
    let length = match address.ip() {
        IpAddr::V4(ip) => put(&ip.octets()),
        IpAddr::V6(ip) => put(&ip.octets()),
    };
    Written { bytes, length }
}
