//! What is between the two sides of a call: which media endpoints face whom, and how a session
//! description of one side reads for the other. It gives orders to the media plane and sees no
//! packet.

use std::net::{IpAddr, SocketAddr};

use fernamt_sdp::{MediaRewrite, RtcpRewrite, SessionDescription, SessionState};
use serde::{Deserialize, Serialize};

use crate::interface::Output;
use crate::leg::Description;
use crate::media::{self, EndpointId, Remote, Statistics};
use crate::stack::Stack;

/// A side of the call. Called legs that are reached from different local addresses while it rings
/// have endpoints of their own; when one has answered there is one called side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Side {
    /// The calling side.
    Caller,
    /// A called side.
    Callee(u8),
}

/// The media of a call.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Bridge {
    /// The media flow between the phones and not through us.
    direct: bool,
    caller: Ends,
    callee: Vec<Ends>,
    /// Endpoints ordered and not yet open.
    opening: u16,
    /// Endpoints that are to be closed and have not reported it.
    closing: Vec<(EndpointId, Side)>,
}

/// The endpoints that face one side, one for each media section.
#[derive(Debug, Serialize, Deserialize)]
struct Ends {
    /// Our address on the path to this side.
    local: IpAddr,
    /// Where the signalling of this side comes from.
    signalling: IpAddr,
    session: SessionState,
    ends: Vec<Option<End>>,
}

#[derive(Debug, Serialize, Deserialize)]
struct End {
    id: EndpointId,
    /// Where it listens; not known before it is open.
    rtp: Option<SocketAddr>,
    /// What the party has said of itself, and the other side has agreed to.
    remote: Option<Remote>,
    /// What it has said and the other side has not agreed to yet.
    proposed: Option<Remote>,
}

impl End {
    /// The other side agrees to what was proposed. False: nothing was.
    fn agree(&mut self) -> bool {
        match self.proposed.take() {
            Some(proposed) => {
                self.remote = Some(proposed);
                true
            }
            None => false,
        }
    }
}

/// A description that cannot be carried to the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CannotCarry {
    /// It is no session description.
    Malformed,
    /// None of its sections is something that we relay.
    NothingToRelay,
}

impl Ends {
    fn new(local: IpAddr, signalling: IpAddr, stack: &mut Stack) -> Ends {
        let session = SessionState::new(stack.random_u64());
        Ends {
            local,
            signalling,
            session,
            ends: Vec::new(),
        }
    }

    fn get(&self, section: usize) -> Option<&End> {
        self.ends.get(section)?.as_ref()
    }
}

impl Bridge {
    pub(super) fn new(local: IpAddr, signalling: IpAddr, stack: &mut Stack) -> Bridge {
        Bridge {
            direct: false,
            caller: Ends::new(local, signalling, stack),
            callee: Vec::new(),
            opening: 0,
            closing: Vec::new(),
        }
    }

    /// From now on the media flow between the phones themselves.
    pub(super) fn set_direct(&mut self) {
        self.direct = true;
    }

    /// The called side that is reached from `local`; made when there is none yet.
    pub(super) fn callee_side(
        &mut self,
        stack: &mut Stack,
        local: IpAddr,
        signalling: IpAddr,
    ) -> Side {
        let found = self.callee.iter().position(|ends| ends.local == local);
        let index = found.unwrap_or_else(|| {
            self.callee.push(Ends::new(local, signalling, stack));
            self.callee.len() - 1
        });
        Side::Callee(u8::try_from(index).unwrap_or(u8::MAX))
    }

    /// All called sides.
    pub(super) fn callee_sides(&self) -> impl Iterator<Item = Side> + use<> {
        (0..self.callee.len()).map(|index| Side::Callee(u8::try_from(index).unwrap_or(u8::MAX)))
    }

    /// Somebody has answered: only this called side remains, and its media come from where its
    /// signalling comes from.
    pub(super) fn choose(&mut self, stack: &mut Stack, side: Side, signalling: IpAddr) {
        let Side::Callee(chosen) = side else { return };
        let mut kept = None;
        for (index, ends) in std::mem::take(&mut self.callee).into_iter().enumerate() {
            if index == usize::from(chosen) {
                kept = Some(ends);
            } else {
                self.close_ends(stack, ends.ends, Side::Callee(0));
            }
        }
        if let Some(mut ends) = kept {
            ends.signalling = signalling;
            self.callee.push(ends);
        }
    }

