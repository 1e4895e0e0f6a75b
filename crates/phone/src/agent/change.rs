//! Changes of a conversation (RFC 3261 section 14, RFC 3311): hold, resume, another address for the
//! voice, and refreshes of the session, from both sides, also when they cross.

use fernamt_sip::dialog::glare::retry_after_491;
use fernamt_sip::dialog::session_timer::{SessionTimerAnswer, SessionTimerOffer};
use fernamt_sip::message::{Message, Method, Name};
use fernamt_sip::time::Time;
use fernamt_sip::transaction::{ClientId, ServerId};
use fernamt_sip::transport::Flow;

use super::interface::{Ended, Event, Refusal};
use super::offer::{SDP, description};
use super::stack::{ALLOW, Purpose, SUPPORTED, Stack, USER_AGENT, safe, write_via};
use super::talk::{Invite, Talk, acknowledge, vanished};
use crate::media::MediaPlan;

/// A change of ours that has no final response.
pub(super) struct OurChange {
    request: Invite,
    is_invite: bool,
    timer_offer: SessionTimerOffer,
    /// Only a refresh: when it is refused, the conversation goes on as it is.
    is_refresh: bool,
}

impl Talk {
    /// Holds the other side, or takes it back.
    pub(super) fn set_hold(&mut self, stack: &mut Stack, now: Time, hold: bool) {
        self.hold = hold;
        self.session.set_hold(hold);
        self.change(stack, now);
    }

    /// Offers the voice as it is wanted now.
    pub(super) fn change(&mut self, stack: &mut Stack, now: Time) {
        if !self.changes.may_send_invite() {
            self.try_again_later(stack, now);
            return;
        }
        self.send_invite(stack, now, false);
    }

    /// Keeps the session alive, by the smaller of the two means.
    pub(super) fn refresh(&mut self, stack: &mut Stack, now: Time) {
        if self.our_change.is_some() {
            // That change refreshes as well.
            return;
        }
        if self.peer_updates {
            self.send_update(stack, now);
        } else if self.changes.may_send_invite() {
            self.send_invite(stack, now, true);
        } else {
            self.try_again_later(stack, now);
        }
    }

    fn try_again_later(&mut self, stack: &mut Stack, now: Time) {
        let random = stack.random.number() as u32;
        self.retry_at = Some(now + retry_after_491(self.dialog.role, random));
    }

    fn send_invite(&mut self, stack: &mut Stack, now: Time, is_refresh: bool) {
        let offer = self.session.offer();
        self.send_change(stack, now, Method::Invite, Some(&offer), is_refresh);
        let sent = self.our_change.is_some();
        self.changes.our_invite = sent;
        self.changes.our_offer = sent;
        if !sent {
            self.session.withdraw();
        }
    }

    fn send_update(&mut self, stack: &mut Stack, now: Time) {
        self.send_change(stack, now, Method::Update, None, true);
    }

    fn send_change(
        &mut self,
        stack: &mut Stack,
        now: Time,
        method: Method<'static>,
        offer: Option<&str>,
        is_refresh: bool,
    ) {
        let branch = stack.random.branch();
        let flow = self.flow;
        let expires = self.timer().refresh_header();
        let timer_offer = SessionTimerOffer {
            session_expires: Some(expires),
            min_se_seconds: None,
            is_supported: true,
        };
        let mut bytes = Vec::with_capacity(1_024);
        let mut request = self.dialog.request(&mut bytes, method, |request| {
            write_via(request, flow, &branch)
        });
        request
            .header(Name::Contact, stack.contact(flow))
            .header(Name::Allow, ALLOW)
            .header(Name::Supported, SUPPORTED)
            .header(Name::SessionExpires, expires)
            .header(Name::UserAgent, USER_AGENT);
        match offer {
            Some(offer) => request.body(SDP, offer.as_bytes()),
            None => request.finish(),
        }
        let sent = stack.request(now, flow, Purpose::Change, method, &branch, bytes);
        self.our_change = sent.map(|sent| OurChange {
            request: Invite {
                client: sent.client,
                bytes: sent.bytes,
            },
            is_invite: method == Method::Invite,
            timer_offer,
            is_refresh,
        });
    }

    /// Takes a response to a change of ours; gives the end of the call, where it is one.
    pub(super) fn change_response(
        &mut self,
        stack: &mut Stack,
        now: Time,
        client: ClientId,
        response: &Message<'_>,
    ) -> Option<Ended> {
        let status = response.status().filter(|status| *status >= 200)?;
        let change = self
            .our_change
            .take_if(|change| change.request.client == client)?;
        if matches!(status, 401 | 407) {
            let cseq = self.dialog.local_cseq.saturating_add(1);
            if let Ok(sent) = stack.answer_challenge(now, client, response, cseq) {
                self.dialog.local_cseq = cseq;
                let request = Invite {
                    client: sent.client,
                    bytes: sent.bytes,
                };
                self.our_change = Some(OurChange { request, ..change });
                return None;
            }
        }
        stack.finished(client);
        if change.is_invite {
            self.changes.our_invite = false;
            self.changes.our_offer = false;
        }
        match status {
            200..300 => {
                self.change_accepted(stack, now, &change, response);
                None
            }
            491 => {
                self.give_back(&change);
                self.try_again_later(stack, now);
                None
            }
            // The other side knows nothing of the call any more (RFC 3261 section 12.2.1.2).
            408 | 481 => {
                let gone = "the other side does not know the call any more";
                super::talk::release(stack, now, self.dialog.clone(), self.flow, None);
                Some(vanished(gone))
            }
            _ => {
                self.give_back(&change);
                self.change_refused(stack, &change, status, response);
                None
            }
        }
    }

