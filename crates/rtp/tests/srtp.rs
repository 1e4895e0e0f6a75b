//! SRTP and SRTCP: what is sent arrives once, whatever the network does; nothing else gets in.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

use fernamt_rtp::packet::Header;
use fernamt_rtp::srtp::{
    MAX_HEARD_SOURCES, MAX_MKI_BYTES, MAX_OVERHEAD_BYTES, MAX_RTCP_PACKETS, MAX_RTP_PACKETS,
    MAX_SENT_SOURCES, MasterKey, MasterKeyError, Position, ProtectError, Protector,
    RTCP_INDEX_STEP, Suite, UnprotectError, Unprotector, WINDOW_PACKETS,
};
use proptest::collection::vec;
use proptest::prelude::*;

const SSRC: u32 = 0x0102_0304;

/// The largest datagram of UDP over IPv4.
const LARGEST: usize = 65_507;

fn master(suite: Suite) -> MasterKey {
    let bytes: Vec<u8> = (1..=suite.inline_bytes() as u8).collect();
    MasterKey::new(suite, &bytes).unwrap()
}

fn ends(suite: Suite) -> (Protector, Unprotector) {
    let master = master(suite);
    (Protector::new(&master), Unprotector::new(&master))
}

fn rtp_of(ssrc: u32, sequence: u16, payload: &[u8]) -> Vec<u8> {
    let header = Header {
        sequence,
        ssrc,
        payload_type: 8,
        timestamp: u32::from(sequence) * 160,
        ..Header::default()
    };
    [&header.to_bytes()[..], payload].concat()
}

fn rtp(sequence: u16) -> Vec<u8> {
    rtp_of(SSRC, sequence, &[sequence as u8; 160])
}

fn try_protect(sender: &mut Protector, packet: &[u8]) -> Result<Vec<u8>, ProtectError> {
    let mut buffer = packet.to_vec();
    buffer.resize(packet.len() + MAX_OVERHEAD_BYTES, 0xee);
    let length = sender.protect_rtp(&mut buffer, packet.len())?;
    buffer.truncate(length);
    Ok(buffer)
}

fn protect(sender: &mut Protector, packet: &[u8]) -> Vec<u8> {
    try_protect(sender, packet).unwrap()
}

fn protect_rtcp(sender: &mut Protector, packet: &[u8]) -> Vec<u8> {
    let mut buffer = packet.to_vec();
    buffer.resize(packet.len() + MAX_OVERHEAD_BYTES, 0xee);
    let length = sender.protect_rtcp(&mut buffer, packet.len()).unwrap();
    buffer.truncate(length);
    buffer
}

/// What comes out of a datagram; when nothing does, the datagram must be as it was.
fn unprotect(receiver: &mut Unprotector, datagram: &[u8]) -> Result<Vec<u8>, UnprotectError> {
    let mut buffer = datagram.to_vec();
    let opened = receiver.unprotect_rtp(&mut buffer);
    opened.map_or_else(
        |error| {
            assert_eq!(buffer, datagram, "a refused datagram is left alone");
            Err(error)
        },
        |length| Ok(buffer[..length].to_vec()),
    )
}

fn unprotect_rtcp(receiver: &mut Unprotector, datagram: &[u8]) -> Result<Vec<u8>, UnprotectError> {
    let mut buffer = datagram.to_vec();
    let opened = receiver.unprotect_rtcp(&mut buffer);
    opened.map_or_else(
        |error| {
            assert_eq!(buffer, datagram, "a refused datagram is left alone");
            Err(error)
        },
        |length| Ok(buffer[..length].to_vec()),
    )
}

const REPORT: [u8; 8] = [0x80, 201, 0, 1, 1, 2, 3, 4];

/// A report with a name behind it.
fn rtcp() -> Vec<u8> {
    let name = [
        0x81, 202, 0, 3, 1, 2, 3, 4, 1, 5, b'p', b'h', b'o', b'n', b'e', 0,
    ];
    [&REPORT[..], &name].concat()
}

