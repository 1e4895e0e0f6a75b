//! Calls with parties that find the way by checks (RFC 8445) and agree on keys on it (RFC 5764).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails shall panic"
)]

mod common;

use std::time::Duration;

use common::browser::{Browser, certificate, credentials};
use common::{A, B, Exchange, PCMA, Party, STRANGER, TELEPHONE_EVENT, address};
use fernamt_exchange::media::{
    Command, DtlsRole, EndpointId, Event, IceCandidateKind, IceOffer, Offer, Protection,
    ProtectionFailure, Remote, SrtpKeys, Translation,
};
use fernamt_media::{Certificate, PlaneConfig};
use fernamt_sdp::{Feedback, FeedbackSet};

fn exchange() -> (Exchange, Certificate) {
    let certificate = certificate();
    let exchange = Exchange::with(|config| PlaneConfig {
        certificate: Some(certificate.clone()),
        ..config
    });
    (exchange, certificate)
}

/// Opens an endpoint that faces a browser.
fn face(exchange: &Exchange, browser: &mut Browser) -> EndpointId {
    let (endpoint, rtp) = exchange.open();
    browser.face(rtp);
    exchange.set_remote(endpoint, browser.remote());
    endpoint
}

fn find<T>(exchange: &Exchange, wanted: impl Fn(&Event) -> Option<T>) -> T {
    loop {
        if let Some(found) = wanted(&exchange.event()) {
            return found;
        }
    }
}

fn secured(exchange: &Exchange, of: EndpointId) -> SrtpKeys {
    find(exchange, |event| match event {
        Event::Secured { endpoint, keys, .. } if *endpoint == of => Some(keys.clone()),
        _ => None,
    })
}

fn assert_talking(browser: &mut Browser, phone: &mut Party) {
    for _ in 0..10 {
        let said = browser.speak();
        assert_eq!(phone.hear(), said);
        let answered = phone.speak();
        assert_eq!(browser.hear_clear(), answered);
    }
}

#[test]
fn a_browser_and_a_plain_phone_hear_each_other_in_either_role() {
    for (role, leads) in [
        (DtlsRole::Client, true),
        (DtlsRole::Server, true),
        (DtlsRole::Client, false),
        (DtlsRole::Server, false),
    ] {
        let (exchange, certificate) = exchange();
        let mut browser = Browser::new(Party::new(A), role)
            .with_ice(leads)
            .with_dtls();
        let mut phone = Party::new(B);
        let at_browser = face(&exchange, &mut browser);
        let at_phone = exchange.face(&mut phone);
        exchange.bridge(at_browser, at_phone);
        browser.secure();
        assert_eq!(browser.seen, Some(certificate.fingerprint()));
        let keys = secured(&exchange, at_browser);
        assert_eq!(
            browser.cipher.as_ref().map(|cipher| &cipher.keys),
            Some(&keys)
        );
        assert_talking(&mut browser, &mut phone);
        let statistics = exchange.close(at_browser);
        assert_eq!(statistics.packets_unauthentic, 0);
        assert_eq!(statistics.packets_received, 10);
    }
}

#[test]
fn a_browser_may_begin_before_its_answer_is_here() {
    for with_checks in [false, true] {
        let (exchange, _) = exchange();
        let browser = Browser::new(Party::new(A), DtlsRole::Client).with_dtls();
        let mut browser = match with_checks {
            true => browser.with_ice(false),
            false => browser,
        };
        let mut phone = Party::new(B);
        let (at_browser, rtp) = exchange.open();
        browser.face(rtp);
        let at_phone = exchange.face(&mut phone);
        exchange.bridge(at_browser, at_phone);
        let offer = |offer| Command::Offered {
            endpoint: at_browser,
            offer,
        };
        exchange.plane.execute(offer(Some(Box::new(Offer {
            signalling: browser.party.address().ip(),
            dtls: true,
            ice: with_checks.then(|| IceOffer {
                local: credentials("ours"),
                lite: false,
            }),
        }))));
        browser.work_for(Duration::from_millis(200));
        assert_eq!(browser.seen, None, "nobody shakes hands with it yet");
        exchange.set_remote(at_browser, browser.remote());
        exchange.plane.execute(offer(None));
        browser.secure();
        secured(&exchange, at_browser);
        assert_talking(&mut browser, &mut phone);
    }
}

