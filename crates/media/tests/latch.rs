//! Who gets into a call and who gets its voice: nobody but the two parties.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails shall panic"
)]

mod common;

use std::time::{Duration, Instant};

use common::{A, B, Exchange, NAT, Party, STRANGER, address, assert_speaking};
use fernamt_exchange::media::{Event, Remote};
use fernamt_media::PlaneConfig;

/// A description that names an address behind a NAT, with the NAT seen by signalling.
fn behind_nat(party: &Party) -> Remote {
    let private = address(A);
    Remote {
        rtp: (private, 4_000).into(),
        rtcp: Some((private, 4_001).into()),
        signalling: address(NAT),
        ..party.remote()
    }
}

/// Sprays a port as a scanner does: every kind of packet, again and again.
fn spray(stranger: &mut Party, target: &Party) {
    stranger.relay = target.relay;
    for _ in 0..20 {
        stranger.speak();
        stranger.send(&[0x80]);
        stranger.send(&stranger.report());
        stranger.send_rtcp(&stranger.report());
    }
}

/// CVE-2017-14099, CVE-2025-53399: whoever sends first, or often, gets the voice.
#[test]
fn rtp_bleed() {
    let exchange = Exchange::start_with_open_ports();
    let (mut a, mut b, mut stranger) = (Party::new(A), Party::new(B), Party::new(STRANGER));
    let (at_a, at_b) = (exchange.face(&mut a), exchange.face(&mut b));
    exchange.bridge(at_a, at_b);
    for target in [&a, &b] {
        spray(&mut stranger, target);
    }
    assert_speaking(&mut a, &mut b);
    for target in [&a, &b] {
        spray(&mut stranger, target);
    }
    for _ in 0..10 {
        assert_speaking(&mut a, &mut b);
    }
    b.send_rtcp(&b.report());
    assert_eq!(a.hear_rtcp(), b.report());
    assert!(stranger.hears_nothing());
    assert_eq!(exchange.close(at_a).packets_dropped, 2 * 20 * 4);
}

/// The same, while the party is behind a NAT and still to be found.
#[test]
fn rtp_bleed_while_the_latch_is_open() {
    let exchange = Exchange::start();
    let (mut a, mut b, mut stranger) = (Party::new(NAT), Party::new(B), Party::new(STRANGER));
    let (at_a, at_b) = exchange.connect(&mut a, &mut b);
    exchange.set_remote(at_a, behind_nat(&a));
    spray(&mut stranger, &a);
    b.speak();
    assert_eq!(
        exchange.event(),
        Event::Latched {
            endpoint: at_b,
            rtp: b.address()
        }
    );
    for _ in 0..3 {
        a.speak();
    }
    b.hear();
    assert_eq!(
        exchange.event(),
        Event::Latched {
            endpoint: at_a,
            rtp: a.address()
        }
    );
    assert_speaking(&mut a, &mut b);
    assert!(stranger.hears_nothing());
}

/// Strangers speak into a call: from another address, from another port of the party's address, with
/// the party's own SSRC and sequence.
#[test]
fn rtp_inject() {
    let exchange = Exchange::start_with_open_ports();
    let (mut a, mut b, mut stranger) = (Party::new(A), Party::new(B), Party::new(STRANGER));
    let (at_a, _) = exchange.connect(&mut a, &mut b);
    assert_speaking(&mut a, &mut b);
    let mut neighbour = Party::new(A);
    for intruder in [&mut stranger, &mut neighbour] {
        intruder.relay = a.relay;
        intruder.ssrc = a.ssrc;
        intruder.sequence = a.sequence;
        for _ in 0..50 {
            intruder.speak();
            intruder.send_rtcp(&intruder.report());
        }
    }
    assert_speaking(&mut a, &mut b);
    let report = a.report();
    a.send_rtcp(&report);
    assert_eq!(b.hear_rtcp(), report);
    assert!(b.hears_nothing());
    assert_eq!(exchange.close(at_a).packets_dropped, 4 * 50);
}

#[test]
fn a_party_behind_a_nat_is_found_by_its_packets() {
    let exchange = Exchange::start();
    let (mut a, mut b) = (Party::new(NAT), Party::new(B));
    let (at_a, _) = exchange.connect(&mut a, &mut b);
    exchange.set_remote(at_a, behind_nat(&a));
    a.speak();
    a.speak();
    let third = a.speak();
    assert_eq!(b.hear(), third);
    assert_eq!(
        exchange.event(),
        Event::Latched {
            endpoint: at_a,
            rtp: a.address()
        }
    );
    assert_speaking(&mut a, &mut b);
    // Its reports follow.
    a.send_rtcp(&a.report());
    assert_eq!(b.hear_rtcp(), a.report());
    b.send_rtcp(&b.report());
    assert_eq!(a.hear_rtcp(), b.report());
}

