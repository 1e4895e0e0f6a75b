//! One open endpoint: what it does with what arrives and what it sends. It holds no socket; the
//! caller moves the bytes.

use core::net::SocketAddr;

use fernamt_exchange::media::{EndpointId, Remote, Statistics};
use fernamt_rtp::{Kind, Packet, classify};

use crate::gate::{Gate, Verdict};
use crate::play::{Outgoing, Playing};
use crate::reception::Reception;
use crate::socket::Channel;

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

/// What an arrived datagram is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    Dropped,
    Rtp,
    Rtcp,
}

/// An open endpoint.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) id: EndpointId,
    pub(crate) way: Way,
    pub(crate) playing: Option<Playing>,
    pub(crate) outgoing: Option<Outgoing>,
    gate: Option<Gate>,
    packets_per_second: u32,
    reception: Reception,
    watch: Watch,
    packets_sent: u64,
    packets_dropped: u64,
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
            gate: None,
            packets_per_second,
            reception: Reception::default(),
            watch: Watch::default(),
            packets_sent: 0,
            packets_dropped: 0,
            has_arrivals: false,
            echo_mask: echo_mask | 1,
        }
    }

    pub(crate) fn set_remote(&mut self, remote: &Remote, now_micros: u64) {
        match &mut self.gate {
            Some(gate) => gate.renegotiate(remote, now_micros),
            None => self.gate = Some(Gate::new(remote, self.packets_per_second, now_micros)),
        }
        self.watch.set(remote, now_micros);
    }

    /// Judges and counts a datagram. The address is given back when the latch has just closed on it.
    #[inline]
    pub(crate) fn take_in(
        &mut self,
        channel: Channel,
        datagram: &[u8],
        from: SocketAddr,
        now_micros: u64,
    ) -> (Arrival, Option<SocketAddr>) {
        self.has_arrivals = true;
        let (arrival, verdict) = match (channel, classify(datagram)) {
            (Channel::Rtp, Kind::Rtp) => {
                (Arrival::Rtp, self.take_in_rtp(datagram, from, now_micros))
            }
            (_, Kind::Rtcp) => (
                Arrival::Rtcp,
                self.take_in_rtcp(channel, datagram, from, now_micros),
            ),
            _ => (Arrival::Dropped, Verdict::Dropped),
        };
        if verdict == Verdict::Dropped {
            self.packets_dropped += 1;
            return (Arrival::Dropped, None);
        }
        self.watch.heard(now_micros);
        (arrival, (verdict == Verdict::Latched).then_some(from))
    }

    #[inline]
    fn take_in_rtp(&mut self, datagram: &[u8], from: SocketAddr, now_micros: u64) -> Verdict {
        let (Some(gate), Ok(packet)) = (&mut self.gate, Packet::parse(datagram)) else {
            return Verdict::Dropped;
        };
        let verdict = gate.admit(from, packet.header, now_micros);
        if verdict != Verdict::Dropped {
            self.reception
                .count(packet.header, datagram.len(), now_micros);
        }
        verdict
    }

    fn take_in_rtcp(
        &mut self,
        channel: Channel,
        datagram: &[u8],
        from: SocketAddr,
        now_micros: u64,
    ) -> Verdict {
        let (Some(gate), Some(ssrc)) = (&mut self.gate, rtcp_source(datagram)) else {
            return Verdict::Dropped;
        };
        gate.admit_rtcp(from, ssrc, channel == Channel::Rtp, now_micros)
    }

    /// Where an RTP packet for the party goes; `None` when it must not have it. `payload_type` is
    /// compared with what was negotiated with this party, too.
    #[inline]
    pub(crate) fn way_out(&mut self, payload_type: u8) -> Option<SocketAddr> {
        let gate = self.gate.as_ref()?;
        if !gate.knows(payload_type) {
            self.packets_dropped += 1;
            return None;
        }
        gate.rtp_destination()
    }

    /// Where a packet that we make ourselves goes.
    pub(crate) fn rtp_destination(&self) -> Option<SocketAddr> {
        self.gate.as_ref()?.rtp_destination()
    }

    /// On which channel and where RTCP for the party goes.
    pub(crate) fn rtcp_way_out(&self) -> Option<(Channel, SocketAddr)> {
        let gate = self.gate.as_ref()?;
        let channel = if gate.is_multiplexed() {
            Channel::Rtp
        } else {
            Channel::Rtcp
        };
        Some((channel, gate.rtcp_destination()?))
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

    pub(crate) fn statistics(&self) -> Statistics {
        let mut statistics = self.reception.statistics();
        statistics.packets_sent = self.packets_sent;
        statistics.packets_dropped = self.packets_dropped;
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

/// Watches for a party that has gone without a word.
#[derive(Debug, Default)]
struct Watch {
    limit_micros: Option<u64>,
    heard_micros: u64,
    reported: bool,
}

impl Watch {
    fn set(&mut self, remote: &Remote, now_micros: u64) {
        let limit = remote.silence.filter(|_| remote.sends);
        let limit = limit.map(|limit| u64::try_from(limit.as_micros()).unwrap_or(u64::MAX));
        if self.limit_micros.is_none() {
            // The party was not to be heard until now.
            self.heard(now_micros);
        }
        self.limit_micros = limit;
    }

    #[inline]
    fn heard(&mut self, now_micros: u64) {
        self.heard_micros = now_micros;
        self.reported = false;
    }

    fn falls_silent(&mut self, now_micros: u64) -> bool {
        let silence = now_micros.saturating_sub(self.heard_micros);
        let too_long = self.limit_micros.is_some_and(|limit| silence >= limit);
        if !too_long || self.reported {
            return false;
        }
        self.reported = true;
        true
    }
}

#[cfg(test)]
mod tests;
