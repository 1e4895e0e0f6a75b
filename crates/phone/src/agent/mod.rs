//! The phone's signalling as a pure machine: registers, places and answers one call at a time. No
//! socket, no clock, no voice; those are `shell` and `media`.
//!
//! ```text
//! agent.handle(now, Input)    a message | a broken flow | time | a wish of the person
//! agent.poll() -> Output      send | what the person and the voice should know
//! ```

mod change;
mod incoming;
mod interface;
mod invite;
mod keys;
mod offer;
mod outgoing;
mod random;
mod registration;
mod stack;
mod talk;
#[cfg(test)]
mod tests;

use fernamt_sip::builder::ResponseBuilder;
use fernamt_sip::message::{Message, Method, Name, Salvage};
use fernamt_sip::time::Time;
use fernamt_sip::transaction::{self, ClientFailure, ClientId, Disposition, ServerId};
use fernamt_sip::transport::Flow;
use fernamt_sip::validate::{check_request, check_response, unsupported_options};

use self::incoming::Incoming;
use self::outgoing::{Outgoing, Step};
use self::registration::Registration;
use self::stack::{ALLOW, OPTIONS, Purpose, SUPPORTED, Stack};
use self::talk::Talk;
pub use fernamt_sdp::Encryption;
pub use interface::{
    AgentSettings, Command, EndKind, Ended, Event, Hint, Home, Identity, Input, Output, Refusal,
    Side,
};

/// One phone's signalling.
pub struct UserAgent {
    stack: Stack,
    registration: Registration,
    call: Option<Call>,
}

/// The one call of a phone.
enum Call {
    Outgoing(Box<Outgoing>),
    Incoming(Box<Incoming>),
    Talk(Box<Talk>),
}

impl UserAgent {
    /// A phone with these settings. The seed is to be truly random.
    pub fn new(settings: AgentSettings, seed: [u8; 32]) -> UserAgent {
        UserAgent {
            stack: Stack::new(settings, seed),
            registration: Registration::default(),
            call: None,
        }
    }

    /// Takes one input. Then drain [`UserAgent::poll`].
    pub fn handle(&mut self, now: Time, input: Input<'_>) {
        match input {
            Input::Message { flow, bytes } => self.message(now, flow, bytes),
            Input::ConnectionClosed(connection) => {
                let home = self.stack.settings.home.as_ref().map(|home| home.flow);
                if let Some(flow) = home.filter(|flow| flow.connection == Some(connection)) {
                    self.stack.transactions.transport_failed(flow);
                }
            }
            Input::SendFailed(flow) => self.stack.transactions.transport_failed(flow),
            Input::Timer => {}
            Input::Command(command) => self.command(now, command),
        }
        self.expire(now);
        self.drain_transactions(now);
    }

    /// The next thing to do, or `None` until the next input.
    pub fn poll(&mut self) -> Option<Output> {
        self.stack.next_output()
    }

    /// When [`Input::Timer`] is due at the latest.
    pub fn deadline(&self) -> Option<Time> {
        let call = match &self.call {
            Some(Call::Talk(talk)) => talk.deadline(),
            _ => None,
        };
        let own = [
            self.stack.transactions.next_deadline(),
            self.registration.deadline(),
            call,
        ];
        own.into_iter().flatten().min()
    }

    /// Whether nothing is under way: no call, and no request that waits for its answer.
    pub fn is_quiet(&self) -> bool {
        self.call.is_none() && !self.stack.is_waiting()
    }

    fn expire(&mut self, now: Time) {
        self.stack.transactions.expire(now);
        self.registration.timer(&mut self.stack, now);
        if let Some(Call::Talk(talk)) = &mut self.call {
            let ended = talk.expire(&mut self.stack, now);
            self.over(ended);
        }
    }

    /// The call is over, if it is.
    fn over(&mut self, ended: Option<Ended>) {
        if let Some(ended) = ended {
            self.call = None;
            self.stack.event(Event::Ended(ended));
        }
    }

    fn command(&mut self, now: Time, command: Command) {
        let stack = &mut self.stack;
        match (command, self.call.take()) {
            (Command::Register, call) => {
                self.call = call;
                self.registration.begin(stack, now);
            }
            (Command::Unregister, call) => {
                self.call = call;
                self.registration.end(stack, now);
            }
            (Command::Call { uri, flow }, None) => match Outgoing::begin(stack, now, uri, flow) {
                Ok(call) => self.call = Some(Call::Outgoing(Box::new(call))),
                Err(ended) => self.over(Some(ended)),
            },
            (Command::Answer, Some(Call::Incoming(call))) => match call.answer(stack, now) {
                Ok(talk) => self.call = Some(Call::Talk(Box::new(talk))),
                Err(ended) => self.over(Some(ended)),
            },
            (Command::Reject(status), Some(Call::Incoming(call))) => {
                let ended = call.reject(stack, now, status);
                self.over(Some(ended));
            }
            (Command::HangUp, Some(call)) => self.hang_up(now, call),
            (Command::Hold(hold), Some(Call::Talk(mut talk))) => {
                talk.set_hold(stack, now, hold);
                self.call = Some(Call::Talk(talk));
            }
            (_, call) => self.call = call,
        }
    }

