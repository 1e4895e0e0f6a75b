//! An endpoint in virtual time: what it tells is kept.

use std::time::Instant;

use fernamt_exchange::media::{Event, Remote};

use super::super::*;
use crate::dtls::{Certificate, Clock, Identity};
use crate::random::Random;
use crate::socket::Channel;

pub(super) struct Rig {
    pub(super) endpoint: Endpoint,
    pub(super) now_micros: u64,
    pub(super) events: Vec<Event>,
    /// What it has sent.
    pub(super) sent: Vec<(Channel, SocketAddr, Vec<u8>)>,
    pub(super) identity: Option<Identity>,
    random: Random,
    start: Instant,
}

impl Rig {
    pub(super) fn new() -> Rig {
        Rig {
            endpoint: Endpoint::new(EndpointId(1), 1_000, 0),
            now_micros: 0,
            events: Vec::new(),
            sent: Vec::new(),
            identity: None,
            random: Random::new(),
            start: Instant::now(),
        }
    }

    pub(super) fn set_remote(&mut self, remote: &Remote) {
        self.work(|endpoint, outside, outbox| endpoint.set_remote(remote, outside, outbox));
    }

    /// A datagram arrives: what became of it, and what of it is left.
    pub(super) fn arrive(
        &mut self,
        channel: Channel,
        datagram: &[u8],
        from: SocketAddr,
    ) -> (Arrival, Vec<u8>) {
        let mut room = datagram.to_vec();
        let taken = self
            .endpoint
            .take_in(channel, &mut room, from, self.now_micros);
        if taken.has_latched {
            self.events.push(Event::Latched {
                endpoint: EndpointId(1),
                rtp: from,
            });
        }
        if taken.arrival == Arrival::Setup {
            self.work(|endpoint, outside, outbox| {
                endpoint.take_in_setup(channel, datagram, from, outside, outbox);
            });
        }
        room.truncate(taken.length);
        (taken.arrival, room)
    }

    /// Protects a packet of RTP for the party.
    pub(super) fn seal(&mut self, packet: &[u8]) -> Option<Vec<u8>> {
        let mut room = packet.to_vec();
        room.resize(packet.len() + 200, 0);
        let length = self.endpoint.seal_rtp(&mut room, packet.len())?;
        room.truncate(length);
        Some(room)
    }

    pub(super) fn take_events(&mut self) -> Vec<Event> {
        core::mem::take(&mut self.events)
    }

    pub(super) fn clock(&self) -> Clock {
        Clock {
            start: self.start,
            now_micros: self.now_micros,
        }
    }

    pub(super) fn work(&mut self, work: impl FnOnce(&mut Endpoint, &Outside<'_>, &mut Outbox<'_>)) {
        let outside = Outside {
            clock: self.clock(),
            random: &self.random,
            identity: self.identity.as_ref(),
            local: [192, 0, 2, 1].into(),
        };
        let sent = &mut self.sent;
        let mut send = |channel: Channel, to: SocketAddr, datagram: &[u8]| {
            sent.push((channel, to, datagram.to_vec()));
        };
        let mut outbox = Outbox {
            send: &mut send,
            events: &mut self.events,
        };
        work(&mut self.endpoint, &outside, &mut outbox);
    }
}

/// A certificate of somebody.
pub(super) fn certificate() -> Certificate {
    let key = rcgen::KeyPair::generate().unwrap();
    let parameters = rcgen::CertificateParams::new(vec!["media".to_owned()]).unwrap();
    Certificate {
        certificate: parameters.self_signed(&key).unwrap().der().to_vec(),
        private_key: key.serialize_der(),
    }
}
