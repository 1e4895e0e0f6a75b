//! RTCP: bytes and their meaning, and lengths that lie.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

use fernamt_rtp::rtcp::{
    CNAME, Compound, ReportBlock, Rtcp, RtcpError, SenderInfo, write_cname, write_goodbye,
    write_receiver_report, write_sender_report,
};
use proptest::collection::vec;
use proptest::prelude::*;

const BLOCK: ReportBlock = ReportBlock {
    ssrc: 7,
    fraction_lost: 64,
    cumulative_lost: -5,
    extended_highest: 0x0001_0203,
    jitter: 160,
    last_report: 0xaaaa_bbbb,
    delay_since_last: 65_536,
};

fn refused(bytes: &[u8]) -> RtcpError {
    Compound::parse(bytes).unwrap_err()
}

#[test]
fn a_compound_is_written_and_read_again() {
    let info = SenderInfo {
        ntp: u64::MAX - 1,
        rtp_timestamp: 2,
        packets: 3,
        octets: 4,
    };
    let mut bytes = Vec::new();
    write_sender_report(9, &info, &[BLOCK], &mut bytes);
    write_cname(9, "fernamt", &mut bytes);
    write_goodbye(9, &mut bytes);
    assert_eq!(bytes[..4], [0x81, 200, 0, 12]);
    let packets: Vec<_> = Compound::parse(&bytes).unwrap().into_iter().collect();
    let [
        Rtcp::SenderReport {
            ssrc: 9,
            info: read,
            reports,
        },
        names,
        goodbye,
    ] = packets[..]
    else {
        unreachable!("{packets:?}")
    };
    assert_eq!((read, reports.len()), (info, 1));
    assert_eq!(reports.iter().next(), Some(BLOCK));
    let Rtcp::SourceDescription(names) = names else {
        unreachable!("{names:?}")
    };
    assert_eq!(names.cname(9), Some(&b"fernamt"[..]));
    assert_eq!(names.cname(8), None);
    assert_eq!(
        goodbye,
        Rtcp::Goodbye {
            sources: &[0, 0, 0, 9],
            reason: b""
        }
    );
}

#[test]
fn a_receiver_report_is_written_and_read_again() {
    let mut bytes = Vec::new();
    write_receiver_report(9, &[], &mut bytes);
    assert_eq!(bytes, [0x80, 201, 0, 1, 0, 0, 0, 9]);
    bytes.clear();
    write_receiver_report(9, &[BLOCK; 40], &mut bytes);
    let packet = Compound::parse(&bytes).unwrap().iter().next().unwrap();
    let Rtcp::ReceiverReport { reports, .. } = packet else {
        unreachable!("{packet:?}")
    };
    assert_eq!(reports.len(), 31, "a header counts no more");
    assert!(reports.iter().all(|report| report == BLOCK));
}

#[test]
fn cumulative_loss_has_24_bits_with_sign() {
    for (lost, read) in [
        (0x7f_ffff, 0x7f_ffff),
        (-0x80_0000, -0x80_0000),
        (i32::MAX, 0x7f_ffff),
        (-1, -1),
    ] {
        let mut bytes = Vec::new();
        let report = ReportBlock {
            cumulative_lost: lost,
            ..BLOCK
        };
        write_receiver_report(9, &[report], &mut bytes);
        let packet = Compound::parse(&bytes).unwrap().iter().next().unwrap();
        let Rtcp::ReceiverReport { reports, .. } = packet else {
            unreachable!("{packet:?}")
        };
        assert_eq!(reports.iter().next().unwrap().cumulative_lost, read);
        assert_eq!(reports.iter().next().unwrap().fraction_lost, 64);
    }
}

/// GHSA-vhxv-phmx-g52q: feedback that is shorter than its own fields, or than its length says.
#[test]
fn rtcp_fb_oob() {
    for packet_type in [205, 206] {
        for words in 0..2u8 {
            let bytes = [
                &[0x81, packet_type, 0, words][..],
                &vec![0; usize::from(words) * 4],
            ]
            .concat();
            assert_eq!(refused(&bytes), RtcpError::Count { packet_type });
        }
        let announced = [0x81, packet_type, 0, 9, 0, 0, 0, 1, 0, 0, 0, 2];
        assert_eq!(refused(&announced), RtcpError::Short);
        let whole = [0x8f, packet_type, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2, 3, 3, 3, 3];
        assert_eq!(
            Compound::parse(&whole).unwrap().iter().next(),
            Some(Rtcp::Feedback {
                packet_type,
                format: 15,
                sender: 1,
                media: 2,
                control: &[3; 4]
            })
        );
    }
}

