//! A leg whose protocol is SIP: one dialog (or, while it is being set up, several early ones) with
//! one user agent. It translates between SIP and the words of [`crate::leg`]; it decides nothing
//! about the call.

mod acknowledgement;
mod awaiting;
pub(crate) mod destination;
mod early;
mod flow;
mod incoming;
mod information;
mod offer;
pub(crate) mod outgoing;
mod release;
mod request;
mod session;
mod state;
pub(crate) mod transaction_use;
mod unconfirmed;
mod write;

use std::sync::Arc;

use fernamt_sip::dialog::Dialog;
use fernamt_sip::message::{Message, Method};
use fernamt_sip::transaction::ServerId;
use fernamt_sip::transport::Flow;

use super::{Description, LegCommand, LegId};
use crate::journal::{self, Journal};
use crate::stack::Stack;

pub(crate) use flow::{binding_flow, public_address};
pub(crate) use incoming::Incoming;
use information::PendingInformation;
use offer::{AskedOffer, OwnOffer};
pub(crate) use outgoing::Outgoing;
pub(crate) use release::let_go;
use session::Session;
pub(crate) use session::policy;
pub(crate) use state::{Pending, PendingOf, SipLegState, SipLegStateOf};
use unconfirmed::Unconfirmed;
pub(crate) use write::{ALLOWED, Branch, Tag, parse_tag};

/// A SIP leg.
#[derive(Debug)]
pub(crate) struct SipLeg {
    id: LegId,
    /// Our tag in the dialog.
    tag: u64,
    call_id: Box<str>,
    flow: Flow,
    abilities: Abilities,
    phase: Phase,
    dialog: Option<Box<Dialog>>,
    /// An offer of the peer, or its wish for one, that has not been answered.
    asked: Option<AskedOffer>,
    /// An offer of ours that has not been answered.
    own: Option<OwnOffer>,
    session: Option<Session>,
    /// What we last told the peer about our media.
    described: Option<Description>,
    informations: Vec<PendingInformation>,
    /// The answer to the peer's BYE, until it may be given.
    farewell: Option<(ServerId, Arc<[u8]>)>,
    /// After a restart: the 2xx whose ACK has not been seen.
    unconfirmed: Option<Unconfirmed>,
    /// After a restart: an ACK that no transaction would repeat, and the CSeq of its INVITE.
    acknowledgement: Option<(u32, Arc<[u8]>)>,
    /// The 2xx has been sent or received.
    answered: bool,
    /// How far the media of the call are encrypted, as the peer is told.
    encryption: Option<&'static str>,
}

/// What the peer says that it can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Abilities {
    /// UPDATE (RFC 3311).
    update: bool,
    /// Session timers (RFC 4028).
    timer: bool,
    /// Reliable provisional responses (RFC 3262).
    reliable: bool,
}

impl Abilities {
    fn of(message: &Message<'_>) -> Abilities {
        let supports =
            |option| message.supported().has_option(option) || message.require().has_option(option);
        Abilities {
            update: message.allow().has_method(Method::Update),
            timer: supports("timer"),
            reliable: supports("100rel"),
        }
    }

    /// What a later message of the same peer adds; it need not repeat what it said before.
    fn add(&mut self, message: &Message<'_>) {
        let more = Abilities::of(message);
        self.update |= more.update;
        self.timer |= more.timer;
        self.reliable |= more.reliable;
    }
}

/// How far the dialog is.
#[derive(Debug)]
enum Phase {
    /// The peer has sent an INVITE and has no final response.
    Incoming(Box<Incoming>),
    /// We are sending an INVITE, or will, and have no final response.
    Outgoing(Box<Outgoing>),
    /// We have sent a 2xx and wait for the ACK.
    AwaitingAck(awaiting::AwaitingAck),
    /// We have a 2xx, and its ACK needs an answer that we do not have yet.
    OwingAck(acknowledgement::OwingAck),
    /// Both have said yes.
    Established,
    /// Ended; nothing is pending.
    Over,
}

/// What a leg's timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LegTimer {
    /// It is our turn to refresh the session.
    Refresh,
    /// The peer should have refreshed the session.
    SessionExpiry,
    /// Offer again after both sides had offered at once.
    OfferAgain,
    /// Send the 2xx again that a restart may have kept from the caller.
    AnswerAgain,
}

