//! What is played to a party: every octet right, at the right pace.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails shall panic"
)]

mod common;

use std::time::{Duration, Instant};

use common::{A, B, Exchange, PCMA, PCMU, Party, assert_speaking};
use fernamt_codec::g711::Law;
use fernamt_exchange::media::{Announcement, Codec, Command, EndpointId, Event, Remote};
use fernamt_media::PlaneConfig;
use fernamt_media::announcement::{FRAME_SAMPLES, Language, file};
use fernamt_rtp::Packet;

fn play(exchange: &Exchange, endpoint: EndpointId, codec: Codec, payload_type: u8) {
    let announcement = Announcement::NumberNotKnown;
    let order = Command::Play {
        endpoint,
        announcement,
        codec,
        payload_type,
    };
    assert_eq!(exchange.plane.execute(order), None);
}

/// The samples of an announcement, read without the program's own reader.
fn samples(language: Language) -> Vec<i16> {
    let file = file(Announcement::NumberNotKnown, language);
    file[44..]
        .chunks_exact(2)
        .map(|word| i16::from_le_bytes([word[0], word[1]]))
        .collect()
}

fn hear_all(party: &Party, frames: usize) -> Vec<Vec<u8>> {
    (0..frames).map(|_| party.hear()).collect()
}

fn assert_played(language: Language, codec: Codec, law: Law, payload_type: u8) {
    let exchange = Exchange::with(|config| PlaneConfig { language, ..config });
    let mut a = Party::new(A);
    let endpoint = exchange.face(&mut a);
    let samples = samples(language);
    let frames = samples.len().div_ceil(FRAME_SAMPLES);
    let begin = Instant::now();
    play(&exchange, endpoint, codec, payload_type);
    let datagrams = hear_all(&a, frames);
    let lasted = begin.elapsed();
    assert_eq!(exchange.event(), Event::Played { endpoint });
    let exactly = Duration::from_millis(20 * frames as u64);
    assert!(
        lasted > exactly - Duration::from_millis(21),
        "{lasted:?} for {exactly:?}"
    );
    assert!(
        lasted < exactly + Duration::from_secs(1),
        "{lasted:?} for {exactly:?}"
    );

    let packets: Vec<Packet> = datagrams
        .iter()
        .map(|one| Packet::parse(one).unwrap())
        .collect();
    let first = packets[0].header;
    let mut octets = Vec::new();
    for (index, packet) in packets.iter().enumerate() {
        let header = packet.header;
        assert_eq!(header.marker, index == 0);
        assert_eq!(
            (header.ssrc, header.payload_type),
            (first.ssrc, payload_type)
        );
        assert_eq!(header.sequence, first.sequence.wrapping_add(index as u16));
        assert_eq!(
            header.timestamp,
            first.timestamp.wrapping_add(160 * index as u32)
        );
        octets.extend_from_slice(packet.payload);
    }
    let expected: Vec<u8> = samples
        .iter()
        .map(|&sample| law.encode_sample(sample))
        .collect();
    assert_eq!(octets[..samples.len()], expected);
    assert!(
        octets[samples.len()..]
            .iter()
            .all(|&octet| octet == law.silence())
    );
    assert_eq!(octets.len(), frames * FRAME_SAMPLES);
    assert_eq!(exchange.close(endpoint).packets_sent, frames as u64);
    assert!(a.hears_nothing());
}

#[test]
fn an_announcement_is_exact_in_every_octet_as_a_law() {
    assert_played(Language::English, Codec::Pcma, Law::A, PCMA);
}

#[test]
fn an_announcement_is_exact_in_every_octet_as_mu_law_and_a_dynamic_type() {
    assert_played(Language::German, Codec::Pcmu, Law::Mu, 96);
}

