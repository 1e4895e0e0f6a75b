//! A caller that makes no offer is made the one that its phone would be made if it were called, and
//! so is a party that asks for an offer in mid call.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod rig;

use fernamt_exchange::media::{DtlsRole, Protection};
use fernamt_sip::message::Name;
use fernamt_sip::transport::Transport;
use rig::sdp::{KEY, Kind, answer, crypto, line, profile_of};
use rig::secure::{Talking, config, talking};
use rig::{Phone, Rig, body, call_late, header, two_phones_on};

/// What an offer says of transport, without what is drawn by chance.
fn transport_of(offer: &str) -> Vec<String> {
    let is_of_transport = |name: &str| {
        name.starts_with("ice-")
            || [
                "crypto",
                "fingerprint",
                "setup",
                "candidate",
                "rtcp",
                "rtcp-mux",
                "mid",
                "extmap",
            ]
            .contains(&name)
            || ["group", "end-of-candidates"].contains(&name)
    };
    let attributes = offer.lines().filter_map(|line| line.strip_prefix("a="));
    let names = attributes.map(|attribute| attribute.split(':').next().unwrap().to_owned());
    let mut all: Vec<String> = names.filter(|name| is_of_transport(name)).collect();
    all.push(profile_of(offer));
    all.sort();
    all
}

/// The offer that the phone gets when it is called, and the one that it gets when it asks for one.
fn both_offers(
    wish: (&str, &str),
    signalling: Transport,
    params: &'static str,
) -> (String, String) {
    let mut rig = Rig::with(config());
    rig.wish("anna", wish.0, wish.1);
    let mut anna = Phone::on(signalling, "anna", 7);
    anna.contact_params = params;
    anna.register(&mut rig);
    let mut bert = Phone::on(Transport::Udp, "bert", 8);
    bert.register(&mut rig);
    let his = Kind::Plain.offer("198.51.100.8", 5000);
    bert.invite(&mut rig, "sip:anna@192.0.2.1", "", &his);
    let called = body(&anna.expect(&mut rig, "INVITE"));
    let (_, asked) = call_late(&mut rig, &mut anna, &bert, &his);
    (called, asked)
}

#[test]
fn a_phone_that_asks_for_an_offer_gets_the_one_that_it_gets_when_it_is_called() {
    use Transport::{Tls, Udp, Ws, Wss};
    for (wish, signalling, params, profile) in [
        (("automatic", "automatic"), Udp, "", "RTP/AVP"),
        (("automatic", "automatic"), Udp, ";+sip.ice", "RTP/AVP"),
        (("never", "automatic"), Udp, "", "RTP/AVP"),
        (("never", "automatic"), Udp, ";+sip.ice", "RTP/AVP"),
        (("required", "sdes"), Udp, ";+sip.ice", "RTP/SAVP"),
        (("offered", "dtls"), Udp, ";+sip.ice", "UDP/TLS/RTP/SAVP"),
        (("automatic", "webrtc"), Udp, "", "UDP/TLS/RTP/SAVPF"),
        (
            ("automatic", "automatic"),
            Tls,
            ";transport=tls",
            "RTP/SAVP",
        ),
        (("never", "automatic"), Tls, ";transport=tls", "RTP/AVP"),
        (
            ("automatic", "automatic"),
            Ws,
            ";transport=ws",
            "UDP/TLS/RTP/SAVPF",
        ),
        (
            ("automatic", "automatic"),
            Wss,
            ";transport=ws;+sip.ice",
            "UDP/TLS/RTP/SAVPF",
        ),
    ] {
        let (called, asked) = both_offers(wish, signalling, params);
        assert_eq!(
            profile_of(&asked),
            profile,
            "{wish:?} {signalling}: {asked}"
        );
        assert_eq!(
            transport_of(&asked),
            transport_of(&called),
            "{called}{asked}"
        );
        let has_ice = params.contains("ice") || profile.ends_with('F');
        assert_eq!(asked.contains("a=ice-ufrag:"), has_ice, "{asked}");
    }
}

