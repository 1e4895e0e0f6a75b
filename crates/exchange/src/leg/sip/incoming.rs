//! The calling side of a SIP leg: an INVITE that somebody sent us, until its ACK (RFC 3261
//! section 13.3, reliable provisional responses of RFC 3262).

use core::time::Duration;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use fernamt_sip::builder::{ResponseBuilder, Shown};
use fernamt_sip::dialog::Dialog;
use fernamt_sip::message::{KeptMessage, Message, Name};
use fernamt_sip::transaction::ServerId;
use fernamt_sip::transport::Flow;

use super::awaiting::AwaitingAck;
use super::write::{Reply, Tag, write_warning};
use super::{Abilities, Context, Phase, SipLeg};
use crate::cause::Cause;
use crate::leg::{Description, LegEvent, LegId, Progress, Rejection, Release, Warning};
use crate::request::stateless::response_flow;
use crate::stack::Stack;

/// Max-Forwards of a request that carries none (RFC 3261 section 8.1.1.6).
const DEFAULT_HOPS: u8 = 70;

/// Responses that may wait for a PRACK.
const MAX_WAITING: usize = 4;

/// An INVITE that has no final response.
#[derive(Debug)]
pub(crate) struct Incoming {
    server: ServerId,
    request: Arc<KeptMessage>,
    /// The INVITE carried an offer.
    offered: bool,
    hops: u8,
    /// The caller insists on reliable provisional responses.
    reliable_required: bool,
    next_rseq: u32,
    unacknowledged: Option<Unacknowledged>,
    waiting: VecDeque<Waiting>,
    /// A reliable response has carried our side of the agreement, so the 2xx need not.
    agreed: bool,
    /// We have made an offer in a reliable response.
    own_offer: bool,
    prepared: Option<Prepared>,
}

/// A 2xx that has been written and not sent.
#[derive(Debug)]
struct Prepared {
    bytes: Arc<[u8]>,
    /// How much of it is its body.
    body_bytes: usize,
    remote: SocketAddr,
    own_offer: bool,
}

/// A reliable response that has no PRACK.
#[derive(Debug)]
struct Unacknowledged {
    rseq: u32,
    described: bool,
}

#[derive(Debug)]
enum Waiting {
    Progress(Progress),
    Answer,
}

impl Incoming {
    /// Whether offer and answer are complete, confirmed by PRACK.
    pub(super) fn has_agreed(&self) -> bool {
        self.agreed && !self.own_offer && self.unacknowledged.is_none()
    }
}

impl SipLeg {
    /// The leg of an INVITE that has been accepted for processing; `None` when no dialog can come
    /// of it.
    pub(crate) fn incoming(
        stack: &mut Stack,
        id: LegId,
        flow: Flow,
        server: ServerId,
        invite: &Message<'_>,
    ) -> Option<SipLeg> {
        let tag = stack.new_tag(id);
        let dialog =
            match Dialog::from_request(invite, &Tag(tag).text(), flow.transport.is_secure()) {
                Ok(dialog) => dialog,
                Err(_) => {
                    stack.tags.remove(&tag);
                    return None;
                }
            };
        let first_rseq = u32::try_from(stack.random_between(1, 1 << 16)).unwrap_or(1);
        let incoming = Incoming {
            server,
            request: Arc::new(KeptMessage::new(invite)),
            offered: invite.has_content_type(super::write::SDP) && !invite.body().is_empty(),
            hops: invite.max_forwards().ok().flatten().unwrap_or(DEFAULT_HOPS),
            reliable_required: invite.require().has_option("100rel"),
            next_rseq: first_rseq,
            unacknowledged: None,
            waiting: VecDeque::new(),
            agreed: false,
            own_offer: false,
            prepared: None,
        };
        Some(SipLeg {
            id,
            tag,
            call_id: invite.call_id().unwrap_or_default().into(),
            flow,
            abilities: Abilities::of(invite),
            phase: Phase::Incoming(Box::new(incoming)),
            dialog: Some(Box::new(dialog)),
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
        })
    }

    /// The offer of the INVITE.
    pub(crate) fn offer(&self) -> Option<Description> {
        let Phase::Incoming(incoming) = &self.phase else {
            return None;
        };
        incoming
            .offered
            .then(|| incoming.request.message().body().into())
    }

    /// Whether the INVITE carried an offer.
    pub(crate) fn has_offered(&self) -> bool {
        matches!(&self.phase, Phase::Incoming(incoming) if incoming.offered)
    }

    /// How many hops the next INVITE of this call may take: one less than this one.
    pub(crate) fn hops_left(&self) -> u8 {
        match &self.phase {
            Phase::Incoming(incoming) => incoming.hops.saturating_sub(1),
            _ => DEFAULT_HOPS,
        }
    }

    /// Whether the caller can be told of media before the answer in a way that is confirmed.
    pub(crate) fn takes_reliable_progress(&self) -> bool {
        self.abilities.reliable
    }

