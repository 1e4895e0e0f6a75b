//! Hold, resume and crossing changes.

use fernamt_sdp::Direction;

use super::super::{Command, EndKind, Event};
use super::world::{LEFT, RIGHT, World};
use fernamt_sip::message::{Message, Name};

fn talking() -> World {
    let mut world = World::of_two(|_| {});
    world.call(0, RIGHT);
    world.seconds(1);
    world.command(1, Command::Answer);
    world.seconds(1);
    world
}

#[test]
fn hold_stops_the_voice_of_the_other_side_and_resume_brings_it_back() {
    let mut world = talking();
    world.command(0, Command::Hold(true));
    world.seconds(1);
    assert_eq!(world.plan(0).direction, Direction::SendOnly);
    assert_eq!(world.plan(1).direction, Direction::RecvOnly);
    assert!(!world.plan(1).sends());
    world.command(0, Command::Hold(false));
    world.seconds(1);
    assert_eq!(world.plan(0).direction, Direction::SendRecv);
    assert_eq!(world.plan(1).direction, Direction::SendRecv);
    assert_eq!(world.logged("INVITE"), 3);
}

#[test]
fn changes_that_cross_are_tried_again_until_both_are_made() {
    let mut world = talking();
    world.command(0, Command::Hold(true));
    world.command(1, Command::Hold(true));
    world.seconds(30);
    assert_eq!(world.logged("491 INVITE"), 2);
    assert_eq!(world.plan(0).direction, Direction::Inactive);
    assert_eq!(world.plan(1).direction, Direction::Inactive);
    world.command(0, Command::HangUp);
    world.seconds(1);
    assert_eq!(world.ended(1).kind, EndKind::Released);
}

const PEER: &str = "192.0.2.9:5060";

const SDP: &str = "v=0\no=- 1 1 IN IP4 192.0.2.9\ns=-\nc=IN IP4 192.0.2.9\nt=0 0\n\
                   m=audio 6000 RTP/AVP 8\n";

/// What a scripted peer says to the INVITE that the left phone sent it, with this To tag.
fn answer_invite(world: &mut World, invite: &str, status: &str, tag: &str, sdp: &str) {
    let invite = Message::parse(invite.as_bytes()).expect("an INVITE");
    let copied = |name| invite.value(name).unwrap_or("").to_owned();
    let (via, from) = (copied(Name::Via), copied(Name::From));
    let (to, call_id) = (copied(Name::To), copied(Name::CallId));
    let length = sdp.replace('\n', "\r\n").len();
    let body = format!("Content-Type: application/sdp\nContent-Length: {length}\n\n{sdp}");
    let body = if sdp.is_empty() {
        "Content-Length: 0\n\n"
    } else {
        &body
    };
    world.inject(
        PEER,
        LEFT,
        &format!(
            "SIP/2.0 {status}\nVia: {via}\nFrom: {from}\nTo: {to};tag={tag}\nCall-ID: {call_id}\n\
         CSeq: 1 INVITE\nContact: <sip:{tag}@192.0.2.9>\n{body}"
        ),
    );
}

/// The left phone calls a scripted peer; the INVITE that it gets.
fn invited(world: &mut World) -> String {
    world.call(0, PEER);
    world.run(core::time::Duration::from_millis(100));
    world.delivered.last().expect("an INVITE").2.clone()
}

/// A scripted peer answers the left phone; the header fields of its requests in the dialog.
fn scripted_call(world: &mut World) -> String {
    let invite = invited(world);
    answer_invite(world, &invite, "200 OK", "peer", SDP);
    world.seconds(1);
    assert!(
        world.has(0, &Event::Answered),
        "{:?}",
        world.phones[0].events
    );
    let invite = Message::parse(invite.as_bytes()).expect("an INVITE");
    let copied = |name| invite.value(name).unwrap_or("").to_owned();
    // Seen from the peer the ends are swapped.
    let (from, to, call_id) = (copied(Name::To), copied(Name::From), copied(Name::CallId));
    format!("From: {from};tag=peer\nTo: {to}\nCall-ID: {call_id}\n")
}

#[test]
fn a_second_fork_that_answers_is_acknowledged_and_ended() {
    let mut world = World::of_two(|_| {});
    let invite = invited(&mut world);
    // More forks ring than are followed; every one may answer all the same.
    for fork in 0..17 {
        answer_invite(&mut world, &invite, "180 Ringing", &format!("f{fork}"), "");
    }
    answer_invite(&mut world, &invite, "200 OK", "f16", SDP);
    answer_invite(&mut world, &invite, "200 OK", "f3", SDP);
    world.seconds(1);
    assert!(world.has(0, &Event::Answered));
    let sent = |start: &str| {
        world
            .delivered
            .iter()
            .filter(|(_, _, text)| text.starts_with(start))
            .count()
    };
    assert_eq!((sent("ACK sip:f16@"), sent("ACK sip:f3@")), (1, 1));
    assert!(
        sent("BYE sip:f3@") >= 1 && sent("BYE sip:f16@") == 0,
        "{:?}",
        world.log
    );
}

