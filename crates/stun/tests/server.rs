//! The server answers by the rules of RFC 8656 and RFC 8489, request by request.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

mod desk;

use std::time::Duration;

use desk::*;
use fernamt_stun::credential::Credentials;
use fernamt_stun::message::algorithm::PasswordAlgorithm;
use fernamt_stun::message::{Builder, Integrity, Key, attribute};
use fernamt_stun::server::settings::*;
use fernamt_stun::server::{Event, Flow, Input, Ports};
use fernamt_stun::{Message, Method, Network};

const CLIENT: &str = "203.0.113.1:40000";
const PEER: &str = "203.0.113.9:5000";

fn client(number: u16) -> Flow {
    flow(&format!("203.0.113.1:{number}"))
}

/// Fixes the type of a closure.
fn writer<F: Fn(Builder<'_>) -> Builder<'_>>(write: F) -> F {
    write
}

#[test]
fn a_binding_request_is_answered_without_credentials() {
    let mut desk = Desk::new(|_| {});
    let request = desk.bare(Method::BINDING, |it| it.fingerprint());
    let bytes = answer(&desk.put(flow(CLIENT), &request));
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.mapped_address(), Some(address(CLIENT)));
    assert!(message.has(attribute::FINGERPRINT));
    let request = desk.bare(Method::BINDING, |it| it.attribute(0x0024, &[0; 4]));
    let bytes = answer(&desk.put(flow(CLIENT), &request));
    assert_eq!(code(&bytes), 420);
}

#[test]
fn without_relays_only_binding_requests_are_answered() {
    let mut desk = Desk::new(|it| it.relays = false);
    let request = desk.bare(Method::ALLOCATE, udp);
    assert!(desk.put(flow(CLIENT), &request).is_empty());
}

#[test]
fn answers_indications_and_garbage_are_not_answered() {
    let mut desk = Desk::new(|_| {});
    let request = desk.bare(Method::BINDING, |it| it);
    for first in [1, 0x40, 0x80] {
        let mut bytes = request.clone();
        bytes[0] |= first;
        assert!(desk.put(flow(CLIENT), &bytes).is_empty());
    }
    let mut indication = request.clone();
    indication[1] |= 0x10;
    assert!(desk.put(flow(CLIENT), &indication).is_empty());
    assert!(desk.put(flow(CLIENT), &[]).is_empty());
}

#[test]
fn a_relay_is_given_to_who_knows_a_password() {
    let mut desk = Desk::new(|_| {});
    let (_, relayed) = desk.allocate(flow(CLIENT));
    assert_eq!(relayed.ip(), address(SERVER).ip());
    assert!((61_000..=65_535).contains(&relayed.port()));
    assert_eq!(desk.server.figures().allocations, 1);
}

#[test]
fn a_wrong_password_and_an_unknown_user_look_the_same() {
    let mut desk = Desk::new(|_| {});
    let wrong = desk.signed(flow(CLIENT), ("anna", "guess"), Method::ALLOCATE, udp);
    let wrong = answer(&desk.put(flow(CLIENT), &wrong));
    let unknown = desk.signed(flow(CLIENT), ("nemo", "secret"), Method::ALLOCATE, udp);
    let unknown = answer(&desk.put(flow(CLIENT), &unknown));
    assert_eq!(code(&wrong), 401);
    // All but the transaction.
    assert_eq!(wrong[..8], unknown[..8]);
    assert_eq!(wrong[20..], unknown[20..]);
    assert_eq!(desk.server.figures().authentication_failures, 2);
}

