//! One open endpoint: what it does with what arrives and what it sends. It holds no socket; the
//! caller moves the bytes.
//!
//! What arrives is judged by its source and rate first, then by whether it is authentic, and only then
//! has it any consequence: the latch closes, it is counted, it goes on. So a forged packet changes
//! nothing but a count.

mod agree;
mod arrival;
mod departure;
mod early;
mod setup;
mod watch;

use core::net::SocketAddr;

use fernamt_exchange::media::{EndpointId, Format, Rollovers, Statistics};
use fernamt_sdp::FeedbackSet;

use setup::Progress;
pub(crate) use setup::{Outbox, Outside, Setup};
use watch::Watch;

use crate::bundle::Bundle;
use crate::gate::{Gate, Verdict};
use crate::play::{Outgoing, Playing};
use crate::protection::{LeftKeys, Shield};
use crate::reception::Reception;
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
    left_keys: LeftKeys,
    setup: Option<Box<Setup>>,
    bundle: Option<Box<Bundle>>,
    translations: Translations,
    format: Format,
    /// The feedback messages that the party takes.
    feedback: FeedbackSet,
    /// The party takes RTCP that begins with no report.
    reduced_size: bool,
    /// The identification tag in packets of the party and for it: number of the extension, and name.
    mid: Option<(u8, Box<str>)>,
    /// Stands for both; zero: there is none.
    mid_mark: u64,
    packets_per_second: u32,
    reception: Reception,
    watch: Watch,
    packets_sent: u64,
    packets_withheld: u64,
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
            left_keys: LeftKeys::default(),
            setup: None,
            bundle: None,
            translations: Translations::default(),
            format: Format::Rtp,
            feedback: FeedbackSet::NONE,
            reduced_size: false,
            mid: None,
            mid_mark: 0,
            packets_per_second,
            reception: Reception::default(),
            watch: Watch::default(),
            packets_sent: 0,
            packets_withheld: 0,
            packets_dropped: 0,
            packets_unauthentic: 0,
            has_arrivals: false,
            echo_mask: echo_mask | 1,
        }
    }

    /// The one address where RTP comes from and goes to, as long as nobody else could take its place.
    pub(crate) fn settled_at(&self, now_micros: u64) -> Option<SocketAddr> {
        if self.expects_answer() {
            return None;
        }
        self.gate.as_ref()?.settled_at(now_micros)
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

    /// Whether others than the keys in use should be agreed on, as one of them is old.
    pub(crate) fn take_old_key(&mut self) -> bool {
        self.shield.take_old_key()
    }

    /// Why nothing can be protected any more, once.
    pub(crate) fn take_failure(&mut self) -> Option<fernamt_exchange::media::ProtectionFailure> {
        self.shield.take_failure()
    }

    pub(crate) fn statistics(&self) -> Statistics {
        let mut statistics = self.reception.statistics();
        statistics.packets_sent = self.packets_sent;
        statistics.packets_withheld = self.packets_withheld;
        statistics.packets_dropped = self.packets_dropped;
        statistics.packets_unauthentic = self.packets_unauthentic;
        statistics
    }
}

#[cfg(test)]
mod tests;
