//! One open endpoint: what it does with what arrives and what it sends. It holds no socket; the
//! caller moves the bytes.
//!
//! What arrives is judged by its source and rate first, then by whether it is authentic, and only then
//! has it any consequence: the latch closes, it is counted, it goes on. So a forged packet changes
//! nothing but a count.

mod setup;
mod watch;

use core::net::SocketAddr;

use fernamt_exchange::media::{EndpointId, Format, Rollovers, Statistics};
use fernamt_rtp::extension::remove_extension;
use fernamt_rtp::packet::Header;
use fernamt_rtp::rtcp::feedback::remove_feedback;
use fernamt_rtp::{Kind, Packet, classify};

pub(crate) use setup::{Outbox, Outside, Setup};
use watch::Watch;

use crate::bundle::Bundle;
use crate::gate::{Gate, Verdict};
use crate::play::{Outgoing, Playing};
use crate::protection::Shield;
use crate::reception::Reception;
use crate::socket::Channel;
use crate::translation::Translations;

/// The other end of a bridge. The identity is checked with every packet, because the slot may belong
/// to another call by the time the packet gets there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) slot: u32,
    pub(crate) endpoint: EndpointId,
}

/// Where accepted packets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Nowhere,
    Echo,
    Bridge(Link),
}

/// What an accepted datagram is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Rtp,
    Rtcp,
    /// Not RTP at all (UDPTL).
    Other,
}

/// What becomes of an arrived datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    Dropped,
    /// It is the party's.
    Accepted(Content),
    /// It is the party's, for an endpoint that shares our ports.
    Carried(Link, Content),
    /// It belongs to checks of the way or to the agreement of keys.
    Setup,
}

/// A datagram that has been judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) arrival: Arrival,
    /// How much of it is left, in clear.
    pub(crate) length: usize,
    /// The latch has just closed on its source.
    pub(crate) has_latched: bool,
}

const DROPPED: Taken = Taken {
    arrival: Arrival::Dropped,
    length: 0,
    has_latched: false,
};

/// An open endpoint.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) id: EndpointId,
    pub(crate) way: Way,
    pub(crate) playing: Option<Playing>,
    pub(crate) outgoing: Option<Outgoing>,
    /// Whose ports are used instead of our own.
    pub(crate) carrier: Option<Link>,
    gate: Option<Gate>,
    shield: Shield,
    setup: Option<Box<Setup>>,
    bundle: Option<Box<Bundle>>,
    translations: Translations,
    format: Format,
    /// The party understands feedback messages.
    has_feedback: bool,
    /// Stands for the identification tag in the party's packets; zero: there is none.
    mid_mark: u64,
    packets_per_second: u32,
    reception: Reception,
    watch: Watch,
    packets_sent: u64,
    packets_dropped: u64,
    packets_unauthentic: u64,
    has_arrivals: bool,
    /// Turns the SSRC of an echoed stream into another. A party that hears its own takes it for a
    /// loop (RFC 3550 section 8.2).
    echo_mask: u32,
}

impl Endpoint {
    pub(crate) fn new(id: EndpointId, packets_per_second: u32, echo_mask: u32) -> Endpoint {
        Endpoint {
            id,
            way: Way::Nowhere,
            playing: None,
            outgoing: None,
            carrier: None,
            gate: None,
            shield: Shield::Clear,
            setup: None,
            bundle: None,
            translations: Translations::default(),
            format: Format::Rtp,
            has_feedback: false,
            mid_mark: 0,
            packets_per_second,
            reception: Reception::default(),
            watch: Watch::default(),
            packets_sent: 0,
            packets_dropped: 0,
            packets_unauthentic: 0,
            has_arrivals: false,
            echo_mask: echo_mask | 1,
        }
    }

    /// Judges and counts a datagram, and puts it into clear and into the words of the other side, in
    /// place.
    #[inline]
    pub(crate) fn take_in(
        &mut self,
        channel: Channel,
        datagram: &mut [u8],
        from: SocketAddr,
        now_micros: u64,
    ) -> Taken {
        self.has_arrivals = true;
        let taken = if self.format == Format::Udptl || self.carrier.is_some() {
            self.take_in_other(channel, datagram, from, now_micros)
        } else {
            match (channel, classify(datagram)) {
                (Channel::Rtp, Kind::Rtp) => self.take_in_rtp(datagram, from, now_micros),
                (_, Kind::Rtcp) => self.take_in_rtcp(channel, datagram, from, now_micros),
                (_, Kind::Stun | Kind::Dtls) if self.setup.is_some() => Taken {
                    arrival: Arrival::Setup,
                    length: datagram.len(),
                    ..DROPPED
                },
                _ => DROPPED,
            }
        };
        match taken.arrival {
            Arrival::Dropped => self.packets_dropped += 1,
            Arrival::Accepted(_) => self.watch.heard(now_micros),
            Arrival::Carried(..) | Arrival::Setup => {}
        }
        taken
    }

