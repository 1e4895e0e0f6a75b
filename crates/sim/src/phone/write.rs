//! Writing messages of a phone: what stands in every one of them.

use std::sync::Arc;

use fernamt_sip::builder::{RequestBuilder, ResponseBuilder};
use fernamt_sip::message::{Message, Method, Name};
use fernamt_sip::transaction::{ClientId, ServerId};
use fernamt_sip::transport::{Flow, Transport};

use super::{EXCHANGE_HOST, Phone, PhoneOutput, Use};

pub(super) const SDP: &str = "application/sdp";

/// A request outside a dialog.
pub(super) struct Outside<'o> {
    pub(super) method: Method<'o>,
    pub(super) uri: &'o str,
    pub(super) to: &'o str,
    pub(super) call_id: &'o str,
    pub(super) from_tag: &'o str,
    pub(super) cseq: u32,
}

impl Phone {
    /// The way to the exchange.
    pub(super) fn flow(&self) -> Flow {
        Flow {
            transport: self.plan.transport,
            local: self.address,
            remote: self.exchange,
            connection: self.connection,
        }
    }

    pub(super) fn contact(&self) -> String {
        let transport = match self.plan.transport {
            Transport::Udp => String::new(),
            other => format!(";transport={}", other.uri_name()),
        };
        format!("<sip:{}@{}{transport}>", self.plan.user, self.address)
    }

    fn branch(&mut self) -> String {
        match self.plan.character.old_fashioned {
            true => format!("old-{}", self.random.token()),
            false => format!("z9hG4bK{}", self.random.token()),
        }
    }

    /// What we can do, in every request and response that may say so.
    pub(super) fn write_abilities<Kind>(
        &self,
        builder: &mut fernamt_sip::builder::Builder<'_, Kind>,
    ) {
        let character = &self.plan.character;
        if character.old_fashioned {
            return;
        }
        let update = if character.update { ", UPDATE" } else { "" };
        builder.header(
            Name::Allow,
            format_args!("INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, PRACK{update}"),
        );
        let supported = match (character.reliable, character.timer_seconds.is_some()) {
            (true, true) => "100rel, timer",
            (true, false) => "100rel",
            (false, true) => "timer",
            (false, false) => return,
        };
        builder.header(Name::Supported, supported);
    }

