//! Times and texts as the renderers of a journal write them.

use core::fmt::Write as _;
use core::time::Duration;

use fernamt_sip::escape::Escaped;
use fernamt_sip::time::UnixTime;

/// Text of strangers, on one line and without any character that moves a cursor or turns text round.
pub(super) fn plain(text: &str) -> String {
    Escaped(text).to_string()
}

/// A point in time relative to the start: `0.000`, `1:02.345`, `1:00:02.345`.
pub(super) fn since_start(start: UnixTime, at: UnixTime) -> String {
    let sign = if at < start { "-" } else { "" };
    let passed = if at < start {
        start.since(at)
    } else {
        at.since(start)
    };
    format!("{sign}{}", clock(passed))
}

fn clock(passed: Duration) -> String {
    let (seconds, millis) = (passed.as_secs(), passed.subsec_millis());
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{seconds}.{millis:03}"),
        (0, _) => format!("{minutes}:{seconds:02}.{millis:03}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}.{millis:03}"),
    }
}

/// A duration in words: `2.345 s`, `3 min 2 s`, `1 h 2 min 3 s`.
pub(super) fn duration(lasted: Duration) -> String {
    let seconds = lasted.as_secs();
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{rest}.{:03} s", lasted.subsec_millis()),
        (0, _) => format!("{minutes} min {rest} s"),
        _ => format!("{hours} h {minutes} min {rest} s"),
    }
}

/// A point in civil time: `2026-11-22 12:20:28.123 UTC`.
pub(super) fn civil(at: UnixTime) -> String {
    let seconds = at.as_seconds();
    let (year, month, day) = date(seconds.div_euclid(86_400));
    let of_day = seconds.rem_euclid(86_400);
    let millis = at.as_micros().rem_euclid(1_000_000) / 1_000;
    let mut text = String::with_capacity(28);
    // Writing to a String does not fail.
    let _ = write!(
        text,
        "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}.{millis:03} UTC",
        of_day / 3600,
        of_day / 60 % 60,
        of_day % 60
    );
    text
}

/// Year, month and day of a day since 1970-01-01 in the Gregorian calendar.
///
/// Counted in eras of 400 years that begin on 1 March, so that the leap day is the last of a year.
fn date(day: i64) -> (i64, i64, i64) {
    let day = day + 719_468;
    let era = day.div_euclid(146_097);
    let of_era = day.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day_of_month = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day_of_month)
}

/// How many cells of a terminal a text takes.
pub(super) fn cells(text: &str) -> usize {
    text.chars().map(cell).sum()
}

/// Two for the wide characters of East Asia and for pictures, none for combining marks.
pub(super) fn cell(character: char) -> usize {
    match character {
        '\u{300}'..='\u{36f}' | '\u{fe00}'..='\u{fe0f}' => 0,
        '\u{1100}'..='\u{115f}'
        | '\u{2e80}'..='\u{a4cf}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}'
        | '\u{ff00}'..='\u{ff60}'
        | '\u{1f300}'..='\u{1faff}' => 2,
        _ => 1,
    }
}

/// The text in lines of at most `width` cells, broken at spaces where there are some.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(4);
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        let gap = usize::from(!line.is_empty());
        if !line.is_empty() && cells(&line) + gap + cells(word) > width {
            lines.push(core::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        for character in word.chars() {
            if cells(&line) + cell(character) > width {
                lines.push(core::mem::take(&mut line));
            }
            line.push(character);
        }
    }
    lines.push(line);
    lines
}

/// The text shortened to `width` cells, with `…` where something is missing.
pub(super) fn shorten(text: &str, width: usize) -> String {
    if cells(text) <= width {
        return text.to_owned();
    }
    let mut short = String::new();
    for character in text.chars() {
        if cells(&short) + cell(character) + 1 > width {
            break;
        }
        short.push(character);
    }
    short.push('…');
    short
}
