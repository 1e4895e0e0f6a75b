//! A call: a calling leg, the legs of the called side, and what is between them. It knows the words
//! of [`crate::leg`] only; no protocol shows here.

mod answer;
mod bridge;
mod direct;
mod late;
mod modify;
mod protect;
mod recovery;
mod redirect;
mod release;
mod renew;
mod seek;
mod service;
mod snapshot;
mod wait;

pub(crate) use redirect::Redirection;
pub(crate) use wait::Wait;

use std::sync::Arc;

use fernamt_charging::{CallReference, LegRole, MediaProtection};
use fernamt_sip::message::Message;
use fernamt_sip::time::{Now, Time, UnixTime};
use fernamt_sip::timer::TimerId;

use crate::directory::Device;
use crate::encryption::{Encryption, MediaTransport, Policy};
use crate::exchange::CallSummary;
use crate::interface::{Answer, Question};
use crate::journal::Journal;
use crate::leg::sip::SipLeg;
use crate::leg::{CallSlot, Description, LegCommand, LegEvent, LegId, Rejection, Warning};
use crate::media;
use crate::registrar::{Nat, speaks_ice};
use crate::stack::{Asker, Stack};

use bridge::{Bridge, Side};
pub use recovery::RecoverError;
pub(crate) use recovery::{names_of, recover};
use release::Ending;
use seek::Seeking;

/// How many legs a call may have over its life, the caller's included.
pub(crate) const MAX_LEGS: usize = 32;

/// A call.
#[derive(Debug)]
pub(crate) struct Call {
    slot: CallSlot,
    reference: CallReference,
    /// The part of the legs' Call-IDs that leads every message of the call to this shard.
    shard_key: u32,
    caller: Caller,
    dialled: Box<str>,
    /// Another network, where the address was not ours.
    foreign: Option<(Box<str>, Option<u16>)>,
    /// User name of the called device, where one was found.
    callee: Option<Box<str>>,
    start: Now,
    answered: Option<Answered>,
    legs: Vec<Leg>,
    stage: Stage,
    bridge: Bridge,
    negotiation: Option<modify::Negotiation>,
    /// What is to go on when the media plane has opened the endpoints that were ordered.
    carrying: Option<Carrying>,
    journal: Journal,
    ending: Option<Ending>,
    /// The record has been given to the journal and is not on disk yet.
    recording: bool,
    codec: Option<Box<str>>,
    /// How far the media are encrypted, as was last told.
    reach: Option<bridge::Reach>,
    /// Why no media come about, for the party that is refused.
    warning: Option<Warning>,
}

/// Who calls.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// User name of the device, authenticated.
    pub(crate) user: Box<str>,
    /// What the called party is shown as the caller's number: its first number, or its user name.
    pub(crate) number: Box<str>,
    /// What the called party is shown as the caller's name.
    pub(crate) name: Option<Box<str>>,
    /// The device as it was when the call came in; not known after a restart.
    pub(crate) device: Option<Arc<Device>>,
}

#[derive(Clone, Copy, Debug)]
struct Answered {
    time: Time,
    unix: UnixTime,
}

/// One leg and what the record will say of it.
#[derive(Debug)]
struct Leg {
    sip: SipLeg,
    role: LegRole,
    user: Option<Box<str>>,
    /// What the record of its device says of its media; nothing after a restart.
    wishes: Option<(Encryption, MediaTransport)>,
    /// Whether it is offered ICE, whatever else it is offered.
    ice: bool,
    /// What is against media between the caller and it that do not flow through us, in words.
    against_direct: Option<&'static str>,
    /// How its media were protected since the call was answered: the weakest that applied.
    protection: Option<MediaProtection>,
    over: bool,
}

