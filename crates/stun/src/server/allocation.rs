//! One allocation (RFC 8656 section 4): a relayed transport address, who may send to it, and the
//! channels to them. What is asked for and who may ask is decided elsewhere.

use std::net::{IpAddr, SocketAddr};

use super::Flow;
use super::ports::Wish;
use super::reply::Reply;
use super::settings::{CHANNEL_LIFE, MAX_CHANNELS, MAX_PERMISSIONS, PERMISSION_LIFE};
use crate::TransactionId;
use crate::message::address::Family;
use crate::time::{Micros, Now};

/// Names an allocation and its socket. Never used again for another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelayId {
    pub(super) index: u32,
    pub(super) generation: u32,
}

impl RelayId {
    /// The same as a number, for tables of the caller. Its highest bit is never set.
    pub const fn as_u64(self) -> u64 {
        (self.generation as u64) << 32 | self.index as u64
    }

    /// The other way round.
    pub const fn from_u64(number: u64) -> RelayId {
        RelayId {
            index: number as u32,
            generation: (number >> 32) as u32,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Permission {
    peer: IpAddr,
    expires: Micros,
}

#[derive(Clone, Copy, Debug)]
struct Channel {
    number: u16,
    peer: SocketAddr,
    expires: Micros,
}

/// Whether the socket is open.
#[derive(Debug)]
pub(super) enum State {
    /// It was asked for; this is who waits for it, and how many ports were tried.
    Opening { reply: Box<Reply>, attempts: u32 },
    /// It is open.
    Open,
}

/// Why something cannot be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// The peer or the number has another channel already.
    Bound,
    /// There are as many as there may be.
    Full,
}

#[derive(Debug)]
pub(super) struct Allocation {
    pub(super) id: RelayId,
    pub(super) flow: Flow,
    /// The device.
    pub(super) user: Box<str>,
    pub(super) state: State,
    /// Where the socket is bound.
    pub(super) bound: SocketAddr,
    /// The relayed transport address, as others see it.
    pub(super) relayed: SocketAddr,
    pub(super) expires: Micros,
    /// The request that made it, and what was answered: it may be repeated.
    pub(super) made_by: TransactionId,
    pub(super) first_lifetime_seconds: u32,
    /// By which the port after this one is had.
    pub(super) token: Option<[u8; 8]>,
    /// What was asked for.
    pub(super) wish: Wish,
    /// Whether a second relay was asked for, which we do not give.
    pub(super) additional: bool,
    permissions: Vec<Permission>,
    channels: Vec<Channel>,
}

impl Allocation {
    #[allow(clippy::too_many_arguments, reason = "every value is another kind")]
    pub(super) fn new(
        id: RelayId,
        flow: Flow,
        user: Box<str>,
        reply: Reply,
        (bound, relayed): (SocketAddr, SocketAddr),
        expires: Micros,
        first_lifetime_seconds: u32,
    ) -> Allocation {
        Allocation {
            id,
            flow,
            user,
            bound,
            relayed,
            expires,
            made_by: reply.transaction,
            first_lifetime_seconds,
            token: None,
            wish: Wish::Any,
            additional: false,
            state: State::Opening {
                reply: Box::new(reply),
                attempts: 1,
            },
            permissions: Vec::new(),
            channels: Vec::new(),
        }
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, State::Open)
    }

    pub(super) fn family(&self) -> Family {
        Family::of(&self.bound)
    }

    pub(super) fn may_receive_from(&self, now: Now, peer: IpAddr) -> bool {
        self.permissions
            .iter()
            .any(|permission| permission.peer == peer && now.micros < permission.expires)
    }

    /// Whether so many further permissions have a place.
    pub(super) fn has_room_for(&self, now: Now, peers: &[SocketAddr]) -> bool {
        let lasting = |permission: &&Permission| now.micros < permission.expires;
        let mut count = self.permissions.iter().filter(lasting).count();
        for (index, peer) in peers.iter().enumerate() {
            let before = peers.get(..index).unwrap_or_default();
            let is_new = !self.may_receive_from(now, peer.ip())
                && !before.iter().any(|other| other.ip() == peer.ip());
            count += usize::from(is_new);
        }
        count <= MAX_PERMISSIONS
    }

    /// Gives or renews a permission.
    pub(super) fn permit(&mut self, now: Now, peer: IpAddr) -> Result<(), Refused> {
        let expires = now.after(PERMISSION_LIFE);
        if let Some(held) = self.permissions.iter_mut().find(|held| held.peer == peer) {
            held.expires = expires;
            return Ok(());
        }
        self.permissions.retain(|held| now.micros < held.expires);
        if self.permissions.len() >= MAX_PERMISSIONS {
            return Err(Refused::Full);
        }
        self.permissions.push(Permission { peer, expires });
        Ok(())
    }

    /// Gives or renews a channel, and the permission that goes with it (RFC 8656 section 12.2).
    pub(super) fn bind(&mut self, now: Now, number: u16, peer: SocketAddr) -> Result<(), Refused> {
        self.channels.retain(|held| now.micros < held.expires);
        let is_other =
            |held: &Channel| (held.number == number || held.peer == peer) && !held.is(number, peer);
        if self.channels.iter().any(is_other) {
            return Err(Refused::Bound);
        }
        let known = self.channels.iter().position(|held| held.is(number, peer));
        if known.is_none() && self.channels.len() >= MAX_CHANNELS {
            return Err(Refused::Full);
        }
        self.permit(now, peer.ip())?;
        let expires = now.after(CHANNEL_LIFE);
        match known.and_then(|index| self.channels.get_mut(index)) {
            Some(held) => held.expires = expires,
            None => self.channels.push(Channel {
                number,
                peer,
                expires,
            }),
        }
        Ok(())
    }

    /// Whom a channel leads to.
    pub(super) fn peer_of(&self, now: Now, number: u16) -> Option<SocketAddr> {
        self.channels
            .iter()
            .find(|held| held.number == number && now.micros < held.expires)
            .map(|held| held.peer)
    }

    /// The channel that leads to a peer.
    pub(super) fn channel_of(&self, now: Now, peer: SocketAddr) -> Option<u16> {
        self.channels
            .iter()
            .find(|held| held.peer == peer && now.micros < held.expires)
            .map(|held| held.number)
    }
}

impl Channel {
    fn is(&self, number: u16, peer: SocketAddr) -> bool {
        self.number == number && self.peer == peer
    }
}
