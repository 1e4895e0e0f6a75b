//! A model phone: a user agent that registers, calls, answers, holds, hangs up and makes mistakes,
//! as its plan says. It speaks only to the exchange. It has no socket and no clock, and notes what
//! it saw, so that it can be compared with what the exchange says.

mod callee;
mod caller;
mod change;
mod description;
mod protection;
mod registration;
mod session;
mod talk;
mod write;

use std::net::SocketAddr;
use std::sync::Arc;

use core::time::Duration;

use fernamt_sdp::negotiate::{Endpoint, Negotiated};
use fernamt_sip::dialog::Dialog;
use fernamt_sip::dialog::glare::Changes;
use fernamt_sip::dialog::reliable::ProvisionalOrder;
use fernamt_sip::dialog::session_timer::{SessionTimer, SessionTimerOffer};
use fernamt_sip::digest::DigestClient;
use fernamt_sip::message::{Message, Method};
use fernamt_sip::time::Time;
use fernamt_sip::transaction::{
    ClientFailure, ClientId, Disposition, Output, ServerId, TransactionSettings, Transactions,
};
use fernamt_sip::transport::{ConnectionId, Flow};
use fernamt_sip::validate::{check_request, check_response};

use crate::random::Random;
use crate::scenario::PhonePlan;
use protection::CallKeys;
pub(crate) use protection::{MediaKind, base64};
use registration::Registration;
pub(crate) use talk::TalkAction;

/// The host part of the exchange's addresses of record, and of its request URIs.
pub(crate) const EXCHANGE_HOST: &str = "192.0.2.1";

/// A phone.
pub(crate) struct Phone {
    pub(crate) index: usize,
    pub(crate) plan: PhonePlan,
    /// What it writes into its messages.
    pub(crate) address: SocketAddr,
    /// Where its datagrams come from.
    pub(crate) public: SocketAddr,
    pub(crate) connection: Option<ConnectionId>,
    /// It has been switched off.
    pub(crate) gone: bool,
    /// It begins nothing any more.
    pub(crate) quiet: bool,
    pub(crate) calls: Vec<PhoneCall>,
    /// REGISTERs with the right password that were refused.
    pub(crate) refused_registrations: u32,
    pub(crate) outbox: Vec<PhoneOutput>,
    exchange: SocketAddr,
    transactions: Transactions<Use>,
    digest: DigestClient,
    registration: Registration,
    random: Random,
    now: Time,
}

/// What a phone wants to be done.
#[derive(Debug)]
pub(crate) enum PhoneOutput {
    Send {
        flow: Flow,
        bytes: Arc<[u8]>,
    },
    /// Remind it.
    Later {
        after: Duration,
        action: Action,
    },
    /// The exchange has broken a rule.
    Complaint(String),
}

/// What a phone does on its own.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    Register,
    Unregister,
    Call {
        dialled: &'static str,
        patience: Duration,
    },
    Text {
        dialled: &'static str,
    },
    GiveUp(usize),
    Ring(usize),
    React(usize),
    Talk(usize, TalkAction),
    /// Nobody is on the phone any more.
    GoQuiet,
}

/// What a transaction of a phone is for.
#[derive(Clone, Copy, Debug)]
enum Use {
    Nobody,
    Register,
    /// The INVITE that makes the call.
    Invite(usize),
    /// An offer within the call, or the wish for one.
    Change(usize),
    /// A refresh without a description.
    Refresh(usize),
    /// A request within the call whose outcome only tells whether the call is still known.
    Within(usize),
}

/// How far a call is, seen from the phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// We call.
    Calling,
    /// It rings here.
    Ringing,
    /// We have answered, and the other side has not confirmed.
    Answered,
    Talking,
    Over,
}

