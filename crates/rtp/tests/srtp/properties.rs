//! Any packets, any bytes, any order.

use fernamt_rtp::srtp::{Protector, Suite, Unprotector, WINDOW_PACKETS};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::ends::{ends, master, protect, rtp, rtp_of, unprotect, unprotect_rtcp};

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
