//! Who may open connections, and how many. Rates and bans are decided in the exchange; what is known
//! of them is used here before a handshake costs anything.

use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use fernamt_exchange::config::Network;
use fernamt_exchange::guard::Source;
use fernamt_sip::time::UnixTime;
use hashbrown::HashMap;

/// Bans that are remembered; the exchange bounds its own.
pub(crate) const MAX_BANS: usize = 65_536;

/// What is known of sources of connections.
#[derive(Debug, Default)]
pub(crate) struct Access {
    trusted: Vec<Network>,
    denied: Vec<Network>,
    bans: Mutex<HashMap<Source, UnixTime>>,
}

impl Access {
    pub(crate) fn new(trusted: Vec<Network>, denied: Vec<Network>) -> Access {
        Access {
            trusted,
            denied,
            bans: Mutex::default(),
        }
    }

    fn bans(&self) -> MutexGuard<'_, HashMap<Source, UnixTime>> {
        self.bans.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether limits of single sources do not hold for it.
    pub(crate) fn is_trusted(&self, address: IpAddr) -> bool {
        self.trusted
            .iter()
            .any(|network| contains(*network, address))
    }

    /// Whether a connection from it is refused at once.
    pub(crate) fn is_refused(&self, address: IpAddr, now: UnixTime) -> bool {
        if self.is_trusted(address) {
            return false;
        }
        self.denied
            .iter()
            .any(|network| contains(*network, address))
            || self
                .bans()
                .get(&Source::of(address))
                .is_some_and(|until| *until > now)
    }

    /// Takes note of a ban; false when it was known already.
    pub(crate) fn ban(&self, address: IpAddr, until: UnixTime, now: UnixTime) -> bool {
        let mut bans = self.bans();
        if bans.len() >= MAX_BANS {
            bans.retain(|_, until| *until > now);
            if bans.len() >= MAX_BANS {
                return false;
            }
        }
        bans.insert(Source::of(address), until) != Some(until)
    }

    /// Forgets a ban; whether there was one.
    pub(crate) fn lift(&self, address: IpAddr, now: UnixTime) -> bool {
        self.bans()
            .remove(&Source::of(address))
            .is_some_and(|until| until > now)
    }

    /// Bans that are in force, by source.
    pub(crate) fn banned(&self, now: UnixTime) -> Vec<(IpAddr, UnixTime)> {
        let mut bans = self.bans();
        bans.retain(|_, until| *until > now);
        let mut list: Vec<_> = bans
            .iter()
            .map(|(source, until)| (source.address(), *until))
            .collect();
        drop(bans);
        list.sort_unstable();
        list
    }
}

fn contains(network: Network, address: IpAddr) -> bool {
    match (network.address.to_canonical(), address.to_canonical()) {
        (IpAddr::V4(network_address), IpAddr::V4(address)) => {
            let shift = 32u32.saturating_sub(u32::from(network.bits));
            let differ = network_address.to_bits() ^ address.to_bits();
            differ.checked_shr(shift).unwrap_or(0) == 0
        }
        (IpAddr::V6(network_address), IpAddr::V6(address)) => {
            let shift = 128u32.saturating_sub(u32::from(network.bits));
            let differ = network_address.to_bits() ^ address.to_bits();
            differ.checked_shr(shift).unwrap_or(0) == 0
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(address: &str, bits: u8) -> Network {
        Network {
            address: address.parse().unwrap(),
            bits,
        }
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_network_contains_what_shares_its_leading_bits() {
        assert!(contains(network("10.0.0.0", 8), ip("10.255.1.2")));
        assert!(!contains(network("10.0.0.0", 8), ip("11.0.0.1")));
        assert!(contains(network("192.0.2.1", 32), ip("192.0.2.1")));
        assert!(!contains(network("192.0.2.1", 32), ip("192.0.2.2")));
        assert!(contains(network("0.0.0.0", 0), ip("203.0.113.1")));
        assert!(contains(network("2001:db8::", 32), ip("2001:db8:1::1")));
        assert!(!contains(network("2001:db8::", 32), ip("2001:db9::1")));
        assert!(contains(network("::", 0), ip("2001:db9::1")));
        assert!(!contains(network("::", 0), ip("192.0.2.1")));
        assert!(contains(network("127.0.0.0", 8), ip("::ffff:127.0.0.1")));
    }

    #[test]
    fn a_ban_ends_by_itself_or_when_it_is_lifted() {
        let at = UnixTime::from_micros;
        let access = Access::new(
            vec![network("127.0.0.0", 8)],
            vec![network("198.51.100.0", 24)],
        );
        assert!(access.is_refused(ip("198.51.100.7"), at(0)));
        assert!(access.ban(ip("192.0.2.1"), at(10), at(0)));
        assert!(!access.ban(ip("192.0.2.1"), at(10), at(0)));
        assert!(access.is_refused(ip("192.0.2.1"), at(9)));
        assert!(!access.is_refused(ip("192.0.2.1"), at(10)));
        assert_eq!(access.banned(at(5)), [(ip("192.0.2.1"), at(10))]);
        assert!(access.lift(ip("192.0.2.1"), at(5)));
        assert!(!access.is_refused(ip("192.0.2.1"), at(5)));
        access.ban(ip("127.0.0.1"), at(10), at(0));
        assert!(!access.is_refused(ip("127.0.0.1"), at(5)));
    }

    #[test]
    fn bans_beyond_the_limit_are_left_to_the_exchange() {
        let access = Access::default();
        let until = UnixTime::from_micros(10);
        for number in 0..=u32::try_from(MAX_BANS).unwrap() {
            let taken = access.ban(IpAddr::V4(number.into()), until, UnixTime::default());
            assert_eq!(taken, number < u32::try_from(MAX_BANS).unwrap());
        }
    }
}
