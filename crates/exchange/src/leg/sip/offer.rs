//! Offers in mid dialog, both ways: re-INVITE (RFC 3261 section 14), UPDATE (RFC 3311) and PRACK
//! with an offer (RFC 3262 section 5), with what happens when both sides offer at once.

use core::time::Duration;

use std::sync::Arc;

use fernamt_sip::message::{KeptMessage, Message, Method, Name};
use fernamt_sip::timer::TimerId;
use fernamt_sip::transaction::{ClientId, ServerId};

use super::transaction_use::{Purpose, TransactionUse};
use super::write::{ALLOWED, Reply, SDP, write_warning};
use super::{Context, LegTimer, Phase, SipLeg};
use crate::leg::{Description, LegEvent, Release, Warning};
use crate::stack::Alarm;

/// An offer of the peer, or its wish for one.
#[derive(Debug)]
pub(super) struct AskedOffer {
    server: ServerId,
    request: Arc<KeptMessage>,
    /// A re-INVITE whose 2xx has been sent and which waits for its ACK.
    awaiting_ack: Option<AwaitedAck>,
}

#[derive(Debug)]
struct AwaitedAck {
    /// The 2xx carried an offer: the ACK carries the answer.
    own_offer: bool,
    /// What the peer was told before, which still counts when it does not answer.
    described: Option<Description>,
}

/// An offer of ours, or our wish for one.
#[derive(Debug)]
pub(super) struct OwnOffer {
    description: Option<Description>,
    client: Option<ClientId>,
    /// The 2xx has come with an offer, and its ACK needs an answer.
    owing_ack: Option<(ClientId, u32)>,
    /// Running after both sides had offered at once.
    again: Option<TimerId>,
    attempts: u8,
    /// How long the peer may take for its answer.
    within: Duration,
    /// It took longer, and the offer is being taken back.
    cancelled: bool,
    /// It refreshes the session, and nothing else is wanted of it.
    refreshes: bool,
}

impl OwnOffer {
    /// The transaction that carries it.
    pub(super) fn client(&self) -> Option<ClientId> {
        self.client
    }
}

/// How often an offer is repeated when both sides keep offering at once.
const MAX_ATTEMPTS: u8 = 4;

impl SipLeg {
    /// A re-INVITE, or an UPDATE or PRACK with a description, has come inside the dialog.
    pub(super) fn offer_received(
        &mut self,
        cx: &mut Context<'_>,
        server: ServerId,
        request: &Message<'_>,
    ) {
        let is_invite = request.method() == Method::Invite;
        if self.own.is_some() {
            // RFC 3261 section 14.2, RFC 3311 section 5.2: both at once.
            return self.respond(cx, server, request, &Reply::status(491), |_| {});
        }
        if self.asked.is_some() || matches!(self.phase, Phase::AwaitingAck(_)) {
            let seconds = cx.stack.random_between(0, 10);
            return self.respond(cx, server, request, &Reply::status(500), |builder| {
                builder.header(Name::RetryAfter, seconds);
            });
        }
        self.abilities.add(request);
        let body = request.body();
        let described = request.has_content_type(SDP) && !body.is_empty();
        if !described && !body.is_empty() {
            return self.respond(cx, server, request, &Reply::status(415), |builder| {
                builder.header(Name::Accept, SDP);
            });
        }
        if is_invite {
            self.respond_trying(cx, server, request);
        }
        self.asked = Some(AskedOffer {
            server,
            request: Arc::new(KeptMessage::new(request)),
            awaiting_ack: None,
        });
        let description = described.then(|| body.into());
        cx.stack.emit(self.id, LegEvent::Offered { description });
    }

    fn respond_trying(&mut self, cx: &mut Context<'_>, server: ServerId, request: &Message<'_>) {
        self.respond(cx, server, request, &Reply::status(100), |_| {});
    }

    /// Answers the peer's offer.
    pub(super) fn accept_offer(&mut self, cx: &mut Context<'_>, description: Option<Description>) {
        let Some(asked) = &mut self.asked else { return };
        if asked.awaiting_ack.is_some() {
            return;
        }
        let server = asked.server;
        let kept = Arc::clone(&asked.request);
        let request = kept.message();
        if request.method() == Method::Invite {
            let own_offer = request.body().is_empty();
            asked.awaiting_ack = Some(AwaitedAck {
                own_offer,
                described: self.described.take(),
            });
        } else {
            self.asked = None;
        }
        self.agree_on_session_as_server(cx.stack, &request);
        let session = self.session_in_response();
        let reply = Reply {
            status: 200,
            body: description.as_deref(),
            rseq: None,
        };
        self.respond(cx, server, &request, &reply, |builder| {
            session.write(builder)
        });
        self.described = description;
    }