/// How a call ended, seen from the phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// We were refused.
    Refused(u16),
    /// Nothing came at all, or no way led there.
    Failed(ClientFailure),
    /// We refused.
    Rejected(u16),
    /// The caller gave up.
    Cancelled,
    /// We hung up.
    HungUp,
    /// The other side hung up.
    Released,
    /// We found out that the other side is gone.
    Lost,
}

/// One call of a phone; kept after its end, for the checks.
pub(crate) struct PhoneCall {
    pub(crate) call_id: Box<str>,
    pub(crate) is_caller: bool,
    pub(crate) stage: Stage,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) begun_at: Time,
    pub(crate) established_at: Option<Time>,
    pub(crate) ended_at: Option<Time>,
    pub(crate) given_up_at: Option<Time>,
    pub(crate) dialled: &'static str,
    /// The phone and the call at the other end, as its descriptions say.
    pub(crate) peer: Option<(usize, usize)>,
    pub(crate) sdp: Endpoint,
    pub(crate) keys: CallKeys,
    pub(crate) negotiated: Option<Negotiated>,
    /// When offer and answer, address or stage have changed last.
    pub(crate) changed_at: Time,
    pub(crate) changes: Changes,
    /// The phone has got another address during the call.
    pub(crate) moved: bool,
    dialog: Option<Dialog>,
    /// The offer and answer of the INVITE are complete.
    agreed: bool,
    session: Option<SessionTimer>,
    session_due: Option<Time>,
    peer_takes_update: bool,
    caller: CallerSide,
    callee: CalleeSide,
    change: Option<OwnChange>,
    /// A re-INVITE of the peer that waits for its ACK, and whether that carries the answer.
    reinvited: Option<(ServerId, bool)>,
}

#[derive(Default)]
struct CallerSide {
    client: Option<ClientId>,
    invite: Option<Arc<[u8]>>,
    from_tag: Box<str>,
    cseq: u32,
    challenges: u32,
    early: Vec<Early>,
    offer: Option<Box<str>>,
    session_offer: Option<SessionTimerOffer>,
}

struct Early {
    dialog: Dialog,
    order: ProvisionalOrder,
}

#[derive(Default)]
struct CalleeSide {
    server: Option<ServerId>,
    request: Vec<u8>,
    tag: Box<str>,
    flow: Option<Flow>,
    reaction: Option<callee::Reaction>,
    rseq: u32,
    /// The last reliable response has no PRACK.
    unacknowledged: bool,
    wants_to_answer: bool,
    /// Our description, once it was said.
    said: Option<String>,
    /// The offer was ours.
    own_offer: bool,
}

/// An offer of ours, or the wish for one, that is on its way.
struct OwnChange {
    client: ClientId,
    action: TalkAction,
    offered: bool,
    /// What to go back to when it is refused.
    before: fernamt_sdp::Direction,
}

impl Phone {
    pub(crate) fn new(
        index: usize,
        plan: PhonePlan,
        address: SocketAddr,
        public: SocketAddr,
        exchange: SocketAddr,
        mut random: Random,
    ) -> Phone {
        let password = match plan.wrong_password {
            true => "wrong".to_owned(),
            false => format!("secret-{}", plan.user),
        };
        let digest = DigestClient::with_password(plan.user, &password, EXCHANGE_HOST, None);
        let settings = TransactionSettings {
            hash_seed: [random.next(), random.next()],
            ..TransactionSettings::default()
        };
        let registration = Registration::new(&mut random);
        Phone {
            index,
            plan,
            address,
            public,
            connection: None,
            gone: false,
            quiet: false,
            calls: Vec::new(),
            refused_registrations: 0,
            outbox: Vec::new(),
            exchange,
            transactions: Transactions::new(settings),
            digest,
            registration,
            random,
            now: Time::ZERO,
        }
    }

    /// A message has arrived.
    pub(crate) fn receive(&mut self, now: Time, flow: Flow, bytes: &[u8]) {
        self.now = now;
        let message = match Message::parse(bytes) {
            Ok(message) => message,
            Err(error) => return self.complain(format!("a message cannot be read: {error}")),
        };
        if message.is_request() {
            self.request(flow, &message);
        } else {
            self.response(&message);
        }
        self.drain();
    }