#[test]
fn sha256_is_offered_and_taken() {
    let mut desk = Desk::new(|_| {});
    let nonce = desk.nonce(flow(CLIENT));
    let key = Key::long_term(PasswordAlgorithm::Sha256, "anna", REALM, "secret");
    let offered = [0, 2, 0, 0, 0, 1, 0, 0];
    let signed = |desk: &mut Desk, offered: &[u8], chosen: Option<PasswordAlgorithm>| {
        let request = desk.bare(Method::ALLOCATE, |it| {
            let it = udp(it)
                .text(attribute::USERNAME, "anna")
                .text(attribute::REALM, REALM)
                .text(attribute::NONCE, &nonce)
                .attribute(attribute::PASSWORD_ALGORITHMS, offered);
            let it = match chosen {
                Some(chosen) => it.attribute(attribute::PASSWORD_ALGORITHM, &chosen.value()),
                None => it,
            };
            it.integrity(Integrity::Sha256, &key)
        });
        answer(&desk.put(flow(CLIENT), &request))
    };
    // Somebody on the way has taken the stronger one out.
    let weaker = signed(&mut desk, &offered[4..], Some(PasswordAlgorithm::Md5));
    assert_eq!(code(&weaker), 400);
    assert_eq!(code(&signed(&mut desk, &offered, None)), 400);
    let good = signed(&mut desk, &offered, Some(PasswordAlgorithm::Sha256));
    let message = Message::parse(&good).unwrap();
    assert_eq!(message.verify(&key), Some(Integrity::Sha256));
    assert_eq!(code(&good), 0);
}

#[test]
fn credentials_without_a_part_are_a_bad_request() {
    let mut desk = Desk::new(|_| {});
    let nonce = desk.nonce(flow(CLIENT));
    for missing in 0..3 {
        let parts = [
            (attribute::USERNAME, "anna"),
            (attribute::REALM, REALM),
            (attribute::NONCE, &nonce),
        ];
        let request = desk.bare(Method::ALLOCATE, |it| {
            let parts = parts.iter().enumerate().filter(|(at, _)| *at != missing);
            parts
                .fold(udp(it), |it, (_, (kind, text))| it.text(*kind, text))
                .integrity(Integrity::Sha1, &key("anna", "secret"))
        });
        let bytes = answer(&desk.put(flow(CLIENT), &request));
        assert_eq!(code(&bytes), 400);
    }
}

#[test]
fn an_old_nonce_is_renewed_and_one_of_another_flow_is_worth_nothing() {
    let mut desk = Desk::new(|it| it.nonce_life = Duration::from_secs(60));
    let request = desk.signed(flow(CLIENT), ("anna", "secret"), Method::ALLOCATE, udp);
    let copied = answer(&desk.put(client(40001), &request));
    assert_eq!(code(&copied), 438);
    desk.pass(60);
    let late = answer(&desk.put(flow(CLIENT), &request));
    assert_eq!(code(&late), 438);
    assert_eq!(desk.server.figures().allocations, 0);
}

#[test]
fn a_credential_is_good_for_its_time_and_its_device() {
    let mut desk = Desk::new(|it| it.credential_secret = [3; 32]);
    let now = desk.now.unix_ms / 1000;
    let credentials = Credentials::new(&[3; 32]);
    let mut try_it = |remote: u16, user: &str, expires: u64, change: &str| {
        let credential = credentials.issue(user, expires);
        let password = credential.password + change;
        let pair = (&*credential.username, &*password);
        let request = desk.signed(client(remote), pair, Method::ALLOCATE, udp);
        code(&answer(&desk.put(client(remote), &request)))
    };
    assert_eq!(try_it(1, "anna", now + 1, ""), 0);
    assert_eq!(try_it(2, "anna", now, ""), 401);
    assert_eq!(try_it(3, "anna", now + 1, "x"), 401);
    // A device that was removed takes its credentials with it.
    assert_eq!(try_it(4, "nemo", now + 1, ""), 401);
}

