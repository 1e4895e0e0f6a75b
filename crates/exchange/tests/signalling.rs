//! The finer points of SIP between the exchange and its phones: forking, reliable provisional
//! responses, late offers, UPDATE, redirection, session timers, messages, strangers.

mod rig;

use std::time::Duration;

use fernamt_exchange::config::Config;
use fernamt_exchange::interface::Input;
use fernamt_sip::message::Name;
use rig::{ANSWER, OFFER, Phone, Rig, body, header, talking, two_phones};

#[test]
fn all_bindings_ring_and_the_first_to_answer_wins() {
    let mut rig = Rig::new();
    let (mut anna, bert) = two_phones(&mut rig);
    let mut mobile = Phone::new("bert", "198.51.100.9:5060");
    mobile.register(&mut rig);
    anna.invite(&mut rig, "sip:bert@192.0.2.1", "", OFFER);
    let at_home = bert.expect(&mut rig, "INVITE");
    let away = mobile.expect(&mut rig, "INVITE");
    bert.respond(&mut rig, &at_home, "180 Ringing", "", "");
    mobile.respond(&mut rig, &away, "180 Ringing", "", "");
    anna.expect(&mut rig, "SIP/2.0 180");
    mobile.respond(&mut rig, &away, "200 OK", "", ANSWER);
    mobile.expect(&mut rig, "ACK");
    anna.expect(&mut rig, "SIP/2.0 200");
    let cancel = bert.expect(&mut rig, "CANCEL");
    assert_eq!(
        header(&cancel, Name::Reason),
        "SIP;cause=200;text=\"Call completed elsewhere\""
    );
    bert.respond(&mut rig, &cancel, "200 OK", "", "");
    bert.respond(&mut rig, &at_home, "487 Request Terminated", "", "");
    bert.expect(&mut rig, "ACK");
}

#[test]
fn a_lower_q_rings_only_when_the_higher_has_failed() {
    let mut rig = Rig::new();
    let mut anna = Phone::new("anna", "198.51.100.7:5060");
    anna.register(&mut rig);
    let mut first = Phone::new("bert", "198.51.100.8:5060");
    let mut second = Phone::new("bert", "198.51.100.9:5060");
    first.contact_params = ";q=0.9";
    second.contact_params = ";q=0.2";
    first.register(&mut rig);
    second.register(&mut rig);
    anna.invite(&mut rig, "sip:bert@192.0.2.1", "", OFFER);
    let invite = first.expect(&mut rig, "INVITE");
    second.expect_nothing(&mut rig);
    first.respond(&mut rig, &invite, "486 Busy Here", "", "");
    first.expect(&mut rig, "ACK");
    let invite = second.expect(&mut rig, "INVITE");
    second.respond(&mut rig, &invite, "480 Temporarily Unavailable", "", "");
    let best = anna.expect(&mut rig, "SIP/2.0 4");
    assert!(
        best.starts_with("SIP/2.0 486"),
        "busy says more than unavailable: {best}"
    );
}