    fn request(&mut self, flow: Flow, request: &Message<'_>) {
        if let Err(rejection) = check_request(request) {
            self.complain(format!("a request breaks a rule: {rejection}"));
        }
        match self.transactions.receive(self.now, request) {
            Disposition::New => self.new_request(flow, request),
            Disposition::Cancel { user, .. } => self.cancelled(flow, request, user),
            Disposition::Ack { .. } => self.acknowledged(request),
            Disposition::Malformed(error) => self.complain(format!("no transaction: {error}")),
            _ => {}
        }
    }

    fn new_request(&mut self, flow: Flow, request: &Message<'_>) {
        let has_tag = request.to().is_ok_and(|to| to.tag().is_some());
        match request.method() {
            _ if has_tag => self.request_within(flow, request),
            Method::Invite => self.invited(flow, request),
            Method::Message | Method::Options => self.respond_once(flow, request, 200),
            _ => self.respond_once(flow, request, 481),
        }
    }

    fn response(&mut self, response: &Message<'_>) {
        if check_response(response).is_err() {
            self.complain("a response breaks a rule".to_owned());
        }
        let Disposition::Response { client, user } = self.transactions.receive(self.now, response)
        else {
            return;
        };
        let status = response.status().unwrap_or(500);
        match user {
            Use::Nobody => {}
            Use::Register => self.register_response(client, response),
            Use::Invite(call) => self.invite_response(call, client, response),
            Use::Change(call) => self.change_response(call, client, status, Some(response)),
            Use::Refresh(call) => self.refresh_response(call, status, Some(response)),
            Use::Within(call) if status == 481 => self.lost(call),
            Use::Within(_) => {}
        }
    }

    /// The time for something has come.
    pub(crate) fn timer(&mut self, now: Time) {
        self.now = now;
        self.transactions.expire(now);
        self.drain();
        if self.registration.due.is_some_and(|due| due <= now) {
            self.registration.due = None;
            self.register();
        }
        for call in 0..self.calls.len() {
            if self.calls[call].session_due.is_some_and(|due| due <= now) {
                self.session_due(call);
            }
        }
        self.drain();
    }

    /// When [`Phone::timer`] is due.
    pub(crate) fn deadline(&self) -> Option<Time> {
        let sessions = self.calls.iter().filter_map(|call| call.session_due);
        sessions
            .chain(self.transactions.next_deadline())
            .chain(self.registration.due)
            .min()
    }

    /// Does what it had planned.
    pub(crate) fn act(&mut self, now: Time, action: Action) {
        self.now = now;
        match action {
            Action::Register => self.register(),
            Action::Unregister => self.unregister(),
            Action::Call { .. } | Action::Text { .. } if self.quiet => {}
            Action::Call { dialled, patience } => self.call(dialled, patience),
            Action::Text { dialled } => self.text(dialled),
            Action::GiveUp(call) => self.give_up(call),
            Action::Ring(call) => self.ring(call),
            Action::React(call) => self.react(call),
            Action::Talk(call, action) => self.talk_action(call, action),
            Action::GoQuiet => self.go_quiet(),
        }
        self.drain();
    }

    /// A connection is gone.
    pub(crate) fn disconnected(&mut self, now: Time, connection: ConnectionId) {
        self.now = now;
        if self.connection == Some(connection) {
            self.connection = None;
            let flow = Flow {
                connection: Some(connection),
                ..self.flow()
            };
            self.transactions.transport_failed(flow);
            if !self.quiet {
                let after = self.random.millis(100, 5_000);
                self.later(after, Action::Register);
            }
        }
        self.drain();
    }

