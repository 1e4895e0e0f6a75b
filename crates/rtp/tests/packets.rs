//! RTP packets, events and what a datagram is: bytes and their meaning.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

use fernamt_rtp::event::{
    Event, KeyChange, KeyReceiver, KeySender, MAX_KEY_MILLISECONDS, code_of, key_of,
};
use fernamt_rtp::packet::Extension;
use fernamt_rtp::{Header, Kind, Outgoing, Packet, PacketError, classify};
use proptest::collection::vec;
use proptest::prelude::*;

const HEADER: Header = Header {
    marker: true,
    payload_type: 8,
    sequence: 0x1234,
    timestamp: 0x5678_9abc,
    ssrc: 0xdead_beef,
};

/// First byte, sources, extension words, payload, padding.
fn packet(first: u8, behind_header: &[u8]) -> Vec<u8> {
    let mut bytes = HEADER.to_bytes().to_vec();
    bytes[0] = first;
    bytes.extend_from_slice(behind_header);
    bytes
}

#[test]
fn a_header_is_written_as_rfc_3550_draws_it() {
    let bytes = HEADER.to_bytes();
    assert_eq!(
        bytes,
        [
            0x80, 0x88, 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xad, 0xbe, 0xef
        ]
    );
    assert_eq!(Header::peek(&bytes), Some(HEADER));
    assert_eq!(Header::peek(&bytes[..11]), None);
    assert_eq!(Header::peek(&[0x40; 12]), None);
}

#[test]
fn a_packet_is_read_with_sources_extension_and_padding() {
    let bytes = packet(
        0xb2,
        &[
            0, 0, 0, 1, 0, 0, 0, 2, // two sources
            0xbe, 0xde, 0, 1, 9, 9, 9, 9, // an extension of one word
            7, 7, 7, // payload
            0, 0, 3, // padding
        ],
    );
    let packet = Packet::parse(&bytes).unwrap();
    assert_eq!(packet.header, HEADER);
    assert_eq!(packet.contributing_sources().collect::<Vec<_>>(), [1, 2]);
    assert_eq!(
        packet.extension,
        Some(Extension {
            profile: 0xbede,
            data: &[9; 4]
        })
    );
    assert_eq!((packet.payload, packet.padding), (&[7, 7, 7][..], 3));
}

#[test]
fn a_packet_that_announces_more_than_it_has_is_refused() {
    let cases: &[(u8, &[u8], PacketError)] = &[
        (0x00, &[], PacketError::Version(0)),
        (0xc0, &[], PacketError::Version(3)),
        (0x81, &[0, 0, 0], PacketError::Short),
        (0x8f, &[0; 59], PacketError::Short),
        (0x90, &[0, 0, 0], PacketError::Short),
        (0x90, &[0, 0, 0, 1, 0, 0, 0], PacketError::Short),
        (0x90, &[0, 0, 0xff, 0xff, 0], PacketError::Short),
        (0xa0, &[], PacketError::Padding),
        (0xa0, &[0], PacketError::Padding),
        (0xa0, &[1, 3], PacketError::Padding),
    ];
    for (first, rest, expected) in cases {
        let bytes = packet(*first, rest);
        assert_eq!(Packet::parse(&bytes).unwrap_err(), *expected, "{bytes:?}");
    }
    assert_eq!(
        Packet::parse(&HEADER.to_bytes()[..11]).unwrap_err(),
        PacketError::Short
    );
    let whole = packet(0xa0, &[2, 2]);
    assert_eq!(
        Packet::parse(&whole).unwrap().payload,
        &[],
        "padding may be all there is"
    );
}

#[test]
fn a_packet_is_written_into_a_buffer_that_is_long_enough() {
    let mut buffer = [0; 16];
    assert_eq!(HEADER.write(&[1, 2, 3, 4], &mut buffer), Some(16));
    assert_eq!(Packet::parse(&buffer).unwrap().payload, &[1, 2, 3, 4]);
    assert_eq!(HEADER.write(&[1, 2, 3, 4, 5], &mut buffer), None);
}

#[test]
fn datagrams_are_told_apart_by_their_first_bytes() {
    let of = |first: u8, second: u8| classify(&[[first, second].as_slice(), &[0; 18]].concat());
    assert_eq!(of(0, 1), Kind::Stun);
    assert_eq!(of(22, 254), Kind::Dtls);
    assert_eq!(of(64, 0), Kind::TurnChannel);
    assert_eq!(of(0x80, 8), Kind::Rtp);
    assert_eq!(of(0x80, 0x88), Kind::Rtp, "marker and payload type 8");
    for packet_type in [192, 200, 206, 223] {
        assert_eq!(of(0x80, packet_type), Kind::Rtcp);
    }
    assert_eq!(of(0x80, 191), Kind::Rtp);
    assert_eq!(of(0x80, 224), Kind::Rtp, "marker and payload type 96");
    assert_eq!(of(200, 8), Kind::Unknown);
    assert_eq!(classify(&[0x80, 8]), Kind::Unknown, "too short for RTP");
    assert_eq!(classify(&[0x80, 203, 0, 0]), Kind::Rtcp);
    assert_eq!(classify(&[0x80]), Kind::Unknown);
    assert_eq!(classify(&[]), Kind::Unknown);
}