#[test]
fn a_reliable_progress_is_acknowledged_on_both_legs() {
    let mut rig = Rig::new();
    let (mut anna, bert) = two_phones(&mut rig);
    let sent = anna.invite(
        &mut rig,
        "sip:bert@192.0.2.1",
        "Supported: 100rel\r\n",
        OFFER,
    );
    let invite = bert.expect(&mut rig, "INVITE");
    assert!(header(&invite, Name::Supported).contains("100rel"));
    bert.respond(
        &mut rig,
        &invite,
        "183 Session Progress",
        "Require: 100rel\r\nRSeq: 5\r\n",
        ANSWER,
    );
    let prack = bert.expect(&mut rig, "PRACK");
    let cseq = header(&invite, Name::CSeq);
    assert_eq!(header(&prack, Name::RAck), format!("5 {cseq}"));
    bert.respond(&mut rig, &prack, "200 OK", "", "");
    let progress = anna.expect(&mut rig, "SIP/2.0 183");
    assert_eq!(header(&progress, Name::Require), "100rel");
    assert!(body(&progress).contains("m=audio"));
    bert.respond(&mut rig, &invite, "200 OK", "", "");
    bert.expect(&mut rig, "ACK");
    anna.expect_nothing(&mut rig);
    let mut talk = anna.talk_as_caller(&sent, &progress);
    let rseq = header(&progress, Name::RSeq);
    let prack = anna.in_dialog(
        &mut talk,
        "PRACK",
        &format!("RAck: {rseq} {}\r\n", header(&sent, Name::CSeq)),
        "",
    );
    anna.send(&mut rig, &prack);
    anna.expect(&mut rig, "SIP/2.0 200");
    let answer = anna.expect(&mut rig, "SIP/2.0 200");
    assert_eq!(header(&answer, Name::CSeq), header(&sent, Name::CSeq));
}

#[test]
fn an_unacknowledged_reliable_progress_is_repeated() {
    let mut rig = Rig::new();
    let (mut anna, bert) = two_phones(&mut rig);
    anna.invite(&mut rig, "sip:bert@192.0.2.1", "Require: 100rel\r\n", OFFER);
    let invite = bert.expect(&mut rig, "INVITE");
    bert.respond(&mut rig, &invite, "180 Ringing", "", "");
    anna.expect(&mut rig, "SIP/2.0 180");
    rig.pass(Duration::from_millis(600));
    anna.expect(&mut rig, "SIP/2.0 180");
    rig.pass(Duration::from_secs(40));
    while let Some(text) = rig.next_for(&anna) {
        if text.starts_with("SIP/2.0 5") {
            return;
        }
    }
    panic!("no final response after the progress was never acknowledged");
}

#[test]
fn a_late_offer_is_carried_from_the_callee_and_answered_in_the_ack() {
    let mut rig = Rig::new();
    let (mut anna, bert) = two_phones(&mut rig);
    let sent = anna.invite(&mut rig, "sip:bert@192.0.2.1", "", "");
    let invite = bert.expect(&mut rig, "INVITE");
    assert!(body(&invite).is_empty());
    bert.respond(&mut rig, &invite, "200 OK", "", OFFER);
    bert.expect_nothing(&mut rig);
    let offer = anna.expect(&mut rig, "SIP/2.0 200");
    assert!(body(&offer).contains("c=IN IP4 192.0.2.1"));
    let mut talk = anna.talk_as_caller(&sent, &offer);
    anna.confirm(&mut rig, &mut talk, ANSWER);
    let ack = bert.expect(&mut rig, "ACK");
    assert!(body(&ack).contains("c=IN IP4 192.0.2.1"));
    let bridged = rig
        .media
        .iter()
        .any(|order| matches!(order, fernamt_exchange::media::Command::Bridge { .. }));
    assert!(bridged);
}

#[test]
fn a_late_offer_in_a_reliable_progress_is_answered_in_prack() {
    let mut rig = Rig::new();
    let (mut anna, bert) = two_phones(&mut rig);
    let sent = anna.invite(&mut rig, "sip:bert@192.0.2.1", "Supported: 100rel\r\n", "");
    let invite = bert.expect(&mut rig, "INVITE");
    bert.respond(
        &mut rig,
        &invite,
        "183 Session Progress",
        "Require: 100rel\r\nRSeq: 1\r\n",
        OFFER,
    );
    let progress = anna.expect(&mut rig, "SIP/2.0 183");
    let mut talk = anna.talk_as_caller(&sent, &progress);
    let rack = format!(
        "RAck: {} {}\r\n",
        header(&progress, Name::RSeq),
        header(&sent, Name::CSeq)
    );
    let prack = anna.in_dialog(&mut talk, "PRACK", &rack, ANSWER);
    anna.send(&mut rig, &prack);
    anna.expect(&mut rig, "SIP/2.0 200");
    let prack = bert.expect(&mut rig, "PRACK");
    assert!(body(&prack).contains("m=audio"));
    bert.respond(&mut rig, &prack, "200 OK", "", "");
    bert.respond(&mut rig, &invite, "200 OK", "", "");
    bert.expect(&mut rig, "ACK");
    anna.expect(&mut rig, "SIP/2.0 200");
}