#[test]
fn counts_and_lengths_that_lie_are_refused() {
    assert_eq!(refused(&[]), RtcpError::Short);
    assert_eq!(refused(&[0x80]), RtcpError::Short);
    assert_eq!(refused(&[0x80, 201, 0]), RtcpError::Short);
    assert_eq!(refused(&[0x40, 201, 0, 0]), RtcpError::Version(1));
    assert_eq!(
        refused(&[0x80, 201, 0xff, 0xff, 0, 0, 0, 0]),
        RtcpError::Short
    );
    let count = |packet_type| RtcpError::Count { packet_type };
    assert_eq!(refused(&[0x80, 201, 0, 0]), count(201), "no reporter");
    assert_eq!(
        refused(&[0x81, 201, 0, 1, 0, 0, 0, 9]),
        count(201),
        "a block that is not there"
    );
    assert_eq!(
        refused(&[0x80, 200, 0, 1, 0, 0, 0, 9]),
        count(200),
        "no sender info"
    );
    assert_eq!(
        refused(&[0x82, 203, 0, 1, 0, 0, 0, 9]),
        count(203),
        "a source that is not there"
    );
    assert_eq!(
        refused(&[0x81, 203, 0, 2, 0, 0, 0, 9, 200, b'x', 0, 0]),
        count(203)
    );
    assert_eq!(
        refused(&[0x80, 204, 0, 1, 0, 0, 0, 9]),
        count(204),
        "no name"
    );
    assert_eq!(refused(&[0x81, 202, 0, 0]), count(202));
    let item_too_long = [0x81, 202, 0, 2, 0, 0, 0, 9, CNAME, 9, b'a', b'b'];
    assert_eq!(refused(&item_too_long), count(202));
    let list_without_end = [0x81, 202, 0, 2, 0, 0, 0, 9, CNAME, 2, b'a', b'b'];
    assert_eq!(refused(&list_without_end), count(202));
    let good_then_bad = [0x80, 201, 0, 1, 0, 0, 0, 9, 0x80, 201, 0, 7];
    assert_eq!(
        refused(&good_then_bad),
        RtcpError::Short,
        "all of it or nothing"
    );
}

#[test]
fn only_the_last_packet_may_be_padded() {
    let padded = [0xa0, 201, 0, 2, 0, 0, 0, 9, 0, 0, 0, 4];
    assert!(Compound::parse(&padded).is_ok());
    let first = [&padded[..], &[0x80, 201, 0, 1, 0, 0, 0, 9]].concat();
    assert_eq!(refused(&first), RtcpError::Padding);
    for length in [0, 3, 12, 255] {
        let mut wrong = padded;
        wrong[11] = length;
        assert_eq!(refused(&wrong), RtcpError::Padding, "{length}");
    }
    assert_eq!(refused(&[0xa0, 201, 0, 0]), RtcpError::Padding);
}

#[test]
fn applications_goodbyes_and_unknown_packets_are_carried() {
    let bytes = [
        0x83, 204, 0, 3, 0, 0, 0, 9, b'T', b'E', b'S', b'T', 1, 2, 3, 4, //
        0x81, 203, 0, 2, 0, 0, 0, 9, 2, b'o', b'k', 0, //
        0x85, 208, 0, 1, 5, 6, 7, 8,
    ];
    let packets: Vec<_> = Compound::parse(&bytes).unwrap().iter().collect();
    assert_eq!(
        packets,
        [
            Rtcp::Application {
                subtype: 3,
                ssrc: 9,
                name: *b"TEST",
                data: &[1, 2, 3, 4]
            },
            Rtcp::Goodbye {
                sources: &[0, 0, 0, 9],
                reason: b"ok"
            },
            Rtcp::Other {
                packet_type: 208,
                count: 5,
                body: &[5, 6, 7, 8]
            },
        ]
    );
}

