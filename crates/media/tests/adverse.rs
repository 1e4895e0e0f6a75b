//! Parties whose streams are not what they should be: none of it harms the call or another one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails shall panic"
)]

mod common;

use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use common::secure::Cipher;
use common::{A, B, Exchange, NAT, PCMA, Party, STRANGER, address, assert_speaking};
use fernamt_exchange::media::{Event, Format, Remote};
use fernamt_media::PlaneConfig;
use fernamt_rtp::srtp::MAX_SENT_SOURCES;
use fernamt_sdp::CryptoSuite::AesCm128HmacSha1_80;

#[test]
fn sequence_numbers_and_timestamps_may_jump() {
    let exchange = Exchange::start();
    let (mut a, b, at_a, at_b) = exchange.call();
    let mut cipher = Cipher::new(AesCm128HmacSha1_80, 1);
    for is_protected in [false, true] {
        if is_protected {
            exchange.set_remote(at_b, cipher.remote(&b));
        }
        for jump in [1_u16, 100, 32_768, 40_000, 65_000, 0, 2, 60_000, 30_000] {
            a.sequence = a.sequence.wrapping_add(jump);
            let said: Vec<Vec<u8>> = (0..5).map(|_| a.speak()).collect();
            if is_protected {
                // A number is never used twice under a key, so they may be others. That a source
                // has begun anew is believed with its second packet.
                let heard = || cipher.hear(&b);
                let rest = |packet: &Vec<u8>| packet[4..].to_vec();
                let heard: Vec<_> = core::iter::repeat_with(heard).take(4).collect();
                let missing = usize::from(rest(&heard[0]) != rest(&said[0]));
                for (heard, said) in heard.iter().zip(&said[missing..]) {
                    assert_eq!(
                        (&heard[..2], rest(heard)),
                        (&said[..2], rest(said)),
                        "{jump}"
                    );
                }
                if missing == 0 {
                    cipher.hear(&b);
                }
            } else {
                for said in said {
                    assert_eq!(b.hear(), said, "{jump}");
                }
            }
        }
    }
    let mut backward = a.packet(PCMA);
    backward[4..8].fill(0);
    a.send(&backward);
    cipher.hear(&b);
    exchange.close(at_a);
}

#[test]
fn sources_may_change_and_be_the_same_on_both_sides() {
    let exchange = Exchange::start();
    let (mut a, mut b, at_a, _) = exchange.call();
    for ssrc in [0, 1, u32::MAX, b.ssrc] {
        a.ssrc = ssrc;
        assert_speaking(&mut a, &mut b);
    }
    b.ssrc = a.ssrc;
    assert_speaking(&mut a, &mut b);
    let mut cipher = exchange.protect(at_a, &a, AesCm128HmacSha1_80, 1);
    for ssrc in [7, b.ssrc, 8, 7] {
        a.ssrc = ssrc;
        let said = cipher.speak(&mut a);
        assert_eq!(b.hear(), said);
        let answered = b.speak();
        assert_eq!(cipher.hear(&a), answered);
    }
}

/// Whoever forges the address of a party in clear could have given each packet another source, until the
/// key of the other side had no place left and the call was ended.
#[test]
fn srtp_sources_used_up() {
    let exchange = Exchange::with(|config| PlaneConfig {
        tick: Duration::from_millis(10),
        packets_per_second: 100_000,
        ..config
    });
    let (mut a, b, at_a, at_b) = exchange.call();
    let mut cipher = exchange.protect(at_b, &b, AesCm128HmacSha1_80, 1);
    let own = a.ssrc;
    let mut heard = 0;
    for forged in 1_000..3_000_u32 {
        a.ssrc = own;
        let said = a.speak();
        a.ssrc = forged;
        a.speak();
        while cipher.hear(&b) != said {
            heard += 1;
        }
    }
    assert!(heard <= 20, "{heard} forged ones");
    exchange.wait_for(at_a, |statistics| {
        statistics.packets_dropped == 2_000 - heard
    });
    exchange.close(at_a);
    exchange.close(at_b);
    assert!(!is_told_unprotected(&exchange));
}

fn is_told_unprotected(exchange: &Exchange) -> bool {
    let events = exchange.events();
    let mut failures = events.iter();
    failures.any(|event| matches!(event, Event::Unprotected { .. }))
}

#[test]
fn a_party_may_change_its_source_as_often_as_it_likes_when_it_can_prove_itself() {
    let exchange = Exchange::with(|config| PlaneConfig {
        tick: Duration::from_millis(10),
        ..config
    });
    let (mut a, b, at_a, at_b) = exchange.call();
    let mut of_a = exchange.protect(at_a, &a, AesCm128HmacSha1_80, 1);
    let mut of_b = exchange.protect(at_b, &b, AesCm128HmacSha1_80, 5);
    for ssrc in 1..=3 * MAX_SENT_SOURCES as u32 {
        a.ssrc = ssrc;
        for _ in 0..2 {
            let said = of_a.speak(&mut a);
            // Beyond those that are remembered they have other names.
            let heard = of_b.hear(&b);
            assert_eq!((&heard[..8], &heard[12..]), (&said[..8], &said[12..]));
        }
    }
    exchange.close(at_a);
    exchange.close(at_b);
    assert!(!is_told_unprotected(&exchange));
}

