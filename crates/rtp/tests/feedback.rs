//! Feedback of RTCP: what each kind looks like, datagrams with some of it taken out, and such as begin
//! with no report.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

use fernamt_rtp::rtcp::feedback::{
    EMPTY_REPORT_BYTES, FeedbackKind, Left, behind_report, retain_feedback,
};
use fernamt_rtp::rtcp::{Compound, Rtcp, RtcpError, write_cname, write_receiver_report};
use proptest::collection::vec;
use proptest::prelude::*;

fn packet(packet_type: u8, count: u8, body: &[u8]) -> Vec<u8> {
    assert!(body.len().is_multiple_of(4));
    let words = (body.len() / 4) as u16;
    [&[0x80 | count, packet_type][..], &words.to_be_bytes(), body].concat()
}

fn feedback(packet_type: u8, format: u8, control: &[u8]) -> Vec<u8> {
    let parties = [0, 0, 0, 1, 0, 0, 0, 2];
    packet(packet_type, format, &[&parties[..], control].concat())
}

fn report() -> Vec<u8> {
    let mut bytes = Vec::new();
    write_receiver_report(1, &[], &mut bytes);
    write_cname(1, "browser", &mut bytes);
    bytes
}

/// An extended report (RFC 3611) with the time of its receiver.
fn extended_report() -> Vec<u8> {
    packet(207, 0, &[0, 0, 0, 1, 4, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8])
}

/// How many bytes are left.
fn length(left: Left) -> usize {
    match left {
        Left::Nothing => 0,
        Left::Compound(length) | Left::ReducedSize(length) => length,
    }
}

/// A datagram without any feedback.
fn removed(bytes: &[u8]) -> (Left, Vec<u8>) {
    let mut datagram = bytes.to_vec();
    let left = retain_feedback(&mut datagram, |_| false).unwrap();
    (left, datagram[..length(left)].to_vec())
}

#[test]
fn every_kind_is_told_by_its_type_format_and_size() {
    let remb = [&b"REMB"[..], &[1, 0, 0, 9], &[0, 0, 0, 2]].concat();
    let cases: [(u8, u8, &[u8], Option<FeedbackKind>); 22] = [
        (205, 1, &[0; 4], Some(FeedbackKind::Nack)),
        (205, 1, &[], None),
        (205, 3, &[0; 8], Some(FeedbackKind::Tmmbr)),
        (205, 3, &[0; 4], None),
        (205, 4, &[], Some(FeedbackKind::Tmmbn)),
        (205, 4, &[0; 12], None),
        (205, 15, &[0; 12], Some(FeedbackKind::TransportWide)),
        (205, 15, &[0; 4], None),
        (205, 8, &[0; 20], Some(FeedbackKind::Other)),
        (206, 1, &[], Some(FeedbackKind::PictureLoss)),
        (206, 1, &[0; 4], None),
        (206, 2, &[0; 4], Some(FeedbackKind::SliceLoss)),
        (206, 2, &[], None),
        (206, 3, &[0; 4], Some(FeedbackKind::ReferencePicture)),
        (206, 4, &[0; 16], Some(FeedbackKind::FullIntra)),
        (206, 4, &[0; 4], None),
        (206, 5, &[0; 8], Some(FeedbackKind::TradeoffRequest)),
        (206, 6, &[0; 8], Some(FeedbackKind::TradeoffNotification)),
        (206, 7, &[0; 12], Some(FeedbackKind::VideoBackChannel)),
        (206, 15, &remb, Some(FeedbackKind::Remb)),
        (206, 15, &remb[..8], None),
        (206, 15, b"ABCD", Some(FeedbackKind::Other)),
    ];
    for (packet_type, format, control, expected) in cases {
        let found = FeedbackKind::of(packet_type, format, control);
        assert_eq!(found, expected, "{packet_type} {format} {control:?}");
    }
}

#[test]
fn feedback_between_reports_is_taken_out() {
    let picture_loss = feedback(206, 1, &[]);
    let nack = feedback(205, 1, &[0; 4]);
    let datagram = [&report()[..], &picture_loss, &extended_report(), &nack].concat();
    let left = [report(), extended_report()].concat();
    assert_eq!(removed(&datagram), (Left::Compound(left.len()), left));
}

#[test]
fn a_datagram_of_nothing_but_feedback_is_not_sent() {
    let datagram = [feedback(206, 1, &[]), feedback(205, 1, &[0; 4])].concat();
    assert_eq!(removed(&datagram), (Left::Nothing, vec![]));
}

#[test]
fn a_datagram_without_feedback_stays_as_it_is() {
    assert_eq!(
        removed(&report()),
        (Left::Compound(report().len()), report())
    );
}

