//! Events between two clocks.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

use fernamt_rtp::event::translation::{EventTranslation, set_payload_type};
use fernamt_rtp::event::{Event, KeyChange, KeyReceiver, KeySender};
use fernamt_rtp::{Header, Packet};
use proptest::collection::vec;
use proptest::prelude::*;

const TO_OPUS: EventTranslation = EventTranslation {
    payload_type: 110,
    from_hertz: 8_000,
    to_hertz: 48_000,
};

fn packet(marker: bool, payload: &[u8]) -> Vec<u8> {
    let header = Header {
        marker,
        payload_type: 101,
        sequence: 7,
        timestamp: 1_000,
        ssrc: 5,
    };
    [&header.to_bytes()[..], payload].concat()
}

fn event(end: bool, duration: u16) -> Event {
    Event {
        code: 5,
        end,
        volume: 10,
        duration,
    }
}

#[test]
fn an_event_gets_the_number_and_the_clock_of_the_other_side() {
    for marker in [false, true] {
        let mut bytes = packet(marker, &event(true, 800).to_bytes());
        assert_eq!(TO_OPUS.apply(&mut bytes), Some(()));
        let read = Packet::parse(&bytes).unwrap();
        assert_eq!(
            (read.header.marker, read.header.payload_type),
            (marker, 110)
        );
        assert_eq!((read.header.sequence, read.header.timestamp), (7, 1_000));
        assert_eq!(Event::parse(read.payload), Some(event(true, 4_800)));
    }
}

#[test]
fn durations_are_rounded_and_never_too_long_for_their_field() {
    let from_opus = EventTranslation {
        payload_type: 101,
        from_hertz: 48_000,
        to_hertz: 8_000,
    };
    for (translation, before, after) in [
        (TO_OPUS, 0, 0),
        (TO_OPUS, 10_922, 65_532),
        (TO_OPUS, 10_923, 65_535),
        (TO_OPUS, 65_535, 65_535),
        (from_opus, 65_535, 10_923),
        (from_opus, 2, 0),
        (from_opus, 3, 1),
    ] {
        let mut bytes = packet(false, &event(true, before).to_bytes());
        translation.apply(&mut bytes).unwrap();
        let read = Event::parse(&bytes[12..]).unwrap();
        assert_eq!(read, event(true, after), "{before}");
    }
}

#[test]
fn with_one_clock_only_the_number_changes() {
    let same = EventTranslation {
        from_hertz: 48_000,
        ..TO_OPUS
    };
    let mut bytes = packet(true, &event(false, 4_321).to_bytes());
    same.apply(&mut bytes).unwrap();
    assert_eq!(bytes[12..], event(false, 4_321).to_bytes());
    assert_eq!(bytes[1], 0x80 | 110);
}

#[test]
fn all_events_of_a_packet_are_translated_and_its_padding_is_not() {
    let mut payload = [event(true, 160).to_bytes(), event(false, 320).to_bytes()].concat();
    payload.extend_from_slice(&[0, 0, 0, 4]);
    let mut bytes = packet(false, &payload);
    bytes[0] |= 0x20;
    TO_OPUS.apply(&mut bytes).unwrap();
    assert_eq!(Event::parse(&bytes[12..]), Some(event(true, 960)));
    assert_eq!(Event::parse(&bytes[16..]), Some(event(false, 1_920)));
    assert_eq!(bytes[20..], [0, 0, 0, 4]);
}

#[test]
fn what_is_no_event_is_left_alone() {
    for payload in [&[][..], &[1, 2, 3]] {
        let mut bytes = packet(true, payload);
        let before = bytes.clone();
        assert_eq!(TO_OPUS.apply(&mut bytes), None);
        assert_eq!(bytes, before);
    }
    assert_eq!(TO_OPUS.apply(&mut [0x40; 30]), None);
    assert_eq!(set_payload_type(&mut [0x80; 11], 8), None);
}

#[test]
fn a_key_that_is_pressed_here_is_heard_there() {
    let mut sender = KeySender::new('7', 100, 5_000).unwrap();
    let mut receiver = KeyReceiver::new();
    let mut changes = Vec::new();
    while let Some(sent) = sender.next_packet() {
        let mut bytes = packet(sent.marker, &sent.event.to_bytes());
        TO_OPUS.apply(&mut bytes).unwrap();
        let read = Packet::parse(&bytes).unwrap();
        let event = Event::parse(read.payload).unwrap();
        changes.extend(receiver.push(sent.timestamp, event));
    }
    assert_eq!(
        changes,
        [KeyChange::Pressed('7'), KeyChange::Released('7', 4_800)]
    );
}

proptest! {
    #[test]
    fn no_rates_and_bytes_make_it_panic(
        rates: (u32, u32), mut bytes in vec(any::<u8>(), 0..60),
    ) {
        let translation = EventTranslation { payload_type: 101, from_hertz: rates.0, to_hertz: rates.1 };
        let length = bytes.len();
        let _ = translation.apply(&mut bytes);
        prop_assert_eq!(bytes.len(), length);
    }
}
