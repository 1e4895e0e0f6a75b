//! Calling (RFC 3261 section 13.2): the INVITE with its credentials, early dialogs and PRACK
//! (RFC 3262), the answer, and giving up.

use core::time::Duration;
use std::net::SocketAddr;

use fernamt_sdp::SessionDescription;
use fernamt_sdp::negotiate::{Capabilities, Endpoint};
use fernamt_sip::dialog::Dialog;
use fernamt_sip::dialog::glare::Changes;
use fernamt_sip::dialog::reliable::{ProvisionalArrival, ProvisionalOrder};
use fernamt_sip::digest::Challenger;
use fernamt_sip::message::{Message, Method, Name};
use fernamt_sip::transaction::ClientId;

use super::write::{Outside, SDP};
use super::{
    Action, CalleeSide, CallerSide, EXCHANGE_HOST, Early, Outcome, Phone, PhoneCall, Stage,
    TalkAction, Use,
};

/// Calls that a phone has at the same time.
pub(super) const MAX_CALLS: usize = 2;

/// The port for the media of a phone's first call; each further one has its own.
pub(crate) const FIRST_MEDIA_PORT: u16 = 10_000;

impl Phone {
    pub(super) fn new_call(
        &mut self,
        call_id: &str,
        is_caller: bool,
        dialled: &'static str,
    ) -> usize {
        let port = FIRST_MEDIA_PORT + 2 * self.calls.len() as u16;
        let local = SocketAddr::new(self.address.ip(), port);
        let capabilities = Capabilities {
            rtcp_mux: false,
            ..Capabilities::g711()
        };
        let keys = self.new_keys();
        self.calls.push(PhoneCall {
            call_id: call_id.into(),
            is_caller,
            stage: if is_caller {
                Stage::Calling
            } else {
                Stage::Ringing
            },
            outcome: None,
            begun_at: self.now,
            established_at: None,
            ended_at: None,
            given_up_at: None,
            dialled,
            peer: None,
            sdp: Endpoint::new(self.random.next() >> 2, local, capabilities),
            keys,
            negotiated: None,
            changed_at: self.now,
            changes: Changes::default(),
            moved: false,
            dialog: None,
            agreed: false,
            session: None,
            session_due: None,
            peer_takes_update: false,
            caller: CallerSide::default(),
            callee: CalleeSide::default(),
            change: None,
            reinvited: None,
        });
        self.calls.len() - 1
    }

    pub(super) fn active_calls(&self) -> usize {
        self.calls
            .iter()
            .filter(|call| call.stage != Stage::Over)
            .count()
    }

    pub(super) fn call(&mut self, dialled: &'static str, patience: Duration) {
        if self.active_calls() >= MAX_CALLS {
            return;
        }
        let call_id = format!("{}-{}@phone", self.plan.user, self.random.token());
        let call = self.new_call(&call_id, true, dialled);
        self.calls[call].caller.from_tag = self.random.token().into();
        self.calls[call].caller.cseq = self.random.below(1000) as u32;
        if !self.random.percent(self.plan.character.late_offer_percent) {
            let offer = self.make_offer(call);
            self.calls[call].caller.offer = Some(offer.into());
            self.calls[call].changes.our_offer = true;
        }
        self.calls[call].caller.session_offer = self.session_policy().map(|policy| policy.offer());
        self.send_invite(call);
        self.later(patience, Action::GiveUp(call));
    }