#[test]
fn every_suite_carries_rtp_and_rtcp_with_and_without_an_mki() {
    for suite in Suite::ALL {
        for mki in [&[][..], &[7], &[9; MAX_MKI_BYTES]] {
            let master = match mki {
                [] => master(suite),
                mki => master(suite).with_mki(mki).unwrap(),
            };
            let (mut sender, mut receiver) = (Protector::new(&master), Unprotector::new(&master));
            let plain = rtp(1);
            let protected = protect(&mut sender, &plain);
            assert_eq!(protected.len(), plain.len() + sender.rtp_overhead());
            assert_eq!(sender.rtp_overhead(), suite.rtp_tag_bytes() + mki.len());
            assert_eq!(protected[..12], plain[..12]);
            assert_ne!(protected[12..172], plain[12..]);
            assert_eq!(unprotect(&mut receiver, &protected), Ok(plain));

            let plain = rtcp();
            let protected = protect_rtcp(&mut sender, &plain);
            assert_eq!(protected.len(), plain.len() + sender.rtcp_overhead());
            assert!(sender.rtcp_overhead() <= MAX_OVERHEAD_BYTES);
            assert_eq!(sender.rtcp_overhead(), suite.overhead() + mki.len());
            assert_eq!(protected[..8], plain[..8]);
            assert_ne!(protected[8..plain.len()], plain[8..]);
            assert_eq!(unprotect_rtcp(&mut receiver, &protected), Ok(plain));
        }
    }
}

#[test]
fn suites_have_the_names_of_sdes_and_the_numbers_of_dtls_srtp() {
    for suite in Suite::ALL {
        assert_eq!(Suite::from_name(suite.name()), Some(suite));
        if let Some(profile) = suite.dtls_profile() {
            assert_eq!(Suite::from_dtls_profile(profile), Some(suite));
        }
    }
    assert_eq!(Suite::from_name("F8_128_HMAC_SHA1_80"), None);
    assert_eq!(Suite::from_dtls_profile(5), None, "no encryption");
}

#[test]
fn contributing_sources_and_extensions_stay_readable() {
    for suite in Suite::ALL {
        let (mut sender, mut receiver) = ends(suite);
        let mut plain = rtp(1);
        plain[0] = 0x92;
        plain.splice(
            12..12,
            [0, 0, 0, 5, 0, 0, 0, 6, 0xbe, 0xde, 0, 1, 0x10, b'a', 0, 0],
        );
        let protected = protect(&mut sender, &plain);
        assert_eq!(protected[..28], plain[..28]);
        assert_ne!(protected[28..188], plain[28..]);
        assert_eq!(unprotect(&mut receiver, &protected), Ok(plain));
    }
}

#[test]
fn packets_of_no_payload_and_of_the_largest_datagram_pass() {
    for suite in Suite::ALL {
        let (mut sender, mut receiver) = ends(suite);
        let empty = rtp_of(SSRC, 1, &[]);
        let largest = rtp_of(SSRC, 2, &vec![1; LARGEST - 12 - suite.rtp_tag_bytes()]);
        for plain in [empty, largest] {
            let protected = protect(&mut sender, &plain);
            assert!(protected.len() <= LARGEST);
            assert_eq!(unprotect(&mut receiver, &protected), Ok(plain));
        }
        assert_eq!(
            unprotect(&mut receiver, &[]),
            Err(UnprotectError::Malformed)
        );
        let shortest = protect_rtcp(&mut sender, &REPORT);
        assert_eq!(
            unprotect_rtcp(&mut receiver, &shortest),
            Ok(REPORT.to_vec())
        );
        for length in 0..shortest.len() {
            assert!(unprotect_rtcp(&mut receiver, &shortest[..length]).is_err());
        }
    }
}

#[test]
fn a_buffer_without_room_and_what_is_no_packet_is_not_protected() {
    let (mut sender, _) = ends(Suite::AesCm128HmacSha1_80);
    let mut buffer = rtp(1);
    let length = buffer.len();
    assert_eq!(
        sender.protect_rtp(&mut buffer, length + 1),
        Err(ProtectError::Room)
    );
    buffer.resize(length + 9, 0);
    assert_eq!(
        sender.protect_rtp(&mut buffer, length),
        Err(ProtectError::Room)
    );
    assert_eq!(buffer[..length], rtp(1), "nothing was encrypted");
    buffer.resize(length + 10, 0);
    assert_eq!(sender.protect_rtp(&mut buffer, length), Ok(length + 10));
    for broken in [&[0x80; 11][..], &[0x40; 40], &[0x8f; 40], &[0x90; 13]] {
        assert_eq!(
            try_protect(&mut sender, broken),
            Err(ProtectError::Malformed)
        );
    }
    let mut report = REPORT.to_vec();
    assert_eq!(sender.protect_rtcp(&mut report, 8), Err(ProtectError::Room));
    assert_eq!(report, REPORT);
    assert_eq!(
        sender.protect_rtcp(&mut [0x80; 40], 7),
        Err(ProtectError::Malformed)
    );
}