    #[inline]
    fn take_in_rtp(&mut self, datagram: &mut [u8], from: SocketAddr, now_micros: u64) -> Taken {
        let judged = match self.shield.is_clear() {
            true => self.judge_clear(datagram, from, now_micros),
            false => self.judge_protected(datagram, from, now_micros),
        };
        let Some((header, length, verdict)) = judged else {
            return DROPPED;
        };
        let Some(packet) = datagram.get_mut(..length) else {
            return DROPPED;
        };
        let has_latched = verdict == Verdict::Latched;
        let arrival = match &mut self.bundle {
            None => self.accept(header, packet, now_micros),
            Some(bundle) => {
                let owner = bundle.owner(packet, header);
                self.sort(owner, header, packet, now_micros)
            }
        };
        Taken {
            arrival,
            length,
            has_latched,
        }
    }

    /// Accepts a packet that arrived where several endpoints share the ports, or says whose it is.
    #[inline(never)]
    fn sort(
        &mut self,
        owner: Option<Link>,
        header: Header,
        packet: &mut [u8],
        now_micros: u64,
    ) -> Arrival {
        match owner {
            Some(owner) if owner.endpoint != self.id => Arrival::Carried(owner, Content::Rtp),
            Some(_) => self.accept_carried(header, packet, now_micros),
            None => Arrival::Dropped,
        }
    }

    /// Judges a packet that should be in clear: its header, its length, and whether it is the party's.
    #[inline]
    fn judge_clear(
        &mut self,
        datagram: &[u8],
        from: SocketAddr,
        now_micros: u64,
    ) -> Option<(Header, usize, Verdict)> {
        let header = Packet::parse(datagram).ok()?.header;
        let verdict = self.gate.as_mut()?.admit(from, header, now_micros);
        (verdict != Verdict::Dropped).then_some((header, datagram.len(), verdict))
    }

    /// Judges a packet that should be protected. The header is in clear, and proves nothing yet.
    #[inline(never)]
    fn judge_protected(
        &mut self,
        datagram: &mut [u8],
        from: SocketAddr,
        now_micros: u64,
    ) -> Option<(Header, usize, Verdict)> {
        let gate = self.gate.as_mut()?;
        let header = Header::peek(datagram)?;
        let is_wanted = self.bundle.is_some() || gate.wants(header.payload_type);
        if !is_wanted || !gate.may_try(Channel::Rtp, from, now_micros) {
            return None;
        }
        let Some(length) = self.shield.open_rtp(datagram) else {
            self.packets_unauthentic += 1;
            return None;
        };
        let packet = Packet::parse(datagram.get(..length)?).ok()?;
        let header = packet.header;
        let verdict = gate.authenticated(from, header, now_micros);
        Some((header, length, verdict))
    }

    /// Counts a packet of the party and gives it the words of the other side.
    #[inline]
    fn accept(&mut self, header: Header, packet: &mut [u8], now_micros: u64) -> Arrival {
        self.reception.count(header, packet.len(), now_micros);
        match self.translations.apply(packet) {
            Some(()) => Arrival::Accepted(Content::Rtp),
            None => Arrival::Dropped,
        }
    }

    /// The same where several endpoints share the ports, so that nobody has asked yet whether the
    /// packet is wanted here.
    fn accept_carried(&mut self, header: Header, packet: &mut [u8], now_micros: u64) -> Arrival {
        let gate = self.gate.as_ref();
        if !gate.is_some_and(|gate| gate.wants(header.payload_type)) {
            return Arrival::Dropped;
        }
        self.accept(header, packet, now_micros)
    }