/// There is no second offer in a 200: what need not be encrypted is not offered as if it had to be.
#[test]
fn a_phone_that_may_do_without_keys_is_offered_them_in_a_way_that_every_phone_can_take() {
    let (called, asked) = both_offers(("offered", "automatic"), Transport::Tls, ";transport=tls");
    assert_eq!(profile_of(&called), "RTP/SAVP");
    assert_eq!(profile_of(&asked), "RTP/AVP");
    assert!(asked.contains("a=crypto:1 "), "{asked}");
}

#[test]
fn ice_is_offered_to_the_phone_that_has_it_and_to_no_other_of_its_device() {
    let mut rig = Rig::with(config());
    let mut with_ice = Phone::on(Transport::Udp, "anna", 7);
    with_ice.contact_params = ";+sip.ice";
    with_ice.register(&mut rig);
    let mut without = Phone::on(Transport::Udp, "anna", 9);
    without.register(&mut rig);
    let mut bert = Phone::on(Transport::Udp, "bert", 8);
    bert.register(&mut rig);
    let his = Kind::Plain.offer("198.51.100.8", 5000);
    let (_, offered) = call_late(&mut rig, &mut with_ice, &bert, &his);
    assert!(offered.contains("a=ice-ufrag:"), "{offered}");
    let (_, offered) = call_late(&mut rig, &mut without, &bert, &his);
    assert!(!offered.contains("a=ice-ufrag:"), "{offered}");
    // A phone may say it in its INVITE instead (RFC 3840 section 5).
    without.invite_params = ";+sip.ice";
    let (_, offered) = call_late(&mut rig, &mut without, &bert, &his);
    assert!(offered.contains("a=ice-ufrag:"), "{offered}");
    // From another port than it has registered from, but with the same contact.
    let contact = with_ice.address.to_string();
    with_ice.address = "198.51.100.7:40000".parse().unwrap();
    let sent = with_ice.invite_from(&mut rig, &contact, "sip:bert@192.0.2.1", "");
    assert!(sent.contains(&contact), "{sent}");
    let invite = bert.expect(&mut rig, "INVITE");
    bert.respond(&mut rig, &invite, "200 OK", "", &his);
    let offered = body(&with_ice.expect(&mut rig, "SIP/2.0 200"));
    assert!(offered.contains("a=ice-ufrag:"), "{offered}");
}

/// What JsSIP and Chromium do: the offer is in the 200 or in a reliable progress, the answer in the ACK
/// or in the PRACK.
#[test]
fn a_browser_that_asks_for_an_offer_is_offered_what_browsers_want() {
    for early in [false, true] {
        let mut rig = Rig::with(config());
        let mut anna = Phone::on(Transport::Wss, "anna", 7);
        anna.contact_params = ";transport=ws;+sip.ice";
        anna.register(&mut rig);
        let mut bert = Phone::on(Transport::Udp, "bert", 8);
        bert.register(&mut rig);
        let his = Kind::Plain.offer("198.51.100.8", 5000);
        let supported = if early { "Supported: 100rel\r\n" } else { "" };
        let sent = anna.invite(&mut rig, "sip:bert@192.0.2.1", supported, "");
        let invite = bert.expect(&mut rig, "INVITE");
        let (status, reliable, expected) = match early {
            true => (
                "183 Session Progress",
                "Require: 100rel\r\nRSeq: 1\r\n",
                "SIP/2.0 183",
            ),
            false => ("200 OK", "", "SIP/2.0 200"),
        };
        bert.respond(&mut rig, &invite, status, reliable, &his);
        let told = anna.expect(&mut rig, expected);
        let offered = body(&told);
        assert_eq!(profile_of(&offered), "UDP/TLS/RTP/SAVPF");
        for wanted in [
            "a=ice-ufrag:",
            "a=candidate:",
            "a=fingerprint:sha-256 07:07",
            "a=setup:actpass",
            "a=rtcp-mux",
            "a=group:BUNDLE 0",
            "a=mid:0",
            "a=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid",
        ] {
            assert!(offered.contains(wanted), "{wanted}: {offered}");
        }
        assert!(!offered.contains("a=crypto:"), "{offered}");
        let hers = answer(&offered, "198.51.100.7", 4000, true);
        let mut talk = anna.talk_as_caller(&sent, &told);
        if early {
            let rseq = header(&told, Name::RSeq);
            let rack = format!("RAck: {rseq} {}\r\n", header(&sent, Name::CSeq));
            let prack = anna.in_dialog(&mut talk, "PRACK", &rack, &hers);
            anna.send(&mut rig, &prack);
            anna.expect(&mut rig, "SIP/2.0 200");
            assert_eq!(
                profile_of(&body(&bert.expect(&mut rig, "PRACK"))),
                "RTP/AVP"
            );
        } else {
            anna.confirm(&mut rig, &mut talk, &hers);
            assert_eq!(profile_of(&body(&bert.expect(&mut rig, "ACK"))), "RTP/AVP");
        }
        let (caller, callee) = rig.sides();
        let Protection::Dtls(dtls) = &caller.protection else {
            panic!("{caller:?}")
        };
        assert_eq!(dtls.role, DtlsRole::Server, "she is active");
        let ice = caller.ice.unwrap();
        assert!(ice.controlling, "the offerer leads");
        assert_eq!(line(&offered, "a=ice-ufrag:"), Some(&*ice.local.fragment));
        assert_eq!(caller.rtcp, Some(caller.rtp));
        assert_eq!(callee.protection, Protection::None);
    }
}

