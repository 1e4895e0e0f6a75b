//! Calls whose packets are protected with keys that crossed in the descriptions (RFC 4568).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails shall panic"
)]

mod common;

use std::time::Duration;

use common::secure::Cipher;
use common::{A, B, Exchange, PCMA, Party, STRANGER, address};
use fernamt_exchange::media::{Announcement, Codec, Command, Event};
use fernamt_sdp::CryptoSuite::{self, AeadAes256Gcm, AesCm128HmacSha1_80};

const SUITES: [CryptoSuite; 6] = [
    CryptoSuite::AesCm128HmacSha1_80,
    CryptoSuite::AesCm128HmacSha1_32,
    CryptoSuite::AesCm256HmacSha1_80,
    CryptoSuite::AesCm256HmacSha1_32,
    CryptoSuite::AeadAes128Gcm,
    CryptoSuite::AeadAes256Gcm,
];

#[test]
fn a_protected_and_a_plain_party_hear_each_other() {
    let exchange = Exchange::start();
    for suite in SUITES {
        let (mut a, mut b, at_a, at_b) = exchange.call();
        let mut cipher = exchange.protect(at_a, &a, suite, 1);
        for _ in 0..20 {
            let said = cipher.speak(&mut a);
            assert_eq!(b.hear(), said, "{suite:?}");
            let answered = b.speak();
            assert_eq!(cipher.hear(&a), answered, "{suite:?}");
        }
        let statistics = exchange.close(at_a);
        assert_eq!(
            (statistics.packets_received, statistics.packets_sent),
            (20, 20)
        );
        assert_eq!(exchange.close(at_b).bytes_received, 20 * 172);
    }
}

#[test]
fn two_protected_parties_hear_each_other_each_with_its_own_keys() {
    let exchange = Exchange::start();
    let (mut a, mut b, at_a, at_b) = exchange.call();
    let mut of_a = exchange.protect(at_a, &a, AesCm128HmacSha1_80, 1);
    let mut of_b = exchange.protect(at_b, &b, AeadAes256Gcm, 5);
    for _ in 0..20 {
        let said = of_a.speak(&mut a);
        assert_eq!(of_b.hear(&b), said);
        let answered = of_b.speak(&mut b);
        assert_eq!(of_a.hear(&a), answered);
    }
    let report = a.report();
    a.send_rtcp(&of_a.seal_rtcp(&report));
    let heard = b.hear_rtcp();
    assert_ne!(heard[8..], report[8..]);
    assert_eq!(of_b.open_rtcp(heard), report);
}

/// CVE-2017-14099, CVE-2025-53399, with protection: nothing is learned from a stranger.
#[test]
fn rtp_bleed_protected() {
    let exchange = Exchange::start_with_open_ports();
    let (mut a, mut b, mut stranger) = (Party::new(A), Party::new(B), Party::new(STRANGER));
    let (at_a, _) = exchange.connect(&mut a, &mut b);
    let mut cipher = exchange.protect(at_a, &a, AesCm128HmacSha1_80, 1);
    stranger.relay = a.relay;
    let mut guess = Cipher::new(AesCm128HmacSha1_80, 77);
    for _ in 0..50 {
        stranger.speak();
        guess.speak(&mut stranger);
    }
    let said = cipher.speak(&mut a);
    assert_eq!(b.hear(), said);
    b.speak();
    cipher.hear(&a);
    assert!(stranger.hears_nothing());
    assert_eq!(exchange.close(at_a).packets_dropped, 100);
}

/// A listener hears what a party said, changes it, or says it again: none of it gets in.
#[test]
fn rtp_inject_protected() {
    let exchange = Exchange::start_with_open_ports();
    let (mut a, mut b, mut intruder) = (Party::new(A), Party::new(B), Party::new(STRANGER));
    let (at_a, _) = exchange.connect(&mut a, &mut b);
    let mut cipher = exchange.protect(at_a, &a, AesCm128HmacSha1_80, 1);
    intruder.relay = a.relay;
    let packet = a.packet(PCMA);
    let sealed = cipher.seal(&packet);
    a.send(&sealed);
    assert_eq!(b.hear(), packet);
    let mut changed = sealed.clone();
    changed[40] ^= 1;
    for sender in [&a, &intruder] {
        sender.send(&sealed);
        sender.send(&changed);
        sender.send(&packet);
    }
    let said = cipher.speak(&mut a);
    assert_eq!(b.hear(), said);
    assert_eq!(exchange.close(at_a).packets_unauthentic, 6);
}

