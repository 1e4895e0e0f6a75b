//! Packets through the plane: both ways, untouched, and only where they may go.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails shall panic"
)]

mod common;

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use common::{A, B, Exchange, PCMA, PCMU, Party, TELEPHONE_EVENT, assert_speaking};
use fernamt_exchange::media::{Announcement, Codec, Command, Event, Remote};
use fernamt_media::announcement::{self, Language};
use fernamt_media::{MAX_DATAGRAM_BYTES, PlaneConfig};

#[test]
fn rtp_goes_both_ways_untouched() {
    let exchange = Exchange::start();
    let (mut a, mut b, at_a, at_b) = exchange.call();
    for _ in 0..50 {
        assert_speaking(&mut a, &mut b);
    }
    for endpoint in [at_a, at_b] {
        let running = exchange.plane.statistics(endpoint).unwrap();
        let statistics = exchange.close(endpoint);
        assert_eq!(running, statistics);
        assert_eq!(
            (statistics.packets_received, statistics.packets_sent),
            (50, 50)
        );
        assert_eq!(statistics.bytes_received, 50 * 172);
        assert_eq!(
            (statistics.packets_dropped, statistics.packets_lost),
            (0, 0)
        );
        assert_eq!(exchange.plane.statistics(endpoint), None);
    }
}

#[test]
fn a_burst_arrives_whole_and_in_order() {
    let exchange = Exchange::with(|config| PlaneConfig {
        threads: 2,
        ..config
    });
    let (mut a, b, ..) = exchange.call();
    let said: Vec<Vec<u8>> = (0..100).map(|_| a.speak()).collect();
    let heard: Vec<Vec<u8>> = (0..100).map(|_| b.hear()).collect();
    assert_eq!(heard, said);
}

#[test]
fn rtcp_goes_both_ways_on_its_own_port() {
    let exchange = Exchange::start();
    let (a, b, ..) = exchange.call();
    a.send_rtcp(&a.report());
    assert_eq!(b.hear_rtcp(), a.report());
    b.send_rtcp(&b.report());
    assert_eq!(a.hear_rtcp(), b.report());
}

#[test]
fn multiplexed_rtcp_is_told_from_rtp_on_either_side() {
    let exchange = Exchange::start();
    let (mut a, b, at_a, _) = exchange.call();
    exchange.set_remote(
        at_a,
        Remote {
            rtcp: Some(a.address()),
            ..a.remote()
        },
    );
    a.speak();
    a.send(&a.report());
    assert_eq!(b.hear_rtcp(), a.report());
    b.send_rtcp(&b.report());
    assert_eq!(a.hear(), b.report());
}

#[test]
fn a_party_without_rtcp_gets_none() {
    let exchange = Exchange::start();
    let (mut a, mut b, at_a, at_b) = exchange.call();
    exchange.set_remote(
        at_a,
        Remote {
            rtcp: None,
            ..a.remote()
        },
    );
    b.send_rtcp(&b.report());
    a.send_rtcp(&a.report());
    assert_speaking(&mut a, &mut b);
    assert!(a.hears_nothing() && b.hears_nothing());
    assert_eq!(exchange.close(at_b).packets_dropped, 0);
    assert_eq!(exchange.close(at_a).packets_dropped, 1);
}

#[test]
fn ipv4_and_ipv6_parties_hear_each_other() {
    let exchange = Exchange::with(|config| PlaneConfig {
        ports: 21_000..=21_999,
        ..config
    });
    let localhost = IpAddr::V6(Ipv6Addr::LOCALHOST);
    let (mut a, mut b) = (Party::new(A), Party::at(localhost));
    let at_a = exchange.face(&mut a);
    let (at_b, rtp) = exchange.open_at(localhost, None).unwrap();
    b.relay = Some(rtp);
    exchange.set_remote(at_b, b.remote());
    exchange.bridge(at_a, at_b);
    for _ in 0..5 {
        assert_speaking(&mut a, &mut b);
    }
    a.send_rtcp(&a.report());
    assert_eq!(b.hear_rtcp(), a.report());
}

#[test]
fn a_remote_of_the_other_family_gets_nothing_and_harms_nothing() {
    let exchange = Exchange::start();
    let (mut a, mut b, at_a, at_b) = exchange.call();
    let elsewhere = "[::1]:4000".parse().unwrap();
    exchange.set_remote(
        at_b,
        Remote {
            rtp: elsewhere,
            ..b.remote()
        },
    );
    a.speak();
    exchange.wait_for(at_a, |statistics| statistics.packets_received == 1);
    exchange.set_remote(at_b, b.remote());
    assert_speaking(&mut a, &mut b);
}

