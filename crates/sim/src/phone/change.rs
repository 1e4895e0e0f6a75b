//! Offers in mid call, both ways (RFC 3261 section 14, RFC 3311), with what happens when both sides
//! want something at once.

use fernamt_sip::dialog::Role;
use fernamt_sip::dialog::glare::{Changes, retry_after_491};
use fernamt_sip::dialog::session_timer::{SessionTimerAnswer, SessionTimerOffer};
use fernamt_sip::message::{Message, Method, Name};
use fernamt_sip::transaction::ClientId;
use fernamt_sip::transport::Flow;

use super::write::SDP;
use super::{Action, OwnChange, Phone, Stage, TalkAction, Use};

impl Phone {
    /// Wants other media.
    pub(super) fn change(&mut self, call: usize, action: TalkAction) {
        let found = &mut self.calls[call];
        let by_update = matches!(action, TalkAction::Update(_));
        let may = match by_update {
            true => found.changes.may_send_offer() && found.peer_takes_update,
            false => found.changes.may_send_invite() && found.reinvited.is_none(),
        };
        if !may || found.change.is_some() {
            return;
        }
        let before = found
            .negotiated
            .as_ref()
            .map_or_else(Default::default, |it| it.direction);
        let offered = match action {
            TalkAction::Reinvite(direction) | TalkAction::Update(direction) => {
                found.sdp.set_direction(direction);
                true
            }
            _ => false,
        };
        let offer = offered.then(|| self.make_offer(call));
        let body = offer.as_deref().map(|offer| (SDP, offer));
        let session = self.calls[call].session;
        let method = if by_update {
            Method::Update
        } else {
            Method::Invite
        };
        let usage = Use::Change(call);
        let sent = self.send_within(call, None, method, usage, body, |phone, builder| {
            phone.write_abilities(builder);
            if let Some(session) = session {
                builder.header(Name::SessionExpires, session.refresh_header());
            }
        });
        let Some(client) = sent else { return };
        let now = self.now;
        let found = &mut self.calls[call];
        found.changed_at = now;
        found.changes.our_invite = !by_update;
        found.changes.our_offer = offered;
        found.change = Some(OwnChange {
            client,
            action,
            offered,
            before,
        });
    }

    /// The response to our offer; `None` where none came.
    pub(super) fn change_response(
        &mut self,
        call: usize,
        client: ClientId,
        status: u16,
        response: Option<&Message<'_>>,
    ) {
        let found = &mut self.calls[call];
        let ours = found
            .change
            .as_ref()
            .is_some_and(|change| change.client == client);
        if !ours || status < 200 {
            return;
        }
        let Some(change) = found.change.take() else {
            return;
        };
        found.changes.our_invite = false;
        found.changes.our_offer = false;
        found.changed_at = self.now;
        if let (200..=299, Some(response)) = (status, response) {
            return self.change_accepted(call, &change, response);
        }
        if change.offered {
            found.sdp.withdraw();
            found.sdp.set_direction(change.before);
        }
        if found.session.is_some_and(|session| session.we_refresh) {
            // It may have been the refresh.
            found.session_due = Some(self.now + super::session::LATER);
        }
        match status {
            491 if found.stage == Stage::Talking => {
                let role = if found.is_caller {
                    Role::Caller
                } else {
                    Role::Callee
                };
                let after = retry_after_491(role, self.random.next() as u32);
                self.later(after, Action::Talk(call, change.action));
            }
            408 | 481 => self.lost(call),
            _ => {}
        }
    }

    fn change_accepted(&mut self, call: usize, change: &OwnChange, response: &Message<'_>) {
        if let Some(dialog) = &mut self.calls[call].dialog {
            let _ = dialog.refresh_target(response);
        }
        let described = response.has_content_type(SDP) && !response.body().is_empty();
        let mut ours = None;
        match (change.offered, described) {
            (true, true) => self.take_answer(call, response.body()),
            (false, true) => ours = self.make_answer(call, response.body()),
            (_, false) => self.complain("a changed session without a description".to_owned()),
        }
        if response.method() == Method::Invite {
            let cseq = response.cseq().map_or(0, |cseq| cseq.number);
            self.send_ack(call, change.client, cseq, ours.as_deref());
        }
        if self.calls[call].stage == Stage::Talking {
            self.session_granted(call, response);
        }
    }

    /// A re-INVITE, or an UPDATE.
    pub(super) fn change_received(&mut self, call: usize, flow: Flow, request: &Message<'_>) {
        let is_invite = request.method() == Method::Invite;
        let described = request.has_content_type(SDP) && !request.body().is_empty();
        let changes = self.calls[call].changes;
        let refusal = match (is_invite, described) {
            (true, _) => changes.may_accept_invite().err(),
            (false, true) => changes.may_accept_offer().err(),
            (false, false) => None,
        };
        let early = matches!(self.calls[call].stage, Stage::Calling | Stage::Ringing);
        let status = match refusal {
            Some(glare) => glare.status(),
            None if self.calls[call].reinvited.is_some() && is_invite => 500,
            None if early && is_invite => 500,
            None => 200,
        };
        let Ok(server) = self
            .transactions
            .accept(self.now, flow, request, Use::Change(call))
        else {
            return;
        };
        if status != 200 {
            return self.respond(server, request, status, None, None, |builder| {
                if status == 500 {
                    builder.header(Name::RetryAfter, 1);
                }
            });
        }
        if let Some(dialog) = &mut self.calls[call].dialog {
            let _ = dialog.refresh_target(request);
        }
        let body = match (described, is_invite) {
            (true, _) => match self.make_answer(call, request.body()) {
                Some(answer) => Some(answer),
                None => return self.respond(server, request, 488, None, None, |_| {}),
            },
            (false, true) => Some(self.make_offer(call)),
            (false, false) => None,
        };
        let now = self.now;
        let found = &mut self.calls[call];
        found.changed_at = now;
        if is_invite {
            found.reinvited = Some((server, !described));
            found.changes = Changes {
                their_invite: true,
                our_offer: !described,
                ..found.changes
            };
        }
        let session = self.session_of_request(call, request);
        self.respond(server, request, 200, None, body.as_deref(), |builder| {
            if let Some(agreed) = session {
                builder.header(Name::SessionExpires, agreed.response_header());
                if agreed.response_requires_timer() {
                    builder.header(Name::Require, "timer");
                }
            }
        });
    }

    fn session_of_request(
        &mut self,
        call: usize,
        request: &Message<'_>,
    ) -> Option<fernamt_sip::dialog::session_timer::SessionTimer> {
        let policy = self.session_policy()?;
        let offer = SessionTimerOffer::of(request).ok()?;
        match policy.answer(offer) {
            SessionTimerAnswer::Agreed(agreed) if offer.session_expires.is_some() => {
                self.session_agreed(call, agreed);
                Some(agreed)
            }
            _ => None,
        }
    }

    /// The ACK to the 2xx of a re-INVITE.
    pub(super) fn acknowledged_change(&mut self, call: usize, own_offer: bool, ack: &Message<'_>) {
        self.calls[call].changed_at = self.now;
        if own_offer {
            self.calls[call].changes.our_offer = false;
            match ack.body().is_empty() {
                true => self.calls[call].sdp.withdraw(),
                false => self.take_answer(call, ack.body()),
            }
        }
    }
}