    #[inline(never)]
    fn take_in_rtcp(
        &mut self,
        channel: Channel,
        datagram: &mut [u8],
        from: SocketAddr,
        now_micros: u64,
    ) -> Taken {
        let Some(gate) = &mut self.gate else {
            return DROPPED;
        };
        let length = if self.shield.is_clear() {
            let verdict = rtcp_source(datagram)
                .map(|ssrc| gate.admit_rtcp(from, ssrc, channel == Channel::Rtp, now_micros));
            match verdict {
                Some(Verdict::Accepted | Verdict::Latched) => datagram.len(),
                Some(Verdict::Dropped) | None => return DROPPED,
            }
        } else {
            let is_here = gate.rtcp_channel() == Some(channel);
            if !is_here || !gate.may_try(channel, from, now_micros) {
                return DROPPED;
            }
            let Some(length) = self.shield.open_rtcp(channel, datagram) else {
                self.packets_unauthentic += 1;
                return DROPPED;
            };
            if datagram.get(..length).and_then(rtcp_source).is_none() {
                return DROPPED;
            }
            gate.authenticated_rtcp(channel, from);
            length
        };
        let clear = datagram.get(..length).unwrap_or_default();
        let owner = self
            .bundle
            .as_ref()
            .and_then(|bundle| bundle.owner_of_rtcp(clear));
        let arrival = match owner.filter(|owner| owner.endpoint != self.id) {
            Some(rider) => Arrival::Carried(rider, Content::Rtcp),
            None => Arrival::Accepted(Content::Rtcp),
        };
        Taken {
            arrival,
            length,
            has_latched: false,
        }
    }

    #[inline(never)]
    fn take_in_other(
        &mut self,
        channel: Channel,
        datagram: &[u8],
        from: SocketAddr,
        now_micros: u64,
    ) -> Taken {
        if self.carrier.is_some() {
            // The party sends to the ports of another endpoint.
            return DROPPED;
        }
        let Some(gate) = self.gate.as_mut().filter(|_| channel == Channel::Rtp) else {
            return DROPPED;
        };
        let verdict = gate.admit_datagram(from, now_micros);
        if datagram.is_empty() || verdict == Verdict::Dropped {
            return DROPPED;
        }
        self.reception.count_other(datagram.len());
        Taken {
            arrival: Arrival::Accepted(Content::Other),
            length: datagram.len(),
            has_latched: verdict == Verdict::Latched,
        }
    }

    /// Takes a datagram in clear that arrived for us at the ports of our carrier; whether it is
    /// wanted.
    pub(crate) fn take_in_carried(
        &mut self,
        carrier: EndpointId,
        content: Content,
        packet: &mut [u8],
        now_micros: u64,
    ) -> bool {
        if self.carrier.is_none_or(|known| known.endpoint != carrier) {
            return false;
        }
        let arrival = match (content, Header::peek(packet)) {
            (Content::Rtp, Some(header)) => self.accept_carried(header, packet, now_micros),
            (Content::Rtcp, _) => Arrival::Accepted(Content::Rtcp),
            _ => Arrival::Dropped,
        };
        if arrival == Arrival::Dropped {
            self.packets_dropped += 1;
            return false;
        }
        self.watch.heard(now_micros);
        true
    }

    /// Whether an RTP packet goes on to the party. While something is played it hears nothing else:
    /// one stream at a time.
    #[inline]
    pub(crate) fn lets_out(&mut self, payload_type: u8) -> bool {
        let Some(gate) = &self.gate else {
            return false;
        };
        if self.playing.is_some() || !gate.receives() || self.format != Format::Rtp {
            return false;
        }
        if !gate.knows(payload_type) {
            self.packets_dropped += 1;
            return false;
        }
        true
    }

    /// Takes extensions off a packet that are not meant for the party: identification tags are those
    /// of the side that they come from. Its length then.
    #[inline]
    pub(crate) fn without_foreign_tag(&self, mid_mark: u64, packet: &mut [u8]) -> Option<usize> {
        match mid_mark == 0 || mid_mark == self.mid_mark {
            true => Some(packet.len()),
            false => remove_extension(packet),
        }
    }

    /// Takes out of RTCP what the party does not understand: its length then; `None`: nothing is
    /// left.
    pub(crate) fn without_feedback(&self, datagram: &mut [u8]) -> Option<usize> {
        if self.format != Format::Rtp {
            return None;
        }
        if self.has_feedback {
            return Some(datagram.len());
        }
        remove_feedback(datagram).ok()?.length_for(false)
    }

    /// Whether what is not RTP goes on to the party.
    pub(crate) fn lets_out_other(&self) -> bool {
        let receives = self.gate.as_ref().is_some_and(Gate::receives);
        self.format == Format::Udptl && receives
    }

    /// Where RTP goes, when the party wants to receive.
    #[inline]
    pub(crate) fn rtp_destination(&self) -> Option<SocketAddr> {
        self.gate.as_ref()?.rtp_destination()
    }

