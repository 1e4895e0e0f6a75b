//! How an endpoint comes to its way: what a description asks for, what checks lead to, and what is due
//! with time. The checks themselves are in `ice`; how it comes to its keys is in `agree`.

use core::net::{IpAddr, SocketAddr};

use fernamt_exchange::media::{Event, Ice, IceCandidate, IceCandidateKind, Remote, SrtpKeys};
use fernamt_rtp::{Kind, classify};

use super::agree::Parked;
use super::early::Early;
use super::{Endpoint, Link};
use crate::bundle::Bundle;
use crate::dtls::{Clock, Identity, KeyAgreement};
use crate::gate::{Gate, Paths};
use crate::ice::Agent;
use crate::random::Random;
use crate::socket::Channel;
use crate::translation::Translations;

/// What an endpoint needs until it has its way and its keys, and to keep them.
#[derive(Debug, Default)]
pub(crate) struct Setup {
    pub(super) checks: Option<Checks>,
    pub(super) agreement: Option<KeyAgreement>,
    /// What comes before the party's answer is known.
    pub(super) early: Option<Box<Early>>,
    /// Agreements with others that have answered the same offer.
    pub(super) parked: Vec<Parked>,
    /// Keys for RTCP that were agreed before those for RTP.
    pub(super) early_rtcp_keys: Option<SrtpKeys>,
    /// The keys in use are of another agreement than this.
    pub(super) has_former_keys: bool,
    /// Where the party was found, as it was told last.
    connected: Option<(SocketAddr, IceCandidateKind)>,
    /// When the thread looks after this next.
    scheduled_micros: Option<u64>,
}

/// The connectivity checks of both components.
#[derive(Debug)]
pub(super) struct Checks {
    pub(super) rtp: Agent,
    pub(super) rtcp: Option<Agent>,
}

/// What a datagram of checks or handshakes has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Something may be due now.
    Going,
    /// It waits for the description of its party; nothing else follows.
    Waiting,
    /// It is dropped.
    Refused,
}

/// Of which agents the checks are looked at again.
#[derive(Clone, Copy, Debug)]
struct Recalled {
    rtp: bool,
    rtcp: bool,
}

impl Setup {
    /// Looks again at the checks that were answered before the party was described, for agents that have
    /// just begun.
    fn recall_checks(&mut self, recalled: Recalled, now_micros: u64) {
        let early = self.early.as_mut().and_then(|early| early.agent());
        let (Some(checks), Some(early)) = (&mut self.checks, early) else {
            return;
        };
        if recalled.rtp {
            checks.rtp.recall(early, Channel::Rtp, now_micros);
        }
        if let Some(rtcp) = checks.rtcp.as_mut().filter(|_| recalled.rtcp) {
            rtcp.recall(early, Channel::Rtcp, now_micros);
        }
    }
}

/// What is outside of an endpoint.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outside<'a> {
    pub(crate) clock: Clock,
    pub(crate) random: &'a Random,
    pub(crate) identity: Option<&'a Identity>,
    /// The address that the endpoint is bound to.
    pub(crate) local: IpAddr,
}

/// Takes what an endpoint sends and tells of its own accord.
pub(crate) struct Outbox<'a> {
    pub(crate) send: &'a mut dyn FnMut(Channel, SocketAddr, &[u8]),
    pub(crate) events: &'a mut Vec<Event>,
}

impl Endpoint {
    /// Takes a description of the party.
    pub(crate) fn set_remote(
        &mut self,
        remote: &Remote,
        outside: &Outside<'_>,
        outbox: &mut Outbox<'_>,
    ) {
        let now_micros = outside.clock.now_micros;
        match &mut self.gate {
            Some(gate) => gate.renegotiate(remote, now_micros),
            None => {
                let mut gate = Gate::new(remote, self.packets_per_second, now_micros);
                gate.set_carries(self.bundle.is_some());
                self.gate = Some(gate);
            }
        }
        self.watch.set(remote, now_micros);
        self.translations = Translations::new(&remote.translations);
        self.reception.describe(remote);
        self.format = remote.format;
        self.feedback = remote.feedback;
        self.reduced_size = remote.reduced_size;
        self.mid_mark = mid_mark(remote);
        self.mid.clone_from(&remote.mid);
        let itself = self.carrier_link();
        if let (Some(bundle), Some(itself)) = (&mut self.bundle, itself) {
            bundle.describe(itself, remote);
        }
        if self.carrier.is_some() {
            // Its way and its keys are those of the carrier.
            self.setup = None;
            return;
        }
        self.set_ice(remote.ice.as_ref(), outside);
        self.set_protection(remote, outside, outbox);
        // What comes on a way that has been found is looked at before all else.
        self.advance_checks(outside, outbox);
        self.look_at_early(outside, outbox);
        self.advance(outside, outbox);
        self.drop_setup_without_use();
    }

