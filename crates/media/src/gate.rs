//! Who may speak into an endpoint: the negotiated party and nobody else. Packets are judged by
//! source, payload type and rate; no socket, no clock.
//!
//! A party is found by its packets (symmetric RTP, RFC 4961), because a description written behind a
//! NAT names an address that nobody can reach. Whoever learns a peer from packets can be fooled by
//! whoever sends first, so the [`Latch`] learns only from the sources that signalling vouches for:
//!
//! | source | the latch closes |
//! |---|---|
//! | exactly the negotiated RTP address | with its first valid packet |
//! | the address signalling came from, any port (NAT) | after [`latch::CONSISTENT_PACKETS`] packets that belong together |
//! | any other | never |
//!
//! Closed, it lets in one address and port only, with two exceptions, neither of which a stranger
//! can use:
//! - The negotiated address takes over from another port of the *same* IP address. A neighbour behind
//!   the same NAT who was quicker than the phone loses what he got.
//! - A NAT that forgot its mapping gives the phone a new port. The new port of the same IP address is
//!   taken when the old one has been silent for [`latch::REBIND_SILENCE_MICROS`] and the packets go on with
//!   the same SSRC and sequence, which only somebody who hears the call knows.
//!
//! The RTCP latch follows: it takes the negotiated RTCP address. When the RTP was found elsewhere than
//! negotiated, it also takes one on that IP address that names the SSRC heard there.

mod latch;
mod rate;

use core::net::{IpAddr, SocketAddr};

use fernamt_exchange::media::Remote;
use fernamt_rtp::packet::Header;

use latch::{Latch, RtcpLatch};
use rate::Rate;

/// What became of a packet at the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is the party's.
    Accepted,
    /// It is the party's, and the latch has just closed on its address.
    Latched,
    /// It is not, or not yet known to be.
    Dropped,
}

/// The gate of one endpoint, from its first [`Remote`] on.
#[derive(Debug)]
pub(crate) struct Gate {
    negotiated: Negotiated,
    payload_types: PayloadTypes,
    sends: bool,
    receives: bool,
    latch: Latch,
    rtcp_latch: RtcpLatch,
    rate: Rate,
}

/// What signalling says about where the party is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Negotiated {
    rtp: SocketAddr,
    rtcp: Option<SocketAddr>,
    signalling: IpAddr,
}

impl Gate {
    pub(crate) fn new(remote: &Remote, packets_per_second: u32, now_micros: u64) -> Gate {
        Gate {
            negotiated: Negotiated::from(remote),
            payload_types: PayloadTypes::from(remote.payload_types.as_slice()),
            sends: remote.sends,
            receives: remote.receives,
            latch: Latch::open(None, now_micros),
            rtcp_latch: RtcpLatch::default(),
            rate: Rate::new(packets_per_second),
        }
    }

    /// Takes a new description of the party. The latches open again only when its addresses differ
    /// from those that were known.
    pub(crate) fn renegotiate(&mut self, remote: &Remote, now_micros: u64) {
        let negotiated = Negotiated::from(remote);
        let before = core::mem::replace(&mut self.negotiated, negotiated);
        self.payload_types = PayloadTypes::from(remote.payload_types.as_slice());
        self.sends = remote.sends;
        self.receives = remote.receives;
        if before.rtp != negotiated.rtp || before.signalling != negotiated.signalling {
            self.latch = Latch::open(self.latch.address(), now_micros);
            self.rtcp_latch = RtcpLatch::default();
        } else if before.rtcp != negotiated.rtcp {
            self.rtcp_latch = RtcpLatch::default();
        }
    }

    /// Judges a packet on the RTP port.
    #[inline]
    pub(crate) fn admit(&mut self, from: SocketAddr, header: Header, now_micros: u64) -> Verdict {
        if !self.sends || !self.payload_types.contains(header.payload_type) {
            return Verdict::Dropped;
        }
        match self.latch.admit(&self.negotiated, from, header, now_micros) {
            Verdict::Accepted if !self.rate.allows(now_micros) => Verdict::Dropped,
            Verdict::Latched => {
                self.rtcp_latch = RtcpLatch::default();
                Verdict::Latched
            }
            verdict => verdict,
        }
    }