/// CVE-2025-53399: packets were relayed whatever their tag was.
#[test]
fn srtp_tag_ignored() {
    for suite in Suite::ALL {
        let (mut sender, mut receiver) = ends(suite);
        let good = protect(&mut sender, &rtp(1));
        let tag = good.len() - suite.rtp_tag_bytes();
        let zeros = [&good[..tag], &vec![0; suite.rtp_tag_bytes()]].concat();
        for forged in [&zeros, &good[..tag], &good[..good.len() - 1], &rtp(1)] {
            assert!(unprotect(&mut receiver, forged).is_err(), "{suite:?}");
        }
        let (mut stranger, _) = {
            let key = MasterKey::new(suite, &vec![99; suite.inline_bytes()]).unwrap();
            (Protector::new(&key), Unprotector::new(&key))
        };
        let foreign = protect(&mut stranger, &rtp(1));
        assert_eq!(unprotect(&mut receiver, &foreign), Err(UnprotectError::Tag));
        assert!(unprotect(&mut receiver, &good).is_ok());
    }
}

/// GHSA-vhxv-phmx-g52q: names and farewells were sent in clear where everything had to be encrypted.
#[test]
fn rtcp_bye_plaintext() {
    let names = [
        0x81, 202, 0, 3, 1, 2, 3, 4, 1, 5, b'p', b'h', b'o', b'n', b'e', 0,
    ];
    let goodbye = [
        0x81, 203, 0, 3, 1, 2, 3, 4, 7, b'g', b'o', b'o', b'd', b'b', b'y', b'e',
    ];
    for suite in Suite::ALL {
        let (mut sender, mut receiver) = ends(suite);
        // A name or a farewell that stands first is as little seen as one behind a report.
        for plain in [
            [&REPORT[..], &names, &goodbye].concat(),
            names.to_vec(),
            goodbye.to_vec(),
        ] {
            let protected = protect_rtcp(&mut sender, &plain);
            for word in [&b"phone"[..], b"goodbye"] {
                assert!(!protected.windows(word.len()).any(|part| part == word));
            }
            assert_eq!(unprotect_rtcp(&mut receiver, &protected), Ok(plain));
        }
    }
}

#[test]
fn a_changed_bit_is_always_refused() {
    for suite in Suite::ALL {
        let (mut sender, mut receiver) = ends(suite);
        let good = protect(&mut sender, &rtp_of(SSRC, 40_000, &[5; 40]));
        let good_rtcp = protect_rtcp(&mut sender, &rtcp());
        for bit in 0..good.len() * 8 {
            let mut changed = good.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(
                unprotect(&mut receiver, &changed).is_err(),
                "{suite:?} {bit}"
            );
        }
        for bit in 0..good_rtcp.len() * 8 {
            let mut changed = good_rtcp.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(
                unprotect_rtcp(&mut receiver, &changed).is_err(),
                "{suite:?} {bit}"
            );
        }
        assert!(unprotect(&mut receiver, &good).is_ok());
        assert!(unprotect_rtcp(&mut receiver, &good_rtcp).is_ok());
    }
}

/// CVE-2021-41105: a hundred bad packets ended the call.
#[test]
fn srtp_error_hangup() {
    for suite in Suite::ALL {
        let (mut sender, mut receiver) = ends(suite);
        let first = protect(&mut sender, &rtp(100));
        assert!(unprotect(&mut receiver, &first).is_ok());
        receiver.take_moved();
        let before: Vec<Position> = receiver.positions().collect();
        for number in 0..10_000u32 {
            // Known and new sources, numbers near and far.
            let ssrc = if number % 2 == 0 { SSRC } else { number };
            let mut bad = rtp_of(ssrc, (number * 7) as u16, &[number as u8; 60]);
            bad.extend_from_slice(&[number as u8; 16]);
            assert!(unprotect(&mut receiver, &bad).is_err());
            let mut bad = [&REPORT[..4], &ssrc.to_be_bytes(), &[1; 40]].concat();
            bad[40] = number as u8;
            assert!(unprotect_rtcp(&mut receiver, &bad).is_err());
        }
        assert_eq!(receiver.positions().collect::<Vec<_>>(), before);
        assert!(!receiver.take_moved());
        let next = protect(&mut sender, &rtp(101));
        assert_eq!(unprotect(&mut receiver, &next), Ok(rtp(101)));
        let next = protect_rtcp(&mut sender, &rtcp());
        assert_eq!(unprotect_rtcp(&mut receiver, &next), Ok(rtcp()));
    }
}