    fn hang_up(&mut self, now: Time, call: Call) {
        const BUSY: u16 = 486;
        let stack = &mut self.stack;
        match call {
            Call::Outgoing(mut call) => {
                call.cancel(stack, now);
                self.call = Some(Call::Outgoing(call));
            }
            Call::Incoming(call) => {
                let ended = call.reject(stack, now, BUSY);
                self.over(Some(ended));
            }
            Call::Talk(mut talk) => {
                let ended = talk.hang_up(stack, now);
                self.over(Some(ended));
            }
        }
    }

    fn message(&mut self, now: Time, flow: Flow, bytes: &[u8]) {
        let message = match Message::parse(bytes) {
            Ok(message) => message,
            Err(error) => {
                let salvage = Salvage::from_bytes(bytes).filter(|_| !error.in_response);
                if let (Some(salvage), Some(status)) = (salvage, error.status()) {
                    let tag = self.stack.random.token();
                    let mut bytes = Vec::new();
                    let source = Some(flow.remote);
                    ResponseBuilder::for_salvage(
                        &mut bytes,
                        &salvage,
                        status,
                        None,
                        Some(&tag),
                        source,
                    )
                    .finish();
                    self.stack.output(Output::Send {
                        flow,
                        bytes: bytes.into(),
                    });
                }
                return;
            }
        };
        if message.is_request() {
            self.request(now, flow, &message);
        } else if check_response(&message).is_ok()
            && let Disposition::Response { client, user } =
                self.stack.transactions.receive(now, &message)
        {
            self.response(now, client, user, &message);
        }
    }

    fn request(&mut self, now: Time, flow: Flow, request: &Message<'_>) {
        if let Err(rejection) = check_request(request) {
            if let Some(status) = rejection.status() {
                let tag = self.stack.random.token();
                let bytes = stack::response(request, flow, status, &tag, |it| it.finish());
                self.stack.output(Output::Send {
                    flow,
                    bytes: bytes.into(),
                });
            }
            return;
        }
        match self.stack.transactions.receive(now, request) {
            Disposition::New => self.new_request(now, flow, request),
            Disposition::Cancel { server, .. } => self.cancelled(now, flow, server, request),
            Disposition::Ack { .. } => {
                if let Some(Call::Talk(talk)) = &mut self.call
                    && talk.matches(request)
                {
                    let ended = talk.acknowledged(&mut self.stack, request);
                    self.over(ended);
                }
            }
            Disposition::Response { .. }
            | Disposition::Absorbed
            | Disposition::Stray
            | Disposition::Malformed(_) => {}
        }
    }

    fn cancelled(&mut self, now: Time, flow: Flow, server: ServerId, cancel: &Message<'_>) {
        self.stack.refuse(now, flow, cancel, 200, |_| {});
        if let Some(Call::Incoming(call)) = &self.call
            && call.is_invite(server)
        {
            let ended = call.cancelled(&mut self.stack, now, cancel);
            self.over(Some(ended));
        }
    }

    fn new_request(&mut self, now: Time, flow: Flow, request: &Message<'_>) {
        if unsupported_options(request, &OPTIONS).next().is_some() {
            let unsupported: Vec<_> = unsupported_options(request, &OPTIONS).collect();
            let unsupported = unsupported.join(", ");
            self.stack.refuse(now, flow, request, 420, |response| {
                response.header(Name::Unsupported, unsupported);
            });
            return;
        }
        let is_within = request.to().is_ok_and(|to| to.tag().is_some());
        if is_within {
            self.request_within(now, flow, request);
            return;
        }
        match request.method() {
            Method::Invite => self.invited(now, flow, request),
            Method::Options => self.stack.refuse(now, flow, request, 200, |response| {
                response
                    .header(Name::Allow, ALLOW)
                    .header(Name::Accept, offer::SDP)
                    .header(Name::Supported, SUPPORTED);
            }),
            Method::Cancel | Method::Bye | Method::Prack | Method::Update | Method::Info => {
                self.stack.refuse(now, flow, request, 481, |_| {});
            }
            method => {
                let status = if method.is_known() { 405 } else { 501 };
                self.stack.refuse(now, flow, request, status, |response| {
                    response.header(Name::Allow, ALLOW);
                });
            }
        }
    }

    fn invited(&mut self, now: Time, flow: Flow, invite: &Message<'_>) {
        if self.call.is_some() || !self.stack.settings.accept_calls {
            self.stack.refuse(now, flow, invite, 486, |_| {});
        } else if self.stack.transactions.is_merged(invite) {
            self.stack.refuse(now, flow, invite, 482, |_| {});
        } else if let Some(call) = Incoming::begin(&mut self.stack, now, flow, invite) {
            self.call = Some(Call::Incoming(Box::new(call)));
        }
    }