#[test]
fn a_caller_that_has_to_be_encrypted_and_answers_without_keys_has_no_call() {
    let mut rig = Rig::with(config());
    let (mut anna, bert) = two_phones_on(&mut rig, Transport::Tls, Transport::Udp);
    let his = Kind::Plain.offer("198.51.100.8", 5000);
    let (mut talk, offered) = call_late(&mut rig, &mut anna, &bert, &his);
    assert_eq!(profile_of(&offered), "RTP/SAVP");
    let hers = Kind::Plain.offer("198.51.100.7", 4000);
    anna.confirm(&mut rig, &mut talk, &hers);
    anna.expect(&mut rig, "BYE");
    bert.expect(&mut rig, "ACK");
    bert.expect(&mut rig, "BYE");
    assert!(rig.remotes().is_empty() && rig.open_ports.is_empty());
}

#[test]
fn keys_of_a_late_offer_that_cross_an_unencrypted_path_are_told() {
    for (signalling, words) in [
        (
            Transport::Udp,
            "keys crossed an unencrypted signalling path (UDP)",
        ),
        (
            Transport::Tcp,
            "keys crossed an unencrypted signalling path (TCP)",
        ),
        (Transport::Tls, "keys from the description over TLS"),
        (
            Transport::Ws,
            "fingerprint crossed an unencrypted signalling path (WS)",
        ),
    ] {
        let mut rig = Rig::with(config());
        let (mut anna, bert) = two_phones_on(&mut rig, signalling, Transport::Udp);
        let his = Kind::Plain.offer("198.51.100.8", 5000);
        let (mut talk, offered) = call_late(&mut rig, &mut anna, &bert, &his);
        let hers = answer(&offered, "198.51.100.7", 4000, true);
        anna.confirm(&mut rig, &mut talk, &hers);
        anna.hang_up(&mut rig, &mut talk);
        let journal = rig.words();
        assert!(journal.contains(words), "{signalling}: {journal}");
        assert!(
            journal.contains("not encrypted with the called party"),
            "{journal}"
        );
    }
}

/// Asks for an offer in mid call: what the other party is asked, and what is offered then.
fn ask_again(call: &mut Talking, by_caller: bool, its_offer: &str) -> (String, String) {
    let Talking {
        rig,
        anna,
        bert,
        hers,
        his,
        ..
    } = call;
    let (asking, asked, talk) = match by_caller {
        true => (&*anna, &*bert, hers),
        false => (&*bert, &*anna, his),
    };
    let reinvite = asking.in_dialog(talk, "INVITE", "", "");
    asking.send(rig, &reinvite);
    asking.expect(rig, "SIP/2.0 100");
    let invite = asked.expect(rig, "INVITE");
    assert!(body(&invite).is_empty(), "{invite}");
    asked.respond(rig, &invite, "200 OK", "", its_offer);
    let offered = body(&asking.expect(rig, "SIP/2.0 200"));
    let (address, port, key) = match by_caller {
        true => ("198.51.100.7", 4000, KEY),
        false => ("198.51.100.8", 5000, rig::sdp::OTHER_KEY),
    };
    let own = answer(&offered, address, port, true).replace(rig::sdp::OTHER_KEY, key);
    // In the role that it has (RFC 8842 section 5.4).
    let role = if by_caller {
        "a=setup:passive"
    } else {
        "a=setup:active"
    };
    let own = own.replace("a=setup:active", role);
    asking.confirm(rig, talk, &own);
    let answered = body(&asked.expect(rig, "ACK"));
    (offered, answered)
}

