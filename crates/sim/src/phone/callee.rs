//! Being called (RFC 3261 section 13.3): ringing, reliable or not (RFC 3262), answering, refusing,
//! redirecting, letting it ring, and doing nothing at all.

use core::time::Duration;

use fernamt_sip::dialog::Dialog;
use fernamt_sip::dialog::session_timer::{SessionTimerAnswer, SessionTimerOffer};
use fernamt_sip::message::{Message, Method, Name};
use fernamt_sip::transport::Flow;

use super::caller::MAX_CALLS;
use super::write::SDP;
use super::{Action, EXCHANGE_HOST, Outcome, Phone, PhoneOutput, Stage, Use};
use crate::scenario::USERS;

/// What becomes of a call that comes in.
#[derive(Clone, Debug)]
pub(super) enum Reaction {
    Answer,
    Reject(u16),
    /// To another user of the exchange, or to a phone directly.
    Redirect(String),
    /// It rings until the caller gives up.
    LetRing,
    /// Not one response.
    Ignore,
}

impl Phone {
    /// An INVITE outside a dialog.
    pub(super) fn invited(&mut self, flow: Flow, request: &Message<'_>) {
        let busy = self.quiet || self.active_calls() >= MAX_CALLS;
        let call_id = request.call_id().unwrap_or_default().to_owned();
        let call = self.new_call(&call_id, false, "");
        let usage = Use::Invite(call);
        let Ok(server) = self.transactions.accept(self.now, flow, request, usage) else {
            self.calls.pop();
            return self.respond_once(flow, request, 500);
        };
        let tag = self.random.token();
        let found = &mut self.calls[call];
        found.callee.server = Some(server);
        found.callee.request = request.bytes().to_vec();
        found.callee.tag = tag.as_str().into();
        found.callee.flow = Some(flow);
        found.callee.rseq = 1 + (self.random.below(1000) as u32);
        found.dialog = Dialog::from_request(request, &tag, false).ok();
        found.peer_takes_update = request.allow().has_method(Method::Update);
        if found.dialog.is_none() {
            self.complain("an INVITE that makes no dialog".to_owned());
        }
        let (reaction, rings_after, reacts_after) = match busy {
            true => (Reaction::Reject(486), None, Duration::ZERO),
            false => self.draw_reaction(),
        };
        self.calls[call].callee.reaction = Some(reaction);
        if let Some(after) = rings_after {
            self.later(after, Action::Ring(call));
        }
        self.later(reacts_after, Action::React(call));
    }

    fn draw_reaction(&mut self) -> (Reaction, Option<Duration>, Duration) {
        let soon = self.random.millis(0, 300);
        let later = self.random.millis(100, 12_000);
        let ringing = self.random.percent(85).then_some(soon);
        if !self.plan.character.moody {
            return (Reaction::Answer, ringing, later);
        }
        match self.random.below(100) {
            0..50 => (Reaction::Answer, ringing, later),
            // So late that the caller, or the exchange, may be giving up at the same moment.
            50..58 => {
                let step = self.random.between(3, 13);
                (Reaction::Answer, ringing, Duration::from_secs(step * 10))
            }
            58..80 => {
                let status = *self
                    .random
                    .pick(&[486, 603, 404, 480, 500, 503, 488, 600, 408]);
                (Reaction::Reject(status), ringing, later)
            }
            80..86 => {
                let user = *self.random.pick(&USERS);
                let contact = format!("sip:{user}@{EXCHANGE_HOST}");
                (Reaction::Redirect(contact), ringing, later)
            }
            86..95 => (Reaction::LetRing, ringing, later),
            _ => (Reaction::Ignore, None, later),
        }
    }

