//! Keys agreed with a party on the media path (RFC 5763, RFC 5764): which handshakes there are, who may
//! take part, and which one counts. Handshakes are those of `rtc-dtls`; packets are protected elsewhere.
//!
//! Whoever is allowed to speak at all (the gate says so) may try a handshake, and so may one who has sent
//! an authentic check: the ClientHello of a party whose check was answered comes before ours is. Of a
//! client nothing is kept before it has shown, by a cookie, that it is where it says: whoever writes
//! hellos in the name of another neither takes his place nor ends what he has begun. Each source has
//! a handshake of its own, the one that its client has begun last, so that nobody can spoil that of
//! another, and only one that shows the negotiated certificate has a consequence: its keys count from
//! its end on, and the others are forgotten. What is established stays until the party itself has
//! completed another handshake.

mod association;
mod cookie;
mod fingerprint;
mod hello;
mod identity;
mod record;
#[cfg(test)]
mod tests;

use core::net::SocketAddr;

use fernamt_exchange::media::{Dtls, DtlsRole, Fingerprint, ProtectionFailure, SrtpKeys};

pub(crate) use association::Clock;
use association::{Association, Input, Progress};
use hello::{First, Hello};
pub use identity::Certificate;
pub(crate) use identity::Identity;

use crate::gate::same;
use crate::socket::Channel;

/// Handshakes at once on one port: an established one, and a few of whom nobody knows yet who they are.
/// For one more from the negotiated address, one goes that is not from there and not established.
pub(crate) const MAX_ASSOCIATIONS: usize = 4;

/// How often a handshake that we began and that failed is begun again.
const MAX_ATTEMPTS: u8 = 4;

/// The handshakes of an endpoint.
#[derive(Debug)]
pub(crate) struct KeyAgreement {
    identity: Identity,
    role: DtlsRole,
    fingerprints: Vec<Fingerprint>,
    rtp: Port,
    rtcp: Port,
    has_reported_failure: bool,
}

/// The handshakes on one port.
#[derive(Debug, Default)]
struct Port {
    associations: Vec<Association>,
    attempts: u8,
    /// There are keys, from a handshake here or from before a restart.
    is_settled: bool,
}

/// Something that a handshake has led to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Agreement {
    /// Keys, with the party at this address.
    Keys(Channel, SocketAddr, SrtpKeys),
    /// No keys; told once.
    Failed(ProtectionFailure),
}

/// Takes what a handshake says, for a party.
pub(crate) type Send<'a> = dyn FnMut(Channel, SocketAddr, &[u8]) + 'a;

impl KeyAgreement {
    pub(crate) fn new(identity: &Identity, dtls: &Dtls) -> KeyAgreement {
        let port = |established: bool| Port {
            is_settled: established,
            ..Port::default()
        };
        KeyAgreement {
            identity: identity.clone(),
            role: dtls.role,
            fingerprints: dtls.fingerprints.clone(),
            rtp: port(dtls.established.is_some()),
            rtcp: port(dtls.established.is_some() && dtls.established_rtcp.is_some()),
            has_reported_failure: false,
        }
    }

    /// Whether this goes on under another description; another role or certificate needs a handshake
    /// of its own (RFC 8842 section 4).
    pub(crate) fn is_for(&self, dtls: &Dtls) -> bool {
        self.role == dtls.role && self.fingerprints == dtls.fingerprints
    }

    /// Whether a handshake has ended well, here or before a restart.
    pub(crate) fn has_keys(&self) -> bool {
        self.rtp.is_settled
    }

    /// Whether a datagram begins a handshake.
    pub(crate) fn is_hello(datagram: &[u8]) -> bool {
        matches!(Hello::of(datagram), Some(Hello::Beginning { .. }))
    }

    /// Begins a handshake with the party at this address, when it is for us to begin and none is under
    /// way there.
    pub(crate) fn begin(
        &mut self,
        channel: Channel,
        party: SocketAddr,
        clock: Clock,
        send: &mut Send<'_>,
    ) -> Option<Agreement> {
        if self.role == DtlsRole::Server {
            return None;
        }
        let identity = self.identity.clone();
        let port = self.port(channel);
        if let Some(known) = port.associations.first_mut() {
            // The way has changed, the handshake has not.
            known.party = party;
            return None;
        }
        if port.is_settled {
            return None;
        }
        port.attempts += 1;
        let association = Association::new(&identity, DtlsRole::Client, party, true, clock);
        port.associations.push(association);
        self.drive(channel, 0, Input::Time, clock, send)
    }