#[test]
fn a_credential_and_the_password_of_a_device_are_the_same_user() {
    let mut desk = Desk::new(|it| it.max_allocations_per_user = 1);
    let expires = desk.now.unix_ms / 1000 + 100;
    let credential = Credentials::new(&[0; 32]).issue("anna", expires);
    desk.allocate(client(1));
    let pair = (&*credential.username, &*credential.password);
    let second = desk.signed(client(2), pair, Method::ALLOCATE, udp);
    assert_eq!(code(&answer(&desk.put(client(2), &second))), 486);
    let refresh = desk.signed(client(1), pair, Method::REFRESH, |it| it);
    assert_eq!(code(&answer(&desk.put(client(1), &refresh))), 0);
}

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
fn data_flows_both_ways_with_a_permission_and_not_without() {
    let mut desk = Desk::new(|_| {});
    let (relay, _) = desk.allocate(flow(CLIENT));
    assert!(desk.send(flow(CLIENT), PEER, b"early").is_empty());
    assert!(desk.arrive(relay, PEER, b"early").is_empty());
    assert_eq!(desk.permit(flow(CLIENT), PEER), 0);
    let out = desk.send(flow(CLIENT), PEER, b"hello");
    assert_eq!(out, [Out::ToPeer(relay, address(PEER), b"hello".to_vec())]);
    // The permission is for the address, not for the port (RFC 8656 section 9).
    let back = answer(&desk.arrive(relay, "203.0.113.9:7", b"hi"));
    assert_eq!(data_of(&back), (address("203.0.113.9:7"), b"hi".to_vec()));
    assert!(desk.arrive(relay, "203.0.113.8:5000", b"no").is_empty());
    assert!(desk.send(client(1), PEER, b"no").is_empty());
    assert_eq!(desk.server.figures().packets_dropped, 4);
    // An empty one is one, too.
    assert_eq!(desk.send(flow(CLIENT), PEER, b"").len(), 1);
    desk.pass(299);
    assert_eq!(desk.send(flow(CLIENT), PEER, b"x").len(), 1);
    desk.pass(1);
    assert!(desk.send(flow(CLIENT), PEER, b"x").is_empty());
    assert!(desk.arrive(relay, PEER, b"x").is_empty());
}

#[test]
fn a_permission_request_is_done_whole_or_not_at_all() {
    let mut desk = Desk::new(|_| {});
    let (relay, _) = desk.allocate(flow(CLIENT));
    let mut ask = |peers: &[&str]| {
        code(&desk.ask(flow(CLIENT), Method::CREATE_PERMISSION, |it| {
            peers.iter().fold(it, |it, peer| {
                it.masked_address(attribute::XOR_PEER_ADDRESS, address(peer))
            })
        }))
    };
    assert_eq!(ask(&[]), 400);
    assert_eq!(ask(&[PEER, "127.0.0.1:1"]), 403);
    assert_eq!(ask(&[PEER, "[2a00::1]:1"]), 443);
    assert!(desk.arrive(relay, PEER, b"x").is_empty());
    let many: Vec<String> = (1..=MAX_PERMISSIONS)
        .map(|host| format!("203.0.113.{host}:1"))
        .collect();
    for peer in &many {
        assert_eq!(desk.permit(flow(CLIENT), peer), 0);
    }
    assert_eq!(desk.permit(flow(CLIENT), "203.0.113.200:1"), 508);
    assert_eq!(desk.permit(flow(CLIENT), &many[0]), 0);
    desk.pass(300);
    assert_eq!(desk.permit(flow(CLIENT), "203.0.113.200:1"), 0);
}

#[test]
fn a_channel_carries_data_in_four_bytes() {
    let mut desk = Desk::new(|_| {});
    let (relay, _) = desk.allocate(flow(CLIENT));
    let data = [&[0x40, 1, 0, 2][..], b"hi"].concat();
    assert!(desk.put(flow(CLIENT), &data).is_empty());
    assert_eq!(desk.bind(flow(CLIENT), 0x4001, PEER), 0);
    let out = desk.put(flow(CLIENT), &data);
    assert_eq!(out, [Out::ToPeer(relay, address(PEER), b"hi".to_vec())]);
    // A channel brings its permission along.
    assert_eq!(answer(&desk.arrive(relay, PEER, b"hi")), data);
    // From another port of the peer it is an indication.
    let other = answer(&desk.arrive(relay, "203.0.113.9:7", b"x"));
    assert_eq!(data_of(&other).1, b"x");
    desk.pass(300);
    assert!(desk.arrive(relay, PEER, b"x").is_empty());
    assert_eq!(desk.put(flow(CLIENT), &data).len(), 1);
    assert_eq!(desk.bind(flow(CLIENT), 0x4001, PEER), 0);
    let refreshed = desk.ask(flow(CLIENT), Method::REFRESH, |it| {
        it.number(attribute::LIFETIME, 3600)
    });
    assert_eq!(code(&refreshed), 0);
    desk.pass(600);
    assert!(desk.put(flow(CLIENT), &data).is_empty());
}

