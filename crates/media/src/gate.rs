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
//!
//! Once nobody else could move the latch ([`Gate::settled_at`]), the socket is connected to its address, so
//! that the kernel keeps strangers out; when the party is not heard any more, it hears everybody again.
//!
//! A party in clear may change its source (SSRC) a few times, and then only now and then ([`sources`]): who
//! forges its address cannot do it with every packet.
//!
//! Where packets are protected ([`Gate::may_try`], [`Gate::authenticated`]), the latch learns from
//! authentic packets only, so that it may learn from any source. Where connectivity checks find the way,
//! their [`Paths`] take the latch's place. Either way the party is a stranger until it is found, and
//! what others send meanwhile must not keep it out: see [`strangers`].

mod latch;
mod paths;
mod rate;
mod sources;
mod strangers;

use core::net::{IpAddr, SocketAddr};

use fernamt_exchange::media::Remote;
use fernamt_rtp::packet::Header;

use latch::{Latch, RtcpLatch};
pub(crate) use paths::Paths;
use rate::Rate;
use sources::Sources;
#[cfg(test)]
pub(crate) use strangers::STRANGE_CHECKS_PER_SECOND;
pub(crate) use strangers::{Strangers, Trust, Work};

use crate::socket::Channel;

/// Protected packets, and datagrams of handshakes, that are looked at in a second from one source that
/// is not known to be the party: enough for a party that has moved, too few to keep the machine busy.
pub(crate) const STRANGE_PACKETS_PER_SECOND: u32 = 100;

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
    sources: Sources,
    /// Where there are none there is nothing to count.
    strangers: Option<Box<Strangers>>,
    /// What connectivity checks have found; instead of the latch.
    paths: Option<Box<Paths>>,
    /// The streams of others arrive here, too (RFC 8843): whether a packet is wanted is asked later.
    carries: bool,
    /// Counts datagrams that have no numbers of their own.
    datagrams: u16,
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
            sources: Sources::default(),
            strangers: None,
            paths: None,
            carries: false,
            datagrams: 0,
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
            self.sources = Sources::default();
        } else if before.rtcp != negotiated.rtcp {
            self.rtcp_latch = RtcpLatch::default();
        }
    }

    /// Judges a packet on the RTP port.
    #[inline]
    pub(crate) fn admit(&mut self, from: SocketAddr, header: Header, now_micros: u64) -> Verdict {
        if !self.carries && !self.wants(header.payload_type) {
            return Verdict::Dropped;
        }
        let is_the_partys = match &self.paths {
            Some(paths) => paths.accept(Channel::Rtp, from),
            None => (self.latch.address()).is_some_and(|latched| same(latched, from)),
        };
        // Nothing is learned from what is not let in.
        if is_the_partys && !self.lets_in(header, now_micros) {
            return Verdict::Dropped;
        }
        match &self.paths {
            Some(_) if is_the_partys => return Verdict::Accepted,
            Some(_) => return Verdict::Dropped,
            None => {}
        }
        let verdict = self.latch.admit(&self.negotiated, from, header, now_micros);
        if verdict == Verdict::Latched {
            self.sources.admit(header.ssrc, now_micros);
            self.rtcp_latch = RtcpLatch::default();
        }
        verdict
    }

    /// Whether a packet of the party is within its rate, and its source one that it may have.
    #[inline]
    fn lets_in(&mut self, header: Header, now_micros: u64) -> bool {
        self.rate.allows(now_micros) && self.sources.admit(header.ssrc, now_micros)
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
        let may_be = self.may_be_rtcp(from, multiplexed);
        let has_latch = self.paths.is_none() && !multiplexed;
        let (negotiated, rtp) = (&self.negotiated, &self.latch);
        let known = may_be && (!has_latch || self.rtcp_latch.admit(negotiated, rtp, from, ssrc));
        match known && self.rate.allows(now_micros) {
            true => Verdict::Accepted,
            false => Verdict::Dropped,
        }
    }

    /// Whether RTCP from there may be the party's, as far as that is seen without reading it.
    pub(crate) fn may_be_rtcp(&self, from: SocketAddr, multiplexed: bool) -> bool {
        if self.negotiated.rtcp.is_none() {
            return false;
        }
        if let Some(paths) = &self.paths {
            return paths.accept(channel_of(multiplexed), from);
        }
        match (multiplexed, self.is_multiplexed()) {
            (false, false) => (self.rtcp_latch).may_be(&self.negotiated, &self.latch, from),
            // On the RTP port it is as good as the RTP of the same source (RFC 5761), no better.
            (true, true) => same(self.latch.address().unwrap_or(self.negotiated.rtp), from),
            _ => false,
        }
    }

    /// Judges a datagram that is not RTP (UDPTL): by source only.
    pub(crate) fn admit_datagram(&mut self, from: SocketAddr, now_micros: u64) -> Verdict {
        self.datagrams = self.datagrams.wrapping_add(1);
        let header = Header {
            marker: false,
            payload_type: 0,
            sequence: self.datagrams,
            timestamp: 0,
            ssrc: 0,
        };
        if !self.sends {
            return Verdict::Dropped;
        }
        match self.latch.admit(&self.negotiated, from, header, now_micros) {
            Verdict::Accepted if !self.rate.allows(now_micros) => Verdict::Dropped,
            verdict => verdict,
        }
    }

    /// Whether a protected packet from there is worth the work of looking whether it is authentic.
    /// Nothing is learned from it yet.
    #[inline]
    pub(crate) fn may_try(&mut self, channel: Channel, from: SocketAddr, now_micros: u64) -> bool {
        if let Some(paths) = &self.paths {
            return paths.accept(channel, from) && self.rate.allows(now_micros);
        }
        let known = match channel {
            Channel::Rtp => self.latch.address().unwrap_or(self.negotiated.rtp),
            Channel::Rtcp => match self.rtcp_latch.address().or(self.negotiated.rtcp) {
                Some(known) => known,
                None => return false,
            },
        };
        if same(known, from) {
            return self.rate.allows(now_micros);
        }
        let trust = match known.ip() == from.ip() || self.is_vouched(from.ip()) {
            true => Trust::Host,
            false => Trust::Nobody,
        };
        self.allow_stranger(Work::Packet, trust, from, now_micros)
    }

    /// Whether signalling says that the party may be on this host.
    pub(crate) fn is_vouched(&self, host: IpAddr) -> bool {
        let negotiated = &self.negotiated;
        host == negotiated.signalling || host == negotiated.rtp.ip()
    }

    #[cold]
    fn allow_stranger(
        &mut self,
        work: Work,
        trust: Trust,
        from: SocketAddr,
        now_micros: u64,
    ) -> bool {
        let strangers = self.strangers.get_or_insert_default();
        strangers.allow(work, trust, from, now_micros)
    }

    /// Takes note of an RTP packet that is authentic. The latch moves to where the party is now, when
    /// it has been silent where it was.
    #[inline]
    pub(crate) fn authenticated(
        &mut self,
        from: SocketAddr,
        header: Header,
        now_micros: u64,
    ) -> Verdict {
        if self.paths.is_some() {
            return Verdict::Accepted;
        }
        self.latch
            .authenticated(&self.negotiated, from, header, now_micros)
    }

    /// Takes note of an RTCP packet that is authentic.
    pub(crate) fn authenticated_rtcp(&mut self, channel: Channel, from: SocketAddr) {
        if channel == Channel::Rtcp && self.paths.is_none() {
            self.rtcp_latch.set(from);
        }
    }

    /// Takes note of the party having shown who it is in another way than by a packet.
    pub(crate) fn identified(
        &mut self,
        channel: Channel,
        from: SocketAddr,
        now_micros: u64,
    ) -> Verdict {
        match channel {
            _ if self.paths.is_some() => Verdict::Accepted,
            Channel::Rtp => self.latch.identified(from, now_micros),
            Channel::Rtcp => {
                self.rtcp_latch.set(from);
                Verdict::Accepted
            }
        }
    }

    /// Whether a handshake with somebody at this address may be about this party: from where checks
    /// have found it or (`has_asked`) it has sent authentic ones, where it is latched, or where
    /// signalling says that it may be.
    pub(crate) fn may_shake_hands(
        &mut self,
        channel: Channel,
        from: SocketAddr,
        has_asked: bool,
        now_micros: u64,
    ) -> bool {
        let trust = match (&self.paths, self.latch.address()) {
            // Where both share one port there is one handshake.
            _ if channel == Channel::Rtcp && self.is_multiplexed() => return false,
            _ if self.is_negotiated(channel, from) => Trust::Exact,
            (Some(_), _) if has_asked => Trust::Exact,
            (None, Some(latched)) if same(latched, from) => Trust::Exact,
            (None, Some(latched)) if latched.ip() == from.ip() => Trust::Host,
            (None, None) if from.ip() == self.negotiated.signalling => Trust::Host,
            _ => return false,
        };
        self.allow_stranger(Work::Handshake, trust, from, now_micros)
    }

    /// Whether this is exactly where the description says, or where checks have found the party.
    pub(crate) fn is_negotiated(&self, channel: Channel, from: SocketAddr) -> bool {
        match &self.paths {
            Some(paths) => paths.accept(channel, from),
            None => self
                .negotiated(channel)
                .is_some_and(|said| same(said, from)),
        }
    }

    /// Where a handshake of ours begins.
    pub(crate) fn handshake_destination(&self, channel: Channel) -> Option<SocketAddr> {
        match &self.paths {
            Some(paths) => paths.destination(channel),
            None => reachable(self.negotiated(channel)?),
        }
    }

    fn negotiated(&self, channel: Channel) -> Option<SocketAddr> {
        match channel {
            Channel::Rtp => Some(self.negotiated.rtp),
            Channel::Rtcp => self.negotiated.rtcp,
        }
    }

    /// Lets connectivity checks say who may speak and where packets go, or the latch again.
    pub(crate) fn set_paths(&mut self, paths: Option<Paths>) {
        match (&mut self.paths, paths) {
            (Some(known), Some(paths)) => **known = paths,
            (known, paths) => *known = paths.map(Box::new),
        }
    }

    /// Whether the streams of others arrive here, too.
    pub(crate) fn set_carries(&mut self, carries: bool) {
        self.carries = carries;
    }

    /// Whether the party may send this payload type.
    #[inline]
    pub(crate) fn wants(&self, payload_type: u8) -> bool {
        self.sends && self.payload_types.contains(payload_type)
    }

    /// Where RTP goes: to the latched address, before that to the negotiated one; `None` while the
    /// party does not want to receive.
    #[inline]
    pub(crate) fn rtp_destination(&self) -> Option<SocketAddr> {
        if !self.receives {
            return None;
        }
        self.media_destination()
    }

    /// Where packets go that the receiving side of another endpoint has asked for.
    #[inline]
    pub(crate) fn media_destination(&self) -> Option<SocketAddr> {
        if let Some(paths) = &self.paths {
            return paths.destination(Channel::Rtp);
        }
        self.latch
            .address()
            .or_else(|| reachable(self.negotiated.rtp))
    }

    /// The one address where RTP comes from and goes to, as long as nobody else could take its place.
    pub(crate) fn settled_at(&self, now_micros: u64) -> Option<SocketAddr> {
        match self.paths {
            // Checks come from other addresses at any time.
            Some(_) => None,
            None => self.latch.settled_at(&self.negotiated, now_micros),
        }
    }

    /// Whether the party wants to receive.
    pub(crate) fn receives(&self) -> bool {
        self.receives
    }

    /// Where RTCP goes, whether the party wants to receive voice or not.
    pub(crate) fn rtcp_destination(&self) -> Option<SocketAddr> {
        let negotiated = self.negotiated.rtcp?;
        if let Some(paths) = &self.paths {
            return paths.destination(channel_of(self.is_multiplexed()));
        }
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

    /// On which port RTCP is, when there is any.
    pub(crate) fn rtcp_channel(&self) -> Option<Channel> {
        self.negotiated.rtcp?;
        Some(channel_of(self.is_multiplexed()))
    }

    /// Whether one more connectivity check, or answer to one, may be looked at. That it may be one of
    /// the party has been seen; `is_named` says whether candidates of it are on that host.
    pub(crate) fn may_check(
        &mut self,
        channel: Channel,
        from: SocketAddr,
        work: Work,
        is_named: bool,
        now_micros: u64,
    ) -> bool {
        let paths = self.paths.as_ref();
        if paths.is_some_and(|paths| paths.accept(channel, from)) {
            return self.rate.allows(now_micros);
        }
        let trust = match is_named || self.is_vouched(from.ip()) {
            true => Trust::Host,
            false => Trust::Nobody,
        };
        self.allow_stranger(work, trust, from, now_micros)
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

/// Where RTCP is, which shares the RTP port or does not.
fn channel_of(multiplexed: bool) -> Channel {
    match multiplexed {
        true => Channel::Rtp,
        false => Channel::Rtcp,
    }
}

/// Compares address and port; the flow label and scope of IPv6 say nothing about who it is.
#[inline]
pub(crate) fn same(one: SocketAddr, other: SocketAddr) -> bool {
    one.port() == other.port() && one.ip() == other.ip()
}

/// An address that one party can be at. A description can name any: `0.0.0.0` is the hold of RFC
/// 2543, and a group or a port 0 is nobody.
pub(crate) fn reachable(address: SocketAddr) -> Option<SocketAddr> {
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
pub(crate) struct PayloadTypes(u128);

impl PayloadTypes {
    #[inline]
    pub(crate) fn contains(self, payload_type: u8) -> bool {
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