#[test]
fn update_carries_an_offer_in_mid_call() {
    let mut rig = Rig::new();
    let (mut anna, bert) = two_phones(&mut rig);
    let (mut hers, _) = talking(&mut rig, &mut anna, &bert);
    let update = anna.in_dialog(
        &mut hers,
        "UPDATE",
        "",
        &OFFER.replace("phone 1 1", "phone 1 2"),
    );
    anna.send(&mut rig, &update);
    let invite = bert.expect(&mut rig, "INVITE");
    bert.respond(&mut rig, &invite, "200 OK", "", ANSWER);
    bert.expect(&mut rig, "ACK");
    let answer = anna.expect(&mut rig, "SIP/2.0 200");
    assert!(header(&answer, Name::CSeq).ends_with("UPDATE"));
    assert!(body(&answer).contains("m=audio"));
}

#[test]
fn a_reinvite_without_offer_is_carried_across() {
    let mut rig = Rig::new();
    let (mut anna, bert) = two_phones(&mut rig);
    let (mut hers, _) = talking(&mut rig, &mut anna, &bert);
    let reinvite = anna.in_dialog(&mut hers, "INVITE", "", "");
    anna.send(&mut rig, &reinvite);
    anna.expect(&mut rig, "SIP/2.0 100");
    let invite = bert.expect(&mut rig, "INVITE");
    assert!(body(&invite).is_empty());
    bert.respond(
        &mut rig,
        &invite,
        "200 OK",
        "",
        &ANSWER.replace("2 1", "2 2"),
    );
    let offer = anna.expect(&mut rig, "SIP/2.0 200");
    let ack = anna.in_dialog(&mut hers, "ACK", "", OFFER);
    assert!(body(&offer).contains("m=audio"));
    anna.send(&mut rig, &ack);
    let ack = bert.expect(&mut rig, "ACK");
    assert!(body(&ack).contains("m=audio"));
}

#[test]
fn a_refused_reinvite_leaves_the_call_as_it_was() {
    let mut rig = Rig::new();
    let (mut anna, bert) = two_phones(&mut rig);
    let (mut hers, _) = talking(&mut rig, &mut anna, &bert);
    let reinvite = anna.in_dialog(&mut hers, "INVITE", "", OFFER);
    anna.send(&mut rig, &reinvite);
    anna.expect(&mut rig, "SIP/2.0 100");
    let invite = bert.expect(&mut rig, "INVITE");
    bert.respond(&mut rig, &invite, "488 Not Acceptable Here", "", "");
    bert.expect(&mut rig, "ACK");
    anna.expect(&mut rig, "SIP/2.0 488");
    assert_eq!(rig.open_ports.len(), 2);
    anna.hang_up(&mut rig, &mut hers);
    anna.expect(&mut rig, "SIP/2.0 200");
    bert.expect(&mut rig, "BYE");
}

#[test]
fn a_redirection_is_followed_by_the_exchange() {
    let mut rig = Rig::new();
    let (mut anna, bert) = two_phones(&mut rig);
    anna.invite(&mut rig, "sip:bert@192.0.2.1", "", OFFER);
    let invite = bert.expect(&mut rig, "INVITE");
    let elsewhere = Phone::new("bert", "198.51.100.99:5070");
    bert.redirect(&mut rig, &invite, "sip:bert@198.51.100.99:5070");
    bert.expect(&mut rig, "ACK");
    let invite = elsewhere.expect(&mut rig, "INVITE sip:bert@198.51.100.99:5070");
    elsewhere.respond(&mut rig, &invite, "200 OK", "", ANSWER);
    elsewhere.expect(&mut rig, "ACK");
    anna.expect(&mut rig, "SIP/2.0 200");
}

