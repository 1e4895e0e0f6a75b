//! The negotiation of session timers (RFC 4028): how long a call lasts when nobody refreshes it,
//! and who refreshes. The deadlines themselves are kept by the caller.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::header::{Refresher, SessionExpires};
use crate::message::{HeaderError, Message};

/// No Min-SE may be less (RFC 4028 section 5).
pub const LEAST_MIN_SE_SECONDS: u32 = 90;

/// A longer interval counts as this one; it is nearly a day.
pub const MAX_INTERVAL_SECONDS: u32 = 86_400;

/// How long before the end the side that does not refresh gives up (RFC 4028 section 10).
const LAST_MARGIN: Duration = Duration::from_secs(32);

/// What we want.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionTimerPolicy {
    /// The interval that we ask for, and grant where nothing else is asked for.
    pub interval_seconds: u32,
    /// The shortest interval that we take, at least [`LEAST_MIN_SE_SECONDS`].
    pub min_se_seconds: u32,
    /// Whether we want to refresh where we may choose.
    pub prefer_to_refresh: bool,
}

impl Default for SessionTimerPolicy {
    fn default() -> SessionTimerPolicy {
        SessionTimerPolicy {
            interval_seconds: 1800,
            min_se_seconds: LEAST_MIN_SE_SECONDS,
            prefer_to_refresh: true,
        }
    }
}

impl SessionTimerPolicy {
    fn min_se(&self) -> u32 {
        self.min_se_seconds
            .clamp(LEAST_MIN_SE_SECONDS, MAX_INTERVAL_SECONDS)
    }

    fn interval(&self) -> u32 {
        self.interval_seconds
            .clamp(self.min_se(), MAX_INTERVAL_SECONDS)
    }

    /// What a request of ours says.
    pub fn offer(&self) -> SessionTimerOffer {
        SessionTimerOffer {
            session_expires: Some(SessionExpires {
                seconds: self.interval(),
                refresher: None,
            }),
            min_se_seconds: Some(self.min_se()),
            is_supported: true,
        }
    }

    /// What a request of ours says after a 422 with this Min-SE (RFC 4028 section 7.3); `None` when
    /// that asks for no more than we asked for, so that asking again is pointless.
    pub fn offer_after_422(
        &self,
        offered: SessionTimerOffer,
        min_se_seconds: u32,
    ) -> Option<SessionTimerOffer> {
        let asked = offered.session_expires?.seconds;
        if min_se_seconds <= asked || min_se_seconds > MAX_INTERVAL_SECONDS {
            return None;
        }
        Some(SessionTimerOffer {
            session_expires: Some(SessionExpires {
                seconds: min_se_seconds,
                refresher: None,
            }),
            min_se_seconds: Some(min_se_seconds),
            is_supported: true,
        })
    }

    /// Answers a request of the peer (RFC 4028 section 9).
    pub fn answer(&self, offer: SessionTimerOffer) -> SessionTimerAnswer {
        let asked = offer.session_expires;
        let is_too_short = asked.is_some_and(|asked| asked.seconds < self.min_se());
        // A peer without session timers would not know what 422 wants.
        if is_too_short && offer.is_supported {
            return SessionTimerAnswer::TooShort {
                min_se_seconds: self.min_se(),
            };
        }
        let least = offer
            .min_se_seconds
            .unwrap_or(0)
            .clamp(self.min_se(), MAX_INTERVAL_SECONDS);
        let interval_seconds = match asked {
            // The interval may be made shorter on the way, never longer.
            Some(asked) if offer.is_supported => self.interval().max(least).min(asked.seconds),
            _ => self.interval().max(least),
        };
        let we_refresh = match asked.and_then(|asked| asked.refresher) {
            _ if !offer.is_supported => true,
            Some(Refresher::Uac) => false,
            Some(Refresher::Uas) => true,
            None => self.prefer_to_refresh,
        };
        let interval_seconds = interval_seconds.min(MAX_INTERVAL_SECONDS);
        SessionTimerAnswer::Agreed(SessionTimer {
            interval_seconds,
            we_refresh,
        })
    }

