//! The jitter buffer under virtual time.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

use std::time::Duration;

use fernamt_rtp::playout::{
    Delay, FRAME_SAMPLES, Inserted, MAX_DELAY_FRAMES, MAX_PACKET_SAMPLES, Played, Playout,
};
use proptest::prelude::*;

/// A packet that can be recognised by its samples; loud, so that it is never left out as quiet.
fn voice(n: i16) -> [i16; FRAME_SAMPLES] {
    [10_000 + n; FRAME_SAMPLES]
}

fn insert(playout: &mut Playout, n: u32) -> Inserted {
    playout.insert(n * 160, false, &voice(n as i16))
}

/// What comes out: the number of a packet, or what it is instead.
#[derive(Debug, PartialEq, Clone, Copy)]
enum Out {
    Packet(i16),
    Lost,
    Silence,
}

fn pull(playout: &mut Playout) -> Out {
    let mut frame = [1; FRAME_SAMPLES];
    match playout.pull(&mut frame) {
        Played::Voice => Out::Packet(frame[80] - 10_000),
        Played::Lost => Out::Lost,
        Played::Silence => Out::Silence,
    }
}

fn pulls(playout: &mut Playout, count: usize) -> Vec<Out> {
    (0..count).map(|_| pull(playout)).collect()
}

use Out::{Lost, Packet, Silence};

#[test]
fn packets_are_heard_in_order_after_the_delay() {
    let mut playout = Playout::new(Delay::Fixed(2));
    assert_eq!(pull(&mut playout), Silence, "nothing came yet");
    for n in [0, 2, 1, 3] {
        assert_eq!(insert(&mut playout, n), Inserted::InTime);
    }
    assert_eq!(playout.buffered(), Duration::from_millis(120));
    assert_eq!(
        pulls(&mut playout, 7),
        [
            Silence,
            Silence,
            Packet(0),
            Packet(1),
            Packet(2),
            Packet(3),
            Silence
        ]
    );
    assert_eq!(playout.counters().voice_frames, 4);
    assert_eq!(playout.buffered(), Duration::ZERO);
}

#[test]
fn a_missing_packet_is_lost_and_a_missing_stream_is_silence() {
    let mut playout = Playout::new(Delay::Fixed(1));
    for n in [0, 1, 3] {
        insert(&mut playout, n);
    }
    assert_eq!(
        pulls(&mut playout, 6),
        [Silence, Packet(0), Packet(1), Lost, Packet(3), Silence]
    );
    assert_eq!(insert(&mut playout, 2), Inserted::Late);
    assert_eq!(playout.counters().late_packets, 1);
}

#[test]
fn packets_of_any_length_become_frames_of_20_ms() {
    let mut playout = Playout::new(Delay::Fixed(0));
    for n in 0..4u32 {
        playout.insert(n * 240, false, &[n as i16 + 1; 240]);
    }
    let mut heard = Vec::new();
    for _ in 0..6 {
        let mut frame = [0; FRAME_SAMPLES];
        assert_eq!(playout.pull(&mut frame), Played::Voice);
        heard.extend(frame);
    }
    let expected: Vec<i16> = (1..5).flat_map(|n| [n; 240]).collect();
    assert_eq!(heard, expected);
}

#[test]
fn a_packet_that_is_empty_or_too_long_is_refused() {
    let mut playout = Playout::new(Delay::Fixed(1));
    assert_eq!(playout.insert(0, false, &[]), Inserted::Refused);
    assert_eq!(
        playout.insert(0, false, &[0; MAX_PACKET_SAMPLES + 1]),
        Inserted::Refused
    );
    assert_eq!(
        playout.insert(0, false, &[0; MAX_PACKET_SAMPLES]),
        Inserted::InTime
    );
}

#[test]
fn a_jump_of_the_timestamps_starts_the_stream_anew() {
    let mut playout = Playout::new(Delay::Fixed(1));
    insert(&mut playout, 0);
    pulls(&mut playout, 2);
    assert_eq!(
        playout.insert(4_000_000_000, false, &voice(7)),
        Inserted::Restarted
    );
    assert_eq!(pulls(&mut playout, 2), [Silence, Packet(7)]);
    assert_eq!(playout.counters().restarts, 1);
}

