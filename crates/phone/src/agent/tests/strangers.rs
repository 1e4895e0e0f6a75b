//! Requests of no call, unknown ones, and bytes that are no SIP.

use super::super::{AgentSettings, Command, Event};
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

/// A source of chance that repeats.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).expect("less than the limit")
    }

    /// Cuts, doubles and changes parts of a message, as no decent peer would.
    fn spoil(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.below(6) {
            let at = self.below(bytes.len());
            match self.below(5) {
                0 => bytes.truncate(at.max(1)),
                1 => bytes[at] = u8::try_from(self.below(256)).expect("a byte"),
                2 => drop(bytes.drain(at..(at + self.below(40)).min(bytes.len()))),
                3 => {
                    let part = bytes[at..(at + self.below(60)).min(bytes.len())].to_vec();
                    bytes.splice(at..at, part);
                }
                _ => bytes[at] = b"\r\n :;=<>\"@,0"[self.below(12)],
            }
            if bytes.is_empty() {
                bytes.push(b'x');
            }
        }
    }
}

/// Messages of a whole call, with holds, spoilt by chance and thrown at a phone in every state of
/// its own call: it may refuse or drop them, and ends its own call in good order.
#[test]
fn spoilt_messages_do_no_harm() {
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    for _ in 0..60 {
        let mut world = World::of_two(|settings| settings.reliable_ringing = true);
        let throw = |world: &mut World, chance: &mut Chance| {
            for _ in 0..20 {
                let which = chance.below(world.sent_bytes.len());
                let mut bytes = world.sent_bytes[which].clone();
                chance.spoil(&mut bytes);
                let to = [super::world::LEFT, RIGHT][chance.below(2)];
                world.inject_bytes("192.0.2.9:5060", to, bytes);
            }
            world.seconds(1);
        };
        world.call(0, RIGHT);
        world.seconds(1);
        throw(&mut world, &mut chance);
        world.command(1, Command::Answer);
        throw(&mut world, &mut chance);
        world.command(0, Command::Hold(true));
        throw(&mut world, &mut chance);
        world.command(0, Command::HangUp);
        world.command(1, Command::HangUp);
        throw(&mut world, &mut chance);
        world.seconds(200);
        for phone in &world.phones {
            let ends = phone
                .events
                .iter()
                .filter(|event| matches!(event, Event::Ended(_)));
            let begins = phone
                .events
                .iter()
                .filter(|event| matches!(event, Event::Calling { .. } | Event::Incoming { .. }));
            let rings = matches!(phone.events.last(), Some(Event::Incoming { .. }));
            assert_eq!(
                ends.count() + usize::from(rings),
                begins.count(),
                "{:?}",
                phone.events
            );
        }
    }
}
