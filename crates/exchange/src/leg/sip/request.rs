//! Requests of the peer inside the dialog, and responses to ours: which of the leg's rooms they
//! belong to.

use fernamt_sip::dialog::{CSeqOrder, Dialog};
use fernamt_sip::message::{Message, Method, Name};
use fernamt_sip::transaction::{ClientFailure, ClientId, ServerId};
use fernamt_sip::transport::Flow;

use super::transaction_use::{Purpose, TransactionUse};
use super::write::{ALLOWED, Reply, SDP};
use super::{Context, LegTimer, Phase, SipLeg};

impl SipLeg {
    /// Whether a request with our tag is really of this dialog.
    pub(crate) fn is_of_dialog(&self, request: &Message<'_>) -> bool {
        if request.call_id().ok() != Some(&*self.call_id) {
            return false;
        }
        let Some(remote_tag) = request.from().ok().map(|from| from.tag().unwrap_or("")) else {
            return false;
        };
        match (&self.phase, self.dialog.as_deref()) {
            (_, Some(dialog)) => &*dialog.remote.tag == remote_tag,
            (Phase::Outgoing(outgoing), None) => outgoing.has_early(remote_tag),
            _ => false,
        }
    }

    /// A request of the peer inside the dialog, other than ACK and CANCEL.
    pub(crate) fn request_received(
        &mut self,
        cx: &mut Context<'_>,
        flow: Flow,
        request: &Message<'_>,
    ) {
        cx.received(self.id, request);
        let usage = TransactionUse::Leg(self.id, Purpose::Answering);
        let now = cx.stack.now.time;
        let Ok(server) = cx.stack.transactions.accept(now, flow, request, usage) else {
            return;
        };
        let order = self
            .receiving_dialog(request)
            .map(|dialog| dialog.check_cseq(request));
        if !matches!(order, Some(Ok(CSeqOrder::InOrder))) {
            // RFC 3261 section 12.2.2: older than what was answered already. A BYE is no exception,
            // or somebody who replays an old one could end the talk.
            let seconds = cx.stack.random_between(0, 10);
            return self.respond(cx, server, request, &Reply::status(500), |builder| {
                builder.header(Name::RetryAfter, seconds);
            });
        }
        self.follow(flow);
        let unsupported: Vec<&str> =
            fernamt_sip::validate::unsupported_options(request, &["timer", "100rel", "replaces"])
                .collect();
        // A method that is not served is refused for that, whatever it requires (RFC 3261 section 8.2).
        if !unsupported.is_empty() && is_served(request.method()) {
            let list = unsupported.join(", ");
            return self.respond(cx, server, request, &Reply::status(420), |builder| {
                builder.header(Name::Unsupported, &list);
            });
        }
        self.dispatch(cx, server, request);
    }

    fn dispatch(&mut self, cx: &mut Context<'_>, server: ServerId, request: &Message<'_>) {
        match request.method() {
            Method::Bye => self.bye_received(cx, server, request),
            Method::Invite => {
                self.refresh_target(request);
                if self.refuses_short_session(cx, server, request) {
                    return;
                }
                self.offer_received(cx, server, request);
            }
            Method::Update => {
                self.refresh_target(request);
                if self.refuses_short_session(cx, server, request) {
                    return;
                }
                if request.body().is_empty() {
                    return self.refreshed_by_peer(cx, server, request);
                }
                self.offer_received(cx, server, request);
            }
            Method::Prack => self.prack_received(cx, server, request),
            Method::Info | Method::Message => self.information_received(cx, server, request),
            Method::Options => {
                self.respond(cx, server, request, &Reply::status(200), |builder| {
                    builder
                        .header(Name::Allow, ALLOWED)
                        .header(Name::Accept, SDP);
                });
            }
            Method::Subscribe | Method::Notify | Method::Publish => {
                self.respond(cx, server, request, &Reply::status(489), |_| {});
            }
            Method::Refer | Method::Register => {
                self.respond(cx, server, request, &Reply::status(405), |builder| {
                    builder.header(Name::Allow, ALLOWED);
                });
            }
            _ => self.respond(cx, server, request, &Reply::status(501), |builder| {
                builder.header(Name::Allow, ALLOWED);
            }),
        }
    }

