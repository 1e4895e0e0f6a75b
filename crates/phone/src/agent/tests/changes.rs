//! Hold, resume and crossing changes.

use fernamt_sdp::Direction;

use super::super::{Command, EndKind, Event};
use super::world::{LEFT, RIGHT, World};

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

/// Answers the INVITE of the left phone as a scripted peer with these headers and body.
fn scripted_call(world: &mut World) -> String {
    world.call(0, "192.0.2.9:5060");
    world.seconds(1);
    let (dialog, response) = world.last_delivered(|invite| {
        let field = |name| invite.value_of(name).unwrap_or("").to_owned();
        let via = invite
            .value(fernamt_sip::message::Name::Via)
            .unwrap_or("")
            .to_owned();
        let from = invite
            .value(fernamt_sip::message::Name::From)
            .unwrap_or("")
            .to_owned();
        let call_id = invite.call_id().unwrap_or("").to_owned();
        let _ = field;
        let to = format!("<{}>;tag=peer", invite.request_uri().unwrap_or(""));
        let head = format!(
            "SIP/2.0 200 OK\nVia: {via}\nFrom: {from}\nTo: {to}\nCall-ID: {call_id}\n\
             CSeq: 1 INVITE\nContact: <sip:peer@192.0.2.9>\n"
        );
        // Seen from the peer the ends are swapped.
        (
            format!("From: {to}\nTo: {from}\nCall-ID: {call_id}\n"),
            head,
        )
    });
    let sdp = "v=0\no=- 1 1 IN IP4 192.0.2.9\ns=-\nc=IN IP4 192.0.2.9\nt=0 0\n\
               m=audio 6000 RTP/AVP 8\n";
    let body = sdp.replace('\n', "\r\n");
    let answer = format!(
        "{response}Content-Type: application/sdp\nContent-Length: {}\n\n{sdp}",
        body.len()
    );
    world.inject("192.0.2.9:5060", LEFT, &answer);
    world.seconds(1);
    assert!(
        world.has(0, &Event::Answered),
        "{:?}",
        world.phones[0].events
    );
    dialog
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