    /// Takes a datagram from somebody who may take part.
    pub(crate) fn handle(
        &mut self,
        arrival: &HandshakeDatagram<'_>,
        clock: Clock,
        send: &mut Send<'_>,
    ) -> Option<Agreement> {
        let index = self.association_for(arrival, clock, send)?;
        let input = Input::Datagram(arrival.datagram);
        self.drive(arrival.channel, index, input, clock, send)
    }

    /// Whether a datagram begins a handshake that is not under way.
    pub(crate) fn is_news(&self, channel: Channel, datagram: &[u8]) -> bool {
        let port = match channel {
            Channel::Rtp => &self.rtp,
            Channel::Rtcp => &self.rtcp,
        };
        match Hello::of(datagram) {
            Some(Hello::Beginning { random, .. }) => {
                !port.associations.iter().any(|known| known.is_of(random))
            }
            Some(Hello::Piece) | None => false,
        }
    }

    /// The handshake that a datagram belongs to: one under way with its source, or an established one,
    /// or a new one of a client that has shown that it is where it says.
    fn association_for(
        &mut self,
        arrival: &HandshakeDatagram<'_>,
        clock: Clock,
        send: &mut Send<'_>,
    ) -> Option<usize> {
        let hello = Hello::of(arrival.datagram).filter(|_| self.role == DtlsRole::Server);
        let port = self.port(arrival.channel);
        let known = match hello {
            Some(hello) => port.with_hello(arrival, hello),
            None => port.under_way(arrival),
        };
        let Some(index) = known else {
            return self.answer_hello(arrival, hello?, clock, send);
        };
        if let Some(known) = port.associations.get_mut(index)
            && arrival.is_one_party
        {
            known.party = arrival.from;
            known.is_vouched = true;
        }
        Some(index)
    }

    /// Begins a handshake with a client that says hello with our cookie, and asks any other for that.
    fn answer_hello(
        &mut self,
        arrival: &HandshakeDatagram<'_>,
        hello: Hello<'_>,
        clock: Clock,
        send: &mut Send<'_>,
    ) -> Option<usize> {
        let Hello::Beginning { random, cookie } = hello else {
            return None;
        };
        let identity = self.identity.clone();
        let port = self.port(arrival.channel);
        let expected = identity.cookies.of(arrival.from);
        if cookie != expected {
            // Nothing is kept of it: anybody can write a hello in the name of anybody.
            port.pause(arrival, clock);
            let request = hello::verify_request(&expected)?;
            send(arrival.channel, arrival.from, &request);
            return None;
        }
        port.give_up(arrival);
        if !port.has_room(arrival.is_negotiated) {
            return None;
        }
        let is_vouched = arrival.is_one_party || arrival.is_negotiated;
        let (role, party) = (DtlsRole::Server, arrival.from);
        let mut association = Association::new(&identity, role, party, is_vouched, clock);
        association.client = Some((random, First::of(arrival.datagram)?));
        port.associations.push(association);
        port.associations.len().checked_sub(1)
    }

    /// Lets time pass for those whose time it is.
    pub(crate) fn on_time(&mut self, clock: Clock, send: &mut Send<'_>) -> Option<Agreement> {
        for channel in [Channel::Rtp, Channel::Rtcp] {
            for index in (0..self.port(channel).associations.len()).rev() {
                let Some(association) = self.port(channel).associations.get(index) else {
                    continue;
                };
                if association.is_over(clock) {
                    self.port(channel).associations.remove(index);
                } else if association.deadline_micros() <= clock.now_micros {
                    let agreement = self.drive(channel, index, Input::Time, clock, send);
                    if agreement.is_some() {
                        return agreement;
                    }
                }
            }
        }
        None
    }

    /// When time has to pass at the latest.
    pub(crate) fn deadline_micros(&self) -> Option<u64> {
        let all = self.rtp.associations.iter().chain(&self.rtcp.associations);
        all.map(Association::deadline_micros).min()
    }