#[test]
fn redirections_in_a_circle_end() {
    let mut rig = Rig::with(Config {
        redirects: 3,
        ..rig::config()
    });
    let (mut anna, bert) = two_phones(&mut rig);
    anna.invite(&mut rig, "sip:bert@192.0.2.1", "", OFFER);
    for _ in 0..4 {
        let invite = bert.expect(&mut rig, "INVITE");
        bert.respond(&mut rig, &invite, "302 Moved Temporarily", "", "");
        bert.expect(&mut rig, "ACK");
    }
    anna.expect(&mut rig, "SIP/2.0 480");
    bert.expect_nothing(&mut rig);
}

#[test]
fn a_silent_phone_is_given_up_and_one_that_rings_for_ever_too() {
    let mut rig = Rig::new();
    let (mut anna, bert) = two_phones(&mut rig);
    anna.invite(&mut rig, "sip:bert@192.0.2.1", "", OFFER);
    bert.expect(&mut rig, "INVITE");
    rig.pass(Duration::from_secs(33));
    anna.expect(&mut rig, "SIP/2.0 100");
    anna.expect(&mut rig, "SIP/2.0 480");
    rig.wire.clear();
    anna.invite(&mut rig, "sip:bert@192.0.2.1", "", OFFER);
    let invite = bert.expect(&mut rig, "INVITE");
    bert.respond(&mut rig, &invite, "180 Ringing", "", "");
    anna.expect(&mut rig, "SIP/2.0 180");
    rig.pass(Duration::from_secs(121));
    let unanswered = anna.expect(&mut rig, "SIP/2.0 480");
    assert!(
        header(&unanswered, Name::Reason).contains("cause=19"),
        "{unanswered}"
    );
    bert.expect(&mut rig, "CANCEL");
}

#[test]
fn a_vanished_side_is_found_by_the_session_timer() {
    let mut rig = Rig::new();
    let (mut anna, bert) = two_phones(&mut rig);
    let (_, mut his) = talking(&mut rig, &mut anna, &bert);
    rig.pass(Duration::from_secs(1800));
    // Anna does not answer the refresh; both are asked, and only Bert is there.
    let mut asked = 0;
    while let Some(text) = rig.next_for(&bert) {
        if !text.starts_with("BYE") {
            bert.respond(&mut rig, &text, "200 OK", "", "");
            asked += 1;
        }
    }
    assert!(asked > 0);
    rig.pass(Duration::from_secs(120));
    assert_eq!(rig.records.len(), 1, "{:?}", rig.exchange.calls());
    assert_eq!(rig.records[0].0.cause, 102);
    let _ = &mut his;
}

#[test]
fn dtmf_by_info_reaches_the_other_side() {
    let mut rig = Rig::new();
    let (mut anna, bert) = two_phones(&mut rig);
    let (mut hers, _) = talking(&mut rig, &mut anna, &bert);
    let info = anna.in_dialog(&mut hers, "INFO", "", "Signal=5");
    let info = info.replace("application/sdp", "application/dtmf-relay");
    anna.send(&mut rig, &info);
    let info = bert.expect(&mut rig, "INFO");
    assert_eq!(header(&info, Name::ContentType), "application/dtmf-relay");
    assert_eq!(body(&info), "Signal=5");
    anna.expect_nothing(&mut rig);
    bert.respond(&mut rig, &info, "200 OK", "", "");
    anna.expect(&mut rig, "SIP/2.0 200");
}

