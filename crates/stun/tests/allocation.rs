//! Allocate and Refresh, rule by rule (RFC 8656 sections 7 and 8).
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

mod desk;

use std::time::Duration;

use desk::*;
use fernamt_stun::message::{Builder, attribute};
use fernamt_stun::server::settings::{MAX_RESERVATIONS, PORT_ATTEMPTS, RESERVATION_LIFE};
use fernamt_stun::server::{Flow, Input, Ports};
use fernamt_stun::{Message, Method};

#[test]
fn what_an_allocate_request_must_say() {
    let mut desk = Desk::new(|it| it.addresses.push("2001:db8::1".parse().unwrap()));
    let mut port = 0;
    let mut ask = |write: &dyn Fn(Builder<'_>) -> Builder<'_>| {
        port += 1;
        code(&desk.ask(client(port), Method::ALLOCATE, write))
    };
    let v6 = [2, 0, 0, 0];
    let family = attribute::REQUESTED_ADDRESS_FAMILY;
    let additional = attribute::ADDITIONAL_ADDRESS_FAMILY;
    assert_eq!(ask(&|it| it), 400);
    assert_eq!(
        ask(&|it| it.attribute(attribute::REQUESTED_TRANSPORT, &[17])),
        400
    );
    assert_eq!(
        ask(&|it| it.attribute(attribute::REQUESTED_TRANSPORT, &[6, 0, 0, 0])),
        442
    );
    assert_eq!(
        ask(&|it| udp(it).attribute(attribute::DONT_FRAGMENT, &[])),
        420
    );
    assert_eq!(ask(&|it| udp(it).attribute(0x7777, &[])), 420);
    assert_eq!(ask(&|it| udp(it).attribute(0x9999, &[])), 0);
    assert_eq!(ask(&|it| udp(it).attribute(family, &[3, 0, 0, 0])), 440);
    assert_eq!(ask(&|it| udp(it).attribute(family, &[1])), 400);
    assert_eq!(ask(&|it| udp(it).attribute(family, &v6)), 0);
    assert_eq!(
        ask(&|it| udp(it).attribute(family, &v6).attribute(additional, &v6)),
        400
    );
    assert_eq!(ask(&|it| udp(it).attribute(additional, &[1, 0, 0, 0])), 400);
    assert_eq!(
        ask(&|it| udp(it).attribute(attribute::RESERVATION_TOKEN, &[0; 8])),
        508
    );
    assert_eq!(
        ask(&|it| udp(it).attribute(attribute::RESERVATION_TOKEN, &[0; 7])),
        400
    );
    assert_eq!(
        ask(&|it| {
            udp(it)
                .attribute(attribute::RESERVATION_TOKEN, &[0; 8])
                .attribute(attribute::EVEN_PORT, &[0])
        }),
        400
    );
}

#[test]
fn a_family_that_this_machine_has_not_is_refused() {
    let mut desk = Desk::new(|_| {});
    let family = attribute::REQUESTED_ADDRESS_FAMILY;
    let answer = desk.ask(client(1), Method::ALLOCATE, |it| {
        udp(it).attribute(family, &[2, 0, 0, 0])
    });
    assert_eq!(code(&answer), 440);
}

#[test]
fn a_second_relay_of_the_other_family_is_refused_beside_the_first() {
    let mut desk = Desk::new(|_| {});
    let answer = desk.ask(client(1), Method::ALLOCATE, |it| {
        udp(it).attribute(attribute::ADDITIONAL_ADDRESS_FAMILY, &[2, 0, 0, 0])
    });
    assert_eq!(code(&answer), 0);
    let message = Message::parse(&answer).unwrap();
    let why = message.find(attribute::ADDRESS_ERROR_CODE).unwrap();
    assert_eq!(why[..4], [2, 0, 4, 40]);
}

#[test]
fn the_same_request_again_gets_the_same_answer_and_another_one_437() {
    let mut desk = Desk::new(|_| {});
    let request = desk.signed(flow(CLIENT), ("anna", "secret"), Method::ALLOCATE, udp);
    let first = answer(&desk.put(flow(CLIENT), &request));
    assert_eq!(answer(&desk.put(flow(CLIENT), &request)), first);
    assert_eq!(code(&desk.ask(flow(CLIENT), Method::ALLOCATE, udp)), 437);
    assert_eq!(desk.open.len(), 1);
}

#[test]
fn a_lifetime_is_kept_within_its_bounds() {
    let mut desk = Desk::new(|_| {});
    for (port, asked, given) in [(1, 0, 600), (2, 599, 600), (3, 1000, 1000), (4, 9999, 3600)] {
        let bytes = desk.ask(client(port), Method::ALLOCATE, |it| {
            udp(it).number(attribute::LIFETIME, asked)
        });
        let message = Message::parse(&bytes).unwrap();
        assert_eq!(message.number(attribute::LIFETIME), Some(given));
    }
}

#[test]
fn an_allocation_ends_when_its_time_is_over() {
    let mut desk = Desk::new(|_| {});
    let (relay, _) = desk.allocate(flow(CLIENT));
    assert_eq!(desk.pass(599), []);
    let refreshed = desk.ask(flow(CLIENT), Method::REFRESH, |it| it);
    assert_eq!(code(&refreshed), 0);
    assert_eq!(desk.server.deadline(), Some(desk.now.micros + 600_000_000));
    assert_eq!(desk.pass(599), []);
    assert_eq!(desk.pass(1), [Out::Close(relay)]);
    assert_eq!(code(&desk.ask(flow(CLIENT), Method::REFRESH, |it| it)), 437);
    assert!(desk.arrive(relay, PEER, b"late").is_empty());
    assert_eq!(desk.server.deadline(), None);
}

#[test]
fn a_lifetime_of_zero_ends_an_allocation_at_once() {
    let mut desk = Desk::new(|_| {});
    desk.allocate(flow(CLIENT));
    let end = desk.ask(flow(CLIENT), Method::REFRESH, |it| {
        it.number(attribute::LIFETIME, 0)
    });
    let message = Message::parse(&end).unwrap();
    assert_eq!(message.number(attribute::LIFETIME), Some(0));
    assert!(desk.open.is_empty());
    // The flow can be used again.
    desk.allocate(flow(CLIENT));
}

#[test]
fn an_allocation_ends_with_its_connection() {
    let mut desk = Desk::new(|_| {});
    let stream = Flow {
        connection: Some(5),
        ..flow(CLIENT)
    };
    desk.allocate(stream);
    desk.allocate(flow(CLIENT));
    desk.server.handle(desk.now, Input::Closed(stream));
    desk.drain();
    assert_eq!(desk.open.len(), 1);
}

#[test]
fn an_allocation_obeys_its_user_only() {
    let mut desk = Desk::new(|_| {});
    desk.allocate(flow(CLIENT));
    let peer = writer(|it| it.masked_address(attribute::XOR_PEER_ADDRESS, address(PEER)));
    for method in [Method::REFRESH, Method::CREATE_PERMISSION] {
        let request = desk.signed(flow(CLIENT), ("berta", "secret"), method, |it| {
            if method == Method::REFRESH {
                it
            } else {
                peer(it)
            }
        });
        assert_eq!(code(&answer(&desk.put(flow(CLIENT), &request))), 441);
    }
}

#[test]
fn a_refresh_of_another_family_is_refused() {
    let mut desk = Desk::new(|_| {});
    desk.allocate(flow(CLIENT));
    for (family, expected) in [(1, 0), (2, 443), (9, 443)] {
        let bytes = desk.ask(flow(CLIENT), Method::REFRESH, |it| {
            it.attribute(attribute::REQUESTED_ADDRESS_FAMILY, &[family, 0, 0, 0])
        });
        assert_eq!(code(&bytes), expected);
    }
}

#[test]
fn each_user_has_a_quota_and_all_together_have_one() {
    let mut desk = Desk::new(|it| {
        it.max_allocations_per_user = 2;
        it.max_allocations = 3;
    });
    let mut ask = |port, user: &str| code(&desk.ask_as(client(port), user, Method::ALLOCATE, udp));
    assert_eq!(ask(1, "anna"), 0);
    assert_eq!(ask(2, "anna"), 0);
    assert_eq!(ask(3, "anna"), 486);
    assert_eq!(ask(3, "berta"), 0);
    assert_eq!(ask(4, "berta"), 508);
    desk.pass(600);
    assert_eq!(code(&desk.ask(client(5), Method::ALLOCATE, udp)), 0);
}

#[test]
fn ports_are_unpredictable_and_never_given_twice() {
    let mut desk = Desk::new(|it| {
        it.ports = Ports {
            first: 60_000,
            last: 60_009,
        };
        it.max_allocations_per_user = 100;
    });
    let ports: Vec<u16> = (1..=10)
        .map(|port| desk.allocate(client(port)).1.port())
        .collect();
    let mut sorted = ports.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, (60_000..=60_009).collect::<Vec<u16>>());
    assert_ne!(sorted, ports);
    assert_eq!(code(&desk.ask(client(11), Method::ALLOCATE, udp)), 508);
}

