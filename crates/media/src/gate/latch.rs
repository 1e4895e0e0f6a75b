//! The latch: an address learned from packets, from vouched sources only, and then kept. It judges
//! sources; payload types, directions and rates are judged before.

use core::net::SocketAddr;

use fernamt_rtp::packet::Header;

use super::{Negotiated, Verdict, same};

/// Packets that must belong together before a source that is not exactly the negotiated one is
/// taken for the party.
pub(super) const CONSISTENT_PACKETS: u8 = 3;

/// How long the latched address must have been silent before another port of the same IP address may
/// go on with its stream, in microseconds: long enough that a party cannot have both.
pub(super) const REBIND_SILENCE_MICROS: u64 = 500_000;

/// How long a source that was latched before the party moved is not latched again, in microseconds.
/// It goes on sending until it has our answer, and would be taken for the new one.
const FORMER_PAUSE_MICROS: u64 = 2_000_000;

/// Sources under observation at once; for one more, the least recently heard is forgotten.
const CANDIDATES: usize = 4;

/// The largest step of the sequence number between packets of one candidate.
const CANDIDATE_STEP: u16 = 16;

/// The largest step of the sequence number over a gap in a stream (RFC 3550 A.1, `MAX_DROPOUT`).
const STREAM_STEP: u16 = 3_000;

