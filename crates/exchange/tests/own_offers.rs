//! Offers of the exchange itself, to which no other party belongs: what becomes of them when they are
//! not answered, or not as they should be.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod rig;

use std::time::Duration;

use fernamt_exchange::media::Protection;
use fernamt_exchange::media::{self, EndpointId};
use rig::sdp::{Kind, OTHER_KEY, answer, crypto};
use rig::secure::{Talking, config, talking};
use rig::{Rig, body};

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

/// A key of the party's that is none of the others.
const NEW_KEY: &str = "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9";

/// Anna knows of session timers and not of UPDATE: the re-INVITE that refreshes the session with her.
fn refresh() -> (Talking, String) {
    let mut rig = Rig::with(config());
    rig.wish("bert", "never", "automatic");
    let (mut anna, bert) = rig::two_phones(&mut rig);
    let offer = Kind::Sdes.offer("198.51.100.7", 4000);
    let sent = anna.invite(
        &mut rig,
        "sip:bert@192.0.2.1",
        "Supported: timer\r\n",
        &offer,
    );
    let invite = bert.expect(&mut rig, "INVITE");
    bert.accept(&mut rig, &invite, false);
    bert.expect(&mut rig, "ACK");
    let ok = anna.expect(&mut rig, "SIP/2.0 200");
    let mut hers = anna.talk_as_caller(&sent, &ok);
    anna.confirm(&mut rig, &mut hers, "");
    let mut call = Talking {
        his: bert.talk_as_callee(&invite),
        hers,
        rig,
        anna,
        bert,
        offer,
        offered: body(&invite),
        answered: body(&ok),
    };
    for _ in 0..1800 {
        call.rig.pass(Duration::from_secs(1));
        while let Some(request) = call.rig.next_for(&call.bert) {
            call.bert.respond(&mut call.rig, &request, "200 OK", "", "");
        }
        if let Some(request) = call.rig.next_for(&call.anna) {
            assert!(request.starts_with("INVITE"), "{request}");
            return (call, request);
        }
    }
    panic!("no refresh")
}

#[test]
fn a_refresh_may_be_answered_with_other_keys() {
    let (mut call, refresh) = refresh();
    let offered = body(&refresh);
    assert_eq!(crypto(&offered), crypto(&call.answered));
    let hers = answer(&offered, "198.51.100.7", 4000, true).replace(OTHER_KEY, NEW_KEY);
    let before = call.sides();
    call.anna
        .respond(&mut call.rig, &refresh, "200 OK", "", &hers);
    call.anna.expect(&mut call.rig, "ACK");
    let after = call.sides();
    let (Protection::Sdes(before), Protection::Sdes(after)) =
        (before.0.protection, after.0.protection)
    else {
        panic!()
    };
    assert_eq!(before.ours, after.ours);
    assert_ne!(before.theirs, after.theirs);
}

#[test]
fn a_refresh_that_is_never_answered_is_taken_back_and_tried_again() {
    let (mut call, refresh) = refresh();
    call.anna
        .respond(&mut call.rig, &refresh, "100 Trying", "", "");
    call.rig.pass(Duration::from_secs(32));
    let cancel = call.anna.expect(&mut call.rig, "CANCEL");
    call.anna.respond(&mut call.rig, &cancel, "200 OK", "", "");
    call.anna
        .respond(&mut call.rig, &refresh, "487 Request Terminated", "", "");
    call.anna.expect(&mut call.rig, "ACK");
    call.rig.pass(Duration::from_secs(5));
    let again = call.anna.expect(&mut call.rig, "INVITE");
    let hers = answer(&body(&again), "198.51.100.7", 4000, true);
    call.anna
        .respond(&mut call.rig, &again, "200 OK", "", &hers);
    call.anna.expect(&mut call.rig, "ACK");
    assert!(call.rig.records.is_empty());
}

/// What a party answers that does not fit leaves what it was told before.
#[test]
fn an_answer_to_a_renewal_that_does_not_fit_leaves_what_the_party_was_told() {
    let fitting = |offered: &str| answer(offered, "198.51.100.8", 5000, true);
    let answers: [fn(String) -> String; 4] = [
        |fits| fits.replace("SAVP", "AVP"),
        |fits| fits.replace("a=crypto:1 ", "a=crypto:9 "),
        |_| String::new(),
        |_| "garbage".to_owned(),
    ];
    for change in answers {
        let mut call = talking(Kind::Plain, "required");
        let before = call.sides();
        let endpoint = endpoint_of_bert(&call);
        call.media(media::Event::KeyOld { endpoint });
        let renewal = call.bert.expect(&mut call.rig, "INVITE");
        let his = change(fitting(&body(&renewal)));
        call.bert
            .respond(&mut call.rig, &renewal, "200 OK", "", &his);
        call.bert.expect(&mut call.rig, "ACK");
        // The next offer of other keys is made from what was told before.
        call.media(media::Event::KeyOld { endpoint });
        let again = call.bert.expect(&mut call.rig, "INVITE");
        assert_ne!(crypto(&body(&again)), crypto(&body(&renewal)));
        call.bert
            .respond(&mut call.rig, &again, "488 Not Acceptable Here", "", "");
        call.bert.expect(&mut call.rig, "ACK");
        assert_eq!(before.1.protection, call.sides().1.protection);
        let bye = call.anna.in_dialog(&mut call.hers, "BYE", "", "");
        call.anna.send(&mut call.rig, &bye);
        let words = call.rig.words();
        assert!(words.contains("those in use stay"), "{words}");
        assert!(!words.contains("Other keys are in use"), "{words}");
    }
}
