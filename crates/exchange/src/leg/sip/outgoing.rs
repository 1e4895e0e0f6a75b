//! The called side of a SIP leg: an INVITE that we send, and its final response (RFC 3261
//! section 13.2), with the next address when one fails (RFC 3263 section 4.3), and TCP for what is
//! too large for a datagram. Not its provisional responses and not its ACK.

mod outcome;

use std::collections::VecDeque;
use std::sync::Arc;

use fernamt_sip::builder::{RequestBuilder, Shown};
use fernamt_sip::dialog::session_timer::SessionTimerOffer;
use fernamt_sip::message::{KeptMessage, Message, Method, Name};
use fernamt_sip::name_addr::Quoted;
use fernamt_sip::transaction::{Cancelling, ClientId};
use fernamt_sip::transport::{Flow, Transport};
use fernamt_sip::uri::EscapedUser;

use super::destination::Destination;
use super::early::Early;
use super::session::policy;
use super::transaction_use::{Purpose, TransactionUse};
use super::write::{
    ALLOWED, Branch, SDP, Tag, has_ice, supported, write_encryption, write_trickle,
};
use super::{Abilities, Context, Phase, SipLeg};
use crate::cause::Cause;
use crate::interface::{Question, Target};
use crate::journal::Journal;
use crate::leg::{Description, LegEvent, LegId, Rejection};
use crate::stack::{Asker, Stack};

/// The largest request that goes in a datagram when the path MTU is not known (RFC 3261
/// section 18.1.1).
const MAX_DATAGRAM_REQUEST: usize = 1300;

/// What the INVITE says.
#[derive(Debug)]
pub(crate) struct Invitation<'i> {
    pub(crate) caller_number: &'i str,
    pub(crate) caller_name: Option<&'i str>,
    pub(crate) description: Option<Description>,
    pub(crate) hops: u8,
    /// Whether the called party may confirm its progress reliably.
    pub(crate) reliable_progress: bool,
    /// How far the media of the call are encrypted, as the called party is told.
    pub(crate) encryption: Option<&'static str>,
    /// There is another offer for a party that refuses this one.
    pub(crate) another_offer: bool,
}

/// An INVITE that has no final response.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(super) destination: Destination,
    pub(super) targets: VecDeque<Target>,
    /// The addresses of the host have been asked for.
    looking_up: bool,
    pub(super) request: Option<Request>,
    /// The INVITE as it was sent.
    pub(super) sent: Option<Arc<KeptMessage>>,
    pub(super) client: Option<ClientId>,
    pub(super) cseq: u32,
    pub(super) early: Vec<Early>,
    /// The leg has been released; the final response is awaited only to end the transaction.
    pub(super) released: bool,
    /// The datagram would be too large and the device does not take TCP.
    pub(super) datagram_anyway: bool,
    /// What is asked for after a 422.
    pub(super) session_offer: Option<SessionTimerOffer>,
}

/// What the INVITE says, kept for sending it again elsewhere.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) caller_number: Box<str>,
    pub(super) caller_name: Option<Box<str>>,
    pub(super) description: Option<Description>,
    pub(super) hops: u8,
    pub(super) reliable_progress: bool,
    another_offer: bool,
}

impl Outgoing {
    /// The transaction of the INVITE, once it was sent.
    pub(super) fn client(&self) -> Option<ClientId> {
        self.client
    }

    /// Uses up the other offer. False: there is none.
    fn takes_another_offer(&mut self) -> bool {
        let request = self.request.as_mut();
        request.is_some_and(|request| core::mem::take(&mut request.another_offer))
    }
}

