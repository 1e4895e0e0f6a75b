//! Allocate and Refresh (RFC 8656 sections 7 and 8).

use core::time::Duration;
use std::net::{IpAddr, SocketAddr};

use super::allocation::{Allocation, RelayId, State};
use super::authentication::Caller;
use super::ports::Wish;
use super::reply::Reply;
use super::settings::{DEFAULT_LIFETIME, PORT_ATTEMPTS};
use super::{Flow, OpenError, Queued, Server};
use crate::message::address::Family;
use crate::message::{ErrorCode, Message, attribute};
use crate::time::Now;

/// The protocol number of UDP, the only transport of relays (RFC 8656 section 7.2).
const UDP: u8 = 17;

/// What every request of TURN may have and we understand.
const COMMON: [u16; 6] = [
    attribute::USERNAME,
    attribute::REALM,
    attribute::NONCE,
    attribute::MESSAGE_INTEGRITY,
    attribute::MESSAGE_INTEGRITY_SHA256,
    attribute::PASSWORD_ALGORITHM,
];

/// Which attributes of a request must be understood and are not, besides those of `own`.
pub(super) fn unknown<const N: usize>(
    request: &Message<'_>,
    own: [u16; N],
) -> crate::message::Unknown {
    let mut known = [0; 16];
    for (place, kind) in known.iter_mut().zip(COMMON.into_iter().chain(own)) {
        *place = kind;
    }
    request.unknown(&known)
}

/// What an Allocate request wants.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    family: Family,
    wish: Wish,
    token: Option<[u8; 8]>,
    /// A second relay of the other family was asked for, which we do not give.
    additional: bool,
}

impl Wanted {
    /// RFC 8656 section 7.2, points 3 to 8.
    fn of(request: &Message<'_>) -> Result<Wanted, ErrorCode> {
        match request.find(attribute::REQUESTED_TRANSPORT) {
            Some([UDP, _, _, _]) => {}
            Some([_, _, _, _]) => return Err(ErrorCode::UNSUPPORTED_TRANSPORT_PROTOCOL),
            _ => return Err(ErrorCode::BAD_REQUEST),
        }
        let wish = match request.find(attribute::EVEN_PORT) {
            None => Wish::Any,
            Some([bits]) if bits & 0x80 != 0 => Wish::EvenWithNext,
            Some([_]) => Wish::Even,
            Some(_) => return Err(ErrorCode::BAD_REQUEST),
        };
        let token = match request.find(attribute::RESERVATION_TOKEN) {
            None => None,
            Some(token) => Some(token.try_into().map_err(|_| ErrorCode::BAD_REQUEST)?),
        };
        let requested = request.find(attribute::REQUESTED_ADDRESS_FAMILY);
        let additional = request.find(attribute::ADDITIONAL_ADDRESS_FAMILY);
        let conflicts = token.is_some()
            && (wish != Wish::Any || requested.is_some() || additional.is_some())
            || requested.is_some() && additional.is_some()
            || additional.is_some() && wish == Wish::EvenWithNext;
        if conflicts {
            return Err(ErrorCode::BAD_REQUEST);
        }
        if let Some(additional) = additional
            && family(additional)? != Family::V6
        {
            return Err(ErrorCode::BAD_REQUEST);
        }
        Ok(Wanted {
            family: requested.map_or(Ok(Family::V4), family)?,
            wish,
            token,
            additional: additional.is_some(),
        })
    }
}

/// Reads REQUESTED-ADDRESS-FAMILY and its relatives.
fn family(value: &[u8]) -> Result<Family, ErrorCode> {
    let [number, _, _, _] = value else {
        return Err(ErrorCode::BAD_REQUEST);
    };
    Family::from_number(*number).ok_or(ErrorCode::ADDRESS_FAMILY_NOT_SUPPORTED)
}

