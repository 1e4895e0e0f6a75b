//! The requests that the transaction layer writes on its own, out of the INVITE that it sent: ACK
//! to a final response that is no 2xx, and CANCEL.

use crate::builder::RequestBuilder;
use crate::message::{Message, Method, Name};

/// Max-Forwards of a new request (RFC 3261 section 8.1.1.6).
const MAX_FORWARDS: u8 = 70;

/// Writes the ACK for `response`, no 2xx, to `invite` (RFC 3261 section 17.1.1.3).
pub(super) fn ack(out: &mut Vec<u8>, invite: &Message<'_>, response: &Message<'_>) {
    let to = response.value(Name::To).or_else(|| invite.value(Name::To));
    write(out, Method::Ack, invite, to, None);
}

/// Writes the CANCEL for `invite` (RFC 3261 section 9.1), with a Reason (RFC 3326).
pub(super) fn cancel(out: &mut Vec<u8>, invite: &Message<'_>, reason: Option<&str>) {
    write(out, Method::Cancel, invite, invite.value(Name::To), reason);
}

fn write(
    out: &mut Vec<u8>,
    method: Method<'_>,
    invite: &Message<'_>,
    to: Option<&str>,
    reason: Option<&str>,
) {
    let mut request = RequestBuilder::new(out, method, invite.request_uri().unwrap_or(""));
    // The single Via is the top one of the INVITE, branch included.
    if let Ok(via) = invite.top_via() {
        request.header(Name::Via, via);
    }
    request.header(Name::MaxForwards, MAX_FORWARDS);
    request.copy(invite, Name::Route).copy(invite, Name::From);
    if let Some(to) = to {
        request.header(Name::To, to);
    }
    request.copy(invite, Name::CallId);
    if let Ok(cseq) = invite.cseq() {
        request.header(Name::CSeq, (cseq.number, [" ", method.as_str()]));
    }
    if let Some(reason) = reason {
        request.header(Name::Reason, reason);
    }
    request.finish();
}

#[cfg(test)]
mod tests {
    use super::*;

    const INVITE: &str = "INVITE sip:bob@example.com;x=y SIP/2.0\r\n\
        Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKtop;rport\r\n\
        Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKbelow\r\n\
        Max-Forwards: 12\r\nRoute: <sip:p1;lr>, <sip:p2;lr>\r\nRoute: <sip:p3;lr>\r\n\
        From: \"A\" <sip:a@b>;tag=1\r\nTo: <sip:bob@example.com>\r\nCall-ID: call\r\n\
        CSeq: 4711 INVITE\r\nContact: <sip:a@192.0.2.1>\r\nRequire: 100rel\r\n\
        Content-Type: application/sdp\r\nContent-Length: 4\r\n\r\nv=0\n";

    #[test]
    fn an_ack_is_written_from_the_invite_and_the_tag_of_the_response() {
        let invite = Message::parse(INVITE.as_bytes()).unwrap();
        let response = INVITE
            .replace(
                "INVITE sip:bob@example.com;x=y SIP/2.0",
                "SIP/2.0 486 Busy Here",
            )
            .replace(
                "To: <sip:bob@example.com>",
                "To: <sip:bob@example.com>;tag=2",
            );
        let mut out = Vec::new();
        ack(
            &mut out,
            &invite,
            &Message::parse(response.as_bytes()).unwrap(),
        );
        let expected = "ACK sip:bob@example.com;x=y SIP/2.0\r\n\
            Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKtop;rport\r\nMax-Forwards: 70\r\n\
            Route: <sip:p1;lr>, <sip:p2;lr>\r\nRoute: <sip:p3;lr>\r\n\
            From: \"A\" <sip:a@b>;tag=1\r\nTo: <sip:bob@example.com>;tag=2\r\nCall-ID: call\r\n\
            CSeq: 4711 ACK\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(core::str::from_utf8(&out), Ok(expected));
    }

    #[test]
    fn a_cancel_has_no_tag_and_nothing_that_must_be_understood() {
        let invite = Message::parse(INVITE.as_bytes()).unwrap();
        let mut out = Vec::new();
        cancel(
            &mut out,
            &invite,
            Some("SIP;cause=200;text=\"Call completed elsewhere\""),
        );
        let cancel = Message::parse(&out).unwrap();
        assert_eq!(cancel.method(), Method::Cancel);
        assert_eq!(cancel.value(Name::To), Some("<sip:bob@example.com>"));
        assert_eq!(cancel.value(Name::CSeq), Some("4711 CANCEL"));
        assert_eq!(cancel.values(Name::Via).count(), 1);
        assert_eq!(cancel.routes().count(), 3);
        assert_eq!(cancel.value(Name::Require), None);
        assert_eq!(
            cancel.reason().and_then(|reason| reason.sip_status()),
            Some(200)
        );
    }
}
