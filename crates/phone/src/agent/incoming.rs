//! A call to us that is not answered yet (RFC 3261 section 13.3): ringing, reliably where that is
//! asked for, answering, refusing, and the caller who gives up.

use fernamt_sip::dialog::Dialog;
use fernamt_sip::dialog::reliable::ProvisionalNumbers;
use fernamt_sip::dialog::session_timer::{SessionTimer, SessionTimerAnswer, SessionTimerOffer};
use fernamt_sip::message::{Message, Method, Name};
use fernamt_sip::time::Time;
use fernamt_sip::transaction::ServerId;
use fernamt_sip::transport::{Flow, Transport};

use super::interface::{EndKind, Ended, Event, Side};
use super::offer::{SDP, Session, description};
use super::stack::{ALLOW, SUPPORTED, Stack, response, safe};
use super::talk::{self, Talk};
use crate::media::MediaPlan;

/// A call that rings here.
pub(super) struct Incoming {
    server: ServerId,
    flow: Flow,
    /// The INVITE, to answer it later.
    invite: Vec<u8>,
    tag: String,
    dialog: Dialog,
    session: Session,
    /// The answer to the offer; without one, the offer is up to us.
    agreed: Option<(String, MediaPlan)>,
    timer: SessionTimer,
}

impl Incoming {
    /// Takes an INVITE; `None` when it was refused at once.
    pub(super) fn begin(
        stack: &mut Stack,
        now: Time,
        flow: Flow,
        invite: &Message<'_>,
    ) -> Option<Incoming> {
        let timer = match SessionTimerOffer::of(invite) {
            Ok(offer) => stack.settings.session_timer.answer(offer),
            Err(_) => return refuse(stack, now, flow, invite, 400),
        };
        let timer = match timer {
            SessionTimerAnswer::Agreed(timer) => timer,
            SessionTimerAnswer::TooShort { min_se_seconds } => {
                stack.refuse(now, flow, invite, 422, |response| {
                    response.header(Name::MinSe, min_se_seconds);
                });
                return None;
            }
        };
        let tag = stack.random.token();
        let is_over_tls = flow.transport == Transport::Tls;
        let Ok(dialog) = Dialog::from_request(invite, &tag, is_over_tls) else {
            return refuse(stack, now, flow, invite, 400);
        };
        let mut session = Session::new(stack, flow);
        let agreed = match description(invite).map(|offer| session.answer(offer)) {
            None => None,
            Some(Ok(agreed)) => Some(agreed),
            Some(Err(no_session)) => {
                stack.refuse(now, flow, invite, no_session.status, |response| {
                    response.header(Name::Warning, no_session.warning());
                });
                return None;
            }
        };
        let server = stack.accept(now, flow, invite)?;
        let bytes = invite.bytes().to_vec();
        let call = Incoming {
            server,
            flow,
            invite: bytes,
            tag,
            dialog,
            session,
            agreed,
            timer,
        };
        call.ring(stack, now, invite);
        stack.event(Event::Incoming {
            from: caller(invite),
            call_id: call.dialog.call_id.clone(),
        });
        Some(call)
    }

    fn ring(&self, stack: &mut Stack, now: Time, invite: &Message<'_>) {
        let contact = stack.contact(self.flow);
        let required = invite.require().has_option("100rel");
        let supported = invite.supported().has_option("100rel");
        if required && self.agreed.is_none() {
            // A reliable response would have to carry our offer (RFC 3262 section 5); the answer
            // comes soon enough and can carry it as well.
            return;
        }
        let bytes = |rseq: Option<u32>| {
            response(invite, self.flow, 180, &self.tag, |response| {
                response.header(Name::Contact, &contact);
                if let Some(rseq) = rseq {
                    response
                        .header(Name::Require, "100rel")
                        .header(Name::RSeq, rseq);
                }
                response.finish();
            })
        };
        // What cannot be sent is told again by the answer.
        if required || (supported && stack.settings.reliable_ringing && self.agreed.is_some()) {
            let rseq = ProvisionalNumbers::new(stack.random.number() as u32).next_rseq();
            let _ = stack
                .transactions
                .respond_reliably(now, self.server, bytes(Some(rseq)), rseq);
        } else {
            let _ = stack
                .transactions
                .respond(now, self.server, bytes(None), 180);
        }
    }

    /// Whether this is the INVITE of the call.
    pub(super) fn is_invite(&self, server: ServerId) -> bool {
        self.server == server
    }