impl SipLeg {
    /// A leg towards `destination` that has not been invited.
    pub(crate) fn outgoing(
        stack: &mut Stack,
        id: LegId,
        shard_key: u32,
        destination: Destination,
    ) -> SipLeg {
        let tag = stack.new_tag(id);
        let call_id = crate::exchange::own_call_id(shard_key, stack.random_u64());
        let flow = destination.flow;
        let cseq = u32::try_from(stack.random_between(1, 1 << 20)).unwrap_or(1);
        SipLeg {
            id,
            tag,
            call_id,
            flow,
            abilities: Abilities::default(),
            phase: Phase::Outgoing(Box::new(Outgoing {
                destination,
                targets: VecDeque::new(),
                looking_up: false,
                request: None,
                sent: None,
                client: None,
                cseq,
                early: Vec::new(),
                released: false,
                datagram_anyway: false,
                session_offer: None,
            })),
            dialog: None,
            asked: None,
            own: None,
            session: None,
            described: None,
            informations: Vec::new(),
            farewell: None,
            unconfirmed: None,
            acknowledgement: None,
            answered: false,
            encryption: None,
        }
    }

    /// Whether [`SipLeg::invite`] is wanted: it has not been called, and the way is known.
    pub(crate) fn is_to_be_invited(&self) -> bool {
        match &self.phase {
            Phase::Outgoing(outgoing) => outgoing.request.is_none() && !outgoing.looking_up,
            _ => false,
        }
    }

    /// Whether it has been called and has not answered.
    pub(crate) fn is_invited(&self) -> bool {
        match &self.phase {
            Phase::Outgoing(outgoing) => outgoing.request.is_some(),
            _ => false,
        }
    }

    /// The way to the device; `None` while only the name of its host is known.
    pub(crate) fn known_way(&self) -> Option<Flow> {
        let is_known = match &self.phase {
            Phase::Outgoing(outgoing) => {
                outgoing.destination.lookup.is_none() && !outgoing.looking_up
            }
            _ => true,
        };
        is_known.then_some(self.flow)
    }

    /// Where only the name of a host is known, has its addresses looked up;
    /// [`LegEvent::Reachable`] tells of the first. False: the way is known.
    pub(crate) fn look_up(&mut self, stack: &mut Stack) -> bool {
        let Phase::Outgoing(outgoing) = &mut self.phase else {
            return false;
        };
        if let Some(query) = outgoing.destination.lookup.take() {
            outgoing.looking_up = true;
            stack.ask(Asker::Leg(self.id), Question::Resolve(query));
        }
        outgoing.looking_up
    }

    /// Calls the device.
    pub(crate) fn invite(
        &mut self,
        stack: &mut Stack,
        journal: &mut Journal,
        invitation: Invitation<'_>,
    ) {
        let Phase::Outgoing(outgoing) = &mut self.phase else {
            return;
        };
        outgoing.request = Some(Request {
            caller_number: invitation.caller_number.into(),
            caller_name: invitation.caller_name.map(Into::into),
            description: invitation.description,
            hops: invitation.hops,
            reliable_progress: invitation.reliable_progress,
            another_offer: invitation.another_offer,
        });
        self.encryption = invitation.encryption;
        self.send_invite(&mut Context { stack, journal });
    }

    /// The addresses of the host are known.
    pub(crate) fn resolved(&mut self, cx: &mut Context<'_>, targets: Vec<Target>) {
        let Phase::Outgoing(outgoing) = &mut self.phase else {
            return;
        };
        outgoing.looking_up = false;
        outgoing.targets = targets.into();
        if outgoing.released {
            return self.finish(cx);
        }
        if !self.try_next_target(cx) {
            cx.journal
                .decided(cx.stack.now.unix, "The host of the address was not found.");
            self.rejected(cx, Cause::NO_ROUTE_TO_DESTINATION, Some(480));
        }
    }