#[test]
fn srtp_replay() {
    for suite in Suite::ALL {
        let (mut sender, mut receiver) = ends(suite);
        let sent: Vec<_> = (0..300u16)
            .map(|number| protect(&mut sender, &rtp(number)))
            .collect();
        let reports: Vec<_> = (0..300)
            .map(|_| protect_rtcp(&mut sender, &rtcp()))
            .collect();
        for (packet, report) in sent.iter().zip(&reports) {
            assert!(unprotect(&mut receiver, packet).is_ok());
            assert_eq!(
                unprotect(&mut receiver, packet),
                Err(UnprotectError::Repeated)
            );
            assert!(unprotect_rtcp(&mut receiver, report).is_ok());
            assert_eq!(
                unprotect_rtcp(&mut receiver, report),
                Err(UnprotectError::Repeated)
            );
        }
        for (age, (packet, report)) in sent.iter().zip(&reports).rev().enumerate() {
            let expected = match age < WINDOW_PACKETS as usize {
                true => Err(UnprotectError::Repeated),
                false => Err(UnprotectError::Old),
            };
            assert_eq!(unprotect(&mut receiver, packet), expected, "{age}");
            assert_eq!(unprotect_rtcp(&mut receiver, report), expected, "{age}");
        }
    }
}

#[test]
fn a_number_is_not_used_twice() {
    let (mut sender, _) = ends(Suite::AeadAes128Gcm);
    protect(&mut sender, &rtp(500));
    protect(&mut sender, &rtp(503));
    assert_eq!(
        try_protect(&mut sender, &rtp_of(SSRC, 500, b"something else")),
        Err(ProtectError::Repeated)
    );
    protect(&mut sender, &rtp(501));
    assert_eq!(
        try_protect(&mut sender, &rtp(501)),
        Err(ProtectError::Repeated)
    );
    let last = 503 - (WINDOW_PACKETS as u16 - 1);
    protect(&mut sender, &rtp(last));
    assert_eq!(
        try_protect(&mut sender, &rtp(last - 1)),
        Err(ProtectError::Old)
    );
    let (mut sender, _) = ends(Suite::AeadAes128Gcm);
    protect(&mut sender, &rtp(0));
    assert_eq!(
        try_protect(&mut sender, &rtp(65_535)),
        Err(ProtectError::Old),
        "before the first"
    );
}

/// Phones that begin anew in mid call, or whose numbers jump by more than half of all numbers.
#[test]
fn a_source_whose_numbers_jump_goes_on_with_others() {
    for (before, after) in [
        (40_000, 10_000u16),
        (5_000, 4_000),
        (100, 60_000),
        (500, 499 - 128),
    ] {
        let (mut sender, mut receiver) = ends(Suite::AeadAes128Gcm);
        for number in [before - 1, before] {
            let protected = protect(&mut sender, &rtp(number));
            assert!(unprotect(&mut receiver, &protected).is_ok());
        }
        sender.take_moved();
        assert_eq!(
            try_protect(&mut sender, &rtp(after)),
            Err(ProtectError::Old),
            "it may be late"
        );
        assert!(!sender.take_moved());
        for step in 1..300u16 {
            let plain = rtp(after + step);
            let protected = protect(&mut sender, &plain);
            let heard = unprotect(&mut receiver, &protected).unwrap();
            let header = Header::peek(&heard).unwrap();
            assert_eq!(header.sequence, before + step);
            assert_eq!(heard[4..], plain[4..], "nothing else has changed");
            assert_eq!(sender.take_moved(), step == 1);
        }
        // The process dies.
        let position = sender.positions().next().unwrap();
        let (mut restarted, _) = ends(Suite::AeadAes128Gcm);
        restarted.resume(position);
        let protected = protect(&mut restarted, &rtp(after + 300));
        let heard = unprotect(&mut receiver, &protected).unwrap();
        assert_eq!(Header::peek(&heard).unwrap().sequence, before + 300);
    }
}