    /// What the 2xx to our request has settled (RFC 4028 section 7.2).
    ///
    /// A peer without session timers says nothing; then we refresh on our own, which tells a peer
    /// that is there from one that has gone.
    pub fn settle(
        &self,
        offered: SessionTimerOffer,
        response: Option<SessionExpires>,
    ) -> SessionTimer {
        let asked = offered
            .session_expires
            .map_or(self.interval(), |asked| asked.seconds);
        let Some(granted) = response else {
            return SessionTimer {
                interval_seconds: asked,
                we_refresh: true,
            };
        };
        // A peer must not go below what we said; one that does is not followed all the way.
        let interval_seconds = granted
            .seconds
            .clamp(LEAST_MIN_SE_SECONDS, MAX_INTERVAL_SECONDS);
        let we_refresh = granted.refresher != Some(Refresher::Uas);
        SessionTimer {
            interval_seconds,
            we_refresh,
        }
    }
}

/// What a request says about session timers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionTimerOffer {
    /// Session-Expires.
    pub session_expires: Option<SessionExpires>,
    /// Min-SE.
    pub min_se_seconds: Option<u32>,
    /// `timer` in Supported or Require.
    pub is_supported: bool,
}

impl SessionTimerOffer {
    /// Reads what a request says.
    ///
    /// # Errors
    /// When Session-Expires or Min-SE cannot be read.
    pub fn of(request: &Message<'_>) -> Result<SessionTimerOffer, HeaderError> {
        let is_supported =
            request.supported().has_option("timer") || request.require().has_option("timer");
        Ok(SessionTimerOffer {
            session_expires: request.session_expires()?,
            min_se_seconds: request.min_se()?,
            is_supported,
        })
    }
}

/// How a request of the peer is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionTimerAnswer {
    /// With 422 and this Min-SE.
    TooShort {
        /// The shortest interval that we take.
        min_se_seconds: u32,
    },
    /// With a 2xx that says so; see [`SessionTimer::response_header`].
    Agreed(SessionTimer),
}

/// What was agreed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionTimer {
    /// The session ends when it is not refreshed for so long.
    pub interval_seconds: u32,
    /// Whether we refresh, or the peer.
    pub we_refresh: bool,
}

impl SessionTimer {
    /// The Session-Expires of our 2xx to the peer's request.
    pub fn response_header(&self) -> SessionExpires {
        let refresher = if self.we_refresh {
            Refresher::Uas
        } else {
            Refresher::Uac
        };
        SessionExpires {
            seconds: self.interval_seconds,
            refresher: Some(refresher),
        }
    }

    /// Whether our 2xx must say `Require: timer`: the peer has to refresh (RFC 4028 section 9).
    pub fn response_requires_timer(&self) -> bool {
        !self.we_refresh
    }

    /// The Session-Expires of a refresh that we send: the roles stay as they are (RFC 4028 section
    /// 7.4).
    pub fn refresh_header(&self) -> SessionExpires {
        let refresher = if self.we_refresh {
            Refresher::Uac
        } else {
            Refresher::Uas
        };
        SessionExpires {
            seconds: self.interval_seconds,
            refresher: Some(refresher),
        }
    }

    /// When to refresh, after the last refresh or the beginning: half the interval.
    pub fn refresh_after(&self) -> Duration {
        Duration::from_secs(u64::from(self.interval_seconds)) / 2
    }

