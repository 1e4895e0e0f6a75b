//! Time as this crate sees it: numbers that the caller passes in. There is no clock here.

use core::time::Duration;

/// Microseconds on the monotonic clock of the caller.
pub type Micros = u64;

/// Both clocks, read together by the caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// For durations and deadlines.
    pub micros: Micros,
    /// Milliseconds since 1970, for what must mean the same after a restart: nonces and
    /// time-limited credentials.
    pub unix_ms: u64,
}

impl Now {
    /// The point on the monotonic clock after `duration`.
    pub(crate) fn after(self, duration: Duration) -> Micros {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.micros.saturating_add(micros)
    }

    /// Whole seconds since 1970.
    pub(crate) const fn unix_seconds(self) -> u64 {
        self.unix_ms / 1000
    }
}