#[derive(Debug)]
enum Stage {
    /// It is being found out where the dialled number leads.
    Locating,
    /// Legs of the called side are being tried.
    Seeking(Box<Seeking>),
    /// Somebody has answered; the caller is told when this is on disk.
    Committing { partner: Option<u8> },
    /// Both talk. `None`: the caller talks with the exchange itself (echo).
    Conversing { partner: Option<u8> },
    /// The caller hears why the call cannot be connected, and is then refused.
    Announcing {
        rejection: Rejection,
        timer: Option<TimerId>,
    },
    /// The call has ended; something is still to be answered or closed.
    Releasing,
}

/// An offer that waits for its endpoints.
#[derive(Debug)]
struct Carrying {
    from: Side,
    description: Description,
    then: Carry,
}

/// Where an offer goes when its endpoints are open.
#[derive(Debug)]
enum Carry {
    /// Into the first INVITEs of the called side.
    Seek,
    /// To the caller, from a called party that was not given one, before it answers.
    ProgressOffer { alerting: bool },
    /// To the caller, from a called party that was not given one and has answered.
    AnswerOffer { partner: u8 },
    /// From one leg to the other in mid call.
    Modify { to: u8 },
    /// In mid call to the leg that had asked for an offer.
    ModifyAnswer { to: u8 },
    /// To the exchange itself: the echo.
    Echo,
    /// To the exchange itself: an announcement.
    Announcement,
    /// To nobody: the call goes on as it was after a restart.
    Resume,
}

/// What a new call is about.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) slot: CallSlot,
    pub(crate) reference: CallReference,
    pub(crate) shard_key: u32,
    pub(crate) caller: Caller,
    /// The user part of what was dialled.
    pub(crate) dialled: Box<str>,
    /// The host, where it is not ours.
    pub(crate) host: Box<str>,
    pub(crate) port: Option<u16>,
    pub(crate) leg: SipLeg,
}

impl Call {
    /// A new call whose caller is known.
    pub(crate) fn start(stack: &mut Stack, setup: Setup) -> Call {
        let mut journal = Journal::new(stack.now.unix);
        journal.party(
            stack.now.unix,
            0,
            &setup.caller.user,
            &setup.leg.peer_text(),
        );
        let user = Some(setup.caller.user.clone());
        let flow = setup.leg.flow();
        let device = setup.caller.device.as_deref();
        let wishes = device.map(|device| (device.encryption, device.media_transport));
        let policy = Policy::of(wishes, stack.config.encryption, flow.transport);
        let policy = match setup.leg.has_offered() {
            true => policy,
            false => policy.in_one_offer(),
        };
        Call {
            slot: setup.slot,
            reference: setup.reference,
            shard_key: setup.shard_key,
            caller: setup.caller,
            dialled: setup.dialled,
            foreign: (!setup.host.is_empty()).then_some((setup.host, setup.port)),
            callee: None,
            start: stack.now,
            answered: None,
            legs: vec![Leg {
                sip: setup.leg,
                role: LegRole::Caller,
                user,
                wishes,
                ice: false,
                against_direct: None,
                protection: None,
                over: false,
            }],
            stage: Stage::Locating,
            bridge: Bridge::new(&flow, policy, stack),
            negotiation: None,
            carrying: None,
            journal,
            ending: None,
            recording: false,
            codec: None,
            reach: None,
            warning: None,
        }
    }

    /// The message that began the call, for the journal.
    pub(crate) fn first_message(&mut self, stack: &Stack, message: &Message<'_>) {
        let body = crate::journal::body_summary(message.body());
        self.journal
            .received(stack.now.unix, 0, message.method().as_str(), &body);
        let flow = self.legs.first().map(|caller| caller.sip.flow());
        let contact = message.contact().ok().flatten();
        if let Some((flow, contact)) = flow.zip(contact) {
            let nat = Nat::of_request(message, contact.uri_text(), &flow);
            self.tell_way(stack, 0, nat, flow.remote);
            if speaks_ice(&contact) {
                self.bridge.offer_ice(Side::Caller);
            }
        }
    }