    fn send_invite(&mut self, call: usize) {
        let found = &mut self.calls[call];
        found.caller.cseq += 1;
        let uri = format!("sip:{}@{EXCHANGE_HOST}", found.dialled);
        let (call_id, from_tag) = (found.call_id.clone(), found.caller.from_tag.clone());
        let what = Outside {
            method: Method::Invite,
            uri: &uri,
            to: &uri,
            call_id: &call_id,
            from_tag: &from_tag,
            cseq: found.caller.cseq,
        };
        let offer = found.caller.offer.clone();
        let session = found.caller.session_offer;
        let credentials = self.plan.character.hasty_credentials || found.caller.challenges > 0;
        let body = offer.as_deref().map(|offer| (SDP, offer));
        let sent = self.send_outside(
            &what,
            credentials,
            Use::Invite(call),
            body,
            |phone, builder| {
                builder.header(Name::Contact, phone.contact());
                phone.write_abilities(builder);
                if let Some(session) = session {
                    if let Some(expires) = session.session_expires {
                        builder.header(Name::SessionExpires, expires);
                    }
                    if let Some(least) = session.min_se_seconds {
                        builder.header(Name::MinSe, least);
                    }
                }
            },
        );
        match sent {
            Some((client, bytes)) => {
                self.calls[call].caller.client = Some(client);
                self.calls[call].caller.invite = Some(bytes);
            }
            None => self.over(call, Outcome::Refused(503)),
        }
    }

    /// Gives up, unless somebody has answered.
    pub(super) fn give_up(&mut self, call: usize) {
        let found = &mut self.calls[call];
        if found.stage != Stage::Calling || found.given_up_at.is_some() {
            return;
        }
        found.given_up_at = Some(self.now);
        if let Some(client) = found.caller.client {
            self.transactions.cancel(self.now, client, None);
        }
    }

    pub(super) fn invite_response(
        &mut self,
        call: usize,
        client: ClientId,
        response: &Message<'_>,
    ) {
        let status = response.status().unwrap_or(500);
        let found = &self.calls[call];
        if found.caller.client != Some(client) {
            return;
        }
        if found.stage != Stage::Calling {
            // When our call is over and the exchange was killed, a late copy is a new call to it.
            if (200..300).contains(&status) && found.stage != Stage::Over {
                self.complain("a second answer to one INVITE".to_owned());
            }
            return;
        }
        match status {
            100 => {}
            101..=199 => self.progress(call, response),
            200..=299 => self.picked_up(call, client, response),
            401 | 407 if found.given_up_at.is_none() => self.challenged(call, status, response),
            422 if found.given_up_at.is_none() => self.interval_too_short(call, response),
            _ => self.over(call, Outcome::Refused(status)),
        }
    }

    fn challenged(&mut self, call: usize, status: u16, response: &Message<'_>) {
        let (name, challenger) = match status {
            401 => (Name::WwwAuthenticate, Challenger::Server),
            _ => (Name::ProxyAuthenticate, Challenger::Proxy),
        };
        let challenges = self.calls[call].caller.challenges;
        self.calls[call].caller.challenges += 1;
        let values = response.values(name);
        match self
            .digest
            .challenged(EXCHANGE_HOST, challenger, values, challenges)
        {
            Ok(()) => self.send_invite(call),
            Err(_) => self.over(call, Outcome::Refused(status)),
        }
    }

    fn interval_too_short(&mut self, call: usize, response: &Message<'_>) {
        let wanted = response.min_se().ok().flatten().unwrap_or(0);
        let offered = self.calls[call].caller.session_offer;
        let again = self.session_policy().zip(offered);
        let again = again.and_then(|(policy, offered)| policy.offer_after_422(offered, wanted));
        match again {
            Some(offer) => {
                self.calls[call].caller.session_offer = Some(offer);
                self.send_invite(call);
            }
            None => self.over(call, Outcome::Refused(422)),
        }
    }

    /// 101 to 199.
    fn progress(&mut self, call: usize, response: &Message<'_>) {
        let Some(early) = self.early_dialog(call, response) else {
            return;
        };
        let rseq = response.rseq().ok().flatten();
        let reliable = rseq.filter(|_| response.require().has_option("100rel"));
        if let Some(rseq) = reliable {
            if !self.plan.character.reliable {
                self.complain("a reliable response that we did not ask for".to_owned());
            }
            let order = &mut self.calls[call].caller.early[early].order;
            if order.receive(rseq) != ProvisionalArrival::InOrder {
                return;
            }
        }
        let described = response.has_content_type(SDP) && !response.body().is_empty();
        let answer = if described {
            self.described_early(call, reliable, response)
        } else {
            None
        };
        if let Some(rseq) = reliable {
            let cseq = self.calls[call].caller.cseq;
            let body = answer.as_deref().map(|answer| (SDP, answer));
            let usage = Use::Within(call);
            self.send_within(
                call,
                Some(early),
                Method::Prack,
                usage,
                body,
                |_, builder| {
                    builder.header(Name::RAck, format_args!("{rseq} {cseq} INVITE"));
                },
            );
        }
    }

