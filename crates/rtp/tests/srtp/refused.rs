//! What does not get in and what is not sent, most of it attacks on other systems.

use fernamt_rtp::srtp::{
    MAX_HEARD_SOURCES, MasterKey, Position, ProtectError, Protector, Suite, UnprotectError,
    Unprotector, WINDOW_PACKETS,
};

use crate::ends::{
    REPORT, SSRC, ends, master, protect, protect_rtcp, rollover, rtcp, rtp, rtp_of, try_protect,
    unprotect, unprotect_rtcp,
};

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
        rollover(receiver.positions(), 1),
        Some(0),
        "a forged source replaces none"
    );

    let protected = protect(&mut sender, &rtp_of(1_000, 1, &[1; 20]));
    assert!(unprotect(&mut receiver, &protected).is_ok());
    assert_eq!(receiver.positions().count(), MAX_HEARD_SOURCES);
    assert_eq!(rollover(receiver.positions(), 1_000), Some(0));
    assert_eq!(rollover(receiver.positions(), 1), None);
    assert_eq!(
        rollover(receiver.positions(), 0),
        Some(0),
        "was heard again meanwhile"
    );
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
