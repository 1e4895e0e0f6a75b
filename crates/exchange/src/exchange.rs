//! One shard of the switch: takes inputs, gives outputs. What it decides is decided in the rooms it
//! calls.

use fernamt_charging::CallReference;
use fernamt_sip::digest::{BadRealm, DigestServer, DigestServerSettings};
use fernamt_sip::message::{Message, Method};
use fernamt_sip::time::{Now, Time, UnixTime};
use fernamt_sip::transaction::{self, Disposition, ServerId};
use fernamt_sip::transport::Flow;
use fernamt_sip::validate;

use crate::call::{self, RecoverError};
use crate::calls::Calls;
use crate::config::Config;
use crate::guard::{Ban, Guard, GuardCounters, Verdict};
use crate::interface::{Answer, Command, Event, Input, Output, QuestionId, Ticket};
use crate::leg::sip::transaction_use::{Purpose, TransactionUse};
use crate::leg::sip::{Context, SipLeg, let_go, parse_tag};
use crate::leg::{CallSlot, LegId};
use crate::media;
use crate::request::Relays;
use crate::stack::{Alarm, Asker, Stack};

/// One shard of the exchange.
pub struct Exchange {
    pub(crate) stack: Stack,
    pub(crate) guard: Guard,
    pub(crate) digest: DigestServer,
    pub(crate) calls: Calls,
    pub(crate) relays: Relays,
    pub(crate) draining: bool,
    told_drained: bool,
}

/// A call in progress, for listings.
#[derive(Clone, Debug)]
pub struct CallSummary {
    /// Names the call.
    pub call: CallReference,
    /// Who calls, as shown to people.
    pub caller: Box<str>,
    /// What was dialled.
    pub dialled: Box<str>,
    /// `ringing`, `answered`, `held`, ….
    pub state: &'static str,
    /// When it came in.
    pub start: UnixTime,
    /// When it was answered.
    pub answer: Option<UnixTime>,
    /// The codec, once answered.
    pub codec: Option<Box<str>>,
}

impl Exchange {
    /// A shard with the number `shard`, its settings, and a seed from a true random source.
    ///
    /// # Errors
    /// [`BadRealm`] when the realm of the settings cannot stand in a challenge.
    pub fn new(config: Config, shard: u16, seed: [u8; 32]) -> Result<Exchange, BadRealm> {
        let mut settings = DigestServerSettings::new(&config.realm);
        settings.algorithms.clone_from(&config.digest_algorithms);
        settings.nonce_life = config.nonce_lifetime;
        // Peers of RFC 2543 know no qop; a nonce without it is good for one request only.
        settings.allow_without_qop = true;
        let guard = Guard::new(&config);
        let secret = config.secret;
        let mut stack = Stack::new(config, shard, seed);
        let instance = u32::try_from(stack.random_u64() >> 32).unwrap_or(0);
        let digest = DigestServer::new(settings, &secret, instance)?;
        Ok(Exchange {
            stack,
            guard,
            digest,
            calls: Calls::default(),
            relays: Relays::default(),
            draining: false,
            told_drained: false,
        })
    }

    /// Takes one input. Then drain [`Exchange::poll`].
    pub fn handle(&mut self, now: Now, input: Input<'_>) {
        self.stack.now = now;
        match input {
            Input::Message { flow, bytes } => self.message_received(flow, bytes),
            // Requests on their way fail as the shell reports their flows; legs go on, since their
            // device can come back on another connection.
            Input::ConnectionClosed { .. } | Input::Timer => {}
            Input::SendFailed { flow } => self.stack.transactions.transport_failed(flow),
            Input::Answer { question, answer } => self.answered(question, answer),
            Input::Media(event) => self.media_event(event),
            Input::Committed(ticket) => self.commit(ticket, true),
            Input::CommitFailed(ticket) => self.commit(ticket, false),
            Input::Command(command) => self.command(command),
        }
        self.stack.transactions.expire(now.time);
        while let Some(alarm) = self.stack.due_timer() {
            self.alarm(alarm);
        }
        self.settle();
    }