/// RFC 3261 section 8.2.1: known, not supported, so 405, and the call goes on as if nothing had been asked.
#[test]
fn refer_in_a_call_is_refused_with_what_is_allowed_and_changes_nothing() {
    for extra in ["", "Require: norefersub\r\n"] {
        let mut rig = Rig::new();
        let (mut anna, bert) = two_phones(&mut rig);
        let (mut hers, mut his) = talking(&mut rig, &mut anna, &bert);
        let (states, orders) = (rig.states.clone(), rig.media.len());
        let extra = format!("Refer-To: <sip:carla@192.0.2.1>\r\n{extra}");
        for (phone, other, talk) in [(&anna, &bert, &mut hers), (&bert, &anna, &mut his)] {
            let refer = phone.in_dialog(talk, "REFER", &extra, "");
            phone.send(&mut rig, &refer);
            let refused = phone.expect(&mut rig, "SIP/2.0 405");
            assert_allows_no_refer(&refused);
            // No subscription has begun, so that there is no NOTIFY (RFC 3515 section 2.4.4).
            phone.expect_nothing(&mut rig);
            other.expect_nothing(&mut rig);
            phone.send(&mut rig, &refer);
            assert_eq!(phone.expect(&mut rig, "SIP/2.0 405"), refused, "said again");
        }
        assert_eq!((&rig.states, rig.media.len()), (&states, orders));
        anna.hang_up(&mut rig, &mut hers);
        anna.expect(&mut rig, "SIP/2.0 200");
        bert.expect(&mut rig, "BYE");
        assert_eq!(rig.records.len(), 1);
    }
}

#[test]
fn refer_without_a_call_is_refused_when_it_is_known_who_asks() {
    for extra in ["", "Require: norefersub\r\n"] {
        let mut rig = Rig::new();
        let (mut anna, bert) = two_phones(&mut rig);
        let extra = format!("Refer-To: <sip:bert@192.0.2.1>\r\n{extra}");
        anna.authenticated(&mut rig, "REFER", "sip:bert@192.0.2.1", &extra, "");
        let refused = anna.expect(&mut rig, "SIP/2.0 405");
        assert_allows_no_refer(&refused);
        bert.expect_nothing(&mut rig);
        assert_eq!(rig.exchange.call_count(), 0);
    }
}

/// A tag of ours makes no dialog: REFER is as subject to it as BYE is.
#[test]
fn refer_into_a_call_of_others_or_into_none_reaches_nothing() {
    let mut rig = Rig::new();
    let (mut anna, bert) = two_phones(&mut rig);
    let (mut hers, _) = talking(&mut rig, &mut anna, &bert);
    let stranger = Phone::new("carla", "203.0.113.66:5060");
    let refer_to = "Refer-To: <sip:carla@192.0.2.1>\r\n";
    let forged = anna
        .in_dialog(&mut hers, "REFER", refer_to, "")
        .replace(";tag=tanna", ";tag=guess");
    stranger.send(&mut rig, &forged);
    stranger.expect(&mut rig, "SIP/2.0 481");
    anna.hang_up(&mut rig, &mut hers);
    anna.expect(&mut rig, "SIP/2.0 200");
    rig.pass(Duration::from_secs(60));
    rig.wire.clear();
    let late = anna.in_dialog(&mut hers, "REFER", refer_to, "");
    anna.send(&mut rig, &late);
    anna.expect(&mut rig, "SIP/2.0 481");
}

/// What is not done is offered nowhere, so that a phone shows no key for it.
#[test]
fn refer_is_offered_nowhere() {
    let mut rig = Rig::new();
    let (mut anna, bert) = two_phones(&mut rig);
    anna.invite(&mut rig, "sip:bert@192.0.2.1", "", OFFER);
    let invite = bert.expect(&mut rig, "INVITE");
    assert_allows_no_refer(&invite);
    bert.respond(&mut rig, &invite, "200 OK", "", ANSWER);
    assert_allows_no_refer(&anna.expect(&mut rig, "SIP/2.0 200"));
    for (method, expected) in [("OPTIONS", "SIP/2.0 200"), ("DANCE", "SIP/2.0 501")] {
        let text = anna.request(method, "sip:192.0.2.1", "", "");
        anna.send(&mut rig, &text);
        assert_allows_no_refer(&anna.expect(&mut rig, expected));
    }
}

