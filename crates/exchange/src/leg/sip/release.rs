//! The end of a SIP leg: BYE both ways, and letting go what nobody knows any more.

use std::sync::Arc;

use fernamt_sip::builder::{RequestBuilder, Shown};
use fernamt_sip::dialog::Dialog;
use fernamt_sip::message::{Message, Method, Name};
use fernamt_sip::transaction::ServerId;
use fernamt_sip::transport::Flow;

use super::offer::OwnOffer;
use super::transaction_use::TransactionUse;
use super::write::{Branch, Reply, status_words};
use super::{Context, Phase, SipLeg};
use crate::cause::Cause;
use crate::interface::Output;
use crate::leg::{LegEvent, Rejection, Release};
use crate::stack::Stack;

impl SipLeg {
    /// Ends the leg, whatever it is doing.
    pub(super) fn release(&mut self, cx: &mut Context<'_>, cause: Cause, elsewhere: bool) {
        match &self.phase {
            Phase::Outgoing(_) => self.give_up(cx, cause, elsewhere),
            Phase::Incoming(_) => self.reject(
                cx,
                &Rejection {
                    cause,
                    status: None,
                },
                None,
                None,
            ),
            Phase::AwaitingAck(_) => {
                self.release_when_acknowledged(cause);
            }
            Phase::OwingAck(owing) => {
                // The ACK must go out even though we have no answer for the offer (RFC 3261
                // section 13.2.2.4); the BYE follows at once.
                let (client, cseq) = owing.ids();
                let to_tag = self
                    .dialog
                    .as_deref()
                    .map(|dialog| dialog.remote.tag.clone());
                self.phase = Phase::Established;
                self.send_ack(cx, client, cseq, &to_tag.unwrap_or_default(), None);
                self.say_bye(cx, cause);
                self.finish(cx);
            }
            Phase::Established => {
                self.say_bye(cx, cause);
                self.finish(cx);
            }
            Phase::Over => {}
        }
    }

    /// What the peer still waits for gets a final response (RFC 3261 section 15.1.2).
    pub(super) fn refuse_what_is_asked(&mut self, cx: &mut Context<'_>) {
        if self.asked.is_some() {
            self.refuse_offer(cx, 487, None);
        }
        self.reply_to_all(cx, 487);
    }

    /// An INVITE of ours that the peer has only provisionally answered would wait for ever.
    pub(super) fn cancel_what_is_asked_of_peer(&mut self, cx: &mut Context<'_>) {
        let now = cx.stack.now.time;
        let setup = match &self.phase {
            Phase::Outgoing(outgoing) => outgoing.client(),
            _ => None,
        };
        let offer = self.own.as_ref().and_then(OwnOffer::client);
        for client in [setup, offer].into_iter().flatten() {
            cx.stack.transactions.cancel(now, client, None);
        }
    }

    /// Sends BYE. Nobody waits for its outcome: retransmission is the transaction's.
    pub(super) fn say_bye(&mut self, cx: &mut Context<'_>, cause: Cause) {
        let reason = cause.reason();
        self.request_in_dialog(cx, Method::Bye, TransactionUse::Nobody, None, |builder| {
            builder.header(Name::Reason, Shown(reason));
        });
    }

    /// The peer hangs up. It is told so when the call says that it may be.
    pub(super) fn bye_received(
        &mut self,
        cx: &mut Context<'_>,
        server: ServerId,
        bye: &Message<'_>,
    ) {
        let bytes = self.write_response(cx, bye, &Reply::status(200), |_| {});
        cx.sent(self.id, &status_words(200, bye.method()), &[]);
        self.farewell = Some((server, bytes));
        let cause = Cause::of_message(bye).unwrap_or(Cause::NORMAL_CLEARING);
        let status = matches!(self.phase, Phase::Incoming(_)).then_some(487);
        if status.is_some() {
            // A BYE in an early dialog also ends the INVITE (RFC 3261 section 15.1.2).
            self.reject(cx, &Rejection { cause, status }, None, None);
        }
        self.leave(
            cx,
            Release {
                cause,
                by_party: true,
                status,
            },
        );
    }

    /// Answers the BYE of the peer.
    pub(super) fn confirm_release(&mut self, cx: &mut Context<'_>) {
        if let Some((server, bytes)) = self.farewell.take() {
            let now = cx.stack.now.time;
            // A transaction that is over has nobody left who waits for this.
            let _ = cx.stack.transactions.respond(now, server, bytes, 200);
        }
    }

    /// The leg is over, and the call is told why.
    pub(super) fn leave(&mut self, cx: &mut Context<'_>, release: Release) {
        self.finish(cx);
        cx.stack.emit(self.id, LegEvent::Released(release));
    }
}

/// Acknowledges a 2xx that nobody waits for and hangs up at once: a second phone behind a forking
/// proxy, or an INVITE that was sent before a restart.
pub(crate) fn let_go(stack: &mut Stack, flow: Flow, response: &Message<'_>) {
    let Some(mut dialog) = dialog_of_stray(response) else {
        return;
    };
    let Ok(cseq) = response.cseq() else { return };
    let public = stack.public_address(flow.transport, flow.local);
    let mut bytes = Vec::with_capacity(512);
    let branch = Branch(stack.random_u64()).text();
    dialog
        .ack_for(&mut bytes, cseq.number, |builder| {
            builder.via(flow.transport, &public, branch, true);
        })
        .finish();
    let ack: Arc<[u8]> = bytes.as_slice().into();
    stack.outputs.push_back(Output::Send {
        flow,
        server_name: None,
        bytes: ack,
    });
    let branch = Branch(stack.random_u64()).text();
    dialog
        .request(&mut bytes, Method::Bye, |builder| {
            builder.via(flow.transport, &public, &branch, true);
        })
        .finish();
    let now = stack.now.time;
    let usage = TransactionUse::Nobody;
    // Where there is no place for a transaction the peer ends by its own timers.
    let _ = stack
        .transactions
        .request(now, flow, bytes, Method::Bye, &branch, usage);
}

/// The dialog that a 2xx makes when the INVITE is not at hand: From, To and CSeq of the response
/// repeat those of the INVITE.
fn dialog_of_stray(response: &Message<'_>) -> Option<Dialog> {
    let (from, to) = (response.from().ok()?, response.to().ok()?);
    let mut invite = Vec::with_capacity(512);
    let mut builder = RequestBuilder::new(&mut invite, Method::Invite, to.uri_text());
    builder.header(
        Name::From,
        format_args!("<{}>;tag={}", from.uri_text(), from.tag()?),
    );
    builder.header(Name::To, format_args!("<{}>", to.uri_text()));
    builder
        .copy(response, Name::CallId)
        .copy(response, Name::CSeq)
        .finish();
    let invite = Message::parse(&invite).ok()?;
    Dialog::from_response(&invite, response, false).ok()
}