    /// Asks where the dialled number leads.
    pub(crate) fn locate(&self, stack: &mut Stack) {
        self.locate_caller(stack);
        let ask = Question::Destination {
            dialled: self.dialled.clone(),
        };
        stack.ask(Asker::Call(self.slot), ask);
    }

    /// The place in the table of calls.
    pub(crate) fn slot(&self) -> CallSlot {
        self.slot
    }

    /// The call's name.
    pub(crate) fn reference(&self) -> CallReference {
        self.reference
    }

    /// The leg with this number, for what belongs to its protocol.
    pub(crate) fn leg_mut(&mut self, leg: u8) -> Option<(&mut SipLeg, &mut Journal)> {
        let found = self.legs.get_mut(usize::from(leg))?;
        Some((&mut found.sip, &mut self.journal))
    }

    /// The answer to where the dialled number leads.
    pub(crate) fn located(&mut self, stack: &mut Stack, answer: Answer) {
        if matches!(self.stage, Stage::Locating) {
            self.seek(stack, answer);
        }
    }

    /// Something happened on a leg.
    pub(crate) fn leg_event(&mut self, stack: &mut Stack, leg: u8, event: LegEvent) {
        match event {
            LegEvent::Finished => self.leg_finished(stack, leg),
            LegEvent::RefreshDue => self.refresh_due(stack, leg),
            LegEvent::Lost => self.look_for(stack, leg),
            LegEvent::Released(release) => self.leg_released(stack, leg, release),
            LegEvent::Progress(progress) => self.progressed(stack, leg, progress),
            LegEvent::Answered { description } => self.picked_up(stack, leg, description),
            LegEvent::Rejected(rejection) => self.leg_rejected(stack, leg, rejection),
            LegEvent::DescriptionRefused { status } => self.offer_otherwise(stack, leg, status),
            LegEvent::Reachable => self.reachable(stack, leg),
            LegEvent::Redirected { contacts } => self.leg_redirected(stack, leg, contacts),
            LegEvent::Offered { description } => self.offered(stack, leg, description),
            LegEvent::OfferAnswered { description } => self.offer_answered(stack, leg, description),
            LegEvent::OfferRefused { status } => self.offer_refused(stack, leg, status),
            LegEvent::Confirmed { description } => self.confirmed(stack, leg, description),
            LegEvent::Information { information, reply } => {
                if information
                    .content_type
                    .eq_ignore_ascii_case(bridge::TRICKLE_FRAGMENT)
                    && !self.bridge.is_direct()
                {
                    return self.candidates(stack, leg, &information.body, reply);
                }
                match self.partner_of(leg) {
                    Some(partner) => {
                        self.tell(stack, partner, LegCommand::Inform { information, reply });
                    }
                    // The exchange itself has no use for key presses yet, and does not mind them.
                    None => self.tell(
                        stack,
                        leg,
                        LegCommand::ReplyInformation { reply, status: 200 },
                    ),
                }
            }
            LegEvent::InformationReplied { reply, status } => {
                if let Some(partner) = self.partner_of(leg) {
                    self.tell(
                        stack,
                        partner,
                        LegCommand::ReplyInformation { reply, status },
                    );
                }
            }
        }
    }