fn assert_allows_no_refer(text: &str) {
    let allowed = header(text, Name::Allow);
    let mut methods = allowed.split(", ");
    assert!(methods.clone().any(|method| method == "INVITE"), "{text}");
    assert!(methods.all(|method| method != "REFER"), "{text}");
}

#[test]
fn a_text_reaches_every_phone_of_the_other_device() {
    let mut rig = Rig::new();
    let (mut anna, bert) = two_phones(&mut rig);
    let text = anna.authenticated(&mut rig, "MESSAGE", "sip:bert@192.0.2.1", "", "");
    assert!(text.starts_with("MESSAGE"));
    let received = bert.expect(&mut rig, "MESSAGE sip:bert@198.51.100.8:5060");
    assert!(header(&received, Name::From).contains("sip:anna@192.0.2.1"));
    bert.respond(&mut rig, &received, "200 OK", "", "");
    anna.expect(&mut rig, "SIP/2.0 200");
}

#[test]
fn unauth_message() {
    let mut rig = Rig::new();
    let (_, bert) = two_phones(&mut rig);
    let mut stranger = Phone::new("anna", "203.0.113.66:5060");
    let text = stranger.request("MESSAGE", "sip:bert@192.0.2.1", "", "");
    stranger.send(&mut rig, &text);
    stranger.expect(&mut rig, "SIP/2.0 407");
    bert.expect_nothing(&mut rig);
}

#[test]
fn unauth_subscribe() {
    let mut rig = Rig::new();
    let mut stranger = Phone::new("anna", "203.0.113.66:5060");
    for method in ["SUBSCRIBE", "PUBLISH", "REFER"] {
        let text = stranger.request(method, "sip:bert@192.0.2.1", "Event: presence\r\n", "");
        stranger.send(&mut rig, &text);
        stranger.expect(&mut rig, "SIP/2.0 407");
    }
}

#[test]
fn strangers_cannot_reach_into_a_call() {
    let mut rig = Rig::new();
    let (mut anna, bert) = two_phones(&mut rig);
    let (mut hers, _) = talking(&mut rig, &mut anna, &bert);
    let stranger = Phone::new("anna", "203.0.113.66:5060");
    for (what, wrong) in [("Call-ID", "x"), ("From", "tag=other")] {
        let mut talk = hers.clone();
        match what {
            "Call-ID" => talk.call_id = wrong.into(),
            _ => talk.local = "<sip:anna@192.0.2.1>;tag=other".into(),
        }
        stranger.hang_up(&mut rig, &mut talk);
        stranger.expect(&mut rig, "SIP/2.0 481");
        hers.cseq += 1;
    }
    assert!(rig.records.is_empty());
}

#[test]
fn register_bruteforce() {
    let mut rig = Rig::new();
    let mut scanner = Phone::new("anna", "203.0.113.66:5060");
    let mut answered = 0;
    for _ in 0..40 {
        let first = scanner.request("REGISTER", "sip:192.0.2.1", "", "");
        scanner.send(&mut rig, &first);
        let Some(challenge) = rig.next_for(&scanner) else {
            break;
        };
        let wrong = scanner.credentials_with("guess", &challenge, "REGISTER", "sip:192.0.2.1");
        let second = scanner.request("REGISTER", "sip:192.0.2.1", &wrong, "");
        scanner.send(&mut rig, &second);
        if rig.next_for(&scanner).is_none() {
            break;
        }
        answered += 1;
    }
    assert!(answered <= 10, "{answered} guesses were answered");
    rig.pass(Duration::from_secs(700));
    let first = scanner.request("REGISTER", "sip:192.0.2.1", "", "");
    scanner.send(&mut rig, &first);
    scanner.expect(&mut rig, "SIP/2.0 401");
}

