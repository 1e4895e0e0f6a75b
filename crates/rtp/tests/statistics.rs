//! What a receiver counts, and how a line is rated.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

use std::time::Duration;

use fernamt_rtp::quality::{CodecImpairment, mean_opinion_score, rate};
use fernamt_rtp::statistics::{Arrival, Receiver, ntp_middle, ntp_of_unix, round_trip};
use proptest::prelude::*;

/// Packets of 20 ms, on time, by their distance from the first.
fn feed(receiver: &mut Receiver, first: u16, packets: &[u16]) -> Vec<Arrival> {
    packets
        .iter()
        .map(|&n| {
            let at = u64::from(n) * 20_000;
            receiver.packet(first.wrapping_add(n), u32::from(n) * 160, at)
        })
        .collect()
}

#[test]
fn an_undisturbed_stream_has_neither_loss_nor_jitter() {
    let mut receiver = Receiver::new(8_000);
    assert!(!receiver.has_started());
    feed(&mut receiver, 65_500, &(0..100).collect::<Vec<_>>());
    let summary = receiver.summary();
    assert_eq!(
        (summary.received, summary.expected, summary.lost),
        (100, 100, 0)
    );
    assert_eq!(
        (summary.jitter, summary.max_jitter),
        (Duration::ZERO, Duration::ZERO)
    );
    assert_eq!(summary.loss_ratio(), 0.0);
    let report = receiver.report();
    assert_eq!((report.fraction, report.cumulative), (0, 0));
    assert_eq!(report.extended_highest, 65_500 + 99, "the cycle is counted");
}

#[test]
fn loss_reordering_and_duplicates_are_told_apart() {
    use Arrival::{Duplicate, InOrder, Reordered};
    let mut receiver = Receiver::new(8_000);
    let arrivals = feed(&mut receiver, 65_534, &[0, 1, 4, 3, 3, 4, 5, 9]);
    assert_eq!(
        arrivals,
        [
            InOrder, InOrder, InOrder, Reordered, Duplicate, Duplicate, InOrder, InOrder
        ]
    );
    receiver.count_late();
    let summary = receiver.summary();
    assert_eq!((summary.received, summary.expected), (8, 10));
    assert_eq!((summary.lost, summary.duplicates), (4, 2));
    assert_eq!((summary.reordered, summary.late), (1, 1));
    assert_eq!(summary.loss_ratio(), 0.5);
}

#[test]
fn a_report_tells_the_loss_since_the_last_one() {
    let mut receiver = Receiver::new(8_000);
    feed(&mut receiver, 0, &[0, 1, 2, 3, 4, 5, 6, 9]);
    let report = receiver.report();
    assert_eq!(
        (report.fraction, report.cumulative),
        (51, 2),
        "2 of 10 in 256ths"
    );
    feed(&mut receiver, 0, &[10, 11, 12, 13]);
    let report = receiver.report();
    assert_eq!((report.fraction, report.cumulative), (0, 2));
    assert_eq!(receiver.report().fraction, 0, "nothing was expected");
    feed(&mut receiver, 0, &[14, 17]);
    let report = receiver.report();
    assert_eq!(
        (report.fraction, report.cumulative),
        (128, 4),
        "2 of 4, and 4 in all"
    );
    feed(&mut receiver, 0, &[17; 5]);
    assert_eq!(
        receiver.report().cumulative,
        -1,
        "duplicates count as RFC 3550 says"
    );
}

#[test]
fn a_report_block_tells_when_the_last_sender_report_came() {
    let mut receiver = Receiver::new(8_000);
    feed(&mut receiver, 5, &[0, 1, 3]);
    let block = receiver.report_block(77, 1_000_000);
    assert_eq!(
        (block.ssrc, block.last_report, block.delay_since_last),
        (77, 0, 0)
    );
    assert_eq!((block.cumulative_lost, block.extended_highest), (1, 8));
    receiver.sender_report(0x1122_3344_5566_7788, 2_000_000);
    let block = receiver.report_block(77, 3_500_000);
    assert_eq!(
        (block.last_report, block.delay_since_last),
        (0x3344_5566, 98_304)
    );
    assert_eq!(
        receiver.report_block(77, u64::MAX).delay_since_last,
        u32::MAX
    );
}