    /// The media plane reports on an endpoint of this call.
    pub(crate) fn media_event(&mut self, stack: &mut Stack, event: media::Event) {
        match event {
            media::Event::Opened { endpoint, rtp } => {
                if self.bridge.opened(endpoint, rtp) {
                    self.carry_on(stack);
                }
            }
            media::Event::Refused { endpoint, reason } => {
                self.journal
                    .decided(stack.now.unix, &format!("No media port: {reason}."));
                self.bridge.refused(stack, endpoint);
                self.media_refused(stack);
                self.record_if_silent(stack);
            }
            media::Event::Latched { endpoint, rtp } => {
                if let Some(party) = self.party_of(endpoint) {
                    let what = self.bridge.source_in_words(endpoint, rtp);
                    self.journal.media(stack.now.unix, party, &what);
                }
            }
            media::Event::Played { .. } => self.announced(stack),
            media::Event::Silent { endpoint } => self.silent(stack, endpoint),
            media::Event::Secured {
                endpoint,
                port,
                keys,
            } => self.secured(stack, endpoint, port, keys),
            media::Event::Unprotected { endpoint, reason } => {
                self.unprotected(stack, endpoint, reason);
            }
            media::Event::RolledOver {
                endpoint,
                rollovers,
            } => {
                if self.bridge.rolled_over(endpoint, rollovers) {
                    self.write_change(stack);
                }
            }
            media::Event::KeyOld { endpoint } => self.renew_keys(stack, endpoint),
            media::Event::Connected {
                endpoint,
                rtp,
                kind,
            } => {
                let what = self.bridge.way_in_words(endpoint, rtp, kind);
                self.media_news(stack, endpoint, &what);
            }
            media::Event::Disconnected { endpoint } => {
                self.media_news(stack, endpoint, "The way to the party is lost.");
            }
            media::Event::Closed {
                endpoint,
                statistics,
            } => {
                if let Some(party) = self.party_of(endpoint) {
                    self.journal
                        .media(stack.now.unix, party, &bridge::in_words(&statistics));
                }
                self.bridge.closed(stack, endpoint);
                self.record_if_silent(stack);
            }
        }
    }

    /// For listings.
    pub(crate) fn summary(&self) -> CallSummary {
        CallSummary {
            call: self.reference,
            caller: self.caller.user.clone(),
            dialled: self.dialled.clone(),
            state: match &self.stage {
                Stage::Locating => "locating",
                Stage::Seeking(seeking) if seeking.alerting() => "ringing",
                Stage::Seeking(_) => "connecting",
                Stage::Committing { .. } | Stage::Conversing { .. } => "answered",
                Stage::Announcing { .. } => "announcement",
                Stage::Releasing => "releasing",
            },
            start: self.start.unix,
            answer: self.answered.map(|answered| answered.unix),
            codec: self.codec.clone(),
        }
    }

    /// Whether nothing of the call is left to be done.
    pub(crate) fn is_done(&self) -> bool {
        matches!(self.stage, Stage::Releasing)
            && self.bridge.is_closed()
            && !self.recording
            && self.legs.iter().all(|leg| leg.over)
    }

    fn tell(&mut self, stack: &mut Stack, leg: u8, command: LegCommand) {
        if let Some(found) = self.legs.get_mut(usize::from(leg)) {
            found.sip.command(stack, &mut self.journal, command);
        }
    }

    /// Asks where the device of a leg is now.
    fn look_for(&self, stack: &mut Stack, leg: u8) {
        let user = self
            .legs
            .get(usize::from(leg))
            .and_then(|leg| leg.user.clone());
        if let Some(dialled) = user {
            let asker = Asker::LostLeg(self.leg_id(leg));
            stack.ask(asker, Question::Destination { dialled });
        }
    }

    /// The leg that the party of `leg` talks to, or will.
    fn partner_of(&self, leg: u8) -> Option<u8> {
        let partner = match &self.stage {
            Stage::Conversing { partner } | Stage::Committing { partner, .. } => (*partner)?,
            Stage::Seeking(seeking) => seeking.only_leg()?,
            _ => return None,
        };
        Some(if leg == 0 { partner } else { 0 })
    }

    /// The number of the leg that an endpoint faces.
    fn party_of(&self, endpoint: media::EndpointId) -> Option<u8> {
        match self.bridge.side_of(endpoint)? {
            Side::Caller => Some(0),
            Side::Callee(leg) => Some(leg),
        }
    }

    fn leg_id(&self, leg: u8) -> LegId {
        LegId {
            call: self.slot,
            leg,
        }
    }
}