#[test]
fn the_way_is_told_and_plain_packets_use_it_alone() {
    let exchange = Exchange::start();
    let mut browser = Browser::new(Party::new(A), DtlsRole::Client).with_ice(true);
    let (mut phone, mut stranger) = (Party::new(B), Party::new(STRANGER));
    let at_browser = face(&exchange, &mut browser);
    let at_phone = exchange.face(&mut phone);
    exchange.bridge(at_browser, at_phone);
    // Before the way is checked nothing passes, from the negotiated address neither.
    browser.party.speak();
    browser.connect();
    let found = find(&exchange, |event| match event {
        Event::Connected {
            endpoint,
            rtp,
            kind,
        } if *endpoint == at_browser => Some((*rtp, *kind)),
        _ => None,
    });
    assert_eq!(found, (browser.party.address(), IceCandidateKind::Host));
    stranger.relay = browser.party.relay;
    for _ in 0..20 {
        stranger.speak();
    }
    let said = browser.party.speak();
    assert_eq!(phone.hear(), said);
    let answered = phone.speak();
    assert_eq!(browser.hear(), answered);
    assert!(stranger.hears_nothing());
}

#[test]
fn keys_are_agreed_without_checks_too() {
    for role in [DtlsRole::Client, DtlsRole::Server] {
        let (exchange, _) = exchange();
        let mut party = Browser::new(Party::new(A), role).with_dtls();
        let mut phone = Party::new(B);
        let at_party = face(&exchange, &mut party);
        let at_phone = exchange.face(&mut phone);
        exchange.bridge(at_party, at_phone);
        // Nothing in clear meanwhile.
        phone.speak();
        party.secure();
        secured(&exchange, at_party);
        assert_talking(&mut party, &mut phone);
    }
}

/// CVE-2023-49786, -51443, -51275: the ClientHello of anybody on the media port broke the call.
#[test]
fn dtls_hello_race() {
    let (exchange, _) = exchange();
    let mut party = Browser::new(Party::new(A), DtlsRole::Client).with_dtls();
    let mut phone = Party::new(B);
    let at_party = face(&exchange, &mut party);
    let at_phone = exchange.face(&mut phone);
    exchange.bridge(at_party, at_phone);
    let relay = party.party.relay.unwrap();
    // One elsewhere, and one at the party's own address, which has its right to try.
    let mut strangers = [STRANGER, A].map(|host| {
        let mut stranger = Browser::new(Party::new(host), DtlsRole::Client).with_dtls();
        stranger.face(relay);
        stranger
    });
    for stranger in &mut strangers {
        stranger.work_for(Duration::from_millis(100));
    }
    party.secure();
    let keys = secured(&exchange, at_party);
    for stranger in &mut strangers {
        stranger.shake_hands_again();
        stranger.work_for(Duration::from_millis(300));
        if let Some(cipher) = &mut stranger.cipher {
            cipher.speak(&mut stranger.party);
        }
    }
    assert_talking(&mut party, &mut phone);
    let told: Vec<Event> = exchange
        .events()
        .into_iter()
        .filter(|event| matches!(event, Event::Secured { .. } | Event::Unprotected { .. }))
        .collect();
    assert_eq!(told, []);
    // The party itself may, and its new keys are used from then on.
    party.shake_hands_again();
    party.secure();
    assert_ne!(secured(&exchange, at_party), keys);
    assert_talking(&mut party, &mut phone);
}

