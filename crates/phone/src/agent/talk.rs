//! A call that is answered (RFC 3261 sections 13 to 15): its acknowledgement, its end, and the
//! session timer that notices a side that has vanished. Changes of the voice are in `change`.

use std::sync::Arc;

use fernamt_sip::dialog::glare::Changes;
use fernamt_sip::dialog::session_timer::SessionTimer;
use fernamt_sip::dialog::{CSeqOrder, Dialog};
use fernamt_sip::message::{Message, Method, Name};
use fernamt_sip::time::Time;
use fernamt_sip::transaction::{ClientId, ServerId};
use fernamt_sip::transport::{Flow, Transport};
use fernamt_sip::uri::Uri;

use super::change::OurChange;
use super::interface::{EndKind, Ended, Event, Side};
use super::offer::{Session, description};
use super::stack::{ALLOW, Purpose, Stack, USER_AGENT, is_same_way, safe, write_via};

/// An INVITE of ours, kept while 2xx to it may come.
pub(super) struct Invite {
    pub(super) client: ClientId,
    pub(super) bytes: Arc<[u8]>,
}

/// A conversation.
pub(super) struct Talk {
    pub(super) dialog: Dialog,
    pub(super) flow: Flow,
    pub(super) session: Session,
    pub(super) changes: Changes,
    pub(super) our_change: Option<OurChange>,
    /// When to try a change again that met another one (RFC 3261 section 14.1).
    pub(super) retry_at: Option<Time>,
    /// Whether the person wants the other side to wait.
    pub(super) hold: bool,
    /// Whether the other side takes UPDATE.
    pub(super) peer_updates: bool,
    /// The INVITE that made the call: further forks may answer it.
    invite: Option<Invite>,
    /// An INVITE of the other side whose ACK is missing, and whether that ACK brings the answer.
    ack: Option<(ServerId, bool)>,
    timer: SessionTimer,
    refresh_at: Option<Time>,
    end_at: Time,
}

impl Talk {
    pub(super) fn new(
        dialog: Dialog,
        flow: Flow,
        session: Session,
        now: Time,
        timer: SessionTimer,
    ) -> Talk {
        let mut talk = Talk {
            dialog,
            flow,
            session,
            changes: Changes::default(),
            our_change: None,
            retry_at: None,
            hold: false,
            peer_updates: false,
            invite: None,
            ack: None,
            timer,
            refresh_at: None,
            end_at: now,
        };
        talk.refreshed(now, timer);
        talk
    }

    /// What the other side says it can.
    pub(super) fn learn(&mut self, message: &Message<'_>) {
        self.peer_updates |= message.allow().has_method(Method::Update);
    }

    pub(super) fn keep_invite(&mut self, invite: Invite) {
        self.invite = Some(invite);
    }

    /// Our 2xx waits for its ACK, which brings the answer to our offer where there was one in it.
    pub(super) fn wait_for_ack(&mut self, server: ServerId, brings_answer: bool) {
        self.ack = Some((server, brings_answer));
        self.changes.our_offer |= brings_answer;
    }

    /// The session has been refreshed: its time begins anew (RFC 4028).
    pub(super) fn refreshed(&mut self, now: Time, timer: SessionTimer) {
        self.timer = timer;
        self.refresh_at = timer.we_refresh.then(|| now + timer.refresh_after());
        self.end_at = now + timer.end_after();
    }

    pub(super) fn timer(&self) -> SessionTimer {
        self.timer
    }

    pub(super) fn deadline(&self) -> Option<Time> {
        [self.refresh_at, self.retry_at, Some(self.end_at)]
            .into_iter()
            .flatten()
            .min()
    }

    /// Does what is due; gives the end of the call, where it is one.
    pub(super) fn expire(&mut self, stack: &mut Stack, now: Time) -> Option<Ended> {
        if self.end_at <= now {
            self.send_bye(stack, now, Some("SIP;cause=408;text=\"Session timer\""));
            return Some(vanished("the session was not refreshed"));
        }
        if self.retry_at.is_some_and(|at| at <= now) {
            self.retry_at = None;
            self.change(stack, now);
        }
        if self.refresh_at.is_some_and(|at| at <= now) {
            self.refresh_at = None;
            self.refresh(stack, now);
        }
        None
    }

