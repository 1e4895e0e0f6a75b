//! Two phones and a call between them.

use super::{Phone, Rig, Talk};

pub(crate) const OFFER: &str = "v=0\r\no=phone 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\n";
pub(crate) const ANSWER: &str = "v=0\r\no=phone 2 1 IN IP4 198.51.100.8\r\ns=-\r\nc=IN IP4 198.51.100.8\r\nt=0 0\r\nm=audio 5000 RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\n";

/// Two registered phones.
pub(crate) fn two_phones(rig: &mut Rig) -> (Phone, Phone) {
    let mut anna = Phone::new("anna", "198.51.100.7:5060");
    let mut bert = Phone::new("bert", "198.51.100.8:5060");
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
    let ack = anna.in_dialog(&mut hers, "ACK", "", "");
    anna.send(rig, &ack);
    (hers, bert.talk_as_callee(&invite))
}
