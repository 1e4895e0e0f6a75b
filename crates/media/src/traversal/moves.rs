//! That a call goes on when a router forgets, or takes another address, in the middle of it.

use core::net::IpAddr;

use fernamt_sim::nat::Behaviour;
use fernamt_sim::random::Random;

use super::calls::{FAULTY, plan_of};
use super::phone::{KINDS, Kind};
use super::world::{Place, Plan, World};

const ELSEWHERE: [u8; 4] = [203, 0, 113, 99];

/// After what time signalling tells us of a new address: when the phone registers again, or says where
/// it is in the call.
const SIGNALLING_MILLIS: u64 = 2_000;

/// How long voice is interrupted at the most when a phone's port outside changes, in milliseconds.
fn interruption_millis(kind: Kind) -> u64 {
    match kind {
        // Half a second of silence where it was, and some packets that belong together.
        Kind::Plain | Kind::Secured | Kind::Handshake => 1_000,
        // Until the next check comes from the new port, or the party is asked again.
        Kind::Ice | Kind::Browser => 4_000,
        // Until the phone notices that it hears nothing, and has another relay.
        Kind::Relay => 7_000,
    }
}

/// A call that has been going on for a while, the first phone behind such a router.
fn call(kind: Kind, behaviour: Behaviour, seed: u64) -> World {
    let phones = [(kind, Place::Behind(behaviour)), (Kind::Plain, Place::Open)];
    let mut world = World::new(Plan::new(seed, phones));
    world.expect_voice(2_000);
    world.run(5_000 + 100 * seed);
    world
}

/// Each kind of phone behind each kind of router, whoever leads its checks.
fn for_all(test: impl Fn(World, Kind)) {
    for kind in KINDS {
        for behaviour in Behaviour::CLASSIC {
            for seed in 0..2 {
                test(call(kind, behaviour, seed), kind);
            }
        }
    }
}

/// How long it takes until both are heard again, and lets the call go on.
fn expect_recovery(mut world: World, within_millis: u64) {
    // What is under way still arrives.
    world.run(100);
    world.expect_voice(within_millis);
    world.run(2_000);
    let begun_micros = world.now_micros;
    world.run(40_000);
    for side in [0, 1] {
        let heard = world.heard_since(side, begun_micros);
        assert!(heard >= 1_990, "{:?}: {heard} of 2000", world.plan);
    }
    world.expect_privacy();
}

#[test]
fn a_router_that_forgets_its_mappings_interrupts_a_call_for_a_short_time() {
    for_all(|mut world, kind| {
        world.router(0).forget();
        expect_recovery(world, interruption_millis(kind));
    });
}

#[test]
fn a_router_with_another_address_interrupts_a_call_for_a_short_time() {
    for_all(|mut world, kind| {
        world.router(0).move_to(ELSEWHERE.into());
        if kind == Kind::Plain {
            // Nothing but signalling could tell it from a stranger.
            world.run(SIGNALLING_MILLIS);
            let begun_micros = world.now_micros - 1_000_000;
            assert_eq!(world.heard_since(1, begun_micros), 0);
            world.signal(0);
        }
        expect_recovery(world, interruption_millis(kind));
    });
}

#[test]
fn a_phone_that_was_silent_until_its_mapping_was_forgotten_is_heard_again() {
    for_all(|mut world, _| {
        world.phones[0].is_muted = true;
        world.run(45_000);
        world.phones[0].is_muted = false;
        expect_recovery(world, 1_000);
    });
}

#[test]
fn calls_on_a_bad_network_survive_routers_that_forget_and_move() {
    for seed in 0..150 {
        let mut random = Random::new(seed, 98);
        let mut plan = plan_of(10_000 + seed);
        let is_behind = |place| !matches!(place, Place::Open);
        if !is_behind(plan.phones[0].1) {
            plan.phones[0].1 = Place::Behind(Behaviour::SYMMETRIC);
        }
        assert_eq!(plan.faults.lost, FAULTY.lost);
        let mut world = World::new(plan);
        world.expect_voice(20_000);
        world.run(1_000 + random.below(10_000));
        match random.percent(50) {
            true => world.router(0).forget(),
            false => {
                // The router at home, which is not what the world sees when there is another.
                let is_home = matches!(plan.phones[0].1, Place::BehindTwo(..));
                let address = if is_home { [100, 64, 0, 9] } else { ELSEWHERE };
                world.router(0).move_to(IpAddr::from(address));
                world.run(SIGNALLING_MILLIS);
                if plan.phones[0].0 == Kind::Plain {
                    world.signal(0);
                }
            }
        }
        world.run(200);
        // What is lost has to be sent again; all the more on the way to another relay.
        world.expect_voice(
            match plan.phones.iter().any(|(kind, _)| *kind == Kind::Relay) {
                true => 40_000,
                false => 10_000,
            },
        );
        world.expect_privacy();
    }
}
