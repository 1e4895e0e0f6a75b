//! Routers that translate addresses (NAT), as RFC 4787 describes them: which port a host behind one has
//! outside, who may send to it, and for how long. It changes addresses; what is sent is not looked at,
//! and where hosts are is in [`realms`].
//!
//! RFC 3489 section 5 has names for four of them:
//!
//! | | a host's port outside is the same towards | and reached by |
//! |---|---|---|
//! | full cone | everybody | everybody |
//! | restricted cone | everybody | addresses that the host has sent to |
//! | port-restricted cone | everybody | addresses and ports that the host has sent to |
//! | symmetric | one address and port | that address and port |

pub mod realms;

use core::net::{IpAddr, SocketAddr};

use crate::random::Random;

/// How much of the other end of a packet something depends on (RFC 4787 sections 4.1 and 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dependence {
    /// Nothing of it.
    Endpoint,
    /// Its address.
    Address,
    /// Its address and port.
    AddressAndPort,
}

impl Dependence {
    /// Whether two other ends are the same for what depends so much on them.
    fn is_same(self, one: SocketAddr, other: SocketAddr) -> bool {
        match self {
            Dependence::Endpoint => true,
            Dependence::Address => one.ip() == other.ip(),
            Dependence::AddressAndPort => one == other,
        }
    }
}

/// How a router translates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Behaviour {
    /// When a host has the same port outside again.
    pub mapping: Dependence,
    /// Who may send to that port.
    pub filtering: Dependence,
    /// Whether hosts behind it reach each other by their addresses outside (RFC 4787 section 6).
    pub hairpins: bool,
    /// How long a mapping is kept that nothing is sent from inside through, in microseconds. What comes
    /// from outside does not count (RFC 4787 section 4.3, REQ-6 allows both).
    pub lifetime_micros: u64,
}

/// How long routers keep mappings of UDP that forget soon; RFC 4787 REQ-5 asks for two minutes.
const LIFETIME_MICROS: u64 = 30_000_000;

impl Behaviour {
    /// Full cone.
    pub const FULL_CONE: Behaviour = Behaviour::new(Dependence::Endpoint, Dependence::Endpoint);
    /// Restricted cone.
    pub const RESTRICTED_CONE: Behaviour =
        Behaviour::new(Dependence::Endpoint, Dependence::Address);
    /// Port-restricted cone.
    pub const PORT_RESTRICTED_CONE: Behaviour =
        Behaviour::new(Dependence::Endpoint, Dependence::AddressAndPort);
    /// Symmetric.
    pub const SYMMETRIC: Behaviour =
        Behaviour::new(Dependence::AddressAndPort, Dependence::AddressAndPort);

    /// The four of RFC 3489 section 5.
    pub const CLASSIC: [Behaviour; 4] = [
        Behaviour::FULL_CONE,
        Behaviour::RESTRICTED_CONE,
        Behaviour::PORT_RESTRICTED_CONE,
        Behaviour::SYMMETRIC,
    ];

    const fn new(mapping: Dependence, filtering: Dependence) -> Behaviour {
        Behaviour {
            mapping,
            filtering,
            hairpins: false,
            lifetime_micros: LIFETIME_MICROS,
        }
    }
}

/// A router.
#[derive(Debug)]
pub struct Nat {
    /// How it translates.
    pub behaviour: Behaviour,
    outside: IpAddr,
    mappings: Vec<Mapping>,
    /// Ports that always lead to the same host: what its owner has configured.
    forwarded: Vec<(u16, SocketAddr)>,
    random: Random,
}

/// What a host behind it is outside.
#[derive(Debug)]
struct Mapping {
    inside: SocketAddr,
    /// To whom it was made; others share it when the mapping does not depend on them.
    made_for: SocketAddr,
    port: u16,
    contacted: Vec<SocketAddr>,
    used_micros: u64,
}

impl Nat {
    /// A router with one address outside. Its ports follow from the seed.
    pub fn new(behaviour: Behaviour, outside: IpAddr, seed: u64) -> Nat {
        Nat {
            behaviour,
            outside,
            mappings: Vec::new(),
            forwarded: Vec::new(),
            random: Random::new(seed, 0),
        }
    }

    /// Its address outside.
    pub fn outside(&self) -> IpAddr {
        self.outside
    }

    /// Sends all that comes to a port to a host inside, whoever sends it, and gives that host the same
    /// port outside.
    pub fn forward(&mut self, port: u16, inside: SocketAddr) {
        self.forwarded.push((port, inside));
    }

    /// Forgets who sent to whom, as when it is switched off and on: everybody gets a new port.
    pub fn forget(&mut self) {
        self.mappings.clear();
    }

    /// Gets another address from its provider, and forgets.
    pub fn move_to(&mut self, outside: IpAddr) {
        self.outside = outside;
        self.forget();
    }

    /// A packet leaves: who its sender is outside.
    pub fn leave(&mut self, from: SocketAddr, to: SocketAddr, now_micros: u64) -> SocketAddr {
        let forwarded = self.forwarded.iter().find(|(_, inside)| *inside == from);
        if let Some(&(port, _)) = forwarded {
            return SocketAddr::new(self.outside, port);
        }
        self.expire(now_micros);
        let depends = self.behaviour.mapping;
        let is_it = |known: &Mapping| known.inside == from && depends.is_same(known.made_for, to);
        let index = match self.mappings.iter().position(is_it) {
            Some(index) => index,
            None => {
                let port = self.free_port();
                self.mappings.push(Mapping {
                    inside: from,
                    made_for: to,
                    port,
                    contacted: Vec::new(),
                    used_micros: now_micros,
                });
                self.mappings.len() - 1
            }
        };
        let mapping = &mut self.mappings[index];
        mapping.used_micros = now_micros;
        if !mapping.contacted.contains(&to) {
            mapping.contacted.push(to);
        }
        SocketAddr::new(self.outside, mapping.port)
    }

    /// A packet comes from outside: who it is for inside; `None`: it is thrown away.
    pub fn enter(&mut self, from: SocketAddr, port: u16, now_micros: u64) -> Option<SocketAddr> {
        let forwarded = self.forwarded.iter().find(|(known, _)| *known == port);
        if let Some(&(_, inside)) = forwarded {
            return Some(inside);
        }
        self.expire(now_micros);
        let filter = self.behaviour.filtering;
        let mapping = self.mappings.iter().find(|known| known.port == port)?;
        let mut contacted = mapping.contacted.iter();
        let may_enter = contacted.any(|known| filter.is_same(*known, from));
        may_enter.then_some(mapping.inside)
    }

    fn expire(&mut self, now_micros: u64) {
        let lifetime = self.behaviour.lifetime_micros;
        self.mappings
            .retain(|known| now_micros.saturating_sub(known.used_micros) < lifetime);
    }

    fn free_port(&mut self) -> u16 {
        loop {
            let port = self.random.between(1_024, 65_535) as u16;
            let is_mapped = self.mappings.iter().any(|known| known.port == port);
            if !is_mapped && !self.forwarded.iter().any(|(known, _)| *known == port) {
                return port;
            }
        }
    }
}

#[cfg(test)]
mod tests;