#[test]
fn many_announcements_are_played_at_once_each_at_its_pace() {
    let exchange = Exchange::with(|config| PlaneConfig {
        threads: 2,
        ..config
    });
    let mut parties: Vec<Party> = (0..50).map(|_| Party::new(A)).collect();
    let begin = Instant::now();
    for party in &mut parties {
        let endpoint = exchange.face(party);
        play(&exchange, endpoint, Codec::Pcmu, PCMU);
    }
    let frames = samples(Language::English).len().div_ceil(FRAME_SAMPLES);
    for party in &parties {
        hear_all(party, frames);
    }
    let exactly = Duration::from_millis(20 * frames as u64);
    assert!(
        begin.elapsed() < exactly + Duration::from_secs(2),
        "{:?}",
        begin.elapsed()
    );
    let played = (0..50).filter(|_| matches!(exchange.event(), Event::Played { .. }));
    assert_eq!(played.count(), 50);
}

#[test]
fn a_bridge_ends_what_is_played_and_nobody_is_told_that_it_was_played_to_its_end() {
    let exchange = Exchange::start();
    let (mut a, mut b) = (Party::new(A), Party::new(B));
    let at_a = exchange.face(&mut a);
    play(&exchange, at_a, Codec::Pcma, PCMA);
    hear_all(&a, 3);
    let at_b = exchange.face(&mut b);
    exchange.bridge(at_a, at_b);
    while !a.hears_nothing() {}
    assert_speaking(&mut a, &mut b);
    std::thread::sleep(Duration::from_millis(60));
    assert!(a.hears_nothing());
    assert!(
        !exchange
            .events()
            .contains(&Event::Played { endpoint: at_a })
    );
}

#[test]
fn the_other_party_is_not_heard_while_something_is_played() {
    let exchange = Exchange::start();
    let (mut a, mut b, at_a, at_b) = exchange.call();
    assert_speaking(&mut a, &mut b);
    play(&exchange, at_a, Codec::Pcma, PCMA);
    b.speak();
    exchange.wait_for(at_b, |statistics| statistics.packets_received == 2);
    let heard = Packet::parse(&a.hear()).unwrap().header.ssrc;
    assert_ne!(heard, b.ssrc);
    // The other way stays open.
    let said = a.speak();
    assert_eq!(b.hear(), said);
}

#[test]
fn a_second_order_starts_from_the_beginning_at_the_same_pace() {
    let exchange = Exchange::start();
    let mut a = Party::new(A);
    let endpoint = exchange.face(&mut a);
    play(&exchange, endpoint, Codec::Pcma, PCMA);
    hear_all(&a, 10);
    play(&exchange, endpoint, Codec::Pcma, PCMA);
    let frames = samples(Language::English).len().div_ceil(FRAME_SAMPLES);
    let begin = Instant::now();
    hear_all(&a, frames);
    assert!(begin.elapsed() > Duration::from_millis(20 * (frames as u64 - 2)));
    assert_eq!(exchange.event(), Event::Played { endpoint });
    // One frame of the first order may have lain between the two.
    let rest = std::iter::from_fn(|| (!a.hears_nothing()).then_some(())).count();
    assert!(rest <= 1, "{rest} frames too many");
    assert_eq!(
        exchange.events(),
        [],
        "the first order has not been played to its end"
    );
}

#[test]
fn nothing_is_played_to_a_party_that_does_not_listen_and_it_ends_all_the_same() {
    let exchange = Exchange::start();
    let mut a = Party::new(A);
    let endpoint = exchange.face(&mut a);
    exchange.set_remote(
        endpoint,
        Remote {
            receives: false,
            ..a.remote()
        },
    );
    play(&exchange, endpoint, Codec::Pcma, PCMA);
    assert_eq!(exchange.event(), Event::Played { endpoint });
    assert!(a.hears_nothing());
    assert_eq!(exchange.close(endpoint).packets_sent, 0);
}

#[test]
fn closing_ends_what_is_played() {
    let exchange = Exchange::start();
    let mut a = Party::new(A);
    let endpoint = exchange.face(&mut a);
    play(&exchange, endpoint, Codec::Pcma, PCMA);
    hear_all(&a, 3);
    let sent = exchange.close(endpoint).packets_sent;
    let mut heard = 3;
    while !a.hears_nothing() {
        heard += 1;
    }
    std::thread::sleep(Duration::from_millis(100));
    assert!(a.hears_nothing());
    assert_eq!(heard, sent);
    assert_eq!(exchange.events(), []);
}
