//! That a neighbour behind the same router, who has the same address outside and another port, neither
//! speaks in a call nor hears it, whatever happens to the router.

use fernamt_sim::nat::Behaviour;

use super::calls::FAULTY;
use super::phone::{KINDS, Kind};
use super::world::{Faults, Place, Plan, World};

fn places() -> impl Iterator<Item = Place> {
    let routers = Behaviour::CLASSIC.into_iter();
    let one = routers.clone().map(Place::Behind);
    one.chain(routers.map(|inner| Place::BehindTwo(Behaviour::SYMMETRIC, inner)))
}

/// The neighbour comes, the router forgets, and the phone is silent for a time.
fn try_all(mut world: World, within_millis: u64) {
    let is_early = world.stranger.is_some();
    world.expect_voice(within_millis);
    if !is_early {
        world.add_stranger();
    }
    world.run(3_000);
    world.router(0).forget();
    world.run(100);
    world.expect_voice(2 * within_millis);
    world.expect_privacy();
    world.phones[0].is_muted = true;
    world.run(40_000);
    world.expect_privacy();
    world.phones[0].is_muted = false;
    world.expect_voice(2 * within_millis);
    world.run(3_000);
    world.expect_privacy();
    let stranger = world.stranger.as_ref().unwrap();
    assert_eq!(stranger.heard, 0);
}

fn call(kind: Kind, place: Place, faults: Faults, seed: u64) -> World {
    let phones = [(kind, place), (Kind::Plain, Place::Open)];
    World::new(Plan {
        faults,
        ..Plan::new(seed, phones)
    })
}

#[test]
fn a_neighbour_never_speaks_or_hears_where_a_phone_shows_who_it_is() {
    for kind in [Kind::Secured, Kind::Ice, Kind::Relay] {
        for (seed, place) in (0..).zip(places()) {
            let mut world = call(kind, place, Faults::default(), seed);
            world.add_stranger();
            try_all(world, 15_000);
        }
    }
}

/// In clear and from behind a router, the first who speaks there is the phone. After that nobody else.
#[test]
fn a_neighbour_never_speaks_or_hears_after_a_phone_has_spoken() {
    for (seed, place) in (0..).zip(places()) {
        try_all(call(Kind::Plain, place, Faults::default(), seed), 2_000);
    }
}

#[test]
fn a_neighbour_finds_no_gap_on_a_bad_network() {
    for seed in 0..100 {
        let kind = KINDS[seed as usize % 4];
        let place = places().nth(seed as usize / 4 % 8).unwrap();
        let mut world = call(kind, place, FAULTY, seed);
        if kind != Kind::Plain {
            world.add_stranger();
        }
        try_all(world, 30_000);
    }
}
