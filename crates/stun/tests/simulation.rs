//! Client and server over a network in virtual time that loses, doubles and reorders.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

mod desk;
mod world;

use desk::{SERVER, address};
use fernamt_stun::client::{self, Client, ClientSettings, Wish};
use fernamt_stun::message::address::Family;
use fernamt_stun::message::{Builder, ErrorCode, attribute};
use fernamt_stun::{Class, Message, Method, Now, TransactionId};
use world::{Faults, News, PERFECT, Packet, SERVER_V6, World};

const PEER: &str = "192.0.2.200:9000";

#[test]
fn a_client_gets_a_relay_and_a_peer_answers_through_it() {
    for is_stream in [false, true] {
        let mut world = World::new(1, PERFECT, is_stream);
        let anna = world.add("203.0.113.1:1000", "anna", "secret");
        world.with(anna, |it, now| it.allocate(now));
        world.run(2);
        let relayed = world.relayed(anna);
        world.with(anna, |it, now| it.permit(now, address(PEER)).unwrap());
        world.run(2);
        for round in 0..2 {
            world.with(anna, |it, _| it.send(address(PEER), b"hello").unwrap());
            world.run(2);
            assert_eq!(world.at_peers[round].source, relayed);
            assert_eq!(world.data(anna)[round], (address(PEER), b"hello".to_vec()));
            // The second time over a channel.
            world.with(anna, |it, now| it.bind(now, address(PEER)).unwrap());
            world.run(2);
        }
        world.with(anna, |it, now| it.release(now));
        world.run(2);
        assert_eq!(world.news[anna].last(), Some(&News::Released));
        assert!(world.bound.is_empty());
        assert_eq!(world.clients[anna].1.deadline(), None);
    }
}

/// Client, server and peer by IPv6, over datagrams and over a stream, on a bad network, too.
#[test]
fn a_relay_by_ipv6_is_as_good_as_one_by_ipv4() {
    let peer = address("[2001:db8:9::9]:9000");
    let faults = Faults {
        lost: 20,
        doubled: 10,
    };
    for (seed, is_stream, faults) in [(1, false, PERFECT), (2, true, PERFECT), (3, false, faults)] {
        let mut world = World::at(SERVER_V6, seed, faults, is_stream);
        let anna = world.add("[2001:db8:2::2]:1000", "anna", "secret");
        world.with(anna, |it, now| it.allocate(now));
        world.run(30);
        let relayed = world.relayed(anna);
        assert_eq!(relayed.ip(), address(SERVER_V6).ip());
        world.with(anna, |it, now| it.permit(now, peer).unwrap());
        world.run(30);
        world.with(anna, |it, now| it.bind(now, peer).unwrap());
        world.run(30);
        for _ in 0..20 {
            world.with(anna, |it, _| it.send(peer, b"hello").unwrap());
        }
        world.run(5);
        assert!(world.at_peers.iter().all(|packet| packet.source == relayed));
        let heard = world.data(anna);
        assert!(heard.iter().all(|data| *data == (peer, b"hello".to_vec())));
        assert!(heard.len() >= if faults.lost == 0 { 20 } else { 1 });
        // A peer of the other family is not one of this relay (RFC 8656 section 9.2).
        let other = address(PEER);
        world.with(anna, |it, now| it.permit(now, other).unwrap());
        world.run(60);
        let refused = News::Refused(Wish::Permit(other), 443);
        assert_eq!(world.news[anna].last(), Some(&refused), "seed {seed}");
        world.with(anna, |it, now| it.release(now));
        world.run(3_600);
        assert!(world.bound.is_empty());
    }
}

/// RFC 8656 section 18.8: a client by IPv4 may have a relay by IPv6, and the other way round.
#[test]
fn a_client_of_one_family_reaches_peers_of_the_other() {
    let (four, six) = ("203.0.113.1:1000", "[2001:db8:2::2]:1000");
    for (server, client, family, peer) in [
        (SERVER, four, Family::V6, "[2001:db8:9::9]:9000"),
        (SERVER_V6, six, Family::V4, PEER),
    ] {
        let mut world = World::at(server, 9, PERFECT, false);
        let anna = world.add_for(family, client, "anna", "secret");
        world.with(anna, |it, now| it.allocate(now));
        world.run(2);
        let (relayed, peer) = (world.relayed(anna), address(peer));
        assert_eq!(relayed.is_ipv6(), peer.is_ipv6());
        world.with(anna, |it, now| it.permit(now, peer).unwrap());
        world.run(2);
        world.with(anna, |it, _| it.send(peer, b"hello").unwrap());
        world.run(2);
        assert_eq!(world.data(anna), [(peer, b"hello".to_vec())]);
    }
}

