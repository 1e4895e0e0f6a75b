//! How a line sounds by calculation: the E-model (ITU-T G.107) with its default values, from
//! delay and loss alone; no signal is heard.
//!
//! With every parameter but delay and loss at its default, the transmission rating is
//! `R = 93.2 − Id(Ta) − Ie,eff(Ppl)`, where
//!
//! * `Id` is the impairment by delay. Echo is assumed to be cancelled, so that only the absolute
//!   delay `Ta` counts (G.107 equation 7-27): nothing up to 100 ms, then
//!   `Idd = 25 · { (1 + X⁶)^(1/6) − 3 · (1 + (X/3)⁶)^(1/6) + 2 }` with `X = log₂(Ta / 100 ms)`.
//! * `Ie,eff = Ie + (95 − Ie) · Ppl / (Ppl / BurstR + Bpl)` is the impairment by codec and loss
//!   (equation 7-29), `Ppl` in percent.
//! * The mean opinion score follows from R by Annex B.

use core::time::Duration;

/// How a codec bears loss (ITU-T G.113 appendix I).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CodecImpairment {
    /// `Ie`, without loss.
    pub equipment: f64,
    /// `Bpl`, the robustness against loss.
    pub loss_robustness: f64,
}

impl CodecImpairment {
    /// G.711 without concealment.
    pub const G711: CodecImpairment = CodecImpairment {
        equipment: 0.0,
        loss_robustness: 4.3,
    };

    /// G.711 with concealment (G.711 appendix I).
    pub const G711_CONCEALED: CodecImpairment = CodecImpairment {
        equipment: 0.0,
        loss_robustness: 25.1,
    };
}

/// The rating of a line with all parameters at their defaults (G.107 section 7.7).
pub const BEST_RATING: f64 = 93.2;

/// What a line is rated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quality {
    /// R, 0 to 93.2 here.
    pub rating: f64,
    /// The mean opinion score of a conversation, 1 to 4.41 here.
    pub mos: f64,
}

/// Rates a line.
///
/// `delay` is from mouth to ear: half the round trip, the jitter buffer and the packet time.
/// `loss_ratio` is the share of packets not heard, 0 to 1. `burst_ratio` is 1 for losses at random
/// and more for losses in bursts.
pub fn rate(codec: CodecImpairment, delay: Duration, loss_ratio: f64, burst_ratio: f64) -> Quality {
    let loss = impairment_by_loss(codec, loss_ratio, burst_ratio);
    let rating = (BEST_RATING - impairment_by_delay(delay) - loss).clamp(0.0, 100.0);
    Quality {
        rating,
        mos: mean_opinion_score(rating),
    }
}

/// `Idd`: what the absolute delay takes away.
fn impairment_by_delay(delay: Duration) -> f64 {
    let milliseconds = delay.as_secs_f64() * 1_000.0;
    if milliseconds <= 100.0 {
        return 0.0;
    }
    let x = (milliseconds / 100.0).log2();
    let bend = |value: f64| (1.0 + value.powi(6)).powf(1.0 / 6.0);
    25.0 * (bend(x) - 3.0 * bend(x / 3.0) + 2.0)
}

/// `Ie,eff`: what codec and loss take away.
fn impairment_by_loss(codec: CodecImpairment, loss_ratio: f64, burst_ratio: f64) -> f64 {
    let percent = if loss_ratio.is_finite() {
        loss_ratio.clamp(0.0, 1.0) * 100.0
    } else {
        100.0
    };
    let burst = if burst_ratio.is_finite() {
        burst_ratio.max(1.0)
    } else {
        1.0
    };
    codec.equipment + (95.0 - codec.equipment) * percent / (percent / burst + codec.loss_robustness)
}

/// The mean opinion score of a rating (G.107 Annex B).
pub fn mean_opinion_score(rating: f64) -> f64 {
    if rating <= 0.0 {
        return 1.0;
    }
    if rating >= 100.0 {
        return 4.5;
    }
    // Just above 0 the polynomial falls below the worst score there is.
    (1.0 + 0.035 * rating + rating * (rating - 60.0) * (100.0 - rating) * 7e-6).max(1.0)
}
