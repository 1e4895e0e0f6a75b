//! A list of devices as comma-separated values (RFC 4180, UTF-8): text to [`NewDevice`] values.

use crate::records::NewDevice;

/// The largest list that is read, in bytes.
pub const MAX_CSV_BYTES: usize = 256 * 1024 * 1024;

/// What is wrong with a list, and in which line (counted from 1).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct CsvError {
    /// The line of the file on which the wrong row begins, counted from 1.
    pub line: u64,
    /// What is wrong.
    pub reason: Box<str>,
}

/// A row of the list.
#[derive(Clone, Debug)]
pub struct Row {
    /// The line on which it begins, counted from 1; for errors that are found later.
    pub line: u64,
    /// The device.
    pub device: NewDevice,
}

/// Reads a list. The first line names the columns `user`, `password` and, if wanted, `name` and
/// `number`, in any order; several numbers stand in one field with spaces between.
///
/// # Errors
/// The first thing that is wrong, with its line.
pub fn parse(text: &[u8]) -> Result<Vec<Row>, CsvError> {
    let _ = text;
    todo!()
}
