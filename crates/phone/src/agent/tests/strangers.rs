//! Requests of no call, unknown ones, and bytes that are no SIP.

use super::super::{AgentSettings, Event};
use super::world::{RIGHT, World};

fn ask(method: &str, to: &str, more: &str) -> (Option<u16>, String) {
    let mut world = World::of_two(|_| {});
    let text = format!(
        "{method} sip:phone@192.0.2.2 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKx\n\
         Max-Forwards: 70\nFrom: <sip:a@192.0.2.9>;tag=1\nTo: <sip:phone@192.0.2.2>{to}\n\
         Call-ID: x\nCSeq: 1 {method}\nContact: <sip:a@192.0.2.9>\n{more}Content-Length: 0\n\n"
    );
    world.inject("192.0.2.9:5060", RIGHT, &text);
    world.seconds(1);
    match world.delivered.is_empty() {
        true => (None, String::new()),
        false => world.last_delivered(|response| {
            let allow = response
                .value_of("Allow")
                .or(response.value(fernamt_sip::message::Name::Allow));
            (response.status(), allow.unwrap_or("").to_owned())
        }),
    }
}

#[test]
fn every_method_has_its_answer() {
    for (method, to, status) in [
        ("OPTIONS", "", Some(200)),
        ("SUBSCRIBE", "", Some(405)),
        ("MESSAGE", "", Some(405)),
        ("REFER", "", Some(405)),
        ("PUBLISH", "", Some(405)),
        ("REGISTER", "", Some(405)),
        ("CHARGE", "", Some(501)),
        ("BYE", "", Some(481)),
        ("BYE", ";tag=unknown", Some(481)),
        ("INVITE", ";tag=unknown", Some(481)),
        ("OPTIONS", ";tag=unknown", Some(481)),
        ("CANCEL", "", Some(481)),
        ("PRACK", "", Some(481)),
        ("ACK", "", None),
    ] {
        let (answer, allow) = ask(method, to, "");
        assert_eq!(answer, status, "{method}{to}");
        if matches!(answer, Some(200 | 405 | 501)) {
            assert!(allow.contains("INVITE"), "{method}: {allow}");
        }
    }
}

#[test]
fn an_extension_that_is_required_and_not_known_is_refused_with_420() {
    assert_eq!(
        ask("INVITE", "", "Require: teleport, 100rel\n").0,
        Some(420)
    );
}

#[test]
fn an_invite_that_breaks_the_rules_is_refused() {
    assert_eq!(
        ask("INVITE", "", "Session-Expires: 5\nSupported: timer\n").0,
        Some(422)
    );
    let (status, _) = ask("INVITE", "", "Session-Expires: soon\n");
    assert_eq!(status, Some(400));
}

#[test]
fn a_phone_that_takes_no_calls_is_busy() {
    let mut world = World::new();
    world.add(RIGHT, AgentSettings::default());
    world.add("192.0.2.3:5060", AgentSettings::default());
    world.call(1, RIGHT);
    world.seconds(1);
    assert!(matches!(
        world.phones[1].events.last(),
        Some(Event::Ended(ended)) if matches!(&ended.kind, super::super::EndKind::Refused(it) if it.status == 486)
    ));
}

#[test]
fn bytes_that_are_no_sip_change_nothing() {
    let mut world = World::of_two(|_| {});
    for text in [
        "",
        "\n\n",
        "GET / HTTP/1.1\n\n",
        "SIP/2.0 200 OK\n\n",
        "INVITE x SIP/2.0\n\n",
        "\0\0",
    ] {
        world.inject("192.0.2.9:5060", RIGHT, text);
    }
    world.seconds(1);
    assert!(world.phones[1].events.is_empty());
}