    fn receiving_dialog(&mut self, request: &Message<'_>) -> Option<&mut Dialog> {
        if let Phase::Outgoing(outgoing) = &mut self.phase {
            let remote_tag = request.from().ok()?.tag().unwrap_or("");
            return outgoing.early_with(remote_tag);
        }
        self.dialog.as_deref_mut()
    }

    fn refresh_target(&mut self, request: &Message<'_>) {
        if let Some(dialog) = self.receiving_dialog(request) {
            // check_request has read the contact already.
            let _ = dialog.refresh_target(request);
        }
    }

    /// The peer is where its latest request came from: its address may have changed, and behind a
    /// NAT nothing else reaches it.
    fn follow(&mut self, flow: Flow) {
        self.flow = flow;
    }

    /// PRACK (RFC 3262 section 3).
    fn prack_received(&mut self, cx: &mut Context<'_>, server: ServerId, request: &Message<'_>) {
        let described = request.has_content_type(SDP) && !request.body().is_empty();
        let rseq = request
            .rack()
            .ok()
            .flatten()
            .map(|rack| rack.response_number);
        let own_offer = self.has_offered_in_progress();
        let description = (described && own_offer).then(|| request.body().into());
        let known = rseq.is_some_and(|rseq| self.acknowledged_progress(cx, rseq, description));
        if !known {
            return self.respond(cx, server, request, &Reply::status(481), |_| {});
        }
        if described && !own_offer {
            self.offer_received(cx, server, request);
        } else {
            self.respond(cx, server, request, &Reply::status(200), |_| {});
        }
        self.send_waiting(cx);
    }

    /// A response to a request of ours.
    pub(crate) fn response_received(
        &mut self,
        cx: &mut Context<'_>,
        client: ClientId,
        purpose: Purpose,
        response: &Message<'_>,
    ) {
        let status = response.status().unwrap_or(500);
        match purpose {
            Purpose::Invite => self.invite_response(cx, response),
            Purpose::Offer => self.offer_response(cx, client, status, Some(response)),
            Purpose::Refresh => self.refresh_response(cx, status, Some(response)),
            Purpose::Information(reply) if status >= 200 => {
                cx.received(self.id, response);
                cx.stack.emit(
                    self.id,
                    super::super::LegEvent::InformationReplied { reply, status },
                );
            }
            Purpose::Prack if status >= 200 => cx.received(self.id, response),
            _ => {}
        }
    }

    /// A request of ours has had no final response and will have none.
    pub(crate) fn request_failed(
        &mut self,
        cx: &mut Context<'_>,
        client: ClientId,
        purpose: Purpose,
        failure: ClientFailure,
    ) {
        let status = failure.status();
        match purpose {
            Purpose::Invite => {
                self.invite_lost(cx, failure == ClientFailure::TransportFailed);
            }
            Purpose::Offer => self.offer_response(cx, client, status, None),
            Purpose::Refresh => self.refresh_response(cx, status, None),
            Purpose::Information(reply) => {
                cx.stack.emit(
                    self.id,
                    super::super::LegEvent::InformationReplied { reply, status },
                );
            }
            Purpose::Prack | Purpose::Answering => {}
        }
    }

    /// A request of ours has had no final response for too long.
    pub(crate) fn request_overdue(
        &mut self,
        cx: &mut Context<'_>,
        client: ClientId,
        purpose: Purpose,
    ) {
        if purpose == Purpose::Offer {
            self.offer_overdue(cx, client);
        }
    }

    /// A timer of this leg.
    pub(crate) fn timer(&mut self, cx: &mut Context<'_>, timer: LegTimer) {
        match timer {
            LegTimer::Refresh => self.refresh_session(cx),
            LegTimer::SessionExpiry => self.session_expired(cx),
            LegTimer::OfferAgain => self.offer_again(cx),
            LegTimer::AnswerAgain => self.answer_again(cx),
        }
    }
}

/// Whether anything is done for the method inside a dialog.
fn is_served(method: Method<'_>) -> bool {
    !matches!(method, Method::Refer | Method::Register | Method::Other(_))
}
