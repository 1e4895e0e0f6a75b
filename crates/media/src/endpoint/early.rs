//! What an endpoint does with what arrives before the answer of the party that has been made an offer:
//! checks are answered, the hellos that handshakes begin with are kept and looked at when its description
//! is here. No handshake is made here, and nothing but a check is answered.

use core::net::SocketAddr;
use std::collections::VecDeque;

use fernamt_exchange::media::Offer;

use super::{Endpoint, Outbox, Outside, Progress};
use crate::gate::{Gate, Strangers, Trust, Work, same};
use crate::ice::EarlyAgent;
use crate::socket::Channel;

/// Hellos that are kept of the places where the party probably is, and as many of all others: of each
/// place on each port the newest, of all of them so many of the newest.
pub(super) const MAX_HELLOS: usize = 6;

/// A hello is no longer, in bytes: what one frame of Ethernet carries. One that is comes in pieces, of which
/// the first says all that is looked at.
pub(super) const MAX_HELLO_BYTES: usize = 1_500;

/// What is waiting for the party's description.
#[derive(Debug)]
pub(crate) struct Early {
    offer: Offer,
    agent: Option<EarlyAgent>,
    /// A description has come, and others may follow: a proxy that forks passes on the answers of
    /// several parties.
    is_described: bool,
    /// From where signalling comes from or the party was known to be.
    expected: Shelf,
    /// From anywhere else. Whoever sends from there takes no place of the party.
    others: Shelf,
    strangers: Strangers,
}

/// What a handshake begins with.
#[derive(Debug)]
struct Hello {
    channel: Channel,
    from: SocketAddr,
    datagram: Box<[u8]>,
}

/// Some of them, the oldest first.
#[derive(Debug, Default)]
struct Shelf(VecDeque<Hello>);

impl Shelf {
    /// Keeps one, for which that of the same place or the oldest makes room: how many have gone.
    fn keep(&mut self, hello: Hello, is_of_same_place: impl Fn(&Hello) -> bool) -> usize {
        let before = self.0.len();
        self.0
            .retain(|known| known.channel != hello.channel || !is_of_same_place(known));
        if self.0.len() >= MAX_HELLOS {
            self.0.pop_front();
        }
        let gone = before - self.0.len();
        self.0.push_back(hello);
        gone
    }
}

impl Early {
    fn new(offer: &Offer, outside: &Outside<'_>) -> Early {
        let ice = offer.ice.as_ref();
        Early {
            offer: offer.clone(),
            agent: ice.and_then(|ice| EarlyAgent::new(ice, outside.random)),
            is_described: false,
            expected: Shelf::default(),
            others: Shelf::default(),
            strangers: Strangers::default(),
        }
    }

    /// What speaks for a source before its description.
    pub(super) fn trust(&self, gate: Option<&Gate>, channel: Channel, from: SocketAddr) -> Trust {
        if gate.is_some_and(|gate| gate.is_negotiated(channel, from)) {
            return Trust::Exact;
        }
        let is_vouched = gate.is_some_and(|gate| gate.is_vouched(from.ip()));
        match is_vouched || from.ip() == self.offer.signalling {
            true => Trust::Host,
            false => Trust::Nobody,
        }
    }

    /// Whether the beginning of a handshake may be kept.
    fn may_keep(&mut self, datagram: &[u8], trust: Trust, from: SocketAddr, now: u64) -> bool {
        self.offer.dtls
            && datagram.len() <= MAX_HELLO_BYTES
            && self.strangers.allow(Work::Handshake, trust, from, now)
    }

    /// Keeps the beginning of a handshake: how many others have gone for it.
    fn keep(&mut self, gate: Option<&Gate>, hello: Hello) -> u64 {
        let from = hello.from;
        let is_expected = from.ip() == self.offer.signalling
            || gate.is_some_and(|gate| gate.is_negotiated(hello.channel, from));
        let gone = match is_expected {
            true => self.expected.keep(hello, |known| same(known.from, from)),
            // One host, whatever ports it uses, is one place.
            false => self
                .others
                .keep(hello, |known| known.from.ip() == from.ip()),
        };
        gone as u64
    }

