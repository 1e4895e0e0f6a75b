//! Rollover counters and indexes: wraps, jumps, late joins, restarts, the end of a key.

use fernamt_rtp::packet::Header;
use fernamt_rtp::srtp::{
    MAX_RTCP_PACKETS, MAX_RTP_PACKETS, Position, ProtectError, RTCP_INDEX_STEP, Suite,
    UnprotectError,
};

use crate::ends::{
    SSRC, ends, protect, protect_rtcp, rollover, rtcp, rtp, rtp_of, try_protect, unprotect,
    unprotect_rtcp,
};

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
                assert_eq!(rollover(sender.positions(), SSRC), Some(number >> 16));
                assert_eq!(rollover(receiver.positions(), SSRC), Some(number >> 16));
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
        assert_eq!(rollover(receiver.positions(), SSRC), Some(1));
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
        assert_eq!(rollover(receiver.positions(), SSRC), Some(0));
    }
}

/// RFC 4568 section 6.4: every source begins with the rollover counter 0, so there are no late joiners. One
/// that was told, after a restart, is found up to a turn later.
#[test]
fn a_source_that_was_never_heard_is_looked_for_in_its_first_two_turns() {
    let at = |rollover: u64| Position {
        ssrc: SSRC,
        index: (rollover << 16) - 1,
        shift: 0,
    };
    for suite in Suite::ALL {
        for (turns, is_heard) in [(1, true), (2, false)] {
            let (mut sender, mut receiver) = ends(suite);
            sender.resume(at(turns));
            let next = protect(&mut sender, &rtp(0));
            assert_eq!(unprotect(&mut receiver, &next).is_ok(), is_heard);
            assert_eq!(receiver.positions().count(), usize::from(is_heard));
        }
        let (mut sender, _) = ends(suite);
        sender.resume(at(9));
        let next = protect(&mut sender, &rtp(0));
        for (told, is_heard) in [(9, true), (8, false)] {
            let (_, mut receiver) = ends(suite);
            receiver.resume(at(told));
            assert_eq!(unprotect(&mut receiver, &next).is_ok(), is_heard, "{told}");
        }
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
            assert_eq!(
                rollover(new_receiver.positions(), SSRC),
                Some((number + 1) >> 16)
            );
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
fn telling_a_position_again_does_not_use_up_the_key() {
    let (mut sender, _) = ends(Suite::AesCm128HmacSha1_80);
    for _ in 0..3 {
        sender.resume(Position {
            ssrc: SSRC,
            index: MAX_RTP_PACKETS / 2,
            shift: 0,
        });
    }
    assert!(try_protect(&mut sender, &rtp(1)).is_ok());
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