#[test]
fn early_voice_is_heard_and_the_answer_may_come_from_elsewhere() {
    let mut world = World::of_two(|_| {});
    let invite = invited(&mut world);
    answer_invite(&mut world, &invite, "183 Session Progress", "early", SDP);
    world.seconds(1);
    assert_eq!(world.plan(0).remote.to_string(), "192.0.2.9:6000");
    assert!(!world.has(0, &Event::Answered));
    answer_invite(
        &mut world,
        &invite,
        "200 OK",
        "other",
        &SDP.replace("6000", "7000"),
    );
    world.seconds(1);
    assert_eq!(world.plan(0).remote.to_string(), "192.0.2.9:7000");
}

#[test]
fn an_answer_that_cannot_be_used_ends_the_call_properly() {
    for sdp in ["", "v=0\n", &SDP.replace("AVP 8", "AVP 18")] {
        let mut world = World::of_two(|_| {});
        let invite = invited(&mut world);
        answer_invite(&mut world, &invite, "200 OK", "peer", sdp);
        world.seconds(1);
        assert!(
            matches!(world.ended(0).kind, EndKind::NotUnderstood(_)),
            "{sdp}"
        );
        assert_eq!((world.logged("ACK"), world.logged("BYE") >= 1), (1, true));
    }
}

fn request(method: &str, branch: &str, cseq: u32, dialog: &str, rest: &str) -> String {
    format!(
        "{method} sip:phone@192.0.2.1 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK{branch}\n\
         Max-Forwards: 70\n{dialog}CSeq: {cseq} {method}\n{rest}"
    )
}

#[test]
fn an_invite_without_an_offer_gets_one_and_takes_the_answer_from_the_ack() {
    let mut world = World::of_two(|_| {});
    let dialog = scripted_call(&mut world);
    let contact = "Contact: <sip:peer@192.0.2.9>\n";
    let invite = request(
        "INVITE",
        "late",
        1,
        &dialog,
        &format!("{contact}Content-Length: 0\n\n"),
    );
    world.inject("192.0.2.9:5060", LEFT, &invite);
    world.run(core::time::Duration::from_millis(100));
    world.last_delivered(|response| {
        assert_eq!(response.status(), Some(200));
        assert!(response.body().starts_with(b"v=0"), "{response:?}");
    });
    let sdp = "v=0\no=- 1 2 IN IP4 192.0.2.9\ns=-\nc=IN IP4 192.0.2.50\nt=0 0\n\
               m=audio 7000 RTP/AVP 8\n";
    let length = sdp.replace('\n', "\r\n").len();
    let body = format!("Content-Type: application/sdp\nContent-Length: {length}\n\n{sdp}");
    world.inject(
        "192.0.2.9:5060",
        LEFT,
        &request("ACK", "ack", 1, &dialog, &body),
    );
    world.seconds(1);
    assert_eq!(world.plan(0).remote.to_string(), "192.0.2.50:7000");
}

#[test]
fn bye_low_cseq() {
    let mut world = World::of_two(|_| {});
    let dialog = scripted_call(&mut world);
    let options = request("OPTIONS", "o", 50, &dialog, "Content-Length: 0\n\n");
    world.inject("192.0.2.9:5060", LEFT, &options);
    let bye = request("BYE", "b1", 49, &dialog, "Content-Length: 0\n\n");
    world.inject("192.0.2.9:5060", LEFT, &bye);
    world.seconds(1);
    world.last_delivered(|response| assert_eq!(response.status(), Some(500)));
    assert!(!world.phones[0].agent.is_quiet());
    let bye = request("BYE", "b2", 51, &dialog, "Content-Length: 0\n\n");
    world.inject("192.0.2.9:5060", LEFT, &bye);
    world.seconds(1);
    assert_eq!(world.ended(0).kind, EndKind::Released);
}

#[test]
fn a_change_that_cannot_be_followed_leaves_the_call_as_it_is() {
    let mut world = World::of_two(|_| {});
    let dialog = scripted_call(&mut world);
    let sdp = "v=0\no=- 1 2 IN IP4 192.0.2.9\ns=-\nc=IN IP4 192.0.2.9\nt=0 0\n\
               m=audio 7000 RTP/AVP 18\n";
    let length = sdp.replace('\n', "\r\n").len();
    let body = format!("Content-Type: application/sdp\nContent-Length: {length}\n\n{sdp}");
    world.inject(
        "192.0.2.9:5060",
        LEFT,
        &request("UPDATE", "u", 1, &dialog, &body),
    );
    world.seconds(1);
    world.last_delivered(|response| assert_eq!(response.status(), Some(488)));
    assert_eq!(world.plan(0).remote.to_string(), "192.0.2.9:6000");
}
