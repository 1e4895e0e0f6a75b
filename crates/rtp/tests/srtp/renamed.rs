//! More sources than one key remembers: all of them are sent, none with an index that was used.

use std::collections::HashSet;

use fernamt_rtp::packet::Header;
use fernamt_rtp::srtp::{
    MAX_RENAMED_SOURCES, MAX_SENT_SOURCES, MAX_SUBSTITUTES, ProtectError, Protector, Substitutes,
    Suite,
};

use crate::ends::{
    ends, master, protect, protect_rtcp, rtp_of, try_protect, unprotect, unprotect_rtcp,
};

const LIMIT: u32 = MAX_SENT_SOURCES as u32;

fn full(suite: Suite) -> (Protector, fernamt_rtp::srtp::Unprotector) {
    let (mut sender, receiver) = ends(suite);
    for ssrc in 0..LIMIT {
        protect(&mut sender, &rtp_of(ssrc, 1, &[]));
    }
    (sender, receiver)
}

#[test]
fn a_source_beyond_those_remembered_is_heard_under_another_name() {
    for suite in Suite::ALL {
        let (mut sender, mut receiver) = full(suite);
        let mut names = HashSet::new();
        for ssrc in LIMIT..LIMIT + 1_000 {
            let mut name = None;
            for sequence in [7, 8, 9] {
                let plain = rtp_of(ssrc, sequence, &[ssrc as u8; 20]);
                let protected = protect(&mut sender, &plain);
                // A receiver that follows the RFC begins with the rollover counter 0.
                let heard = unprotect(&mut receiver, &protected).unwrap();
                let header = Header::peek(&heard).unwrap();
                assert_eq!((header.sequence, &heard[12..]), (sequence, &plain[12..]));
                assert_eq!(*name.get_or_insert(header.ssrc), header.ssrc);
            }
            let name = name.unwrap();
            assert!(name >= LIMIT && names.insert(name), "{name}");
        }
        // Those that are remembered keep their names.
        let protected = protect(&mut sender, &rtp_of(5, 2, &[]));
        assert_eq!(Header::peek(&protected).unwrap().ssrc, 5);
        assert_eq!(sender.positions().count(), MAX_SENT_SOURCES);
    }
}

/// What forged packets of any source and number can make of it: each name and index is used once.
#[test]
fn no_name_has_an_index_twice_whatever_sources_come_and_go() {
    let (mut sender, mut receiver) = full(Suite::AesCm128HmacSha1_80);
    let mut used: HashSet<(u32, u16)> = (0..LIMIT).map(|ssrc| (ssrc, 1)).collect();
    let mut random = 1_u32;
    for _ in 0..50_000 {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let ssrc = (random >> 16) % (LIMIT + 2 * MAX_RENAMED_SOURCES as u32);
        let sequence = (random >> 24) as u16;
        let Ok(protected) = try_protect(&mut sender, &rtp_of(ssrc, sequence, &[1; 4])) else {
            continue;
        };
        let sent = Header::peek(&protected).unwrap();
        assert!(used.insert((sent.ssrc, sent.sequence)), "{sent:?}");
    }
    assert!(used.len() > 1_000);
    let protected = protect(&mut sender, &rtp_of(1 << 20, 1, &[]));
    assert!(unprotect(&mut receiver, &protected).is_ok());
}

#[test]
fn one_that_was_forgotten_for_others_comes_back_under_another_name() {
    let (mut sender, _) = full(Suite::AeadAes128Gcm);
    let mut name_of = |ssrc: u32, sequence| {
        let protected = protect(&mut sender, &rtp_of(ssrc, sequence, &[]));
        Header::peek(&protected).unwrap().ssrc
    };
    let name = name_of(LIMIT, 1);
    assert_eq!(name, LIMIT, "the first one's own is as good as any");
    let others = LIMIT + 1..LIMIT + MAX_RENAMED_SOURCES as u32;
    for other in others.clone() {
        name_of(other, 1);
    }
    assert_eq!(name_of(LIMIT, 2), name, "as many are known");
    for other in others.chain([LIMIT + MAX_RENAMED_SOURCES as u32]) {
        name_of(other, 2);
    }
    assert_ne!(name_of(LIMIT, 3), name, "one more has come");
}

#[test]
fn its_reports_have_the_name_of_its_packets() {
    let (mut sender, mut receiver) = full(Suite::AesCm128HmacSha1_80);
    protect(&mut sender, &rtp_of(1_000, 1, &[]));
    let sent = protect(&mut sender, &rtp_of(1_001, 1, &[]));
    let name = &sent[8..12];
    let report = |name: &[u8]| {
        let sender_report = [&[0x80, 200, 0, 6][..], name, &[9; 20]].concat();
        let names = [&[0x81, 202, 0, 3][..], name, &[1, 5], b"phone\0"].concat();
        [sender_report, names].concat()
    };
    let protected = protect_rtcp(&mut sender, &report(&1_001_u32.to_be_bytes()));
    let heard = unprotect_rtcp(&mut receiver, &protected).unwrap();
    assert_eq!(heard, report(name));
    let others = report(&[0, 0, 0, 3]);
    let protected = protect_rtcp(&mut sender, &others);
    assert_eq!(unprotect_rtcp(&mut receiver, &protected), Ok(others));
    // A length that leads beyond the end.
    protect_rtcp(&mut sender, &[0x80, 200, 0xff, 0xff, 0, 0, 0, 1, 1]);
}

#[test]
fn after_a_restart_names_are_others_and_sources_that_had_one_get_another() {
    let suite = Suite::AesCm128HmacSha1_80;
    let (mut sender, _) = full(suite);
    let mut names = HashSet::new();
    let name_of = |sender: &mut Protector, ssrc| {
        let protected = protect(sender, &rtp_of(ssrc, 1, &[]));
        Header::peek(&protected).unwrap().ssrc
    };
    sender.take_moved();
    for ssrc in LIMIT..LIMIT + 100 {
        assert!(names.insert(name_of(&mut sender, ssrc)));
        assert!(sender.take_moved(), "a new name is to be written down");
    }
    let written = sender.substitutes().unwrap();
    let positions: Vec<_> = sender.positions().collect();
    // These come before the process dies, and after it was written.
    for ssrc in LIMIT + 100..LIMIT + 200 {
        assert!(names.insert(name_of(&mut sender, ssrc)));
    }
    let mut restarted = Protector::new(&master(suite));
    for position in positions {
        restarted.resume(position);
    }
    restarted.resume_substitutes(written);
    for ssrc in LIMIT + 150..LIMIT + 400 {
        assert!(names.insert(name_of(&mut restarted, ssrc)));
    }
}

#[test]
fn a_key_without_a_name_left_is_at_its_end_for_new_sources() {
    let (mut sender, _) = full(Suite::AeadAes256Gcm);
    sender.resume_substitutes(Substitutes {
        first: 1_000,
        drawn: MAX_SUBSTITUTES,
    });
    assert_eq!(
        try_protect(&mut sender, &rtp_of(LIMIT, 1, &[])),
        Err(ProtectError::KeyExpired)
    );
    protect(&mut sender, &rtp_of(1, 2, &[]));
}
