//! The two clocks of the operating system as the exchange wants them. Read once per batch.

use fernamt_sip::time::{Now, Time, UnixTime};
use rustix::time::{ClockId, clock_gettime};

/// Added to the monotonic clock, so that its origin lies years before any call that is picked up
/// after a restart or a reboot: points before the origin cannot be told apart.
const ORIGIN_MICROS: u64 = 1 << 48;

/// Reads both clocks.
pub fn now() -> Now {
    let unix = clock_gettime(ClockId::Realtime);
    let micros = unix
        .tv_sec
        .saturating_mul(1_000_000)
        .saturating_add(unix.tv_nsec / 1000);
    Now {
        time: monotonic(),
        unix: UnixTime::from_micros(micros),
    }
}

/// Reads the monotonic clock.
pub(crate) fn monotonic() -> Time {
    let since_boot = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(since_boot.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(since_boot.tv_nsec).unwrap_or(0);
    Time::from_micros(
        ORIGIN_MICROS.saturating_add(seconds.saturating_mul(1_000_000)) + nanos / 1000,
    )
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;

    #[test]
    fn a_call_of_last_month_lies_after_the_origin() {
        let now = now();
        let answered = UnixTime::from_micros(now.unix.as_micros() - 30 * 86_400 * 1_000_000);
        let passed = now.time.since(now.time_at(answered));
        assert_eq!(passed, Duration::from_secs(30 * 86_400));
    }
}
