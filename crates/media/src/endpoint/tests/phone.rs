//! A phone that agrees on keys with an endpoint, as the client, and the time that takes: none, as long as
//! nothing has to be sent again.

use fernamt_exchange::media::{
    Dtls, DtlsRole, Event, MediaPort, Offer, Protection, Remote, SrtpKeys,
};
use fernamt_rtp::srtp::{Protector, Unprotector};

use super::rig::{Rig, certificate};
use super::*;
use crate::dtls::{Agreement, Certificate, HandshakeDatagram, Identity, KeyAgreement};
use crate::protection::master_key;

/// A rig with a certificate, that has offered its party a handshake.
pub(super) fn offering(signalling: &str) -> (Rig, Certificate) {
    let own = certificate();
    let mut rig = Rig::new();
    rig.identity = Identity::new(&own);
    offer(&mut rig, Some(signalling));
    (rig, own)
}

/// Offers a handshake, or says that no answer is to come.
pub(super) fn offer(rig: &mut Rig, signalling: Option<&str>) {
    let offer = signalling.map(|signalling| Offer {
        signalling: signalling.parse().unwrap(),
        dtls: true,
        ice: None,
    });
    rig.work(|endpoint, outside, _| endpoint.expect(offer.as_ref(), outside));
}

pub(super) struct Phone {
    pub(super) at: SocketAddr,
    pub(super) own: Certificate,
    agreement: KeyAgreement,
    pub(super) keys: Option<SrtpKeys>,
    cipher: Option<(Protector, Unprotector)>,
}

impl Phone {
    pub(super) fn new(at: &str, exchange: &Certificate) -> Phone {
        Phone::with(at, exchange, certificate())
    }

    pub(super) fn with(at: &str, exchange: &Certificate, own: Certificate) -> Phone {
        let dtls = Dtls {
            role: DtlsRole::Client,
            fingerprints: vec![exchange.fingerprint()],
            established: None,
            established_rtcp: None,
        };
        Phone {
            at: at.parse().unwrap(),
            agreement: KeyAgreement::new(&Identity::new(&own).unwrap(), &dtls),
            own,
            keys: None,
            cipher: None,
        }
    }

    /// What its answer says.
    pub(super) fn remote(&self) -> Remote {
        let dtls = Dtls {
            role: DtlsRole::Server,
            fingerprints: vec![self.own.fingerprint()],
            established: None,
            established_rtcp: None,
        };
        Remote {
            protection: Protection::Dtls(dtls),
            rtcp: Some(self.at),
            payload_types: vec![8],
            ..Remote::plain(self.at)
        }
    }

    /// Says hello on a port.
    pub(super) fn begin(&mut self, rig: &mut Rig, channel: Channel) {
        let exchange = EXCHANGE.parse().unwrap();
        let clock = rig.clock();
        let mut said = Vec::new();
        let mut send = |_: Channel, _: SocketAddr, datagram: &[u8]| said.push(datagram.to_vec());
        self.agreement.begin(channel, exchange, clock, &mut send);
        for datagram in said {
            rig.arrive(channel, &datagram, self.at);
        }
    }

    /// Hears what it was sent, and answers, until nobody has anything to say. No time passes.
    pub(super) fn go_on(&mut self, rig: &mut Rig) {
        loop {
            let is_mine = |sent: &mut (Channel, SocketAddr, Vec<u8>)| sent.1 == self.at;
            let heard: Vec<_> = rig.sent.extract_if(.., is_mine).collect();
            if heard.is_empty() {
                return;
            }
            for (channel, _, datagram) in heard {
                self.hear(rig, channel, &datagram);
            }
        }
    }

    fn hear(&mut self, rig: &mut Rig, channel: Channel, datagram: &[u8]) {
        let clock = rig.clock();
        let arrival = HandshakeDatagram {
            channel,
            datagram,
            from: EXCHANGE.parse().unwrap(),
            is_one_party: false,
            is_negotiated: true,
        };
        let mut said = Vec::new();
        let mut send = |_: Channel, _: SocketAddr, datagram: &[u8]| said.push(datagram.to_vec());
        let agreed = self.agreement.handle(&arrival, clock, &mut send);
        if let Some(Agreement::Keys(_, _, keys)) = agreed {
            let master = |key| master_key(key).unwrap();
            self.cipher = Some((
                Protector::new(&master(&keys.ours)),
                Unprotector::new(&master(&keys.theirs)),
            ));
            self.keys = Some(keys);
        }
        for datagram in said {
            rig.arrive(channel, &datagram, self.at);
        }
    }

    /// Whether a packet of each reaches the other.
    pub(super) fn talks(&mut self, rig: &mut Rig, sequence: u16) -> bool {
        let Some((protector, unprotector)) = &mut self.cipher else {
            return false;
        };
        let mut packet = rtp(sequence);
        let length = packet.len();
        packet.resize(length + 200, 0);
        let length = protector.protect_rtp(&mut packet, length).unwrap();
        let (arrival, clear) = rig.arrive(Channel::Rtp, &packet[..length], self.at);
        let mut sealed = rig.seal(&rtp(sequence)).unwrap_or_default();
        let is_heard = unprotector.unprotect_rtp(&mut sealed).is_ok();
        (arrival, clear) == (RTP, rtp(sequence)) && is_heard
    }
}

pub(super) const EXCHANGE: &str = "192.0.2.1:20000";

/// Says hello on the port of RTP.
pub(super) fn hello(phone: &mut Phone, rig: &mut Rig) {
    phone.begin(rig, Channel::Rtp);
}

/// Reports about keys, without those about addresses.
pub(super) fn told(rig: &mut Rig) -> Vec<Event> {
    let mut told = rig.take_events();
    told.retain(|event| matches!(event, Event::Secured { .. } | Event::Unprotected { .. }));
    told
}

/// The keys as the exchange has them.
pub(super) fn secured(phone: &Phone) -> Event {
    let SrtpKeys { ours, theirs } = phone.keys.clone().unwrap();
    Event::Secured {
        endpoint: EndpointId(1),
        port: MediaPort::Rtp,
        keys: SrtpKeys {
            ours: theirs,
            theirs: ours,
        },
    }
}
