//! Whether a request has been here before (RFC 3261 section 16.3).

use crate::message::Message;
use crate::uri::Host;

/// Whether one of the Vias was written by us: the request has gone in a circle, and is to be
/// answered with 482.
///
/// `is_ours` is asked for each host and port that a Via names. A back-to-back user agent begins
/// its Vias anew, so that only circles through proxies are found here; Max-Forwards finds the rest.
/// A Via that cannot be read is passed over.
pub fn has_passed(message: &Message<'_>, is_ours: impl Fn(Host<'_>, Option<u16>) -> bool) -> bool {
    message
        .vias()
        .flatten()
        .any(|via| is_ours(via.host(), via.port()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_carries_our_via_has_gone_in_a_circle() {
        let request = "OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK2, \
            SIP/2.0/TCP Fernamt.example:5062;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n\
            To: <sip:c@d>\r\nCall-ID: x\r\nCSeq: 7 OPTIONS\r\n\r\n";
        let request = Message::parse(request.as_bytes()).unwrap();
        let ours = Host::Name("fernamt.example");
        assert!(has_passed(&request, |host, port| host == ours && port == Some(5062)));
        assert!(!has_passed(&request, |host, port| host == ours && port == Some(5060)));
    }
}