    /// Goes on with the next address of the host: what is said of media depends on the way, so that
    /// only along a way of the same kind the INVITE is sent as it is. False: there is none.
    fn try_next_target(&mut self, cx: &mut Context<'_>) -> bool {
        let Phase::Outgoing(outgoing) = &mut self.phase else {
            return false;
        };
        let Some(target) = outgoing.targets.pop_front() else {
            return false;
        };
        let same_family =
            |local: &std::net::SocketAddr| local.is_ipv4() == target.address.is_ipv4();
        let listeners = &cx.stack.config.listeners;
        let local = listeners
            .iter()
            .find(|(transport, local)| *transport == target.transport && same_family(local))
            .or_else(|| listeners.iter().find(|(_, local)| same_family(local)))
            .map_or(self.flow.local, |(_, local)| *local);
        let flow = Flow {
            transport: target.transport,
            local,
            remote: target.address,
            connection: None,
        };
        let before = core::mem::replace(&mut outgoing.destination.flow, flow);
        self.flow = flow;
        if let Some(name) = target.server_name {
            cx.stack.name_server(target.address, name);
        }
        outgoing.early.clear();
        let is_alike = before.transport == flow.transport && before.local.ip() == flow.local.ip();
        if outgoing.request.is_some() && is_alike {
            self.send_invite(cx);
        } else {
            outgoing.request = None;
            cx.stack.emit(self.id, LegEvent::Reachable);
        }
        true
    }

    /// Sends the INVITE along the flow of the leg.
    fn send_invite(&mut self, cx: &mut Context<'_>) {
        let branch = Branch(cx.stack.random_u64()).text();
        let mut bytes = self.write_invite(cx.stack, &branch);
        let Phase::Outgoing(outgoing) = &mut self.phase else {
            return;
        };
        let too_large = bytes.len() > MAX_DATAGRAM_REQUEST && !outgoing.datagram_anyway;
        if self.flow.transport == Transport::Udp && too_large {
            self.flow.transport = Transport::Tcp;
            bytes = self.write_invite(cx.stack, &branch);
        }
        let bytes: Arc<[u8]> = bytes.into();
        let usage = TransactionUse::Leg(self.id, Purpose::Invite);
        let now = cx.stack.now.time;
        let transactions = &mut cx.stack.transactions;
        let invite = Arc::clone(&bytes);
        let sent = transactions.request(now, self.flow, bytes, Method::Invite, &branch, usage);
        let Phase::Outgoing(outgoing) = &mut self.phase else {
            return;
        };
        outgoing.sent = KeptMessage::parse(invite).ok().map(Arc::new);
        let offer = outgoing
            .request
            .as_ref()
            .and_then(|request| request.description.as_deref());
        cx.journal.sent(
            cx.stack.now.unix,
            self.id.leg,
            "INVITE",
            &crate::journal::body_summary(offer.unwrap_or(&[])),
        );
        self.described = offer.map(Into::into);
        match sent {
            Ok(client) => outgoing.client = Some(client),
            Err(_) => self.rejected(cx, Cause::RESOURCE_UNAVAILABLE, Some(503)),
        }
    }

