//! Requests outside any call: who sends them is found out first, then each goes its way: REGISTER to
//! the registrar, MESSAGE to the other device, INVITE into a new call.

pub(crate) mod authentication;
mod message;
mod register;
pub(crate) mod stateless;

use fernamt_sip::message::{KeptMessage, Message, Method, Name};
use fernamt_sip::transaction::{Refusal, ServerId};
use fernamt_sip::transport::{Flow, Transport};
use fernamt_sip::uri::Uri;

use crate::call::{Call, Caller, Setup};
use crate::directory::Device;
use crate::exchange::Exchange;
use crate::interface::{Answer, Question};
use crate::leg::sip::transaction_use::{Purpose, TransactionUse};
use crate::leg::sip::{ALLOWED, SipLeg, policy};
use crate::leg::{CallSlot, LegId};
use crate::routing::is_ours;
use crate::stack::Asker;
use authentication::Outcome;
pub(crate) use message::Relays;

/// Extensions that a request outside a dialog may require.
const SUPPORTED: [&str; 5] = ["timer", "100rel", "path", "outbound", "replaces"];

/// How long a caller that is turned away for want of room should wait.
const RETRY_AFTER_SECONDS: u32 = 10;

/// A request that waits for an answer of the shell.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) server: ServerId,
    pub(crate) flow: Flow,
    pub(crate) request: KeptMessage,
    /// The place in the table of calls that is kept for an INVITE.
    pub(crate) slot: Option<CallSlot>,
    pub(crate) step: Step,
}

/// What a request waits for.
#[derive(Debug)]
pub(crate) enum Step {
    /// The device whose credentials it carries.
    Credentials,
    /// The bindings after its change.
    Bindings,
    /// The device that a MESSAGE goes to.
    MessageDestination {
        number: Box<str>,
        name: Option<Box<str>>,
    },
}

impl Exchange {
    /// A request that belongs to no dialog and to no transaction.
    pub(crate) fn request_outside_dialog(&mut self, flow: Flow, request: &Message<'_>) {
        if self.stack.transactions.is_merged(request) || self.has_been_here(request) {
            return self.respond_stateless(flow, request, 482, |_| {});
        }
        if self.belongs_to_resumed_call(request) {
            return;
        }
        match request.method() {
            Method::Options => return self.respond_to_options(flow, request),
            Method::Register | Method::Invite | Method::Message => {}
            Method::Subscribe | Method::Publish | Method::Refer => {}
            // Without a dialog these belong to nothing.
            Method::Bye
            | Method::Prack
            | Method::Update
            | Method::Info
            | Method::Notify
            | Method::Cancel => {
                return self.respond_stateless(flow, request, 481, |_| {});
            }
            Method::Ack => return,
            Method::Other(_) => {
                return self.respond_stateless(flow, request, 501, |builder| {
                    builder.header(Name::Allow, ALLOWED);
                });
            }
        }
        let unsupported: Vec<&str> =
            fernamt_sip::validate::unsupported_options(request, &SUPPORTED).collect();
        // REFER is refused with 405, whatever it requires (RFC 3261 section 8.2).
        if !unsupported.is_empty() && request.method() != Method::Refer {
            let list = unsupported.join(", ");
            return self.respond_stateless(flow, request, 420, |builder| {
                builder.header(Name::Unsupported, &list);
            });
        }
        if request.method() != Method::Register && request.max_forwards() == Ok(Some(0)) {
            return self.respond_stateless(flow, request, 483, |_| {});
        }
        self.authenticate(flow, request);
    }

    /// Whether this is the INVITE of a call that was picked up after a restart, sent once more by a
    /// caller who has not heard the answer.
    fn belongs_to_resumed_call(&mut self, request: &Message<'_>) -> bool {
        if request.method() != Method::Invite || self.stack.resumed_calls.is_empty() {
            return false;
        }
        let call_id = request.call_id().unwrap_or_default();
        let Some(id) = self.stack.resumed_calls.get(call_id).copied() else {
            return false;
        };
        self.with_leg(id, |leg, cx| leg.is_repeated_invite(cx, request)) == Some(true)
    }

    /// Whether a proxy has sent us a request that came from us.
    fn has_been_here(&self, request: &Message<'_>) -> bool {
        let config = &self.stack.config;
        // The topmost Via is that of the sender, which may share our address.
        request.vias().flatten().skip(1).any(|via| {
            let port = via.port().or(via.transport().map(Transport::default_port));
            is_ours(via.host(), port, config)
        })
    }