impl Server {
    /// The lifetime that is given to one that is asked for (RFC 8656 section 7.2).
    fn lifetime(&self, request: &Message<'_>) -> Duration {
        let most = self.settings.max_lifetime.max(DEFAULT_LIFETIME);
        let asked = request.number(attribute::LIFETIME).map(u64::from);
        asked.map_or(DEFAULT_LIFETIME, |seconds| {
            Duration::from_secs(seconds).clamp(DEFAULT_LIFETIME, most)
        })
    }

    pub(super) fn allocate(&mut self, now: Now, request: &Message<'_>, caller: &Caller<'_>) {
        let reply = &caller.reply;
        let known = [
            attribute::REQUESTED_TRANSPORT,
            attribute::LIFETIME,
            attribute::EVEN_PORT,
            attribute::RESERVATION_TOKEN,
            attribute::REQUESTED_ADDRESS_FAMILY,
        ];
        if let Some(id) = self.by_flow.get(&reply.flow).copied() {
            return self.allocate_again(id, caller);
        }
        // DONT-FRAGMENT is among what is not known.
        let unknown = unknown(request, known);
        if !unknown.is_empty() {
            return self.refuse_unknown(reply, unknown.kinds());
        }
        let wanted = match Wanted::of(request) {
            Ok(wanted) => wanted,
            Err(code) => return self.refuse(reply, code),
        };
        if let Err(code) = self.check_quota(caller.user) {
            return self.refuse(reply, code);
        }
        match self.find_port(now, caller, wanted) {
            Ok((bound, relayed)) => {
                let lifetime = self.lifetime(request);
                self.begin(now, caller, wanted, (bound, relayed), lifetime);
            }
            Err(code) => self.refuse(reply, code),
        }
    }

    /// A request on a flow that has an allocation: the same request again gets the same answer.
    fn allocate_again(&mut self, id: RelayId, caller: &Caller<'_>) {
        let Some(held) = self.allocation(id) else {
            return;
        };
        if held.made_by != caller.reply.transaction {
            return self.refuse(&caller.reply, ErrorCode::ALLOCATION_MISMATCH);
        }
        if held.is_open() {
            self.confirm(id, &caller.reply);
        }
    }

    fn check_quota(&self, user: &str) -> Result<(), ErrorCode> {
        let held = self.per_user.get(user).copied().unwrap_or(0);
        if held >= self.settings.max_allocations_per_user {
            return Err(ErrorCode::ALLOCATION_QUOTA_REACHED);
        }
        if self.by_flow.len() >= self.settings.max_allocations {
            return Err(ErrorCode::INSUFFICIENT_CAPACITY);
        }
        Ok(())
    }

    /// Where the relay is bound, and how others see it.
    fn find_port(
        &mut self,
        now: Now,
        caller: &Caller<'_>,
        wanted: Wanted,
    ) -> Result<(SocketAddr, SocketAddr), ErrorCode> {
        let full = ErrorCode::INSUFFICIENT_CAPACITY;
        let flow = &caller.reply.flow;
        if let Some(token) = wanted.token {
            let relayed = self.ports.redeem(now, token, caller.user).ok_or(full)?;
            let ip = self.local_address(flow, Family::of(&relayed));
            let ip = ip.ok_or(ErrorCode::SERVER_ERROR)?;
            return Ok((SocketAddr::new(ip, relayed.port()), relayed));
        }
        let ip = self
            .local_address(flow, wanted.family)
            .ok_or(ErrorCode::ADDRESS_FAMILY_NOT_SUPPORTED)?;
        if wanted.wish == Wish::EvenWithNext && !self.ports.may_reserve(now) {
            return Err(full);
        }
        // What others see must be unique, also where several of our addresses are seen as one.
        let seen = self.seen_as(ip);
        let relayed = self.ports.take(seen, wanted.wish, &mut self.chance);
        let relayed = relayed.ok_or(full)?;
        Ok((SocketAddr::new(ip, relayed.port()), relayed))
    }