    /// Judges an RTCP packet, whose first source is `ssrc`. It needs no permission to send voice:
    /// reports go on while a call is held (RFC 3264 section 5.1).
    pub(crate) fn admit_rtcp(
        &mut self,
        from: SocketAddr,
        ssrc: u32,
        multiplexed: bool,
        now_micros: u64,
    ) -> Verdict {
        if self.negotiated.rtcp.is_none() {
            return Verdict::Dropped;
        }
        let known = if multiplexed || self.is_multiplexed() {
            // On the RTP port it is as good as the RTP of the same source (RFC 5761), no better.
            let source = self.latch.address().unwrap_or(self.negotiated.rtp);
            multiplexed && self.is_multiplexed() && same(source, from)
        } else {
            self.rtcp_latch
                .admit(&self.negotiated, &self.latch, from, ssrc)
        };
        match known && self.rate.allows(now_micros) {
            true => Verdict::Accepted,
            false => Verdict::Dropped,
        }
    }

    /// Where RTP goes: to the latched address, before that to the negotiated one; `None` while the
    /// party does not want to receive.
    #[inline]
    pub(crate) fn rtp_destination(&self) -> Option<SocketAddr> {
        if !self.receives {
            return None;
        }
        self.latch
            .address()
            .or_else(|| reachable(self.negotiated.rtp))
    }

    /// Where RTCP goes, whether the party wants to receive voice or not.
    pub(crate) fn rtcp_destination(&self) -> Option<SocketAddr> {
        let negotiated = self.negotiated.rtcp?;
        let rtp = self.latch.address();
        if self.is_multiplexed() {
            return rtp.or_else(|| reachable(negotiated));
        }
        match (self.rtcp_latch.address(), rtp) {
            (Some(latched), _) => Some(latched),
            // The party is elsewhere than it said, so what it said about RTCP is no better.
            (None, Some(rtp)) if rtp.ip() != self.negotiated.rtp.ip() => None,
            (None, _) => reachable(negotiated),
        }
    }

    /// Whether RTP and RTCP share the RTP port (RFC 5761).
    pub(crate) fn is_multiplexed(&self) -> bool {
        self.negotiated.rtcp == Some(self.negotiated.rtp)
    }

    /// Whether this payload type was negotiated with the party.
    #[inline]
    pub(crate) fn knows(&self, payload_type: u8) -> bool {
        self.payload_types.contains(payload_type)
    }
}

impl From<&Remote> for Negotiated {
    fn from(remote: &Remote) -> Self {
        Negotiated {
            rtp: remote.rtp,
            rtcp: remote.rtcp,
            signalling: remote.signalling,
        }
    }
}

/// Compares address and port; the flow label and scope of IPv6 say nothing about who it is.
#[inline]
fn same(one: SocketAddr, other: SocketAddr) -> bool {
    one.port() == other.port() && one.ip() == other.ip()
}

/// An address that one party can be at. A description can name any: `0.0.0.0` is the hold of RFC
/// 2543, and a group or a port 0 is nobody.
fn reachable(address: SocketAddr) -> Option<SocketAddr> {
    let ip = address.ip();
    let broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
    let nobody = address.port() == 0 || ip.is_unspecified() || ip.is_multicast() || broadcast;
    (!nobody).then_some(address)
}

/// The payload types there are: seven bits (RFC 3550 section 5.1). Higher numbers in a list are passed
/// over.
const PAYLOAD_TYPES: u8 = 128;

/// A set of payload types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct PayloadTypes(u128);

impl PayloadTypes {
    #[inline]
    fn contains(self, payload_type: u8) -> bool {
        payload_type < PAYLOAD_TYPES && self.0 & (1 << payload_type) != 0
    }
}

impl From<&[u8]> for PayloadTypes {
    /// An empty list is any type.
    fn from(list: &[u8]) -> Self {
        if list.is_empty() {
            return PayloadTypes(u128::MAX);
        }
        let types = list
            .iter()
            .filter(|&&payload_type| payload_type < PAYLOAD_TYPES);
        PayloadTypes(types.fold(0, |set, payload_type| set | 1 << payload_type))
    }
}

#[cfg(test)]
mod tests;
