//! Where a call goes that a phone redirects, and what whoever is there is offered: a phone of ours
//! what its record says, anybody else what somebody is offered of whom nothing is known.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod rig;

use fernamt_exchange::interface::Target;
use fernamt_sip::transport::Transport;
use rig::sdp::{Kind, profile_of};
use rig::secure::config;
use rig::{Phone, Rig, body, two_phones};

const ELSEWHERE: &str = "198.51.100.99";

fn phone(user: &'static str, address: &str, transport: Transport) -> Phone {
    let mut phone = Phone::new(user, address);
    phone.transport = transport;
    phone
}

/// Anna calls Bert, whose phone says to try `contact` instead.
fn redirect(rig: &mut Rig, anna: &mut Phone, bert: &Phone, contact: &str) {
    let offer = Kind::Plain.offer("198.51.100.7", 4000);
    anna.invite(rig, "sip:bert@192.0.2.1", "", &offer);
    let invite = bert.expect(rig, "INVITE");
    bert.redirect(rig, &invite, contact);
    bert.expect(rig, "ACK");
}

#[test]
fn somebody_outside_is_offered_what_nothing_is_known_of() {
    for (wish, transport, param, profile) in [
        ("never", Transport::Udp, "", "RTP/AVP"),
        ("required", Transport::Udp, "", "RTP/AVP"),
        ("required", Transport::Tls, ";transport=tls", "RTP/SAVP"),
        ("never", Transport::Tls, ";transport=tls", "RTP/SAVP"),
    ] {
        let mut rig = Rig::with(config());
        rig.wish("bert", wish, "webrtc");
        let (mut anna, mut bert) = two_phones(&mut rig);
        bert.contact_params = ";+sip.ice";
        bert.register(&mut rig);
        let contact = format!("sip:bert@{ELSEWHERE}:5070{param}");
        redirect(&mut rig, &mut anna, &bert, &contact);
        let there = phone("bert", &format!("{ELSEWHERE}:5070"), transport);
        let invite = there.expect(&mut rig, "INVITE sip:bert@198.51.100.99:5070");
        let offered = body(&invite);
        assert_eq!(profile_of(&offered), profile, "{wish}: {offered}");
        assert!(offered.contains("a=crypto:1 "), "{offered}");
        assert!(!offered.contains("a=ice-ufrag:"), "{offered}");
    }
}

#[test]
fn a_contact_that_a_phone_of_ours_has_registered_is_that_phone() {
    for (encryption, media_transport, params, profile) in [
        ("never", "automatic", "", "RTP/AVP"),
        ("required", "sdes", ";+sip.ice", "RTP/SAVP"),
        ("automatic", "webrtc", ";+sip.ice", "UDP/TLS/RTP/SAVPF"),
    ] {
        // By the address in its contact, or by the one that its REGISTER came from.
        for host in ["198.51.100.9:5060", "198.51.100.9:5060;transport=udp"] {
            let mut rig = Rig::with(config());
            rig.wish("bert", "never", "automatic");
            rig.wish("carla", encryption, media_transport);
            let (mut anna, bert) = two_phones(&mut rig);
            let mut carla = Phone::new("carla", "198.51.100.9:5060");
            carla.contact_params = params;
            carla.register(&mut rig);
            redirect(&mut rig, &mut anna, &bert, &format!("sip:carla@{host}"));
            let offered = body(&carla.expect(&mut rig, "INVITE sip:carla@198.51.100.9:5060"));
            assert_eq!(profile_of(&offered), profile, "{offered}");
            assert_eq!(
                offered.contains("a=ice-ufrag:"),
                !params.is_empty(),
                "{offered}"
            );
            assert_eq!(
                offered.contains("a=crypto:"),
                profile == "RTP/SAVP",
                "{offered}"
            );
        }
    }
}

/// Behind a NAT the contact that another phone knows may be where the exchange sees it, and the way to a
/// phone on a stream is its connection.
#[test]
fn a_phone_of_ours_is_reached_by_the_way_that_it_registered_on() {
    let mut rig = Rig::with(config());
    let (mut anna, bert) = two_phones(&mut rig);
    let mut carla = phone("carla", "203.0.113.9:40000", Transport::Wss);
    carla.connection = Some(9);
    carla.contact_params = ";transport=ws";
    carla.register(&mut rig);
    redirect(
        &mut rig,
        &mut anna,
        &bert,
        "sip:carla@203.0.113.9:40000;transport=ws",
    );
    let (flow, invite) = rig
        .wire
        .iter()
        .rfind(|(_, text)| text.starts_with("INVITE"))
        .unwrap();
    assert_eq!(
        (flow.transport, flow.connection),
        (Transport::Wss, carla.flow().connection)
    );
    assert_eq!(profile_of(&body(invite)), "UDP/TLS/RTP/SAVPF");
}

