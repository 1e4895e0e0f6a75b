//! The requests of a call that is being placed, written out: INVITE and PRACK.

use fernamt_sip::builder::RequestBuilder;
use fernamt_sip::dialog::Dialog;
use fernamt_sip::dialog::session_timer::SessionTimerOffer;
use fernamt_sip::message::{Method, Name};
use fernamt_sip::time::Time;
use fernamt_sip::transport::Flow;

use super::offer::SDP;
use super::stack::{ALLOW, Purpose, SUPPORTED, SentRequest, Stack, USER_AGENT, write_via};
use super::talk;

/// What names a call in its INVITE.
pub(super) struct Head<'a> {
    pub(super) uri: &'a str,
    pub(super) flow: Flow,
    pub(super) call_id: &'a str,
    pub(super) from_tag: &'a str,
    pub(super) cseq: u32,
}

/// Sends the INVITE of a call.
pub(super) fn send_invite(
    stack: &mut Stack,
    now: Time,
    head: &Head<'_>,
    timer: SessionTimerOffer,
    offer: &str,
) -> Option<SentRequest> {
    let branch = stack.random.branch();
    let own = stack.own_uri(head.flow);
    let mut bytes = Vec::with_capacity(1_024);
    let mut request = RequestBuilder::new(&mut bytes, Method::Invite, head.uri);
    write_via(&mut request, head.flow, &branch);
    request
        .header(Name::MaxForwards, 70)
        .header(Name::From, format_args!("<{own}>;tag={}", head.from_tag))
        .header(Name::To, format_args!("<{}>", head.uri))
        .header(Name::CallId, head.call_id)
        .header(Name::CSeq, format_args!("{} INVITE", head.cseq))
        .header(Name::Contact, stack.contact(head.flow))
        .header(Name::Allow, ALLOW)
        .header(Name::Supported, SUPPORTED)
        .header(Name::UserAgent, USER_AGENT);
    if let Some(expires) = timer.session_expires {
        request.header(Name::SessionExpires, expires);
    }
    if let Some(least) = timer.min_se_seconds {
        request.header(Name::MinSe, least);
    }
    request.body(SDP, offer.as_bytes());
    stack.request(
        now,
        head.flow,
        Purpose::Invite,
        Method::Invite,
        &branch,
        bytes,
    )
}

/// RFC 3262 section 4.
pub(super) fn prack(
    stack: &mut Stack,
    now: Time,
    dialog: &mut Dialog,
    flow: Flow,
    rseq: u32,
    invite_cseq: u32,
) {
    let branch = stack.random.branch();
    let way = talk::flow_of(stack, dialog, flow);
    let mut bytes = Vec::with_capacity(512);
    dialog
        .request(&mut bytes, Method::Prack, |request| {
            write_via(request, way, &branch)
        })
        .header(Name::RAck, format_args!("{rseq} {invite_cseq} INVITE"))
        .header(Name::UserAgent, USER_AGENT)
        .finish();
    stack.request(now, way, Purpose::Prack, Method::Prack, &branch, bytes);
}
