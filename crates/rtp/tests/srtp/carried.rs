//! What protection adds to packets, and what it leaves readable; keys and suites.

use fernamt_rtp::srtp::{
    MAX_MKI_BYTES, MAX_OVERHEAD_BYTES, MasterKey, MasterKeyError, ProtectError, Protector, Suite,
    UnprotectError, Unprotector,
};

use crate::ends::{
    LARGEST, REPORT, SSRC, ends, master, protect, protect_rtcp, rtcp, rtp, rtp_of, try_protect,
    unprotect, unprotect_rtcp,
};

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
            assert_eq!(
                sender.rtcp_overhead(),
                suite.rtcp_tag_bytes() + 4 + mki.len()
            );
            assert_eq!(protected[..8], plain[..8]);
            assert_ne!(protected[8..plain.len()], plain[8..]);
            assert_eq!(unprotect_rtcp(&mut receiver, &protected), Ok(plain));
        }
    }
}

#[test]
fn suites_have_the_names_of_sdes() {
    for suite in Suite::ALL {
        assert_eq!(Suite::from_name(suite.name()), Some(suite));
    }
    assert_eq!(Suite::from_name("F8_128_HMAC_SHA1_80"), None);
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
fn client_and_server_of_dtls_have_a_key_each() {
    for suite in Suite::ALL {
        let (key, salt) = (suite.key_bytes(), suite.salt_bytes());
        let parts = [vec![1; key], vec![2; key], vec![3; salt], vec![4; salt]];
        let exported = parts.concat();
        assert_eq!(exported.len(), suite.exported_bytes());
        let (client, server) = MasterKey::pair_from_dtls(suite, &exported).unwrap();
        assert_eq!(client.inline(), [&parts[0][..], &parts[2]].concat());
        assert_eq!(server.inline(), [&parts[1][..], &parts[3]].concat());
        for length in [0, key, exported.len() - 1] {
            let refused = MasterKey::pair_from_dtls(suite, &exported[..length]);
            assert_eq!(refused, Err(MasterKeyError::Length));
        }
        let longer = [&exported[..], &[0]].concat();
        let refused = MasterKey::pair_from_dtls(suite, &longer);
        assert_eq!(refused, Err(MasterKeyError::Length));
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