#[test]
fn a_relay_permissions_and_channels_last_as_long_as_the_client_wants() {
    let mut world = World::new(2, PERFECT, false);
    let anna = world.add("203.0.113.1:1000", "anna", "secret");
    world.with(anna, |it, now| it.allocate(now));
    world.run(2);
    let other = "192.0.2.201:9000";
    world.with(anna, |it, now| it.permit(now, address(PEER)).unwrap());
    world.with(anna, |it, now| it.bind(now, address(other)).unwrap());
    // Twelve hours, in which nonces grow old many times.
    for _ in 0..144 {
        world.run(300);
        world.with(anna, |it, _| it.send(address(PEER), b"one").unwrap());
        world.with(anna, |it, _| it.send(address(other), b"two").unwrap());
    }
    world.run(5);
    assert_eq!(world.data(anna).len(), 288);
    assert_eq!(world.server.figures().allocated, 1);
    // When the client is gone, so is what it had.
    world.clients.clear();
    world.run(3600);
    assert!(world.bound.is_empty());
}

#[test]
fn two_clients_behind_relays_hear_each_other() {
    let mut world = World::new(3, PERFECT, false);
    let anna = world.add("203.0.113.1:1000", "anna", "secret");
    let berta = world.add("203.0.113.2:1000", "berta", "secret");
    for index in [anna, berta] {
        world.with(index, |it, now| it.allocate(now));
    }
    world.run(2);
    let (at_anna, at_berta) = (world.relayed(anna), world.relayed(berta));
    world.with(anna, |it, now| it.bind(now, at_berta).unwrap());
    world.with(berta, |it, now| it.permit(now, at_anna).unwrap());
    world.run(2);
    world.with(anna, |it, _| it.send(at_berta, b"hello").unwrap());
    world.with(berta, |it, _| it.send(at_anna, b"hi").unwrap());
    world.run(2);
    assert_eq!(world.data(berta), [(at_anna, b"hello".to_vec())]);
    assert_eq!(world.data(anna), [(at_berta, b"hi".to_vec())]);
    assert!(world.at_peers.is_empty());
}

#[test]
fn a_bad_network_delays_and_changes_nothing() {
    for seed in 0..200 {
        let faults = Faults {
            lost: 30,
            doubled: 20,
        };
        let mut world = World::new(seed, faults, false);
        let anna = world.add("203.0.113.1:1000", "anna", "secret");
        world.with(anna, |it, now| it.allocate(now));
        world.run(60);
        // Seven times lost is very rare, and then the client knows.
        if world.news[anna].contains(&News::Silent(Wish::Allocate)) {
            continue;
        }
        assert_eq!(world.news[anna].len(), 1, "seed {seed}: {:?}", world.news);
        assert_eq!(world.bound.len(), 1, "seed {seed}");
        world.with(anna, |it, now| it.bind(now, address(PEER)).unwrap());
        world.run(60);
        if world.news[anna].len() == 1
            || !world.news[anna].contains(&News::Permitted(address(PEER)))
        {
            continue;
        }
        for _ in 0..20 {
            world.with(anna, |it, _| it.send(address(PEER), b"x").unwrap());
        }
        world.run(10);
        assert!(!world.data(anna).is_empty(), "seed {seed}");
        world.with(anna, |it, now| it.release(now));
        world.run(4000);
        assert!(world.bound.is_empty(), "seed {seed}");
        assert_eq!(world.server.figures().allocations, 0);
    }
}

#[test]
fn a_wrong_password_is_tried_once() {
    let mut world = World::new(4, PERFECT, false);
    let anna = world.add("203.0.113.1:1000", "anna", "guess");
    world.with(anna, |it, now| it.allocate(now));
    world.run(60);
    assert_eq!(world.news[anna], [News::Refused(Wish::Allocate, 401)]);
    assert_eq!(world.server.figures().authentication_failures, 1);
}

#[test]
fn a_forbidden_peer_is_refused_and_forgotten() {
    let mut world = World::new(5, PERFECT, false);
    let anna = world.add("203.0.113.1:1000", "anna", "secret");
    world.with(anna, |it, now| it.allocate(now));
    world.run(2);
    let peer = address("127.0.0.1:9");
    world.with(anna, |it, now| it.permit(now, peer).unwrap());
    world.run(2);
    let refused = News::Refused(Wish::Permit(peer), 403);
    assert_eq!(world.news[anna].last(), Some(&refused));
    world.with(anna, |it, _| assert!(it.send(peer, b"x").is_err()));
}

/// The answer to the permission is lost, and what the peer sends arrives.
#[test]
fn what_a_peer_sends_shows_that_it_is_permitted() {
    let mut world = World::new(8, PERFECT, false);
    let anna = world.add("203.0.113.1:1000", "anna", "secret");
    world.with(anna, |it, now| it.allocate(now));
    world.run(2);
    let target = world.relayed(anna);
    world.with(anna, |it, now| it.permit(now, address(PEER)).unwrap());
    world.with(anna, |it, _| assert!(it.send(address(PEER), b"x").is_err()));
    // It has reached the server, and the way back is blocked.
    world.blocks_answers = true;
    world.run(1);
    world.blocks_answers = false;
    let source = address(PEER);
    let bytes = b"hello".to_vec();
    world.put(Packet {
        source,
        target,
        bytes,
    });
    world.run_millis(450);
    assert_eq!(world.data(anna), [(source, b"hello".to_vec())]);
    assert_eq!(world.news[anna][1], News::Permitted(source));
    world.with(anna, |it, _| assert!(it.send(source, b"x").is_ok()));
}