#[test]
fn timestamps_wrap() {
    let mut playout = Playout::new(Delay::Fixed(1));
    for n in 0..4 {
        let timestamp = (u32::MAX - 200).wrapping_add(n * 160);
        playout.insert(timestamp, false, &voice(n as i16));
    }
    assert_eq!(
        pulls(&mut playout, 5),
        [Silence, Packet(0), Packet(1), Packet(2), Packet(3)]
    );
}

#[test]
fn silence_suppression_is_silence_and_talk_begins_with_the_delay_again() {
    let mut playout = Playout::new(Delay::Adaptive(2, 10));
    insert(&mut playout, 0);
    assert_eq!(pulls(&mut playout, 3), [Silence, Silence, Packet(0)]);
    assert_eq!(pulls(&mut playout, 10), [Silence; 10]);
    // A packet with the marker, for this very moment.
    assert_eq!(playout.insert(13 * 160, true, &voice(13)), Inserted::InTime);
    assert_eq!(pulls(&mut playout, 3), [Silence, Silence, Packet(13)]);
    assert_eq!(playout.counters().lost_frames, 0);
}

/// One packet is 80 ms late: the delay grows by what was missing and nothing else is lost.
#[test]
fn the_adaptive_delay_grows_when_packets_come_late() {
    let mut playout = Playout::new(Delay::Adaptive(1, 10));
    let mut heard = Vec::new();
    for now in 0..40u32 {
        // From packet 10 on everything arrives four frames later.
        if now < 10 {
            insert(&mut playout, now);
        } else if now >= 14 {
            insert(&mut playout, now - 4);
        }
        heard.push(pull(&mut playout));
    }
    let counters = playout.counters();
    assert_eq!(
        counters.stretched_frames, 3,
        "80 ms are one frame of delay and three more"
    );
    assert_eq!(counters.late_packets, 3, "those whose time was over");
    assert_eq!(playout.delay(), Duration::from_millis(80));
    assert!(
        heard.ends_with(&[Packet(33), Packet(34), Packet(35)][..]),
        "{heard:?}"
    );
    assert!(
        heard[20..].iter().all(|out| matches!(out, Packet(_))),
        "{heard:?}"
    );
}

#[test]
fn the_adaptive_delay_does_not_grow_beyond_its_limit() {
    let mut playout = Playout::new(Delay::Adaptive(1, 3));
    let mut heard = Vec::new();
    for now in 0..200u32 {
        // Every second packet comes eight frames late.
        insert(&mut playout, now / 2 * 2 + 1);
        if now >= 8 {
            insert(&mut playout, (now - 8) / 2 * 2);
        }
        heard.push(pull(&mut playout));
    }
    assert_eq!(playout.delay(), Duration::from_millis(60));
    assert!(
        playout.counters().stretched_frames <= 4,
        "{:?}",
        playout.counters()
    );
    let odd = heard[20..]
        .iter()
        .filter(|out| matches!(out, Packet(n) if n % 2 == 1))
        .count();
    assert_eq!(odd, 90, "those that are in time are all heard");
    let wide = Playout::new(Delay::Adaptive(500, 1_000));
    assert_eq!(
        wide.delay(),
        Duration::from_millis(u64::from(MAX_DELAY_FRAMES) * 20)
    );
    assert_eq!(Playout::new(Delay::Fixed(500)).delay(), wide.delay());
}

#[test]
fn a_stream_that_is_always_late_begins_anew() {
    for delay in [Delay::Fixed(1), Delay::Adaptive(1, 3)] {
        let mut playout = Playout::new(delay);
        insert(&mut playout, 0);
        pulls(&mut playout, 30);
        let mut heard = Vec::new();
        for n in 1..60 {
            insert(&mut playout, n);
            heard.push(pull(&mut playout));
        }
        assert!(
            matches!(heard[40..], [Packet(_), ..]),
            "{delay:?}: {heard:?}"
        );
        assert!(
            heard[40..].iter().all(|out| matches!(out, Packet(_))),
            "{delay:?}: {heard:?}"
        );
    }
}

