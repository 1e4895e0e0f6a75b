//! Looking for the called party: the route is taken, legs are tried in parallel or one group after
//! the other, and the best of the failures is told to the caller.

mod ringing;

use std::collections::VecDeque;
use std::sync::Arc;

use fernamt_charging::{LegRole, Releaser};
use fernamt_sip::timer::TimerId;
use fernamt_sip::uri::Host;

use super::bridge::{CannotCarry, Side};
use super::direct::NOTHING_IS_KNOWN;
use super::release::Ending;
use super::{Call, Carry, Carrying, Leg, MAX_LEGS, Stage};
use crate::cause::Cause;
use crate::directory::Device;
use crate::interface::Answer;
use crate::leg::sip::SipLeg;
use crate::leg::sip::destination::Destination;
use crate::leg::sip::outgoing::Invitation;
use crate::leg::{Description, LegCommand, Progress, Rejection};
use crate::registrar::Binding;
use crate::routing::{self, Outcome, RouteRequest};
use crate::stack::{Alarm, Stack};

/// The called side while nobody has answered.
#[derive(Debug, Default)]
pub(super) struct Seeking {
    /// Groups of bindings that have not been tried; each group rings at once.
    groups: VecDeque<Vec<Arc<Binding>>>,
    /// Legs that may still answer.
    active: Vec<u8>,
    /// What is to be told to the caller when no leg is left.
    failures: Vec<Rejection>,
    redirects_left: u8,
    /// The called device.
    device: Option<Arc<Device>>,
    /// Redirections whose subscriber is being looked up.
    lookups: u8,
    /// The caller has been told that it rings.
    alerted: bool,
    /// The leg whose media the caller hears before the answer.
    shown: Option<u8>,
    ring_timer: Option<TimerId>,
}

impl Seeking {
    /// Whether the caller has been told that it rings.
    pub(super) fn alerting(&self) -> bool {
        self.alerted
    }

    /// The leg, when there is no other and will be none.
    pub(super) fn only_leg(&self) -> Option<u8> {
        match (
            self.active.as_slice(),
            self.groups.is_empty() && self.lookups == 0,
        ) {
            ([leg], true) => Some(*leg),
            _ => None,
        }
    }

    /// Whether nobody is left who may still answer.
    fn is_idle(&self) -> bool {
        self.active.is_empty() && self.lookups == 0
    }

    /// A leg will not answer.
    pub(super) fn leave(&mut self, leg: u8) {
        self.active.retain(|active| *active != leg);
        self.shown.take_if(|shown| *shown == leg);
    }

    /// Uses up one of the redirections that are followed. False: there is none left.
    pub(super) fn take_redirect(&mut self) -> bool {
        let left = self.redirects_left.checked_sub(1);
        self.redirects_left = left.unwrap_or(0);
        left.is_some()
    }

    pub(super) fn begin_lookup(&mut self) {
        self.lookups = self.lookups.saturating_add(1);
    }

    pub(super) fn end_lookup(&mut self) {
        self.lookups = self.lookups.saturating_sub(1);
    }

    pub(super) fn shown(&self) -> Option<u8> {
        self.shown
    }

    pub(super) fn active(&self) -> &[u8] {
        &self.active
    }

    pub(super) fn take_ring_timer(&mut self) -> Option<TimerId> {
        self.ring_timer.take()
    }
}

impl Call {
    /// The destination is known: takes the route.
    pub(super) fn seek(&mut self, stack: &mut Stack, answer: Answer) {
        let destination = match answer {
            Answer::Destination(destination) => destination,
            _ => {
                self.decided(stack, "The directory could not be asked.");
                return self.refuse(stack, Cause::TEMPORARY_FAILURE, None);
            }
        };
        let flow = self.legs.first().map(|caller| caller.sip.flow());
        let route = routing::route(&RouteRequest {
            config: &stack.config,
            caller: self.caller.device.as_ref(),
            caller_flow: flow.as_ref(),
            dialled: &self.dialled,
            host: self
                .foreign
                .as_ref()
                .and_then(|(host, _)| Host::parse(host)),
            port: self.foreign.as_ref().and_then(|(_, port)| *port),
            destination: destination.as_ref(),
        });
        for reason in &route.reasons {
            self.decided(stack, reason);
        }
        match route.outcome {
            Outcome::Echo => self.serve(stack, Carry::Echo),
            Outcome::Unknown => self.announce(stack, media_of_unknown()),
            Outcome::Refused { cause } => self.refuse(stack, cause, None),
            Outcome::Offline { device } => {
                self.callee = Some(device.user.clone());
                self.refuse(stack, Cause::SUBSCRIBER_ABSENT, None);
            }
            Outcome::Device { device, groups } => self.try_device(stack, &device, groups),
        }
    }