    /// Whether the address in the offer is the one that the signalling comes from, so that there is
    /// no NAT in between.
    pub(crate) fn offers_its_own_address(&self) -> bool {
        let Some(offer) = self.offer() else {
            return false;
        };
        let Ok(parsed) = fernamt_sdp::SessionDescription::parse(&offer) else {
            return false;
        };
        let mut media = parsed.media().iter().filter(|media| !media.is_rejected());
        media.all(|media| {
            media
                .address()
                .is_some_and(|at| at.ip() == self.flow.remote.ip())
        })
    }

    /// Tells the caller that the called party has been reached.
    pub(super) fn progress(&mut self, cx: &mut Context<'_>, progress: Progress) {
        let reliable_supported = self.abilities.reliable;
        let Phase::Incoming(incoming) = &mut self.phase else {
            return;
        };
        if incoming.unacknowledged.is_some() {
            if incoming.waiting.len() < MAX_WAITING {
                incoming.waiting.push_back(Waiting::Progress(progress));
            }
            return;
        }
        let status = if progress.alerting { 180 } else { 183 };
        let described = progress.description.is_some();
        let reliable = incoming.reliable_required || (reliable_supported && described);
        let rseq = reliable.then(|| {
            incoming.next_rseq += 1;
            incoming.next_rseq
        });
        if let Some(rseq) = rseq {
            incoming.unacknowledged = Some(Unacknowledged { rseq, described });
            incoming.agreed |= described;
            incoming.own_offer |= progress.offer;
        }
        let (server, kept) = (incoming.server, Arc::clone(&incoming.request));
        let request = kept.message();
        let reply = Reply {
            status,
            body: progress.description.as_deref(),
            rseq,
        };
        self.respond(cx, server, &request, &reply, |_| {});
        if described {
            self.described = progress.description;
        }
    }

    /// Writes the 2xx, so that it can be written down before it is sent.
    pub(super) fn prepare_answer(
        &mut self,
        cx: &mut Context<'_>,
        description: Option<Description>,
    ) {
        let Phase::Incoming(incoming) = &mut self.phase else {
            return;
        };
        let own_offer = description.is_some() && !incoming.offered && !incoming.own_offer;
        let description = description.or_else(|| {
            // What an unreliable response said counts only when the 2xx says it again.
            self.described.clone().filter(|_| !incoming.agreed)
        });
        let kept = Arc::clone(&incoming.request);
        let request = kept.message();
        self.agree_on_session_as_server(cx.stack, &request);
        let session = self.session_in_response();
        let reply = Reply {
            status: 200,
            body: description.as_deref(),
            rseq: None,
        };
        let bytes = self.write_response(cx, &request, &reply, |builder| {
            session.write(builder);
        });
        let remote = response_flow(self.flow, &request).remote;
        let Phase::Incoming(incoming) = &mut self.phase else {
            return;
        };
        incoming.prepared = Some(Prepared {
            bytes,
            body_bytes: description.as_ref().map_or(0, |body| body.len()),
            remote,
            own_offer,
        });
        if description.is_some() {
            self.described = description;
        }
    }

    /// Whether our 2xx has carried an offer, or will, and the answer has not come.
    pub(crate) fn awaits_answer(&self) -> bool {
        match &self.phase {
            Phase::Incoming(incoming) => {
                let prepared = incoming.prepared.as_ref();
                prepared.is_some_and(|prepared| prepared.own_offer)
            }
            Phase::AwaitingAck(awaiting) => awaiting.own_offer,
            _ => false,
        }
    }

    /// The 2xx that has been written and whose ACK has not been seen, and where it goes.
    pub(super) fn prepared_answer(&self) -> Option<(SocketAddr, &[u8])> {
        match &self.phase {
            Phase::Incoming(incoming) => {
                let prepared = incoming.prepared.as_ref()?;
                Some((prepared.remote, &prepared.bytes))
            }
            Phase::AwaitingAck(awaiting) => Some((awaiting.sent.0, &awaiting.sent.1)),
            _ => self.unconfirmed_answer(),
        }
    }

    /// Tells the caller that it is answered: sends what was prepared.
    pub(super) fn answer(&mut self, cx: &mut Context<'_>) {
        let Phase::Incoming(incoming) = &mut self.phase else {
            return;
        };
        let unacknowledged = incoming.unacknowledged.as_ref();
        if unacknowledged.is_some_and(|response| response.described) {
            // RFC 3262 section 3: not before the description has been acknowledged.
            incoming.waiting.clear();
            return incoming.waiting.push_back(Waiting::Answer);
        }
        let Some(prepared) = incoming.prepared.take() else {
            return;
        };
        let server = incoming.server;
        let body_start = prepared.bytes.len().saturating_sub(prepared.body_bytes);
        let body = prepared.bytes.get(body_start..).unwrap_or_default();
        cx.sent(self.id, "200 OK", body);
        let now = cx.stack.now.time;
        let sent = (prepared.remote, Arc::clone(&prepared.bytes));
        // A transaction that is over has nobody left who waits for this.
        let _ = cx
            .stack
            .transactions
            .respond(now, server, prepared.bytes, 200);
        self.phase = Phase::AwaitingAck(AwaitingAck {
            server: Some(server),
            sent,
            own_offer: prepared.own_offer,
            release: None,
        });
        self.answered = true;
        if let Some(dialog) = &mut self.dialog {
            dialog.confirm();
        }
    }