    /// The address of this machine that a relay uses: the one that the client uses, where it is of
    /// the family.
    fn local_address(&self, flow: &Flow, family: Family) -> Option<IpAddr> {
        let fits = |ip: &IpAddr| ip.is_ipv4() == (family == Family::V4);
        let is_usable = |ip: &IpAddr| {
            let is_link_local = match ip {
                IpAddr::V4(ip) => ip.is_link_local(),
                IpAddr::V6(ip) => ip.is_unicast_link_local(),
            };
            fits(ip) && !ip.is_unspecified() && !is_link_local
        };
        let local = flow.local.ip().to_canonical();
        let mut others = self.settings.addresses.iter().copied();
        Some(local)
            .filter(is_usable)
            .or_else(|| others.find(is_usable))
    }

    /// How others see an address of this machine.
    fn seen_as(&self, ip: IpAddr) -> IpAddr {
        let advertised = self
            .settings
            .advertised
            .filter(|advertised| advertised.is_ipv4() == ip.is_ipv4() && !ip.is_loopback());
        advertised.unwrap_or(ip)
    }

    fn begin(
        &mut self,
        now: Now,
        caller: &Caller<'_>,
        wanted: Wanted,
        addresses: (SocketAddr, SocketAddr),
        lifetime: Duration,
    ) {
        let index = self.free.pop().unwrap_or_else(|| {
            self.allocations.push(None);
            self.allocations.len() as u32 - 1
        });
        let id = RelayId {
            index,
            generation: self.next_generation,
        };
        self.next_generation = self.next_generation.wrapping_add(1) & (u32::MAX >> 1);
        let reply = caller.reply.clone();
        let expires = now.after(lifetime);
        self.by_flow.insert(reply.flow, id);
        self.by_relayed.insert(addresses.1, id);
        self.deadlines.insert((expires, id));
        *self.per_user.entry(caller.user.into()).or_insert(0) += 1;
        let lifetime_seconds = lifetime.as_secs() as u32;
        let mut allocation = Allocation::new(
            id,
            reply.flow,
            caller.user.into(),
            reply,
            addresses,
            expires,
            lifetime_seconds,
        );
        allocation.wish = wanted.wish;
        allocation.additional = wanted.additional;
        if let Some(place) = self.allocations.get_mut(index as usize) {
            *place = Some(allocation);
        }
        self.queue.push_back(Queued::Open(id, addresses.0));
    }

    /// The socket of a relay is open, or cannot be opened.
    pub(super) fn opened(&mut self, now: Now, id: RelayId, result: Result<(), OpenError>) {
        let Some(held) = self.allocation_mut(id) else {
            return;
        };
        let State::Opening { attempts, .. } = &mut held.state else {
            return;
        };
        let may_try_again = *attempts < PORT_ATTEMPTS;
        *attempts += 1;
        match result {
            Ok(()) => self.become_open(now, id),
            Err(OpenError::InUse) if may_try_again => self.try_another_port(id),
            Err(_) => self.give_up(id, ErrorCode::INSUFFICIENT_CAPACITY),
        }
    }

    fn become_open(&mut self, now: Now, id: RelayId) {
        let Some(held) = self.allocation(id) else {
            return;
        };
        if held.wish == Wish::EvenWithNext {
            let (relayed, user) = (held.relayed, held.user.clone());
            let token = self
                .ports
                .reserve_next(now, relayed, &user, &mut self.chance);
            let Some(token) = token else {
                return self.give_up(id, ErrorCode::INSUFFICIENT_CAPACITY);
            };
            if let Some(held) = self.allocation_mut(id) {
                held.token = Some(token);
            }
        }
        let Some(held) = self.allocation_mut(id) else {
            return;
        };
        if let State::Opening { reply, .. } = core::mem::replace(&mut held.state, State::Open) {
            self.figures.allocated += 1;
            self.confirm(id, &reply);
        }
    }