#[test]
fn late_packets_here_and_there_are_no_new_beginning() {
    let (mut sender, _) = ends(Suite::AesCm128HmacSha1_80);
    protect(&mut sender, &rtp(1_000));
    for late in [5, 7, 6, 8, 10] {
        assert_eq!(try_protect(&mut sender, &rtp(late)), Err(ProtectError::Old));
    }
    protect(&mut sender, &rtp(1_001));
    assert_eq!(
        try_protect(&mut sender, &rtp(11)),
        Err(ProtectError::Old),
        "one was in order meanwhile"
    );
}

#[test]
fn sequence_numbers_wrap_on_both_sides() {
    for suite in Suite::ALL {
        let (mut sender, mut receiver) = ends(suite);
        for number in 0..200_000u32 {
            // Every 997th packet only, but the edges whole.
            let near_edge = (number + 3) % 65_536 < 6;
            if number % 997 == 0 || near_edge {
                let plain = rtp(number as u16);
                let protected = protect(&mut sender, &plain);
                assert_eq!(unprotect(&mut receiver, &protected), Ok(plain), "{number}");
                assert_eq!(sender.rollover(SSRC), Some(number >> 16));
                assert_eq!(receiver.rollover(SSRC), Some(number >> 16));
            }
        }
    }
}

#[test]
fn a_source_whose_first_packets_were_lost_at_the_end_of_its_numbers_is_heard() {
    for suite in Suite::ALL {
        let (mut sender, mut receiver) = ends(suite);
        for lost in [65_530, 65_535] {
            protect(&mut sender, &rtp(lost));
        }
        let heard = protect(&mut sender, &rtp(3));
        assert_eq!(unprotect(&mut receiver, &heard), Ok(rtp(3)));
        assert_eq!(receiver.rollover(SSRC), Some(1));
    }
}

#[test]
fn a_source_that_was_not_heard_for_half_a_turn_is_heard_again() {
    for suite in Suite::ALL {
        let (mut sender, mut receiver) = ends(suite);
        let first = protect(&mut sender, &rtp(10));
        assert!(unprotect(&mut receiver, &first).is_ok());
        for lost in [20_000, 40_000, 60_000] {
            protect(&mut sender, &rtp(lost));
        }
        let heard = protect(&mut sender, &rtp(60_001));
        assert_eq!(unprotect(&mut receiver, &heard), Ok(rtp(60_001)));
        assert_eq!(receiver.rollover(SSRC), Some(0));
    }
}

#[test]
fn a_late_joiner_is_told_the_rollover_counter() {
    for suite in Suite::ALL {
        let (mut sender, mut receiver) = ends(suite);
        sender.set_rollover(SSRC, 9);
        let heard = protect(&mut sender, &rtp(0));
        assert_eq!(sender.rollover(SSRC), Some(9));
        assert_eq!(unprotect(&mut receiver, &heard), Err(UnprotectError::Tag));
        assert_eq!(receiver.rollover(SSRC), None);
        receiver.set_rollover(SSRC, 9);
        assert_eq!(unprotect(&mut receiver, &heard), Ok(rtp(0)));
        let (_, mut other) = ends(suite);
        other.set_rollover(SSRC, 8);
        assert_eq!(unprotect(&mut other, &heard), Ok(rtp(0)), "one turn later");
        assert_eq!(other.rollover(SSRC), Some(9));
        let (_, mut other) = ends(suite);
        other.set_rollover(SSRC, 7);
        assert_eq!(unprotect(&mut other, &heard), Err(UnprotectError::Tag));
    }
}