/// A phone begins when its own check is answered. Behind a NAT ours reaches it later, or never.
#[test]
fn the_first_hello_counts_although_our_own_check_is_not_answered_yet() {
    let (exchange, _) = exchange();
    let mut party = Browser::new(Party::new(A), DtlsRole::Client)
        .with_ice(true)
        .with_dtls();
    party.hears_checks = false;
    let mut phone = Party::new(B);
    let at_party = face(&exchange, &mut party);
    let at_phone = exchange.face(&mut phone);
    exchange.bridge(at_party, at_phone);
    party.secure();
    secured(&exchange, at_party);
    // Who it is is known, and where it is only by what anybody could repeat: nothing is let in from there.
    party.speak();
    assert!(phone.hears_nothing());
    party.hears_checks = true;
    let connected =
        |event: Event| matches!(event, Event::Connected { endpoint, .. } if endpoint == at_party);
    while !exchange.events().into_iter().any(connected) {
        party.work_for(Duration::from_millis(20));
    }
    assert_talking(&mut party, &mut phone);
}

/// Whoever has sent no check of his own has no answer, and whoever repeats one of the party's gains
/// nothing, stops nothing and is told of to nobody.
#[test]
fn dtls_hello_race_before_the_way_is_found() {
    let (exchange, _) = exchange();
    let mut party = Browser::new(Party::new(A), DtlsRole::Client)
        .with_ice(true)
        .with_dtls();
    party.hears_checks = false;
    let mut phone = Party::new(B);
    let at_party = face(&exchange, &mut party);
    let at_phone = exchange.face(&mut phone);
    exchange.bridge(at_party, at_phone);
    let relay = party.party.relay.unwrap();
    let mut strangers = [STRANGER, A].map(|host| {
        let mut stranger = Browser::new(Party::new(host), DtlsRole::Client).with_dtls();
        stranger.face(relay);
        stranger
    });
    for stranger in &mut strangers {
        stranger.work_for(Duration::from_millis(100));
        assert_eq!(stranger.seen, None, "it was answered");
    }
    party.work_until(|party| !party.sent.is_empty());
    for stranger in &mut strangers {
        stranger.party.send(&party.sent[0]);
        stranger.shake_hands_again();
        stranger.work_for(Duration::from_millis(300));
        assert_ne!(stranger.seen, None, "it was not answered");
    }
    party.secure();
    party.hears_checks = true;
    secured(&exchange, at_party);
    let connected =
        |event: &Event| matches!(event, Event::Connected { endpoint, .. } if *endpoint == at_party);
    let mut told = Vec::new();
    while !told.iter().any(connected) {
        party.work_for(Duration::from_millis(20));
        told.extend(exchange.events());
    }
    for stranger in &mut strangers {
        stranger.shake_hands_again();
        stranger.work_for(Duration::from_millis(300));
        if let Some(cipher) = &mut stranger.cipher {
            cipher.speak(&mut stranger.party);
        }
    }
    assert_talking(&mut party, &mut phone);
    told.extend(exchange.events());
    told.retain(|event| matches!(event, Event::Secured { .. } | Event::Unprotected { .. }));
    assert_eq!(told, []);
}

#[test]
fn a_party_with_another_certificate_is_not_heard_and_it_is_told_why() {
    let (exchange, _) = exchange();
    let mut party = Browser::new(Party::new(A), DtlsRole::Client).with_dtls();
    let (endpoint, rtp) = exchange.open();
    party.face(rtp);
    let mut remote = party.remote();
    if let Protection::Dtls(dtls) = &mut remote.protection {
        dtls.fingerprints = vec![certificate().fingerprint()];
    }
    exchange.set_remote(endpoint, remote);
    exchange.plane.execute(Command::Echo { endpoint });
    party.work_for(Duration::from_millis(500));
    let reason = find(&exchange, |event| match event {
        Event::Unprotected { reason, .. } => Some(*reason),
        _ => None,
    });
    assert_eq!(reason, ProtectionFailure::WrongFingerprint);
    if party.cipher.is_some() {
        party.speak();
    }
    assert_eq!(
        party.work_for(Duration::from_millis(100)),
        Vec::<Vec<u8>>::new()
    );
}