    fn ends(&self, side: Side) -> Option<&Ends> {
        match side {
            Side::Caller => Some(&self.caller),
            Side::Callee(index) => self.callee.get(usize::from(index)),
        }
    }

    fn ends_mut(&mut self, side: Side) -> Option<&mut Ends> {
        match side {
            Side::Caller => Some(&mut self.caller),
            Side::Callee(index) => self.callee.get_mut(usize::from(index)),
        }
    }

    /// Orders the endpoints that `description` needs on all sides and that are not there yet. True:
    /// there is nothing to wait for.
    pub(super) fn prepare(
        &mut self,
        stack: &mut Stack,
        call: crate::leg::CallSlot,
        description: &[u8],
    ) -> Result<bool, CannotCarry> {
        let parsed = SessionDescription::parse(description).map_err(|_| CannotCarry::Malformed)?;
        if self.direct {
            return Ok(true);
        }
        if !parsed.media().is_empty() && !parsed.media().iter().any(is_relayed) {
            return Err(CannotCarry::NothingToRelay);
        }
        for (section, media) in parsed.media().iter().enumerate() {
            if is_relayed(media) {
                self.open(stack, call, Side::Caller, section);
                for side in self.callee_sides() {
                    self.open(stack, call, side, section);
                }
            }
        }
        Ok(self.opening == 0)
    }

    fn open(&mut self, stack: &mut Stack, call: crate::leg::CallSlot, side: Side, section: usize) {
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
        *place = Some(End {
            id,
            rtp: None,
            remote: None,
            proposed: None,
        });
        self.opening += 1;
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
        self.opening = self.opening.saturating_sub(1);
        self.opening == 0
    }

    /// Whether no endpoint is waited for.
    pub(super) fn is_ready(&self) -> bool {
        self.opening == 0
    }

    /// The plane could not open an endpoint.
    pub(super) fn refused(&mut self, stack: &mut Stack, endpoint: EndpointId) {
        stack.endpoints.remove(&endpoint);
        self.closing.retain(|(id, _)| *id != endpoint);
        for ends in std::iter::once(&mut self.caller).chain(&mut self.callee) {
            for place in &mut ends.ends {
                if place.as_ref().is_some_and(|end| end.id == endpoint) {
                    *place = None;
                    self.opening = self.opening.saturating_sub(1);
                }
            }
        }
    }

    fn end_mut(&mut self, endpoint: EndpointId) -> Option<&mut End> {
        std::iter::once(&mut self.caller)
            .chain(&mut self.callee)
            .flat_map(|ends| ends.ends.iter_mut().flatten())
            .find(|end| end.id == endpoint)
    }