/// Once a party has settled, the kernel keeps strangers from its port; the call hears nothing of them.
#[test]
fn rtp_bleed_into_a_settled_call() {
    let exchange = Exchange::start();
    let (mut a, mut b, mut stranger) = (Party::new(A), Party::new(B), Party::new(STRANGER));
    let (at_a, _) = exchange.connect(&mut a, &mut b);
    assert_speaking(&mut a, &mut b);
    a.settle(&b);
    let before = exchange.plane.statistics(at_a).unwrap().packets_dropped;
    stranger.relay = a.relay;
    for _ in 0..20 {
        stranger.speak();
    }
    assert_speaking(&mut a, &mut b);
    assert!(stranger.hears_nothing());
    assert_eq!(exchange.close(at_a).packets_dropped, before);
}

#[test]
fn a_phone_whose_nat_gives_it_a_new_port_is_found_again() {
    for has_settled in [false, true] {
        let exchange = match has_settled {
            false => Exchange::start_with_open_ports(),
            true => Exchange::start(),
        };
        let (mut a, mut b) = (Party::new(NAT), Party::new(B));
        let (at_a, _) = exchange.connect(&mut a, &mut b);
        exchange.set_remote(at_a, behind_nat(&a));
        for _ in 0..3 {
            a.speak();
        }
        b.hear();
        if has_settled {
            a.settle(&b);
        }
        a.rtp = Party::new(NAT).rtp;
        b.rtp
            .set_read_timeout(Some(Duration::from_millis(20)))
            .unwrap();
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            let said = a.speak();
            let mut heard = vec![0; said.len()];
            if b.rtp.recv(&mut heard).is_ok() {
                assert_eq!(heard, said);
                break;
            }
            assert!(Instant::now() < end, "never found again");
        }
        b.speak();
        a.hear();
    }
}

#[test]
fn a_settled_party_that_moves_is_followed_at_once() {
    let exchange = Exchange::start();
    let (mut a, mut b, at_a, _) = exchange.call();
    assert_speaking(&mut a, &mut b);
    a.settle(&b);
    let mut moved = Party::new(30);
    moved.relay = a.relay;
    exchange.set_remote(at_a, moved.remote());
    assert_speaking(&mut moved, &mut b);
    assert!(a.hears_nothing());
}

/// The next call may have the ports of this one.
#[test]
fn the_ports_of_a_settled_call_are_open_to_the_next() {
    let exchange = Exchange::with(|config| PlaneConfig {
        ports: 20_000..=20_003,
        quarantine: Duration::ZERO,
        ..config
    });
    let (mut a, mut b, at_a, at_b) = exchange.call();
    assert_speaking(&mut a, &mut b);
    a.settle(&b);
    exchange.close(at_a);
    exchange.close(at_b);
    let (mut next, mut other) = (Party::new(30), Party::new(31));
    exchange.connect(&mut next, &mut other);
    for _ in 0..5 {
        assert_speaking(&mut next, &mut other);
    }
}

#[test]
fn a_party_that_moves_is_followed_at_once() {
    let exchange = Exchange::start();
    let (mut a, mut b, at_a, _) = exchange.call();
    assert_speaking(&mut a, &mut b);
    let mut moved = Party::new(30);
    moved.relay = a.relay;
    exchange.set_remote(at_a, moved.remote());
    let said = b.speak();
    assert_eq!(
        moved.hear(),
        said,
        "the negotiated address until it is heard"
    );
    a.speak();
    assert_speaking(&mut moved, &mut b);
    assert!(a.hears_nothing() && b.hears_nothing());
}

#[test]
fn the_latch_is_reported_once() {
    let exchange = Exchange::start();
    let (mut a, mut b, at_a, at_b) = exchange.call();
    for _ in 0..10 {
        assert_speaking(&mut a, &mut b);
    }
    exchange.set_remote(at_a, a.remote());
    assert_speaking(&mut a, &mut b);
    let latched = |endpoint, party: &Party| Event::Latched {
        endpoint,
        rtp: party.address(),
    };
    assert_eq!(exchange.events(), [latched(at_a, &a), latched(at_b, &b)]);
}
