//! Time as the pure crates see it: numbers that the caller passes in. There is no clock here.

use core::fmt;
use core::ops::{Add, Sub};
use core::time::Duration;

use serde::{Deserialize, Serialize};

/// A point on the monotonic clock of the process, in microseconds since an arbitrary origin.
///
/// Durations and deadlines are computed from this value only; it never jumps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

impl Time {
    /// The origin of the clock.
    pub const ZERO: Time = Time(0);

    /// The point `micros` microseconds after the origin.
    pub const fn from_micros(micros: u64) -> Time {
        Time(micros)
    }

    /// Microseconds since the origin.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// The time that has passed since `earlier`, or zero when `earlier` is later.
    pub const fn since(self, earlier: Time) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Time {
    type Output = Time;

    fn add(self, duration: Duration) -> Time {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        Time(self.0.saturating_add(micros))
    }
}

impl Sub<Duration> for Time {
    type Output = Time;

    fn sub(self, duration: Duration) -> Time {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        Time(self.0.saturating_sub(micros))
    }
}

/// A point in civil time, in microseconds since 1970-01-01T00:00:00Z without leap seconds.
///
/// For records that people and other systems read, and for what must mean the same after a
/// restart. It can jump; nothing is timed with it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct UnixTime(i64);

impl UnixTime {
    /// The point `micros` microseconds after the epoch.
    pub const fn from_micros(micros: i64) -> UnixTime {
        UnixTime(micros)
    }

    /// Microseconds since the epoch.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch.
    pub const fn as_seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// The time that has passed since `earlier`, or zero when `earlier` is later.
    pub fn since(self, earlier: UnixTime) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl Add<Duration> for UnixTime {
    type Output = UnixTime;

    fn add(self, duration: Duration) -> UnixTime {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        UnixTime(self.0.saturating_add(micros))
    }
}

/// Both clocks, read together by the shell once per batch of input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// For durations and deadlines.
    pub time: Time,
    /// For records.
    pub unix: UnixTime,
}

impl Now {
    /// The civil time that corresponds to `time` on the monotonic clock, as seen from this moment.
    pub fn unix_at(self, time: Time) -> UnixTime {
        let offset = i128::from(time.as_micros()) - i128::from(self.time.as_micros());
        let micros = i128::from(self.unix.as_micros()) + offset;
        UnixTime(i64::try_from(micros).unwrap_or(if micros < 0 { i64::MIN } else { i64::MAX }))
    }

    /// The point on the monotonic clock that corresponds to the civil time `unix`.
    ///
    /// Points before the origin of the monotonic clock become the origin.
    pub fn time_at(self, unix: UnixTime) -> Time {
        let offset = i128::from(unix.as_micros()) - i128::from(self.unix.as_micros());
        let micros = i128::from(self.time.as_micros()) + offset;
        Time(u64::try_from(micros).unwrap_or(if micros < 0 { 0 } else { u64::MAX }))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}.{:06} s",
            self.0 / 1_000_000,
            self.0 % 1_000_000
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_clocks_convert_into_each_other() {
        let now = Now {
            time: Time::from_micros(5_000_000),
            unix: UnixTime::from_micros(90_000_000),
        };
        let answered = UnixTime::from_micros(88_500_000);
        assert_eq!(now.time_at(answered), Time::from_micros(3_500_000));
        assert_eq!(now.unix_at(Time::from_micros(3_500_000)), answered);
        assert_eq!(now.time_at(UnixTime::from_micros(0)), Time::ZERO);
    }

    #[test]
    fn a_difference_never_wraps() {
        let early = Time::from_micros(1);
        let late = Time::from_micros(3);
        assert_eq!(early.since(late), Duration::ZERO);
        assert_eq!(late.since(early), Duration::from_micros(2));
        assert_eq!(early - Duration::from_secs(1), Time::ZERO);
    }
}
