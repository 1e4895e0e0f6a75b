//! Points in time and durations as text, in one form everywhere.

use core::str::FromStr;
use core::time::Duration;

use fernamt_sip::time::UnixTime;
use jiff::{SignedDuration, Span, Timestamp, Zoned, civil, tz::TimeZone};

/// The time now.
pub(crate) fn now() -> UnixTime {
    UnixTime::from_micros(Timestamp::now().as_microsecond())
}

/// RFC 3339 in UTC with microseconds, for programs.
pub(crate) fn rfc3339(time: UnixTime) -> String {
    Timestamp::from_microsecond(time.as_micros())
        .map(|time| format!("{time:.6}"))
        .unwrap_or_else(|_| "out of range".to_owned())
}

/// The wall clock of the reader, to the second, for people.
pub(crate) fn local(time: UnixTime) -> String {
    Timestamp::from_microsecond(time.as_micros())
        .map(|time| {
            time.to_zoned(TimeZone::system())
                .strftime("%Y-%m-%d %H:%M:%S")
                .to_string()
        })
        .unwrap_or_else(|_| "out of range".to_owned())
}

/// The time of day of the reader, to the millisecond.
pub(crate) fn clock(time: UnixTime) -> String {
    Timestamp::from_microsecond(time.as_micros())
        .map(|time| {
            time.to_zoned(TimeZone::system())
                .strftime("%H:%M:%S%.3f")
                .to_string()
        })
        .unwrap_or_else(|_| "out of range".to_owned())
}

/// Seconds as a number with microseconds, for programs.
pub(crate) fn seconds(duration: Duration) -> f64 {
    // Whole microseconds below 2^53 are exact in a double.
    (duration.as_micros() as f64) / 1e6
}

/// A duration as people read it on a telephone: `4:07`, `1:02:03`.
pub(crate) fn talk_time(duration: Duration) -> String {
    let total = duration.as_secs();
    let (hours, minutes, seconds) = (total / 3600, total / 60 % 60, total % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}

/// The start of a period, as `--since` takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Since(pub(crate) UnixTime);

/// The text is no point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a time like 2026-11-22T14:00:00Z, a date like 2026-11-22 (midnight here), or how \
     long ago like 90s, 30m, 2h, 1d, 2w"
)]
pub(crate) struct NotATime;

impl FromStr for Since {
    type Err = NotATime;

    fn from_str(text: &str) -> Result<Since, NotATime> {
        read_since(text, &Zoned::now()).ok_or(NotATime)
    }
}

fn read_since(text: &str, now: &Zoned) -> Option<Since> {
    let time = if let Ok(time) = text.parse::<Timestamp>() {
        time
    } else if let Ok(moment) = text.parse::<civil::DateTime>() {
        // A bare date reads as midnight.
        moment.to_zoned(now.time_zone().clone()).ok()?.timestamp()
    } else {
        ago(text, now)?
    };
    Some(Since(UnixTime::from_micros(time.as_microsecond())))
}

fn ago(text: &str, now: &Zoned) -> Option<Timestamp> {
    let unit = text.chars().last()?;
    let number = text.strip_suffix(unit)?;
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: i64 = number.parse().ok()?;
    let hours = |hours: i64| {
        number
            .checked_mul(hours * 3600)
            .map(SignedDuration::from_secs)
    };
    let elapsed = match unit {
        's' => SignedDuration::from_secs(number),
        'm' => SignedDuration::from_secs(number.checked_mul(60)?),
        'h' => hours(1)?,
        // Days and weeks follow the calendar: the same time on the clock, whatever summer time did.
        'd' => {
            return now
                .checked_sub(Span::new().try_days(number).ok()?)
                .ok()
                .map(timestamp);
        }
        'w' => {
            return now
                .checked_sub(Span::new().try_weeks(number).ok()?)
                .ok()
                .map(timestamp);
        }
        _ => return None,
    };
    now.checked_sub(elapsed).ok().map(timestamp)
}

fn timestamp(zoned: Zoned) -> Timestamp {
    zoned.timestamp()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn since(text: &str) -> Option<String> {
        let now: Zoned = "2026-11-22T15:00:00+01:00[Europe/Berlin]"
            .parse()
            .expect("a fixed time");
        read_since(text, &now).map(|since| rfc3339(since.0))
    }

    #[test]
    fn since_takes_a_time_a_date_and_a_span() {
        let cases = [
            ("2026-11-20T10:00:00Z", "2026-11-20T10:00:00.000000Z"),
            (
                "2026-11-20T10:00:00.25+01:00",
                "2026-11-20T09:00:00.250000Z",
            ),
            ("2026-11-20", "2026-11-19T23:00:00.000000Z"),
            ("2026-11-20 08:30", "2026-11-20T07:30:00.000000Z"),
            ("90s", "2026-11-22T13:58:30.000000Z"),
            ("2h", "2026-11-22T12:00:00.000000Z"),
            ("1d", "2026-11-21T14:00:00.000000Z"),
            ("5w", "2026-10-18T13:00:00.000000Z"),
        ];
        for (text, expected) in cases {
            assert_eq!(since(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "h",
            "2x",
            "-2h",
            "1.5h",
            "yesterday",
            "99999999999999999999d",
            "2026-13-01",
        ] {
            assert_eq!(since(text), None, "{text}");
        }
    }

    #[test]
    fn a_duration_is_shown_as_on_a_telephone() {
        assert_eq!(talk_time(Duration::from_millis(7_900)), "0:07");
        assert_eq!(talk_time(Duration::from_secs(3723)), "1:02:03");
        assert!((seconds(Duration::from_micros(1_500_001)) - 1.500_001).abs() < 1e-12);
    }
}
