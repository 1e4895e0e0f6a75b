//! A packet takes nothing from the heap: every allocation is counted.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

#[path = "../../sip/tests/counting/mod.rs"]
mod counting;

use counting::allocations;
use fernamt_rtp::packet::Header;
use fernamt_rtp::srtp::{MasterKey, Protector, Suite, Unprotector};

#[test]
fn protecting_and_unprotecting_allocates_nothing() {
    for suite in Suite::ALL {
        let master = MasterKey::new(suite, &vec![1; suite.inline_bytes()]).unwrap();
        let (mut sender, mut receiver) = (Protector::new(&master), Unprotector::new(&master));
        let mut buffer = [0; 300];
        let count = allocations(|| {
            for number in 0..10_000u32 {
                let header = Header {
                    sequence: number as u16,
                    ssrc: number % 2,
                    ..Header::default()
                };
                let length = header.write(&[7; 160], &mut buffer).unwrap();
                let protected = sender.protect_rtp(&mut buffer, length).unwrap();
                assert_eq!(receiver.unprotect_rtp(&mut buffer[..protected]), Ok(length));
                let report = [0x80, 201, 0, 1, 0, 0, 0, (number % 2) as u8];
                buffer[..8].copy_from_slice(&report);
                let protected = sender.protect_rtcp(&mut buffer, 8).unwrap();
                assert_eq!(receiver.unprotect_rtcp(&mut buffer[..protected]), Ok(8));
                // What is refused costs nothing either.
                assert!(receiver.unprotect_rtcp(&mut buffer[..protected]).is_err());
            }
        });
        assert_eq!(count, 0, "{suite:?}");
    }
}

#[test]
fn a_context_is_small() {
    // A relayed stream has at most 8 KiB: a context on each side, and what else it needs.
    assert!(size_of::<Protector>() + size_of::<Unprotector>() <= 4_096);
}
