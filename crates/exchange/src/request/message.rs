//! MESSAGE between devices (RFC 3428): relayed to every place where the other device is, with the
//! sender's identity as the exchange knows it.

use std::sync::Arc;

use fernamt_sip::builder::RequestBuilder;
use fernamt_sip::message::{KeptMessage, Message, Method, Name};
use fernamt_sip::name_addr::Quoted;
use fernamt_sip::transaction::ServerId;
use fernamt_sip::uri::{EscapedUser, Uri};
use hashbrown::HashMap;

use super::{Place, Step, Waiting, caller_of};
use crate::directory::Device;
use crate::exchange::Exchange;
use crate::interface::{Destination, Question};
use crate::leg::sip::transaction_use::TransactionUse;
use crate::leg::sip::{Branch, Tag, binding_flow};
use crate::registrar::Binding;
use crate::stack::Asker;

/// Messages that may be on their way at the same time in one shard.
const MAX_RELAYS: usize = 10_000;

/// Who sends a message.
pub(super) struct Sender {
    pub(super) number: Box<str>,
    pub(super) name: Option<Box<str>>,
}

/// A message that is on its way.
#[derive(Debug)]
struct Relay {
    server: ServerId,
    flow: fernamt_sip::transport::Flow,
    request: KeptMessage,
    /// Copies that have no final response.
    pending: usize,
    best: Option<u16>,
}

/// The messages that are on their way.
#[derive(Debug, Default)]
pub(crate) struct Relays {
    next: u64,
    relays: HashMap<u64, Relay>,
}

impl Exchange {
    pub(super) fn message(&mut self, place: Place, request: &Message<'_>, device: &Arc<Device>) {
        let uri = request.request_uri().and_then(|uri| Uri::parse(uri).ok());
        let Some(dialled) = uri.and_then(|uri| uri.user_unescaped().map(Box::<str>::from)) else {
            return self.respond_to(place, request, 404, |_| {});
        };
        let caller = caller_of(device);
        let waiting = Waiting {
            server: place.server,
            flow: place.flow,
            request: KeptMessage::new(request),
            slot: None,
            step: Step::MessageDestination {
                number: caller.number,
                name: caller.name,
            },
        };
        self.stack.ask(
            Asker::Request(Box::new(waiting)),
            Question::Destination { dialled },
        );
    }

    /// The destination of a message is known.
    pub(super) fn relay_message(
        &mut self,
        place: Place,
        request: &Message<'_>,
        sender: &Sender,
        found: Option<Destination>,
    ) {
        let Some(destination) = found else {
            return self.respond_to(place, request, 404, |_| {});
        };
        if destination.bindings.is_empty() {
            return self.respond_to(place, request, 480, |_| {});
        }
        if self.relays.relays.len() >= MAX_RELAYS {
            return self.respond_to(place, request, 503, |builder| {
                builder.header(Name::RetryAfter, 10);
            });
        }
        self.relays.next += 1;
        let id = self.relays.next;
        let mut pending = 0;
        for binding in &destination.bindings {
            if self.send_copy(id, request, sender, binding) {
                pending += 1;
            }
        }
        if pending == 0 {
            return self.respond_to(place, request, 480, |_| {});
        }
        let request = KeptMessage::new(request);
        let relay = Relay {
            server: place.server,
            flow: place.flow,
            request,
            pending,
            best: None,
        };
        self.relays.relays.insert(id, relay);
    }

    fn send_copy(
        &mut self,
        id: u64,
        request: &Message<'_>,
        sender: &Sender,
        binding: &Binding,
    ) -> bool {
        let flow = binding_flow(binding);
        let public = self.stack.public_address(flow.transport, flow.local);
        let branch = Branch(self.stack.random_u64()).text();
        let tag = Tag(self.stack.random_u64());
        let key = crate::exchange::shard_key(request.call_id().unwrap_or_default().as_bytes());
        let call_id = crate::exchange::own_call_id(key, self.stack.random_u64());
        let hops = request
            .max_forwards()
            .ok()
            .flatten()
            .unwrap_or(70)
            .saturating_sub(1);
        let number = EscapedUser(&sender.number);
        let mut bytes = Vec::with_capacity(1024);
        let mut builder = RequestBuilder::new(&mut bytes, Method::Message, &binding.contact);
        builder.via(flow.transport, &public, &branch, true);
        for path in &binding.path {
            builder.header(Name::Route, path);
        }
        builder.header(Name::MaxForwards, hops);
        let name = sender
            .name
            .as_deref()
            .map(|name| format!("{} ", Quoted(name)));
        let name = name.unwrap_or_default();
        builder.header(
            Name::From,
            format_args!("{name}<sip:{number}@{public}>;tag={}", tag.text()),
        );
        let to = request.to().map_or("", |to| to.uri_text());
        builder.header(Name::To, format_args!("<{to}>"));
        builder.header(Name::CallId, &call_id);
        builder.header(Name::CSeq, "1 MESSAGE");
        for passed_on in [
            Name::Date,
            Name::ContentLanguage,
            Name::ContentEncoding,
            Name::Subject,
        ] {
            builder.copy(request, passed_on);
        }
        match request.content_type() {
            Some(content_type) => builder.body(content_type, request.body()),
            None => builder.finish(),
        }
        let usage = TransactionUse::Relay(id);
        let now = self.stack.now.time;
        let sent =
            self.stack
                .transactions
                .request(now, flow, bytes, Method::Message, &branch, usage);
        sent.is_ok()
    }

    /// A copy of a message has its final response.
    pub(crate) fn message_delivered(&mut self, id: u64, status: u16) {
        let Some(relay) = self.relays.relays.get_mut(&id) else {
            return;
        };
        if status < 200 {
            return;
        }
        relay.pending = relay.pending.saturating_sub(1);
        // One delivered copy is enough; otherwise the first failure is as good as any.
        let better = relay.best.is_none() || (200..300).contains(&status);
        if better {
            relay.best = Some(status);
        }
        if relay.pending > 0 && !(200..300).contains(&status) {
            return;
        }
        let Some(relay) = self.relays.relays.remove(&id) else {
            return;
        };
        let place = Place {
            server: relay.server,
            flow: relay.flow,
            slot: None,
        };
        let status = match relay.best.unwrap_or(480) {
            // What a device asks of us is not the sender's business.
            300..=399 | 401 | 407 | 408 => 480,
            status => status,
        };
        self.respond_to(place, &relay.request.message(), status, |_| {});
    }
}