/// A position is written down whenever it has moved; then the process dies, at any moment.
#[test]
fn both_sides_go_on_after_a_restart() {
    for suite in [Suite::AesCm128HmacSha1_80, Suite::AeadAes256Gcm] {
        let (mut sender, mut receiver) = ends(suite);
        let mut written = Vec::new();
        let mut moves = 0;
        for number in (0..300_000u32).step_by(100) {
            let protected = protect(&mut sender, &rtp(number as u16));
            assert!(unprotect(&mut receiver, &protected).is_ok());
            let (of_sender, of_receiver) = (sender.take_moved(), receiver.take_moved());
            assert_eq!(of_sender, of_receiver);
            if of_sender {
                moves += 1;
                written = sender.positions().collect();
                assert!(
                    written
                        .iter()
                        .eq(receiver.positions().collect::<Vec<_>>().iter())
                );
            }
            if number % 1_700 != 0 {
                continue;
            }
            let (mut new_sender, mut new_receiver) = ends(suite);
            for position in &written {
                new_sender.resume(*position);
                new_receiver.resume(*position);
            }
            let next = rtp((number + 1) as u16);
            let protected = protect(&mut new_sender, &next);
            assert_eq!(protected, protect(&mut sender, &next), "{number}");
            assert_eq!(unprotect(&mut new_receiver, &protected), Ok(next));
            assert_eq!(new_receiver.rollover(SSRC), Some((number + 1) >> 16));
        }
        assert_eq!(moves, 1 + 300_000 / 32_768);
    }
}

#[test]
fn nothing_up_to_the_written_position_is_let_in_after_a_restart() {
    let (mut sender, _) = ends(Suite::AesCm128HmacSha1_80);
    let sent: Vec<_> = (0..50u16)
        .map(|number| protect(&mut sender, &rtp(number)))
        .collect();
    let (_, mut receiver) = ends(Suite::AesCm128HmacSha1_80);
    receiver.resume(Position {
        ssrc: SSRC,
        index: 39,
        shift: 0,
    });
    for old in &sent[..40] {
        assert!(unprotect(&mut receiver, old).is_err());
    }
    assert!(unprotect(&mut receiver, &sent[40]).is_ok());
}

#[test]
fn rtcp_goes_on_with_unused_indexes_after_a_restart() {
    let (mut sender, mut receiver) = ends(Suite::AesCm128HmacSha1_80);
    sender.take_moved();
    let mut written = 0;
    for number in 0..3 * RTCP_INDEX_STEP {
        assert_eq!(sender.rtcp_index(), number);
        let report = protect_rtcp(&mut sender, &rtcp());
        assert!(unprotect_rtcp(&mut receiver, &report).is_ok());
        let moved = sender.take_moved();
        assert_eq!(moved, number % RTCP_INDEX_STEP == 0);
        if moved {
            written = sender.rtcp_index();
        }
        let (mut restarted, _) = ends(Suite::AesCm128HmacSha1_80);
        restarted.resume_rtcp(written);
        assert!(restarted.rtcp_index() >= sender.rtcp_index());
    }
    let (mut restarted, _) = ends(Suite::AesCm128HmacSha1_80);
    restarted.resume_rtcp(written);
    let report = protect_rtcp(&mut restarted, &rtcp());
    assert_eq!(unprotect_rtcp(&mut receiver, &report), Ok(rtcp()));
}

#[test]
fn a_key_is_not_used_beyond_its_lifetime() {
    for suite in Suite::ALL {
        let (mut sender, mut receiver) = ends(suite);
        let near = Position {
            ssrc: SSRC,
            index: MAX_RTP_PACKETS - 3,
            shift: 0,
        };
        sender.resume(near);
        receiver.resume(near);
        for number in [65_534, 65_535] {
            let protected = protect(&mut sender, &rtp(number));
            assert_eq!(unprotect(&mut receiver, &protected), Ok(rtp(number)));
        }
        assert_eq!(
            try_protect(&mut sender, &rtp(0)),
            Err(ProtectError::KeyExpired)
        );
        let beyond = [rtp(0), vec![0; 16]].concat();
        assert_eq!(
            unprotect(&mut receiver, &beyond),
            Err(UnprotectError::KeyExpired)
        );

        let (mut sender, mut receiver) = ends(suite);
        sender.resume_rtcp(MAX_RTCP_PACKETS - 1 - 2 * RTCP_INDEX_STEP);
        let last = protect_rtcp(&mut sender, &rtcp());
        assert_eq!(unprotect_rtcp(&mut receiver, &last), Ok(rtcp()));
        let mut buffer = [0x80; 100];
        assert_eq!(
            sender.protect_rtcp(&mut buffer, 40),
            Err(ProtectError::KeyExpired)
        );
        assert_eq!(
            try_protect(&mut sender, &rtp(1)),
            Err(ProtectError::KeyExpired),
            "the key is at its end for RTP as well"
        );
    }
}

