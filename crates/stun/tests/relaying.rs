//! Permissions, channels, and the way of data (RFC 8656 sections 9 to 12).
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

mod desk;

use desk::*;
use fernamt_stun::message::attribute;
use fernamt_stun::server::settings::{MAX_CHANNELS, MAX_PERMISSIONS};
use fernamt_stun::server::{Flow, Ports};
use fernamt_stun::{Method, Network};

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
