//! What is between the two sides of a call: which media endpoints face whom, and how a session
//! description of one side reads for the other. It gives orders to the media plane and sees no
//! packet.

mod bundle;
mod connect;
mod direct;
mod ends;
mod expect;
mod first_version;
mod make;
mod protection;
mod reach;
mod read;
mod second_version;
mod settle;
mod trickle;
mod way;
mod words;
mod write;

use std::net::SocketAddr;

use fernamt_sdp::{SessionDescription, TransportError};
use fernamt_sip::transport::Flow;
use serde::{Deserialize, Serialize};

use crate::encryption::Policy;
use crate::interface::Output;
use crate::leg::CallSlot;
use crate::media::{self, EndpointId, MediaPort, Rollovers, SrtpKeys};
use crate::stack::Stack;
use ends::{End, Ends};
use words::Cover;

pub(super) use direct::{check_direct, names_keys};
pub(super) use first_version::FirstBridge;
pub(super) use reach::{Prospect, Reach};
pub(super) use second_version::SecondBridge;
pub(super) use trickle::TRICKLE_FRAGMENT;
pub(super) use words::{cipher_in_words, in_words};

/// A side of the call. Every called leg has endpoints of its own, so that no two phones are given
/// the same keys; when one has answered there is one called side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Side {
    /// The calling side.
    Caller,
    /// The side of the called leg with this number.
    Callee(u8),
}

impl Side {
    /// Who is there, for people.
    pub(super) const fn in_words(self) -> &'static str {
        match self {
            Side::Caller => "caller",
            Side::Callee(_) => "called party",
        }
    }
}

/// The media of a call.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Bridge {
    /// The media flow between the phones and not through us.
    direct: bool,
    caller: Ends,
    callee: Vec<Ends>,
    /// Endpoints that are to be closed and have not reported it.
    closing: Vec<(EndpointId, Side)>,
    /// What protects each of the streams between the phones; after a restart it is found out anew.
    #[serde(skip)]
    between: Option<Vec<Cover>>,
    /// What was last offered between the phones.
    #[serde(skip)]
    direct_offer: Option<Prospect>,
}

/// A description that cannot be carried to the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CannotCarry {
    /// It is no session description.
    Malformed,
    /// None of its sections is something that we relay.
    NothingToRelay,
    /// None of its sections is protected in a way that both it and we want.
    Transport(TransportError),
    /// Between the phones its keys, or those of its answer, would leave a protected signalling path for
    /// one that is not.
    ExposesKeys,
}

impl Bridge {
    pub(super) fn new(flow: &Flow, policy: Policy, stack: &mut Stack) -> Bridge {
        Bridge {
            direct: false,
            caller: Ends::new(flow, policy, stack),
            callee: Vec::new(),
            closing: Vec::new(),
            between: None,
            direct_offer: None,
        }
    }

    /// Whether the media flow between the phones and not through us.
    pub(super) fn is_direct(&self) -> bool {
        self.direct
    }

    /// The side of a called leg; made when there is none yet.
    pub(super) fn callee_side(
        &mut self,
        stack: &mut Stack,
        leg: u8,
        flow: &Flow,
        policy: Policy,
    ) -> Side {
        let side = Side::Callee(leg);
        match self.ends_mut(side) {
            Some(ends) if ends.local == flow.local.ip() || ends.has_endpoints() => {}
            Some(ends) => ends.local = flow.local.ip(),
            None => {
                let mut ends = Ends::new(flow, policy, stack);
                ends.leg = leg;
                self.callee.push(ends);
            }
        }
        side
    }

    /// All called sides.
    pub(super) fn callee_sides(&self) -> Vec<Side> {
        let sides = self.callee.iter().map(|ends| Side::Callee(ends.leg));
        sides.collect()
    }

    /// The called side, where there is one only.
    pub(super) fn callee(&self) -> Option<Side> {
        self.callee.first().map(|ends| Side::Callee(ends.leg))
    }

    /// Somebody has answered: only this called side remains.
    pub(super) fn choose(&mut self, stack: &mut Stack, side: Side) {
        let others = self.callee_sides().into_iter();
        for other in others.filter(|other| *other != side) {
            self.drop_callee(stack, other);
        }
    }