#[test]
fn channel_data_over_a_stream_is_padded() {
    let mut desk = Desk::new(|_| {});
    let stream = Flow {
        connection: Some(5),
        ..flow(CLIENT)
    };
    let (relay, _) = desk.allocate(stream);
    assert_eq!(desk.bind(stream, 0x4fff, PEER), 0);
    let back = answer(&desk.arrive(relay, PEER, b"hello"));
    assert_eq!(
        back,
        [0x4f, 0xff, 0, 5, b'h', b'e', b'l', b'l', b'o', 0, 0, 0]
    );
}

#[test]
fn a_channel_leads_to_one_peer_and_a_peer_has_one_channel() {
    let mut desk = Desk::new(|_| {});
    desk.allocate(flow(CLIENT));
    assert_eq!(desk.bind(flow(CLIENT), 0x4001, PEER), 0);
    assert_eq!(desk.bind(flow(CLIENT), 0x4001, PEER), 0);
    assert_eq!(desk.bind(flow(CLIENT), 0x4001, "203.0.113.9:5001"), 400);
    assert_eq!(desk.bind(flow(CLIENT), 0x4002, PEER), 400);
    assert_eq!(desk.bind(flow(CLIENT), 0x4002, "203.0.113.9:5001"), 0);
    for number in [0, 0x3fff, 0x8000, 0xffff] {
        assert_eq!(desk.bind(flow(CLIENT), number, "203.0.113.9:9"), 400);
    }
    // Chosen by clients of RFC 5766.
    assert_eq!(desk.bind(flow(CLIENT), 0x7fff, "203.0.113.9:9"), 0);
    assert_eq!(desk.bind(flow(CLIENT), 0x4003, "127.0.0.1:9"), 403);
    assert_eq!(desk.bind(flow(CLIENT), 0x4003, "198.51.100.1:22"), 403);
    assert_eq!(desk.bind(flow(CLIENT), 0x4003, "[2a00::1]:9"), 443);
    assert_eq!(desk.bind(client(1), 0x4003, PEER), 437);
}

#[test]
fn as_many_channels_are_bound_as_the_limit_and_not_one_more() {
    let mut desk = Desk::new(|_| {});
    desk.allocate(flow(CLIENT));
    for offset in 0..MAX_CHANNELS {
        let offset = u16::try_from(offset).unwrap();
        let peer = format!("203.0.113.9:{}", 1000 + offset);
        assert_eq!(desk.bind(flow(CLIENT), 0x4000 + offset, &peer), 0);
    }
    assert_eq!(desk.bind(flow(CLIENT), 0x4100, "203.0.113.9:9"), 508);
    desk.pass(599);
    assert_eq!(desk.bind(flow(CLIENT), 0x4100, "203.0.113.9:9"), 508);
}

/// CVE-2020-26262: what the relay must not reach, asked for in every way there is.
#[test]
fn turn_loopback() {
    let mut desk = Desk::new(|_| {});
    let (_, relayed) = desk.allocate(flow(CLIENT));
    for ip in [
        "127.0.0.1",
        "10.0.0.1",
        "0.0.0.0",
        "169.254.1.1",
        "224.0.0.1",
    ] {
        let peer = format!("{ip}:5060");
        assert_eq!(desk.permit(flow(CLIENT), &peer), 403, "{peer}");
        assert_eq!(desk.bind(flow(CLIENT), 0x4000, &peer), 403, "{peer}");
        assert!(desk.send(flow(CLIENT), &peer, b"x").is_empty());
    }
    // Our own address may get a permission, since other relays are there; but its ports are closed.
    let own = format!("{}:5060", relayed.ip());
    assert_eq!(desk.permit(flow(CLIENT), &own), 0);
    assert!(desk.send(flow(CLIENT), &own, b"x").is_empty());
    for ip in ["::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "fe80::1"] {
        let peer = format!("[{ip}]:5060");
        // An address of IPv4 in any dress is one of the wrong family here.
        assert_eq!(desk.permit(flow(CLIENT), &peer), 443, "{peer}");
    }
    let mut desk = Desk::new(|it| it.addresses.push("2001:db8::1".parse().unwrap()));
    let answer = desk.ask(flow(CLIENT), Method::ALLOCATE, |it| {
        udp(it).attribute(attribute::REQUESTED_ADDRESS_FAMILY, &[2, 0, 0, 0])
    });
    assert_eq!(code(&answer), 0);
    for ip in [
        "::1",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "fe80::1",
        "::",
    ] {
        let peer = format!("[{ip}]:5060");
        assert_eq!(desk.permit(flow(CLIENT), &peer), 403, "{peer}");
        assert_eq!(desk.bind(flow(CLIENT), 0x4000, &peer), 403, "{peer}");
    }
}