    /// The next thing to do, or `None` when all is done until the next input.
    pub fn poll(&mut self) -> Option<Output> {
        self.stack.outputs.pop_front()
    }

    /// When [`Input::Timer`] is due at the latest.
    pub fn next_deadline(&self) -> Option<Time> {
        self.stack.next_deadline()
    }

    /// The calls in progress.
    pub fn calls(&self) -> Vec<CallSummary> {
        self.calls.iter().map(call::Call::summary).collect()
    }

    /// How many calls are in progress.
    pub fn call_count(&self) -> usize {
        self.calls.len()
    }

    /// How many transactions there are: of requests that came, and of requests that we sent.
    pub fn transaction_counts(&self) -> (usize, usize) {
        (
            self.stack.transactions.server_count(),
            self.stack.transactions.client_count(),
        )
    }

    /// The sources that are banned.
    pub fn banned(&self) -> Vec<Ban> {
        self.guard.banned(self.stack.now.time).collect()
    }

    /// Lifts the ban of a source; false when it has none.
    pub fn lift_ban(&mut self, source: core::net::IpAddr) -> bool {
        self.guard.lift(self.stack.now.time, source)
    }

    /// What the guard has let in and kept out.
    pub fn guard_counters(&self) -> GuardCounters {
        self.guard.counters()
    }

    /// The shard that a message belongs to, of `shards`; the same for every message of a call, on
    /// whichever transport and after whichever restart. Cheap: looks only for the Call-ID.
    pub fn shard_of(message: &[u8], shards: u16) -> u16 {
        let key = find_call_id(message).map_or(0, shard_key);
        shard_of_key(key, shards)
    }