#[test]
fn the_adaptive_delay_shrinks_when_packets_keep_coming_early() {
    let mut playout = Playout::new(Delay::Adaptive(6, 10));
    let mut lost = 0;
    for n in 0..2_000 {
        insert(&mut playout, n);
        lost += u32::from(pull(&mut playout) == Lost);
    }
    assert_eq!(lost, 0);
    let skipped = playout.counters().skipped_frames;
    assert!(
        (4..=5).contains(&skipped),
        "one frame is left out at a time: {skipped}"
    );
    assert!(playout.delay() <= Duration::from_millis(40));
    assert!(playout.buffered() <= Duration::from_millis(40));
}

#[test]
fn a_quiet_frame_is_left_out_before_a_loud_one() {
    let mut playout = Playout::new(Delay::Adaptive(6, 10));
    let mut frame = [0; FRAME_SAMPLES];
    let mut loud_heard = 0;
    for n in 0..300u32 {
        let loud = n % 10 != 0;
        let samples = if loud { voice(1) } else { [3; FRAME_SAMPLES] };
        playout.insert(n * 160, false, &samples);
        playout.pull(&mut frame);
        loud_heard += u32::from(frame[0] == 10_001);
    }
    assert_eq!(playout.counters().skipped_frames, 5);
    let waiting = (playout.buffered().as_millis() / 20) as u32;
    let loud_waiting = (300 - waiting..300).filter(|n| n % 10 != 0).count() as u32;
    assert_eq!(loud_heard + loud_waiting, 270, "every loud frame is heard");
}

/// A sender's clock that is 0.5 % fast or slow: followed without end, with little to hear.
#[test]
fn clocks_that_drift_are_followed() {
    for drift in [-5i64, 5] {
        let mut playout = Playout::new(Delay::Adaptive(2, 10));
        let mut frame = [0; FRAME_SAMPLES];
        let mut sent = 0u32;
        for now in 0..20_000i64 {
            let due = (now * (1_000 + drift)) / 1_000;
            while i64::from(sent) <= due {
                playout.insert(sent.wrapping_mul(160), false, &voice((sent % 1_000) as i16));
                sent += 1;
            }
            playout.pull(&mut frame);
        }
        let counters = *playout.counters();
        let disturbed = counters.lost_frames + counters.skipped_frames + counters.silent_frames;
        assert!(disturbed < 220, "100 frames of drift: {counters:?}");
        assert!(
            playout.buffered() < Duration::from_millis(300),
            "{:?}",
            playout.buffered()
        );
        assert_eq!(counters.restarts, 0);
    }
}

proptest! {
    #[test]
    fn nothing_that_arrives_breaks_the_buffer(
        actions in proptest::collection::vec(
            (any::<u32>(), 0u32..4_000, any::<bool>(), 0usize..1_000, 0u8..3), 0..200),
        adaptive: bool,
    ) {
        let delay = if adaptive { Delay::Adaptive(2, 10) } else { Delay::Fixed(2) };
        let mut playout = Playout::new(delay);
        let mut frame = [0; FRAME_SAMPLES];
        for (wild, near, marker, length, action) in actions {
            match action {
                0 => { playout.insert(wild, marker, &vec![1; length]); }
                1 => { playout.insert(near, marker, &vec![1; length]); }
                _ => { playout.pull(&mut frame); }
            }
            prop_assert!(playout.buffered() <= Duration::from_millis(1_024));
            prop_assert!(playout.delay() <= Duration::from_millis(200));
        }
    }

    /// Whatever the network does, what is heard is in order and nothing is heard twice.
    #[test]
    fn what_is_heard_is_in_order(delays in proptest::collection::vec(0u32..8, 10..200)) {
        let mut playout = Playout::new(Delay::Adaptive(2, 10));
        let mut last = -1;
        for now in 0..delays.len() as u32 + 10 {
            for (n, delay) in (0u32..).zip(&delays) {
                if n + delay == now {
                    insert(&mut playout, n);
                }
            }
            if let Packet(n) = pull(&mut playout) {
                prop_assert!(n > last, "{n} after {last}");
                last = n;
            }
        }
    }
}