#[test]
fn a_server_that_is_silent_is_reported() {
    let faults = Faults {
        lost: 100,
        doubled: 0,
    };
    let mut world = World::new(6, faults, false);
    let anna = world.add("203.0.113.1:1000", "anna", "secret");
    world.with(anna, |it, now| it.allocate(now));
    world.run(39);
    assert!(world.news[anna].is_empty());
    world.run(1);
    assert_eq!(world.news[anna], [News::Silent(Wish::Allocate)]);
}

#[test]
fn a_client_has_a_most_number_of_peers() {
    let mut world = World::new(7, PERFECT, false);
    let anna = world.add("203.0.113.1:1000", "anna", "secret");
    world.with(anna, |it, now| {
        assert_eq!(
            it.permit(now, address(PEER)),
            Err(client::ClientError::NoRelay)
        );
        it.allocate(now);
    });
    world.run(2);
    world.with(anna, |it, now| {
        for host in 0..client::MAX_PEERS {
            let peer = address(&format!("192.0.2.{}:1", host + 1));
            assert_eq!(it.permit(now, peer), Ok(()));
        }
        assert_eq!(
            it.permit(now, address(PEER)),
            Err(client::ClientError::ManyPeers)
        );
    });
}

/// pjproject 082948b0a: an answer is believed only with the name that cannot be foreseen, and from
/// where the question went.
#[test]
fn stun_predictable_txid() {
    let settings = ClientSettings {
        server: address(SERVER),
        is_stream: false,
        username: "anna".into(),
        password: "secret".into(),
        family: Family::V4,
    };
    let mut ids = Vec::new();
    for seed in 0..100_u8 {
        let mut client = Client::new(settings.clone(), [seed; 32]);
        let now = Now::default();
        client.allocate(now);
        let Some(client::Output::Send(bytes)) = client.poll() else {
            panic!("no request");
        };
        let id = Message::parse(bytes).unwrap().transaction();
        ids.push(id);
        let refusal = |id: TransactionId| {
            let mut bytes = Vec::new();
            Builder::new(&mut bytes, Class::Error, Method::ALLOCATE, id)
                .error(ErrorCode::FORBIDDEN)
                .finish()
                .unwrap();
            bytes
        };
        let mut wrong = id;
        wrong.0[11] ^= 1;
        let mut take = |source: &str, bytes: &[u8]| {
            let source = address(source);
            client.handle(now, client::Input::Received { source, bytes });
            client.poll().is_some()
        };
        assert!(!take(SERVER, &refusal(wrong)));
        assert!(!take("198.51.100.2:3478", &refusal(id)));
        assert!(!take("198.51.100.1:3479", &refusal(id)));
        // A relay that nobody vouches for.
        let mut forged = Vec::new();
        Builder::new(&mut forged, Class::Success, Method::ALLOCATE, id)
            .masked_address(attribute::XOR_RELAYED_ADDRESS, address("192.0.2.66:1"))
            .masked_address(attribute::XOR_MAPPED_ADDRESS, address("192.0.2.66:1"))
            .number(attribute::LIFETIME, 600)
            .finish()
            .unwrap();
        assert!(!take(SERVER, &forged));
        assert!(take(SERVER, &refusal(id)));
    }
    // No byte is the same in all of them, and none counts upward.
    for place in 0..12 {
        let mut values: Vec<u8> = ids.iter().map(|id| id.0[place]).collect();
        assert!(!values.is_sorted());
        values.sort_unstable();
        values.dedup();
        assert!(values.len() > 60, "byte {place}: {}", values.len());
    }
}

#[test]
fn a_server_that_always_wants_another_nonce_is_given_up() {
    let settings = ClientSettings {
        server: address(SERVER),
        is_stream: false,
        username: "anna".into(),
        password: "secret".into(),
        family: Family::V4,
    };
    let mut client = Client::new(settings, [1; 32]);
    let now = Now::default();
    client.allocate(now);
    for request in 1.. {
        let id = match client.poll() {
            Some(client::Output::Send(bytes)) => Message::parse(bytes).unwrap().transaction(),
            Some(client::Output::Refused { code, .. }) => {
                assert_eq!(
                    (request, code),
                    (client::MOST_ATTEMPTS + 1, ErrorCode::STALE_NONCE)
                );
                return;
            }
            other => panic!("{other:?}"),
        };
        let mut bytes = Vec::new();
        Builder::new(&mut bytes, Class::Error, Method::ALLOCATE, id)
            .error(ErrorCode::STALE_NONCE)
            .text(attribute::REALM, "fernamt")
            .text(attribute::NONCE, "another")
            .finish()
            .unwrap();
        let source = address(SERVER);
        let bytes = &bytes;
        client.handle(now, client::Input::Received { source, bytes });
    }
}