#[test]
fn agreed_keys_survive_a_restart_without_another_handshake() {
    let (exchange, _) = exchange();
    let mut browser = Browser::new(Party::new(A), DtlsRole::Client)
        .with_ice(true)
        .with_dtls();
    let mut phone = Party::new(B);
    let at_browser = face(&exchange, &mut browser);
    let at_phone = exchange.face(&mut phone);
    exchange.bridge(at_browser, at_phone);
    browser.secure();
    let keys = secured(&exchange, at_browser);
    assert_talking(&mut browser, &mut phone);
    exchange.close(at_browser);
    // The same port, another endpoint: what was known is in the description only.
    let port = browser.party.relay.map(|relay| relay.port());
    let (again, _) = exchange.open_at(exchange.local, port).unwrap();
    let mut remote = browser.remote();
    if let Protection::Dtls(dtls) = &mut remote.protection {
        dtls.established = Some(keys);
    }
    exchange.set_remote(again, remote);
    exchange.bridge(again, at_phone);
    // The checks need the browser, too.
    let connected =
        |event: Event| matches!(event, Event::Connected { endpoint, .. } if endpoint == again);
    while !exchange.events().into_iter().any(connected) {
        browser.work_for(Duration::from_millis(20));
    }
    assert_talking(&mut browser, &mut phone);
}

/// Opens endpoints for voice and two of video of a browser, on the ports of the first of them (RFC 8843),
/// each bridged with a phone; the phones and the others.
fn share_ports(exchange: &Exchange, browser: &mut Browser) -> ([Party; 3], [EndpointId; 2]) {
    let carrier = face(exchange, browser);
    let riders = [exchange.open().0, exchange.open().0];
    exchange.plane.execute(Command::Bundle {
        carrier,
        riders: riders.to_vec(),
    });
    let described = |payload_type: u8, mid: &str| Remote {
        payload_types: vec![payload_type],
        mid: Some((4, mid.into())),
        ..browser.remote()
    };
    let remotes = [described(PCMA, "0"), described(96, "1"), described(96, "2")];
    let all = [carrier, riders[0], riders[1]];
    let mut phones = [B, B + 1, B + 2].map(Party::new);
    for ((endpoint, remote), phone) in all.into_iter().zip(remotes).zip(&mut phones) {
        exchange.set_remote(endpoint, remote);
        let (at_phone, rtp) = exchange.open();
        phone.relay = Some(rtp);
        let remote = Remote {
            payload_types: vec![PCMA, 96],
            ..phone.remote()
        };
        exchange.set_remote(at_phone, remote);
        exchange.bridge(endpoint, at_phone);
    }
    (phones, riders)
}

/// The browser sends a packet of one of its streams, with its tag or without: the packet without.
fn say_tagged(browser: &mut Browser, payload_type: u8, ssrc: u32, mid: Option<u8>) -> Vec<u8> {
    let mut packet = browser.party.packet(payload_type);
    packet[8..12].copy_from_slice(&ssrc.to_be_bytes());
    let clear = packet.clone();
    if let Some(mid) = mid {
        packet[0] |= 0x10;
        packet.splice(12..12, [0xbe, 0xde, 0, 1, 0x40, mid, 0, 0]);
    }
    let sealed = browser.cipher.as_mut().unwrap().seal(&packet);
    browser.party.send(&sealed);
    clear
}

/// A packet with the tag of the stream that it is of, as the exchange gives it to a browser.
fn with_tag(mut packet: Vec<u8>, mid: u8) -> Vec<u8> {
    packet[0] |= 0x10;
    packet.splice(12..12, [0xbe, 0xde, 0, 1, 0x40, mid, 0, 0]);
    packet
}