#[test]
fn the_blocks_of_an_extended_report_fill_it() {
    let reference_time = [4, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8];
    let report =
        |words: u8, blocks: &[u8]| [&[0x80, 207, 0, words, 0, 0, 0, 9][..], blocks].concat();
    for (words, blocks) in [(1, &[][..]), (4, &reference_time), (2, &[7, 0, 0, 0])] {
        let bytes = report(words, blocks);
        let packet = Compound::parse(&bytes).unwrap().iter().next();
        assert_eq!(packet, Some(Rtcp::ExtendedReport { ssrc: 9, blocks }));
    }
    let too_long = [4, 0, 0, 3, 1, 2, 3, 4, 5, 6, 7, 8];
    for bytes in [report(4, &too_long), report(2, &[7, 0, 0xff, 0xff])] {
        assert_eq!(refused(&bytes), RtcpError::Count { packet_type: 207 });
    }
    let of_nobody = [0x80, 207, 0, 0];
    assert_eq!(refused(&of_nobody), RtcpError::Count { packet_type: 207 });
}

#[test]
fn who_has_sent_a_compound_and_whom_it_is_about_is_told() {
    let who = |bytes: &[u8]| {
        let compound = Compound::parse(bytes).unwrap();
        (compound.source(), compound.about().collect::<Vec<_>>())
    };
    let mut report = Vec::new();
    // The times of a sender report are not taken for a source.
    write_sender_report(9, &SenderInfo::default(), &[BLOCK], &mut report);
    write_cname(9, "fernamt", &mut report);
    assert_eq!(who(&report), (Some(9), vec![7]));
    let picture_loss = [0x81, 206, 0, 2, 0, 0, 0, 9, 0, 0, 0, 5];
    assert_eq!(who(&picture_loss), (Some(9), vec![5]));
    let full_intra = [
        0x84, 206, 0, 4, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 6, 1, 0, 0, 0,
    ];
    assert_eq!(who(&full_intra), (Some(9), vec![6]), "not source 0");
    let mut estimate = vec![0x8f, 206, 0, 6, 0, 0, 0, 9, 0, 0, 0, 0];
    estimate.extend(b"REMB\x02\x00\x00\x09\x00\x00\x00\x03\x00\x00\x00\x04");
    assert_eq!(who(&estimate), (Some(9), vec![3, 4]));
    let both = [&report[..], &picture_loss].concat();
    assert_eq!(who(&both), (Some(9), vec![7, 5]));
    let mut goodbye = vec![0x80, 203, 0, 0];
    assert_eq!(who(&goodbye), (None, vec![]));
    goodbye.extend(&picture_loss);
    assert_eq!(who(&goodbye).0, None, "what follows is another packet");
}

#[test]
fn a_source_description_has_several_sources_with_several_items() {
    let bytes = [
        0x82, 202, 0, 6, //
        0, 0, 0, 1, CNAME, 1, b'a', 2, 1, b'n', 0, 0, //
        0, 0, 0, 2, CNAME, 3, b'x', b'y', b'z', 0, 0, 0,
    ];
    let packet = Compound::parse(&bytes).unwrap().iter().next().unwrap();
    let Rtcp::SourceDescription(names) = packet else {
        unreachable!("{packet:?}")
    };
    let mut items = Vec::new();
    names.for_each(|item| items.push((item.ssrc, item.kind, item.text)));
    assert_eq!(
        items,
        [(1, CNAME, &b"a"[..]), (1, 2, b"n"), (2, CNAME, b"xyz")]
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_bytes_make_the_parser_panic(bytes in vec(any::<u8>(), 0..120)) {
        let _ = Compound::parse(&bytes);
    }

    #[test]
    fn no_bytes_behind_a_plausible_header_make_the_parser_panic(
        packet_type in 199u8..208, count in 0u8..32, padded: bool, body in vec(any::<u8>(), 0..60),
    ) {
        let words = (body.len() / 4) as u8;
        let first = 0x80 | u8::from(padded) << 5 | count;
        let bytes = [&[first, packet_type, 0, words][..], &body[..usize::from(words) * 4]].concat();
        if let Ok(compound) = Compound::parse(&bytes) {
            prop_assert_eq!(compound.iter().count(), 1);
            compound.about().for_each(drop);
            for packet in compound {
                if let Rtcp::SourceDescription(names) = packet {
                    names.for_each(|item| assert!(item.text.len() <= 255));
                }
            }
        }
    }

    #[test]
    fn a_name_of_any_length_is_read_again(name in "[a-z]{0,300}") {
        let mut bytes = Vec::new();
        write_cname(5, &name, &mut bytes);
        prop_assert!(bytes.len().is_multiple_of(4));
        let packet = Compound::parse(&bytes).unwrap().iter().next().unwrap();
        let Rtcp::SourceDescription(names) = packet else { unreachable!() };
        prop_assert_eq!(names.cname(5), Some(&name.as_bytes()[..name.len().min(255)]));
    }
}