    fn try_device(
        &mut self,
        stack: &mut Stack,
        device: &Arc<Device>,
        groups: Vec<Vec<Arc<Binding>>>,
    ) {
        self.choose_media_path(stack, device, &groups);
        self.callee = Some(device.user.clone());
        let ring_time = stack.config.ring_time;
        let seeking = Seeking {
            groups: groups.into(),
            redirects_left: stack.config.redirects,
            device: Some(Arc::clone(device)),
            ring_timer: Some(stack.set_timer(ring_time, Alarm::RingTime(self.slot))),
            ..Seeking::default()
        };
        self.stage = Stage::Seeking(Box::new(seeking));
        self.try_next_group(stack);
    }

    /// Makes legs for the next group, and invites them when there is something to offer.
    fn try_next_group(&mut self, stack: &mut Stack) {
        let Stage::Seeking(seeking) = &mut self.stage else {
            return;
        };
        let device = seeking.device.clone();
        let group = seeking.groups.pop_front();
        let Some((device, group)) = device.zip(group) else {
            return self.nobody_left(stack);
        };
        let legs: Vec<u8> = group
            .iter()
            .filter_map(|binding| self.add_phone(stack, &device, binding))
            .collect();
        self.invite(stack, &legs);
    }

    /// A leg towards a phone of a device; not invited yet.
    pub(super) fn add_phone(
        &mut self,
        stack: &mut Stack,
        device: &Device,
        binding: &Binding,
    ) -> Option<u8> {
        let destination = Destination::of_binding(binding, stack);
        let leg = self.add_leg(stack, destination, Some(device))?;
        let against = self.against_phone(device, binding);
        if let Some(found) = self.legs.get_mut(usize::from(leg)) {
            found.against_direct = against;
        }
        self.tell_way(stack, leg, binding.nat(), binding.received);
        Some(leg)
    }

    /// A leg towards `destination`, where a phone of this device is, or somebody of whom nothing is
    /// known; not invited yet.
    pub(super) fn add_leg(
        &mut self,
        stack: &mut Stack,
        destination: Destination,
        device: Option<&Device>,
    ) -> Option<u8> {
        if self.legs.len() >= MAX_LEGS {
            self.decided(stack, "The call has as many legs as a call may have.");
            return None;
        }
        let leg = u8::try_from(self.legs.len()).ok()?;
        let ice = destination.ice;
        let name = device.map_or_else(|| destination.name(), |device| device.user.clone());
        let sip = SipLeg::outgoing(stack, self.leg_id(leg), self.shard_key, destination);
        self.journal
            .party(stack.now.unix, leg, &name, &sip.peer_text());
        self.legs.push(Leg {
            sip,
            role: LegRole::Callee,
            user: device.map(|device| device.user.clone()),
            wishes: device.map(|device| (device.encryption, device.media_transport)),
            ice,
            against_direct: Some(NOTHING_IS_KNOWN),
            protection: None,
            over: false,
        });
        if let Stage::Seeking(seeking) = &mut self.stage {
            seeking.active.push(leg);
        }
        Some(leg)
    }

    /// Sends the INVITEs of new legs, after their addresses have been found and their media endpoints
    /// have been opened.
    pub(super) fn invite(&mut self, stack: &mut Stack, legs: &[u8]) {
        let fit = self.with_media(stack, legs);
        if fit.is_empty() && !legs.is_empty() {
            let rejection = Rejection::from_cause(Cause::INCOMPATIBLE_DESTINATION);
            return self.go_on_after(stack, rejection);
        }
        let mut reachable = fit.len();
        for leg in fit {
            let found = self.legs.get_mut(usize::from(leg));
            if found.is_some_and(|found| found.sip.look_up(stack)) {
                reachable -= 1;
            } else {
                self.make_callee_side(stack, leg);
            }
        }
        if reachable == 0 {
            return;
        }
        let Some(offer) = self.legs.first().and_then(|caller| caller.sip.offer()) else {
            // The caller lets the called party make the offer.
            return self.send_invitations(stack, None);
        };
        self.carry(stack, Side::Caller, offer, Carry::Seek);
    }

