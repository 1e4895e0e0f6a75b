//! Header extensions: elements of both kinds, and packets without them.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

use fernamt_rtp::extension::{MAX_ELEMENT_GROWTH, put_element, remove_extension};
use fernamt_rtp::packet::{Extension, header_bytes};
use fernamt_rtp::{Header, Packet};
use proptest::collection::vec;
use proptest::prelude::*;

const ONE_BYTE: u16 = 0xbede;
const TWO_BYTE: u16 = 0x1000;

fn elements(profile: u16, data: &[u8]) -> Vec<(u8, &[u8])> {
    Extension { profile, data }
        .elements()
        .map(|element| (element.id, element.data))
        .collect()
}

/// A packet with one contributing source and an extension.
fn packet(profile: u16, data: &[u8]) -> Vec<u8> {
    assert!(data.len().is_multiple_of(4));
    let mut bytes = Header::default().to_bytes().to_vec();
    bytes[0] |= 0x11;
    bytes.extend_from_slice(&[0, 0, 0, 9]);
    bytes.extend_from_slice(&profile.to_be_bytes());
    bytes.extend_from_slice(&((data.len() / 4) as u16).to_be_bytes());
    bytes.extend_from_slice(data);
    bytes.extend_from_slice(b"voice");
    bytes
}

#[test]
fn elements_with_headers_of_one_byte() {
    // The figure of RFC 8285 section 4.2: one byte, two bytes, padding, four bytes.
    let figure = [0x10, 1, 0x21, 2, 3, 0, 0, 0x33, 4, 5, 6, 7];
    assert_eq!(
        elements(ONE_BYTE, &figure),
        [(1, &[1][..]), (2, &[2, 3]), (3, &[4, 5, 6, 7])]
    );
    let longest = [&[0xef][..], &[5; 16], &[0; 3]].concat();
    assert_eq!(elements(ONE_BYTE, &longest), [(14, &[5; 16][..])]);
}

#[test]
fn elements_with_headers_of_two_bytes() {
    // The figure of RFC 8285 section 4.3: none, one byte, padding, four bytes.
    let figure = [1, 0, 2, 1, 9, 0, 3, 4, 5, 6, 7, 8];
    for application_bits in 0..16 {
        assert_eq!(
            elements(TWO_BYTE | application_bits, &figure),
            [(1, &[][..]), (2, &[9]), (3, &[5, 6, 7, 8])]
        );
    }
    let longest = [&[255, 255][..], &[5; 255]].concat();
    assert_eq!(elements(TWO_BYTE, &longest), [(255, &[5; 255][..])]);
}

#[test]
fn reading_ends_where_rfc_8285_says() {
    let reserved = [0x10, 1, 0xf0, 2, 0x20, 3];
    assert_eq!(elements(ONE_BYTE, &reserved), [(1, &[1][..])]);
    let padding_with_length = [0x10, 1, 0x02, 2, 0x20, 3];
    assert_eq!(elements(ONE_BYTE, &padding_with_length), [(1, &[1][..])]);
    let too_long = [0x10, 1, 0x2f, 2, 2];
    assert_eq!(elements(ONE_BYTE, &too_long), [(1, &[1][..])]);
    assert_eq!(elements(TWO_BYTE, &[1, 1, 7, 2]), [(1, &[7][..])]);
    assert_eq!(elements(TWO_BYTE, &[1, 3, 7, 2]), []);
    assert_eq!(elements(0x1234, &[0x10, 1, 0, 0]), [], "another profile");
}

#[test]
fn the_media_section_is_found_without_the_payload() {
    let bytes = packet(ONE_BYTE, &[0x10, b'0', 0x31, b'a', b'1', 0, 0, 0]);
    assert_eq!(Packet::peek_element(&bytes, 3), Some(&b"a1"[..]));
    assert_eq!(Packet::peek_element(&bytes, 1), Some(&b"0"[..]));
    assert_eq!(Packet::peek_element(&bytes, 2), None);
    assert_eq!(Packet::peek_element(&bytes[..22], 3), None, "cut off");
    assert_eq!(Packet::peek_element(&Header::default().to_bytes(), 3), None);
    let extension = Packet::parse(&bytes).unwrap().extension.unwrap();
    assert_eq!(extension.element(3), Some(&b"a1"[..]));
}

#[test]
fn a_packet_without_its_extension_is_the_same_packet() {
    let mut bytes = packet(ONE_BYTE, &[0x10, b'0', 0, 0]);
    let length = remove_extension(&mut bytes).unwrap();
    let read = Packet::parse(&bytes[..length]).unwrap();
    assert_eq!((read.extension, read.payload), (None, &b"voice"[..]));
    assert_eq!(read.contributing, [0, 0, 0, 9]);
    let before = bytes[..length].to_vec();
    assert_eq!(remove_extension(&mut bytes[..length]), Some(length));
    assert_eq!(bytes[..length], before);
    assert_eq!(remove_extension(&mut [0x90; 15]), None);
    assert_eq!(remove_extension(&mut []), None);
}