#[test]
fn hops_and_circles_are_limited() {
    let mut rig = Rig::new();
    let (mut anna, _) = two_phones(&mut rig);
    let invite = anna.request("INVITE", "sip:bert@192.0.2.1", "", OFFER);
    anna.send(
        &mut rig,
        &invite.replace("Max-Forwards: 70", "Max-Forwards: 0"),
    );
    anna.expect(&mut rig, "SIP/2.0 483");
    let circled = anna.request("INVITE", "sip:bert@192.0.2.1", "", OFFER);
    let circled = circled.replacen(
        "Max-Forwards",
        "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKours\r\nMax-Forwards",
        1,
    );
    anna.send(&mut rig, &circled);
    anna.expect(&mut rig, "SIP/2.0 482");
}

#[test]
fn unknown_things_are_refused_with_the_right_status() {
    let mut rig = Rig::new();
    let (mut anna, _) = two_phones(&mut rig);
    for (method, extra, expected) in [
        ("OPTIONS", "", "SIP/2.0 200"),
        ("DANCE", "", "SIP/2.0 501"),
        ("INVITE", "Require: levitation\r\n", "SIP/2.0 420"),
        ("BYE", "", "SIP/2.0 481"),
    ] {
        let text = anna.request(method, "sip:192.0.2.1", extra, "");
        anna.send(&mut rig, &text);
        anna.expect(&mut rig, expected);
    }
}

#[test]
fn over_mtu() {
    let mut rig = Rig::new();
    let (mut anna, bert) = two_phones(&mut rig);
    let long = format!("{OFFER}a=x-long:{}\r\n", "x".repeat(1500));
    anna.invite(&mut rig, "sip:bert@192.0.2.1", "", &long);
    let (flow, text) = rig.wire.pop_front().unwrap();
    assert_eq!(flow.transport, fernamt_sip::transport::Transport::Tcp);
    assert!(text.contains("Via: SIP/2.0/TCP"));
    rig.input(Input::SendFailed { flow });
    let invite = bert.expect(&mut rig, "INVITE");
    assert!(
        invite.contains("Via: SIP/2.0/UDP"),
        "a phone without TCP gets the datagram after all"
    );
}

#[test]
fn a_redirection_to_another_subscriber_rings_there() {
    let mut rig = Rig::new();
    let (mut anna, bert) = two_phones(&mut rig);
    let mut carla = Phone::new("carla", "198.51.100.9:5060");
    carla.register(&mut rig);
    anna.invite(&mut rig, "sip:bert@192.0.2.1", "", OFFER);
    let invite = bert.expect(&mut rig, "INVITE");
    bert.redirect(&mut rig, &invite, "sip:carla@192.0.2.1");
    bert.expect(&mut rig, "ACK");
    let invite = carla.expect(&mut rig, "INVITE sip:carla@198.51.100.9:5060");
    carla.respond(&mut rig, &invite, "200 OK", "", ANSWER);
    carla.expect(&mut rig, "ACK");
    anna.expect(&mut rig, "SIP/2.0 200");
}

#[test]
fn a_phone_that_was_heard_and_refuses_is_heard_no_more() {
    let mut rig = Rig::new();
    let (mut anna, bert) = two_phones(&mut rig);
    anna.invite(&mut rig, "sip:bert@192.0.2.1", "", OFFER);
    let invite = bert.expect(&mut rig, "INVITE");
    bert.respond(&mut rig, &invite, "183 Session Progress", "", ANSWER);
    anna.expect(&mut rig, "SIP/2.0 183");
    rig.media.clear();
    bert.redirect(&mut rig, &invite, "sip:bert@198.51.100.99:5070");
    let closed = rig
        .media
        .iter()
        .any(|order| matches!(order, fernamt_exchange::media::Command::Close { .. }));
    assert!(closed, "{:?}", rig.media);
}