#[test]
fn an_allowed_network_is_reached() {
    let mut desk = Desk::new(|it| it.peers.allow.push(Network::v4(127, 0, 0, 0, 8)));
    desk.allocate(flow(CLIENT));
    assert_eq!(desk.permit(flow(CLIENT), "127.0.0.1:9"), 0);
    assert_eq!(desk.send(flow(CLIENT), "127.0.0.1:9", b"x").len(), 1);
}

#[test]
fn two_clients_of_one_server_reach_each_other() {
    let mut desk = Desk::new(|_| {});
    let (one, other) = (client(1), client(2));
    let (_, at_one) = desk.allocate(one);
    let (_, at_other) = desk.allocate(other);
    assert_eq!(desk.permit(one, &at_other.to_string()), 0);
    // The other one has not permitted it yet.
    assert!(desk.send(one, &at_other.to_string(), b"x").is_empty());
    assert_eq!(desk.bind(other, 0x4000, &at_one.to_string()), 0);
    let out = desk.send(one, &at_other.to_string(), b"x");
    assert_eq!(out, [Out::Send(other, vec![0x40, 0, 0, 1, b'x'])]);
    let out = desk.put(other, &[0x40, 0, 0, 1, b'y']);
    assert_eq!(data_of(&answer(&out)), (at_other, b"y".to_vec()));
}

#[test]
fn behind_a_router_that_forwards_ports_the_outer_address_is_ours() {
    let public = "192.0.2.44".parse().unwrap();
    let mut desk = Desk::new(|it| {
        it.addresses = vec!["192.168.1.5".parse().unwrap()];
        it.advertised = Some(public);
        it.peers.own = vec!["192.168.1.5".parse().unwrap(), public];
        it.peers.media = it.peers.own.clone();
        it.peers.media_ports = Ports {
            first: 10_000,
            last: 59_999,
        };
    });
    let inner = Flow {
        local: address("192.168.1.5:3478"),
        ..flow(CLIENT)
    };
    let (relay, relayed) = desk.allocate(inner);
    assert_eq!(relayed.ip(), public);
    assert_eq!(desk.open[0].1.ip(), inner.local.ip());
    assert_eq!(desk.permit(inner, "192.0.2.44:10000"), 0);
    let out = desk.send(inner, "192.0.2.44:10000", b"x");
    let media = address("192.168.1.5:10000");
    assert_eq!(out, [Out::ToPeer(relay, media, b"x".to_vec())]);
    let back = answer(&desk.arrive(relay, "192.168.1.5:10000", b"y"));
    assert_eq!(data_of(&back).0, address("192.0.2.44:10000"));
}

