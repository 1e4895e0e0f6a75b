//! Which port a relay gets: one that nobody can foresee (RFC 8656 section 7.2), and those that are
//! kept for a following allocation. Whether the operating system gives it is not known here.

use std::net::{IpAddr, SocketAddr};

use hashbrown::HashSet;
use rand_chacha::ChaCha12Rng;
use rand_core::Rng;

use super::policy::Ports;
use super::settings::{MAX_RESERVATIONS, RESERVATION_LIFE};
use crate::time::{Micros, Now};

/// What is wanted of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// Any.
    Any,
    /// An even one.
    Even,
    /// An even one, and the next is kept.
    EvenWithNext,
}

#[derive(Debug)]
struct Reservation {
    token: [u8; 8],
    user: Box<str>,
    address: SocketAddr,
    expires: Micros,
}

/// The ports of relays, by the addresses at which others see them.
#[derive(Debug)]
pub(super) struct PortTable {
    range: Ports,
    taken: HashSet<SocketAddr>,
    reservations: Vec<Reservation>,
}

impl PortTable {
    pub(super) fn new(range: Ports) -> PortTable {
        PortTable {
            range,
            taken: HashSet::new(),
            reservations: Vec::new(),
        }
    }

    /// Takes a port that is free.
    pub(super) fn take(
        &mut self,
        ip: IpAddr,
        wish: Wish,
        chance: &mut ChaCha12Rng,
    ) -> Option<SocketAddr> {
        let count = u32::try_from(self.range.len()).ok().filter(|it| *it > 0)?;
        let start = chance.next_u32() % count;
        let address = (0..count).find_map(|step| {
            let offset = (start + step) % count;
            let port = self.range.first.checked_add(u16::try_from(offset).ok()?)?;
            self.fits(ip, port, wish).then(|| SocketAddr::new(ip, port))
        })?;
        self.taken.insert(address);
        Some(address)
    }

    fn fits(&self, ip: IpAddr, port: u16, wish: Wish) -> bool {
        let is_free = |port: u16| {
            self.range.contains(port) && !self.taken.contains(&SocketAddr::new(ip, port))
        };
        is_free(port)
            && match wish {
                Wish::Any => true,
                Wish::Even => port.is_multiple_of(2),
                Wish::EvenWithNext => {
                    port.is_multiple_of(2) && port.checked_add(1).is_some_and(is_free)
                }
            }
    }

    pub(super) fn give_back(&mut self, address: SocketAddr) {
        self.taken.remove(&address);
    }

    /// Keeps the port after `address` for a following allocation of the user.
    pub(super) fn reserve_next(
        &mut self,
        now: Now,
        address: SocketAddr,
        user: &str,
        chance: &mut ChaCha12Rng,
    ) -> Option<[u8; 8]> {
        self.expire(now);
        let next = SocketAddr::new(address.ip(), address.port().checked_add(1)?);
        if self.reservations.len() >= MAX_RESERVATIONS || !self.taken.insert(next) {
            return None;
        }
        let mut token = [0; 8];
        chance.fill_bytes(&mut token);
        self.reservations.push(Reservation {
            token,
            user: user.into(),
            address: next,
            expires: now.after(RESERVATION_LIFE),
        });
        Some(token)
    }

    /// Whether a port can be kept at all.
    pub(super) fn may_reserve(&mut self, now: Now) -> bool {
        self.expire(now);
        self.reservations.len() < MAX_RESERVATIONS
    }

    /// The port that was kept; it is taken from now on by the allocation.
    pub(super) fn redeem(&mut self, now: Now, token: [u8; 8], user: &str) -> Option<SocketAddr> {
        self.expire(now);
        let index = self
            .reservations
            .iter()
            .position(|held| held.token == token && *held.user == *user)?;
        Some(self.reservations.swap_remove(index).address)
    }

    /// Gives back ports that nobody came for.
    pub(super) fn expire(&mut self, now: Now) {
        let taken = &mut self.taken;
        self.reservations.retain(|held| {
            let lasts = now.micros < held.expires;
            if !lasts {
                taken.remove(&held.address);
            }
            lasts
        });
    }

    pub(super) fn deadline(&self) -> Option<Micros> {
        self.reservations.iter().map(|held| held.expires).min()
    }
}