    /// A called party will not answer: from here on it is not heard, and hears nothing.
    pub(super) fn drop_callee(&mut self, stack: &mut Stack, side: Side) {
        let Side::Callee(leg) = side else { return };
        let Some(index) = self.callee.iter().position(|ends| ends.leg == leg) else {
            return;
        };
        let ends = self.callee.swap_remove(index);
        self.between = None;
        self.close_ends(stack, ends.ends, side);
    }

    /// After a restart legs are numbered anew.
    pub(super) fn number_callee(&mut self, leg: u8) {
        if let Some(ends) = self.callee.first_mut() {
            ends.leg = leg;
        }
    }

    fn ends(&self, side: Side) -> Option<&Ends> {
        match side {
            Side::Caller => Some(&self.caller),
            Side::Callee(leg) => self.callee.iter().find(|ends| ends.leg == leg),
        }
    }

    fn ends_mut(&mut self, side: Side) -> Option<&mut Ends> {
        match side {
            Side::Caller => Some(&mut self.caller),
            Side::Callee(leg) => self.callee.iter_mut().find(|ends| ends.leg == leg),
        }
    }

    fn all(&self) -> impl Iterator<Item = &Ends> {
        std::iter::once(&self.caller).chain(&self.callee)
    }

    fn all_mut(&mut self) -> impl Iterator<Item = &mut Ends> {
        std::iter::once(&mut self.caller).chain(&mut self.callee)
    }

    /// What is wished of the media of a side.
    pub(super) fn policy(&self, side: Side) -> Option<Policy> {
        self.ends(side).map(|ends| ends.policy)
    }

    /// The party of this side is offered ICE, whatever else it is offered.
    pub(super) fn offer_ice(&mut self, side: Side) {
        if let Some(ends) = self.ends_mut(side) {
            ends.policy.ice = true;
        }
    }

    /// The party of this side has refused what was offered: the next offer is another one, of which
    /// this is what it wishes.
    pub(super) fn offer_otherwise(&mut self, side: Side) -> Option<Policy> {
        let ends = self.ends_mut(side)?;
        ends.policy = ends.policy.after_refusal()?;
        for end in ends.ends.iter_mut().flatten() {
            end.offered = None;
        }
        Some(ends.policy)
    }

    /// Orders the endpoints that `description` of the party of `from` needs on all sides and that
    /// are not there yet. True: there is nothing to wait for.
    pub(super) fn prepare(
        &mut self,
        stack: &mut Stack,
        call: CallSlot,
        from: Side,
        description: &[u8],
    ) -> Result<bool, CannotCarry> {
        let parsed = SessionDescription::parse(description).map_err(|_| CannotCarry::Malformed)?;
        if self.direct {
            return self.check_direct_offer(&parsed).map(|()| true);
        }
        let wanted = self.wanted(stack, from, &parsed)?;
        let sides: Vec<Side> = std::iter::once(Side::Caller)
            .chain(self.callee_sides())
            .collect();
        for (section, wanted) in wanted.into_iter().enumerate() {
            for side in sides.iter().filter(|_| wanted) {
                self.open(stack, call, *side, section);
            }
        }
        Ok(self.is_ready())
    }

    fn open(&mut self, stack: &mut Stack, call: CallSlot, side: Side, section: usize) {
        let Some(ends) = self.ends_mut(side) else {
            return;
        };
        if ends.ends.len() <= section {
            ends.ends.resize_with(section + 1, || None);
        }
        let local = ends.local;
        let Some(place @ None) = ends.ends.get_mut(section) else {
            return;
        };
        let id = stack.new_endpoint(call);
        *place = Some(End::new(id));
        let order = media::Command::Open {
            endpoint: id,
            local,
            port: None,
        };
        stack.outputs.push_back(Output::Media(order));
    }

    /// The plane has opened an endpoint. True: it was the last that was waited for.
    pub(super) fn opened(&mut self, endpoint: EndpointId, rtp: SocketAddr) -> bool {
        let Some(end) = self.end_mut(endpoint) else {
            return false;
        };
        end.rtp = Some(rtp);
        end.opening = false;
        self.is_ready()
    }

    /// Whether no endpoint is waited for.
    pub(super) fn is_ready(&self) -> bool {
        let mut ends = self.all().flat_map(|ends| ends.ends.iter().flatten());
        ends.all(|end| !end.opening)
    }