#[test]
fn a_party_that_does_not_receive_gets_nothing_and_one_that_does_not_send_is_not_heard() {
    let exchange = Exchange::start();
    let (mut a, mut b, at_a, at_b) = exchange.call();
    assert_speaking(&mut a, &mut b);
    // B holds: it sends music and does not listen.
    exchange.set_remote(
        at_b,
        Remote {
            receives: false,
            ..b.remote()
        },
    );
    exchange.set_remote(
        at_a,
        Remote {
            sends: false,
            ..a.remote()
        },
    );
    a.speak();
    let music = b.speak();
    assert_eq!(a.hear(), music);
    assert!(b.hears_nothing());
    // Reports go on (RFC 3264 section 5.1).
    a.send_rtcp(&a.report());
    assert_eq!(b.hear_rtcp(), a.report());
    exchange.set_remote(at_a, a.remote());
    exchange.set_remote(at_b, b.remote());
    assert_speaking(&mut a, &mut b);
    assert_eq!(exchange.close(at_a).packets_dropped, 1);
}

#[test]
fn payload_types_that_were_not_negotiated_on_both_sides_do_not_pass() {
    let exchange = Exchange::start();
    let (mut a, mut b, at_a, at_b) = exchange.call();
    exchange.set_remote(
        at_b,
        Remote {
            payload_types: vec![PCMA, TELEPHONE_EVENT],
            ..b.remote()
        },
    );
    for payload_type in [3, 96, PCMU] {
        let packet = a.packet(payload_type);
        a.send(&packet);
    }
    let digit = a.packet(TELEPHONE_EVENT);
    a.send(&digit);
    assert_eq!(b.hear(), digit);
    assert_speaking(&mut a, &mut b);
    assert_eq!(exchange.close(at_a).packets_dropped, 2);
    let at_b = exchange.close(at_b);
    assert_eq!((at_b.packets_withheld, at_b.packets_dropped), (1, 0));
}

#[test]
fn empty_and_oversized_packets_are_dropped_and_the_call_goes_on() {
    let exchange = Exchange::start();
    let (mut a, mut b, at_a, _) = exchange.call();
    assert_speaking(&mut a, &mut b);
    for length in [0, 1, 11, MAX_DATAGRAM_BYTES + 1, 65_507] {
        let mut packet = a.packet(PCMA);
        packet.resize(length, 0);
        a.send(&packet);
        a.send_rtcp(&packet);
    }
    let mut largest = a.packet(PCMA);
    largest.resize(MAX_DATAGRAM_BYTES, 0x55);
    a.send(&largest);
    assert_eq!(b.hear(), largest);
    assert_speaking(&mut a, &mut b);
    assert!(b.hears_nothing());
    assert_eq!(exchange.close(at_a).packets_dropped, 10);
}

#[test]
fn an_echo_comes_back_to_the_party_with_another_source() {
    let exchange = Exchange::start();
    let mut a = Party::new(A);
    let endpoint = exchange.face(&mut a);
    exchange.plane.execute(Command::Echo { endpoint });
    for payload_type in [PCMA, PCMU, TELEPHONE_EVENT] {
        let said = a.packet(payload_type);
        a.send(&said);
        let heard = a.hear();
        assert_eq!((&heard[..8], &heard[12..]), (&said[..8], &said[12..]));
        assert_ne!(heard[8..12], said[8..12]);
    }
    let statistics = exchange.close(endpoint);
    assert_eq!(
        (statistics.packets_received, statistics.packets_sent),
        (3, 3)
    );
}

#[test]
fn a_new_bridge_ends_the_old_one() {
    let exchange = Exchange::start();
    let (mut a, mut b, mut c) = (Party::new(A), Party::new(B), Party::new(30));
    let (at_a, _) = exchange.connect(&mut a, &mut b);
    assert_speaking(&mut a, &mut b);
    let at_c = exchange.face(&mut c);
    exchange.bridge(at_a, at_c);
    b.speak();
    assert_speaking(&mut a, &mut c);
    assert!(a.hears_nothing() && b.hears_nothing());
}

#[test]
fn two_echoes_that_are_sent_at_each_other_do_not_run_away() {
    let limit = 100;
    let exchange = Exchange::with(|config| PlaneConfig {
        packets_per_second: limit,
        ..config
    });
    let ends = [exchange.open(), exchange.open()];
    for ((endpoint, _), (_, other)) in ends.into_iter().zip(ends.into_iter().rev()) {
        let remote = Remote {
            rtp: other,
            signalling: other.ip(),
            ..Party::new(A).remote()
        };
        exchange.set_remote(endpoint, remote);
        exchange.plane.execute(Command::Echo { endpoint });
    }
    // The last packet of what is played starts the loop: the echo is silent before.
    let [(endpoint, _), _] = ends;
    exchange.plane.execute(Command::Play {
        endpoint,
        announcement: Announcement::NumberNotKnown,
        codec: Codec::Pcma,
        payload_type: PCMA,
    });
    while exchange.event() != (Event::Played { endpoint }) {}
    std::thread::sleep(Duration::from_millis(300));
    let played = exchange.plane.statistics(endpoint).unwrap().packets_sent;
    let samples = announcement::file(Announcement::NumberNotKnown, Language::English).len() / 2;
    let frames = (samples / announcement::FRAME_SAMPLES) as u64;
    assert!(
        (frames + 1..frames + 2 * u64::from(limit)).contains(&played),
        "{played} of {frames}"
    );
}