    /// The shard that a written call belongs to.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn shard_of_state(state: &[u8], shards: u16) -> Result<u16, RecoverError> {
        call::names_of(state).map(|(_, key)| shard_of_key(key, shards))
    }

    /// The name of a written call.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn reference_of_state(state: &[u8]) -> Result<CallReference, RecoverError> {
        call::names_of(state).map(|(reference, _)| reference)
    }

    fn message_received(&mut self, flow: Flow, bytes: &[u8]) {
        let stream = flow.transport.is_reliable();
        if let Verdict::Drop(_) = self
            .guard
            .admit(self.stack.now.time, flow.remote.ip(), stream)
        {
            return;
        }
        let message = match Message::parse(bytes) {
            Ok(message) => message,
            Err(error) => {
                if error.kind != fernamt_sip::message::ParseErrorKind::Empty {
                    self.malformed(flow, error.kind.reason_phrase());
                    self.respond_to_garbage(flow, bytes, &error);
                }
                return;
            }
        };
        if message.is_request() {
            self.request_received(flow, &message);
        } else {
            self.response_received(flow, &message);
        }
    }

    fn malformed(&mut self, flow: Flow, reason: &'static str) {
        let event = Event::Malformed {
            source: flow.remote,
            reason,
        };
        self.stack.outputs.push_back(Output::Publish(event));
    }

    fn request_received(&mut self, flow: Flow, request: &Message<'_>) {
        if let Err(rejection) = validate::check_request(request) {
            self.malformed(flow, "the request breaks a rule of SIP");
            if let Some(status) = rejection.status() {
                let reason = rejection.to_string();
                self.respond_with_reason(flow, request, status, Some(&reason), |_| {});
            }
            return;
        }
        let now = self.stack.now.time;
        match self.stack.transactions.receive(now, request) {
            Disposition::New => self.new_request(flow, request),
            Disposition::Cancel { server, user } => self.cancelled(flow, request, server, user),
            Disposition::Ack { .. } => {
                if let Some(id) = self.leg_of(request) {
                    self.with_leg(id, |leg, cx| leg.acknowledged(cx, request));
                }
            }
            Disposition::Malformed(_) => {
                self.respond_stateless(flow, request, 400, |_| {});
            }
            Disposition::Absorbed | Disposition::Response { .. } | Disposition::Stray => {}
        }
    }

    fn new_request(&mut self, flow: Flow, request: &Message<'_>) {
        let in_dialog = request.to().is_ok_and(|to| to.tag().is_some());
        if !in_dialog {
            return self.request_outside_dialog(flow, request);
        }
        let found = self.leg_of(request);
        let handled = found.is_some_and(|id| {
            self.with_leg(id, |leg, cx| {
                let ours = leg.is_of_dialog(request);
                if ours {
                    leg.request_received(cx, flow, request);
                }
                ours
            }) == Some(true)
        });
        if !handled {
            self.respond_stateless(flow, request, 481, |_| {});
        }
    }

    /// The leg whose tag a request carries in To.
    fn leg_of(&self, request: &Message<'_>) -> Option<LegId> {
        let tag = parse_tag(request.to().ok()?.tag()?)?;
        self.stack.tags.get(&tag).copied()
    }

    fn cancelled(
        &mut self,
        flow: Flow,
        cancel: &Message<'_>,
        server: ServerId,
        user: TransactionUse,
    ) {
        self.respond_stateless(flow, cancel, 200, |_| {});
        let TransactionUse::Leg(id, Purpose::Invite) = user else {
            return;
        };
        if self
            .with_leg(id, |leg, cx| leg.cancelled(cx, cancel))
            .is_none()
        {
            self.cancelled_while_waiting(server);
        }
    }

    fn response_received(&mut self, flow: Flow, response: &Message<'_>) {
        if validate::check_response(response).is_err() {
            return self.malformed(flow, "the response breaks a rule of SIP");
        }
        let now = self.stack.now.time;
        match self.stack.transactions.receive(now, response) {
            Disposition::Response {
                client,
                user: TransactionUse::Leg(id, purpose),
            } => {
                self.with_leg(id, |leg, cx| {
                    leg.response_received(cx, client, purpose, response)
                });
            }
            Disposition::Response {
                user: TransactionUse::Relay(id),
                ..
            } => {
                self.message_delivered(id, response.status().unwrap_or(500));
            }
            Disposition::Stray => self.stray_response(flow, response),
            _ => {}
        }
    }

    /// A response to a request that nobody remembers. A 2xx to an INVITE from before a restart must
    /// not leave its sender in a call with nobody.
    fn stray_response(&mut self, flow: Flow, response: &Message<'_>) {
        let is_answer = matches!(response.status(), Some(200..=299));
        let is_ours = response.call_id().is_ok_and(is_own_call_id);
        if !is_answer || !is_ours || response.method() != Method::Invite {
            return;
        }
        let tag = response.from().ok().and_then(|from| parse_tag(from.tag()?));
        let known = tag.and_then(|tag| self.stack.tags.get(&tag).copied());
        let acknowledged =
            known.and_then(|id| self.with_leg(id, |leg, cx| leg.acknowledge_again(cx, response)));
        if acknowledged != Some(true) {
            let_go(&mut self.stack, flow, response);
        }
    }

    fn answered(&mut self, question: QuestionId, answer: Answer) {
        match self.stack.askers.remove(&question) {
            Some(Asker::Request(waiting)) => self.answered_request(*waiting, answer),
            Some(Asker::Call(slot)) => {
                if let Some(call) = self.calls.get_mut(slot) {
                    call.located(&mut self.stack, answer);
                }
            }
            Some(Asker::Caller(slot)) => {
                if let Some(call) = self.calls.get_mut(slot) {
                    call.caller_located(answer);
                }
            }
            Some(Asker::Redirect(slot, redirection)) => {
                if let Some(call) = self.calls.get_mut(slot) {
                    call.redirect_located(&mut self.stack, redirection, answer);
                }
            }
            Some(Asker::LostLeg(id)) => {
                if let Answer::Destination(Some(found)) = answer {
                    self.with_leg(id, |leg, cx| leg.found_again(cx, &found.bindings));
                }
            }
            Some(Asker::Leg(id)) => {
                let targets = match answer {
                    Answer::Targets(targets) => targets,
                    _ => Vec::new(),
                };
                self.with_leg(id, |leg, cx| leg.resolved(cx, targets));
            }
            None => {}
        }
    }

    fn media_event(&mut self, event: media::Event) {
        let Some(slot) = self.stack.endpoints.get(&event.endpoint()).copied() else {
            return;
        };
        if let Some(call) = self.calls.get_mut(slot) {
            call.media_event(&mut self.stack, event);
        }
        self.remove_if_done(slot);
    }

    fn commit(&mut self, ticket: Ticket, done: bool) {
        let (wait, slot) = call::Wait::of(ticket);
        if let Some(call) = self.calls.get_mut(slot) {
            match (wait, done) {
                (call::Wait::Answer, true) => call.committed(&mut self.stack),
                (call::Wait::Answer, false) => call.commit_failed(&mut self.stack),
                (call::Wait::Record, _) => call.recorded(&mut self.stack),
            }
        }
        self.remove_if_done(slot);
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Release(reference) => {
                let slot = self.calls.iter().find(|call| call.reference() == reference);
                let slot = slot.map(call::Call::slot);
                if let Some(call) = slot.and_then(|slot| self.calls.get_mut(slot)) {
                    call.command_release(&mut self.stack);
                }
            }
            Command::Drain => self.draining = true,
            Command::Ban { source, until } => {
                let until = self.stack.now.time_at(until);
                self.guard.ban(self.stack.now.time, source, until);
            }
            Command::Recover { state } => self.recover(&state),
            Command::Recovered => {}
        }
    }

    fn recover(&mut self, state: &[u8]) {
        let slot = self.calls.reserve();
        match call::recover(&mut self.stack, slot, state) {
            Ok(Some(mut call)) => {
                call.resume(&mut self.stack);
                self.calls.fill(slot, call);
            }
            Ok(None) => self.calls.release(slot),
            Err(error) => {
                self.calls.release(slot);
                self.stack
                    .outputs
                    .push_back(Output::Publish(Event::NotRecovered { error }));
            }
        }
    }

    fn alarm(&mut self, alarm: Alarm) {
        match alarm {
            Alarm::Leg(id, timer) => {
                self.with_leg(id, |leg, cx| leg.timer(cx, timer));
            }
            Alarm::RingTime(slot) => {
                if let Some(call) = self.calls.get_mut(slot) {
                    call.ring_time_over(&mut self.stack);
                }
            }
            Alarm::AnnouncementTime(slot) => {
                if let Some(call) = self.calls.get_mut(slot) {
                    call.announced(&mut self.stack);
                }
            }
        }
    }

    /// Lets transactions and legs speak until nobody has anything to say.
    fn settle(&mut self) {
        loop {
            if let Some(output) = self.stack.transactions.poll() {
                self.transaction_output(output);
            } else if let Some((id, event)) = self.stack.events.pop_front() {
                if let Some(call) = self.calls.get_mut(id.call) {
                    call.leg_event(&mut self.stack, id.leg, event);
                }
                self.remove_if_done(id.call);
            } else {
                break;
            }
        }
        if self.draining && self.calls.len() == 0 && !self.told_drained {
            self.told_drained = true;
            self.stack
                .outputs
                .push_back(Output::Publish(Event::Drained));
        }
    }

    fn transaction_output(&mut self, output: transaction::Output<TransactionUse>) {
        match output {
            transaction::Output::Send { flow, bytes } => {
                let server_name = self.stack.server_name(&flow);
                self.stack.outputs.push_back(Output::Send {
                    flow,
                    server_name,
                    bytes,
                });
            }
            transaction::Output::ClientFailed {
                client,
                user,
                failure,
            } => match user {
                TransactionUse::Leg(id, purpose) => {
                    self.with_leg(id, |leg, cx| {
                        leg.request_failed(cx, client, purpose, failure)
                    });
                }
                TransactionUse::Relay(id) => self.message_delivered(id, failure.status()),
                TransactionUse::Nobody => {}
            },
            transaction::Output::ClientOverdue {
                client,
                user: TransactionUse::Leg(id, purpose),
            } => {
                self.with_leg(id, |leg, cx| leg.request_overdue(cx, client, purpose));
            }
            transaction::Output::NoAck {
                user: TransactionUse::Leg(id, _),
                ..
            } => {
                self.with_leg(id, |leg, cx| leg.never_acknowledged(cx));
            }
            transaction::Output::NoPrack {
                user: TransactionUse::Leg(id, _),
                ..
            } => {
                self.with_leg(id, |leg, cx| leg.progress_never_acknowledged(cx));
            }
            _ => {}
        }
    }

    /// Does something with a leg that still exists.
    pub(crate) fn with_leg<T>(
        &mut self,
        id: LegId,
        what: impl FnOnce(&mut SipLeg, &mut Context<'_>) -> T,
    ) -> Option<T> {
        let call = self.calls.get_mut(id.call)?;
        let (leg, journal) = call.leg_mut(id.leg)?;
        Some(what(
            leg,
            &mut Context {
                stack: &mut self.stack,
                journal,
            },
        ))
    }

    fn remove_if_done(&mut self, slot: CallSlot) {
        if self.calls.get_mut(slot).is_some_and(|call| call.is_done()) {
            self.calls.release(slot);
        }
    }

    /// A name for a new call, with its shard key in the lower half.
    pub(crate) fn new_reference(&mut self, shard_key: u32) -> CallReference {
        CallReference(self.stack.random_u64() & !u64::from(u32::MAX) | u64::from(shard_key))
    }
}