#[test]
fn a_sender_at_a_hundred_times_the_rate_is_cut_and_the_others_are_heard() {
    let limit = 200;
    let exchange = Exchange::with(|config| PlaneConfig {
        packets_per_second: limit,
        ..config
    });
    let (mut a, mut b) = (Party::new(A), Party::new(B));
    let (mut c, mut d) = (Party::new(A + 1), Party::new(B + 1));
    let (at_a, _) = exchange.connect(&mut a, &mut b);
    exchange.connect(&mut c, &mut d);
    let begin = Instant::now();
    for number in 0..5_000 {
        a.speak();
        if number % 100 == 0 {
            // Others are served in between.
            assert_speaking(&mut c, &mut d);
        }
    }
    assert_speaking(&mut c, &mut d);
    let windows = begin.elapsed().as_secs() + 2;
    let statistics = exchange.close(at_a);
    assert!(
        statistics.packets_received <= windows * u64::from(limit),
        "{statistics:?}"
    );
    assert!(statistics.packets_sent <= statistics.packets_received);
}

/// Both write addresses that nobody can reach, and both wait for packets of the other.
#[test]
fn two_phones_that_both_think_they_are_behind_the_nat_hear_each_other() {
    let exchange = Exchange::start();
    let (mut a, mut b) = (Party::new(NAT), Party::new(NAT + 1));
    let (at_a, at_b) = exchange.connect(&mut a, &mut b);
    for (endpoint, party, host) in [(at_a, &a, NAT), (at_b, &b, NAT + 1)] {
        let private = address(host + 100);
        let remote = Remote {
            rtp: (private, 4_000).into(),
            rtcp: Some((private, 4_001).into()),
            signalling: address(host),
            ..party.remote()
        };
        exchange.set_remote(endpoint, remote);
    }
    // Each packet of one finds nobody until the other is found.
    for _ in 0..3 {
        a.speak();
        b.speak();
    }
    let latched = [exchange.event(), exchange.event()].map(|event| match event {
        Event::Latched { rtp, .. } => rtp,
        other => panic!("{other:?}"),
    });
    assert!(latched.contains(&a.address()) && latched.contains(&b.address()));
    while !a.hears_nothing() {}
    while !b.hears_nothing() {}
    assert_speaking(&mut a, &mut b);
}

#[test]
fn a_protected_ipv6_party_and_a_plain_ipv4_party_hear_each_other() {
    let exchange = Exchange::start();
    let six = IpAddr::V6(Ipv6Addr::LOCALHOST);
    let (mut a, mut b) = (Party::at(six), Party::new(B));
    let (at_a, rtp) = exchange.open_at(six, None).unwrap();
    a.relay = Some(rtp);
    let mut cipher = exchange.protect(at_a, &a, AesCm128HmacSha1_80, 1);
    let at_b = exchange.face(&mut b);
    exchange.bridge(at_a, at_b);
    let said = cipher.speak(&mut a);
    assert_eq!(b.hear(), said);
    let answered = b.speak();
    assert_eq!(cipher.hear(&a), answered);
}

/// A fax: datagrams of any content, by source only.
#[test]
fn udptl_passes_as_it_is_and_from_the_party_only() {
    let exchange = Exchange::start();
    let (mut a, mut b, mut stranger) = (Party::new(A), Party::new(B), Party::new(STRANGER));
    let (at_a, at_b) = exchange.connect(&mut a, &mut b);
    let fax = |party: &Party| Remote {
        format: Format::Udptl,
        rtcp: None,
        payload_types: Vec::new(),
        ..party.remote()
    };
    // One side is still on voice: nothing of one is the other.
    exchange.set_remote(at_a, fax(&a));
    a.send(&[0, 1, 2, 3]);
    b.speak();
    for endpoint in [at_a, at_b] {
        exchange.wait_for(endpoint, |statistics| statistics.packets_received == 1);
    }
    exchange.set_remote(at_b, fax(&b));
    stranger.relay = a.relay;
    for number in 0..20_u8 {
        let said = [0, number, 0x16, 0x80, 0, 0xff, 0x12];
        stranger.send(&said);
        a.send(&said);
        assert_eq!(b.hear(), said);
        let answered = [0x80, 200, number];
        b.send(&answered);
        assert_eq!(a.hear(), answered);
    }
    a.send(&[]);
    a.send_rtcp(&[0, 1, 2, 3]);
    a.send(&[9]);
    assert_eq!(b.hear(), [9]);
    assert!(a.hears_nothing() && b.hears_nothing() && stranger.hears_nothing());
    assert_eq!(exchange.close(at_a).packets_received, 22);
}

#[test]
fn a_fax_behind_a_nat_is_found_after_three_datagrams() {
    let exchange = Exchange::start();
    let (mut a, mut b) = (Party::new(NAT), Party::new(B));
    let (at_a, at_b) = exchange.connect(&mut a, &mut b);
    let fax = |party: &Party| Remote {
        format: Format::Udptl,
        ..party.remote()
    };
    let private = address(A);
    exchange.set_remote(
        at_a,
        Remote {
            rtp: (private, 4_000).into(),
            signalling: address(NAT),
            ..fax(&a)
        },
    );
    exchange.set_remote(at_b, fax(&b));
    for number in 0..3 {
        a.send(&[0, number, 7]);
    }
    assert_eq!(b.hear(), [0, 2, 7]);
    b.send(&[1]);
    assert_eq!(a.hear(), [1]);
}

#[test]
fn stun_and_handshakes_that_nobody_has_negotiated_are_dropped() {
    let exchange = Exchange::start();
    let (mut a, mut b, at_a, _) = exchange.call();
    let mut binding = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
    binding.extend([7; 12]);
    a.send(&binding);
    a.send(&[22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_speaking(&mut a, &mut b);
    std::thread::sleep(Duration::from_millis(20));
    assert!(a.hears_nothing() && b.hears_nothing());
    assert_eq!(exchange.close(at_a).packets_dropped, 2);
}
