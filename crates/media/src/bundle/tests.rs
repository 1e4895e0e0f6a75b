//! Whose packets are, by what they say.

use fernamt_exchange::media::EndpointId;

use super::*;

fn link(number: u64) -> Link {
    Link {
        slot: number as u32,
        endpoint: EndpointId(number),
    }
}

/// Voice on the carrier, two of video.
fn bundle() -> Bundle {
    let mut bundle = Bundle::new(link(1), [link(2), link(3)].into_iter());
    for (number, mid, payload_types) in
        [(1, "0", vec![0, 8]), (2, "1", vec![96]), (3, "2", vec![96])]
    {
        let remote = Remote {
            payload_types,
            mid: Some((4, mid.into())),
            ..Remote::plain("192.0.2.1:4000".parse().unwrap())
        };
        bundle.describe(link(number), &remote);
    }
    bundle
}

fn packet(payload_type: u8, ssrc: u32, mid: Option<u8>) -> Vec<u8> {
    let mut packet = vec![if mid.is_some() { 0x90 } else { 0x80 }, payload_type];
    packet.extend([0; 6]);
    packet.extend(ssrc.to_be_bytes());
    if let Some(mid) = mid {
        packet.extend([0xbe, 0xde, 0, 1, 0x40, mid, 0, 0]);
    }
    packet.extend([0; 20]);
    packet
}

fn owner(bundle: &mut Bundle, packet: &[u8]) -> Option<Link> {
    bundle.owner(packet, Header::peek(packet).unwrap())
}

#[test]
fn a_packet_belongs_to_whom_it_names_and_its_source_from_then_on() {
    let mut bundle = bundle();
    assert_eq!(owner(&mut bundle, &packet(96, 7, None)), None);
    assert_eq!(
        owner(&mut bundle, &packet(96, 7, Some(b'2'))),
        Some(link(3))
    );
    assert_eq!(owner(&mut bundle, &packet(96, 7, None)), Some(link(3)));
    assert_eq!(
        owner(&mut bundle, &packet(96, 7, Some(b'1'))),
        Some(link(2))
    );
}

/// A party that uses one number for all of its streams breaks RFC 3550 section 8.1; what it names is
/// believed all the same, packet by packet, and the other direction has numbers of its own.
#[test]
fn one_source_of_several_streams_is_told_apart_by_what_each_packet_names() {
    let mut bundle = bundle();
    for _ in 0..3 {
        for (mid, member) in [(b'0', 1), (b'1', 2), (b'2', 3)] {
            let named = packet(96, 7, Some(mid));
            assert_eq!(owner(&mut bundle, &named), Some(link(member)));
            assert_eq!(owner(&mut bundle, &packet(96, 7, None)), Some(link(member)));
        }
    }
    // What we send under the number changes nothing about what is heard under it.
    bundle.sends(EndpointId(2), 7);
    assert_eq!(owner(&mut bundle, &packet(96, 7, None)), Some(link(3)));
    let mut report = vec![0x81, 201, 0, 7, 0, 0, 0, 99, 0, 0, 0, 7];
    report.extend([0; 20]);
    let report = Compound::parse(&report).unwrap();
    assert_eq!(bundle.owner_of_rtcp(report), Some(link(2)));
}

#[test]
fn a_payload_type_that_only_one_has_is_enough() {
    let mut bundle = bundle();
    assert_eq!(owner(&mut bundle, &packet(8, 1, None)), Some(link(1)));
    assert_eq!(owner(&mut bundle, &packet(99, 1, None)), Some(link(1)));
    assert_eq!(owner(&mut bundle, &packet(99, 2, None)), None);
}

#[test]
fn rtcp_belongs_to_its_source_or_to_what_it_reports_on() {
    let mut bundle = bundle();
    owner(&mut bundle, &packet(96, 7, Some(b'2')));
    bundle.sends(EndpointId(2), 0x55);
    let report = |source: u32, about: u32| {
        let mut report = vec![0x81, 201, 0, 7];
        report.extend(source.to_be_bytes());
        report.extend(about.to_be_bytes());
        report.extend([0; 20]);
        report
    };
    let owner = |rtcp: &[u8]| bundle.owner_of_rtcp(Compound::parse(rtcp).unwrap());
    assert_eq!(owner(&report(7, 0x55)), Some(link(3)));
    assert_eq!(owner(&report(9, 0x55)), Some(link(2)));
    assert_eq!(owner(&report(9, 9)), Some(link(1)));
    // What a packet behind the first is about counts, too, and a request that names its source in a
    // list.
    let full_intra = [
        0x84, 206, 0, 4, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0x55, 1, 0, 0, 0,
    ];
    assert_eq!(owner(&full_intra), Some(link(2)));
    assert_eq!(
        owner(&[&report(9, 9)[..], &full_intra].concat()),
        Some(link(2))
    );
}

#[test]
fn the_source_after_the_limit_takes_the_place_of_the_oldest() {
    let mut sources = Sources::default();
    for ssrc in 0..=MAX_SOURCES as u32 {
        sources.learn(ssrc, 1);
    }
    assert_eq!(sources.get(0), None);
    assert_eq!(sources.get(1), Some(1));
    assert_eq!(sources.get(MAX_SOURCES as u32), Some(1));
    assert_eq!(sources.list.len(), MAX_SOURCES);
}

#[test]
fn the_rider_after_the_limit_is_left_out() {
    let riders = (2..2 + MAX_RIDERS as u64 + 1).map(link);
    let bundle = Bundle::new(link(1), riders);
    assert_eq!(bundle.riders().count(), MAX_RIDERS);
    assert!(!bundle.has(EndpointId(2 + MAX_RIDERS as u64)));
}