/// What Call-IDs of ours begin with.
const OWN_CALL_ID: &str = "fa-";

/// A Call-ID for a leg that we make: it carries the key of the shard whose call it belongs to.
pub(crate) fn own_call_id(shard_key: u32, random: u64) -> Box<str> {
    format!("{OWN_CALL_ID}{shard_key:08x}-{random:016x}").into()
}

/// Whether we have made this Call-ID.
pub(crate) fn is_own_call_id(call_id: &str) -> bool {
    own_key(call_id.as_bytes()).is_some()
}

fn own_key(call_id: &[u8]) -> Option<u32> {
    let rest = call_id.strip_prefix(OWN_CALL_ID.as_bytes())?;
    let key = core::str::from_utf8(rest.get(..8)?).ok()?;
    if rest.len() != 25 || rest.get(8) != Some(&b'-') {
        return None;
    }
    u32::from_str_radix(key, 16).ok()
}

/// What decides about the shard of a Call-ID: what we wrote into it, or else its hash.
pub(crate) fn shard_key(call_id: &[u8]) -> u32 {
    own_key(call_id).unwrap_or_else(|| hash_bytes(call_id))
}

fn shard_of_key(key: u32, shards: u16) -> u16 {
    u16::try_from(key % u32::from(shards.max(1))).unwrap_or(0)
}

/// FNV-1a: must stay the same from version to version, since written calls depend on it.
pub(crate) fn hash_bytes(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}

/// The value of the Call-ID field, found without reading anything else.
fn find_call_id(message: &[u8]) -> Option<&[u8]> {
    let mut rest = message;
    while let Some(end) = memchr::memchr(b'\n', rest) {
        let (line, following) = rest.split_at(end + 1);
        rest = following;
        if line.len() <= 2 {
            return None;
        }
        if let Some(value) = call_id_value(line) {
            return Some(value.trim_ascii());
        }
    }
    None
}

fn call_id_value(line: &[u8]) -> Option<&[u8]> {
    let rest = match line.first()? {
        b'i' | b'I' => line.get(1..),
        b'c' | b'C' if line.get(..7)?.eq_ignore_ascii_case(b"call-id") => line.get(7..),
        _ => None,
    }?;
    rest.trim_ascii_start().strip_prefix(b":")
}