/// The lines that must be the same in every offer of a session: keys, credentials, certificate, names.
fn lasting(description: &str) -> Vec<&str> {
    let starts = [
        "a=crypto:",
        "a=ice-",
        "a=fingerprint:",
        "a=mid:",
        "a=group:",
        "a=rtcp-mux",
    ];
    let lines = description.lines();
    let mut lasting: Vec<&str> = lines
        .filter(|line| starts.iter().any(|start| line.starts_with(start)))
        .collect();
    lasting.sort_unstable();
    lasting
}

/// How a caller may carry its media, with no regard to feedback.
const WAYS: [Kind; 5] = [
    Kind::Plain,
    Kind::Opportunistic,
    Kind::Sdes,
    Kind::Dtls,
    Kind::Browser,
];

#[test]
fn an_offer_that_a_caller_asks_for_in_mid_call_restarts_nothing() {
    for kind in WAYS {
        let mut call = talking(kind, "required");
        let before = call.sides();
        let key = crypto(&call.offered).to_owned();
        let suite = key.split(' ').nth(1).unwrap().to_owned();
        let his = Kind::Sdes
            .offer("198.51.100.8", 5000)
            .replace("AES_CM_128_HMAC_SHA1_80", &suite)
            .replace(KEY, rig::sdp::OTHER_KEY)
            .replace("1 1 IN", "1 2 IN");
        let (offered, answered) = ask_again(&mut call, true, &his);
        assert_eq!(profile_of(&offered), kind.profile());
        assert_eq!(lasting(&offered), lasting(&call.answered), "{kind:?}");
        assert_eq!(
            offered.contains("a=setup:actpass"),
            offered.contains("a=fingerprint")
        );
        assert!(
            answered.contains(key.split("inline:").nth(1).unwrap()),
            "his are the same"
        );
        assert_eq!(call.sides(), before, "{kind:?}");
    }
}

#[test]
fn an_offer_that_a_called_party_asks_for_in_mid_call_restarts_nothing() {
    for kind in WAYS {
        let mut call = talking(kind, "required");
        let before = call.sides();
        let hers = call.offer.replace("1 1 IN", "1 2 IN");
        let (offered, answered) = ask_again(&mut call, false, &hers);
        assert_eq!(profile_of(&offered), "RTP/SAVP");
        assert_eq!(crypto(&offered), crypto(&call.offered), "{kind:?}");
        assert_eq!(offered.matches("a=crypto:").count(), 1, "the chosen one");
        assert_eq!(lasting(&answered), lasting(&call.answered), "{kind:?}");
        assert_eq!(call.sides(), before, "{kind:?}");
    }
}

/// The called party is the browser: its part in the handshake and in the checks stays, too.
#[test]
fn a_called_browser_that_asks_for_an_offer_keeps_its_way_and_its_keys() {
    let mut rig = Rig::with(config());
    let phones = two_phones_on(&mut rig, Transport::Udp, Transport::Wss);
    let mut call = Talking::begin(rig, phones, Kind::Plain.offer("198.51.100.7", 4000));
    let before = call.sides();
    let hers = call.offer.replace("1 1 IN", "1 2 IN");
    let (again, _) = ask_again(&mut call, false, &hers);
    assert_eq!(lasting(&again), lasting(&call.offered));
    assert_eq!(transport_of(&again), transport_of(&call.offered));
    assert_eq!(call.sides(), before);
}

