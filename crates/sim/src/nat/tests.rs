//! That each kind of router lets through what it should, and nothing else.

use super::realms::{Arrival, Realm, Realms};
use super::*;

const HOST: &str = "192.168.1.10:4000";
const OUTSIDE: &str = "203.0.113.1";
/// Two hosts on the Internet, one with two ports.
const ONE: &str = "198.51.100.1:5000";
const ONE_AGAIN: &str = "198.51.100.1:5001";
const OTHER: &str = "198.51.100.2:5000";

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn nat(behaviour: Behaviour) -> Nat {
    Nat::new(behaviour, ip(OUTSIDE), 7)
}

#[test]
fn the_four_classic_kinds_map_and_filter_as_rfc_3489_says() {
    // Same port towards another port and another host; reached by another port and another host.
    let expected = [
        (Behaviour::FULL_CONE, [true, true, true, true]),
        (Behaviour::RESTRICTED_CONE, [true, true, true, false]),
        (Behaviour::PORT_RESTRICTED_CONE, [true, true, false, false]),
        (Behaviour::SYMMETRIC, [false, false, false, false]),
    ];
    for (behaviour, expected) in expected {
        let mut nat = nat(behaviour);
        let mapped = nat.leave(at(HOST), at(ONE), 0);
        assert_eq!(mapped.ip(), ip(OUTSIDE));
        let mut reached = |from| nat.enter(at(from), mapped.port(), 0) == Some(at(HOST));
        assert!(reached(ONE));
        let reached = [ONE_AGAIN, OTHER].map(&mut reached);
        let same = [ONE_AGAIN, OTHER].map(|to| nat.leave(at(HOST), at(to), 0) == mapped);
        let found = [same[0], same[1], reached[0], reached[1]];
        assert_eq!(found, expected, "{behaviour:?}");
        // Two hosts, and two ports of one, never share a port.
        for neighbour in ["192.168.1.11:4000", "192.168.1.10:4001"] {
            assert_ne!(nat.leave(at(neighbour), at(ONE), 0), mapped);
        }
    }
}

#[test]
fn a_mapping_lasts_as_long_as_something_is_sent_from_inside() {
    for behaviour in Behaviour::CLASSIC {
        let (mut nat, life) = (nat(behaviour), behaviour.lifetime_micros);
        let mapped = nat.leave(at(HOST), at(ONE), 0);
        assert_eq!(nat.leave(at(HOST), at(ONE), life - 1), mapped);
        assert_eq!(
            nat.enter(at(ONE), mapped.port(), 2 * life - 2),
            Some(at(HOST))
        );
        // That did not count.
        assert_eq!(nat.enter(at(ONE), mapped.port(), 2 * life - 1), None);
        assert_ne!(nat.leave(at(HOST), at(ONE), 2 * life), mapped);
    }
}

#[test]
fn a_router_that_is_switched_off_or_moved_gives_new_ports_and_addresses() {
    let mut nat = nat(Behaviour::FULL_CONE);
    let first = nat.leave(at(HOST), at(ONE), 0);
    nat.forget();
    assert_eq!(nat.enter(at(ONE), first.port(), 0), None);
    let second = nat.leave(at(HOST), at(ONE), 0);
    assert_eq!(
        (second.ip(), second.port() == first.port()),
        (first.ip(), false)
    );
    nat.move_to(ip("203.0.113.2"));
    assert_eq!(nat.leave(at(HOST), at(ONE), 0).ip(), ip("203.0.113.2"));
}

/// A host behind two routers in a row, one behind the outer only, and one on the Internet.
#[test]
fn packets_find_their_way_through_two_routers_in_a_row() {
    for outer in Behaviour::CLASSIC {
        for inner in Behaviour::CLASSIC {
            let mut realms = Realms::default();
            let provider = realms.add_router(Realm::Internet, nat(outer));
            let home = realms.add_router(provider, Nat::new(inner, ip("100.64.0.9"), 8));
            let phone = realms.add_host(home, at(HOST).ip());
            let neighbour = realms.add_host(provider, ip("100.64.0.5"));
            let server = realms.add_host(Realm::Internet, at(ONE).ip());
            assert_eq!(realms.public_address(phone), ip(OUTSIDE));
            let asked = realms.send(phone, at(HOST), at(ONE), 0).unwrap();
            assert_eq!((asked.host, asked.from.ip()), (server, ip(OUTSIDE)));
            let answered = realms.send(server, at(ONE), asked.from, 0);
            let expected = Arrival {
                host: phone,
                from: at(ONE),
                to: at(HOST),
            };
            assert_eq!(answered, Some(expected));
            let hello = realms.send(phone, at(HOST), at("100.64.0.5:9"), 0).unwrap();
            assert_eq!((hello.host, hello.from.ip()), (neighbour, ip("100.64.0.9")));
            // Private addresses mean nothing on the Internet.
            assert_eq!(realms.send(server, at(ONE), at(HOST), 0), None);
        }
    }
}

#[test]
fn neighbours_meet_outside_only_where_the_router_hairpins() {
    for hairpins in [false, true] {
        let mut realms = Realms::default();
        let behaviour = Behaviour {
            hairpins,
            ..Behaviour::FULL_CONE
        };
        let home = realms.add_router(Realm::Internet, nat(behaviour));
        let router = realms.router(home).unwrap();
        router.forward(5060, at("192.168.1.2:5060"));
        let public = SocketAddr::new(ip(OUTSIDE), 5060);
        let server = realms.add_host(home, ip("192.168.1.2"));
        let phone = realms.add_host(home, at(HOST).ip());
        let arrival = realms.send(phone, at(HOST), public, 0);
        assert_eq!(
            arrival.map(|arrival| arrival.host),
            hairpins.then_some(server)
        );
        if let Some(arrival) = arrival {
            // It looks as if it came from outside (RFC 4787 REQ-9), and so does the answer.
            assert_eq!(arrival.from.ip(), ip(OUTSIDE));
            let inside = at("192.168.1.2:5060");
            let answer = realms.send(server, inside, arrival.from, 0).unwrap();
            assert_eq!((answer.host, answer.from), (phone, public));
        }
        // Inside they meet anyway.
        let arrival = realms
            .send(phone, at(HOST), at("192.168.1.2:5060"), 0)
            .unwrap();
        assert_eq!((arrival.host, arrival.from), (server, at(HOST)));
    }
}