/// Learns where the RTP of a party comes from.
#[derive(Debug)]
pub(super) struct Latch {
    state: State,
    /// Sources under observation. There are none while the party is heard, so that they lie elsewhere.
    candidates: Option<Box<[Option<Candidate>; CANDIDATES]>>,
    /// The stream last accepted.
    stream: Option<Stream>,
    /// What was latched before the party moved.
    former: Option<SocketAddr>,
    opened_micros: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    Closed {
        address: SocketAddr,
        heard_micros: u64,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stream {
    ssrc: u32,
    sequence: u16,
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    address: SocketAddr,
    stream: Stream,
    packets: u8,
    heard_micros: u64,
}

impl Stream {
    /// Whether `next` goes on where this stands, at most `step` packets further.
    fn continues_with(self, next: Stream, step: u16) -> bool {
        let forward = next.sequence.wrapping_sub(self.sequence);
        next.ssrc == self.ssrc && (1..=step).contains(&forward)
    }
}

impl Latch {
    pub(super) fn open(former: Option<SocketAddr>, now_micros: u64) -> Latch {
        Latch {
            state: State::Open,
            candidates: None,
            stream: None,
            former,
            opened_micros: now_micros,
        }
    }

    /// The address on which it is closed.
    #[inline]
    pub(super) fn address(&self) -> Option<SocketAddr> {
        match self.state {
            State::Open => None,
            State::Closed { address, .. } => Some(address),
        }
    }

    /// The address on which it is closed, while nobody else could move it: the party is heard there,
    /// and the negotiated address, which may always take over from its neighbours, is not another one of
    /// the same host.
    pub(super) fn settled_at(
        &self,
        negotiated: &Negotiated,
        now_micros: u64,
    ) -> Option<SocketAddr> {
        let State::Closed {
            address,
            heard_micros,
        } = self.state
        else {
            return None;
        };
        let is_heard = now_micros.saturating_sub(heard_micros) < REBIND_SILENCE_MICROS;
        let is_final = same(address, negotiated.rtp) || address.ip() != negotiated.rtp.ip();
        (is_heard && is_final).then_some(address)
    }

    /// The SSRC last accepted.
    pub(super) fn ssrc(&self) -> Option<u32> {
        self.stream.map(|stream| stream.ssrc)
    }

    #[inline]
    pub(super) fn admit(
        &mut self,
        negotiated: &Negotiated,
        from: SocketAddr,
        header: Header,
        now_micros: u64,
    ) -> Verdict {
        let stream = Stream {
            ssrc: header.ssrc,
            sequence: header.sequence,
        };
        if let State::Closed {
            address,
            heard_micros,
        } = &mut self.state
            && same(*address, from)
        {
            *heard_micros = now_micros;
            self.stream = Some(stream);
            return Verdict::Accepted;
        }
        if self.may_close_on(negotiated, from, stream, now_micros) {
            self.state = State::Closed {
                address: from,
                heard_micros: now_micros,
            };
            self.stream = Some(stream);
            self.candidates = None;
            return Verdict::Latched;
        }
        Verdict::Dropped
    }

    /// Takes note of a packet that is authentic, wherever it came from.
    #[inline]
    pub(super) fn authenticated(
        &mut self,
        negotiated: &Negotiated,
        from: SocketAddr,
        header: Header,
        now_micros: u64,
    ) -> Verdict {
        self.stream = Some(Stream {
            ssrc: header.ssrc,
            sequence: header.sequence,
        });
        let is_former = self.is_former(from, now_micros);
        match &mut self.state {
            State::Closed {
                address,
                heard_micros,
            } => {
                if same(*address, from) {
                    *heard_micros = now_micros;
                    return Verdict::Accepted;
                }
                let silence = now_micros.saturating_sub(*heard_micros);
                if silence < REBIND_SILENCE_MICROS && !same(from, negotiated.rtp) {
                    return Verdict::Accepted;
                }
            }
            State::Open if is_former => return Verdict::Accepted,
            State::Open => {}
        }
        self.identified(from, now_micros)
    }

    /// Closes on the address of a party that has shown who it is.
    pub(super) fn identified(&mut self, from: SocketAddr, now_micros: u64) -> Verdict {
        let is_known = self.address().is_some_and(|address| same(address, from));
        self.state = State::Closed {
            address: from,
            heard_micros: now_micros,
        };
        self.candidates = None;
        match is_known {
            true => Verdict::Accepted,
            false => Verdict::Latched,
        }
    }

    /// Whether a packet from an address other than the latched one moves the latch there.
    fn may_close_on(
        &mut self,
        negotiated: &Negotiated,
        from: SocketAddr,
        stream: Stream,
        now_micros: u64,
    ) -> bool {
        match self.state {
            State::Open if same(from, negotiated.rtp) => true,
            State::Open => {
                from.ip() == negotiated.signalling
                    && !self.is_former(from, now_micros)
                    && self.observe(from, stream, now_micros)
            }
            State::Closed { address, .. } if address.ip() != from.ip() => false,
            State::Closed { .. } if same(from, negotiated.rtp) => true,
            State::Closed { heard_micros, .. } => {
                let silence = now_micros.saturating_sub(heard_micros);
                silence >= REBIND_SILENCE_MICROS
                    && self
                        .stream
                        .is_some_and(|known| known.continues_with(stream, STREAM_STEP))
                    && self.observe(from, stream, now_micros)
            }
        }
    }

    fn is_former(&self, from: SocketAddr, now_micros: u64) -> bool {
        self.former.is_some_and(|former| same(former, from))
            && now_micros.saturating_sub(self.opened_micros) < FORMER_PAUSE_MICROS
    }

    /// Counts a packet of a source under observation; whether that makes enough that belong together.
    fn observe(&mut self, from: SocketAddr, stream: Stream, now_micros: u64) -> bool {
        let candidates = self.candidates.get_or_insert_default();
        let known = candidates
            .iter_mut()
            .flatten()
            .find(|candidate| same(candidate.address, from));
        if let Some(candidate) = known {
            let together = candidate.stream.continues_with(stream, CANDIDATE_STEP);
            candidate.packets = if together { candidate.packets + 1 } else { 1 };
            candidate.stream = stream;
            candidate.heard_micros = now_micros;
            return candidate.packets >= CONSISTENT_PACKETS;
        }
        let place = candidates
            .iter_mut()
            .min_by_key(|place| place.map(|candidate| candidate.heard_micros));
        if let Some(place) = place {
            let candidate = Candidate {
                address: from,
                stream,
                packets: 1,
                heard_micros: now_micros,
            };
            *place = Some(candidate);
        }
        false
    }
}

/// Learns where the RTCP of a party comes from, once its RTP is known.
#[derive(Debug, Default)]
pub(super) struct RtcpLatch {
    address: Option<SocketAddr>,
}

impl RtcpLatch {
    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Closes on the address of an authentic packet.
    pub(super) fn set(&mut self, from: SocketAddr) {
        self.address = Some(from);
    }

    /// Whether a packet on the RTCP port may be the party's, as far as its source says.
    pub(super) fn may_be(&self, negotiated: &Negotiated, rtp: &Latch, from: SocketAddr) -> bool {
        if let Some(address) = self.address {
            return same(address, from);
        }
        let is_beside = rtp.address().is_some_and(|rtp| rtp.ip() == from.ip());
        is_beside || negotiated.rtcp.is_some_and(|rtcp| same(rtcp, from))
    }

    /// Whether a packet on the RTCP port is the party's.
    pub(super) fn admit(
        &mut self,
        negotiated: &Negotiated,
        rtp: &Latch,
        from: SocketAddr,
        ssrc: u32,
    ) -> bool {
        if let Some(address) = self.address {
            return same(address, from);
        }
        let is_negotiated = negotiated.rtcp.is_some_and(|rtcp| same(rtcp, from));
        let known = is_negotiated || is_beside(negotiated, rtp, from, ssrc);
        if known {
            self.address = Some(from);
        }
        known
    }
}

/// Whether a source of RTCP is where the RTP was found, which is elsewhere than negotiated.
fn is_beside(negotiated: &Negotiated, rtp: &Latch, from: SocketAddr, ssrc: u32) -> bool {
    rtp.address().is_some_and(|address| {
        address.ip() == from.ip() && !same(address, negotiated.rtp) && rtp.ssrc() == Some(ssrc)
    })
}