    /// A description before the answer; gives back ours where it was an offer.
    fn described_early(
        &mut self,
        call: usize,
        reliable: Option<u32>,
        response: &Message<'_>,
    ) -> Option<String> {
        let found = &mut self.calls[call];
        let offered = found.caller.offer.is_some();
        match (found.agreed, offered, reliable.is_some()) {
            (false, true, true) => {
                found.agreed = true;
                found.changes.our_offer = false;
                self.take_answer(call, response.body());
                None
            }
            (false, true, false) => {
                // Only a look: what counts comes with the 2xx.
                let body = self.expose(call, response.body());
                let look = SessionDescription::parse(body.as_bytes()).ok();
                let found = &mut self.calls[call];
                let look = look.and_then(|answer| found.sdp.clone().accept(&answer).ok());
                found.negotiated = look;
                self.note_peer(call, response.body());
                None
            }
            (false, false, true) => {
                found.agreed = true;
                self.make_answer(call, response.body())
            }
            _ => None,
        }
    }

    fn early_dialog(&mut self, call: usize, response: &Message<'_>) -> Option<usize> {
        let tag = response.to().ok()?.tag()?;
        let caller = &mut self.calls[call].caller;
        let found = caller
            .early
            .iter()
            .position(|early| &*early.dialog.remote.tag == tag);
        if found.is_some() {
            return found;
        }
        let invite = caller.invite.clone()?;
        let invite = Message::parse(&invite).ok()?;
        let dialog = Dialog::from_response(&invite, response, false).ok()?;
        caller.early.push(Early {
            dialog,
            order: ProvisionalOrder::default(),
        });
        Some(caller.early.len() - 1)
    }

    /// 200 to 299.
    fn picked_up(&mut self, call: usize, client: ClientId, response: &Message<'_>) {
        let Some(dialog) = self.confirmed_dialog(call, response) else {
            self.complain("an answer that makes no dialog".to_owned());
            return self.over(call, Outcome::Lost);
        };
        let now = self.now;
        let found = &mut self.calls[call];
        found.dialog = Some(dialog);
        found.caller.early.clear();
        found.stage = Stage::Talking;
        found.established_at = Some(now);
        found.changed_at = now;
        found.peer_takes_update = response.allow().has_method(Method::Update);
        let cseq = found.caller.cseq;
        let described = response.has_content_type(SDP) && !response.body().is_empty();
        let mut ours = None;
        match (found.agreed, found.caller.offer.is_some(), described) {
            (true, ..) => {}
            (false, true, true) => self.take_answer(call, response.body()),
            (false, false, true) => ours = self.make_answer(call, response.body()),
            (false, _, false) => self.complain("an answer without a description".to_owned()),
        }
        self.calls[call].agreed = true;
        self.calls[call].changes.our_offer = false;
        self.send_ack(call, client, cseq, ours.as_deref());
        self.session_granted(call, response);
        if self.calls[call].given_up_at.is_some() || self.quiet {
            self.talk_action(call, TalkAction::HangUp);
        } else {
            self.plan_talk(call);
        }
    }

    fn confirmed_dialog(&mut self, call: usize, response: &Message<'_>) -> Option<Dialog> {
        let tag = response.to().ok()?.tag().unwrap_or("");
        let caller = &mut self.calls[call].caller;
        let early = caller
            .early
            .iter()
            .position(|early| &*early.dialog.remote.tag == tag);
        if let Some(early) = early {
            let mut dialog = caller.early.swap_remove(early).dialog;
            dialog.confirm_by(response).ok()?;
            return Some(dialog);
        }
        let invite = caller.invite.clone()?;
        let invite = Message::parse(&invite).ok()?;
        Dialog::from_response(&invite, response, false).ok()
    }
}
