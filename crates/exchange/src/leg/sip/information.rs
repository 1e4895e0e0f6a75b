//! INFO and MESSAGE inside a dialog: passed on as they are, with the other party's reply.

use fernamt_sip::message::{KeptMessage, Message, Method, Name};
use fernamt_sip::transaction::ServerId;

use super::transaction_use::{Purpose, TransactionUse};
use super::write::Reply;
use super::{Context, SipLeg};
use crate::leg::{Information, InformationKind, LegEvent, ReplyToken};

/// Requests of one peer that may wait for a reply at the same time.
const MAX_PENDING: usize = 8;

/// A request that waits for the other party's reply.
#[derive(Debug)]
pub(super) struct PendingInformation {
    reply: ReplyToken,
    server: ServerId,
    request: KeptMessage,
}

impl SipLeg {
    /// INFO or MESSAGE has come inside the dialog.
    pub(super) fn information_received(
        &mut self,
        cx: &mut Context<'_>,
        server: ServerId,
        request: &Message<'_>,
    ) {
        if self.informations.len() >= MAX_PENDING {
            return self.respond(cx, server, request, &Reply::status(503), |builder| {
                builder.header(Name::RetryAfter, 1);
            });
        }
        let reply = ReplyToken(cx.stack.random_u64());
        let kind = match request.method() {
            Method::Message => InformationKind::Message,
            _ => InformationKind::Info,
        };
        let information = Information {
            kind,
            content_type: request.content_type().unwrap_or_default().into(),
            package: request.value_of("Info-Package").map(Into::into),
            body: request.body().into(),
        };
        let request = KeptMessage::new(request);
        self.informations.push(PendingInformation {
            reply,
            server,
            request,
        });
        cx.stack
            .emit(self.id, LegEvent::Information { information, reply });
    }

    /// Everything that waits for a reply gets this one.
    pub(super) fn reply_to_all(&mut self, cx: &mut Context<'_>, status: u16) {
        for pending in std::mem::take(&mut self.informations) {
            let request = pending.request.message();
            self.respond(cx, pending.server, &request, &Reply::status(status), |_| {});
        }
    }

    /// The other party has replied.
    pub(super) fn reply_information(
        &mut self,
        cx: &mut Context<'_>,
        reply: ReplyToken,
        status: u16,
    ) {
        let found = self
            .informations
            .iter()
            .position(|pending| pending.reply == reply);
        let Some(found) = found else { return };
        let pending = self.informations.swap_remove(found);
        let request = pending.request.message();
        self.respond(cx, pending.server, &request, &Reply::status(status), |_| {});
    }

    /// Passes something on to the peer.
    pub(super) fn inform(
        &mut self,
        cx: &mut Context<'_>,
        information: &Information,
        reply: ReplyToken,
    ) {
        let method = match information.kind {
            InformationKind::Info => Method::Info,
            InformationKind::Message => Method::Message,
        };
        let usage = TransactionUse::Leg(self.id, Purpose::Information(reply));
        let has_body = !information.body.is_empty();
        let body = has_body.then_some((&*information.content_type, &*information.body));
        let sent = self.request_in_dialog(cx, method, usage, body, |builder| {
            if let Some(package) = &information.package {
                builder.header_raw("Info-Package", package);
            }
        });
        if sent.is_none() {
            cx.stack
                .emit(self.id, LegEvent::InformationReplied { reply, status: 480 });
        }
    }
}