/// The caller asks for an offer, gets one, and confirms without an answer.
#[test]
fn a_caller_that_does_not_answer_the_offer_has_no_call() {
    for wish in ["required", "never"] {
        let mut rig = Rig::with(config());
        rig.wish("anna", wish, "automatic");
        let (mut anna, bert) = rig::two_phones(&mut rig);
        let his = Kind::Plain.offer("198.51.100.8", 5000);
        let (mut talk, _) = call_late(&mut rig, &mut anna, &bert, &his);
        anna.confirm(&mut rig, &mut talk, "");
        anna.expect(&mut rig, "BYE");
        bert.expect(&mut rig, "ACK");
        bert.expect(&mut rig, "BYE");
        let (record, journal) = rig.records.last().unwrap();
        assert_eq!(record.cause, 100);
        let words = format!("{journal:?}");
        assert!(words.contains("did not answer the offer"), "{words}");
    }
}

#[test]
fn a_party_that_asks_for_an_offer_in_mid_call_and_does_not_answer_it_changes_nothing() {
    let mut call = talking(Kind::Sdes, "required");
    let before = call.sides();
    let reinvite = call.anna.in_dialog(&mut call.hers, "INVITE", "", "");
    call.anna.send(&mut call.rig, &reinvite);
    call.anna.expect(&mut call.rig, "SIP/2.0 100");
    let invite = call.bert.expect(&mut call.rig, "INVITE");
    let his = Kind::Sdes.offer("198.51.100.8", 5000);
    call.bert
        .respond(&mut call.rig, &invite, "200 OK", "", &his);
    call.anna.expect(&mut call.rig, "SIP/2.0 200");
    call.anna.confirm(&mut call.rig, &mut call.hers, "");
    assert!(body(&call.bert.expect(&mut call.rig, "ACK")).is_empty());
    let words = format!("{:?}", call.sides());
    assert_eq!(words, format!("{before:?}"));
    // Both can change the call from now on.
    let offer = call.offer.replace("1 1 IN", "1 2 IN");
    let (offered, _) = call.reoffer(&offer);
    assert_eq!(crypto(&offered), crypto(&call.offered));
}

#[test]
fn the_answer_to_a_late_offer_is_taken_after_a_restart() {
    for again in 1..3 {
        let mut rig = Rig::with(config());
        rig.wish("anna", "required", "automatic");
        let (mut anna, bert) = rig::two_phones(&mut rig);
        let sent = anna.invite(&mut rig, "sip:bert@192.0.2.1", "", "");
        let invite = bert.expect(&mut rig, "INVITE");
        let his = Kind::Plain.offer("198.51.100.8", 5000);
        let answered = bert.response(&invite, "200 OK", "", &his);
        bert.send(&mut rig, &answered);
        anna.expect(&mut rig, "SIP/2.0 200");
        for _ in 0..again {
            rig.crash(config());
        }
        let ok = anna.expect(&mut rig, "SIP/2.0 200");
        bert.send(&mut rig, &answered);
        bert.expect_nothing(&mut rig);
        let mut talk = anna.talk_as_caller(&sent, &ok);
        let hers = answer(&body(&ok), "198.51.100.7", 4000, true);
        anna.confirm(&mut rig, &mut talk, &hers);
        let ack = bert.expect(&mut rig, "ACK");
        assert_eq!(profile_of(&body(&ack)), "RTP/AVP");
        let (caller, callee) = rig.sides();
        assert!(matches!(caller.protection, Protection::Sdes(_)));
        assert_eq!(callee.protection, Protection::None);
        // His 2xx was repeated meanwhile: the same ACK answers it.
        bert.send(&mut rig, &answered);
        assert_eq!(bert.expect(&mut rig, "ACK"), ack);
        rig.pass(std::time::Duration::from_secs(40));
        anna.expect_nothing(&mut rig);
        assert_eq!(rig.exchange.call_count(), 1);
    }
}

#[test]
fn a_late_offer_that_nobody_answers_after_a_restart_ends_the_call() {
    for answers_empty in [true, false] {
        let mut rig = Rig::with(config());
        let (mut anna, bert) = rig::two_phones(&mut rig);
        let his = Kind::Plain.offer("198.51.100.8", 5000);
        let (mut talk, _) = call_late(&mut rig, &mut anna, &bert, &his);
        rig.crash(config());
        if answers_empty {
            anna.confirm(&mut rig, &mut talk, "");
        }
        rig.pass(std::time::Duration::from_secs(36));
        bert.expect(&mut rig, "ACK");
        bert.expect(&mut rig, "BYE");
        assert_eq!(rig.records.len(), 1);
    }
}