    /// The way to a called party is known, or is another one than it was: what its media are to be
    /// like, and which address of ours they come to, depends on it.
    pub(super) fn reachable(&mut self, stack: &mut Stack, leg: u8) {
        let Stage::Seeking(seeking) = &self.stage else {
            return;
        };
        let found = self.legs.get(usize::from(leg));
        let Some(found) = found.filter(|_| seeking.active.contains(&leg)) else {
            return;
        };
        let why = format!("The host of the address is at {}.", found.sip.peer_text());
        self.decided(stack, &why);
        self.bridge.drop_callee(stack, Side::Callee(leg));
        self.invite(stack, &[leg]);
    }

    /// Whether a phone has the offer of the caller, and may answer it.
    pub(super) fn is_anybody_invited(&self) -> bool {
        let Stage::Seeking(seeking) = &self.stage else {
            return false;
        };
        let mut legs = seeking.active.iter();
        legs.any(|leg| {
            let found = self.legs.get(usize::from(*leg));
            found.is_some_and(|found| found.sip.is_invited())
        })
    }

    /// The legs that wait for the offer of the caller.
    pub(super) fn uninvited(&self) -> Vec<u8> {
        let Stage::Seeking(seeking) = &self.stage else {
            return Vec::new();
        };
        let mut legs = seeking.active.clone();
        legs.retain(|leg| {
            let found = self.legs.get(usize::from(*leg));
            found.is_some_and(|found| found.sip.is_to_be_invited())
        });
        legs
    }

    /// Invites every leg that has not been invited.
    pub(super) fn send_invitations(&mut self, stack: &mut Stack, offer: Option<&[u8]>) {
        let Stage::Seeking(seeking) = &self.stage else {
            return;
        };
        let alone = seeking.only_leg().is_some();
        let caller_takes_reliable = self
            .legs
            .first()
            .is_some_and(|caller| caller.sip.takes_reliable_progress());
        if let Some(offer) = offer {
            self.bridge.take_offer(stack, Side::Caller, offer);
        }
        for leg in self.uninvited() {
            let side = self.make_callee_side(stack, leg);
            let description =
                offer.and_then(|offer| self.bridge.write_offer(stack, Side::Caller, side, offer));
            let another_offer = offer.is_some() && self.has_another_offer(side);
            let invitation = Invitation {
                caller_number: &self.caller.number,
                caller_name: self.caller.name.as_deref(),
                description,
                hops: self
                    .legs
                    .first()
                    .map_or(70, |caller| caller.sip.hops_left()),
                reliable_progress: alone && caller_takes_reliable,
                encryption: self.prospect(stack, Side::Caller),
                another_offer,
            };
            if let Some(found) = self.legs.get_mut(usize::from(leg)) {
                found.sip.invite(stack, &mut self.journal, invitation);
            }
        }
        self.write_ringing(stack);
    }

    /// Carries a description to the other side as soon as there are endpoints for it.
    pub(super) fn carry(
        &mut self,
        stack: &mut Stack,
        from: Side,
        description: Description,
        then: Carry,
    ) {
        self.follow_signalling();
        match self.bridge.prepare(stack, self.slot, from, &description) {
            Ok(ready) => {
                self.carrying = Some(Carrying {
                    from,
                    description,
                    then,
                });
                if ready {
                    self.carry_on(stack);
                }
            }
            Err(_) if matches!(then, Carry::Seek) && self.is_anybody_invited() => {
                // The phones that ring have got it.
                self.leave_uninvited_out(stack);
            }
            Err(cannot) => {
                self.carrying = None;
                let cause = match cannot {
                    CannotCarry::Malformed => {
                        self.decided(stack, "The session description cannot be read.");
                        Cause::INVALID_INFORMATION
                    }
                    CannotCarry::NothingToRelay => {
                        self.decided(stack, "The offer has no media that can be relayed.");
                        Cause::INCOMPATIBLE_DESTINATION
                    }
                    CannotCarry::Transport(error) => {
                        self.warn_of(stack, from, error);
                        Cause::INCOMPATIBLE_DESTINATION
                    }
                    CannotCarry::ExposesKeys => {
                        self.warn_of_exposed_keys(stack, from);
                        Cause::INCOMPATIBLE_DESTINATION
                    }
                };
                self.cannot_carry(stack, from, then, cause);
            }
        }
    }