    /// Tells the caller that it rings.
    pub(super) fn ring(&mut self, call: usize) {
        if self.calls[call].stage != Stage::Ringing {
            return;
        }
        let bytes = self.calls[call].callee.request.clone();
        let Ok(request) = Message::parse(&bytes) else {
            return;
        };
        let offered = request.has_content_type(SDP) && !request.body().is_empty();
        let takes_reliable =
            request.supported().has_option("100rel") || request.require().has_option("100rel");
        let reliable = self.plan.character.reliable && takes_reliable;
        let describes = self.plan.character.early_media;
        let said = match (describes, offered, reliable) {
            (true, true, _) => self.make_answer(call, request.body()),
            (true, false, true) => {
                self.calls[call].callee.own_offer = true;
                Some(self.make_offer(call))
            }
            _ => None,
        };
        let status = if said.is_some() { 183 } else { 180 };
        let old_fashioned = self.plan.character.old_fashioned && said.is_none();
        let found = &mut self.calls[call];
        found.callee.said.clone_from(&said);
        let server = found.callee.server;
        let tag = found.callee.tag.clone();
        found.callee.rseq += 1;
        let rseq = found.callee.rseq;
        let tag = (!old_fashioned).then_some(&*tag);
        let bytes = self.write_response(&request, status, tag, said.as_deref(), |builder| {
            if reliable {
                builder
                    .header(Name::Require, "100rel")
                    .header(Name::RSeq, rseq);
            }
        });
        let Some(server) = server else { return };
        if reliable {
            self.calls[call].callee.unacknowledged = true;
            self.calls[call].agreed = said.is_some() && offered;
            let _ = self
                .transactions
                .respond_reliably(self.now, server, bytes, rseq);
        } else {
            let _ = self.transactions.respond(self.now, server, bytes, status);
        }
    }

    /// Answers, refuses, or whatever it was going to do.
    pub(super) fn react(&mut self, call: usize) {
        if self.calls[call].stage != Stage::Ringing {
            return;
        }
        match self.calls[call].callee.reaction.clone() {
            Some(Reaction::Answer) => self.answer(call),
            Some(Reaction::Reject(status)) => self.reject(call, status),
            Some(Reaction::Redirect(contact)) => self.redirect(call, &contact),
            Some(Reaction::LetRing | Reaction::Ignore) | None => {}
        }
    }

    fn answer(&mut self, call: usize) {
        if self.calls[call].callee.unacknowledged {
            // RFC 3262 section 3.
            self.calls[call].callee.wants_to_answer = true;
            return;
        }
        let bytes = self.calls[call].callee.request.clone();
        let Ok(request) = Message::parse(&bytes) else {
            return;
        };
        let offered = request.has_content_type(SDP) && !request.body().is_empty();
        let said = self.calls[call].callee.said.clone();
        let body = match (self.calls[call].agreed, said, offered) {
            (true, ..) => None,
            (false, Some(said), _) => Some(said),
            (false, None, true) => match self.make_answer(call, request.body()) {
                Some(answer) => Some(answer),
                None => return self.reject(call, 488),
            },
            (false, None, false) => {
                self.calls[call].callee.own_offer = true;
                self.calls[call].changes.our_offer = true;
                Some(self.make_offer(call))
            }
        };
        let session = self.session_answer(call, &request);
        let now = self.now;
        let found = &mut self.calls[call];
        found.stage = Stage::Answered;
        found.changed_at = now;
        if let Some(dialog) = &mut found.dialog {
            dialog.confirm();
        }
        let (server, tag) = (found.callee.server, found.callee.tag.clone());
        let Some(server) = server else { return };
        self.respond(
            server,
            &request,
            200,
            Some(&tag),
            body.as_deref(),
            |builder| {
                if let Some(agreed) = session {
                    builder.header(Name::SessionExpires, agreed.response_header());
                    if agreed.response_requires_timer() {
                        builder.header(Name::Require, "timer");
                    }
                }
            },
        );
    }

    /// Agrees on the session timer that an INVITE asks for.
    fn session_answer(
        &mut self,
        call: usize,
        request: &Message<'_>,
    ) -> Option<fernamt_sip::dialog::session_timer::SessionTimer> {
        let policy = self.session_policy()?;
        let offer = SessionTimerOffer::of(request).ok()?;
        match policy.answer(offer) {
            SessionTimerAnswer::Agreed(agreed) if offer.is_supported => {
                self.session_agreed(call, agreed);
                Some(agreed)
            }
            _ => None,
        }
    }