#[test]
fn all_sources_of_a_key_share_its_lifetime() {
    let (mut sender, _) = ends(Suite::AesCm128HmacSha1_80);
    for ssrc in 0..2 {
        let index = MAX_RTP_PACKETS / 2 - u64::from(ssrc);
        sender.resume(Position {
            ssrc,
            index,
            shift: 0,
        });
    }
    let sequence = (MAX_RTP_PACKETS / 2 + 1) as u16;
    assert!(try_protect(&mut sender, &rtp_of(0, sequence, &[])).is_ok());
    assert_eq!(
        try_protect(&mut sender, &rtp_of(1, sequence, &[])),
        Err(ProtectError::KeyExpired)
    );
}

#[test]
fn the_source_that_was_heard_the_longest_time_ago_goes() {
    let (mut sender, mut receiver) = ends(Suite::AesCm128HmacSha1_80);
    for ssrc in 0..MAX_HEARD_SOURCES as u32 {
        let protected = protect(&mut sender, &rtp_of(ssrc, 1, &[1; 20]));
        assert!(unprotect(&mut receiver, &protected).is_ok());
    }
    let protected = protect(&mut sender, &rtp_of(0, 2, &[1; 20]));
    assert!(unprotect(&mut receiver, &protected).is_ok());
    assert_eq!(receiver.positions().count(), MAX_HEARD_SOURCES);

    let forged = [rtp_of(1_000, 1, &[1; 20]), vec![0; 10]].concat();
    assert_eq!(unprotect(&mut receiver, &forged), Err(UnprotectError::Tag));
    assert_eq!(
        receiver.rollover(1),
        Some(0),
        "a forged source replaces none"
    );

    let protected = protect(&mut sender, &rtp_of(1_000, 1, &[1; 20]));
    assert!(unprotect(&mut receiver, &protected).is_ok());
    assert_eq!(receiver.positions().count(), MAX_HEARD_SOURCES);
    assert_eq!(receiver.rollover(1_000), Some(0));
    assert_eq!(receiver.rollover(1), None);
    assert_eq!(receiver.rollover(0), Some(0), "was heard again meanwhile");
}

#[test]
fn no_more_sources_are_sent_than_are_remembered() {
    let (mut sender, _) = ends(Suite::AesCm128HmacSha1_80);
    for ssrc in 0..MAX_SENT_SOURCES as u32 {
        protect(&mut sender, &rtp_of(ssrc, 1, &[]));
    }
    let limit = MAX_SENT_SOURCES as u32;
    assert_eq!(
        try_protect(&mut sender, &rtp_of(limit, 1, &[])),
        Err(ProtectError::TooManySources)
    );
    sender.set_rollover(limit, 5);
    assert_eq!(sender.rollover(limit), None);
    protect(&mut sender, &rtp_of(0, 2, &[]));
}

#[test]
fn keys_and_identifiers_of_wrong_lengths_are_refused() {
    for suite in Suite::ALL {
        for length in [0, 1, suite.inline_bytes() - 1, suite.inline_bytes() + 1, 64] {
            assert_eq!(
                MasterKey::new(suite, &vec![1; length]).unwrap_err(),
                MasterKeyError::Length
            );
        }
        assert_eq!(
            MasterKey::from_parts(suite, &vec![1; suite.key_bytes() + 1], &[1; 11]).unwrap_err(),
            MasterKeyError::Length
        );
        assert!(master(suite).with_mki(&[1; MAX_MKI_BYTES]).is_ok());
        for mki in [&[][..], &[1; MAX_MKI_BYTES + 1]] {
            assert_eq!(
                master(suite).with_mki(mki).unwrap_err(),
                MasterKeyError::Mki
            );
        }
    }
}

#[test]
fn another_identifier_is_refused() {
    for suite in Suite::ALL {
        let mine = master(suite).with_mki(&[1, 2]).unwrap();
        let mut sender = Protector::new(&master(suite).with_mki(&[1, 3]).unwrap());
        let mut receiver = Unprotector::new(&mine);
        let protected = protect(&mut sender, &rtp(1));
        assert_eq!(
            unprotect(&mut receiver, &protected),
            Err(UnprotectError::Mki)
        );
        let protected = protect_rtcp(&mut sender, &rtcp());
        assert_eq!(
            unprotect_rtcp(&mut receiver, &protected),
            Err(UnprotectError::Mki)
        );
    }
}

