//! Which peers a relay may reach: what everybody on the Internet could reach, and nothing that only
//! this machine or its neighbours can. Not who may use the relay.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::Network;

/// Ports from the first to the last, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// The first.
    pub first: u16,
    /// The last.
    pub last: u16,
}

impl Ports {
    /// Whether a port is among them.
    pub const fn contains(self, port: u16) -> bool {
        self.first <= port && port <= self.last
    }

    /// How many there are.
    pub const fn len(self) -> usize {
        (self.last as usize + 1).saturating_sub(self.first as usize)
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.first > self.last
    }
}

/// Which peers a relay may reach.
#[derive(Clone, Debug)]
pub struct PeerPolicy {
    /// The addresses of this machine, and the one that others see. Of their ports only those of
    /// media and relays are reached.
    pub own: Vec<IpAddr>,
    /// Where the exchange's media is: every port of `media_ports` at these addresses is reached,
    /// whatever kind of address it is.
    pub media: Vec<IpAddr>,
    /// The ports of media.
    pub media_ports: Ports,
    /// The ports of relays.
    pub relay_ports: Ports,
    /// Ports of this machine by which it is controlled; they are never reached.
    pub control_ports: Vec<u16>,
    /// Networks that are reached although they are not public.
    pub allow: Vec<Network>,
}

/// Networks of IPv4 that are not on the Internet (RFC 6890), and those that are nobody's address.
const NOT_PUBLIC_V4: [Network; 12] = [
    Network::v4(0, 0, 0, 0, 8),
    Network::v4(10, 0, 0, 0, 8),
    Network::v4(100, 64, 0, 0, 10),
    Network::v4(127, 0, 0, 0, 8),
    Network::v4(169, 254, 0, 0, 16),
    Network::v4(172, 16, 0, 0, 12),
    Network::v4(192, 0, 0, 0, 24),
    Network::v4(192, 88, 99, 0, 24),
    Network::v4(192, 168, 0, 0, 16),
    Network::v4(198, 18, 0, 0, 15),
    Network::v4(224, 0, 0, 0, 4),
    Network::v4(240, 0, 0, 0, 4),
];