#[test]
fn a_name_of_ours_at_an_address_of_others_is_not_our_phone() {
    for contact in [
        "sip:carla@198.51.100.99:5060",
        "sip:carla@198.51.100.9:5061",
        "sip:someone@198.51.100.9:5060",
        "sips:carla@198.51.100.9:5060",
        "sip:carla@198.51.100.9:5060;transport=tcp",
        "sip:198.51.100.9:5060",
    ] {
        let mut rig = Rig::with(config());
        rig.wish("carla", "required", "dtls");
        let (mut anna, bert) = two_phones(&mut rig);
        let mut carla = Phone::new("carla", "198.51.100.9:5060");
        carla.register(&mut rig);
        redirect(&mut rig, &mut anna, &bert, contact);
        let sent = rig
            .wire
            .iter()
            .rfind(|(_, text)| text.starts_with("INVITE"));
        let profile = profile_of(&body(&sent.unwrap().1));
        assert!(
            ["RTP/AVP", "RTP/SAVP"].contains(&&*profile),
            "{contact}: {profile}"
        );
    }
}

#[test]
fn another_subscriber_is_offered_what_its_own_phones_are() {
    let mut rig = Rig::with(config());
    rig.wish("bert", "never", "automatic");
    rig.wish("carla", "required", "sdes");
    let (mut anna, bert) = two_phones(&mut rig);
    let mut carla = Phone::new("carla", "198.51.100.9:5060");
    carla.contact_params = ";+sip.ice";
    carla.register(&mut rig);
    redirect(&mut rig, &mut anna, &bert, "sip:carla@192.0.2.1");
    let offered = body(&carla.expect(&mut rig, "INVITE"));
    assert_eq!(profile_of(&offered), "RTP/SAVP");
    assert!(offered.contains("a=ice-ufrag:"), "{offered}");
}

/// The redirected contact gets no offer where the caller has made none, and what it offers is carried.
#[test]
fn a_late_offer_comes_from_where_the_call_was_redirected_to() {
    let mut rig = Rig::with(config());
    let (mut anna, bert) = two_phones(&mut rig);
    anna.contact_params = ";+sip.ice";
    anna.register(&mut rig);
    let sent = anna.invite(&mut rig, "sip:bert@192.0.2.1", "", "");
    let invite = bert.expect(&mut rig, "INVITE");
    bert.redirect(&mut rig, &invite, "sip:bert@198.51.100.99:5070");
    bert.expect(&mut rig, "ACK");
    let there = Phone::new("bert", &format!("{ELSEWHERE}:5070"));
    let invite = there.expect(&mut rig, "INVITE");
    assert!(body(&invite).is_empty(), "{invite}");
    there.respond(
        &mut rig,
        &invite,
        "200 OK",
        "",
        &Kind::Sdes.offer(ELSEWHERE, 5000),
    );
    let ok = anna.expect(&mut rig, "SIP/2.0 200");
    assert!(body(&ok).contains("a=ice-ufrag:"), "{ok}");
    let hers = Kind::Plain.offer("198.51.100.7", 4000);
    let mut talk = anna.talk_as_caller(&sent, &ok);
    anna.confirm(&mut rig, &mut talk, &hers);
    assert_eq!(
        profile_of(&body(&there.expect(&mut rig, "ACK"))),
        "RTP/SAVP"
    );
    anna.hang_up(&mut rig, &mut talk);
    let journal = rig.words();
    let words = "Media with the called party: SRTP, AES-CM-128, keys crossed an unencrypted signalling path (UDP).";
    assert!(journal.contains(words), "{journal}");
}

fn target(transport: Transport, address: &str) -> Target {
    Target {
        transport,
        address: address.parse().unwrap(),
        server_name: None,
    }
}

