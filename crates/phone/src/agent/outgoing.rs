//! A call of ours that is not answered yet (RFC 3261 section 13.2): provisional responses, forks,
//! reliable ringing, early voice, and giving up.

use fernamt_sip::dialog::reliable::{ProvisionalArrival, ProvisionalOrder};
use fernamt_sip::dialog::session_timer::SessionTimerOffer;
use fernamt_sip::dialog::{Dialog, Stage};
use fernamt_sip::message::{Message, Method, Name};
use fernamt_sip::time::Time;
use fernamt_sip::transaction::ClientId;
use fernamt_sip::transport::{Flow, Transport};

use super::incoming::NotOurs;
use super::interface::{EndKind, Ended, Event, Hint, Refusal, Side};
use super::invite::{Head, prack, send_invite};
use super::offer::{SDP, Session, description};
use super::stack::{ALLOW, SentRequest, Stack, safe};
use super::talk::{self, Invite, Talk};

/// Early dialogs that are followed in one call; further forks are only ended if they answer.
const MAX_EARLY: usize = 16;

/// A call that we are placing.
pub(super) struct Outgoing {
    uri: Box<str>,
    flow: Flow,
    call_id: String,
    from_tag: String,
    cseq: u32,
    invite: Invite,
    session: Session,
    early: Vec<Early>,
    timer_offer: SessionTimerOffer,
    cancelled: bool,
    rang: bool,
}

/// One fork that has said something.
struct Early {
    dialog: Dialog,
    order: ProvisionalOrder,
    /// Our end with the answer of this fork in it.
    session: Option<Session>,
    /// The answer came reliably: the 2xx has none any more.
    settled: bool,
}

/// What has become of the call.
pub(super) enum Step {
    /// It goes on as it is.
    Stay,
    /// It was answered.
    Answered(Box<Talk>),
    /// It is over.
    Over(Ended),
}

impl Outgoing {
    pub(super) fn begin(
        stack: &mut Stack,
        now: Time,
        uri: Box<str>,
        flow: Flow,
    ) -> Result<Outgoing, Ended> {
        let mut session = Session::new(stack, flow);
        let timer_offer = stack.settings.session_timer.offer();
        let (call_id, from_tag) = (stack.random.token(), stack.random.token());
        let offer = session.offer();
        let head = Head {
            uri: &uri,
            flow,
            call_id: &call_id,
            from_tag: &from_tag,
            cseq: 1,
        };
        let sent = send_invite(stack, now, &head, timer_offer, &offer).ok_or_else(not_sent)?;
        stack.event(Event::Calling {
            call_id: call_id.as_str().into(),
        });
        Ok(Outgoing {
            uri,
            flow,
            call_id,
            from_tag,
            cseq: 1,
            invite: Invite {
                client: sent.client,
                bytes: sent.bytes,
            },
            session,
            early: Vec::new(),
            timer_offer,
            cancelled: false,
            rang: false,
        })
    }

    /// Whether a response to this request belongs to the call.
    pub(super) fn is_invite(&self, client: ClientId) -> bool {
        self.invite.client == client
    }

    /// The person gives up.
    pub(super) fn cancel(&mut self, stack: &mut Stack, now: Time) {
        self.cancelled = true;
        stack.transactions.cancel(now, self.invite.client, None);
    }

    pub(super) fn response(
        &mut self,
        stack: &mut Stack,
        now: Time,
        response: &Message<'_>,
    ) -> Step {
        match response.status().unwrap_or(0) {
            100 => Step::Stay,
            status @ 101..200 => {
                self.progress(stack, now, response, status);
                Step::Stay
            }
            200..300 => self.answered(stack, now, response),
            status => self.refused(stack, now, response, status),
        }
    }

    fn progress(&mut self, stack: &mut Stack, now: Time, response: &Message<'_>, status: u16) {
        self.rang |= status == 180;
        let is_reliable = response.require().has_option("100rel");
        let reason = safe(response.reason_phrase().unwrap_or(""));
        let progress = Event::Progress {
            status,
            reason,
            reliable: is_reliable,
        };
        let Some(position) = self.early_dialog(response) else {
            stack.event(progress);
            return;
        };
        let Some(early) = self.early.get_mut(position) else {
            return;
        };
        if is_reliable {
            let Ok(Some(rseq)) = response.rseq() else {
                return;
            };
            if early.order.receive(rseq) != ProvisionalArrival::InOrder {
                return;
            }
            let cseq = self.cseq;
            prack(stack, now, &mut early.dialog, self.flow, rseq, cseq);
        }
        stack.event(progress);
        if let Some(answer) = description(response).filter(|_| early.session.is_none()) {
            let mut session = self.session.clone();
            // An unreadable answer may be followed by a better one in the 2xx.
            if let Ok(plan) = session.accept(answer) {
                early.session = Some(session);
                early.settled = is_reliable;
                stack.event(Event::Media(Box::new(plan)));
            }
        }
    }