    /// The person hangs up.
    pub(super) fn hang_up(&mut self, stack: &mut Stack, now: Time) -> Ended {
        self.send_bye(stack, now, None);
        Ended {
            kind: EndKind::Released,
            by: Side::Here,
            reason: None,
        }
    }

    fn send_bye(&mut self, stack: &mut Stack, now: Time, reason: Option<&str>) {
        release(stack, now, self.dialog.clone(), self.flow, reason);
    }

    /// Whether a request belongs to this call.
    pub(super) fn matches(&self, request: &Message<'_>) -> bool {
        self.dialog.matches(request)
    }

    /// Takes an ACK.
    pub(super) fn acknowledged(&mut self, stack: &mut Stack, ack: &Message<'_>) -> Option<Ended> {
        let (server, brings_answer) = self.ack.take()?;
        stack.transactions.acknowledged(server);
        if !brings_answer {
            return None;
        }
        self.changes.our_offer = false;
        let answer = description(ack).map(|answer| self.session.accept(answer));
        match answer {
            Some(Ok(plan)) => stack.event(Event::Media(Box::new(plan))),
            // Without an answer there is no session; the call ends when it is noticed to be mute.
            Some(Err(_)) | None => self.session.withdraw(),
        }
        None
    }

    /// No ACK came for our 2xx (RFC 3261 section 13.3.1.4).
    pub(super) fn never_acknowledged(
        &mut self,
        stack: &mut Stack,
        now: Time,
        server: ServerId,
    ) -> Option<Ended> {
        self.ack.take_if(|(waiting, _)| *waiting == server)?;
        self.send_bye(stack, now, Some("SIP;cause=408;text=\"No ACK\""));
        Some(vanished("the answer was never acknowledged"))
    }

    /// Takes a request within the call, but for ACK; gives the end of the call where it is one.
    pub(super) fn request(
        &mut self,
        stack: &mut Stack,
        now: Time,
        flow: Flow,
        request: &Message<'_>,
    ) -> Option<Ended> {
        let server = stack.accept(now, flow, request)?;
        if self.dialog.check_cseq(request) != Ok(CSeqOrder::InOrder) {
            // A BYE out of order ends no call (`bye_low_cseq`).
            stack.respond(now, server, flow, request, 500, "", |response| {
                response.header(Name::RetryAfter, 1);
                response.finish();
            });
            return None;
        }
        let status = match request.method() {
            Method::Invite | Method::Update => {
                self.peer_change(stack, now, flow, server, request);
                return None;
            }
            Method::Bye | Method::Info | Method::Options => 200,
            Method::Prack => 481,
            method if method.is_known() => 405,
            _ => 501,
        };
        stack.respond(now, server, flow, request, status, "", |response| {
            response.header(Name::Allow, ALLOW);
            response.finish();
        });
        (request.method() == Method::Bye).then(|| Ended {
            kind: EndKind::Released,
            by: Side::There,
            reason: reason_of(request),
        })
    }

    /// A response to the INVITE that made the call: another fork has answered too, which is ended
    /// at once (RFC 3261 section 13.2.2.4). `false` when it belongs elsewhere.
    pub(super) fn late_response(
        &mut self,
        stack: &mut Stack,
        now: Time,
        client: ClientId,
        response: &Message<'_>,
    ) -> bool {
        let Some(invite) = self
            .invite
            .as_ref()
            .filter(|invite| invite.client == client)
        else {
            return false;
        };
        let is_success = response
            .status()
            .is_some_and(|status| (200..300).contains(&status));
        if is_success
            && !self.dialog.matches(response)
            && let Ok(request) = Message::parse(&invite.bytes)
            && let Ok(dialog) = Dialog::from_response(&request, response, false)
        {
            let flow = flow_of(stack, &dialog, self.flow);
            acknowledge(stack, invite, &dialog, flow, response);
            release(stack, now, dialog, flow, None);
        }
        true
    }
}