    fn write_invite(&self, stack: &Stack, branch: &str) -> Vec<u8> {
        let contact = self.contact(stack);
        let public = stack.public_address(self.flow.transport, self.flow.local);
        let mut bytes = Vec::with_capacity(1024);
        let Phase::Outgoing(outgoing) = &self.phase else {
            return bytes;
        };
        let Some(request) = &outgoing.request else {
            return bytes;
        };
        let uri = &*outgoing.destination.uri;
        let mut builder = RequestBuilder::new(&mut bytes, Method::Invite, uri);
        builder.via(self.flow.transport, &public, branch, true);
        for path in &outgoing.destination.path {
            builder.header(Name::Route, path);
        }
        builder.header(Name::MaxForwards, request.hops);
        let number = Shown(EscapedUser(&request.caller_number));
        let domain = ["@", &*public, ">;tag="];
        let uri_and_tag = (("<sip:", number), (domain, Tag(self.tag)));
        match &request.caller_name {
            Some(name) => builder.header(Name::From, ((Shown(Quoted(name)), " "), uri_and_tag)),
            None => builder.header(Name::From, uri_and_tag),
        };
        builder.header(Name::To, ["<", without_params(uri), ">"]);
        builder.header(Name::CallId, &self.call_id);
        builder.header(Name::CSeq, (outgoing.cseq, [" INVITE"]));
        builder.header(Name::Contact, &contact);
        builder.header(Name::Allow, ALLOWED);
        let trickles = request.description.as_deref().is_some_and(has_ice);
        builder.header(
            Name::Supported,
            supported(request.reliable_progress, trickles),
        );
        write_trickle(&mut builder, trickles);
        let offer = outgoing
            .session_offer
            .unwrap_or_else(|| policy(&stack.config).offer());
        if let Some(expires) = offer.session_expires {
            builder.header(Name::SessionExpires, expires);
        }
        if let Some(min_se_seconds) = offer.min_se_seconds {
            builder.header(Name::MinSe, min_se_seconds);
        }
        write_encryption(&mut builder, self.encryption);
        match &request.description {
            Some(description) => builder.body(SDP, description),
            None => builder.finish(),
        }
        bytes
    }

    /// The CANCEL that would end this leg, ready to be sent after a restart (RFC 3261 section 9.1).
    pub(super) fn farewell_cancel(&self) -> Option<Vec<u8>> {
        let Phase::Outgoing(outgoing) = &self.phase else {
            return None;
        };
        let invite = outgoing.sent.as_deref()?.message();
        let mut bytes = Vec::with_capacity(512);
        let mut builder = RequestBuilder::new(
            &mut bytes,
            Method::Cancel,
            invite.request_uri().unwrap_or(""),
        );
        for name in [Name::Via, Name::Route, Name::From, Name::To, Name::CallId] {
            builder.copy(&invite, name);
        }
        builder.header(Name::CSeq, (outgoing.cseq, [" CANCEL"]));
        builder.header(Name::MaxForwards, 70).finish();
        Some(bytes)
    }

    fn rejected(&mut self, cx: &mut Context<'_>, cause: Cause, status: Option<u16>) {
        self.phase = Phase::Over;
        cx.stack.tags.remove(&self.tag);
        cx.stack
            .emit(self.id, LegEvent::Rejected(Rejection { cause, status }));
    }

    /// Another 2xx of the same INVITE: another phone behind a forking proxy has answered as well.
    /// It is let go (RFC 3261 section 13.2.2.4).
    fn answered_twice(&mut self, cx: &mut Context<'_>, response: &Message<'_>) {
        let remote_tag = response.to().ok().and_then(|to| to.tag()).unwrap_or("");
        if self
            .dialog
            .as_deref()
            .is_some_and(|dialog| &*dialog.remote.tag == remote_tag)
        {
            return;
        }
        cx.received(self.id, response);
        super::release::let_go(cx.stack, self.flow, response);
    }

    /// Gives up on the device before it has answered.
    pub(super) fn give_up(&mut self, cx: &mut Context<'_>, cause: Cause, elsewhere: bool) {
        let Phase::Outgoing(outgoing) = &mut self.phase else {
            return;
        };
        outgoing.released = true;
        let Some(client) = outgoing.client else {
            return self.finish(cx);
        };
        outgoing.early.clear();
        let reason = if elsewhere {
            "SIP;cause=200;text=\"Call completed elsewhere\"".to_owned()
        } else {
            cause.reason().to_string()
        };
        cx.sent(self.id, "CANCEL", &[]);
        let cancelling = cx
            .stack
            .transactions
            .cancel(cx.stack.now.time, client, Some(&reason));
        if cancelling == Cancelling::TooLate {
            self.finish(cx);
        }
    }
}

/// A contact URI as an address of record: what the phone is called, not how it is reached.
pub(super) fn without_params(uri: &str) -> &str {
    uri.split([';', '?']).next().unwrap_or(uri)
}