    /// The one address where RTP comes from and goes to, as long as nobody else could take its place.
    pub(crate) fn settled_at(&self, now_micros: u64) -> Option<SocketAddr> {
        self.gate.as_ref()?.settled_at(now_micros)
    }

    /// Whether the party wants to receive.
    pub(crate) fn receives(&self) -> bool {
        self.gate.as_ref().is_some_and(Gate::receives)
    }

    /// Where media of those that share our ports go, for which we are not asked whether we receive.
    pub(crate) fn media_destination(&self) -> Option<SocketAddr> {
        self.gate.as_ref()?.media_destination()
    }

    /// On which channel and where RTCP for the party goes.
    pub(crate) fn rtcp_way_out(&self) -> Option<(Channel, SocketAddr)> {
        let gate = self.gate.as_ref()?;
        Some((gate.rtcp_channel()?, gate.rtcp_destination()?))
    }

    /// Protects a packet for the party, in place: its length then. `None`: it must not be sent.
    #[inline]
    pub(crate) fn seal_rtp(&mut self, room: &mut [u8], length: usize) -> Option<usize> {
        match self.shield.is_clear() {
            true => Some(length),
            false => self.shield.seal_rtp(room, length),
        }
    }

    /// The same for RTCP.
    pub(crate) fn seal_rtcp(
        &mut self,
        channel: Channel,
        room: &mut [u8],
        length: usize,
    ) -> Option<usize> {
        self.shield.seal_rtcp(channel, room, length)
    }

    /// Whether another endpoint shares our ports; when it does, its source is remembered, so that
    /// what is reported on it finds back.
    pub(crate) fn carries(&mut self, rider: EndpointId, ssrc: Option<u32>) -> bool {
        let Some(bundle) = &mut self.bundle else {
            return false;
        };
        if let Some(ssrc) = ssrc {
            bundle.sends(rider, ssrc);
        }
        bundle.has(rider)
    }

    /// Makes a packet of the party ready to be sent back to it.
    #[inline]
    pub(crate) fn mask_echo(&self, datagram: &mut [u8]) {
        let ssrc = datagram
            .get_mut(8..12)
            .and_then(|bytes| bytes.first_chunk_mut::<4>());
        if let Some(ssrc) = ssrc {
            *ssrc = (u32::from_be_bytes(*ssrc) ^ self.echo_mask).to_be_bytes();
        }
    }

    /// Stands for the identification tag of the party's packets.
    #[inline]
    pub(crate) fn mid_mark(&self) -> u64 {
        self.mid_mark
    }

    #[inline]
    pub(crate) fn count_sent(&mut self) {
        self.packets_sent += 1;
    }

    /// Whether anything ever arrived, from whomever.
    pub(crate) fn has_arrivals(&self) -> bool {
        self.has_arrivals
    }

    /// Whether the party has now been silent for too long; true once until it is heard again.
    pub(crate) fn falls_silent(&mut self, now_micros: u64) -> bool {
        self.watch.falls_silent(now_micros)
    }

    /// How far protected streams have come, when that should be written down.
    pub(crate) fn take_moved(&mut self) -> Option<Rollovers> {
        self.shield.take_moved()
    }

    /// Why nothing can be protected any more, once.
    pub(crate) fn take_failure(&mut self) -> Option<fernamt_exchange::media::ProtectionFailure> {
        self.shield.take_failure()
    }

    pub(crate) fn statistics(&self) -> Statistics {
        let mut statistics = self.reception.statistics();
        statistics.packets_sent = self.packets_sent;
        statistics.packets_dropped = self.packets_dropped;
        statistics.packets_unauthentic = self.packets_unauthentic;
        statistics
    }
}

/// The source of the first packet of a compound, when all of it is well formed.
fn rtcp_source(datagram: &[u8]) -> Option<u32> {
    let mut rest = datagram;
    while !rest.is_empty() {
        // RFC 3550 section 6.4: version, type, and the length in words less one.
        let (&[first, _, length @ ..], _) = rest.split_first_chunk::<4>()?;
        if first >> 6 != 2 {
            return None;
        }
        let bytes = (usize::from(u16::from_be_bytes(length)) + 1) * 4;
        rest = rest.get(bytes..)?;
    }
    let ssrc = datagram.get(4..8)?.first_chunk::<4>()?;
    Some(u32::from_be_bytes(*ssrc))
}

#[cfg(test)]
mod tests;