    pub(super) fn reject(&mut self, call: usize, status: u16) {
        if self.calls[call].stage == Stage::Ringing {
            self.respond_finally(call, status, None);
            self.over(call, Outcome::Rejected(status));
        }
    }

    fn redirect(&mut self, call: usize, contact: &str) {
        self.respond_finally(call, 302, Some(contact));
        self.over(call, Outcome::Rejected(302));
    }

    fn respond_finally(&mut self, call: usize, status: u16, contact: Option<&str>) {
        let bytes = std::mem::take(&mut self.calls[call].callee.request);
        let Ok(request) = Message::parse(&bytes) else {
            return;
        };
        let (server, tag) = (
            self.calls[call].callee.server,
            self.calls[call].callee.tag.clone(),
        );
        if let Some(server) = server {
            self.respond(server, &request, status, Some(&tag), None, |builder| {
                if let Some(contact) = contact {
                    builder.header(Name::Contact, format_args!("<{contact}>"));
                }
            });
        }
    }

    /// CANCEL.
    pub(super) fn cancelled(&mut self, flow: Flow, cancel: &Message<'_>, user: Use) {
        let tag = self.random.token();
        let bytes = self.write_response(cancel, 200, Some(&tag), None, |_| {});
        self.outbox.push(PhoneOutput::Send {
            flow,
            bytes: bytes.into(),
        });
        if let Use::Invite(call) = user
            && self.calls[call].stage == Stage::Ringing
        {
            self.respond_finally(call, 487, None);
            self.over(call, Outcome::Cancelled);
        }
    }

    /// PRACK.
    pub(super) fn progress_acknowledged(&mut self, call: usize, flow: Flow, request: &Message<'_>) {
        let rseq = request
            .rack()
            .ok()
            .flatten()
            .map_or(0, |rack| rack.response_number);
        let server = self.calls[call].callee.server;
        let known = server.is_some_and(|server| self.transactions.prack_received(server, rseq));
        self.respond_once(flow, request, if known { 200 } else { 481 });
        if !known {
            return;
        }
        self.calls[call].callee.unacknowledged = false;
        if self.calls[call].callee.own_offer && !request.body().is_empty() {
            self.calls[call].callee.own_offer = false;
            self.calls[call].agreed = true;
            self.take_answer(call, request.body());
        }
        if self.calls[call].callee.wants_to_answer && self.calls[call].stage == Stage::Ringing {
            self.answer(call);
        }
    }

    /// ACK, to the first INVITE or to a later one.
    pub(super) fn acknowledged(&mut self, ack: &Message<'_>) {
        let Some(call) = self.call_of(ack) else {
            return;
        };
        let found = &mut self.calls[call];
        if let Some((server, own_offer)) = found.reinvited {
            if self.transactions.acknowledged(server) {
                found.reinvited = None;
                found.changes.their_invite = false;
                self.acknowledged_change(call, own_offer, ack);
            }
            return;
        }
        let Some(server) = found.callee.server else {
            return;
        };
        if !self.transactions.acknowledged(server) {
            return;
        }
        if found.stage == Stage::Answered {
            found.stage = Stage::Talking;
            found.established_at = Some(self.now);
            found.changed_at = self.now;
            if !found.agreed && found.callee.own_offer {
                if !ack.body().is_empty() {
                    self.take_answer(call, ack.body());
                }
                self.calls[call].callee.own_offer = false;
            }
            self.calls[call].changes.our_offer = false;
            self.calls[call].agreed = true;
            match self.quiet {
                true => self.talk_action(call, super::TalkAction::HangUp),
                false => self.plan_talk(call),
            }
        }
    }

    /// Nobody has confirmed our answer (RFC 3261 section 13.3.1.4).
    pub(super) fn never_acknowledged(&mut self, call: usize) {
        if self.calls[call].is_up() {
            self.calls[call].stage = Stage::Talking;
            self.lost(call);
        }
    }
}