    /// How many are kept of the places where the party probably is, and of all others.
    pub(super) fn kept(&self) -> [usize; 2] {
        [&self.expected, &self.others].map(|shelf| shelf.0.len())
    }

    fn waiting(&self) -> u64 {
        self.kept().iter().sum::<usize>() as u64
    }

    /// Who answers checks until the party is described.
    pub(super) fn agent(&mut self) -> Option<&mut EarlyAgent> {
        self.agent.as_mut()
    }
}

impl Endpoint {
    /// The party has been made an offer that it may act on before its answer is here; `None`: no
    /// answer is to come any more.
    pub(crate) fn expect(&mut self, offer: Option<&Offer>, outside: &Outside<'_>) {
        let Some(offer) = offer.filter(|_| self.carrier.is_none()) else {
            if let Some(setup) = &mut self.setup {
                let early = setup.early.take();
                self.packets_dropped += early.map_or(0, |early| early.waiting());
                setup.parked.clear();
            }
            self.drop_setup_without_use();
            return;
        };
        let setup = self.setup.get_or_insert_default();
        match &mut setup.early {
            // Said once more, with all that came meanwhile.
            Some(early) if early.offer == *offer => early.is_described = false,
            early => {
                let new = Box::new(Early::new(offer, outside));
                let before = early.replace(new);
                self.packets_dropped += before.map_or(0, |before| before.waiting());
            }
        }
    }

    /// Whether the first description after an offer is still to come: until then every new handshake
    /// has to wait, since it may be with the certificate that the description names.
    pub(super) fn awaits_description(&self) -> bool {
        let early = self.setup.as_ref().and_then(|setup| setup.early.as_ref());
        early.is_some_and(|early| !early.is_described)
    }

    /// Whether something of the party may come from elsewhere than it was.
    pub(crate) fn expects_answer(&self) -> bool {
        let setup = self.setup.as_ref();
        setup.is_some_and(|setup| setup.early.is_some())
    }

    /// The party is described now: looks at what has been kept, at what comes from exactly where the
    /// description says first. What may not be the party's stays for another description.
    pub(super) fn look_at_early(&mut self, outside: &Outside<'_>, outbox: &mut Outbox<'_>) {
        let setup = self.setup.as_mut();
        let (Some(early), Some(gate)) = (
            setup.and_then(|setup| setup.early.as_mut()),
            self.gate.as_ref(),
        ) else {
            return;
        };
        early.is_described = true;
        let kept = [&mut early.expected, &mut early.others]
            .into_iter()
            .flat_map(|shelf| core::mem::take(&mut shelf.0));
        let (first, second): (Vec<Hello>, Vec<Hello>) =
            kept.partition(|hello| gate.is_negotiated(hello.channel, hello.from));
        for hello in first.into_iter().chain(second) {
            self.look_at_hello(hello, outside, outbox);
        }
    }

    fn look_at_hello(&mut self, hello: Hello, outside: &Outside<'_>, outbox: &mut Outbox<'_>) {
        let (channel, from) = (hello.channel, hello.from);
        if self.may_shake_hands(channel, from, outside.clock.now_micros) {
            return self.shake_hands(channel, &hello.datagram, from, outside, outbox);
        }
        let is_news = self.begins_handshake(channel, &hello.datagram);
        let early = self.setup.as_mut().and_then(|setup| setup.early.as_mut());
        self.packets_dropped += match early.filter(|_| is_news) {
            // It has been counted among those of its source.
            Some(early) => early.keep(self.gate.as_ref(), hello),
            None => 1,
        };
    }

    /// Keeps what a handshake begins with until its party is described.
    pub(super) fn keep_hello(
        &mut self,
        channel: Channel,
        datagram: &[u8],
        from: SocketAddr,
        now_micros: u64,
    ) -> Progress {
        let gate = self.gate.as_ref();
        let early = self.setup.as_mut().and_then(|setup| setup.early.as_mut());
        let Some(early) = early else {
            return Progress::Refused;
        };
        let trust = early.trust(gate, channel, from);
        if !early.may_keep(datagram, trust, from, now_micros) {
            return Progress::Refused;
        }
        let hello = Hello {
            channel,
            from,
            datagram: datagram.into(),
        };
        self.packets_dropped += early.keep(gate, hello);
        Progress::Waiting
    }
}