#[test]
fn what_begins_with_no_report_is_told_and_is_put_behind_one() {
    let datagram = [feedback(206, 1, &[]), extended_report()].concat();
    let left = extended_report();
    assert_eq!(
        removed(&datagram),
        (Left::ReducedSize(left.len()), left.clone())
    );
    let mut room = [&left[..], &[0; EMPTY_REPORT_BYTES]].concat();
    assert_eq!(behind_report(&mut room, left.len()), Some(room.len()));
    let mut expected = Vec::new();
    write_receiver_report(1, &[], &mut expected);
    assert_eq!(room, [expected, left].concat());
    assert!(Compound::parse(&room).is_ok());
}

#[test]
fn nothing_is_put_where_there_is_no_room_or_no_source() {
    let picture_loss = feedback(206, 1, &[]);
    let mut room = [&picture_loss[..], &[0; EMPTY_REPORT_BYTES - 1]].concat();
    let before = room.clone();
    assert_eq!(behind_report(&mut room, picture_loss.len()), None);
    assert_eq!(behind_report(&mut room, usize::MAX), None);
    assert_eq!(room, before);
    let mut of_nobody = packet(203, 0, &[]);
    of_nobody.extend([0; 100]);
    assert_eq!(behind_report(&mut of_nobody, 4), None);
}

#[test]
fn what_was_negotiated_stays() {
    let picture_loss = feedback(206, 1, &[]);
    let nack = feedback(205, 1, &[0; 4]);
    let broken = feedback(206, 4, &[0; 4]);
    let mut datagram = [&report()[..], &nack, &broken, &picture_loss].concat();
    let mut asked = Vec::new();
    let left = retain_feedback(&mut datagram, |kind| {
        asked.push(kind);
        kind == FeedbackKind::PictureLoss
    })
    .unwrap();
    let expected = [report(), picture_loss].concat();
    assert_eq!(left, Left::Compound(expected.len()));
    assert_eq!(datagram[..expected.len()], expected);
    assert_eq!(asked, [FeedbackKind::Nack, FeedbackKind::PictureLoss]);
}

/// Browsers fill their feedback about transport up to a word with one to three bytes, and call that
/// padding.
#[test]
fn feedback_that_is_padded_up_to_a_word_is_read() {
    for padding in 1..=3u8 {
        let mut control = [7; 16];
        control[15] = padding;
        let mut bytes = feedback(205, 15, &control);
        bytes[0] |= 0x20;
        let datagram = [report(), bytes.clone()].concat();
        let last = Compound::parse(&datagram).unwrap().iter().last().unwrap();
        let Rtcp::Feedback { control, .. } = last else {
            unreachable!("{last:?}")
        };
        assert_eq!(control.len(), 16 - usize::from(padding));
        assert_eq!(removed(&datagram).1, report());
        bytes[1] = 207;
        assert_eq!(Compound::parse(&bytes), Err(RtcpError::Padding));
    }
}

#[test]
fn a_datagram_that_is_broken_anywhere_is_left_alone() {
    let mut datagram = [report(), feedback(206, 1, &[]), vec![0x81, 206, 0, 9]].concat();
    let before = datagram.clone();
    assert_eq!(
        retain_feedback(&mut datagram, |_| true),
        Err(RtcpError::Short)
    );
    assert_eq!(datagram, before);
    assert_eq!(retain_feedback(&mut [], |_| true), Err(RtcpError::Short));
}

/// Any packets of any types whose sizes are right, of feedback more than of others.
fn datagrams() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let one = (
        prop_oneof![Just(205u8), Just(206), 192u8..=223],
        0u8..32,
        vec(any::<u32>(), 2..12),
    );
    vec(
        one.prop_map(|(packet_type, count, words)| {
            let body: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
            packet(packet_type, count, &body)
        }),
        0..8,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_bytes_make_the_filter_panic(bytes in vec(any::<u8>(), 0..120)) {
        let mut datagram = bytes.clone();
        if retain_feedback(&mut datagram, |_| false).is_err() {
            prop_assert_eq!(datagram, bytes);
        }
    }

    #[test]
    fn what_is_left_is_the_rest_in_order(packets in datagrams()) {
        let bytes = packets.concat();
        let mut datagram = bytes.clone();
        let Ok(left) = retain_feedback(&mut datagram, |_| false) else {
            prop_assert!(Compound::parse(&bytes).is_err());
            return Ok(());
        };
        let rest: Vec<u8> = packets
            .iter()
            .filter(|packet| !(205..=206).contains(&packet[1]))
            .flatten()
            .copied()
            .collect();
        prop_assert_eq!(&datagram[..length(left)], &rest[..]);
        if !rest.is_empty() {
            prop_assert!(Compound::parse(&rest).is_ok());
        }
    }
}