    /// Refuses the peer's offer.
    pub(super) fn refuse_offer(
        &mut self,
        cx: &mut Context<'_>,
        status: u16,
        warning: Option<&Warning>,
    ) {
        if self
            .asked
            .as_ref()
            .is_some_and(|asked| asked.awaiting_ack.is_some())
        {
            return;
        }
        let Some(asked) = self.asked.take() else {
            return;
        };
        let request = asked.request.message();
        let seconds = cx.stack.random_between(1, 10);
        let host = cx
            .stack
            .public_address(self.flow.transport, self.flow.local);
        self.respond(
            cx,
            asked.server,
            &request,
            &Reply::status(status),
            |builder| {
                if status == 500 {
                    builder.header(Name::RetryAfter, seconds);
                }
                write_warning(builder, warning, &host);
            },
        );
    }

    /// The ACK to the 2xx of a re-INVITE.
    pub(super) fn acknowledged_offer(
        &mut self,
        cx: &mut Context<'_>,
        ack: &Message<'_>,
        description: Option<Description>,
    ) {
        let waits = |asked: &mut AskedOffer| asked.awaiting_ack.is_some();
        let asked = self.asked.take_if(waits);
        let Some((server, awaited)) = asked.and_then(|it| Some((it.server, it.awaiting_ack?)))
        else {
            return;
        };
        cx.received(self.id, ack);
        cx.stack.transactions.acknowledged(server);
        if awaited.own_offer {
            if description.is_none() {
                self.described = awaited.described;
            }
            cx.stack.emit(self.id, LegEvent::Confirmed { description });
        }
    }

    /// Offers new media to the peer, or asks it for an offer.
    pub(super) fn offer_in_dialog(
        &mut self,
        cx: &mut Context<'_>,
        description: Option<Description>,
        within: Duration,
    ) {
        // Without its ACK the peer may not have our 2xx: an INVITE that overtakes it would be of a dialog
        // that the peer does not know.
        let unconfirmed = matches!(self.phase, Phase::AwaitingAck(_));
        let changing = self.own.is_some() || self.asked.is_some();
        if unconfirmed || changing {
            return cx
                .stack
                .emit(self.id, LegEvent::OfferRefused { status: 491 });
        }
        self.own = Some(OwnOffer {
            description,
            client: None,
            owing_ack: None,
            again: None,
            attempts: 0,
            within,
            cancelled: false,
            refreshes: false,
        });
        self.send_offer(cx);
    }

    /// Refreshes the session by an offer.
    pub(super) fn refresh_by_offer(
        &mut self,
        cx: &mut Context<'_>,
        description: Description,
        within: Duration,
    ) {
        self.offer_in_dialog(cx, Some(description), within);
        match &mut self.own {
            Some(own) => own.refreshes = true,
            None => self.refresh_later(cx),
        }
    }

    /// From now on what the peer was told before counts again.
    pub(super) fn take_back(&mut self, described: Description) {
        if !matches!(self.phase, Phase::Over) {
            self.described = Some(described);
        }
    }

    fn send_offer(&mut self, cx: &mut Context<'_>) {
        let Some(own) = &mut self.own else { return };
        own.attempts += 1;
        let description = own.description.clone();
        let early = matches!(self.phase, Phase::Outgoing(_) | Phase::Incoming(_));
        let method = if early {
            Method::Update
        } else {
            Method::Invite
        };
        if early && !self.has_agreed_early() {
            // RFC 3311 section 5.1: not while the first offer is open.
            self.own = None;
            return cx
                .stack
                .emit(self.id, LegEvent::OfferRefused { status: 491 });
        }
        if early && (!self.abilities.update || description.is_none()) {
            self.own = None;
            return cx
                .stack
                .emit(self.id, LegEvent::OfferRefused { status: 504 });
        }
        let usage = TransactionUse::Leg(self.id, Purpose::Offer);
        let body = description.as_deref().map(|description| (SDP, description));
        let session = self.session_in_request();
        let sent = self.request_in_dialog(cx, method, usage, body, |builder| {
            builder
                .header(Name::Allow, ALLOWED)
                .header(Name::Supported, "timer, 100rel");
            session.write(builder);
        });
        match (sent, &mut self.own) {
            (Some(client), Some(own)) => {
                own.client = Some(client);
                // After a provisional response nothing else would ever end an INVITE.
                let (now, within) = (cx.stack.now.time, Some(own.within));
                cx.stack.transactions.expect_final(now, client, within);
            }
            _ => {
                self.own = None;
                cx.stack
                    .emit(self.id, LegEvent::OfferRefused { status: 500 });
            }
        }
    }

    /// Whether offer and answer of the set-up are complete although the call is not answered.
    fn has_agreed_early(&self) -> bool {
        match &self.phase {
            Phase::Incoming(incoming) => incoming.has_agreed(),
            Phase::Outgoing(outgoing) => outgoing.has_agreed(),
            _ => true,
        }
    }