#[test]
fn a_key_is_compared_and_not_shown() {
    let one = MasterKey::new(Suite::AesCm128HmacSha1_80, &[0xab; 30]).unwrap();
    let parts = MasterKey::from_parts(Suite::AesCm128HmacSha1_80, &[0xab; 16], &[0xab; 14]);
    assert_eq!(Ok(&one), parts.as_ref());
    assert_eq!(one.inline(), [0xab; 30]);
    let mut other = [0xab; 30];
    other[29] = 0;
    let other = MasterKey::new(Suite::AesCm128HmacSha1_80, &other).unwrap();
    assert_ne!(one, other);
    assert_ne!(one, one.clone().with_mki(&[1]).unwrap());
    let shown = format!("{one:?}");
    assert_eq!(shown, "MasterKey { suite: AesCm128HmacSha1_80, .. }");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn what_arrives_late_twice_or_not_at_all_is_let_in_once(
        suite in (0..Suite::ALL.len()).prop_map(|at| Suite::ALL[at]),
        start: u16,
        // How far behind its time each packet arrives, whether it arrives twice, and a gap before it.
        fates in vec((0usize..40, any::<bool>(), 1u32..600, 0u8..10), 1..150),
    ) {
        let (mut sender, mut receiver) = ends(suite);
        let mut number = u32::from(start);
        let mut arrivals = Vec::new();
        for (place, (delay, twice, gap, lost)) in fates.into_iter().enumerate() {
            let plain = rtp(number as u16);
            let protected = protect(&mut sender, &plain);
            // The first one is not overtaken by the next turn of the numbers.
            if lost > 0 || place == 0 {
                let delay = if place == 0 { 0 } else { delay };
                arrivals.push((place + delay, place, number, plain.clone(), protected.clone()));
                if twice {
                    arrivals.push((place + delay + 3, place, number, plain, protected));
                }
            }
            number += if gap > 500 { gap } else { 1 };
        }
        arrivals.sort_by_key(|arrival| (arrival.0, arrival.1));
        let mut highest = 0;
        let mut seen = Vec::new();
        for (_, _, number, plain, protected) in arrivals {
            let expected = if seen.contains(&number) {
                None
            } else if number + WINDOW_PACKETS as u32 > highest {
                seen.push(number);
                Some(plain)
            } else {
                None
            };
            highest = highest.max(number);
            prop_assert_eq!(unprotect(&mut receiver, &protected).ok(), expected);
        }
    }

    #[test]
    fn no_bytes_make_it_panic_and_none_get_in(
        suite in (0..Suite::ALL.len()).prop_map(|at| Suite::ALL[at]),
        mki in vec(any::<u8>(), 0..4),
        bytes in vec(any::<u8>(), 0..200),
        first in prop_oneof![Just(0x80u8), any::<u8>()],
    ) {
        let key = master(suite);
        let key = if mki.is_empty() { key } else { key.with_mki(&mki).unwrap() };
        let mut receiver = Unprotector::new(&key);
        let mut sender = Protector::new(&key);
        let mut bytes = bytes;
        if let Some(byte) = bytes.first_mut() {
            *byte = first;
        }
        prop_assert!(unprotect(&mut receiver, &bytes).is_err());
        prop_assert!(unprotect_rtcp(&mut receiver, &bytes).is_err());
        for length in [0, bytes.len() / 2, bytes.len(), bytes.len() + 1] {
            let mut buffer = bytes.clone();
            let _ = sender.protect_rtp(&mut buffer, length);
            let _ = sender.protect_rtcp(&mut buffer, length);
        }
    }

    #[test]
    fn any_packet_comes_out_as_it_went_in(
        suite in (0..Suite::ALL.len()).prop_map(|at| Suite::ALL[at]),
        sequence: u16, ssrc: u32, payload in vec(any::<u8>(), 0..400),
    ) {
        let (mut sender, mut receiver) = ends(suite);
        let plain = rtp_of(ssrc, sequence, &payload);
        let protected = protect(&mut sender, &plain);
        prop_assert_eq!(unprotect(&mut receiver, &protected), Ok(plain));
    }
}
