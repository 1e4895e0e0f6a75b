//! How long keys last, and what is heard when one follows another.

use fernamt_rtp::srtp::{
    FORMER_KEY_MICROS, Hearing, LIFETIME_GRACE_PACKETS, MAX_RTP_PACKETS, MasterKey, MasterKeyError,
    ProtectError, Protector, Suite, UnprotectError, Unprotector,
};

use crate::ends::{
    REPORT, master, protect, protect_rtcp, rtcp, rtp, try_protect, unprotect, unprotect_rtcp,
};

const SUITE: Suite = Suite::AesCm128HmacSha1_80;

fn short_lived(packets: u64) -> MasterKey {
    master(SUITE).with_lifetime(packets).unwrap()
}

fn other(fill: u8) -> MasterKey {
    MasterKey::new(SUITE, &[fill; 30]).unwrap()
}

#[test]
fn a_lifetime_is_one_packet_at_least_and_what_srtp_allows_at_most() {
    for wrong in [0, MAX_RTP_PACKETS + 1] {
        assert_eq!(
            master(SUITE).with_lifetime(wrong),
            Err(MasterKeyError::Lifetime)
        );
    }
    assert_eq!(master(SUITE).lifetime_packets(), MAX_RTP_PACKETS);
    assert_eq!(short_lived(7), master(SUITE), "no new key");
}

#[test]
fn nothing_is_sent_after_the_life_that_was_said_and_it_is_told_before() {
    let mut sender = Protector::new(&short_lived(160));
    for number in 0..140 {
        assert!(!sender.take_old(), "{number}");
        protect(&mut sender, &rtp(number));
    }
    assert!(sender.take_old());
    for number in 140..160 {
        protect(&mut sender, &rtp(number));
    }
    let over = Err(ProtectError::KeyExpired);
    assert_eq!(try_protect(&mut sender, &rtp(160)), over);
    let mut room = [0x80; 100];
    assert_eq!(
        sender.protect_rtcp(&mut room, 40),
        Err(ProtectError::KeyExpired)
    );
    // Each of RTP and RTCP counts for both.
    let mut sender = Protector::new(&short_lived(3));
    for _ in 0..3 {
        protect_rtcp(&mut sender, &rtcp());
    }
    assert_eq!(try_protect(&mut sender, &rtp(1)), over);
}

#[test]
fn what_was_sent_before_a_restart_counts() {
    let mut sender = Protector::new(&short_lived(1 << 20));
    sender.resume_packets((1 << 20) - (1 << 16) - 1);
    protect(&mut sender, &rtp(1));
    assert_eq!(
        try_protect(&mut sender, &rtp(2)),
        Err(ProtectError::KeyExpired)
    );
    let mut receiver = Unprotector::new(&short_lived(1 << 20));
    receiver.resume_packets(((1 << 20) - 1, 5));
    assert_eq!(receiver.packets(), ((1 << 20) - 1, 5));
    assert!(receiver.take_old());
}

#[test]
fn a_key_of_the_other_side_has_a_grace_and_then_nothing_is_let_in() {
    let mut sender = Protector::new(&master(SUITE));
    let mut receiver = Unprotector::new(&short_lived(160));
    let mut told = Vec::new();
    let last = 160 + LIFETIME_GRACE_PACKETS;
    for number in 0..last {
        assert!(!receiver.is_expired());
        let protected = protect(&mut sender, &rtp(number as u16));
        assert!(unprotect(&mut receiver, &protected).is_ok(), "{number}");
        if receiver.take_old() {
            told.push(number + 1);
        }
    }
    assert_eq!(told, [140, 150, 160]);
    assert!(receiver.is_expired());
    let protected = protect(&mut sender, &rtp(last as u16));
    let over = Err(UnprotectError::KeyExpired);
    assert_eq!(unprotect(&mut receiver, &protected), over);
    let report = protect_rtcp(&mut sender, &rtcp());
    assert_eq!(unprotect_rtcp(&mut receiver, &report), over);
}

#[test]
fn only_what_is_authentic_counts() {
    let mut receiver = Unprotector::new(&short_lived(3));
    for number in 0..2 * LIFETIME_GRACE_PACKETS {
        let forged = [rtp(number as u16), vec![0; 10]].concat();
        assert_eq!(unprotect(&mut receiver, &forged), Err(UnprotectError::Tag));
    }
    assert_eq!(receiver.packets(), (0, 0));
}

/// Whether a packet with this key is heard at this time.
fn hears(hearing: &mut Hearing, sender: &mut Protector, number: u16, now_micros: u64) -> bool {
    let mut protected = protect(sender, &rtp(number));
    let length = hearing.unprotect_rtp(&mut protected, now_micros);
    length.map(|length| &protected[..length]) == Ok(&rtp(number)[..])
}

#[test]
fn the_key_before_is_heard_until_the_new_one_is_and_not_longer_than_its_time() {
    for is_used in [true, false] {
        let mut before = Protector::new(&other(1));
        let mut after = Protector::new(&other(2));
        let mut hearing = Hearing::new(&other(1));
        assert!(hears(&mut hearing, &mut before, 1, 0));
        hearing.change(&other(2), 100);
        assert_eq!(hearing.key(), &other(2));
        let mut forged = [rtp(2), vec![0; 10]].concat();
        let copy = forged.clone();
        assert!(hearing.unprotect_rtp(&mut forged, 100).is_err());
        assert_eq!(forged, copy);
        let end = 100 + FORMER_KEY_MICROS;
        assert!(hears(&mut hearing, &mut before, 2, end - 1));
        match is_used {
            true => {
                assert!(hears(&mut hearing, &mut after, 3, 200));
                assert!(!hears(&mut hearing, &mut before, 4, 201), "overtaken");
            }
            false => {
                assert!(!hears(&mut hearing, &mut before, 4, end), "too late");
                assert!(hears(&mut hearing, &mut after, 3, end));
            }
        }
    }
}

#[test]
fn a_key_that_was_never_heard_is_not_the_one_before() {
    let mut before = Protector::new(&other(1));
    let mut hearing = Hearing::new(&other(1));
    let first = protect(&mut before, &rtp(1));
    assert!(hearing.unprotect_rtp(&mut first.clone(), 0).is_ok());
    hearing.change(&other(2), 0);
    hearing.change(&other(3), 0);
    assert!(hears(&mut hearing, &mut before, 2, 1));
    // It comes back, and lets in nothing again.
    hearing.change(&other(1), 2);
    assert!(hearing.unprotect_rtp(&mut first.clone(), 3).is_err());
    assert!(hears(&mut hearing, &mut before, 3, 3));
    assert!(!hears(&mut hearing, &mut Protector::new(&other(3)), 4, 3));
}

#[test]
fn the_same_key_goes_on_where_it_stands_with_its_new_life() {
    let mut sender = Protector::new(&other(1));
    let mut hearing = Hearing::new(&other(1).with_lifetime(20).unwrap());
    let first = protect(&mut sender, &rtp(1));
    assert!(hearing.unprotect_rtp(&mut first.clone(), 0).is_ok());
    hearing.change(&other(1).with_lifetime(1).unwrap(), 0);
    assert!(hearing.unprotect_rtp(&mut first.clone(), 0).is_err());
    assert!(hearing.current_mut().take_old());
    // Reports are heard as voice is.
    let mut report = [&REPORT[..], &[0; 40]].concat();
    let length = sender.protect_rtcp(&mut report, REPORT.len()).unwrap();
    hearing.change(&other(2), 0);
    let heard = hearing.unprotect_rtcp(&mut report[..length], 1);
    assert_eq!(heard, Ok(REPORT.len()));
}