    /// When to end the session with BYE, after the last refresh or the beginning: shortly before
    /// the interval is over (RFC 4028 section 10).
    pub fn end_after(&self) -> Duration {
        let interval = Duration::from_secs(u64::from(self.interval_seconds));
        interval - LAST_MARGIN.min(interval / 3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: SessionTimerPolicy = SessionTimerPolicy {
        interval_seconds: 1800,
        min_se_seconds: 90,
        prefer_to_refresh: true,
    };

    fn offer(seconds: Option<u32>, refresher: Option<Refresher>) -> SessionTimerOffer {
        SessionTimerOffer {
            session_expires: seconds.map(|seconds| SessionExpires { seconds, refresher }),
            min_se_seconds: None,
            is_supported: true,
        }
    }

    fn agreed(interval_seconds: u32, we_refresh: bool) -> SessionTimerAnswer {
        SessionTimerAnswer::Agreed(SessionTimer {
            interval_seconds,
            we_refresh,
        })
    }

    #[test]
    fn requests_are_answered_as_table_2_of_rfc_4028_says() {
        let old = SessionTimerOffer::default();
        let old_but_inserted = SessionTimerOffer {
            is_supported: false,
            ..offer(Some(60), None)
        };
        let patient = SessionTimerOffer {
            min_se_seconds: Some(3000),
            ..offer(Some(4000), None)
        };
        for (offer, answer) in [
            (old, agreed(1800, true)),
            (old_but_inserted, agreed(1800, true)),
            (offer(None, None), agreed(1800, true)),
            (offer(Some(600), None), agreed(600, true)),
            (offer(Some(600), Some(Refresher::Uac)), agreed(600, false)),
            (offer(Some(600), Some(Refresher::Uas)), agreed(600, true)),
            (offer(Some(7200), None), agreed(1800, true)),
            (patient, agreed(3000, true)),
            (offer(Some(90), None), agreed(90, true)),
            (
                offer(Some(89), None),
                SessionTimerAnswer::TooShort { min_se_seconds: 90 },
            ),
            (
                offer(Some(0), None),
                SessionTimerAnswer::TooShort { min_se_seconds: 90 },
            ),
            (offer(Some(u32::MAX), None), agreed(1800, true)),
        ] {
            assert_eq!(POLICY.answer(offer), answer, "{offer:?}");
        }
        let lazy = SessionTimerPolicy {
            prefer_to_refresh: false,
            ..POLICY
        };
        assert_eq!(lazy.answer(offer(Some(600), None)), agreed(600, false));
        assert_eq!(lazy.answer(old), agreed(1800, true));
    }

    #[test]
    fn a_policy_out_of_range_is_brought_into_it() {
        let odd = SessionTimerPolicy {
            interval_seconds: 1,
            min_se_seconds: 1,
            ..POLICY
        };
        assert_eq!(
            odd.offer().session_expires.map(|offer| offer.seconds),
            Some(90)
        );
        assert_eq!(odd.answer(SessionTimerOffer::default()), agreed(90, true));
        let long = SessionTimerPolicy {
            interval_seconds: u32::MAX,
            ..POLICY
        };
        assert_eq!(
            long.answer(offer(Some(u32::MAX), None)),
            agreed(MAX_INTERVAL_SECONDS, true)
        );
    }

    #[test]
    fn a_422_makes_the_next_offer_longer_once() {
        let first = POLICY.offer();
        let second = POLICY.offer_after_422(first, 3600).unwrap();
        assert_eq!(
            second.session_expires.map(|offer| offer.seconds),
            Some(3600)
        );
        assert_eq!(second.min_se_seconds, Some(3600));
        assert_eq!(POLICY.offer_after_422(second, 3600), None);
        assert_eq!(POLICY.offer_after_422(first, 1800), None);
        assert_eq!(
            POLICY.offer_after_422(first, MAX_INTERVAL_SECONDS + 1),
            None
        );
    }

    #[test]
    fn a_response_settles_interval_and_refresher() {
        let offered = POLICY.offer();
        let settle = |response: Option<(u32, Option<Refresher>)>| {
            let response =
                response.map(|(seconds, refresher)| SessionExpires { seconds, refresher });
            let settled = POLICY.settle(offered, response);
            (settled.interval_seconds, settled.we_refresh)
        };
        assert_eq!(settle(None), (1800, true));
        assert_eq!(settle(Some((600, Some(Refresher::Uas)))), (600, false));
        assert_eq!(settle(Some((600, Some(Refresher::Uac)))), (600, true));
        assert_eq!(settle(Some((600, None))), (600, true));
        assert_eq!(settle(Some((1, None))), (90, true));
    }

    #[test]
    fn roles_are_named_by_the_request_that_they_stand_in() {
        let ours = SessionTimer {
            interval_seconds: 90,
            we_refresh: true,
        };
        assert_eq!(ours.response_header().to_string(), "90;refresher=uas");
        assert_eq!(ours.refresh_header().to_string(), "90;refresher=uac");
        assert!(!ours.response_requires_timer());
        let theirs = SessionTimer {
            we_refresh: false,
            ..ours
        };
        assert_eq!(theirs.response_header().to_string(), "90;refresher=uac");
        assert!(theirs.response_requires_timer());
    }

    #[test]
    fn refreshes_come_at_half_time_and_the_end_before_the_end() {
        let timer = |interval_seconds| SessionTimer {
            interval_seconds,
            we_refresh: true,
        };
        assert_eq!(timer(1800).refresh_after(), Duration::from_secs(900));
        assert_eq!(timer(1800).end_after(), Duration::from_secs(1768));
        assert_eq!(timer(90).end_after(), Duration::from_secs(60));
    }
}
