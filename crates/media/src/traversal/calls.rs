//! That two phones hear each other, wherever they are and whatever they can.

use fernamt_sim::nat::Behaviour;
use fernamt_sim::random::Random;

use super::phone::{ALL_KINDS, KINDS, Kind};
use super::world::{Faults, Place, Plan, World};

/// How long it takes at the most until both hear each other, in milliseconds, where nothing is lost: a
/// relay has to be found first, and ways are checked one after the other.
fn bound_millis(kinds: [Kind; 2]) -> u64 {
    let bound = |kind| match kind {
        Kind::Plain | Kind::Secured => 500,
        Kind::Ice => 1_000,
        Kind::Relay => 1_500,
        Kind::Handshake => 1_000,
        Kind::Browser => 1_500,
    };
    kinds.map(bound).into_iter().max().unwrap()
}

/// The same where a fifth is lost: what is lost in looking for a way is sent again after half a second,
/// then after one, and so on, for no longer than this (RFC 8489 section 6.2.1).
const FAULTY_BOUND_MILLIS: u64 = 39_500;

/// And for nine of ten calls.
const USUAL_MILLIS: u64 = 6_000;

const SEEDS: u64 = 300;

pub(super) const FAULTY: Faults = Faults {
    lost: 20,
    jitter_millis: 60,
};

/// Open, and behind each classic kind of router.
pub(super) fn places() -> impl Iterator<Item = Place> + Clone {
    let routers = Behaviour::CLASSIC.into_iter().map(Place::Behind);
    core::iter::once(Place::Open).chain(routers)
}

/// What a seed stands for.
pub(super) fn plan_of(seed: u64) -> Plan {
    let mut random = Random::new(seed, 99);
    let classic = Behaviour::CLASSIC;
    let phones = [0, 1].map(|_| {
        let mut router = || classic[random.below(4) as usize];
        let behind = [
            Place::Behind(router()),
            Place::BehindTwo(router(), router()),
        ];
        let place = match random.below(10) {
            0 => Place::Open,
            1..=6 => behind[0],
            _ => behind[1],
        };
        (ALL_KINDS[random.below(6) as usize], place)
    });
    Plan {
        faults: FAULTY,
        ..Plan::new(seed, phones)
    }
}

fn run_all(one: Place, other: Place, seed: u64) {
    for (first, second) in KINDS
        .into_iter()
        .flat_map(|kind| KINDS.map(|other| (kind, other)))
    {
        let phones = [(first, one), (second, other)];
        let mut world = World::new(Plan::new(seed, phones));
        world.expect_voice(bound_millis([first, second]));
        world.expect_privacy();
    }
}

#[test]
fn any_two_phones_behind_any_two_routers_hear_each_other() {
    for (seed, one) in (0..).zip(places()) {
        for (more, other) in (0..).zip(places()) {
            run_all(one, other, 10 * seed + more);
        }
    }
}

#[test]
fn a_phone_behind_two_routers_in_a_row_is_heard_and_hears() {
    for (seed, outer) in (100..).zip(Behaviour::CLASSIC) {
        for (more, inner) in (0..).zip(Behaviour::CLASSIC) {
            let other = Place::Behind(Behaviour::SYMMETRIC);
            run_all(Place::BehindTwo(outer, inner), other, 10 * seed + more);
        }
    }
}

#[test]
fn phones_with_ipv6_hear_each_other_directly_and_through_a_relay() {
    run_all(Place::OpenV6, Place::OpenV6, 1_000);
    run_all(Place::OpenV6, Place::OpenV6, 1_001);
}

/// An exchange at home: its own router forwards the ports of media, and calls name the router's address.
#[test]
fn an_exchange_behind_a_router_that_forwards_its_ports_is_reached_from_everywhere() {
    for (seed, (kind, place)) in (0..).zip(places().flat_map(|place| {
        [Kind::Plain, Kind::Secured, Kind::Ice, Kind::Browser].map(|kind| (kind, place))
    })) {
        for hairpins in [false, true] {
            let office = Behaviour {
                hairpins,
                ..Behaviour::PORT_RESTRICTED_CONE
            };
            // The other phone is beside the exchange, and told the address outside as well.
            let mut world = World::new(Plan {
                office: Some(office),
                ..Plan::new(seed, [(kind, place), (kind, Place::Office)])
            });
            // Checks find the way inside.
            if hairpins || kind.has_checks() {
                world.expect_voice(bound_millis([kind; 2]));
                continue;
            }
            world.run(5_000);
            assert_eq!(world.heard_since(0, 0), 0, "{:?}", world.plan);
            // Told the address inside, it is reached.
            world.phones[1].desk = world.desk.socket(1);
            world.expect_voice(bound_millis([kind; 2]));
        }
    }
}

/// Not only is a way found: nothing is lost but what the network loses.
#[test]
fn a_found_way_carries_every_packet() {
    for kind in KINDS {
        let symmetric = Place::Behind(Behaviour::SYMMETRIC);
        let mut world = World::new(Plan::new(7, [(kind, symmetric); 2]));
        world.expect_voice(bound_millis([kind; 2]));
        world.run(2_000);
        let begun_micros = world.now_micros;
        world.run(60_000);
        for side in [0, 1] {
            let heard = world.heard_since(side, begun_micros);
            assert!(
                (2_990..=3_001).contains(&heard),
                "{kind:?}: {heard} of 3000"
            );
        }
    }
}

#[test]
fn loss_and_reordering_delay_the_way_and_do_not_prevent_it() {
    let mut late = 0;
    for seed in 0..SEEDS {
        let mut world = World::new(plan_of(seed));
        late += u64::from(world.expect_voice(FAULTY_BOUND_MILLIS) > USUAL_MILLIS);
        world.run(1_000);
        let begun_micros = world.now_micros;
        world.run(5_000);
        for side in [0, 1] {
            // Each packet crosses the network two to four times.
            let heard = world.heard_since(side, begun_micros);
            assert!(heard > 60, "{:?}: {heard} of 250", world.plan);
        }
        world.expect_privacy();
    }
    assert!(
        late <= SEEDS / 10,
        "{late} of {SEEDS} calls have waited long"
    );
}
