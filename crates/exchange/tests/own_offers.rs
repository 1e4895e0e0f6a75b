//! Offers of the exchange itself, to which no other party belongs: what becomes of them when they are
//! not answered, or not as they should be.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod rig;

use std::time::Duration;

use fernamt_exchange::media::{self, EndpointId};
use rig::body;
use rig::sdp::{Kind, answer, crypto};
use rig::secure::{Talking, talking};

fn endpoint_of_bert(call: &Talking) -> EndpointId {
    call.rig.remotes()[1].0
}

/// Bert is offered other keys, and says only that he is at work.
fn renewal_without_end() -> (Talking, String) {
    let mut call = talking(Kind::Plain, "required");
    let endpoint = endpoint_of_bert(&call);
    call.media(media::Event::KeyOld { endpoint });
    let renewal = call.bert.expect(&mut call.rig, "INVITE");
    call.bert
        .respond(&mut call.rig, &renewal, "100 Trying", "", "");
    (call, renewal)
}

/// The other party can change the call, and nobody was hung up on.
fn goes_on(call: &mut Talking) {
    let offer = call.offer.replace("1 1 IN", "1 2 IN");
    let (offered, _) = call.reoffer(&offer);
    assert!(!offered.is_empty());
    assert!(call.rig.records.is_empty());
}

#[test]
fn a_renewal_that_is_never_answered_is_taken_back_and_the_call_goes_on() {
    for final_response in [Some("487 Request Terminated"), None] {
        let (mut call, renewal) = renewal_without_end();
        call.rig.pass(Duration::from_millis(31_999));
        call.bert.expect_nothing(&mut call.rig);
        call.rig.pass(Duration::from_millis(1));
        let cancel = call.bert.expect(&mut call.rig, "CANCEL");
        call.bert.respond(&mut call.rig, &cancel, "200 OK", "", "");
        match final_response {
            Some(status) => {
                call.bert.respond(&mut call.rig, &renewal, status, "", "");
                call.bert.expect(&mut call.rig, "ACK");
            }
            None => call.rig.pass(Duration::from_secs(32)),
        }
        call.bert.expect_nothing(&mut call.rig);
        call.anna.expect_nothing(&mut call.rig);
        goes_on(&mut call);
    }
}

#[test]
fn an_answer_that_crosses_the_cancel_counts() {
    let (mut call, renewal) = renewal_without_end();
    call.rig.pass(Duration::from_secs(32));
    call.bert.expect(&mut call.rig, "CANCEL");
    let his = answer(&body(&renewal), "198.51.100.8", 5000, true);
    call.bert
        .respond(&mut call.rig, &renewal, "200 OK", "", &his);
    call.bert.expect(&mut call.rig, "ACK");
    let (offered, _) = call.reoffer(&call.offer.replace("1 1 IN", "1 2 IN"));
    assert_eq!(crypto(&offered), crypto(&body(&renewal)));
}

#[test]
fn an_offer_of_the_other_party_may_take_as_long_as_a_person_needs() {
    let mut call = talking(Kind::Plain, "required");
    let offer = call.offer.replace("1 1 IN", "1 2 IN");
    let reinvite = call.anna.in_dialog(&mut call.hers, "INVITE", "", &offer);
    call.anna.send(&mut call.rig, &reinvite);
    call.anna.expect(&mut call.rig, "SIP/2.0 100");
    let invite = call.bert.expect(&mut call.rig, "INVITE");
    call.bert
        .respond(&mut call.rig, &invite, "180 Ringing", "", "");
    call.rig.pass(Duration::from_secs(180));
    call.bert.expect_nothing(&mut call.rig);
    call.rig.pass(Duration::from_secs(1));
    call.bert.expect(&mut call.rig, "CANCEL");
    call.bert
        .respond(&mut call.rig, &invite, "487 Request Terminated", "", "");
    call.bert.expect(&mut call.rig, "ACK");
    call.anna.expect(&mut call.rig, "SIP/2.0 408");
    goes_on(&mut call);
}