/// The packet with the element put in, in as much room as that may take.
fn with_element(packet: &[u8], id: u8, data: &[u8]) -> Option<Vec<u8>> {
    let mut room = packet.to_vec();
    room.resize(packet.len() + MAX_ELEMENT_GROWTH, 0xff);
    let length = put_element(&mut room, packet.len(), id, data)?;
    room.truncate(length);
    Some(room)
}

#[test]
fn an_element_is_put_into_a_packet_with_and_without_an_extension() {
    let mut plain = packet(ONE_BYTE, &[]);
    let length = remove_extension(&mut plain).unwrap();
    plain.truncate(length);
    for (before, others) in [
        (plain.clone(), None),
        (packet(ONE_BYTE, &[]), None),
        (packet(ONE_BYTE, &[0x10, 7, 0, 0]), Some(&[7][..])),
        // Nothing can be put into this one.
        (packet(TWO_BYTE, &[1, 1, 7, 0]), None),
        // What the number means in this one is not what it means to the reader.
        (packet(ONE_BYTE, &[0x10, 7, 0x40, b'x']), None),
    ] {
        for data in [&b"0"[..], b"ab1", b"abcdefghijklmno", b"abcdefghijklmnop"] {
            let bytes = with_element(&before, 4, data).unwrap();
            let read = Packet::parse(&bytes).unwrap();
            assert_eq!(
                (read.payload, read.contributing),
                (&b"voice"[..], &[0, 0, 0, 9][..])
            );
            let extension = read.extension.unwrap();
            assert_eq!(extension.element(4), Some(data));
            assert_eq!(extension.element(1), others);
            assert!(bytes.len() <= before.len() + MAX_ELEMENT_GROWTH);
        }
    }
    let longest = with_element(&plain, 14, &[1; 16]).unwrap();
    assert_eq!(longest.len(), plain.len() + MAX_ELEMENT_GROWTH);
}

#[test]
fn what_no_element_with_a_short_header_can_be_is_not_put_in() {
    let plain = Header::default().to_bytes();
    for (id, length) in [(0, 1), (15, 1), (1, 0), (1, 17)] {
        assert_eq!(
            with_element(&plain, id, &vec![1; length]),
            None,
            "{id} {length}"
        );
    }
    assert!(with_element(&plain, 14, &[1; 16]).is_some());
    let mut tight = plain.to_vec();
    tight.resize(plain.len() + 7, 0);
    assert_eq!(put_element(&mut tight, plain.len(), 1, b"0"), None);
    tight.push(0);
    assert_eq!(
        put_element(&mut tight, plain.len(), 1, b"0"),
        Some(plain.len() + 8)
    );
    assert_eq!(put_element(&mut tight, 4, 1, b"0"), None, "no header");
}

proptest! {
    #[test]
    fn no_bytes_make_putting_in_panic(bytes in vec(any::<u8>(), 0..80), id: u8, data in vec(any::<u8>(), 0..20)) {
        let before = Packet::parse(&bytes).map(|packet| packet.payload.to_vec());
        if let (Some(packet), Ok(payload)) = (with_element(&bytes, id, &data), before) {
            let read = Packet::parse(&packet).unwrap();
            prop_assert_eq!(read.payload, &payload[..]);
            prop_assert_eq!(read.extension.unwrap().element(id), Some(&data[..]));
        }
    }

    #[test]
    fn no_bytes_make_the_elements_panic_or_overlap(
        profile in prop_oneof![Just(ONE_BYTE), Just(TWO_BYTE), any::<u16>()],
        data in vec(any::<u8>(), 0..80),
    ) {
        let total: usize = elements(profile, &data).iter().map(|(_, data)| 1 + data.len()).sum();
        prop_assert!(total <= data.len());
    }

    #[test]
    fn no_bytes_make_taking_off_panic(bytes in vec(any::<u8>(), 0..80), id: u8) {
        let parsed_before = Packet::parse(&bytes).map(|packet| packet.payload.to_vec());
        let _ = Packet::peek_element(&bytes, id);
        let header = header_bytes(&bytes);
        let mut packet = bytes.clone();
        let length = remove_extension(&mut packet);
        prop_assert_eq!(length.is_some(), header.is_some());
        if let (Some(length), Ok(payload)) = (length, parsed_before) {
            let parsed = Packet::parse(&packet[..length]).unwrap();
            prop_assert_eq!(parsed.payload, &payload[..]);
            prop_assert_eq!(parsed.extension, None);
        }
    }
}
