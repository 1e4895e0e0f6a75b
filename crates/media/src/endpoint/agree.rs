//! How an endpoint comes to its keys: what descriptions ask for, what handshakes lead to, and which
//! handshakes there are where several parties answer one offer. The handshakes themselves are in `dtls`.

use core::net::SocketAddr;

use fernamt_exchange::media::{
    Dtls, Event, MediaPort, Protection, ProtectionFailure, Remote, Rollovers, RtcpPosition,
    SrtpKeys,
};

use super::{Endpoint, Outbox, Outside, Progress, Setup, Verdict};
use crate::dtls::{Agreement, HandshakeDatagram, KeyAgreement};
use crate::protection::Shield;
use crate::socket::Channel;

/// Agreements with other parties that have answered the same offer; for one more, the first goes that has
/// led to no keys yet, or else the oldest.
pub(super) const MAX_PARKED: usize = 3;

/// The agreement with a party that has answered an offer of ours, after which another has answered it,
/// too (RFC 3261 section 13.2.2.4). When it is this party after all, it goes on where it stood: the
/// party would not shake hands again.
#[derive(Debug)]
pub(super) struct Parked {
    agreement: KeyAgreement,
    /// Its keys and how far they have been used, when they are not those in use still.
    shield: Option<Shield>,
    early_rtcp_keys: Option<SrtpKeys>,
}

impl Setup {
    fn park(&mut self, parked: Parked) {
        if self.parked.len() >= MAX_PARKED {
            let mut known = self.parked.iter();
            let without_keys = known.position(|known| !known.agreement.has_keys());
            self.parked.remove(without_keys.unwrap_or(0));
        }
        self.parked.push(parked);
    }
}

impl Endpoint {
    pub(super) fn set_protection(
        &mut self,
        remote: &Remote,
        outside: &Outside<'_>,
        outbox: &mut Outbox<'_>,
    ) {
        let now_micros = outside.clock.now_micros;
        match &remote.protection {
            Protection::None => self.shield.leave(Shield::Clear, &mut self.left_keys),
            Protection::Sdes(keys) => {
                // They are for both ports.
                self.shield.forget_rtcp_keys();
                self.use_keys(keys, &remote.rollovers, now_micros, outbox);
            }
            Protection::Dtls(dtls) => {
                return self.set_agreement(dtls, &remote.rollovers, outside, outbox);
            }
        }
        if let Some(setup) = &mut self.setup {
            setup.agreement = None;
            setup.early_rtcp_keys = None;
            setup.has_former_keys = false;
            setup.parked.clear();
        }
    }

    fn set_agreement(
        &mut self,
        dtls: &Dtls,
        rollovers: &Rollovers,
        outside: &Outside<'_>,
        outbox: &mut Outbox<'_>,
    ) {
        let setup = self.setup.get_or_insert_default();
        if setup.agreement.is_none() {
            // Keys that crossed in descriptions are not keys of a handshake.
            self.shield.leave(Shield::Shut, &mut self.left_keys);
        }
        if !self.shield.is_keyed() {
            self.use_established(dtls, rollovers, outside.clock.now_micros, outbox);
        }
        let setup = self.setup.get_or_insert_default();
        let known = setup.agreement.take_if(|known| !known.is_for(dtls));
        if setup.agreement.is_some() {
            return;
        }
        let is_meant = |parked: &mut Parked| parked.agreement.is_for(dtls);
        let again = setup.parked.extract_if(.., is_meant).next();
        let early_rtcp_keys = setup.early_rtcp_keys.take();
        setup.has_former_keys |= known.as_ref().is_some_and(KeyAgreement::has_keys);
        if let Some(agreement) = known.filter(|_| setup.early.is_some()) {
            setup.park(Parked {
                agreement,
                shield: None,
                early_rtcp_keys,
            });
        }
        match (again, outside.identity) {
            (Some(parked), _) => self.take_up(parked, outbox),
            (None, Some(identity)) => setup.agreement = Some(KeyAgreement::new(identity, dtls)),
            (None, None) => self.tell_unprotected(ProtectionFailure::Handshake, outbox),
        }
    }

    /// Goes on with a party that has answered before.
    fn take_up(&mut self, parked: Parked, outbox: &mut Outbox<'_>) {
        let has_keys = parked.agreement.has_keys();
        let setup = self.setup.get_or_insert_default();
        setup.agreement = Some(parked.agreement);
        setup.early_rtcp_keys = parked.early_rtcp_keys;
        setup.has_former_keys &= !has_keys;
        if let Some(shield) = parked.shield {
            self.park_shield();
            self.shield = shield;
        }
        if has_keys {
            self.tell_keys(outbox);
        }
    }

