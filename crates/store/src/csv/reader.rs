//! Records and fields of comma-separated values (RFC 4180); what the columns mean is not known here.

use std::borrow::Cow;

use super::CsvError;

/// How many fields a record may have: more columns than are known, so that the header can say which
/// one is not.
const MAX_FIELDS: usize = 64;

/// One record.
pub(super) struct Record<'a> {
    /// The line on which it begins, counted from 1.
    pub(super) line: u64,
    pub(super) fields: Vec<Cow<'a, str>>,
}

pub(super) struct Reader<'a> {
    rest: &'a str,
    line: u64,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str) -> Reader<'a> {
        Reader {
            rest: text,
            line: 1,
        }
    }

    /// The next record that is not an empty line.
    pub(super) fn next_record(&mut self) -> Result<Option<Record<'a>>, CsvError> {
        while self.end_of_line() {}
        if self.rest.is_empty() {
            return Ok(None);
        }
        let line = self.line;
        let mut fields = Vec::with_capacity(4);
        loop {
            if fields.len() == MAX_FIELDS {
                return Err(CsvError::new(
                    line,
                    format!("more than {MAX_FIELDS} fields"),
                ));
            }
            fields.push(self.field(line)?);
            if let Some(rest) = self.rest.strip_prefix(',') {
                self.rest = rest;
            } else if self.rest.is_empty() || self.end_of_line() {
                return Ok(Some(Record { line, fields }));
            } else {
                return Err(CsvError::new(
                    line,
                    "text follows the closing quote of a field",
                ));
            }
        }
    }

    fn end_of_line(&mut self) -> bool {
        let rest = self
            .rest
            .strip_prefix("\r\n")
            .or_else(|| self.rest.strip_prefix('\n'));
        if let Some(rest) = rest {
            self.rest = rest;
            self.line += 1;
        }
        rest.is_some()
    }

    fn field(&mut self, line: u64) -> Result<Cow<'a, str>, CsvError> {
        match self.rest.strip_prefix('"') {
            Some(rest) => self.quoted_field(rest, line),
            None => self.plain_field(line).map(Cow::Borrowed),
        }
    }

    fn plain_field(&mut self, line: u64) -> Result<&'a str, CsvError> {
        let end = self.rest.find([',', '\n', '"']).unwrap_or(self.rest.len());
        let (mut field, rest) = self.rest.split_at(end);
        if rest.starts_with('"') {
            let reason = "a quote in the middle of a field; quote the whole field and double it";
            return Err(CsvError::new(line, reason));
        }
        self.rest = rest;
        if rest.starts_with('\n') || rest.is_empty() {
            field = field.strip_suffix('\r').unwrap_or(field);
        }
        Ok(field)
    }

    fn quoted_field(&mut self, inside: &'a str, line: u64) -> Result<Cow<'a, str>, CsvError> {
        let mut field = Cow::Borrowed("");
        let mut rest = inside;
        loop {
            let Some((piece, behind)) = rest.split_once('"') else {
                return Err(CsvError::new(line, "a quote is opened and never closed"));
            };
            // Borrowed as long as there is one piece.
            field += piece;
            self.line += piece.bytes().filter(|byte| *byte == b'\n').count() as u64;
            match behind.strip_prefix('"') {
                Some(behind) => {
                    field += "\"";
                    rest = behind;
                }
                None => {
                    self.rest = behind;
                    return Ok(field);
                }
            }
        }
    }
}
