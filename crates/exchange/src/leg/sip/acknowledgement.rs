//! The ACK to a 2xx (RFC 3261 section 13.2.2.4): its own request outside any transaction, sent once
//! there is an answer for it, and again whenever the 2xx comes again.

use std::sync::Arc;

use fernamt_sip::message::Message;
use fernamt_sip::transaction::ClientId;

use super::flow::request_flow;
use super::write::{Branch, SDP, write_encryption};
use super::{Context, Phase, SipLeg};
use crate::interface::Output;
use crate::stack::Stack;

/// A 2xx with an offer whose ACK needs an answer.
#[derive(Debug)]
pub(crate) struct OwingAck {
    /// Its transaction; after a restart there is none.
    pub(super) client: Option<ClientId>,
    pub(super) cseq: u32,
    pub(super) to_tag: Box<str>,
}

impl OwingAck {
    /// The transaction and the CSeq of the INVITE.
    pub(super) fn ids(&self) -> (Option<ClientId>, u32) {
        (self.client, self.cseq)
    }
}

impl SipLeg {
    /// The ACK to a 2xx (RFC 3261 section 13.2.2.4).
    pub(super) fn send_ack(
        &mut self,
        cx: &mut Context<'_>,
        client: impl Into<Option<ClientId>>,
        cseq: u32,
        to_tag: &str,
        answer: Option<&[u8]>,
    ) {
        let Some(bytes) = self.write_ack(cx.stack, cseq, answer) else {
            return;
        };
        cx.sent(self.id, "ACK", answer.unwrap_or(&[]));
        let flow = match self.dialog.as_deref() {
            Some(dialog) if dialog.route_set.is_empty() => {
                request_flow(self.flow, &dialog.remote_target)
            }
            _ => self.flow,
        };
        if let Some(client) = client.into() {
            let transactions = &mut cx.stack.transactions;
            transactions.acknowledge(client, flow, bytes, to_tag);
            return;
        }
        self.acknowledgement = Some((cseq, Arc::clone(&bytes)));
        let server_name = cx.stack.server_name(&flow);
        cx.stack.outputs.push_back(Output::Send {
            flow,
            server_name,
            bytes,
        });
    }

    pub(super) fn write_ack(
        &self,
        stack: &mut Stack,
        cseq: u32,
        answer: Option<&[u8]>,
    ) -> Option<Arc<[u8]>> {
        let public = stack.public_address(self.flow.transport, self.flow.local);
        let branch = Branch(stack.random_u64()).text();
        let dialog = self.dialog.as_deref()?;
        let mut scratch = std::mem::take(&mut stack.scratch);
        let mut builder = dialog.ack_for(&mut scratch, cseq, |builder| {
            builder.via(self.flow.transport, &public, &branch, true);
        });
        if answer.is_some() {
            write_encryption(&mut builder, self.encryption);
        }
        match answer {
            Some(answer) => builder.body(SDP, answer),
            None => builder.finish(),
        }
        let bytes: Arc<[u8]> = scratch.as_slice().into();
        stack.scratch = scratch;
        Some(bytes)
    }

    /// A 2xx from before a restart comes again. False: it is of another dialog. One whose ACK needs an
    /// answer that we do not have yet goes on coming.
    pub(crate) fn acknowledge_again(
        &mut self,
        cx: &mut Context<'_>,
        response: &Message<'_>,
    ) -> bool {
        let of_dialog = self
            .dialog
            .as_deref()
            .is_some_and(|dialog| dialog.matches(response));
        let Some(cseq) = response.cseq().ok().filter(|_| of_dialog) else {
            return false;
        };
        if matches!(self.phase, Phase::OwingAck(_)) {
            return true;
        }
        let known = self.acknowledgement.as_ref();
        let known = known.filter(|(of, _)| *of == cseq.number);
        let bytes = match known {
            Some((_, bytes)) => Some(Arc::clone(bytes)),
            None => self.write_ack(cx.stack, cseq.number, None),
        };
        if let Some(bytes) = bytes {
            cx.stack.outputs.push_back(Output::Send {
                flow: self.flow,
                server_name: None,
                bytes,
            });
        }
        true
    }
}