    /// Tells which keys are in use again, and how far they have been used already: the exchange has begun
    /// to count anew with the answer of another.
    fn tell_keys(&self, outbox: &mut Outbox<'_>) {
        let endpoint = self.id;
        let secured = self.shield.keys().map(|(port, keys)| Event::Secured {
            endpoint,
            port,
            keys,
        });
        outbox.events.extend(secured);
        self.tell_positions(outbox);
    }

    fn tell_positions(&self, outbox: &mut Outbox<'_>) {
        let positions = self.shield.positions().map(|rollovers| Event::RolledOver {
            endpoint: self.id,
            rollovers,
        });
        outbox.events.extend(positions);
    }

    /// The keys in use are going to be others: keeps them with the agreement that they came from, where
    /// that may go on.
    fn park_shield(&mut self) {
        let parked = self.setup.iter_mut().flat_map(|setup| &mut setup.parked);
        let mut owners =
            parked.filter(|parked| parked.shield.is_none() && parked.agreement.has_keys());
        if let Some(owner) = owners.next() {
            owner.shield = Some(core::mem::replace(&mut self.shield, Shield::Shut));
        }
    }

    /// Goes on with the keys of before a restart.
    fn use_established(
        &mut self,
        dtls: &Dtls,
        rollovers: &Rollovers,
        now_micros: u64,
        outbox: &mut Outbox<'_>,
    ) {
        let Some(keys) = &dtls.established else {
            return;
        };
        self.use_keys(keys, rollovers, now_micros, outbox);
        if let Some(keys) = &dtls.established_rtcp {
            self.set_rtcp_keys(keys, rollovers.rtcp_alone, now_micros, outbox);
        }
    }

    fn use_keys(
        &mut self,
        keys: &SrtpKeys,
        rollovers: &Rollovers,
        now_micros: u64,
        outbox: &mut Outbox<'_>,
    ) {
        let left = &mut self.left_keys;
        match self.shield.set_keys(keys, rollovers, left, now_micros) {
            Ok(true) => self.tell_positions(outbox),
            Ok(false) => {}
            Err(failure) => self.tell_unprotected(failure, outbox),
        }
    }

    fn tell_unprotected(&self, reason: ProtectionFailure, outbox: &mut Outbox<'_>) {
        outbox.events.push(Event::Unprotected {
            endpoint: self.id,
            reason,
        });
    }

    /// Takes a datagram of a handshake: one that may be the party's, or that may prove to be when the
    /// party is described.
    pub(super) fn take_in_handshake(
        &mut self,
        channel: Channel,
        datagram: &[u8],
        from: SocketAddr,
        outside: &Outside<'_>,
        outbox: &mut Outbox<'_>,
    ) -> Progress {
        let now_micros = outside.clock.now_micros;
        let begins = self.begins_handshake(channel, datagram);
        let is_too_early = begins && self.awaits_description();
        if !is_too_early && self.may_shake_hands(channel, from, now_micros) {
            self.shake_hands(channel, datagram, from, outside, outbox);
            return Progress::Going;
        }
        match begins {
            true => self.keep_hello(channel, datagram, from, now_micros),
            false => Progress::Refused,
        }
    }

    /// Whether a datagram begins a handshake that is not under way.
    pub(super) fn begins_handshake(&self, channel: Channel, datagram: &[u8]) -> bool {
        let setup = self.setup.as_ref();
        match setup.and_then(|setup| setup.agreement.as_ref()) {
            Some(known) => known.is_news(channel, datagram),
            None => KeyAgreement::is_hello(datagram),
        }
    }

    pub(super) fn may_shake_hands(
        &mut self,
        channel: Channel,
        from: SocketAddr,
        now_micros: u64,
    ) -> bool {
        let (Some(setup), Some(gate)) = (&self.setup, &mut self.gate) else {
            return false;
        };
        let agent = setup.checks.as_ref().and_then(|checks| match channel {
            Channel::Rtp => Some(&checks.rtp),
            Channel::Rtcp => checks.rtcp.as_ref(),
        });
        // A party begins as soon as its own check is answered, which ours may not be yet.
        let has_asked = agent.is_some_and(|agent| agent.was_asked_from(from));
        setup.agreement.is_some() && gate.may_shake_hands(channel, from, has_asked, now_micros)
    }

