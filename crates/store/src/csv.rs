//! A list of devices as comma-separated values (RFC 4180, UTF-8): text to [`NewDevice`] values.
//! Nothing is looked up or written.

use std::borrow::Cow;

use fernamt_numbering::E164;

use crate::records::{NewDevice, Secret};

mod reader;
#[cfg(test)]
mod tests;

use reader::{Reader, Record};

/// The largest list that is read, in bytes.
pub const MAX_CSV_BYTES: usize = 64 * 1024 * 1024;

/// What is wrong with a list, and in which line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct CsvError {
    /// The line of the file on which the wrong row begins, counted from 1.
    pub line: u64,
    /// What is wrong. Never a password.
    pub reason: Box<str>,
}

impl CsvError {
    pub(crate) fn new(line: u64, reason: impl Into<Box<str>>) -> CsvError {
        CsvError {
            line,
            reason: reason.into(),
        }
    }
}

/// A row of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The line on which it begins, counted from 1; for errors that are found later.
    pub line: u64,
    /// The device.
    pub device: NewDevice,
}

/// Reads a list. The first line names the columns `user`, `password` and, if wanted, `name`,
/// `number`, `encryption` and `media_transport`, in any order; several numbers stand in one field with spaces between.
///
/// # Errors
/// The first thing that is wrong, with its line.
pub fn parse(bytes: &[u8]) -> Result<Vec<Row>, CsvError> {
    if bytes.len() > MAX_CSV_BYTES {
        let reason = format!("the list is larger than {MAX_CSV_BYTES} bytes; import it in parts");
        return Err(CsvError::new(1, reason));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reader = Reader::new(utf8(bytes)?);
    let columns = match reader.next_record()? {
        Some(header) => Columns::from_header(&header)?,
        None => return Err(CsvError::new(1, MISSING_HEADER)),
    };
    let mut rows = Vec::new();
    while let Some(record) = reader.next_record()? {
        rows.push(columns.row(&record)?);
    }
    Ok(rows)
}

const MISSING_HEADER: &str =
    "a header line is missing: the first line names the columns, like user,password,name,number";

fn utf8(bytes: &[u8]) -> Result<&str, CsvError> {
    std::str::from_utf8(bytes).map_err(|error| {
        let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count() as u64;
        CsvError::new(
            line,
            "the text is not UTF-8; save the list in that encoding",
        )
    })
}

/// Which column is what.
struct Columns {
    user: usize,
    password: usize,
    name: Option<usize>,
    number: Option<usize>,
    encryption: Option<usize>,
    media_transport: Option<usize>,
    count: usize,
}

impl Columns {
    fn from_header(header: &Record<'_>) -> Result<Columns, CsvError> {
        const KNOWN: [&str; 6] = [
            "user",
            "password",
            "name",
            "number",
            "encryption",
            "media_transport",
        ];
        let mut places = [None; KNOWN.len()];
        for (index, title) in header.fields.iter().enumerate() {
            let title = title.trim();
            let known = KNOWN
                .iter()
                .position(|known| known.eq_ignore_ascii_case(title));
            let Some(place) = known.and_then(|known| places.get_mut(known)) else {
                return Err(CsvError::new(header.line, unknown_column(header, title)));
            };
            if place.replace(index).is_some() {
                let reason = format!("the column {title:?} is named twice");
                return Err(CsvError::new(header.line, reason));
            }
        }
        let [user, password, name, number, encryption, media_transport] = places;
        let (Some(user), Some(password)) = (user, password) else {
            let reason = "the columns user and password must both be there";
            return Err(CsvError::new(header.line, reason));
        };
        Ok(Columns {
            user,
            password,
            name,
            number,
            encryption,
            media_transport,
            count: header.fields.len(),
        })
    }

    fn row(&self, record: &Record<'_>) -> Result<Row, CsvError> {
        let wrong = |reason: String| CsvError::new(record.line, reason);
        let found = record.fields.len();
        if found != self.count {
            return Err(wrong(format!(
                "{found} fields, but the header names {}",
                self.count
            )));
        }
        let field = |index: usize| record.fields.get(index).map_or("", Cow::as_ref);
        let optional = |index: Option<usize>| index.map(field).filter(|text| !text.is_empty());
        let numbers = optional(self.number).unwrap_or_default().split_whitespace();
        let numbers = numbers
            .map(|text| E164::parse(text).map_err(|error| wrong(format!("number: {error}"))))
            .collect::<Result<Vec<_>, _>>()?;
        for (index, what) in [(self.user, "user"), (self.password, "password")] {
            if field(index).is_empty() {
                return Err(wrong(format!("the {what} is empty")));
            }
        }
        let device = NewDevice {
            user: field(self.user).into(),
            name: optional(self.name).map(Into::into),
            numbers,
            direct_media: false,
            encryption: word("encryption", optional(self.encryption)).map_err(wrong)?,
            media_transport: word("media_transport", optional(self.media_transport))
                .map_err(wrong)?,
            secret: Secret::Password(field(self.password).into()),
        };
        Ok(Row {
            line: record.line,
            device,
        })
    }
}

/// A field that holds one of a few words; the default where it is empty.
fn word<T>(column: &str, text: Option<&str>) -> Result<T, String>
where
    T: core::str::FromStr<Err: core::fmt::Display> + Default,
{
    text.map_or_else(
        || Ok(T::default()),
        |text| text.parse().map_err(|error| format!("{column}: {error}")),
    )
}

/// A first line with a column that nobody knows may be no header at all; then it may hold a password
/// and is not shown.
fn unknown_column(header: &Record<'_>, title: &str) -> String {
    if header.fields.len() == 1 && title.contains([';', '\t']) {
        return "the columns are separated by something else than commas; save with commas".into();
    }
    let looks_like_header = header
        .fields
        .iter()
        .any(|field| field.trim().eq_ignore_ascii_case("user"));
    if looks_like_header {
        format!(
            "the column {title:?} is not known; known are user, password, name, number, encryption \
             and media_transport"
        )
    } else {
        MISSING_HEADER.into()
    }
}