    /// The endpoints are open.
    pub(super) fn carry_on(&mut self, stack: &mut Stack) {
        let Some(Carrying {
            from,
            description,
            then,
        }) = self.carrying.take()
        else {
            return;
        };
        match then {
            Carry::Seek => self.send_invitations(stack, Some(&description)),
            Carry::ProgressOffer { alerting } => {
                self.bridge.take_offer(stack, from, &description);
                let description = self
                    .bridge
                    .write_offer(stack, from, Side::Caller, &description);
                self.show_prospect(stack, 0);
                let progress = Progress {
                    alerting,
                    description,
                    offer: true,
                };
                self.tell(stack, 0, LegCommand::Progress(progress));
            }
            Carry::AnswerOffer { partner } => {
                self.bridge.take_offer(stack, from, &description);
                let description = self
                    .bridge
                    .write_offer(stack, from, Side::Caller, &description);
                self.show_prospect(stack, 0);
                self.commit_answer(stack, Some(partner), description);
            }
            Carry::Modify { to } => self.pass_offer(stack, from, to, &description),
            Carry::ModifyAnswer { to } => self.pass_offered_answer(stack, from, to, &description),
            Carry::Echo | Carry::Announcement => self.serve_offer(stack, &description, then),
            Carry::Resume => self.resume_media(stack),
        }
    }

    /// The endpoints of what is being carried cannot be had.
    pub(super) fn media_refused(&mut self, stack: &mut Stack) {
        if let Some(Carrying { from, then, .. }) = self.carrying.take() {
            self.cannot_carry(stack, from, then, Cause::RESOURCE_UNAVAILABLE);
        } else if self.answered.is_some() {
            self.release(
                stack,
                Ending::by_exchange(stack, Cause::RESOURCE_UNAVAILABLE),
            );
        }
    }

    fn cannot_carry(&mut self, stack: &mut Stack, from: Side, then: Carry, cause: Cause) {
        // A description that nobody can read is the fault of who sent it, and of nobody else.
        let is_their_fault = cause == Cause::INVALID_INFORMATION;
        match then {
            Carry::Modify { .. } if is_their_fault => self.modification_failed(stack, from, 400),
            Carry::Modify { .. } | Carry::ModifyAnswer { .. } => {
                self.modification_failed(stack, from, cause.status());
            }
            Carry::Resume => self.release(stack, Ending::by_exchange(stack, cause)),
            _ if is_their_fault && from == Side::Caller => self.refuse(stack, cause, Some(400)),
            _ => self.refuse(stack, cause, None),
        }
    }

    /// Refuses the call before it was answered, on the exchange's own account.
    pub(super) fn refuse(&mut self, stack: &mut Stack, cause: Cause, status: Option<u16>) {
        let ending = Ending::new(stack, cause, Releaser::Exchange);
        self.refuse_with(stack, Rejection { cause, status }, ending);
    }

    pub(super) fn decided(&mut self, stack: &Stack, why: &str) {
        self.journal.decided(stack.now.unix, why);
    }

    pub(super) fn note_codec(&mut self, answer: &[u8]) {
        if let Some(codec) = first_codec(answer) {
            self.codec = Some(codec);
        }
    }
}

fn media_of_unknown() -> crate::media::Announcement {
    crate::media::Announcement::NumberNotKnown
}

/// The first voice codec of a description, for the record.
pub(super) fn first_codec(description: &[u8]) -> Option<Box<str>> {
    let parsed = fernamt_sdp::SessionDescription::parse(description).ok()?;
    let media = parsed.media().iter().find(|media| !media.is_rejected())?;
    let format = media.codecs().find(|format| !format.is_telephone_event())?;
    Some(format!("{}/{}", format.map.encoding, format.map.clock_rate).into())
}
