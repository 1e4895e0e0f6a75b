//! Calls from the first ring to the end.

use core::time::Duration;

use super::super::{AgentSettings, Command, EndKind, Event, Side};
use super::world::{RIGHT, World};
use crate::media::Voice;

fn talking(change: impl Fn(&mut AgentSettings)) -> World {
    let mut world = World::of_two(change);
    world.call(0, RIGHT);
    world.seconds(1);
    world.command(1, Command::Answer);
    world.seconds(1);
    assert!(
        world.has(0, &Event::Answered) && world.has(1, &Event::Answered),
        "{:?}",
        world.log
    );
    world
}

#[test]
fn a_call_rings_is_answered_carries_voice_and_is_released() {
    let mut world = talking(|_| {});
    assert!(world.phones[0].events.iter().any(|event| matches!(
        event,
        Event::Progress {
            status: 180,
            reliable: false,
            ..
        }
    )));
    assert_eq!(world.plan(0).remote.to_string(), "192.0.2.2:5000");
    assert_eq!(world.plan(1).remote.to_string(), "192.0.2.1:4000");
    assert_eq!(world.plan(0).voice, Voice::Pcma);
    world.command(0, Command::HangUp);
    world.seconds(1);
    assert_eq!(
        (&world.ended(0).kind, world.ended(0).by),
        (&EndKind::Released, Side::Here)
    );
    assert_eq!(
        (&world.ended(1).kind, world.ended(1).by),
        (&EndKind::Released, Side::There)
    );
    assert!(world.phones.iter().all(|phone| phone.agent.is_quiet()));
    assert_eq!(
        world.log,
        [
            "INVITE",
            "180 INVITE",
            "200 INVITE",
            "ACK",
            "BYE",
            "200 BYE"
        ]
    );
}

#[test]
fn the_called_side_may_hang_up_too() {
    let mut world = talking(|_| {});
    world.command(1, Command::HangUp);
    world.seconds(1);
    assert_eq!(world.ended(1).by, Side::Here);
    assert_eq!(world.ended(0).by, Side::There);
}

#[test]
fn a_call_converges_when_every_third_datagram_is_lost() {
    let mut world = World::of_two(|settings| settings.reliable_ringing = true);
    world.lose_every = Some(3);
    world.call(0, RIGHT);
    world.seconds(4);
    world.command(1, Command::Answer);
    world.seconds(10);
    assert!(
        world.has(0, &Event::Answered) && world.has(1, &Event::Answered),
        "{:?}",
        world.log
    );
    world.command(0, Command::HangUp);
    world.seconds(40);
    assert_eq!(world.ended(0).kind, EndKind::Released);
    assert_eq!(world.ended(1).kind, EndKind::Released);
    assert!(world.phones.iter().all(|phone| phone.agent.is_quiet()));
}

#[test]
fn a_caller_who_gives_up_cancels() {
    let mut world = World::of_two(|_| {});
    world.call(0, RIGHT);
    world.seconds(1);
    world.command(0, Command::HangUp);
    world.seconds(1);
    assert_eq!(
        (&world.ended(0).kind, world.ended(0).by),
        (&EndKind::Cancelled, Side::Here)
    );
    assert_eq!(
        (&world.ended(1).kind, world.ended(1).by),
        (&EndKind::Cancelled, Side::There)
    );
    assert_eq!(world.logged("CANCEL"), 1);
    assert_eq!(world.logged("487 INVITE"), 1);
}

#[test]
fn an_answer_that_crosses_the_cancel_is_released() {
    let mut world = World::of_two(|_| {});
    world.call(0, RIGHT);
    world.seconds(1);
    world.command(1, Command::Answer);
    world.command(0, Command::HangUp);
    world.seconds(1);
    assert_eq!(world.ended(0).kind, EndKind::Cancelled);
    assert_eq!(
        (&world.ended(1).kind, world.ended(1).by),
        (&EndKind::Released, Side::There)
    );
    assert_eq!((world.logged("ACK"), world.logged("BYE")), (1, 1));
}

