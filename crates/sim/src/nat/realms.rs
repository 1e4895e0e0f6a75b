//! Which hosts and routers are on which side of which router, and what becomes of a packet on its way
//! between them. Time, delay and loss are the caller's.

use core::net::{IpAddr, SocketAddr};

use super::Nat;

/// A network in which addresses mean something: the Internet, or what is behind a router.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Realm {
    /// The Internet.
    #[default]
    Internet,
    /// Behind this router.
    Behind(RouterId),
}

/// Names a router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouterId(usize);

/// Names a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostId(usize);

/// Where a packet arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// At which host.
    pub host: HostId,
    /// Who sent it, as the host sees it.
    pub from: SocketAddr,
    /// To which of its addresses.
    pub to: SocketAddr,
}

/// Hosts, and routers between them.
#[derive(Debug, Default)]
pub struct Realms {
    hosts: Vec<(Realm, IpAddr)>,
    routers: Vec<(Realm, Nat)>,
}

impl Realms {
    /// Adds a router; its address outside is one of this realm.
    pub fn add_router(&mut self, outer: Realm, nat: Nat) -> Realm {
        self.routers.push((outer, nat));
        Realm::Behind(RouterId(self.routers.len() - 1))
    }

    /// Adds a host. Those of different realms may have the same address.
    pub fn add_host(&mut self, realm: Realm, address: IpAddr) -> HostId {
        self.hosts.push((realm, address));
        HostId(self.hosts.len() - 1)
    }

    /// The router that a realm is behind.
    pub fn router(&mut self, realm: Realm) -> Option<&mut Nat> {
        match realm {
            Realm::Internet => None,
            Realm::Behind(RouterId(index)) => Some(&mut self.routers[index].1),
        }
    }

    /// The address by which a host is known on the Internet.
    pub fn public_address(&self, host: HostId) -> IpAddr {
        let (mut realm, mut address) = self.hosts[host.0];
        while let Realm::Behind(RouterId(index)) = realm {
            address = self.routers[index].1.outside();
            realm = self.routers[index].0;
        }
        address
    }

    /// Sends a packet from a host: where it arrives, if anywhere.
    pub fn send(
        &mut self,
        host: HostId,
        from: SocketAddr,
        to: SocketAddr,
        now_micros: u64,
    ) -> Option<Arrival> {
        let (mut realm, mut from) = (self.hosts[host.0].0, from);
        loop {
            if let Some(arrival) = self.descend(realm, from, to, now_micros) {
                return arrival;
            }
            let Realm::Behind(RouterId(index)) = realm else {
                return None;
            };
            let (outer, nat) = &mut self.routers[index];
            let is_hairpin = to.ip() == nat.outside();
            if is_hairpin && !nat.behaviour.hairpins {
                return None;
            }
            from = nat.leave(from, to, now_micros);
            if !is_hairpin {
                realm = *outer;
                continue;
            }
            let to = nat.enter(from, to.port(), now_micros)?;
            return self.descend(realm, from, to, now_micros).flatten();
        }
    }

    /// Looks for the owner of an address in a realm, and behind the routers that it leads to; the outer
    /// `None`: nobody there has it.
    fn descend(
        &mut self,
        mut realm: Realm,
        from: SocketAddr,
        mut to: SocketAddr,
        now_micros: u64,
    ) -> Option<Option<Arrival>> {
        let mut is_found = false;
        loop {
            let owner = (realm, to.ip());
            if let Some(index) = self.hosts.iter().position(|known| *known == owner) {
                let host = HostId(index);
                return Some(Some(Arrival { host, from, to }));
            }
            let is_owner = |(outer, nat): &(Realm, Nat)| (*outer, nat.outside()) == owner;
            let Some(index) = self.routers.iter().position(is_owner) else {
                return is_found.then_some(None);
            };
            is_found = true;
            match self.routers[index].1.enter(from, to.port(), now_micros) {
                Some(inside) => to = inside,
                None => return Some(None),
            }
            realm = Realm::Behind(RouterId(index));
        }
    }
}