    /// The fork that a response belongs to; a new one where it makes a dialog.
    fn early_dialog(&mut self, response: &Message<'_>) -> Option<usize> {
        let known = self
            .early
            .iter()
            .position(|early| early.dialog.matches(response));
        if known.is_some() || self.early.len() >= MAX_EARLY {
            return known;
        }
        let invite = Message::parse(&self.invite.bytes).ok()?;
        let dialog = Dialog::from_response(&invite, response, self.is_over_tls()).ok()?;
        let order = ProvisionalOrder::default();
        self.early.push(Early {
            dialog,
            order,
            session: None,
            settled: false,
        });
        Some(self.early.len() - 1)
    }

    fn is_over_tls(&self) -> bool {
        self.flow.transport == Transport::Tls
    }

    fn answered(&mut self, stack: &mut Stack, now: Time, response: &Message<'_>) -> Step {
        stack.finished(self.invite.client);
        let (dialog, early_session, settled) = match self.confirmed_dialog(response) {
            Ok(found) => found,
            Err(reason) => {
                let kind = EndKind::NotUnderstood(reason.into());
                return Step::Over(Ended {
                    kind,
                    by: Side::There,
                    reason: None,
                });
            }
        };
        let flow = talk::flow_of(stack, &dialog, self.flow);
        talk::acknowledge(stack, &self.invite, &dialog, flow, response);
        if self.cancelled {
            talk::release(stack, now, dialog, flow, None);
            return Step::Over(cancelled());
        }
        let session = match (early_session, description(response).filter(|_| !settled)) {
            (_, Some(answer)) => {
                let mut session = self.session.clone();
                session
                    .accept(answer)
                    .map(|plan| (session, Some(plan)))
                    .map_err(|no| no.reason)
            }
            (Some(session), None) => Ok((session, None)),
            (None, None) => Err("the answer has no session description".to_owned()),
        };
        let (session, plan) = match session {
            Ok(agreed) => agreed,
            Err(reason) => {
                talk::release(stack, now, dialog, flow, Some("SIP;cause=488"));
                let kind = EndKind::NotUnderstood(reason.into());
                return Step::Over(Ended {
                    kind,
                    by: Side::Here,
                    reason: None,
                });
            }
        };
        let agreed = response.session_expires().ok().flatten();
        let timer = stack
            .settings
            .session_timer
            .settle(self.timer_offer, agreed);
        let mut talk = Talk::new(dialog, flow, session, now, timer);
        talk.learn(response);
        talk.keep_invite(Invite {
            client: self.invite.client,
            bytes: self.invite.bytes.clone(),
        });
        if let Some(plan) = plan {
            stack.event(Event::Media(Box::new(plan)));
        }
        stack.event(Event::Answered);
        Step::Answered(Box::new(talk))
    }

    fn confirmed_dialog(
        &mut self,
        response: &Message<'_>,
    ) -> Result<(Dialog, Option<Session>, bool), String> {
        let known = self
            .early
            .iter()
            .position(|early| early.dialog.matches(response));
        if let Some(position) = known {
            let early = self.early.swap_remove(position);
            let mut dialog = early.dialog;
            dialog
                .confirm_by(response)
                .map_err(|error| error.to_string())?;
            return Ok((dialog, early.session, early.settled));
        }
        let invite = Message::parse(&self.invite.bytes).map_err(|error| error.to_string())?;
        let dialog = Dialog::from_response(&invite, response, self.is_over_tls())
            .map_err(|error| error.to_string())?;
        debug_assert_eq!(dialog.stage, Stage::Confirmed);
        Ok((dialog, None, false))
    }