    /// Forgets what nothing is to come of.
    pub(super) fn drop_setup_without_use(&mut self) {
        self.setup.take_if(|setup| {
            setup.checks.is_none() && setup.agreement.is_none() && setup.early.is_none()
        });
    }

    fn set_ice(&mut self, ice: Option<&Ice>, outside: &Outside<'_>) {
        let Some(ice) = ice else {
            if let Some(setup) = &mut self.setup {
                setup.checks = None;
                setup.connected = None;
            }
            if let Some(gate) = &mut self.gate {
                gate.set_paths(None);
            }
            return;
        };
        let has_rtcp = self.gate.as_ref().and_then(Gate::rtcp_channel) == Some(Channel::Rtcp);
        let setup = self.setup.get_or_insert_default();
        let (random, now_micros) = (outside.random, outside.clock.now_micros);
        let agent = |component| Agent::new(ice, component, outside.local, random, now_micros);
        let recalled = match &mut setup.checks {
            Some(checks) => Recalled {
                rtp: checks.rtp.redescribe(ice, random, now_micros),
                rtcp: match &mut checks.rtcp {
                    Some(rtcp) if has_rtcp => rtcp.redescribe(ice, random, now_micros),
                    rtcp => {
                        *rtcp = has_rtcp.then(|| agent(2)).flatten();
                        true
                    }
                },
            },
            None => {
                setup.checks = agent(1).map(|rtp| Checks {
                    rtp,
                    rtcp: has_rtcp.then(|| agent(2)).flatten(),
                });
                let (rtp, rtcp) = (true, true);
                Recalled { rtp, rtcp }
            }
        };
        setup.recall_checks(recalled, now_micros);
        // Nothing passes before a way is found, and nothing passes when none can be looked for.
        if let Some(gate) = &mut self.gate {
            gate.set_paths(Some(Paths::default()));
        }
    }

    /// Takes more addresses at which the party may be.
    pub(crate) fn add_candidates(
        &mut self,
        candidates: &[IceCandidate],
        outside: &Outside<'_>,
        outbox: &mut Outbox<'_>,
    ) {
        let checks = self.setup.as_mut().and_then(|setup| setup.checks.as_mut());
        if let Some(checks) = checks {
            checks.rtp.add_candidates(candidates);
            if let Some(rtcp) = &mut checks.rtcp {
                rtcp.add_candidates(candidates);
            }
            self.advance(outside, outbox);
        }
    }

    /// Takes a datagram that [`Endpoint::take_in`] has found to be one of checks or handshakes.
    pub(crate) fn take_in_setup(
        &mut self,
        channel: Channel,
        datagram: &[u8],
        from: SocketAddr,
        outside: &Outside<'_>,
        outbox: &mut Outbox<'_>,
    ) {
        let progress = match classify(datagram) {
            Kind::Stun => self.take_in_check(channel, datagram, from, outside, outbox),
            Kind::Dtls => self.take_in_handshake(channel, datagram, from, outside, outbox),
            _ => Progress::Refused,
        };
        // What is refused costs no more than the refusal.
        match progress {
            Progress::Going => self.advance(outside, outbox),
            Progress::Waiting => {}
            Progress::Refused => self.packets_dropped += 1,
        }
    }

    fn take_in_check(
        &mut self,
        channel: Channel,
        datagram: &[u8],
        from: SocketAddr,
        outside: &Outside<'_>,
        outbox: &mut Outbox<'_>,
    ) -> Progress {
        let now_micros = outside.clock.now_micros;
        let checks = self.setup.as_mut().and_then(|setup| setup.checks.as_mut());
        let agent = checks.and_then(|checks| match channel {
            Channel::Rtp => Some(&mut checks.rtp),
            Channel::Rtcp => checks.rtcp.as_mut(),
        });
        let glanced = agent.and_then(|agent| Some((agent.glance(datagram)?, agent)));
        let (Some((glance, agent)), Some(gate)) = (glanced, &mut self.gate) else {
            return self.take_in_early_check(channel, datagram, from, outside, outbox);
        };
        let is_named = agent.names(from.ip());
        if !gate.may_check(channel, from, glance.work, is_named, now_micros) {
            return Progress::Refused;
        }
        let mut send = |to, datagram: &[u8]| (outbox.send)(channel, to, datagram);
        agent.take(&glance, from, outside.random, now_micros, &mut send);
        Progress::Going
    }