    pub(super) fn shake_hands(
        &mut self,
        channel: Channel,
        datagram: &[u8],
        from: SocketAddr,
        outside: &Outside<'_>,
        outbox: &mut Outbox<'_>,
    ) {
        let (Some(setup), Some(gate)) = (self.setup.as_mut(), self.gate.as_ref()) else {
            return;
        };
        let is_negotiated = gate.is_negotiated(channel, from);
        let arrival = HandshakeDatagram {
            channel,
            datagram,
            from,
            is_one_party: is_negotiated && setup.checks.is_some(),
            is_negotiated,
        };
        let agreement = setup.agreement.as_mut();
        let agreed = agreement.and_then(|known| known.handle(&arrival, outside.clock, outbox.send));
        self.agreed(agreed, outside.clock.now_micros, outbox);
    }

    /// Begins handshakes that are ours to begin, and lets time pass for all.
    pub(super) fn advance_agreement(&mut self, outside: &Outside<'_>, outbox: &mut Outbox<'_>) {
        let now_micros = outside.clock.now_micros;
        for channel in [Channel::Rtp, Channel::Rtcp] {
            let agreed = self.begin_agreement(channel, outside, outbox);
            self.agreed(agreed, now_micros, outbox);
        }
        let agreement = self
            .setup
            .as_mut()
            .and_then(|setup| setup.agreement.as_mut());
        let agreed = agreement.and_then(|known| known.on_time(outside.clock, outbox.send));
        self.agreed(agreed, now_micros, outbox);
    }

    fn begin_agreement(
        &mut self,
        channel: Channel,
        outside: &Outside<'_>,
        outbox: &mut Outbox<'_>,
    ) -> Option<Agreement> {
        let gate = self.gate.as_ref()?;
        if channel == Channel::Rtcp && gate.rtcp_channel() != Some(Channel::Rtcp) {
            return None;
        }
        let to = gate.handshake_destination(channel)?;
        let agreement = self.setup.as_mut()?.agreement.as_mut()?;
        agreement.begin(channel, to, outside.clock, outbox.send)
    }

    /// Takes what a handshake has led to.
    fn agreed(&mut self, agreed: Option<Agreement>, now_micros: u64, outbox: &mut Outbox<'_>) {
        match agreed {
            None => {}
            Some(Agreement::Failed(reason)) => self.tell_unprotected(reason, outbox),
            Some(Agreement::Keys(Channel::Rtp, party, keys)) => {
                self.park_shield();
                let setup = self.setup.as_mut();
                if setup.is_some_and(|setup| core::mem::take(&mut setup.has_former_keys)) {
                    self.shield.forget_rtcp_keys();
                }
                self.use_keys(&keys, &Rollovers::default(), now_micros, outbox);
                self.identified(Channel::Rtp, party, now_micros, outbox);
                self.tell_secured(MediaPort::Rtp, keys, outbox);
                let early = self
                    .setup
                    .as_mut()
                    .and_then(|setup| setup.early_rtcp_keys.take());
                if let Some(keys) = early {
                    self.use_rtcp_keys(keys, now_micros, outbox);
                }
            }
            Some(Agreement::Keys(Channel::Rtcp, party, keys)) => {
                self.identified(Channel::Rtcp, party, now_micros, outbox);
                self.use_rtcp_keys(keys, now_micros, outbox);
            }
        }
    }

    fn use_rtcp_keys(&mut self, keys: SrtpKeys, now_micros: u64, outbox: &mut Outbox<'_>) {
        // The keys in use may still be those of another agreement.
        let setup = self.setup.as_ref();
        let agreement = setup.and_then(|setup| setup.agreement.as_ref());
        if agreement.is_some_and(KeyAgreement::has_keys) {
            self.set_rtcp_keys(&keys, RtcpPosition::default(), now_micros, outbox);
            self.tell_secured(MediaPort::Rtcp, keys, outbox);
        } else if let Some(setup) = &mut self.setup {
            setup.early_rtcp_keys = Some(keys);
        }
    }

    fn set_rtcp_keys(
        &mut self,
        keys: &SrtpKeys,
        position: RtcpPosition,
        now_micros: u64,
        outbox: &mut Outbox<'_>,
    ) {
        if let Err(failure) = self.shield.set_rtcp_keys(keys, position, now_micros) {
            self.tell_unprotected(failure, outbox);
        }
    }

    fn tell_secured(&self, port: MediaPort, keys: SrtpKeys, outbox: &mut Outbox<'_>) {
        outbox.events.push(Event::Secured {
            endpoint: self.id,
            port,
            keys,
        });
    }

    fn identified(
        &mut self,
        channel: Channel,
        party: SocketAddr,
        now_micros: u64,
        outbox: &mut Outbox<'_>,
    ) {
        let gate = self.gate.as_mut();
        let verdict = gate.map(|gate| gate.identified(channel, party, now_micros));
        if verdict == Some(Verdict::Latched) {
            outbox.events.push(Event::Latched {
                endpoint: self.id,
                rtp: party,
            });
        }
    }
}