#[test]
fn addresses_that_are_seen_as_one_share_their_ports() {
    let mut desk = Desk::new(|it| {
        it.advertised = Some([192, 0, 2, 44].into());
        it.ports = Ports {
            first: 60_000,
            last: 60_001,
        };
    });
    let at = |local: &str, port| Flow {
        local: address(local),
        ..client(port)
    };
    let (_, one) = desk.allocate(at("192.168.1.5:3478", 1));
    let (_, other) = desk.allocate(at("192.168.2.5:3478", 2));
    assert_ne!(one, other);
    let third = desk.ask(at("192.168.3.5:3478", 3), Method::ALLOCATE, udp);
    assert_eq!(code(&third), 508);
}

#[test]
fn a_port_that_another_program_has_is_passed_over() {
    let mut desk = Desk::new(|it| {
        it.ports = Ports {
            first: 60_000,
            last: 60_003,
        };
    });
    desk.in_use.extend([60_000, 60_001, 60_002]);
    let (_, relayed) = desk.allocate(client(1));
    assert_eq!(relayed.port(), 60_003);
    assert_eq!(code(&desk.ask(client(2), Method::ALLOCATE, udp)), 508);
    assert_eq!(desk.server.figures().allocations, 1);
}

#[test]
fn an_even_port_and_the_next_one_are_given_where_they_are_asked_for() {
    let mut desk = Desk::new(|_| {});
    let even = |bits: u8| writer(move |it| udp(it).attribute(attribute::EVEN_PORT, &[bits]));
    let first = desk.ask(client(1), Method::ALLOCATE, even(0x80));
    let message = Message::parse(&first).unwrap();
    let relayed = message.masked_address(attribute::XOR_RELAYED_ADDRESS);
    let relayed = relayed.unwrap();
    assert!(relayed.port().is_multiple_of(2));
    let token = message.find(attribute::RESERVATION_TOKEN).unwrap();
    let with_token = writer(|it| udp(it).attribute(attribute::RESERVATION_TOKEN, token));
    // Not for somebody else.
    let stolen = desk.ask_as(client(2), "berta", Method::ALLOCATE, with_token);
    assert_eq!(code(&stolen), 508);
    let second = desk.ask(client(2), Method::ALLOCATE, with_token);
    let message = Message::parse(&second).unwrap();
    let next = message.masked_address(attribute::XOR_RELAYED_ADDRESS);
    assert_eq!(next.unwrap().port(), relayed.port() + 1);
    // And not twice.
    let again = desk.ask(client(3), Method::ALLOCATE, with_token);
    assert_eq!(code(&again), 508);
    for port in 4..8 {
        let bytes = desk.ask(client(port), Method::ALLOCATE, even(0));
        let message = Message::parse(&bytes).unwrap();
        assert!(!message.has(attribute::RESERVATION_TOKEN));
        let relayed = message.masked_address(attribute::XOR_RELAYED_ADDRESS);
        assert!(relayed.unwrap().port().is_multiple_of(2));
    }
}