#[test]
fn a_source_that_guesses_is_ignored_and_told_of() {
    let mut desk = Desk::new(|it| it.failures_before_ban = 3);
    let mut events = Vec::new();
    for _ in 0..3 {
        let wrong = desk.signed(flow(CLIENT), ("anna", "guess"), Method::ALLOCATE, udp);
        let outs = desk.put(flow(CLIENT), &wrong);
        events.extend(outs.into_iter().filter(|out| matches!(out, Out::Event(_))));
    }
    let failed = Out::Event(Event::AuthenticationFailed(address(CLIENT)));
    let ignored = Out::Event(Event::Ignored(address(CLIENT)));
    assert_eq!(events, [failed.clone(), failed.clone(), failed, ignored]);
    let request = desk.bare(Method::ALLOCATE, udp);
    assert!(desk.put(flow(CLIENT), &request).is_empty());
    // Somebody else who writes that address into the sender's place does not get it ignored.
    let victim = flow("203.0.113.77:1");
    let request = desk.bare(Method::ALLOCATE, |it| {
        udp(it)
            .text(attribute::USERNAME, "anna")
            .text(attribute::REALM, REALM)
            .text(attribute::NONCE, "forged")
            .integrity(Integrity::Sha1, &key("anna", "guess"))
    });
    for _ in 0..10 {
        desk.put(victim, &request);
    }
    desk.allocate(victim);
    desk.pass(600);
    desk.allocate(flow(CLIENT));
}

#[test]
fn a_forged_source_gets_few_answers() {
    let mut desk = Desk::new(|it| it.unauthenticated_per_second = 5);
    let request = desk.bare(Method::ALLOCATE, udp);
    let count = |desk: &mut Desk, flow: Flow| {
        (0..20)
            .filter(|_| !desk.put(flow, &request).is_empty())
            .count()
    };
    assert_eq!(count(&mut desk, flow(CLIENT)), 5);
    let stream = Flow {
        connection: Some(1),
        ..flow(CLIENT)
    };
    assert_eq!(count(&mut desk, stream), 20);
}

#[test]
fn as_many_requests_wait_for_keys_as_the_limit_and_not_one_more() {
    let mut desk = Desk::new(|it| it.unauthenticated_per_second = 10_000);
    let requests: Vec<(Flow, Vec<u8>)> = (0..=MAX_QUESTIONS)
        .map(|number| {
            let flow = client(u16::try_from(number + 1).unwrap());
            let pair = ("anna", "secret");
            (flow, desk.signed(flow, pair, Method::ALLOCATE, udp))
        })
        .collect();
    desk.answers = false;
    for (flow, request) in &requests {
        assert_eq!(desk.server.figures().not_answered, 0);
        desk.put(*flow, request);
    }
    assert_eq!(desk.server.figures().not_answered, 1);
    // Questions that nobody answers do not hold their place for ever.
    desk.pass(QUESTION_LIFE.as_secs() + 1);
    desk.answers = true;
    let (flow, request) = &requests[0];
    assert_eq!(desk.put(*flow, request).len(), 1);
}

#[test]
fn a_request_has_a_longest_length() {
    let mut desk = Desk::new(|_| {});
    let mut ask = |length: usize| {
        let request = desk.signed(flow(CLIENT), ("anna", "secret"), Method::REFRESH, |it| {
            it.attribute(0x9000, &vec![0; length])
        });
        let code = code(&answer(&desk.put(flow(CLIENT), &request)));
        (request.len(), code)
    };
    let (rest, _) = ask(0);
    assert_eq!(ask(MAX_REQUEST_BYTES - rest), (MAX_REQUEST_BYTES, 437));
    assert_eq!(
        ask(MAX_REQUEST_BYTES - rest + 4),
        (MAX_REQUEST_BYTES + 4, 400)
    );
}

proptest::proptest! {
    #[test]
    fn nothing_that_anybody_sends_panics(
        kinds in proptest::collection::vec((0_u16..0x30, proptest::collection::vec(0_u8..=255, 0..24)), 0..8),
        method in 1_u16..12,
        raw in proptest::collection::vec(0_u8..=255, 0..80),
    ) {
        let mut desk = Desk::new(|_| {});
        let (relay, _) = desk.allocate(flow(CLIENT));
        let write = writer(|it| kinds.iter().fold(it, |it, (kind, value)| it.attribute(*kind, value)));
        let request = desk.signed(flow(CLIENT), ("anna", "secret"), Method::new(method), write);
        desk.put(flow(CLIENT), &request);
        let mut indication = request;
        indication[1] |= 0x10;
        desk.put(flow(CLIENT), &indication);
        desk.put(flow(CLIENT), &raw);
        desk.arrive(relay, PEER, &raw);
        desk.pass(4000);
        proptest::prop_assert!(desk.open.is_empty());
    }
}
