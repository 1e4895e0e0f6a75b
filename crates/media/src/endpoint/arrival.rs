//! What an endpoint does with what arrives: whose it is, whether it is authentic, and where it goes on.

use core::net::SocketAddr;

use fernamt_exchange::media::{EndpointId, Format};
use fernamt_rtp::packet::Header;
use fernamt_rtp::rtcp::Compound;
use fernamt_rtp::{Kind, Packet, classify};

use super::{Arrival, Content, DROPPED, Endpoint, Link, Taken};
use crate::gate::Verdict;
use crate::socket::Channel;

impl Endpoint {
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
    ///
    /// One that is not wanted, as the party is on hold, is proved all the same where its stream may be
    /// wanted later: only who hears every packet knows how often the numbers have wrapped.
    #[inline(never)]
    fn judge_protected(
        &mut self,
        datagram: &mut [u8],
        from: SocketAddr,
        now_micros: u64,
    ) -> Option<(Header, usize, Verdict)> {
        let gate = self.gate.as_mut()?;
        let header = Header::peek(datagram)?;
        if !gate.may_try(Channel::Rtp, from, now_micros) {
            return None;
        }
        let Some(length) = self.shield.open_rtp(datagram, now_micros) else {
            self.packets_unauthentic += 1;
            return None;
        };
        if self.bundle.is_none() && !gate.wants(header.payload_type) {
            return None;
        }
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
        match self.judge_rtcp(channel, datagram, from, now_micros) {
            None => DROPPED,
            Some((arrival, length)) => Taken {
                arrival,
                length,
                has_latched: false,
            },
        }
    }

    /// Judges RTCP: whether it is authentic, all of it well formed, and the party's; whose it is, and
    /// its length in clear. Phones have been brought down by lengths that lie, so none passes.
    fn judge_rtcp(
        &mut self,
        channel: Channel,
        datagram: &mut [u8],
        from: SocketAddr,
        now_micros: u64,
    ) -> Option<(Arrival, usize)> {
        let is_clear = self.shield.is_clear();
        let length = match is_clear {
            true => {
                let gate = self.gate.as_ref()?;
                let may_be = gate.may_be_rtcp(from, channel == Channel::Rtp);
                may_be.then_some(datagram.len())?
            }
            false => self.open_rtcp(channel, datagram, from, now_micros)?,
        };
        let rtcp = Compound::parse(datagram.get(..length)?).ok()?;
        let source = rtcp.source()?;
        let gate = self.gate.as_mut()?;
        if !is_clear {
            gate.authenticated_rtcp(channel, from);
        } else if gate.admit_rtcp(from, source, channel == Channel::Rtp, now_micros)
            == Verdict::Dropped
        {
            return None;
        }
        let bundle = self.bundle.as_ref();
        let owner = bundle.and_then(|bundle| bundle.owner_of_rtcp(rtcp));
        let arrival = match owner.filter(|owner| owner.endpoint != self.id) {
            Some(rider) => Arrival::Carried(rider, Content::Rtcp),
            None => Arrival::Accepted(Content::Rtcp),
        };
        Some((arrival, length))
    }

    /// Takes the protection off RTCP from where it may come from: its length then.
    fn open_rtcp(
        &mut self,
        channel: Channel,
        datagram: &mut [u8],
        from: SocketAddr,
        now_micros: u64,
    ) -> Option<usize> {
        let gate = self.gate.as_mut()?;
        let is_here = gate.rtcp_channel() == Some(channel);
        if !is_here || !gate.may_try(channel, from, now_micros) {
            return None;
        }
        let length = self.shield.open_rtcp(channel, datagram, now_micros);
        self.packets_unauthentic += u64::from(length.is_none());
        length
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
}