    fn drive(
        &mut self,
        channel: Channel,
        index: usize,
        input: Input<'_>,
        clock: Clock,
        send: &mut Send<'_>,
    ) -> Option<Agreement> {
        let KeyAgreement {
            fingerprints,
            rtp,
            rtcp,
            ..
        } = self;
        let port = match channel {
            Channel::Rtp => rtp,
            Channel::Rtcp => rtcp,
        };
        let association = port.associations.get_mut(index)?;
        let party = association.party;
        let is_told = association.is_vouched && !association.is_established;
        let mut send_there = |datagram: &[u8]| send(channel, party, datagram);
        match association.drive(input, fingerprints, clock, &mut send_there) {
            Progress::Going => None,
            Progress::Established(keys) => {
                let established = port.associations.swap_remove(index);
                port.associations = vec![established];
                port.is_settled = true;
                Some(Agreement::Keys(channel, party, keys))
            }
            Progress::Failed(failure) => {
                port.associations.remove(index);
                let keys_stay = port.is_settled && failure == ProtectionFailure::Handshake;
                if !is_told || keys_stay {
                    return None;
                }
                self.failed(channel, party, failure, clock, send)
            }
        }
    }

    /// Begins again what we began, and tells of what cannot be begun again.
    fn failed(
        &mut self,
        channel: Channel,
        party: SocketAddr,
        failure: ProtectionFailure,
        clock: Clock,
        send: &mut Send<'_>,
    ) -> Option<Agreement> {
        let may_begin = self.port(channel).attempts < MAX_ATTEMPTS
            && failure != ProtectionFailure::WrongFingerprint;
        if self.role == DtlsRole::Client && may_begin {
            return self.begin(channel, party, clock, send);
        }
        if core::mem::replace(&mut self.has_reported_failure, true) {
            return None;
        }
        Some(Agreement::Failed(failure))
    }

    fn port(&mut self, channel: Channel) -> &mut Port {
        match channel {
            Channel::Rtp => &mut self.rtp,
            Channel::Rtcp => &mut self.rtcp,
        }
    }
}

/// A datagram of a handshake, and what the gate says of its source.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HandshakeDatagram<'a> {
    pub(crate) channel: Channel,
    pub(crate) datagram: &'a [u8],
    pub(crate) from: SocketAddr,
    /// The way has been checked, so that all addresses are those of the one party.
    pub(crate) is_one_party: bool,
    /// It comes from exactly where the description says.
    pub(crate) is_negotiated: bool,
}

impl HandshakeDatagram<'_> {
    /// Whether its source is the other side of a handshake. Whoever has only repeated a check of the
    /// party has a handshake of his own.
    fn belongs_to(&self, association: &Association) -> bool {
        let is_the_partys = association.is_vouched || association.is_established;
        same(association.party, self.from) || (self.is_one_party && is_the_partys)
    }
}

impl Port {
    /// The handshake of a client that says hello, once more or in another piece.
    fn with_hello(&self, arrival: &HandshakeDatagram<'_>, hello: Hello<'_>) -> Option<usize> {
        self.associations.iter().position(|known| {
            let is_meant = match hello {
                Hello::Beginning { random, .. } => known.is_of(random),
                Hello::Piece => known.is_beginning(),
            };
            is_meant && arrival.belongs_to(known)
        })
    }

    /// The handshake that goes on with something else than a hello.
    fn under_way(&self, arrival: &HandshakeDatagram<'_>) -> Option<usize> {
        let position = |is_established: bool| {
            self.associations.iter().position(|known| {
                arrival.belongs_to(known) && known.is_established == is_established
            })
        };
        position(false).or_else(|| position(true))
    }

    /// A client may have begun anew.
    fn pause(&mut self, hello: &HandshakeDatagram<'_>, clock: Clock) {
        let all = self.associations.iter_mut();
        all.filter(|known| hello.belongs_to(known))
            .for_each(|known| known.pause(clock));
    }

    /// A client has begun, and has shown that it is where it says: what is under way with it is of before
    /// it began anew. What is established stays until the end of the new one (RFC 6347 section 4.2.8).
    fn give_up(&mut self, hello: &HandshakeDatagram<'_>) {
        self.associations
            .retain(|known| known.is_established || !hello.belongs_to(known));
    }

    /// Makes room for one more handshake, when it may have it.
    fn has_room(&mut self, is_negotiated: bool) -> bool {
        if self.associations.len() < MAX_ASSOCIATIONS {
            return true;
        }
        // Strangers wait until those before them are through; the party itself does not.
        let mut all = self.associations.iter();
        let oldest = all.position(|known| !known.is_established && !known.is_vouched);
        match oldest.filter(|_| is_negotiated) {
            Some(oldest) => {
                self.associations.remove(oldest);
                true
            }
            None => false,
        }
    }
}