    /// It has another address now, as after the nightly reconnect of a line.
    pub(crate) fn moved(&mut self, now: Time, public: SocketAddr) {
        self.now = now;
        self.public = public;
        if !self.plan.behind_nat {
            self.address = public;
        }
        for call in self.calls.iter_mut().filter(|call| call.is_up()) {
            call.moved = true;
            let port = call.sdp.local().port();
            call.sdp.set_local(SocketAddr::new(self.address.ip(), port));
        }
        let after = self.random.millis(100, 20_000);
        self.later(after, Action::Register);
        self.drain();
    }

    /// How many transactions it has: of requests that it sent, and of requests that came.
    pub(crate) fn transaction_counts(&self) -> (usize, usize) {
        (
            self.transactions.client_count(),
            self.transactions.server_count(),
        )
    }

    fn go_quiet(&mut self) {
        self.quiet = true;
        self.registration.due = None;
        for call in 0..self.calls.len() {
            match self.calls[call].stage {
                Stage::Calling => self.give_up(call),
                Stage::Ringing => self.reject(call, 480),
                Stage::Answered | Stage::Talking => self.talk_action(call, TalkAction::HangUp),
                Stage::Over => {}
            }
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.transactions.poll() {
            match output {
                Output::Send { flow, bytes } => self.outbox.push(PhoneOutput::Send { flow, bytes }),
                Output::ClientFailed {
                    client,
                    user,
                    failure,
                } => {
                    self.failed(client, user, failure);
                }
                Output::NoAck {
                    user: Use::Invite(call) | Use::Change(call),
                    ..
                } => {
                    self.never_acknowledged(call);
                }
                Output::NoPrack {
                    user: Use::Invite(call),
                    ..
                } => self.reject(call, 504),
                _ => {}
            }
        }
    }

    fn failed(&mut self, client: ClientId, user: Use, failure: ClientFailure) {
        match user {
            Use::Nobody | Use::Within(_) => {}
            Use::Register => self.registration_failed(client),
            Use::Invite(call) => {
                if self.calls[call].caller.client == Some(client) {
                    self.over(call, Outcome::Failed(failure));
                }
            }
            Use::Change(call) => self.change_response(call, client, failure.status(), None),
            Use::Refresh(call) => self.refresh_response(call, failure.status(), None),
        }
    }

    fn over(&mut self, call: usize, outcome: Outcome) {
        let now = self.now;
        if let Some(change) = self.calls[call].change.take() {
            // Whoever was asked has forgotten the call, and would never answer.
            self.transactions.client_failed(change.client);
        }
        if let Some(client) = self.calls[call].caller.client {
            self.transactions.client_failed(client);
        }
        let call = &mut self.calls[call];
        if call.stage != Stage::Over {
            call.stage = Stage::Over;
            call.outcome = Some(outcome);
            call.ended_at = Some(now);
            call.changed_at = now;
            call.session = None;
            call.session_due = None;
        }
    }

    fn complain(&mut self, what: String) {
        self.outbox.push(PhoneOutput::Complaint(what));
    }

    fn later(&mut self, after: Duration, action: Action) {
        self.outbox.push(PhoneOutput::Later { after, action });
    }

    fn call_of(&self, message: &Message<'_>) -> Option<usize> {
        let call_id = message.call_id().ok()?;
        self.calls.iter().rposition(|call| {
            &*call.call_id == call_id
                && (call
                    .dialog
                    .as_ref()
                    .is_some_and(|dialog| dialog.matches(message))
                    || call
                        .caller
                        .early
                        .iter()
                        .any(|early| early.dialog.matches(message)))
        })
    }
}

impl PhoneCall {
    /// Whether it is neither over nor still to be answered.
    pub(crate) fn is_up(&self) -> bool {
        matches!(self.stage, Stage::Answered | Stage::Talking)
    }

    /// Whether nothing is being changed.
    pub(crate) fn is_calm(&self) -> bool {
        self.stage == Stage::Talking && self.changes == Changes::default()
    }
}