pub(super) fn vanished(how: &'static str) -> Ended {
    Ended {
        kind: EndKind::Vanished(how),
        by: Side::There,
        reason: None,
    }
}

/// Sends the ACK to a 2xx, with the credentials of its INVITE (RFC 3261 sections 13.2.2.4, 22.1).
pub(super) fn acknowledge(
    stack: &mut Stack,
    invite: &Invite,
    dialog: &Dialog,
    flow: Flow,
    response: &Message<'_>,
) {
    let Ok(request) = Message::parse(&invite.bytes) else {
        return;
    };
    let Ok(cseq) = request.cseq() else { return };
    let branch = stack.random.branch();
    let mut bytes = Vec::with_capacity(512);
    dialog
        .ack_for(&mut bytes, cseq.number, |ack| write_via(ack, flow, &branch))
        .copy(&request, Name::Authorization)
        .copy(&request, Name::ProxyAuthorization)
        .header(Name::UserAgent, USER_AGENT)
        .finish();
    let tag = response.to().ok().and_then(|to| to.tag()).unwrap_or("");
    stack
        .transactions
        .acknowledge(invite.client, flow, bytes, tag);
}

/// Ends a dialog with BYE. It is not needed any more after that but for credentials.
pub(super) fn release(
    stack: &mut Stack,
    now: Time,
    mut dialog: Dialog,
    flow: Flow,
    reason: Option<&str>,
) {
    let branch = stack.random.branch();
    let mut bytes = Vec::with_capacity(512);
    let mut request = dialog.request(&mut bytes, Method::Bye, |request| {
        write_via(request, flow, &branch)
    });
    request.header(Name::UserAgent, USER_AGENT);
    if let Some(reason) = reason {
        request.header(Name::Reason, reason);
    }
    request.finish();
    stack.request(now, flow, Purpose::Bye, Method::Bye, &branch, bytes);
}

/// Where requests of a dialog go. With an exchange always there; without one to the address that
/// the other side names, where it is one (by UDP: a stream is already where it should be).
pub(super) fn flow_of(stack: &Stack, dialog: &Dialog, flow: Flow) -> Flow {
    let is_home = stack
        .settings
        .home
        .as_ref()
        .is_some_and(|home| is_same_way(home.flow, flow));
    if is_home || flow.transport != Transport::Udp {
        return flow;
    }
    let Ok(uri) = Uri::parse(dialog.next_hop()) else {
        return flow;
    };
    match uri
        .host()
        .ip()
        .filter(|ip| ip.is_ipv4() == flow.local.is_ipv4())
    {
        Some(ip) => {
            let port = uri.port().unwrap_or(Transport::Udp.default_port());
            Flow {
                remote: (ip, port).into(),
                ..flow
            }
        }
        None => flow,
    }
}

/// Why a call was refused, for people: its Reason and the text of its Warning (RFC 3261 section
/// 20.43), which says what is wrong with an offer.
pub(super) fn refusal_of(response: &Message<'_>) -> Option<Box<str>> {
    let warning = response.value(Name::Warning).and_then(|warning| {
        let (_, text) = warning.split_once(" \"")?;
        let (text, _) = text.rsplit_once('"')?;
        Some(safe(text))
    });
    match (reason_of(response), warning) {
        (Some(reason), Some(warning)) => Some(format!("{reason}; {warning}").into()),
        (reason, warning) => reason.or(warning),
    }
}

/// The Reason of a message, for people: its text, or the numbers.
pub(super) fn reason_of(message: &Message<'_>) -> Option<Box<str>> {
    let reason = message.reason()?;
    let cause = reason
        .cause()
        .map(|cause| format!("{} {cause}", reason.protocol));
    match (cause, reason.text()) {
        (Some(cause), Some(text)) => Some(safe(&format!("{cause} {text}"))),
        (Some(cause), None) => Some(safe(&cause)),
        (None, text) => text.map(|text| safe(&text)),
    }
}