    /// Tells the caller that it will not be answered.
    pub(super) fn reject(
        &mut self,
        cx: &mut Context<'_>,
        rejection: &Rejection,
        retry_after: Option<Duration>,
        warning: Option<&Warning>,
    ) {
        let Phase::Incoming(incoming) = &mut self.phase else {
            return self.release(cx, rejection.cause, false);
        };
        let server = incoming.server;
        let kept = Arc::clone(&incoming.request);
        let status = rejection.status.unwrap_or_else(|| rejection.cause.status());
        let reason = rejection.cause.reason();
        let host = cx
            .stack
            .public_address(self.flow.transport, self.flow.local);
        let reply = Reply::status(status);
        self.respond(cx, server, &kept.message(), &reply, |builder| {
            builder.header(Name::Reason, Shown(reason));
            if let Some(retry_after) = retry_after {
                builder.header(Name::RetryAfter, retry_after.as_secs());
            }
            write_warning(builder, warning, &host);
        });
        self.finish(cx);
    }

    /// The caller has given up (CANCEL).
    pub(crate) fn cancelled(&mut self, cx: &mut Context<'_>, cancel: &Message<'_>) {
        cx.received(self.id, cancel);
        let Phase::Incoming(incoming) = &mut self.phase else {
            return;
        };
        let server = incoming.server;
        let kept = Arc::clone(&incoming.request);
        self.respond(cx, server, &kept.message(), &Reply::status(487), |_| {});
        let cause = Cause::of_message(cancel).unwrap_or(Cause::NORMAL_CLEARING);
        self.leave(
            cx,
            Release {
                cause,
                by_party: true,
                status: Some(487),
            },
        );
    }

    /// A PRACK has come for `rseq`; its answer, where it carries one, is for the call.
    pub(super) fn acknowledged_progress(
        &mut self,
        cx: &mut Context<'_>,
        rseq: u32,
        description: Option<Description>,
    ) -> bool {
        let Phase::Incoming(incoming) = &mut self.phase else {
            return false;
        };
        if incoming
            .unacknowledged
            .as_ref()
            .is_none_or(|response| response.rseq != rseq)
        {
            return false;
        }
        incoming.unacknowledged = None;
        cx.stack.transactions.prack_received(incoming.server, rseq);
        let answers_our_offer = incoming.own_offer && description.is_some();
        if answers_our_offer {
            incoming.own_offer = false;
            cx.stack.emit(self.id, LegEvent::Confirmed { description });
        }
        true
    }

    /// Whether a reliable response has carried an offer that has no answer yet.
    pub(super) fn has_offered_in_progress(&self) -> bool {
        matches!(&self.phase, Phase::Incoming(incoming) if incoming.own_offer)
    }

    /// Sends what had to wait for a PRACK.
    pub(super) fn send_waiting(&mut self, cx: &mut Context<'_>) {
        let Phase::Incoming(incoming) = &mut self.phase else {
            return;
        };
        match incoming.waiting.pop_front() {
            Some(Waiting::Progress(progress)) => self.progress(cx, progress),
            Some(Waiting::Answer) => self.answer(cx),
            None => {}
        }
    }

    /// No PRACK came for a reliable provisional response (RFC 3262 section 3).
    pub(crate) fn progress_never_acknowledged(&mut self, cx: &mut Context<'_>) {
        let cause = Cause::RECOVERY_ON_TIMER_EXPIRY;
        let rejection = Rejection {
            cause,
            status: Some(504),
        };
        if matches!(self.phase, Phase::Incoming(_)) {
            self.reject(cx, &rejection, None, None);
            cx.stack.emit(
                self.id,
                LegEvent::Released(Release {
                    cause,
                    by_party: false,
                    status: Some(504),
                }),
            );
        }
    }

    /// The final response that would end this leg, ready to be sent after a restart.
    pub(super) fn farewell_response(&self) -> Option<Vec<u8>> {
        let Phase::Incoming(incoming) = &self.phase else {
            return None;
        };
        let request = incoming.request.message();
        let mut bytes = Vec::with_capacity(512);
        let tag = Tag(self.tag).text();
        let source = Some(self.flow.remote);
        ResponseBuilder::for_request(&mut bytes, &request, 503, None, Some(&tag), source)
            .header(Name::RetryAfter, 1)
            .finish();
        Some(bytes)
    }
}
