//! How things are shown: tables for people, JSON for programs, times and durations in one form.
//! The only place besides the commands' own dialogue that writes to the terminal.

mod table;
mod time;

use std::io::{self, Write as _};

use fernamt_sip::escape::Escaped;
use serde::Serialize;

pub(crate) use table::Table;
pub(crate) use time::{Since, clock, local, now, rfc3339, seconds, talk_time};

use crate::exit::Failure;

/// Writes one line to standard output.
///
/// # Errors
/// When nobody reads any more (a closed pipe) or the disk is full.
pub(crate) fn line(text: &str) -> Result<(), Failure> {
    write_out(&[text, "\n"])
}

/// Writes `text` as it is to standard output.
///
/// # Errors
/// As [`line()`].
pub(crate) fn raw(text: &str) -> Result<(), Failure> {
    write_out(&[text])
}

/// Writes a value as indented JSON.
///
/// # Errors
/// As [`line()`].
pub(crate) fn json<T: Serialize + ?Sized>(value: &T) -> Result<(), Failure> {
    line(&serde_json::to_string_pretty(value)?)
}

fn write_out(parts: &[&str]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let written = parts
        .iter()
        .try_for_each(|part| out.write_all(part.as_bytes()));
    match written.and_then(|()| out.flush()) {
        // `fernamt cdr | head` is no failure.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        other => Ok(other?),
    }
}

/// Writes a failure to standard error.
pub(crate) fn complain(failure: &Failure) {
    remark(&format!("fernamt: {failure}"));
}

/// Writes a line to standard error, where it does not mix with what a program reads.
pub(crate) fn remark(text: &str) {
    // Nothing can be done where even this fails.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Text from outside, safe to show: no control character reaches the terminal.
pub(crate) fn safe(text: &str) -> String {
    Escaped(text).to_string()
}
