//! Two phones and a call between them.

use fernamt_sip::transport::Transport;

use super::{Phone, Rig, Talk, body};

pub(crate) const OFFER: &str = "v=0\r\no=phone 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\n";
pub(crate) const ANSWER: &str = "v=0\r\no=phone 2 1 IN IP4 198.51.100.8\r\ns=-\r\nc=IN IP4 198.51.100.8\r\nt=0 0\r\nm=audio 5000 RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\n";

/// Two registered phones.
pub(crate) fn two_phones(rig: &mut Rig) -> (Phone, Phone) {
    two_phones_on(rig, Transport::Udp, Transport::Udp)
}

/// Two registered phones, Anna's and Bert's, each on its transport.
pub(crate) fn two_phones_on(
    rig: &mut Rig,
    of_anna: Transport,
    of_bert: Transport,
) -> (Phone, Phone) {
    let mut anna = Phone::on(of_anna, "anna", 7);
    let mut bert = Phone::on(of_bert, "bert", 8);
    anna.register(rig);
    bert.register(rig);
    (anna, bert)
}

/// A call that both have confirmed.
pub(crate) fn talking(rig: &mut Rig, anna: &mut Phone, bert: &Phone) -> (Talk, Talk) {
    let sent = anna.invite(rig, "sip:bert@192.0.2.1", "", OFFER);
    let invite = bert.expect(rig, "INVITE");
    bert.respond(rig, &invite, "180 Ringing", "", "");
    anna.expect(rig, "SIP/2.0 180");
    bert.respond(rig, &invite, "200 OK", "", ANSWER);
    bert.expect(rig, "ACK");
    let answer = anna.expect(rig, "SIP/2.0 200");
    let mut hers = anna.talk_as_caller(&sent, &answer);
    anna.confirm(rig, &mut hers, "");
    (hers, bert.talk_as_callee(&invite))
}

/// Anna calls without an offer, and Bert answers with one of his own: her dialog, and what she is offered.
pub(crate) fn call_late(
    rig: &mut Rig,
    anna: &mut Phone,
    bert: &Phone,
    offer: &str,
) -> (Talk, String) {
    let sent = anna.invite(rig, "sip:bert@192.0.2.1", "", "");
    let invite = bert.expect(rig, "INVITE");
    assert!(body(&invite).is_empty(), "{invite}");
    bert.respond(rig, &invite, "200 OK", "", offer);
    let ok = anna.expect(rig, "SIP/2.0 200");
    (anna.talk_as_caller(&sent, &ok), body(&ok))
}

/// Anna talks with the echo.
pub(crate) fn call_echo(rig: &mut Rig, anna: &mut Phone, offer: &str) -> Talk {
    let sent = anna.invite(rig, "sip:*43@192.0.2.1", "", offer);
    let ok = anna.expect(rig, "SIP/2.0 200");
    let mut hers = anna.talk_as_caller(&sent, &ok);
    anna.confirm(rig, &mut hers, "");
    hers
}