    /// Takes what leads to nothing with the party that has been described, if any has: it may be of
    /// another one that answers the same offer.
    fn take_in_early_check(
        &mut self,
        channel: Channel,
        datagram: &[u8],
        from: SocketAddr,
        outside: &Outside<'_>,
        outbox: &mut Outbox<'_>,
    ) -> Progress {
        let now_micros = outside.clock.now_micros;
        let gate = self.gate.as_ref();
        let mut send = |to, datagram: &[u8]| (outbox.send)(channel, to, datagram);
        let early = self.setup.as_mut().and_then(|setup| setup.early.as_mut());
        let is_taken = early.is_some_and(|early| {
            let trust = early.trust(gate, channel, from);
            let agent = early.agent();
            agent.is_some_and(|agent| {
                agent.handle(channel, datagram, from, trust, now_micros, &mut send)
            })
        });
        // Keepalives of the party lead to nothing either, nor do answers that come twice.
        let has_checks = (self.setup.as_ref()).is_some_and(|setup| setup.checks.is_some());
        let is_the_partys = gate.is_some_and(|gate| gate.is_negotiated(channel, from));
        match is_taken || (has_checks && is_the_partys) {
            true => Progress::Waiting,
            false => Progress::Refused,
        }
    }

    /// Does what is due. Called after everything that may have changed something, and with time.
    pub(crate) fn advance(&mut self, outside: &Outside<'_>, outbox: &mut Outbox<'_>) {
        if self.setup.is_none() {
            return;
        }
        self.advance_checks(outside, outbox);
        self.advance_agreement(outside, outbox);
    }

    fn advance_checks(&mut self, outside: &Outside<'_>, outbox: &mut Outbox<'_>) {
        let now_micros = outside.clock.now_micros;
        let (Some(setup), Some(gate)) = (self.setup.as_mut(), self.gate.as_mut()) else {
            return;
        };
        let Some(checks) = &mut setup.checks else {
            return;
        };
        let mut paths = Paths::default();
        let agents = [
            (Channel::Rtp, Some(&mut checks.rtp)),
            (Channel::Rtcp, checks.rtcp.as_mut()),
        ];
        for (channel, agent) in agents {
            let Some(agent) = agent else { continue };
            let mut send = |to, datagram: &[u8]| (outbox.send)(channel, to, datagram);
            agent.on_time(outside.random, now_micros, &mut send);
            let destination = agent.selected().map(|(address, _)| address);
            paths.set(channel, agent.sources(), destination);
        }
        gate.set_paths(Some(paths));
        let endpoint = self.id;
        let found = checks.rtp.selected();
        let has_given_up = checks.rtp.gives_up(now_micros);
        match (found, setup.connected) {
            (Some((rtp, kind)), known) if known != found => {
                outbox.events.push(Event::Connected {
                    endpoint,
                    rtp,
                    kind,
                });
            }
            (None, Some(_)) => outbox.events.push(Event::Disconnected { endpoint }),
            (None, None) if has_given_up => {
                outbox.events.push(Event::Disconnected { endpoint });
            }
            _ => {}
        }
        setup.connected = found;
    }

    /// When the thread has to look after this, when that is sooner than it would anyway; it then will.
    pub(crate) fn take_deadline(&mut self) -> Option<u64> {
        let setup = self.setup.as_mut()?;
        let checks = setup.checks.as_ref();
        let agents = checks.map(|checks| [Some(&checks.rtp), checks.rtcp.as_ref()]);
        let checks = agents.into_iter().flatten().flatten();
        let checks = checks.filter_map(Agent::deadline_micros).min();
        let agreement = setup
            .agreement
            .as_ref()
            .and_then(KeyAgreement::deadline_micros);
        let deadline = checks.into_iter().chain(agreement).min()?;
        let is_sooner = setup.scheduled_micros.is_none_or(|known| deadline < known);
        if is_sooner {
            setup.scheduled_micros = Some(deadline);
        }
        is_sooner.then_some(deadline)
    }

    /// Whether this is what the thread was to look after now.
    pub(crate) fn is_scheduled_for(&mut self, micros: u64) -> bool {
        let setup = self.setup.as_mut();
        setup.is_some_and(|setup| {
            setup
                .scheduled_micros
                .take_if(|known| *known == micros)
                .is_some()
        })
    }

    /// Shares the own ports with others from now on; with nobody: no more.
    pub(crate) fn carry(&mut self, bundle: Option<Bundle>) {
        self.bundle = bundle.map(Box::new);
        if let Some(gate) = &mut self.gate {
            gate.set_carries(self.bundle.is_some());
        }
    }

    /// The others that share our ports.
    pub(crate) fn riders(&self) -> Vec<Link> {
        let bundle = self.bundle.iter();
        bundle.flat_map(|bundle| bundle.riders()).collect()
    }

    /// Takes a description of another that shares our ports.
    pub(crate) fn describe_rider(&mut self, rider: Link, remote: &Remote) {
        if let Some(bundle) = &mut self.bundle {
            bundle.describe(rider, remote);
        }
    }

    fn carrier_link(&self) -> Option<Link> {
        self.bundle.as_ref().map(|bundle| bundle.carrier())
    }
}

/// A number for an identification tag and its identifier: the same for the same, and not zero.
fn mid_mark(remote: &Remote) -> u64 {
    let Some((id, mid)) = &remote.mid else {
        return 0;
    };
    // FNV-1a, as good as any.
    let hash = mid.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash << 8 | u64::from(*id).max(1)
}