#[test]
fn a_port_that_nobody_comes_for_is_given_back() {
    let mut desk = Desk::new(|it| {
        it.ports = Ports {
            first: 60_000,
            last: 60_001,
        };
    });
    let even = writer(|it| udp(it).attribute(attribute::EVEN_PORT, &[0x80]));
    assert_eq!(code(&desk.ask(client(1), Method::ALLOCATE, even)), 0);
    assert_eq!(code(&desk.ask(client(2), Method::ALLOCATE, udp)), 508);
    let deadline = Duration::from_micros(desk.server.deadline().unwrap() - desk.now.micros);
    assert_eq!(deadline, RESERVATION_LIFE);
    desk.pass(30);
    assert_eq!(code(&desk.ask(client(2), Method::ALLOCATE, udp)), 0);
}

#[test]
fn as_many_ports_are_kept_as_the_limit_and_not_one_more() {
    let mut desk = Desk::new(|it| it.max_allocations_per_user = 1000);
    let even = writer(|it| udp(it).attribute(attribute::EVEN_PORT, &[0x80]));
    for port in 1..=MAX_RESERVATIONS {
        let flow = client(u16::try_from(port).unwrap());
        assert_eq!(code(&desk.ask(flow, Method::ALLOCATE, even)), 0);
    }
    assert_eq!(code(&desk.ask(client(9999), Method::ALLOCATE, even)), 508);
}

#[test]
fn as_many_ports_are_tried_as_the_limit_and_not_one_more() {
    for (in_use, expected) in [(PORT_ATTEMPTS - 1, 0), (PORT_ATTEMPTS, 508)] {
        let mut desk = Desk::new(|_| {});
        desk.first_in_use = in_use;
        let answer = desk.ask(client(1), Method::ALLOCATE, udp);
        assert_eq!((code(&answer), desk.tried), (expected, PORT_ATTEMPTS));
    }
}
