//! A range of addresses, as in an access list.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A range of addresses: `192.0.2.0/24`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// Its first address.
    pub address: IpAddr,
    /// How many leading bits count.
    pub bits: u8,
}

impl Network {
    /// A network of IPv4.
    pub const fn v4(a: u8, b: u8, c: u8, d: u8, bits: u8) -> Network {
        Network {
            address: IpAddr::V4(Ipv4Addr::new(a, b, c, d)),
            bits,
        }
    }

    /// A network of IPv6.
    pub const fn v6(address: Ipv6Addr, bits: u8) -> Network {
        Network {
            address: IpAddr::V6(address),
            bits,
        }
    }

    /// Whether the address is in it. One that is written as an IPv6 address but is one of IPv4
    /// counts as that.
    pub fn contains(&self, address: IpAddr) -> bool {
        let differs = match (self.address.to_canonical(), address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let bits = u32::from(self.bits).min(32);
                let low = u32::MAX.checked_shr(bits).unwrap_or(0);
                (network.to_bits() ^ address.to_bits()) & !low != 0
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let bits = u32::from(self.bits).min(128);
                let low = u128::MAX.checked_shr(bits).unwrap_or(0);
                (network.to_bits() ^ address.to_bits()) & !low != 0
            }
            _ => true,
        };
        !differs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_in_a_network_when_the_leading_bits_are_the_same() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let ten = Network::v4(10, 0, 0, 0, 8);
        assert!(ten.contains(ip("10.255.0.1")));
        assert!(ten.contains(ip("::ffff:10.0.0.1")));
        assert!(!ten.contains(ip("11.0.0.1")));
        assert!(!ten.contains(ip("a00::1")));
        assert!(Network::v4(0, 0, 0, 0, 0).contains(ip("203.0.113.1")));
        let one = Network::v6(Ipv6Addr::LOCALHOST, 128);
        assert!(one.contains(ip("::1")) && !one.contains(ip("::2")));
        let local = Network::v6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10);
        assert!(local.contains(ip("febf::1")) && !local.contains(ip("fec0::1")));
    }
}