    fn respond_to_options(&mut self, flow: Flow, request: &Message<'_>) {
        self.respond_stateless(flow, request, 200, |builder| {
            builder.header(Name::Allow, ALLOWED);
            builder.header(Name::Accept, "application/sdp");
            builder.header(Name::Supported, "timer, 100rel, path, outbound");
        });
    }

    /// Credentials have been found that may be right: keeps the request until their device is known.
    pub(crate) fn wait_for_device(&mut self, flow: Flow, request: &Message<'_>, user: Box<str>) {
        let is_invite = request.method() == Method::Invite;
        if is_invite && (self.draining || self.calls.len() >= self.stack.config.max_calls) {
            return self.respond_stateless(flow, request, 503, |builder| {
                builder.header(Name::RetryAfter, RETRY_AFTER_SECONDS);
            });
        }
        let slot = is_invite.then(|| self.calls.reserve());
        let usage = match slot {
            Some(call) => TransactionUse::Leg(LegId { call, leg: 0 }, Purpose::Invite),
            None => TransactionUse::Nobody,
        };
        let now = self.stack.now.time;
        let answer_flow = stateless::response_flow(flow, request);
        let server = match self
            .stack
            .transactions
            .accept(now, answer_flow, request, usage)
        {
            Ok(server) => server,
            Err(refusal) => {
                if let Some(slot) = slot {
                    self.calls.release(slot);
                }
                if refusal == Refusal::Full {
                    self.respond_stateless(flow, request, 503, |builder| {
                        builder.header(Name::RetryAfter, RETRY_AFTER_SECONDS);
                    });
                }
                return;
            }
        };
        let request = KeptMessage::new(request);
        let waiting = Waiting {
            server,
            flow,
            request,
            slot,
            step: Step::Credentials,
        };
        self.stack
            .ask(Asker::Request(Box::new(waiting)), Question::Device { user });
    }

    /// The shell has answered what a request waits for.
    pub(crate) fn answered_request(&mut self, waiting: Waiting, answer: Answer) {
        let kept = waiting.request;
        let request = kept.message();
        let place = Place {
            server: waiting.server,
            flow: waiting.flow,
            slot: waiting.slot,
        };
        match (waiting.step, answer) {
            (Step::Credentials, Answer::Device(device)) => {
                match self.verify(place.flow, &request, device.as_deref()) {
                    Outcome::Known => {
                        if let Some(device) = device {
                            self.authenticated(place, &request, &device);
                        }
                    }
                    Outcome::Challenge { stale } => {
                        self.give_place_up(place);
                        self.challenge(place, &request, stale);
                    }
                    Outcome::Malformed => {
                        self.give_place_up(place);
                        self.respond_to(place, &request, 400, |_| {});
                    }
                }
            }
            (Step::Bindings, Answer::Bindings(bindings)) => {
                self.registered(place, &request, bindings);
            }
            (Step::MessageDestination { number, name }, Answer::Destination(found)) => {
                let sender = message::Sender { number, name };
                self.relay_message(place, &request, &sender, found);
            }
            _ => {
                self.give_place_up(place);
                self.respond_to(place, &request, 503, |builder| {
                    builder.header(Name::RetryAfter, RETRY_AFTER_SECONDS);
                });
            }
        }
    }

    /// An INVITE is cancelled while its sender is being found out.
    pub(crate) fn cancelled_while_waiting(&mut self, server: ServerId) {
        let is_waiting = |asker: &Asker| matches!(asker, Asker::Request(it) if it.server == server);
        let found = self
            .stack
            .askers
            .iter()
            .find(|(_, asker)| is_waiting(asker));
        let Some(question) = found.map(|(question, _)| *question) else {
            return;
        };
        let Some(Asker::Request(waiting)) = self.stack.askers.remove(&question) else {
            return;
        };
        let place = Place {
            server,
            flow: waiting.flow,
            slot: waiting.slot,
        };
        self.give_place_up(place);
        self.respond_to(place, &waiting.request.message(), 487, |_| {});
    }

    fn give_place_up(&mut self, place: Place) {
        if let Some(slot) = place.slot {
            self.calls.release(slot);
        }
    }

    /// The sender is this device.
    fn authenticated(
        &mut self,
        place: Place,
        request: &Message<'_>,
        device: &std::sync::Arc<Device>,
    ) {
        match request.method() {
            Method::Register => self.register(place, request, device),
            Method::Message => self.message(place, request, device),
            Method::Invite => self.invite(place, request, device),
            Method::Subscribe | Method::Publish => {
                self.respond_to(place, request, 489, |_| {});
            }
            _ => self.respond_to(place, request, 405, |builder| {
                builder.header(Name::Allow, ALLOWED);
            }),
        }
    }