    /// A final response to our offer, or `408`/`503` where none came.
    pub(super) fn offer_response(
        &mut self,
        cx: &mut Context<'_>,
        client: ClientId,
        status: u16,
        response: Option<&Message<'_>>,
    ) {
        let ours = self
            .own
            .as_ref()
            .is_some_and(|own| own.client == Some(client));
        if !ours || status < 200 {
            return;
        }
        if let Some(response) = response {
            cx.received(self.id, response);
        }
        let own = self.own.as_ref();
        let cancelled = own.is_some_and(|own| own.cancelled);
        let refreshes = own.is_some_and(|own| own.refreshes);
        match (status, response) {
            (200..=299, Some(response)) => self.offer_accepted(cx, client, response),
            // The peer is there: it has said that it is at work, and went on with that.
            (300.., _) if cancelled && status != 481 => {
                self.own = None;
                let event = LegEvent::OfferRefused { status: 408 };
                cx.stack.emit(self.id, event);
                if refreshes {
                    self.refresh_later(cx);
                }
            }
            _ if refreshes => {
                self.own = None;
                cx.stack.emit(self.id, LegEvent::OfferRefused { status });
                self.refresh_refused(cx, status, response);
            }
            (491, _) => self.offer_again_later(cx),
            _ => {
                self.own = None;
                cx.stack.emit(self.id, LegEvent::OfferRefused { status });
                self.gone_if(cx, status);
            }
        }
    }

    /// The peer has taken too long for its answer. The offer is over when that is answered, which may
    /// still be with a 2xx (RFC 3261 section 9.1); until then there may be no other (section 14.1).
    pub(super) fn offer_overdue(&mut self, cx: &mut Context<'_>, client: ClientId) {
        let own = self.own.as_mut();
        if let Some(own) = own.filter(|own| own.client == Some(client)) {
            own.cancelled = true;
            cx.sent(self.id, "CANCEL", &[]);
            let now = cx.stack.now.time;
            cx.stack.transactions.cancel(now, client, None);
        }
    }

    fn offer_accepted(&mut self, cx: &mut Context<'_>, client: ClientId, response: &Message<'_>) {
        self.abilities.add(response);
        if let Some(dialog) = &mut self.dialog {
            let _ = dialog.refresh_target(response);
        }
        self.agree_on_session_as_client(cx.stack, response);
        let described = response.has_content_type(SDP) && !response.body().is_empty();
        let description: Option<Description> = described.then(|| response.body().into());
        let Some(own) = &mut self.own else { return };
        let offered = own.description.is_some();
        if response.method() == Method::Invite {
            let cseq = response.cseq().map_or(0, |cseq| cseq.number);
            if offered || description.is_none() {
                let to_tag = response
                    .to()
                    .ok()
                    .and_then(|to| to.tag())
                    .unwrap_or("")
                    .to_owned();
                self.send_ack(cx, client, cseq, &to_tag, None);
            } else {
                own.owing_ack = Some((client, cseq));
                return cx
                    .stack
                    .emit(self.id, LegEvent::OfferAnswered { description });
            }
        }
        if let Some(own) = self.own.take()
            && own.description.is_some()
        {
            self.described = own.description;
        }
        cx.stack
            .emit(self.id, LegEvent::OfferAnswered { description });
    }

    /// Confirms the offer that the peer has made in the 2xx to our re-INVITE.
    pub(super) fn confirm_offer(&mut self, cx: &mut Context<'_>, description: Option<Description>) {
        let Some(OwnOffer {
            owing_ack: Some((client, cseq)),
            ..
        }) = self.own
        else {
            return;
        };
        self.own = None;
        let to_tag = self
            .dialog
            .as_deref()
            .map(|dialog| dialog.remote.tag.clone());
        self.send_ack(
            cx,
            client,
            cseq,
            &to_tag.unwrap_or_default(),
            description.as_deref(),
        );
        if description.is_some() {
            self.described = description;
        }
    }

    /// RFC 3261 section 14.1: whoever made the Call-ID waits longer, so that the other comes first.
    fn offer_again_later(&mut self, cx: &mut Context<'_>) {
        let made_call_id = crate::exchange::is_own_call_id(&self.call_id);
        let milliseconds = if made_call_id {
            cx.stack.random_between(2100, 4000)
        } else {
            cx.stack.random_between(0, 2000)
        };
        let Some(own) = &mut self.own else { return };
        if own.attempts >= MAX_ATTEMPTS {
            self.own = None;
            return cx
                .stack
                .emit(self.id, LegEvent::OfferRefused { status: 491 });
        }
        own.client = None;
        let alarm = Alarm::Leg(self.id, LegTimer::OfferAgain);
        own.again = Some(
            cx.stack
                .set_timer(Duration::from_millis(milliseconds), alarm),
        );
    }

    /// The wait after a collision is over.
    pub(super) fn offer_again(&mut self, cx: &mut Context<'_>) {
        if let Some(own) = &mut self.own {
            own.again = None;
            self.send_offer(cx);
        }
    }

    /// RFC 3261 section 12.2.1.2: these say that the dialog does not exist any more.
    pub(super) fn gone_if(&mut self, cx: &mut Context<'_>, status: u16) {
        if matches!(status, 408 | 481) && matches!(self.phase, Phase::Established) {
            let cause = crate::cause::Cause::RECOVERY_ON_TIMER_EXPIRY;
            self.say_bye(cx, cause);
            self.leave(
                cx,
                Release {
                    cause,
                    by_party: false,
                    status: None,
                },
            );
        }
    }
}