    /// The side that an endpoint faces, also while it is being closed.
    pub(super) fn side_of(&self, endpoint: EndpointId) -> Option<Side> {
        let faces = |ends: &Ends| ends.ends.iter().flatten().any(|end| end.id == endpoint);
        if faces(&self.caller) {
            return Some(Side::Caller);
        }
        if let Some(index) = self.callee.iter().position(faces) {
            return Some(Side::Callee(u8::try_from(index).unwrap_or(u8::MAX)));
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

    /// Writes a description that came from the other side as the party of `to` is to read it: with
    /// our addresses, without what would lead around us, everything else as it came.
    pub(super) fn render(
        &mut self,
        stack: &Stack,
        to: Side,
        description: &[u8],
    ) -> Option<Description> {
        let parsed = SessionDescription::parse(description).ok()?;
        let direct = self.direct;
        let advertised = stack.config.advertised;
        let ends = self.ends_mut(to)?;
        let public = |own: IpAddr| match advertised {
            Some(address) if address.is_ipv4() == own.is_ipv4() => address,
            _ => own,
        };
        let address = public(ends.local);
        let mut out = Vec::with_capacity(description.len() + 64);
        if direct {
            ends.session
                .write(&parsed, &fernamt_sdp::Rewrite::default(), address, &mut out);
            return Some(out.into_boxed_slice());
        }
        let media = parsed.media().iter().enumerate().map(|(section, _)| {
            let rtp = ends.get(section).and_then(|end| end.rtp);
            MediaRewrite {
                address: rtp.map(|rtp| SocketAddr::new(public(rtp.ip()), rtp.port())),
                rtcp: RtcpRewrite::NextPort,
                reject: rtp.is_none(),
                ..MediaRewrite::default()
            }
        });
        let rewrite = fernamt_sdp::Rewrite {
            connection: Some(address),
            remove: Some(&|attribute| attribute.is_ice()),
            media: media.collect(),
            ..fernamt_sdp::Rewrite::default()
        };
        ends.session.write(&parsed, &rewrite, address, &mut out);
        Some(out.into_boxed_slice())
    }

    /// Where the signalling of a side comes from now.
    pub(super) fn expect_media_from(&mut self, side: Side, signalling: IpAddr) {
        if let Some(ends) = self.ends_mut(side) {
            ends.signalling = signalling;
        }
    }

    /// Notes where the party of `from` says it is. The media plane is told with
    /// [`Bridge::connect`], when the other side has agreed.
    pub(super) fn learn(&mut self, stack: &Stack, from: Side, description: &[u8]) {
        let Ok(parsed) = SessionDescription::parse(description) else {
            return;
        };
        let silence = stack.config.media_silence;
        let Some(ends) = self.ends_mut(from) else {
            return;
        };
        let signalling = ends.signalling;
        for (section, media) in parsed.media().iter().enumerate() {
            let Some(Some(end)) = ends.ends.get_mut(section) else {
                continue;
            };
            end.proposed = remote_of(media, signalling, silence);
        }
    }

    /// Both sides have agreed on what was learned: tells the media plane.
    pub(super) fn connect(&mut self, stack: &mut Stack) {
        if self.direct {
            return;
        }
        let Bridge { caller, callee, .. } = self;
        let Some(callee) = callee.first_mut() else {
            return;
        };
        for (a, b) in caller.ends.iter_mut().zip(&mut callee.ends) {
            let (Some(a), Some(b)) = (a, b) else { continue };
            let first = a.remote.is_none() || b.remote.is_none();
            // Both are asked: neither may be skipped.
            if !(a.agree() | b.agree()) {
                continue;
            }
            tell_remote(stack, a, b.remote.as_ref());
            tell_remote(stack, b, a.remote.as_ref());
            if first {
                let order = media::Command::Bridge { a: a.id, b: b.id };
                stack.outputs.push_back(Output::Media(order));
            }
        }
    }

    /// Takes what was learned from the caller as agreed, for a call to the exchange itself.
    pub(super) fn connect_caller(&mut self, stack: &mut Stack) {
        for end in self.caller.ends.iter_mut().flatten() {
            if end.agree() {
                tell_remote(stack, end, None);
            }
        }
    }

    /// The called party that was heard before the answer is gone: it is not heard any more, and hears
    /// nothing, whoever uses its endpoints next.
    pub(super) fn mute_callee(&mut self, stack: &mut Stack) {
        for end in self
            .callee
            .iter_mut()
            .flat_map(|ends| ends.ends.iter_mut().flatten())
        {
            end.proposed = None;
            if let Some(mut remote) = end.remote.take() {
                remote.sends = false;
                remote.receives = false;
                remote.silence = None;
                let endpoint = end.id;
                let order = media::Command::Remote { endpoint, remote };
                stack.outputs.push_back(Output::Media(order));
            }
        }
    }

    /// The other side has refused: forgets what was learned.
    pub(super) fn forget_proposals(&mut self) {
        for ends in std::iter::once(&mut self.caller).chain(&mut self.callee) {
            ends.ends
                .iter_mut()
                .flatten()
                .for_each(|end| end.proposed = None);
        }
    }

    /// Closes everything: from here on not one packet flows.
    pub(super) fn close(&mut self, stack: &mut Stack) {
        let caller = std::mem::take(&mut self.caller.ends);
        self.close_ends(stack, caller, Side::Caller);
        for ends in std::mem::take(&mut self.callee) {
            self.close_ends(stack, ends.ends, Side::Callee(0));
        }
        self.opening = 0;
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
        self.closing.is_empty()
            && self.caller.ends.iter().all(Option::is_none)
            && self
                .callee
                .iter()
                .all(|ends| ends.ends.iter().all(Option::is_none))
    }

    /// Opens everything again on the same ports under new names, after a restart.
    pub(super) fn reopen(&mut self, stack: &mut Stack, call: crate::leg::CallSlot) {
        self.closing.clear();
        self.opening = 0;
        for ends in std::iter::once(&mut self.caller).chain(&mut self.callee) {
            for place in &mut ends.ends {
                let Some(end) = place else { continue };
                let Some(rtp) = end.rtp else {
                    *place = None;
                    continue;
                };
                end.id = stack.new_endpoint(call);
                self.opening += 1;
                let order = media::Command::Open {
                    endpoint: end.id,
                    local: ends.local,
                    port: Some(rtp.port()),
                };
                stack.outputs.push_back(Output::Media(order));
                if end.proposed.is_none() {
                    end.proposed = end.remote.take();
                }
            }
        }
    }
}

/// Whether we relay this section: RTP that was not refused.
fn is_relayed(media: &fernamt_sdp::Media<'_>) -> bool {
    !media.is_rejected() && media.protocol.is_rtp()
}

fn remote_of(
    media: &fernamt_sdp::Media<'_>,
    signalling: IpAddr,
    silence: Option<core::time::Duration>,
) -> Option<Remote> {
    let rtp = media.address().filter(|_| !media.is_rejected())?;
    let direction = media.direction();
    let held_by_address = media.is_held_by_address();
    Some(Remote {
        rtcp: rtcp_of(media, rtp).filter(|_| !held_by_address),
        signalling,
        sends: direction.sends(),
        receives: direction.receives() && !held_by_address,
        payload_types: media
            .formats()
            .filter_map(|format| format.parse().ok())
            .collect(),
        silence,
        ..Remote::plain(rtp)
    })
}

/// Where a party takes RTCP. What we send to a party never accepts `a=rtcp-mux`, so that RTCP stays
/// on a port of its own (RFC 5761 section 5.1.1).
fn rtcp_of(media: &fernamt_sdp::Media<'_>, rtp: SocketAddr) -> Option<SocketAddr> {
    if media.rtcp().is_some() && !media.has("rtcp-mux") {
        return media.rtcp_address();
    }
    Some(SocketAddr::new(rtp.ip(), rtp.port().checked_add(1)?))
}

/// Tells the media plane where a party is, given what the party on the other side has said.
///
/// A party may send what the other one is willing to receive (RFC 3264 section 6.1). Each numbers
/// its formats as the other's description does, and both descriptions pass through unchanged in
/// this: what either of them names may come from either of them. Silence means something only while
/// both talk: whoever holds, or is held, may well send nothing.
fn tell_remote(stack: &mut Stack, end: &End, other: Option<&Remote>) {
    let Some(mut remote) = end.remote.clone() else {
        return;
    };
    if let Some(other) = other {
        remote.sends &= other.receives;
        remote.receives &= other.sends;
        remote.payload_types.extend_from_slice(&other.payload_types);
        remote.payload_types.sort_unstable();
        remote.payload_types.dedup();
    }
    if !(remote.sends && remote.receives) {
        remote.silence = None;
    }
    let endpoint = end.id;
    stack
        .outputs
        .push_back(Output::Media(media::Command::Remote { endpoint, remote }));
}

/// What went through an endpoint, for the journal.
pub(super) fn in_words(statistics: &Statistics) -> String {
    if statistics.packets_received == 0 && statistics.packets_sent == 0 {
        return "No media flowed.".to_owned();
    }
    let mut words = format!(
        "{} packets received, {} sent, {} lost, jitter {}.{} ms",
        statistics.packets_received,
        statistics.packets_sent,
        statistics.packets_lost,
        statistics.jitter_micros / 1000,
        statistics.jitter_micros % 1000 / 100,
    );
    if statistics.packets_dropped > 0 {
        words.push_str(&format!(
            ", {} dropped as not the party's",
            statistics.packets_dropped
        ));
    }
    words.push('.');
    words
}