/// RFC 3550 appendix A.8 by hand: one packet 10 ms late, then on time again.
#[test]
fn jitter_is_smoothed_as_rfc_3550_says() {
    let mut receiver = Receiver::new(8_000);
    receiver.packet(0, 0, 0);
    receiver.packet(1, 160, 30_000);
    assert_eq!(
        receiver.jitter_now(),
        Duration::from_micros(5 * 125),
        "80 ticks / 16"
    );
    receiver.packet(2, 320, 40_000);
    // 80 + 80 − (80 + 8) / 16 = 155 sixteenths.
    assert_eq!(receiver.jitter_now(), Duration::from_micros(9 * 125));
    let mut steady = Receiver::new(8_000);
    for n in 0..2_000u64 {
        let delay = if n.is_multiple_of(2) { 0 } else { 10_000 };
        steady.packet(n as u16, n as u32 * 160, n * 20_000 + delay);
    }
    let jitter = steady.summary().jitter.as_secs_f64() * 1_000.0;
    assert!(
        (jitter - 10.0).abs() < 0.2,
        "always 10 ms apart: {jitter} ms"
    );
}

#[test]
fn jumps_of_the_timestamp_and_packets_of_one_moment_are_no_jitter() {
    let mut receiver = Receiver::new(8_000);
    receiver.packet(0, 0, 0);
    receiver.packet(1, 0, 20_000);
    receiver.packet(2, 0, 40_000);
    receiver.packet(3, 480, 60_000);
    receiver.packet(4, 3_000_000_000, 80_000);
    receiver.packet(5, 3_000_000_160, 100_000);
    assert_eq!(receiver.summary().max_jitter, Duration::ZERO);
}

#[test]
fn a_stray_packet_is_not_believed_but_a_new_start_is() {
    let mut receiver = Receiver::new(8_000);
    feed(&mut receiver, 100, &[0, 1, 2]);
    assert_eq!(receiver.packet(40_000, 9_999, 60_000), Arrival::Outlier);
    assert_eq!(receiver.packet(103, 480, 60_000), Arrival::InOrder);
    assert_eq!(receiver.summary().received, 4);
    assert_eq!(receiver.packet(40_000, 9_999, 80_000), Arrival::Outlier);
    assert_eq!(receiver.packet(40_001, 10_159, 100_000), Arrival::Restarted);
    assert_eq!(receiver.packet(40_002, 10_319, 120_000), Arrival::InOrder);
    let summary = receiver.summary();
    assert_eq!(
        (summary.received, summary.expected, summary.lost),
        (6, 6, 0)
    );
}

#[test]
fn the_round_trip_is_that_of_rfc_3550_figure_2() {
    // 10 Nov 1995 11:33:25.125 and what followed, as in the figure: 6.125 s.
    assert_eq!(
        round_trip(0xb44d_b705_2000_0000 + (44 << 32), 0xb705_2000, 0x0005_4000),
        Some(Duration::from_micros(38_750_000))
    );
    let now = ((0xb710_u64 << 16 | 0x8000) << 16) | (0xb44d << 48);
    assert_eq!(
        round_trip(now, 0xb705_2000, 0x0005_4000),
        Some(Duration::from_micros(6_125_000))
    );
    assert_eq!(
        round_trip(now, 0, 0x0005_4000),
        None,
        "the peer had no report"
    );
    assert_eq!(
        round_trip(now, 0xb705_2000, 0x000c_0000),
        None,
        "it cannot be negative"
    );
}

#[test]
fn ntp_begins_in_1900() {
    assert_eq!(ntp_of_unix(0), 2_208_988_800 << 32);
    assert_eq!(ntp_of_unix(500_000), (2_208_988_800 << 32) + (1 << 31));
    assert_eq!(ntp_of_unix(-1_000_000), 2_208_988_799 << 32);
    assert_eq!(ntp_middle(0x1122_3344_5566_7788), 0x3344_5566);
}