#[test]
fn streams_that_share_ports_reach_their_endpoints_and_leave_from_there() {
    let (exchange, _) = exchange();
    let mut browser = Browser::new(Party::new(A), DtlsRole::Client)
        .with_ice(true)
        .with_dtls();
    let (mut phones, riders) = share_ports(&exchange, &mut browser);
    browser.secure();
    // The tag stays on our side.
    let voice = say_tagged(&mut browser, PCMA, 1, None);
    assert_eq!(phones[0].hear(), voice);
    for (number, mid) in [(1, b'1'), (2, b'2')] {
        let first = say_tagged(&mut browser, 96, number, Some(mid));
        assert_eq!(phones[number as usize].hear(), first);
        let second = say_tagged(&mut browser, 96, number, None);
        assert_eq!(phones[number as usize].hear(), second);
    }
    // And the browser is told by a tag of its own which stream it is.
    for (phone, mid) in phones.iter_mut().zip([b'0', b'1', b'2']) {
        let payload_type = if phone.address().ip() == address(B) {
            PCMA
        } else {
            96
        };
        let packet = phone.packet(payload_type);
        phone.send(&packet);
        assert_eq!(browser.hear_clear(), with_tag(packet, mid));
    }
    // A report about what was sent for a rider reaches that rider's phone.
    let report = |about: u32| {
        let mut report = vec![0x81, 201, 0, 7, 0, 0, 0, 99];
        report.extend(about.to_be_bytes());
        report.extend([0; 20]);
        report
    };
    let sealed = browser
        .cipher
        .as_mut()
        .unwrap()
        .seal_rtcp(&report(phones[2].ssrc));
    browser.party.send(&sealed);
    assert_eq!(phones[2].hear_rtcp(), report(phones[2].ssrc));
    assert_eq!(exchange.close(riders[0]).packets_received, 2);
    assert_eq!(exchange.close(riders[1]).packets_sent, 1);
    // What rides no more is not heard any more, and the others are.
    say_tagged(&mut browser, 96, 1, Some(b'1'));
    let voice = say_tagged(&mut browser, PCMA, 1, Some(b'0'));
    assert_eq!(phones[0].hear(), voice);
}

/// A browser that uses one number for the sources of all its streams, which tags tell apart, and phones
/// that happen to use it, too.
#[test]
fn sources_that_collide_on_shared_ports_are_told_apart_by_their_tags() {
    let (exchange, _) = exchange();
    let mut browser = Browser::new(Party::new(A), DtlsRole::Client)
        .with_ice(true)
        .with_dtls();
    let (mut phones, _) = share_ports(&exchange, &mut browser);
    browser.secure();
    let ssrc = phones[0].ssrc;
    for _ in 0..5 {
        for (number, (payload_type, mid)) in
            [(PCMA, b'0'), (96, b'1'), (96, b'2')].iter().enumerate()
        {
            let said = say_tagged(&mut browser, *payload_type, ssrc, Some(*mid));
            assert_eq!(phones[number].hear(), said);
        }
        let [first, ..] = &mut phones;
        let packet = first.packet(PCMA);
        first.send(&packet);
        assert_eq!(browser.hear_clear(), with_tag(packet, b'0'));
    }
    assert!(phones.iter().all(Party::hears_nothing));
}

#[test]
fn numbers_and_feedback_are_translated_for_the_other_side() {
    let exchange = Exchange::start();
    let (mut a, b, at_a, at_b) = exchange.call();
    exchange.set_remote(
        at_a,
        Remote {
            payload_types: vec![PCMA, 126],
            feedback: FeedbackSet::NONE.with(Feedback::PictureLoss),
            translations: vec![Translation {
                from: 126,
                to: TELEPHONE_EVENT,
                event_clocks: Some((48_000, 8_000)),
            }],
            ..a.remote()
        },
    );
    let mut event = a.packet(126);
    event.truncate(12);
    event.extend([5, 10, 0x12, 0xc0]);
    a.send(&event);
    let heard = b.hear();
    assert_eq!(heard[1] & 0x7f, TELEPHONE_EVENT);
    assert_eq!(heard[12..], [5, 10, 0x03, 0x20]);
    // A picture loss is nothing for a phone without feedback.
    let report = a.report();
    let loss = [0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2];
    a.send_rtcp(&[report.as_slice(), &loss].concat());
    assert_eq!(b.hear_rtcp(), report);
    a.send_rtcp(&loss);
    // The other one takes it.
    b.send_rtcp(&[b.report().as_slice(), &loss].concat());
    assert_eq!(a.hear_rtcp(), [b.report().as_slice(), &loss].concat());
    assert!(b.hears_nothing());
    exchange.close(at_b);
}