    pub(super) fn answer(mut self, stack: &mut Stack, now: Time) -> Result<Talk, Ended> {
        let Ok(invite) = Message::parse(&self.invite) else {
            return Err(self.over(EndKind::Rejected(500), Side::Here));
        };
        let (text, plan) = match self.agreed.take() {
            Some((text, plan)) => (text, Some(plan)),
            None => (self.session.offer(), None),
        };
        let contact = stack.contact(self.flow);
        let timer = self.timer;
        let has_timer = invite.supported().has_option("timer") || !timer.we_refresh;
        stack.respond(
            now,
            self.server,
            self.flow,
            &invite,
            200,
            &self.tag,
            |response| {
                response
                    .header(Name::Contact, contact)
                    .header(Name::Allow, ALLOW)
                    .header(Name::Supported, SUPPORTED);
                if has_timer {
                    response.header(Name::SessionExpires, timer.response_header());
                }
                if timer.response_requires_timer() {
                    response.header(Name::Require, "timer");
                }
                response.body(SDP, text.as_bytes());
            },
        );
        self.dialog.confirm();
        let flow = talk::flow_of(stack, &self.dialog, self.flow);
        let is_late_offer = plan.is_none();
        let mut talk = Talk::new(self.dialog, flow, self.session, now, timer);
        talk.learn(&invite);
        talk.wait_for_ack(self.server, is_late_offer);
        stack.event(Event::Answered);
        if let Some(plan) = plan {
            stack.event(Event::Media(Box::new(plan)));
        }
        Ok(talk)
    }

    /// The person refuses the call.
    pub(super) fn reject(&self, stack: &mut Stack, now: Time, status: u16) -> Ended {
        self.respond_finally(stack, now, status);
        self.over(EndKind::Rejected(status), Side::Here)
    }

    /// The caller gave up.
    pub(super) fn cancelled(&self, stack: &mut Stack, now: Time, by: &Message<'_>) -> Ended {
        self.respond_finally(stack, now, 487);
        let reason = talk::reason_of(by);
        Ended {
            kind: EndKind::Cancelled,
            by: Side::There,
            reason,
        }
    }

    fn respond_finally(&self, stack: &mut Stack, now: Time, status: u16) {
        if let Ok(invite) = Message::parse(&self.invite) {
            let tag = &self.tag;
            stack.respond(
                now,
                self.server,
                self.flow,
                &invite,
                status,
                tag,
                |response| {
                    response.finish();
                },
            );
        }
    }

    fn over(&self, kind: EndKind, by: Side) -> Ended {
        Ended {
            kind,
            by,
            reason: None,
        }
    }

    /// A request of the caller within the early dialog. Gives the end of the call, where it is one.
    pub(super) fn request(
        &mut self,
        stack: &mut Stack,
        now: Time,
        flow: Flow,
        request: &Message<'_>,
    ) -> Result<Option<Ended>, NotOurs> {
        if !self.dialog.matches(request) {
            return Err(NotOurs);
        }
        let method = request.method();
        if method == Method::Ack {
            return Ok(None);
        }
        let Some(server) = stack.accept(now, flow, request) else {
            return Ok(None);
        };
        let status = match method {
            Method::Prack => self.prack(stack, request),
            Method::Bye | Method::Info | Method::Options => 200,
            Method::Update if description(request).is_none() => 200,
            // The first offer is not answered yet (RFC 3311 section 5.2).
            Method::Update | Method::Invite => 500,
            _ => 405,
        };
        stack.respond(now, server, flow, request, status, "", |response| {
            response.header(Name::Allow, ALLOW);
            if status == 500 {
                response.header(Name::RetryAfter, 2);
            }
            response.finish();
        });
        Ok((method == Method::Bye).then(|| self.cancelled(stack, now, request)))
    }

    fn prack(&self, stack: &mut Stack, request: &Message<'_>) -> u16 {
        match request.rack() {
            Ok(Some(rack)) => {
                let number = rack.response_number;
                if stack.transactions.prack_received(self.server, number) {
                    200
                } else {
                    481
                }
            }
            _ => 400,
        }
    }
}

/// The request belongs to another dialog.
pub(super) struct NotOurs;

fn refuse(
    stack: &mut Stack,
    now: Time,
    flow: Flow,
    invite: &Message<'_>,
    status: u16,
) -> Option<Incoming> {
    stack.refuse(now, flow, invite, status, |_| {});
    None
}

/// Who calls, for people.
fn caller(invite: &Message<'_>) -> Box<str> {
    let Ok(from) = invite.from() else {
        return "unknown".into();
    };
    let uri = from.uri_text();
    match from.display_name() {
        Some(name) if !name.is_empty() => safe(&format!("{name} <{uri}>")),
        _ => safe(uri),
    }
}