    fn refused(
        &mut self,
        stack: &mut Stack,
        now: Time,
        response: &Message<'_>,
        status: u16,
    ) -> Step {
        if self.cancelled {
            stack.finished(self.invite.client);
            return Step::Over(cancelled());
        }
        let mut hint = None;
        if matches!(status, 401 | 407) {
            match stack.answer_challenge(now, self.invite.client, response, self.cseq + 1) {
                Ok(sent) => return self.sent_again(sent),
                Err(reason) => hint = Some(reason),
            }
        }
        stack.finished(self.invite.client);
        if status == 422
            && let Some(sent) = self.ask_for_longer_session(stack, now, response)
        {
            return self.sent_again(sent);
        }
        let reason = safe(response.reason_phrase().unwrap_or(""));
        let refusal = Refusal {
            status,
            reason,
            hint,
            rang: self.rang,
        };
        Step::Over(Ended {
            kind: EndKind::Refused(refusal),
            by: Side::There,
            reason: talk::refusal_of(response),
        })
    }

    fn sent_again(&mut self, sent: SentRequest) -> Step {
        self.cseq += 1;
        self.invite = Invite {
            client: sent.client,
            bytes: sent.bytes,
        };
        self.early.clear();
        Step::Stay
    }

    /// RFC 4028 section 7.3.
    fn ask_for_longer_session(
        &mut self,
        stack: &mut Stack,
        now: Time,
        response: &Message<'_>,
    ) -> Option<SentRequest> {
        let least = response.min_se().ok()??;
        let offer = stack
            .settings
            .session_timer
            .offer_after_422(self.timer_offer, least)?;
        self.timer_offer = offer;
        let head = Head {
            uri: &self.uri,
            flow: self.flow,
            call_id: &self.call_id,
            from_tag: &self.from_tag,
            cseq: self.cseq + 1,
        };
        let description = self.session.offer();
        send_invite(stack, now, &head, offer, &description)
    }

    /// The request got no final response.
    pub(super) fn failed(&self, stack: &mut Stack, status: u16, hint: Hint) -> Ended {
        stack.finished(self.invite.client);
        if self.cancelled {
            return cancelled();
        }
        let refusal = Refusal {
            status,
            reason: "".into(),
            hint: Some(hint),
            rang: self.rang,
        };
        Ended {
            kind: EndKind::Refused(refusal),
            by: Side::There,
            reason: None,
        }
    }

    /// A request of the other side within one of the early dialogs: an UPDATE that changes the
    /// voice before the answer (RFC 3311), or a mere question.
    pub(super) fn request(
        &mut self,
        stack: &mut Stack,
        now: Time,
        flow: Flow,
        request: &Message<'_>,
    ) -> Result<Option<Ended>, NotOurs> {
        let early = self
            .early
            .iter_mut()
            .find(|early| early.dialog.matches(request));
        let early = early.ok_or(NotOurs)?;
        let answer = match (request.method(), description(request), &mut early.session) {
            (Method::Update, None, _) | (Method::Info | Method::Options, ..) => Ok(None),
            (Method::Update, Some(offer), Some(session)) if early.settled => session
                .answer(offer)
                .map(Some)
                .map_err(|no_session| no_session.status),
            (Method::Update, Some(_), _) => Err(491),
            _ => Err(405),
        };
        let Some(server) = stack.accept(now, flow, request) else {
            return Ok(None);
        };
        let contact = stack.contact(flow);
        let status = answer.as_ref().map_or_else(|status| *status, |_| 200);
        let text = answer
            .as_ref()
            .ok()
            .and_then(|answer| answer.as_ref())
            .map(|(text, _)| text);
        stack.respond(now, server, flow, request, status, "", |response| {
            response
                .header(Name::Contact, contact)
                .header(Name::Allow, ALLOW);
            match text {
                Some(text) => response.body(SDP, text.as_bytes()),
                None => response.finish(),
            }
        });
        if let Ok(Some((_, plan))) = answer {
            stack.event(Event::Media(Box::new(plan)));
        }
        Ok(None)
    }
}

fn cancelled() -> Ended {
    Ended {
        kind: EndKind::Cancelled,
        by: Side::Here,
        reason: None,
    }
}

fn not_sent() -> Ended {
    let hint = Some(Hint::NotSent);
    let refusal = Refusal {
        status: 503,
        reason: "".into(),
        hint,
        rang: false,
    };
    Ended {
        kind: EndKind::Refused(refusal),
        by: Side::Here,
        reason: None,
    }
}