    fn request_within(&mut self, now: Time, flow: Flow, request: &Message<'_>) {
        let stack = &mut self.stack;
        let taken = match &mut self.call {
            Some(Call::Talk(talk)) if talk.matches(request) => {
                Ok(talk.request(stack, now, flow, request))
            }
            Some(Call::Incoming(call)) => call.request(stack, now, flow, request),
            Some(Call::Outgoing(call)) => call.request(stack, now, flow, request),
            _ => Err(incoming::NotOurs),
        };
        match taken {
            Ok(ended) => self.over(ended),
            Err(incoming::NotOurs) => self.stack.refuse(now, flow, request, 481, |_| {}),
        }
    }

    fn response(&mut self, now: Time, client: ClientId, purpose: Purpose, response: &Message<'_>) {
        let stack = &mut self.stack;
        match (purpose, &mut self.call) {
            (Purpose::Register, _) => self.registration.response(stack, now, client, response),
            (Purpose::Invite, Some(Call::Outgoing(call))) if call.is_invite(client) => {
                match call.response(stack, now, response) {
                    Step::Stay => {}
                    Step::Answered(talk) => self.call = Some(Call::Talk(talk)),
                    Step::Over(ended) => self.over(Some(ended)),
                }
            }
            (Purpose::Invite, Some(Call::Talk(talk))) => {
                talk.late_response(stack, now, client, response);
            }
            (Purpose::Change, Some(Call::Talk(talk))) => {
                let ended = talk.change_response(stack, now, client, response);
                self.over(ended);
            }
            (Purpose::Bye | Purpose::Prack, _) => self.simple_response(now, client, response),
            _ => {
                if response.status().is_some_and(|status| status >= 200) {
                    stack.finished(client);
                }
            }
        }
    }

    /// The answer to a request of which only the credentials matter.
    fn simple_response(&mut self, now: Time, client: ClientId, response: &Message<'_>) {
        let Some(status) = response.status().filter(|status| *status >= 200) else {
            return;
        };
        let cseq = response.cseq().map_or(0, |cseq| cseq.number);
        let is_challenge = matches!(status, 401 | 407);
        if !is_challenge
            || self
                .stack
                .answer_challenge(now, client, response, cseq.saturating_add(1))
                .is_err()
        {
            self.stack.finished(client);
        }
    }

    fn drain_transactions(&mut self, now: Time) {
        while let Some(output) = self.stack.transactions.poll() {
            match output {
                transaction::Output::Send { flow, bytes } => {
                    self.stack.output(Output::Send { flow, bytes });
                }
                transaction::Output::ClientFailed {
                    client,
                    user,
                    failure,
                } => {
                    self.client_failed(now, client, user, failure);
                }
                transaction::Output::NoAck { server, .. } => {
                    if let Some(Call::Talk(talk)) = &mut self.call {
                        let ended = talk.never_acknowledged(&mut self.stack, now, server);
                        self.over(ended);
                    }
                }
                transaction::Output::NoPrack { server, .. }
                | transaction::Output::ServerGone { server, .. } => self.gave_up(now, server),
                transaction::Output::ClientOverdue { .. } => {}
            }
        }
    }

    /// The caller acknowledges nothing any more, or we have let it ring for an hour.
    fn gave_up(&mut self, now: Time, server: ServerId) {
        const TIMEOUT: u16 = 504;
        if let Some(Call::Incoming(call)) = &self.call
            && call.is_invite(server)
        {
            let ended = call.reject(&mut self.stack, now, TIMEOUT);
            self.over(Some(ended));
        }
    }

    fn client_failed(
        &mut self,
        now: Time,
        client: ClientId,
        purpose: Purpose,
        failure: ClientFailure,
    ) {
        let status = failure.status();
        let hint = match failure {
            ClientFailure::TransportFailed => Hint::NotSent,
            ClientFailure::Timeout | ClientFailure::CancelTimeout => Hint::NoAnswer,
        };
        let stack = &mut self.stack;
        match (purpose, &mut self.call) {
            (Purpose::Register, _) => {
                let refusal = Refusal {
                    status,
                    reason: "".into(),
                    hint: Some(hint),
                    rang: false,
                };
                self.registration.fail(stack, now, client, refusal);
            }
            (Purpose::Invite, Some(Call::Outgoing(call))) if call.is_invite(client) => {
                let ended = call.failed(stack, status, hint);
                self.over(Some(ended));
            }
            (Purpose::Change, Some(Call::Talk(talk))) => {
                stack.finished(client);
                let ended = talk.change_failed(stack, now, client);
                self.over(ended);
            }
            _ => stack.finished(client),
        }
    }
}