    fn try_another_port(&mut self, id: RelayId) {
        let Some(held) = self.allocation(id) else {
            return;
        };
        let (ip, before, wish) = (held.bound.ip(), held.relayed, held.wish);
        // The port that somebody else has stays taken until another one is found.
        let next = self.ports.take(before.ip(), wish, &mut self.chance);
        self.ports.give_back(before);
        let Some(relayed) = next else {
            return self.give_up(id, ErrorCode::INSUFFICIENT_CAPACITY);
        };
        let bound = SocketAddr::new(ip, relayed.port());
        self.by_relayed.remove(&before);
        self.by_relayed.insert(relayed, id);
        if let Some(held) = self.allocation_mut(id) {
            held.bound = bound;
            held.relayed = relayed;
        }
        self.queue.push_back(Queued::Open(id, bound));
    }

    fn give_up(&mut self, id: RelayId, code: ErrorCode) {
        let state = self.allocation_mut(id).map(|held| &mut held.state);
        let Some(State::Opening { reply, .. }) = state else {
            return;
        };
        let reply = reply.clone();
        self.end(id);
        self.refuse(&reply, code);
    }

    /// Answers that there is an allocation (RFC 8656 section 7.2).
    fn confirm(&mut self, id: RelayId, reply: &Reply) {
        let Some(held) = self.allocation(id) else {
            return;
        };
        let (relayed, remote) = (held.relayed, held.flow.remote);
        let (lifetime, token) = (held.first_lifetime_seconds, held.token);
        let additional = held.additional;
        self.succeed(reply, |answer| {
            let mut answer = answer
                .masked_address(attribute::XOR_RELAYED_ADDRESS, relayed)
                .number(attribute::LIFETIME, lifetime)
                .masked_address(attribute::XOR_MAPPED_ADDRESS, remote);
            if let Some(token) = token {
                answer = answer.attribute(attribute::RESERVATION_TOKEN, &token);
            }
            if additional {
                answer = answer.address_error(Family::V6, ErrorCode::ADDRESS_FAMILY_NOT_SUPPORTED);
            }
            answer
        });
    }

    /// The allocation of a request's flow, if it is the caller's.
    pub(super) fn own_allocation(&self, caller: &Caller<'_>) -> Result<RelayId, ErrorCode> {
        let held = self
            .by_flow
            .get(&caller.reply.flow)
            .and_then(|id| self.allocation(*id))
            .filter(|held| held.is_open())
            .ok_or(ErrorCode::ALLOCATION_MISMATCH)?;
        if *held.user == *caller.user {
            Ok(held.id)
        } else {
            Err(ErrorCode::WRONG_CREDENTIALS)
        }
    }

    pub(super) fn refresh(&mut self, now: Now, request: &Message<'_>, caller: &Caller<'_>) {
        let reply = &caller.reply;
        let known = [attribute::LIFETIME, attribute::REQUESTED_ADDRESS_FAMILY];
        let unknown = unknown(request, known);
        if !unknown.is_empty() {
            return self.refuse_unknown(reply, unknown.kinds());
        }
        let id = match self.own_allocation(caller) {
            Ok(id) => id,
            Err(code) => return self.refuse(reply, code),
        };
        if let Some(value) = request.find(attribute::REQUESTED_ADDRESS_FAMILY) {
            let held = self.allocation(id).map(Allocation::family);
            match family(value) {
                Ok(family) if Some(family) == held => {}
                Ok(_) | Err(ErrorCode::ADDRESS_FAMILY_NOT_SUPPORTED) => {
                    return self.refuse(reply, ErrorCode::PEER_ADDRESS_FAMILY_MISMATCH);
                }
                Err(code) => return self.refuse(reply, code),
            }
        }
        let lifetime = match request.number(attribute::LIFETIME) {
            Some(0) => Duration::ZERO,
            _ => self.lifetime(request),
        };
        if lifetime.is_zero() {
            self.end(id);
        } else if let Some(held) = self.allocation_mut(id) {
            let before = (held.expires, id);
            held.expires = now.after(lifetime);
            let after = (held.expires, id);
            self.deadlines.remove(&before);
            self.deadlines.insert(after);
        }
        self.succeed(reply, |answer| {
            answer.number(attribute::LIFETIME, lifetime.as_secs() as u32)
        });
    }
}
