//! Responses without a transaction: refusals and challenges, which cost a flood of requests nothing
//! but the answers (RFC 3261 section 8.2.7).

use std::net::SocketAddr;
use std::sync::Arc;

use fernamt_sip::builder::ResponseBuilder;
use fernamt_sip::message::{Message, ParseError, Salvage};
use fernamt_sip::transport::{Flow, Transport};

use super::Place;
use crate::exchange::{Exchange, hash_bytes};
use crate::interface::Output;

/// Where the response to a request goes: back along the flow it came on. Over UDP without `rport`
/// it goes to the port in the Via (RFC 3261 section 18.2.2), unless the Via names another address
/// than the one the request came from: then there is a NAT in between, and its port counts.
pub(crate) fn response_flow(flow: Flow, request: &Message<'_>) -> Flow {
    if flow.transport != Transport::Udp {
        return flow;
    }
    let Ok(via) = request.top_via() else {
        return flow;
    };
    let same_host = via
        .host()
        .ip()
        .is_some_and(|ip| ip.to_canonical() == flow.remote.ip());
    if via.wants_rport() || !same_host {
        return flow;
    }
    let port = via.port().unwrap_or(Transport::Udp.default_port());
    Flow {
        remote: SocketAddr::new(flow.remote.ip(), port),
        ..flow
    }
}

impl Exchange {
    /// Answers a request without remembering it.
    pub(crate) fn respond_stateless(
        &mut self,
        flow: Flow,
        request: &Message<'_>,
        status: u16,
        more: impl FnOnce(&mut ResponseBuilder<'_>),
    ) {
        self.respond_with_reason(flow, request, status, None, more);
    }

    /// As [`Exchange::respond_stateless`], with a reason phrase of its own.
    pub(crate) fn respond_with_reason(
        &mut self,
        flow: Flow,
        request: &Message<'_>,
        status: u16,
        reason: Option<&str>,
        more: impl FnOnce(&mut ResponseBuilder<'_>),
    ) {
        let bytes = self.write_response(flow, request, status, reason, more);
        let flow = response_flow(flow, request);
        self.stack.outputs.push_back(Output::Send {
            flow,
            server_name: None,
            bytes,
        });
    }

    /// Answers a request that has a transaction.
    pub(crate) fn respond_to(
        &mut self,
        place: Place,
        request: &Message<'_>,
        status: u16,
        more: impl FnOnce(&mut ResponseBuilder<'_>),
    ) {
        let bytes = self.write_response(place.flow, request, status, None, more);
        let now = self.stack.now.time;
        // Where the transaction is over nobody waits for this any more.
        let _ = self
            .stack
            .transactions
            .respond(now, place.server, bytes, status);
    }

    fn write_response(
        &mut self,
        flow: Flow,
        request: &Message<'_>,
        status: u16,
        reason: Option<&str>,
        more: impl FnOnce(&mut ResponseBuilder<'_>),
    ) -> Arc<[u8]> {
        let tag = stateless_tag(request);
        let mut scratch = std::mem::take(&mut self.stack.scratch);
        let source = Some(flow.remote);
        let mut builder =
            ResponseBuilder::for_request(&mut scratch, request, status, reason, Some(&tag), source);
        more(&mut builder);
        builder.finish();
        let bytes = scratch.as_slice().into();
        self.stack.scratch = scratch;
        bytes
    }

    /// Answers bytes that are no message, where they can be answered.
    pub(crate) fn respond_to_garbage(&mut self, flow: Flow, bytes: &[u8], error: &ParseError) {
        let (Some(status), Some(salvage)) = (error.status(), Salvage::from_bytes(bytes)) else {
            return;
        };
        let reason = error.kind.reason_phrase();
        let mut response = Vec::with_capacity(512);
        let source = Some(flow.remote);
        let tag = Some("malformed");
        ResponseBuilder::for_salvage(&mut response, &salvage, status, Some(reason), tag, source)
            .finish();
        let bytes = response.into();
        self.stack.outputs.push_back(Output::Send {
            flow,
            server_name: None,
            bytes,
        });
    }
}

/// The tag of a stateless response is the same for every copy of a request.
fn stateless_tag(request: &Message<'_>) -> String {
    let call_id = request.call_id().unwrap_or_default();
    let branch = request
        .top_via()
        .ok()
        .and_then(|via| via.branch())
        .unwrap_or_default();
    format!(
        "{:08x}{:08x}",
        hash_bytes(call_id.as_bytes()),
        hash_bytes(branch.as_bytes())
    )
}