    /// A call comes in.
    fn invite(&mut self, place: Place, request: &Message<'_>, device: &std::sync::Arc<Device>) {
        let Some(slot) = place.slot else { return };
        if let Some(status) = self.refuses_body(request) {
            self.calls.release(slot);
            return self.respond_to(place, request, status, |builder| {
                builder.header(Name::Accept, "application/sdp");
            });
        }
        if let Some(min_se_seconds) = shortest_session(request, &self.stack.config) {
            self.calls.release(slot);
            return self.respond_to(place, request, 422, |builder| {
                builder.header(Name::MinSe, min_se_seconds);
            });
        }
        let id = LegId { call: slot, leg: 0 };
        let Some(leg) = SipLeg::incoming(&mut self.stack, id, place.flow, place.server, request)
        else {
            self.calls.release(slot);
            return self.respond_to(place, request, 400, |_| {});
        };
        let caller = caller_of(device);
        let dialled = Dialled::of(request, &self.stack.config);
        let shard_key =
            crate::exchange::shard_key(request.call_id().unwrap_or_default().as_bytes());
        let reference = self.new_reference(shard_key);
        let setup = Setup {
            slot,
            reference,
            shard_key,
            caller,
            dialled: dialled.user,
            host: dialled.host,
            port: dialled.port,
            leg,
        };
        let mut call = Call::start(&mut self.stack, setup);
        call.first_message(&self.stack, request);
        if dialled.foreign {
            call.located(&mut self.stack, Answer::Destination(None));
        } else {
            call.locate(&mut self.stack);
        }
        self.calls.fill(slot, call);
    }

    /// The status for a body that is nothing we know (RFC 3261 section 8.2.3).
    fn refuses_body(&self, request: &Message<'_>) -> Option<u16> {
        let is_empty = request.body().is_empty();
        let known = request.has_content_type("application/sdp");
        // A body that may be ignored says so in Content-Disposition.
        let optional = request
            .value_of("Content-Disposition")
            .is_some_and(|it| it.contains("optional"));
        if request
            .value_of("Content-Encoding")
            .is_some_and(|it| !it.eq_ignore_ascii_case("identity"))
        {
            return Some(415);
        }
        (!is_empty && !known && !optional).then_some(415)
    }
}

/// Where a request's answer goes, and the call that it may become.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) server: ServerId,
    pub(crate) flow: Flow,
    slot: Option<CallSlot>,
}

/// What was dialled.
struct Dialled {
    user: Box<str>,
    host: Box<str>,
    port: Option<u16>,
    /// The address is of another network.
    foreign: bool,
}

impl Dialled {
    fn of(request: &Message<'_>, config: &crate::config::Config) -> Dialled {
        let text = request.request_uri().unwrap_or_default();
        let Ok(uri) = Uri::parse(text) else {
            return Dialled {
                user: text.into(),
                host: "".into(),
                port: None,
                foreign: true,
            };
        };
        if !uri.is_sip() {
            return Dialled {
                user: text.into(),
                host: "".into(),
                port: None,
                foreign: false,
            };
        }
        let user = uri.user_unescaped().unwrap_or_default();
        let host = uri.host();
        // A phone knows us by the name that was typed into it, whether or not we know it: what it
        // calls its own domain is us.
        let own = request
            .from()
            .ok()
            .and_then(|from| from.uri().ok().map(|uri| uri.host() == host));
        let foreign = !is_ours(host, uri.port(), config) && own != Some(true);
        Dialled {
            user: user.into(),
            host: if foreign {
                host.to_string().into()
            } else {
                "".into()
            },
            port: uri.port().filter(|_| foreign),
            foreign,
        }
    }
}

/// How a device is shown to those whom it calls.
pub(crate) fn caller_of(device: &std::sync::Arc<Device>) -> Caller {
    let number = device.numbers.first().map(ToString::to_string);
    Caller {
        user: device.user.clone(),
        number: number.map_or_else(|| device.user.clone(), Into::into),
        name: device.name.clone(),
        device: Some(std::sync::Arc::clone(device)),
    }
}

fn shortest_session(request: &Message<'_>, config: &crate::config::Config) -> Option<u32> {
    use fernamt_sip::dialog::session_timer::{SessionTimerAnswer, SessionTimerOffer};
    let offer = SessionTimerOffer::of(request).unwrap_or_default();
    match policy(config).answer(offer) {
        SessionTimerAnswer::TooShort { min_se_seconds } => Some(min_se_seconds),
        SessionTimerAnswer::Agreed(_) => None,
    }
}