#[test]
fn an_event_is_written_as_rfc_4733_draws_it() {
    let event = Event {
        code: 11,
        end: true,
        volume: 10,
        duration: 1_600,
    };
    assert_eq!(event.to_bytes(), [11, 0x8a, 0x06, 0x40]);
    assert_eq!(Event::parse(&event.to_bytes()), Some(event));
    assert_eq!(event.key(), Some('#'));
    assert_eq!(Event::parse(&[1, 2, 3]), None);
    assert_eq!(
        Event {
            volume: 200,
            ..event
        }
        .to_bytes()[1],
        0x80 | 63
    );
}

#[test]
fn every_key_has_its_event_and_other_events_are_no_keys() {
    for (code, key) in (0u8..).zip("0123456789*#ABCD".chars()) {
        assert_eq!((key_of(code), code_of(key)), (Some(key), Some(code)));
    }
    assert_eq!(code_of('d'), Some(15));
    assert_eq!((key_of(16), code_of('x')), (None, None));
}

fn packets(mut sender: KeySender) -> Vec<(u32, Event, bool)> {
    std::iter::from_fn(|| sender.next_packet())
        .map(|packet| (packet.timestamp, packet.event, packet.marker))
        .collect()
}

#[test]
fn a_key_press_is_told_every_20_ms_and_its_end_three_times() {
    let sent = packets(KeySender::new('5', 70, 1_000).unwrap());
    let durations: Vec<_> = sent
        .iter()
        .map(|(_, event, _)| (event.duration, event.end))
        .collect();
    let end = (560, true);
    assert_eq!(
        durations,
        [(160, false), (320, false), (480, false), end, end, end]
    );
    assert!(
        sent.iter()
            .all(|(timestamp, event, _)| (*timestamp, event.code) == (1_000, 5))
    );
    assert_eq!(sent.iter().filter(|(_, _, marker)| *marker).count(), 1);
    assert!(sent[0].2);
    assert_eq!(
        packets(KeySender::new('5', 0, 0).unwrap()).len(),
        3,
        "at least 20 ms"
    );
    let longest = packets(KeySender::new('5', MAX_KEY_MILLISECONDS + 1, 0).unwrap());
    assert_eq!(longest.last().unwrap().1.duration, 64_000);
    assert!(KeySender::new('x', 70, 0).is_none());
}

#[test]
fn a_key_press_is_heard_once_however_often_it_is_told() {
    let mut receiver = KeyReceiver::new();
    let mut heard = |packets: &[(u32, Event, bool)]| -> Vec<KeyChange> {
        packets
            .iter()
            .filter_map(|(at, event, _)| receiver.push(*at, *event))
            .collect()
    };
    let five = packets(KeySender::new('5', 60, u32::MAX).unwrap());
    assert_eq!(
        heard(&five),
        [KeyChange::Pressed('5'), KeyChange::Released('5', 480)]
    );
    assert_eq!(heard(&five), []);
    let again = packets(KeySender::new('5', 60, 1_600).unwrap());
    assert_eq!(
        heard(&again[3..]),
        [KeyChange::Typed('5', 480)],
        "only an end came through"
    );
    assert_eq!(heard(&five), [], "an overtaken packet is no new press");
    let flash = Event {
        code: 16,
        end: true,
        volume: 0,
        duration: 1,
    };
    assert_eq!(heard(&[(9_000, flash, true)]), []);
}

#[test]
fn a_stream_of_ours_is_numbered_marked_and_counted() {
    let mut stream = Outgoing::new(7, u16::MAX, u32::MAX - 159);
    let first = stream.voice(8, 160, 160);
    assert_eq!(
        (first.marker, first.sequence, first.timestamp),
        (true, u16::MAX, u32::MAX - 159)
    );
    let second = stream.voice(8, 160, 160);
    assert_eq!(
        (second.marker, second.sequence, second.timestamp),
        (false, 0, 0)
    );
    let event = stream.event(101, true, stream.timestamp(), 4);
    assert_eq!((event.sequence, event.timestamp, event.ssrc), (1, 160, 7));
    stream.pass(320);
    let third = stream.voice(8, 160, 160);
    assert_eq!(
        (third.marker, third.sequence, third.timestamp),
        (true, 2, 480)
    );
    let info = stream.sender_info(99, 40);
    assert_eq!(
        (info.ntp, info.rtp_timestamp, info.packets, info.octets),
        (99, 680, 4, 484)
    );
}

proptest! {
    #[test]
    fn no_bytes_make_the_parsers_panic(bytes in vec(any::<u8>(), 0..100)) {
        let _ = (classify(&bytes), Header::peek(&bytes), Event::parse(&bytes));
        if let Ok(packet) = Packet::parse(&bytes) {
            let rest = packet.contributing.len()
                + packet.extension.map_or(0, |extension| 4 + extension.data.len())
                + packet.payload.len()
                + usize::from(packet.padding);
            prop_assert_eq!(12 + rest, bytes.len(), "every byte has its place");
        }
    }

    #[test]
    fn what_is_written_is_read_again(
        marker: bool, payload_type in 0u8..128, sequence: u16, timestamp: u32, ssrc: u32,
        payload in vec(any::<u8>(), 0..200),
    ) {
        let header = Header { marker, payload_type, sequence, timestamp, ssrc };
        let mut buffer = [0; 212];
        let length = header.write(&payload, &mut buffer).unwrap();
        let packet = Packet::parse(&buffer[..length]).unwrap();
        prop_assert_eq!(packet.header, header);
        prop_assert_eq!(packet.payload, &payload[..]);
    }
}
