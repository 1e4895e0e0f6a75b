//! How a call was, in numbers and in words. Computed from what was counted; nothing is measured here.

use core::time::Duration;

use fernamt_rtp::quality::{CodecImpairment, rate};
use serde::Serialize;

/// A loss of rating that nobody notices.
const UNNOTICED_RATING: f64 = 1.0;

/// The mean opinion score of one direction, and what costs most of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Score {
    /// 1 (bad) to about 4.4 (as good as G.711 gets), by the E-model (ITU-T G.107).
    pub mos: f64,
    /// The rating R that it comes from, 0 to 93.2.
    pub rating: f64,
    /// What costs most, in words.
    pub cause: String,
}

/// The tone that stood out over the call.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct HeardTone {
    /// Its frequency.
    pub frequency_hz: f64,
    /// Its level, below the loudest that there is.
    pub level_dbfs: f64,
    /// The share of the heard frames that had it, 0 to 1.
    pub share: f64,
}

/// What was counted and measured of one call.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Figures {
    /// RTP packets that the phone sent.
    pub packets_sent: u64,
    /// RTP packets that came, each counted once.
    pub packets_received: u64,
    /// Packets that should have come and did not.
    pub packets_lost: u64,
    /// Packets that came too late to be heard.
    pub packets_late: u64,
    /// Packets that came from strangers or were none, and were dropped.
    pub packets_dropped: u64,
    /// Packets that came from the right address and were not made with the key that was agreed on:
    /// forged, changed, or in clear. They were dropped.
    pub packets_unauthentic: u64,
    /// Interarrival jitter at the end (RFC 3550 section 6.4.1).
    pub jitter_ms: f64,
    /// The highest jitter.
    pub jitter_max_ms: f64,
    /// The round trip to the other end of the media, where its RTCP tells it.
    pub round_trip_ms: Option<f64>,
    /// What the jitter buffer adds.
    pub playout_delay_ms: f64,
    /// Packets that the other side misses, as its RTCP says.
    pub remote_packets_lost: Option<u64>,
    /// The jitter that the other side sees, as its RTCP says.
    pub remote_jitter_ms: Option<f64>,
    /// How what was heard sounded; `None` when nothing came.
    pub heard: Option<Score>,
    /// How the phone sounded at the other side; `None` without RTCP from there.
    pub sent: Option<Score>,
    /// The dominant tone heard.
    pub tone: Option<HeardTone>,
    /// The level of all that was heard; `None` when nothing came or all was silence.
    pub level_dbfs: Option<f64>,
    /// Keys that the other side pressed (RFC 4733).
    pub keys: String,
}

/// What the score of one direction is computed from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    /// From mouth to ear, as far as it is known.
    pub(super) delay: Duration,
    /// The share of packets not heard, 0 to 1.
    pub(super) loss_ratio: f64,
    /// Whether the delay of the network is in `delay`.
    pub(super) round_trip_known: bool,
}

/// Rates a line and finds what costs most.
pub(super) fn score(line: Line) -> Score {
    const BURST_RATIO: f64 = 1.0;
    let codec = CodecImpairment::G711_CONCEALED;
    let quality = rate(codec, line.delay, line.loss_ratio, BURST_RATIO);
    let best = rate(codec, Duration::ZERO, 0.0, BURST_RATIO).rating;
    let by_loss = best - rate(codec, Duration::ZERO, line.loss_ratio, BURST_RATIO).rating;
    let by_delay = best - rate(codec, line.delay, 0.0, BURST_RATIO).rating;
    let percent = line.loss_ratio * 100.0;
    let milliseconds = line.delay.as_millis();
    let mut cause = if by_loss < UNNOTICED_RATING && by_delay < UNNOTICED_RATING {
        if line.loss_ratio > 0.0 {
            format!("as good as G.711 gets; {percent:.2} % of the packets not heard")
        } else {
            "as good as G.711 gets".to_owned()
        }
    } else if by_loss >= by_delay {
        format!("{percent:.1} % of the packets not heard")
    } else {
        format!("{milliseconds} ms of delay from mouth to ear")
    };
    if !line.round_trip_known {
        cause.push_str("; the delay of the network is not known");
    }
    Score {
        mos: round(quality.mos),
        rating: round(quality.rating),
        cause,
    }
}

/// Two decimals are more than such figures mean.
pub(super) fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// Milliseconds with two decimals.
pub(super) fn milliseconds(duration: Duration) -> f64 {
    round(duration.as_secs_f64() * 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cause(delay_ms: u64, loss_ratio: f64) -> (f64, String) {
        let delay = Duration::from_millis(delay_ms);
        let score = score(Line {
            delay,
            loss_ratio,
            round_trip_known: true,
        });
        (score.mos, score.cause)
    }

    #[test]
    fn the_cause_is_what_costs_most() {
        assert_eq!(cause(40, 0.0), (4.41, "as good as G.711 gets".to_owned()));
        let (mos, words) = cause(40, 0.05);
        assert!((3.0..4.2).contains(&mos), "{mos}");
        assert_eq!(words, "5.0 % of the packets not heard");
        let (mos, words) = cause(400, 0.001);
        assert!(mos < 3.8, "{mos}");
        assert_eq!(words, "400 ms of delay from mouth to ear");
    }

    #[test]
    fn what_is_not_known_is_said() {
        let line = Line {
            delay: Duration::ZERO,
            loss_ratio: 0.0,
            round_trip_known: false,
        };
        assert!(
            score(line)
                .cause
                .ends_with("the delay of the network is not known")
        );
    }
}