    /// The plane could not open an endpoint.
    pub(super) fn refused(&mut self, stack: &mut Stack, endpoint: EndpointId) {
        stack.endpoints.remove(&endpoint);
        self.closing.retain(|(id, _)| *id != endpoint);
        for place in self.all_mut().flat_map(|ends| &mut ends.ends) {
            place.take_if(|end| end.id == endpoint);
        }
    }

    fn end_mut(&mut self, endpoint: EndpointId) -> Option<&mut End> {
        self.all_mut()
            .flat_map(|ends| ends.ends.iter_mut().flatten())
            .find(|end| end.id == endpoint)
    }

    /// The side that an endpoint faces, also while it is being closed.
    pub(super) fn side_of(&self, endpoint: EndpointId) -> Option<Side> {
        let faces = |ends: &Ends| ends.ends.iter().flatten().any(|end| end.id == endpoint);
        if faces(&self.caller) {
            return Some(Side::Caller);
        }
        if let Some(ends) = self.callee.iter().find(|ends| faces(ends)) {
            return Some(Side::Callee(ends.leg));
        }
        self.closing
            .iter()
            .find(|(id, _)| *id == endpoint)
            .map(|(_, side)| *side)
    }

    /// The first endpoint of a side and where it listens.
    pub(super) fn first_open(&self, side: Side) -> Option<(EndpointId, SocketAddr)> {
        let ends = self.ends(side)?;
        ends.ends
            .iter()
            .flatten()
            .find_map(|end| Some((end.id, end.rtp?)))
    }

    /// The signalling of a side takes this way now.
    pub(super) fn follow_signalling(&mut self, side: Side, flow: &Flow) {
        if let Some(ends) = self.ends_mut(side) {
            ends.signalling = flow.remote.ip();
            ends.policy.signalling = flow.transport;
        }
    }

    /// The keys of a handshake on the media path. False: there is no such endpoint any more.
    pub(super) fn secured(
        &mut self,
        endpoint: EndpointId,
        port: MediaPort,
        keys: SrtpKeys,
    ) -> bool {
        let Some(end) = self.end_mut(endpoint) else {
            return false;
        };
        match port {
            MediaPort::Rtp => end.established = Some(keys),
            MediaPort::Rtcp => end.established_rtcp = Some(keys),
        }
        true
    }

    /// How far protected streams have come. False: there is no such endpoint any more.
    pub(super) fn rolled_over(&mut self, endpoint: EndpointId, rollovers: Rollovers) -> bool {
        match self.end_mut(endpoint) {
            Some(end) => {
                end.rollovers = rollovers;
                true
            }
            None => false,
        }
    }

    /// Closes everything: from here on not one packet flows.
    pub(super) fn close(&mut self, stack: &mut Stack) {
        let caller = std::mem::take(&mut self.caller.ends);
        self.close_ends(stack, caller, Side::Caller);
        for ends in std::mem::take(&mut self.callee) {
            self.close_ends(stack, ends.ends, Side::Callee(ends.leg));
        }
    }

    fn close_ends(&mut self, stack: &mut Stack, ends: Vec<Option<End>>, side: Side) {
        for end in ends.into_iter().flatten() {
            self.closing.push((end.id, side));
            let order = media::Command::Close { endpoint: end.id };
            stack.outputs.push_back(Output::Media(order));
        }
    }

    /// The plane has closed an endpoint.
    pub(super) fn closed(&mut self, stack: &mut Stack, endpoint: EndpointId) {
        stack.endpoints.remove(&endpoint);
        self.closing.retain(|(id, _)| *id != endpoint);
    }

    /// Whether everything is closed and has reported it.
    pub(super) fn is_closed(&self) -> bool {
        self.closing.is_empty() && !self.all().any(Ends::has_endpoints)
    }

    /// Opens everything again on the same ports under new names, after a restart.
    pub(super) fn reopen(&mut self, stack: &mut Stack, call: CallSlot) {
        self.closing.clear();
        for ends in self.all_mut() {
            for place in &mut ends.ends {
                let Some(end) = place else { continue };
                let Some(rtp) = end.rtp else {
                    *place = None;
                    continue;
                };
                end.id = stack.new_endpoint(call);
                end.begin_again();
                let order = media::Command::Open {
                    endpoint: end.id,
                    local: ends.local,
                    port: Some(rtp.port()),
                };
                stack.outputs.push_back(Output::Media(order));
            }
        }
    }
}
