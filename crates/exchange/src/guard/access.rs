//! Lists of networks, and what counts as one source.

use core::fmt;
use core::net::{IpAddr, Ipv6Addr};

use crate::config::Network;

/// Who is held to account: an IPv4 address, or the first 64 bits of an IPv6 address.
///
/// An IPv4 address that is written as IPv6 (`::ffff:192.0.2.1`) is the IPv4 address.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Source(IpAddr);

impl Source {
    /// The source that an address belongs to.
    pub fn of(address: IpAddr) -> Source {
        Source(match address.to_canonical() {
            IpAddr::V4(address) => IpAddr::V4(address),
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(
                address.to_bits() & !u128::from(u64::MAX),
            )),
        })
    }

    /// The address, or the first of the network.
    pub fn address(self) -> IpAddr {
        self.0
    }
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(address) => write!(formatter, "{address}"),
            IpAddr::V6(address) => write!(formatter, "{address}/64"),
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// A set of networks: ranges of addresses in order, none touching another.
#[derive(Clone, Debug, Default)]
pub(super) struct Networks {
    ranges: Vec<(u128, u128)>,
}

impl Networks {
    pub(super) fn new(networks: &[Network]) -> Networks {
        let mut all: Vec<(u128, u128)> = networks.iter().map(range).collect();
        all.sort_unstable();
        let mut ranges: Vec<(u128, u128)> = Vec::with_capacity(all.len());
        for (first, last) in all {
            match ranges.last_mut() {
                Some(before) if first <= before.1.saturating_add(1) => {
                    before.1 = before.1.max(last);
                }
                _ => ranges.push((first, last)),
            }
        }
        Networks { ranges }
    }

    pub(super) fn contain(&self, address: IpAddr) -> bool {
        let bits = bits(address);
        let above = self.ranges.partition_point(|range| range.0 <= bits);
        let below = above
            .checked_sub(1)
            .and_then(|index| self.ranges.get(index));
        below.is_some_and(|range| bits <= range.1)
    }
}

/// IPv4 has its place inside IPv6, so that both are one line of numbers.
fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

fn range(network: &Network) -> (u128, u128) {
    let width = match network.address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    };
    let open = width - u32::from(network.bits).min(width);
    let mask = if open == 128 {
        u128::MAX
    } else {
        (1_u128 << open) - 1
    };
    let first = bits(network.address) & !mask;
    (first, first | mask)
}