#[test]
fn a_party_behind_an_unknown_nat_is_followed_by_its_authentic_packets() {
    let exchange = Exchange::start();
    let (mut a, mut b, at_a, at_b) = exchange.call();
    let mut cipher = Cipher::new(AeadAes256Gcm, 1);
    let private = (address(99), 4_000).into();
    let remote = fernamt_exchange::media::Remote {
        rtp: private,
        signalling: address(98),
        ..cipher.remote(&a)
    };
    exchange.set_remote(at_a, remote);
    let said = cipher.speak(&mut a);
    assert_eq!(b.hear(), said);
    let latched = Event::Latched {
        endpoint: at_a,
        rtp: a.address(),
    };
    assert_eq!(exchange.event(), latched);
    let answered = b.speak();
    assert_eq!(cipher.hear(&a), answered);
    exchange.close(at_b);
}

/// Under mandatory encryption nothing leaves in clear, whoever made it (GHSA-vhxv-phmx-g52q).
#[test]
fn rtcp_bye_plaintext() {
    let exchange = Exchange::start();
    let (mut a, mut b, at_a, at_b) = exchange.call();
    let mut cipher = exchange.protect(at_a, &a, AesCm128HmacSha1_80, 1);
    // What the plain party sends, all of it.
    let goodbye = [&b.report()[..], &[0x81, 203, 0, 1, 0, 0, 0, 7]].concat();
    b.send_rtcp(&goodbye);
    b.speak();
    cipher.hear(&a);
    let heard = a.hear_rtcp();
    assert!(!heard.windows(4).any(|bytes| bytes == [0x81, 203, 0, 1]));
    assert_eq!(cipher.open_rtcp(heard), goodbye);
    // What the protected party is said to have sent, in clear.
    a.send_rtcp(&goodbye);
    a.speak();
    let said = cipher.speak(&mut a);
    assert_eq!(b.hear(), said);
    exchange.close(at_b);
    exchange.close(at_a);
    std::thread::sleep(Duration::from_millis(20));
    assert!(a.hears_nothing());
    assert!(b.hears_nothing());
}

#[test]
fn echo_and_announcements_are_protected_too() {
    let exchange = Exchange::start();
    let mut a = Party::new(A);
    let endpoint = exchange.face(&mut a);
    let mut cipher = exchange.protect(endpoint, &a, AeadAes256Gcm, 1);
    exchange.plane.execute(Command::Echo { endpoint });
    for _ in 0..10 {
        let said = cipher.speak(&mut a);
        let heard = cipher.hear(&a);
        assert_eq!(heard[..8], said[..8]);
        assert_ne!(heard[8..12], said[8..12]);
        assert_eq!(heard[12..], said[12..]);
    }
    exchange.plane.execute(Command::Play {
        endpoint,
        announcement: Announcement::NumberNotKnown,
        codec: Codec::Pcma,
        payload_type: PCMA,
    });
    for _ in 0..10 {
        let frame = cipher.hear(&a);
        assert_eq!(frame.len(), 172);
        assert_eq!(frame[1] & 0x7f, PCMA);
    }
}

#[test]
fn how_far_streams_have_come_is_told() {
    let exchange = Exchange::start();
    let (mut a, mut b, at_a, at_b) = exchange.call();
    let mut cipher = exchange.protect(at_a, &a, AesCm128HmacSha1_80, 1);
    a.sequence = 65_530;
    for _ in 0..20 {
        let said = cipher.speak(&mut a);
        assert_eq!(b.hear(), said);
    }
    b.speak();
    cipher.hear(&a);
    let told = |event: Event| match event {
        Event::RolledOver {
            endpoint,
            rollovers,
        } => (endpoint == at_a).then_some(rollovers),
        _ => None,
    };
    let rollovers = core::iter::repeat_with(|| exchange.event())
        .filter_map(told)
        .find(|rollovers| {
            let has_wrapped = |index: u64| index > 65_536;
            let mut theirs = rollovers.theirs.iter();
            theirs.any(|stream| has_wrapped(stream.index)) && !rollovers.ours.is_empty()
        })
        .unwrap();
    // After a restart it goes on from there.
    exchange.close(at_a);
    let again = exchange.face(&mut a);
    exchange.bridge(again, at_b);
    let remote = fernamt_exchange::media::Remote {
        rollovers,
        ..cipher.remote(&a)
    };
    exchange.set_remote(again, remote);
    let said = cipher.speak(&mut a);
    assert_eq!(b.hear(), said);
    let answered = b.speak();
    assert_eq!(cipher.hear(&a), answered);
}