    fn change_accepted(
        &mut self,
        stack: &mut Stack,
        now: Time,
        change: &OurChange,
        response: &Message<'_>,
    ) {
        // A target that cannot be read stays as it was.
        let _ = self.dialog.refresh_target(response);
        self.learn(response);
        if change.is_invite {
            acknowledge(stack, &change.request, &self.dialog, self.flow, response);
            match description(response).map(|answer| self.session.accept(answer)) {
                Some(Ok(plan)) => stack.event(Event::Media(Box::new(plan))),
                Some(Err(_)) | None => self.session.withdraw(),
            }
        }
        let agreed = response.session_expires().ok().flatten();
        let timer = stack
            .settings
            .session_timer
            .settle(change.timer_offer, agreed);
        self.refreshed(now, timer);
    }

    fn give_back(&mut self, change: &OurChange) {
        if change.is_invite {
            self.session.withdraw();
        }
    }

    fn change_refused(
        &mut self,
        stack: &mut Stack,
        change: &OurChange,
        status: u16,
        response: &Message<'_>,
    ) {
        if !change.is_refresh {
            self.hold = !self.hold;
            self.session.set_hold(self.hold);
            let reason = safe(response.reason_phrase().unwrap_or(""));
            let refusal = Refusal {
                status,
                reason,
                hint: None,
                rang: false,
            };
            stack.event(Event::HoldRefused(refusal));
        }
    }

    /// A change of ours got no final response: the other side has vanished.
    pub(super) fn change_failed(
        &mut self,
        stack: &mut Stack,
        now: Time,
        client: ClientId,
    ) -> Option<Ended> {
        self.our_change
            .take_if(|change| change.request.client == client)?;
        super::talk::release(stack, now, self.dialog.clone(), self.flow, None);
        Some(vanished("a request within the call was not answered"))
    }

    /// Takes an INVITE or UPDATE of the other side and answers it.
    pub(super) fn peer_change(
        &mut self,
        stack: &mut Stack,
        now: Time,
        flow: Flow,
        server: ServerId,
        request: &Message<'_>,
    ) {
        let accepted = self.judge(stack, request).and_then(|timer| {
            let (text, plan) = self.describe(request)?;
            Ok((timer, text, plan))
        });
        let (timer, text, plan) = match accepted {
            Ok(accepted) => accepted,
            Err(refused) => {
                stack.respond(now, server, flow, request, refused.status, "", |response| {
                    if let Some((name, seconds)) = refused.header {
                        response.header(name, seconds);
                    }
                    response.finish();
                });
                return;
            }
        };
        let _ = self.dialog.refresh_target(request);
        self.learn(request);
        self.refreshed(now, timer);
        if request.method() == Method::Invite {
            self.wait_for_ack(server, plan.is_none());
        }
        let contact = stack.contact(flow);
        stack.respond(now, server, flow, request, 200, "", |response| {
            response
                .header(Name::Contact, contact)
                .header(Name::Allow, ALLOW)
                .header(Name::Supported, SUPPORTED)
                .header(Name::SessionExpires, timer.response_header());
            if timer.response_requires_timer() {
                response.header(Name::Require, "timer");
            }
            match text {
                Some(text) => response.body(SDP, text.as_bytes()),
                None => response.finish(),
            }
        });
        if let Some(plan) = plan {
            stack.event(Event::Media(Box::new(plan)));
        }
    }

    /// Whether a change may be made at all.
    fn judge(
        &self,
        stack: &mut Stack,
        request: &Message<'_>,
    ) -> Result<fernamt_sip::dialog::session_timer::SessionTimer, Refused> {
        let glare = if request.method() == Method::Invite {
            self.changes.may_accept_invite()
        } else if description(request).is_some() {
            self.changes.may_accept_offer()
        } else {
            Ok(())
        };
        if let Err(glare) = glare {
            let seconds = (stack.random.number() % 11) as u32;
            let header = (glare.status() == 500).then_some((Name::RetryAfter, seconds));
            return Err(Refused {
                status: glare.status(),
                header,
            });
        }
        let offer = SessionTimerOffer::of(request).map_err(|_| Refused::with(400))?;
        match stack.settings.session_timer.answer(offer) {
            SessionTimerAnswer::Agreed(timer) => Ok(timer),
            SessionTimerAnswer::TooShort { min_se_seconds } => Err(Refused {
                status: 422,
                header: Some((Name::MinSe, min_se_seconds)),
            }),
        }
    }

    /// Our description in the answer: an answer to an offer; an offer for an INVITE without one;
    /// none for an UPDATE without one.
    fn describe(
        &mut self,
        request: &Message<'_>,
    ) -> Result<(Option<String>, Option<MediaPlan>), Refused> {
        match description(request) {
            Some(offer) => {
                let (text, plan) = self
                    .session
                    .answer(offer)
                    .map_err(|no_session| Refused::with(no_session.status))?;
                Ok((Some(text), Some(plan)))
            }
            None if request.method() == Method::Invite => Ok((Some(self.session.offer()), None)),
            None => Ok((None, None)),
        }
    }
}

/// How a change is refused.
struct Refused {
    status: u16,
    header: Option<(Name, u32)>,
}

impl Refused {
    fn with(status: u16) -> Refused {
        Refused {
            status,
            header: None,
        }
    }
}
