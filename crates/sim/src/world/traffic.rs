//! Media, packet by packet now and then: who sends, whether the plane lets it pass, and whether the
//! right one hears it. Here it shows that no leg outlives its peer.

use std::net::SocketAddr;

use core::time::Duration;

use fernamt_exchange::interface::Input;
use fernamt_exchange::media::Protection;
use fernamt_sip::time::Time;

use super::event::{Event, at_port};
use super::media::Passage;
use super::wire::name;
use super::{EXCHANGE, Sabotage, World};
use crate::phone::{Phone, PhoneCall, Stage, base64};

/// How often a packet stands for all of them.
const INTERVAL: Duration = Duration::from_secs(2);

/// How long a phone goes on sending after the end, to see whether anything still passes.
const GHOST: Duration = Duration::from_secs(9);

/// How long it may take until both sides have the same idea, where nothing gets lost.
const MARGIN_FAIR: Duration = Duration::from_secs(8);

/// And where messages get lost: an INVITE is repeated after up to 16 seconds.
const MARGIN_FOUL: Duration = Duration::from_secs(40);

/// How long one side may go on after the end of the other where nothing gets lost.
const OUTLIVES_FAIR: Duration = Duration::from_secs(45);

/// Beyond a session interval, where messages get lost.
const OUTLIVES_FOUL: Duration = Duration::from_secs(200);

/// A call of a phone.
type CallName = (usize, usize);

impl World {
    /// Begins to look at media, when there is a call.
    pub(super) fn start_traffic(&mut self) {
        if !self.ticking && self.has_media() {
            self.ticking = true;
            self.queue.push(self.now.time + INTERVAL, Event::Traffic);
        }
    }

    fn has_media(&self) -> bool {
        let now = self.now.time;
        let going = |call: &PhoneCall| match call.ended_at {
            Some(ended) => now.since(ended) < GHOST,
            None => true,
        };
        self.phones
            .iter()
            .filter(|phone| !phone.gone)
            .any(|phone| phone.calls.iter().any(going))
    }

    /// Every phone that is in a call, or was a moment ago, sends a packet.
    pub(super) fn traffic(&mut self) {
        self.ticking = false;
        for phone in 0..self.phones.len() {
            for call in 0..self.phones[phone].calls.len() {
                if !self.phones[phone].gone {
                    self.packet_of((phone, call));
                    self.check_peer_is_there((phone, call));
                    self.check_caller_is_answered((phone, call));
                }
            }
        }
        for (shard, event) in self.media.silent(self.now.time) {
            self.trace(|| format!("media: {event:?}"));
            self.give(shard, Input::Media(event));
        }
        self.start_traffic();
    }

    fn call(&self, (phone, call): CallName) -> Option<(&Phone, &PhoneCall)> {
        let phone = self.phones.get(phone)?;
        Some((phone, phone.calls.get(call)?))
    }

    fn packet_of(&mut self, name_of: CallName) {
        let now = self.now.time;
        let Some((phone, call)) = self.call(name_of) else {
            return;
        };
        let Some(negotiated) = &call.negotiated else {
            return;
        };
        let is_ghost = call.stage == Stage::Over;
        // A phone that is in another call has stopped, or its old stream would be taken for the new.
        let is_busy = phone.calls.iter().any(PhoneCall::is_up);
        let is_over = call.ended_at.is_none_or(|ended| now.since(ended) > GHOST);
        if is_ghost && (is_over || is_busy) {
            return;
        }
        if !is_ghost && !negotiated.direction.sends() {
            return;
        }
        if self.network.is_cut_off(now, name_of.0) {
            return;
        }
        let from = at_port(phone.public, call.sdp.local().port());
        let to = negotiated.remote;
        let exchange: SocketAddr = EXCHANGE.parse().expect("an address");
        if to.ip() != exchange.ip() {
            return self.direct_packet(name_of, to);
        }
        let ends = self.observer.released_at(to).unwrap_or_default();
        let forgotten = ends.iter().any(|end| self.is_release_forgotten(*end));
        let released = !ends.is_empty() && !forgotten;
        let passage = self.media.packet(now, from, to);
        match passage {
            Passage::To(_) if released => {
                self.breach(format!("media flow after the release, to {to}"));
            }
            Passage::To(heard) => {
                self.check_protection(name_of, to, heard);
                let crossed = self.options.sabotage == Some(Sabotage::CrossWires);
                let port = heard.port() + if crossed { 2 } else { 0 };
                self.heard(name_of, SocketAddr::new(heard.ip(), port));
            }
            Passage::NoEndpoint | Passage::Dropped(_) => {
                if let Some(peer) = self.must_hear(name_of) {
                    let (a, b) = (name_of, peer);
                    self.breach(format!(
                        "{a:?} is not heard by {b:?}: the packet from {from} to {to} has {passage:?}"
                    ));
                }
            }
        }
    }

    /// A packet passes: on a leg that must be encrypted it may not be in clear, and in calm weather
    /// both sides of a leg have the same keys.
    fn check_protection(&mut self, name: CallName, to: SocketAddr, heard: SocketAddr) {
        let Some((phone, call)) = self.call(name) else {
            return;
        };
        let kind = phone.plan.media;
        let coming = self.media.protection_at(to);
        let in_clear = coming == Some(&Protection::None);
        let is_calm = call.is_up() && call.is_calm() && self.is_calm_for(name);
        let wrong_key = match coming {
            Some(Protection::Sdes(keys)) if is_calm => {
                base64(&keys.theirs.key_and_salt) != call.keys.own
                    || call.keys.theirs.as_deref() != Some(&base64(&keys.ours.key_and_salt))
            }
            _ => false,
        };
        let heard_by = self.owner_of(heard).and_then(|owner| self.call(owner));
        let strict = heard_by.is_some_and(|(phone, _)| phone.plan.media.is_strict());
        let going = self.media.protection_behind(to);
        let leaves_in_clear = strict && going == Some(&Protection::None);
        if kind.is_strict() && in_clear {
            self.breach(format!("{name:?} must be encrypted and is heard in clear"));
        }
        if wrong_key {
            self.breach(format!("{name:?} and the exchange have different keys"));
        }
        if leaves_in_clear {
            self.breach(format!("what {name:?} says goes out in clear to {heard}"));
        }
    }