/// What is offered depends on the way that the name service gives, and is said of the way that was taken.
#[test]
fn a_host_is_looked_up_before_anything_is_offered_to_it() {
    for (transport, profile, words) in [
        (
            Transport::Udp,
            "RTP/AVP",
            "keys crossed an unencrypted signalling path (UDP)",
        ),
        (
            Transport::Tls,
            "RTP/SAVP",
            "keys from the description over TLS",
        ),
        (Transport::Wss, "UDP/TLS/RTP/SAVPF", "fingerprint over WSS"),
    ] {
        let mut rig = Rig::with(config());
        rig.targets = vec![target(transport, "198.51.100.99:5099")];
        let (mut anna, bert) = two_phones(&mut rig);
        redirect(&mut rig, &mut anna, &bert, "sip:bert@elsewhere.example");
        let there = phone("bert", &format!("{ELSEWHERE}:5099"), transport);
        let invite = there.expect(&mut rig, "INVITE sip:bert@elsewhere.example");
        let offered = body(&invite);
        assert_eq!(profile_of(&offered), profile, "{offered}");
        there.accept(&mut rig, &invite, true);
        there.expect(&mut rig, "ACK");
        anna.expect(&mut rig, "SIP/2.0 200");
        let mut talk = there.talk_as_callee(&invite);
        there.hang_up(&mut rig, &mut talk);
        let journal = rig.words();
        assert!(journal.contains(words), "{journal}");
        let found = format!("The host of the address is at {transport} 198.51.100.99:5099.");
        assert!(journal.contains(&found), "{journal}");
        assert!(rig.open_ports.is_empty());
    }
}

#[test]
fn the_next_address_of_a_host_is_offered_what_fits_the_way_to_it() {
    let mut rig = Rig::with(config());
    rig.targets = vec![
        target(Transport::Tls, "198.51.100.98:5061"),
        target(Transport::Udp, "198.51.100.99:5060"),
        target(Transport::Udp, "198.51.100.97:5060"),
    ];
    let (mut anna, bert) = two_phones(&mut rig);
    redirect(&mut rig, &mut anna, &bert, "sip:bert@elsewhere.example");
    let first = phone("bert", "198.51.100.98:5061", Transport::Tls);
    let invite = first.expect(&mut rig, "INVITE");
    assert_eq!(profile_of(&body(&invite)), "RTP/SAVP");
    first.respond(&mut rig, &invite, "503 Service Unavailable", "", "");
    first.expect(&mut rig, "ACK");
    let second = Phone::new("bert", "198.51.100.99:5060");
    let invite = second.expect(&mut rig, "INVITE");
    let offered = body(&invite);
    assert_eq!(profile_of(&offered), "RTP/AVP");
    assert_eq!(rig.open_ports.len(), 2, "those of the first way are closed");
    second.respond(&mut rig, &invite, "503 Service Unavailable", "", "");
    second.expect(&mut rig, "ACK");
    // Along a way of the same kind the offer stays.
    let third = Phone::new("bert", "198.51.100.97:5060");
    let invite = third.expect(&mut rig, "INVITE");
    assert_eq!(body(&invite), offered);
    third.accept(&mut rig, &invite, true);
    third.expect(&mut rig, "ACK");
    anna.expect(&mut rig, "SIP/2.0 200");
    assert_eq!(rig.remotes().len(), 2);
}

#[test]
fn a_host_that_leads_nowhere_and_a_caller_that_gives_up_meanwhile_leave_nothing_behind() {
    let mut rig = Rig::with(config());
    let (mut anna, bert) = two_phones(&mut rig);
    redirect(&mut rig, &mut anna, &bert, "sip:bert@nowhere.example");
    anna.expect(&mut rig, "SIP/2.0 480");
    assert!(rig.open_ports.is_empty());
    let journal = rig.words();
    assert!(
        journal.contains("The host of the address was not found."),
        "{journal}"
    );
}

#[test]
fn the_journal_says_whose_phone_a_contact_is() {
    let mut rig = Rig::with(config());
    let (mut anna, bert) = two_phones(&mut rig);
    let mut carla = Phone::new("carla", "198.51.100.9:5060");
    carla.register(&mut rig);
    let offer = Kind::Plain.offer("198.51.100.7", 4000);
    let sent = anna.invite(&mut rig, "sip:bert@192.0.2.1", "", &offer);
    let invite = bert.expect(&mut rig, "INVITE");
    bert.redirect(&mut rig, &invite, "sip:carla@198.51.100.9:5060");
    bert.expect(&mut rig, "ACK");
    let invite = carla.expect(&mut rig, "INVITE");
    carla.respond(&mut rig, &invite, "180 Ringing", "", "");
    let cancel = anna.cancel(&sent);
    anna.send(&mut rig, &cancel);
    let journal = rig.words();
    assert!(journal.contains("That is a phone of carla."), "{journal}");
}