    /// Sends a request outside a dialog, with credentials where there is a nonce for them.
    pub(super) fn send_outside(
        &mut self,
        what: &Outside<'_>,
        credentials: bool,
        usage: Use,
        body: Option<(&str, &str)>,
        more: impl FnOnce(&Phone, &mut RequestBuilder<'_>),
    ) -> Option<(ClientId, Arc<[u8]>)> {
        let branch = self.branch();
        let mut bytes = Vec::with_capacity(1024);
        let authorization = match credentials {
            true => {
                let cnonce = self.random.token();
                self.digest
                    .authorize(EXCHANGE_HOST, what.method.as_str(), what.uri, &cnonce)
            }
            false => None,
        };
        let mut builder = RequestBuilder::new(&mut bytes, what.method, what.uri);
        let rport = !self.plan.character.old_fashioned;
        builder.via(self.plan.transport, self.address, &branch, rport);
        let user = self.plan.user;
        builder
            .header(Name::MaxForwards, 70)
            .header(
                Name::From,
                format_args!(
                    "\"{user}\" <sip:{user}@{EXCHANGE_HOST}>;tag={}",
                    what.from_tag
                ),
            )
            .header(Name::To, format_args!("<{}>", what.to))
            .header(Name::CallId, what.call_id)
            .header(Name::CSeq, format_args!("{} {}", what.cseq, what.method));
        if let Some(authorization) = authorization {
            builder.header_raw(authorization.name, &authorization.value);
        }
        more(self, &mut builder);
        match body {
            Some((content_type, body)) => builder.body(content_type, body.as_bytes()),
            None => builder.finish(),
        }
        let bytes: Arc<[u8]> = bytes.into();
        let flow = self.flow();
        let client = self
            .transactions
            .request(
                self.now,
                flow,
                Arc::clone(&bytes),
                what.method,
                &branch,
                usage,
            )
            .ok()?;
        Some((client, bytes))
    }

    /// Sends a request within a call, along its dialog or one of its early ones.
    pub(super) fn send_within(
        &mut self,
        call: usize,
        early: Option<usize>,
        method: Method<'_>,
        usage: Use,
        body: Option<(&str, &str)>,
        more: impl FnOnce(&Phone, &mut RequestBuilder<'_>),
    ) -> Option<ClientId> {
        let branch = self.branch();
        let (transport, address) = (self.plan.transport, self.address);
        let rport = !self.plan.character.old_fashioned;
        let mut dialog = match early {
            Some(early) => self.calls[call].caller.early[early].dialog.clone(),
            None => self.calls[call].dialog.clone()?,
        };
        let mut bytes = Vec::with_capacity(1024);
        let mut builder = dialog.request(&mut bytes, method, |builder| {
            builder.via(transport, address, &branch, rport);
        });
        builder.header(Name::Contact, self.contact());
        more(self, &mut builder);
        match body {
            Some((content_type, body)) => builder.body(content_type, body.as_bytes()),
            None => builder.finish(),
        }
        match early {
            Some(early) => self.calls[call].caller.early[early].dialog = dialog,
            None => self.calls[call].dialog = Some(dialog),
        }
        let flow = self.flow();
        self.transactions
            .request(self.now, flow, bytes, method, &branch, usage)
            .ok()
    }

    /// Acknowledges a 2xx, with our answer where the other side has made the offer.
    pub(super) fn send_ack(
        &mut self,
        call: usize,
        client: ClientId,
        cseq: u32,
        answer: Option<&str>,
    ) {
        let branch = self.branch();
        let (transport, address) = (self.plan.transport, self.address);
        let Some(dialog) = self.calls[call].dialog.clone() else {
            return;
        };
        let mut bytes = Vec::with_capacity(512);
        let mut builder = dialog.ack_for(&mut bytes, cseq, |builder| {
            builder.via(transport, address, &branch, true);
        });
        match answer {
            Some(answer) => builder.body(SDP, answer.as_bytes()),
            None => builder.finish(),
        }
        let flow = self.flow();
        self.transactions
            .acknowledge(client, flow, bytes, &dialog.remote.tag);
    }

    /// A response to a request, as bytes.
    pub(super) fn write_response(
        &self,
        request: &Message<'_>,
        status: u16,
        tag: Option<&str>,
        body: Option<&str>,
        more: impl FnOnce(&mut ResponseBuilder<'_>),
    ) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(768);
        let source = Some(self.exchange);
        let mut builder =
            ResponseBuilder::for_request(&mut bytes, request, status, None, tag, source);
        if (101..300).contains(&status) {
            builder.copy(request, Name::RecordRoute);
            builder.header(Name::Contact, self.contact());
            if matches!(request.method(), Method::Invite | Method::Update) {
                self.write_abilities(&mut builder);
            }
        }
        more(&mut builder);
        match body {
            Some(body) => builder.body(SDP, body.as_bytes()),
            None => builder.finish(),
        }
        bytes
    }

    /// Answers a request that has a transaction.
    pub(super) fn respond(
        &mut self,
        server: ServerId,
        request: &Message<'_>,
        status: u16,
        tag: Option<&str>,
        body: Option<&str>,
        more: impl FnOnce(&mut ResponseBuilder<'_>),
    ) {
        let bytes = self.write_response(request, status, tag, body, more);
        let _ = self.transactions.respond(self.now, server, bytes, status);
    }

    /// Answers a request that needs no more.
    pub(super) fn respond_once(&mut self, flow: Flow, request: &Message<'_>, status: u16) {
        let tag = self.random.token();
        match self
            .transactions
            .accept(self.now, flow, request, Use::Nobody)
        {
            Ok(server) => self.respond(server, request, status, Some(&tag), None, |_| {}),
            Err(_) => {
                let bytes = self.write_response(request, status, Some(&tag), None, |_| {});
                self.outbox.push(PhoneOutput::Send {
                    flow,
                    bytes: bytes.into(),
                });
            }
        }
    }
}