/// Global unicast addresses of IPv6 (RFC 4291 section 2.4); nothing else is public.
const GLOBAL_V6: Network = Network::v6(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
/// Addresses that lead to one of IPv4 through a translator (RFC 6052 section 2.1).
const NAT64: Network = Network::v6(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);
/// Addresses that lead to one of IPv4 through a tunnel (RFC 3056).
const SIX_TO_FOUR: Network = Network::v6(Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16);
/// Protocol assignments (RFC 2928), among them the tunnel of RFC 4380.
const ASSIGNMENTS_V6: Network = Network::v6(Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23);

impl PeerPolicy {
    /// Whether a permission may be given for an address: whether any port of it may be reached.
    pub fn may_permit(&self, peer: IpAddr) -> bool {
        self.is_own(peer) || self.media.contains(&peer) || self.is_allowed(peer)
    }

    /// Whether a datagram may be sent there.
    pub fn may_send(&self, peer: SocketAddr) -> bool {
        let (ip, port) = (peer.ip(), peer.port());
        let is_own = self.is_own(ip) || self.media.contains(&ip);
        if port == 0 {
            return false;
        }
        if !is_own && !is_loopback(ip) {
            return self.is_allowed(ip);
        }
        if self.control_ports.contains(&port) {
            return false;
        }
        let is_media = self.media.contains(&ip) && self.media_ports.contains(port);
        let is_relay = self.is_own(ip) && self.relay_ports.contains(port);
        // Being public does not open the machine's own ports.
        is_media || is_relay || self.is_listed(ip)
    }

    fn is_own(&self, ip: IpAddr) -> bool {
        !is_loopback(ip) && self.own.contains(&ip)
    }

    fn is_listed(&self, ip: IpAddr) -> bool {
        self.allow.iter().any(|network| network.contains(ip))
    }

    fn is_allowed(&self, ip: IpAddr) -> bool {
        self.is_listed(ip)
            || match ip {
                IpAddr::V4(ip) => is_public_v4(ip),
                IpAddr::V6(ip) => self.is_allowed_v6(ip),
            }
    }

    fn is_allowed_v6(&self, ip: Ipv6Addr) -> bool {
        // What leads to an address of IPv4 is judged as that.
        let address = IpAddr::V6(ip);
        let embedded = if NAT64.contains(address) {
            Ipv4Addr::from_bits(ip.to_bits() as u32)
        } else if SIX_TO_FOUR.contains(address) {
            Ipv4Addr::from_bits((ip.to_bits() >> 80) as u32)
        } else {
            return GLOBAL_V6.contains(address) && !ASSIGNMENTS_V6.contains(address);
        };
        let embedded = IpAddr::V4(embedded);
        !self.own.contains(&embedded) && self.is_allowed(embedded)
    }
}

fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    !NOT_PUBLIC_V4
        .iter()
        .any(|network| network.contains(IpAddr::V4(ip)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(allow: &[Network]) -> PeerPolicy {
        PeerPolicy {
            own: vec![ip("198.51.100.1"), ip("192.168.1.5"), ip("2001:db8::5")],
            media: vec![ip("198.51.100.1"), ip("192.168.1.5")],
            media_ports: Ports {
                first: 10_000,
                last: 59_999,
            },
            relay_ports: Ports {
                first: 60_000,
                last: 64_999,
            },
            control_ports: vec![5060, 3478],
            allow: allow.to_vec(),
        }
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn reached(policy: &PeerPolicy, address: &str) -> bool {
        let address: SocketAddr = address.parse().unwrap();
        policy.may_permit(address.ip()) && policy.may_send(address)
    }

    /// CVE-2020-26262 and what is like it.
    #[test]
    fn turn_loopback() {
        let policy = policy(&[]);
        for address in [
            "127.0.0.1",
            "127.255.255.254",
            "0.0.0.0",
            "0.1.2.3",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "169.254.169.254",
            "192.0.0.8",
            "198.18.0.1",
            "224.0.0.1",
            "239.255.255.250",
            "240.0.0.1",
            "255.255.255.255",
            "[::]",
            "[::1]",
            "[fe80::1]",
            "[fc00::1]",
            "[fd12:3456::1]",
            "[fec0::1]",
            "[ff02::1]",
            "[100::1]",
        ] {
            assert!(!reached(&policy, &format!("{address}:4000")), "{address}");
        }
    }

    #[test]
    fn an_address_of_ipv4_does_not_slip_through_as_one_of_ipv6() {
        let policy = policy(&[]);
        for address in [
            "::ffff:127.0.0.1",
            "::ffff:192.0.2.1",
            "::127.0.0.1",
            "::ffff:0:127.0.0.1",
            "64:ff9b::127.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b::c0a8:101",
            "64:ff9b::198.51.100.1",
            "64:ff9b:1::8.8.8.8",
            "2002:7f00:1::1",
            "2002:a00:1::1",
            "2002:c0a8:101::",
            "2001:0:1:2:3:4:5:6",
        ] {
            assert!(!reached(&policy, &format!("[{address}]:4000")), "{address}");
        }
        assert!(reached(&policy, "[64:ff9b::8.8.8.8]:4000"));
        assert!(reached(&policy, "[2002:808:808::1]:4000"));
    }

    #[test]
    fn what_is_public_is_reached() {
        let policy = policy(&[]);
        for address in [
            "8.8.8.8:53",
            "203.0.113.7:1",
            "172.32.0.1:9",
            "[2a00::1]:443",
        ] {
            assert!(reached(&policy, address), "{address}");
        }
        assert!(!reached(&policy, "8.8.8.8:0"));
    }

    #[test]
    fn of_our_own_addresses_media_and_relays_are_reached_and_nothing_else() {
        let policy = policy(&[]);
        for own in ["198.51.100.1", "192.168.1.5"] {
            assert!(reached(&policy, &format!("{own}:10000")));
            assert!(reached(&policy, &format!("{own}:59999")));
            assert!(reached(&policy, &format!("{own}:60000")));
            for port in [22, 53, 3478, 5060, 9999, 65_000] {
                assert!(!reached(&policy, &format!("{own}:{port}")), "{own}:{port}");
            }
        }
        assert!(reached(&policy, "[2001:db8::5]:60000"));
        assert!(!reached(&policy, "[2001:db8::5]:10000"));
    }

    #[test]
    fn media_on_loopback_is_reached_where_it_is_configured_there() {
        let mut policy = policy(&[]);
        policy.media.push(ip("127.0.0.1"));
        assert!(reached(&policy, "127.0.0.1:10000"));
        assert!(!reached(&policy, "127.0.0.1:60000"));
        assert!(!reached(&policy, "127.0.0.1:9999"));
        assert!(!reached(&policy, "127.0.0.2:10000"));
    }

    #[test]
    fn an_allow_list_opens_networks_but_no_control_port() {
        let policy = policy(&[
            Network::v4(127, 0, 0, 0, 8),
            Network::v4(10, 0, 0, 0, 8),
            Network::v4(192, 168, 0, 0, 16),
        ]);
        assert!(reached(&policy, "127.0.0.1:9999"));
        assert!(reached(&policy, "10.0.0.1:5060"));
        assert!(reached(&policy, "[64:ff9b::10.0.0.1]:4000"));
        assert!(reached(&policy, "192.168.1.5:22"));
        assert!(!reached(&policy, "127.0.0.1:5060"));
        assert!(!reached(&policy, "192.168.1.5:3478"));
        assert!(!reached(&policy, "172.16.0.1:4000"));
    }
}