/// Values of the E-model with all other parameters at their defaults.
#[test]
fn a_line_is_rated_as_g_107_rates_it() {
    let rated = |milliseconds, loss| {
        rate(
            CodecImpairment::G711,
            Duration::from_millis(milliseconds),
            loss,
            1.0,
        )
    };
    assert_eq!(rated(0, 0.0).rating, 93.2);
    assert!((rated(0, 0.0).mos - 4.41).abs() < 0.005);
    assert_eq!(rated(100, 0.0).rating, 93.2, "nobody hears 100 ms");
    // Ta = 400 ms: X = 2, Idd = 25 · (65^(1/6) − 3 · (1 + (2/3)^6)^(1/6) + 2) = 24.06….
    let delayed = rated(400, 0.0).rating;
    let expected =
        25.0 * (65f64.powf(1.0 / 6.0) - 3.0 * (1.0 + 64.0 / 729.0f64).powf(1.0 / 6.0) + 2.0);
    assert!((93.2 - delayed - expected).abs() < 1e-9);
    assert!((24.0..24.2).contains(&expected), "{expected}");
    // Ppl = 1 %: 95 · 1 / (1 + 4.3) = 17.92….
    assert!((rated(0, 0.01).rating - (93.2 - 95.0 / 5.3)).abs() < 1e-9);
    let concealed = rate(CodecImpairment::G711_CONCEALED, Duration::ZERO, 0.01, 1.0);
    assert!((concealed.rating - (93.2 - 95.0 / 26.1)).abs() < 1e-9);
    let bursts = rate(CodecImpairment::G711, Duration::ZERO, 0.05, 2.0);
    assert!(bursts.rating < rated(0, 0.05).rating);
}

#[test]
fn opinion_scores_are_those_of_annex_b() {
    // G.107 table B.1: R and MOS of the limits of user satisfaction.
    for (rating, mos) in [
        (90.0, 4.34),
        (80.0, 4.03),
        (70.0, 3.60),
        (60.0, 3.10),
        (50.0, 2.58),
    ] {
        assert!((mean_opinion_score(rating) - mos).abs() < 0.01, "{rating}");
    }
    assert_eq!(mean_opinion_score(-1.0), 1.0);
    assert_eq!(mean_opinion_score(100.0), 4.5);
}

proptest! {
    #[test]
    fn nothing_that_arrives_breaks_the_sums(
        packets in proptest::collection::vec((any::<u16>(), any::<u32>(), any::<u64>()), 0..300),
        rate_hz: u32,
    ) {
        let mut receiver = Receiver::new(rate_hz);
        for (sequence, timestamp, at) in packets {
            receiver.packet(sequence, timestamp, at);
            let _ = receiver.report();
        }
        let summary = receiver.summary();
        prop_assert!((0.0..=1.0).contains(&summary.loss_ratio()));
        prop_assert!(summary.duplicates <= summary.received);
    }

    #[test]
    fn any_order_and_loss_is_counted_right(
        start: u16,
        kept in proptest::sample::subsequence((1u16..90).collect::<Vec<_>>(), 1..89).prop_shuffle(),
    ) {
        let mut receiver = Receiver::new(8_000);
        let all: Vec<u16> = [0].into_iter().chain(kept.clone()).collect();
        feed(&mut receiver, start, &all);
        let expected = u64::from(*kept.iter().max().unwrap()) + 1;
        let summary = receiver.summary();
        prop_assert_eq!(summary.expected, expected);
        prop_assert_eq!(summary.lost, expected - all.len() as u64);
    }

    #[test]
    fn a_worse_line_is_never_rated_better(
        delay in 0u64..2_000, more_delay in 0u64..500, loss in 0.0..1.0f64, more_loss in 0.0..0.5f64,
    ) {
        let line = |delay, loss| {
            rate(CodecImpairment::G711, Duration::from_millis(delay), loss, 1.0)
        };
        let better = line(delay, loss);
        let worse = line(delay + more_delay, loss + more_loss);
        prop_assert!(worse.rating <= better.rating + 1e-9);
        prop_assert!((1.0..=4.5).contains(&worse.mos) && worse.mos <= better.mos + 1e-9);
    }
}

#[test]
fn jitter_stays_when_the_clock_changes_and_untimed_packets_are_counted_only() {
    let mut receiver = Receiver::new(8_000);
    let mut now_micros = 0;
    for sequence in 0..200_u16 {
        now_micros = u64::from(sequence) * 20_000 + u64::from(sequence % 2) * 5_000;
        receiver.packet(sequence, u32::from(sequence) * 160, now_micros);
    }
    let before = receiver.jitter_now();
    for sequence in 200..250_u16 {
        receiver.untimed_packet(sequence);
    }
    assert_eq!(receiver.jitter_now(), before);
    receiver.set_clock_rate(48_000);
    receiver.set_clock_rate(0);
    let difference = receiver.jitter_now().abs_diff(before);
    assert!(difference.as_micros() < 200, "{difference:?}");
    // The first packet of the other clock is compared with none before it.
    receiver.packet(250, 7_000_000, now_micros + 60_000_000);
    assert_eq!(receiver.jitter_now().abs_diff(before), difference);
    assert_eq!(receiver.summary().received, 251);
    assert_eq!(receiver.summary().lost, 0);
}
