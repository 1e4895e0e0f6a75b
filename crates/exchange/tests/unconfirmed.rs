//! A caller that has not confirmed its answer is left alone until it has.

mod rig;

use rig::{ANSWER, OFFER, Rig, two_phones};

#[test]
fn an_offer_waits_until_the_caller_has_confirmed_the_answer() {
    let mut rig = Rig::new();
    let (mut anna, bert) = two_phones(&mut rig);
    let sent = anna.invite(&mut rig, "sip:bert@192.0.2.1", "", OFFER);
    let invite = bert.expect(&mut rig, "INVITE");
    bert.respond(&mut rig, &invite, "200 OK", "", ANSWER);
    bert.expect(&mut rig, "ACK");
    let answer = anna.expect(&mut rig, "SIP/2.0 200");
    let mut his = bert.talk_as_callee(&invite);
    let reinvite = bert.in_dialog(&mut his, "INVITE", "", ANSWER);
    bert.send(&mut rig, &reinvite);
    bert.expect(&mut rig, "SIP/2.0 100");
    bert.expect(&mut rig, "SIP/2.0 491");
    anna.expect_nothing(&mut rig);
    let mut hers = anna.talk_as_caller(&sent, &answer);
    anna.confirm(&mut rig, &mut hers, "");
    let reinvite = bert.in_dialog(&mut his, "INVITE", "", ANSWER);
    bert.send(&mut rig, &reinvite);
    anna.expect(&mut rig, "INVITE");
}