impl SipLeg {
    pub(crate) fn flow(&self) -> Flow {
        self.flow
    }

    pub(crate) fn call_id(&self) -> &str {
        &self.call_id
    }

    /// Whether this leg was answered.
    pub(crate) fn was_answered(&self) -> bool {
        self.answered
    }

    /// The contact of the peer, once there is a dialog.
    pub(crate) fn remote_target(&self) -> Option<&str> {
        self.dialog.as_deref().map(|dialog| &*dialog.remote_target)
    }

    /// What we last told the peer about our media.
    pub(crate) fn described(&self) -> Option<&[u8]> {
        self.described.as_deref()
    }

    /// Transport and address of the peer, for people.
    pub(crate) fn peer_text(&self) -> String {
        self.flow.to_string()
    }

    /// Carries out what the call wants of this leg.
    pub(crate) fn command(
        &mut self,
        stack: &mut Stack,
        journal: &mut Journal,
        command: LegCommand,
    ) {
        let cx = &mut Context { stack, journal };
        match command {
            LegCommand::Progress(progress) => self.progress(cx, progress),
            LegCommand::PrepareAnswer { description } => self.prepare_answer(cx, description),
            LegCommand::Answer => self.answer(cx),
            LegCommand::Reject {
                rejection,
                retry_after,
                warning,
            } => {
                self.reject(cx, &rejection, retry_after, warning.as_ref());
            }
            LegCommand::ShowEncryption(words) => self.encryption = words,
            LegCommand::Offer {
                description,
                within,
            } => self.offer_in_dialog(cx, description, within),
            LegCommand::Refresh {
                description,
                within,
            } => self.refresh_by_offer(cx, description, within),
            LegCommand::RefreshLater => self.refresh_later(cx),
            LegCommand::TakeBack { described } => self.take_back(described),
            LegCommand::AcceptOffer { description } => self.accept_offer(cx, description),
            LegCommand::RefuseOffer { status, warning } => {
                self.refuse_offer(cx, status, warning.as_ref());
            }
            LegCommand::Confirm { description } => self.confirm(cx, description),
            LegCommand::Inform { information, reply } => self.inform(cx, &information, reply),
            LegCommand::ReplyInformation { reply, status } => {
                self.reply_information(cx, reply, status);
            }
            LegCommand::Release { cause, elsewhere } => self.release(cx, cause, elsewhere),
            LegCommand::ConfirmRelease => self.confirm_release(cx),
        }
    }

    /// Gives up the dialog's names and tells the call that nothing is pending.
    fn finish(&mut self, cx: &mut Context<'_>) {
        if matches!(self.phase, Phase::Over) {
            return;
        }
        self.refuse_what_is_asked(cx);
        self.cancel_what_is_asked_of_peer(cx);
        if let Phase::AwaitingAck(awaiting) = &self.phase {
            // Nobody is left who would acknowledge it.
            awaiting.stop(cx.stack);
        }
        self.phase = Phase::Over;
        self.asked = None;
        self.own = None;
        self.informations = Vec::new();
        self.described = None;
        if let Some(mut session) = self.session.take() {
            session.stop(cx.stack);
        }
        self.confirm_answer(cx.stack);
        cx.stack.tags.remove(&self.tag);
        cx.stack.emit(self.id, super::LegEvent::Finished);
    }
}

/// The services of the shard and the journal of the call, which every step of a leg needs.
pub(crate) struct Context<'s> {
    pub(crate) stack: &'s mut Stack,
    pub(crate) journal: &'s mut Journal,
}

impl Context<'_> {
    fn received(&mut self, leg: LegId, message: &Message<'_>) {
        let body = journal::body_summary(message.body());
        let line = write::first_words(message);
        self.journal
            .received(self.stack.now.unix, leg.leg, &line, &body);
    }

    fn sent(&mut self, leg: LegId, line: &str, body: &[u8]) {
        let body = journal::body_summary(body);
        self.journal.sent(self.stack.now.unix, leg.leg, line, &body);
    }
}