#[test]
fn a_refused_call_tells_the_status() {
    for (status, reason) in [
        (486, "Busy Here"),
        (603, "Decline"),
        (480, "Temporarily Unavailable"),
    ] {
        let mut world = World::of_two(|_| {});
        world.call(0, RIGHT);
        world.seconds(1);
        world.command(1, Command::Reject(status));
        world.seconds(1);
        let EndKind::Refused(refusal) = &world.ended(0).kind else {
            panic!("{:?}", world.ended(0));
        };
        assert_eq!(
            (refusal.status, &*refusal.reason, refusal.rang),
            (status, reason, true)
        );
        assert_eq!(world.ended(1).kind, EndKind::Rejected(status));
    }
}

#[test]
fn a_phone_in_a_call_is_busy_for_others() {
    let mut world = talking(|_| {});
    let third = world.add("192.0.2.3:5060", AgentSettings::default());
    world.call(third, RIGHT);
    world.seconds(1);
    let EndKind::Refused(refusal) = &world.ended(third).kind else {
        panic!()
    };
    assert_eq!((refusal.status, refusal.rang), (486, false));
    assert!(world.phones[1].agent.is_quiet() || world.has(1, &Event::Answered));
}

#[test]
fn ringing_is_told_reliably_where_both_sides_can() {
    let world = talking(|settings| settings.reliable_ringing = true);
    assert!(world.phones[0].events.iter().any(|event| matches!(
        event,
        Event::Progress {
            status: 180,
            reliable: true,
            ..
        }
    )));
    assert_eq!((world.logged("PRACK"), world.logged("200 PRACK")), (1, 1));
}

#[test]
fn without_a_codec_in_common_the_call_is_refused_with_488() {
    let mut world = World::new();
    let settings = |voice, accept_calls| AgentSettings {
        voices: vec![voice],
        accept_calls,
        ..AgentSettings::default()
    };
    world.add(super::world::LEFT, settings(Voice::Pcma, false));
    world.add(RIGHT, settings(Voice::Pcmu, true));
    world.call(0, RIGHT);
    world.seconds(1);
    let EndKind::Refused(refusal) = &world.ended(0).kind else {
        panic!()
    };
    assert_eq!(refusal.status, 488);
}

#[test]
fn nobody_there_is_told_after_timer_b() {
    let mut world = World::of_two(|_| {});
    world.call(0, "192.0.2.99:5060");
    world.seconds(33);
    let EndKind::Refused(refusal) = &world.ended(0).kind else {
        panic!()
    };
    assert_eq!(refusal.status, 408);
    assert!(refusal.hint.is_some());
}

#[test]
fn a_side_that_vanishes_is_noticed_by_the_session_timer() {
    let mut world = talking(|_| {});
    // The right phone is unplugged.
    world.phones.pop();
    world.run(Duration::from_secs(1_850));
    assert!(
        matches!(world.ended(0).kind, EndKind::Vanished(_)),
        "{:?}",
        world.ended(0)
    );
}

#[test]
fn a_long_call_is_refreshed_and_lives_on() {
    let mut world = talking(|_| {});
    world.run(Duration::from_secs(10_000));
    assert!(world.logged("UPDATE") >= 5, "{:?}", world.log);
    assert!(!world.phones[0].agent.is_quiet() && !world.phones[1].agent.is_quiet());
    world.command(1, Command::HangUp);
    world.seconds(1);
    assert_eq!(world.ended(0).kind, EndKind::Released);
}

#[test]
fn an_answer_that_is_never_acknowledged_is_ended() {
    let mut world = World::of_two(|_| {});
    world.call(0, RIGHT);
    world.seconds(1);
    world.phones[0].address = super::world::address("192.0.2.77:9");
    world.command(1, Command::Answer);
    world.seconds(40);
    assert!(
        matches!(world.ended(1).kind, EndKind::Vanished(_)),
        "{:?}",
        world.ended(1)
    );
    assert!(world.logged("BYE") >= 1);
}