    fn direct_packet(&mut self, from: CallName, to: SocketAddr) {
        let owner = self.owner_of(to);
        let peer = self.call(from).and_then(|(_, call)| call.peer);
        let answered = self.call(from).is_some_and(|(_, call)| call.is_up());
        if answered && owner.is_some() && owner != peer {
            self.breach(format!(
                "{from:?} sends directly to {owner:?} and talks to {peer:?}"
            ));
        }
    }

    /// The call whose media port this is.
    fn owner_of(&self, address: SocketAddr) -> Option<CallName> {
        self.phones.iter().find_map(|phone| {
            let is_its = |call: &PhoneCall| {
                let port = call.sdp.local().port();
                at_port(phone.public, port) == address || at_port(phone.address, port) == address
            };
            Some((phone.index, phone.calls.iter().position(is_its)?))
        })
    }

    /// A packet comes out of the media plane.
    fn heard(&mut self, from: CallName, heard: SocketAddr) {
        let Some(owner) = self.owner_of(heard) else {
            return;
        };
        let Some((_, call)) = self.call(from) else {
            return;
        };
        let peer = call.peer;
        let is_echo = owner == from && peer.is_none();
        // A phone that was heard before the answer may have left since, and another one answered.
        let is_there = peer
            .and_then(|peer| self.call(peer))
            .is_some_and(|(_, it)| it.is_up());
        if is_there && peer != Some(owner) && call.is_calm() && self.is_calm_for(from) {
            return self.breach(format!(
                "{from:?} talks to {peer:?} and is heard by {owner:?}"
            ));
        }
        if is_echo || peer == Some(owner) {
            self.report.counts.packets += 1;
        }
    }

    /// The call that must hear this one now; `None` when something is going on.
    fn must_hear(&self, from: CallName) -> Option<CallName> {
        let (_, call) = self.call(from)?;
        let peer = call.peer?;
        let (_, other) = self.call(peer)?;
        let mutual = other.peer == Some(from);
        let calm = self.is_calm_for(from) && self.is_calm_for(peer);
        let receives = other
            .negotiated
            .as_ref()
            .is_some_and(|it| it.direction.receives());
        (mutual && calm && receives).then_some(peer)
    }

    /// Whether nothing has happened for long enough that both sides must have the same idea.
    fn is_calm_for(&self, name_of: CallName) -> bool {
        let Some((phone, call)) = self.call(name_of) else {
            return false;
        };
        let margin = match self.is_fair() {
            true => MARGIN_FAIR,
            false => MARGIN_FOUL,
        };
        let now = self.now.time;
        let leg = self.observer.legs.get(&call.call_id);
        let quiet = |at: Time| now.since(at) > margin;
        call.is_calm()
            && !call.moved
            && !phone.gone
            && !self.network.was_cut_off(phone.index)
            && !self.shards.is_empty()
            && !self.media.full
            && quiet(call.changed_at)
            && quiet(self.started_at)
            && leg.is_some_and(|leg| leg.over_at.is_none() && quiet(leg.last_at))
    }

    /// No leg outlives its peer by more than a bound.
    fn check_peer_is_there(&mut self, name_of: CallName) {
        let Some((phone, call)) = self.call(name_of) else {
            return;
        };
        let Some(peer) = call.peer.filter(|_| call.stage == Stage::Talking) else {
            return;
        };
        let Some((_, other)) = self.call(peer) else {
            return;
        };
        // Who only rang, and was heard before somebody else answered, is no peer.
        if other.stage == Stage::Over && other.established_at.is_none() {
            return;
        }
        let ended = match (other.ended_at, self.gone_at.get(&peer.0)) {
            (Some(ended), Some(gone)) => Some(ended.min(*gone)),
            (ended, gone) => ended.or(gone.copied()),
        };
        let Some(ended) = ended else { return };
        let bound = match self.is_fair() {
            true => OUTLIVES_FAIR,
            false => OUTLIVES_FOUL + Duration::from_secs(self.scenario.session_seconds.max(1800)),
        };
        let since = self.now.time.since(ended);
        if since > bound && since < bound + INTERVAL + INTERVAL {
            let who = name(phone);
            self.breach(format!(
                "{who} {name_of:?} is still in a call with {peer:?}, gone since {ended}"
            ));
        }
    }

    /// An INVITE gets its final response in time.
    fn check_caller_is_answered(&mut self, name_of: CallName) {
        let Some((phone, call)) = self.call(name_of) else {
            return;
        };
        if call.stage != Stage::Calling || call.given_up_at.is_some() || !self.is_fair() {
            return;
        }
        // Each of a few groups of bindings may be tried until the ringing is over.
        let bound = Duration::from_secs(self.scenario.ring_seconds + 60);
        let since = self.now.time.since(call.begun_at);
        if since > bound && since < bound + INTERVAL + INTERVAL {
            let who = name(phone);
            self.breach(format!(
                "{who} {name_of:?} is calling and has no final response"
            ));
        }
    }
}
