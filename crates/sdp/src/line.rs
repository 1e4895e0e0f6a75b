//! Lines of a description (RFC 8866 section 5): letter, value, line end; not what they mean.

use crate::ParseError;

/// One line, with the bytes that ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// The letter before the `=`; 0 for an empty line.
    pub letter: u8,
    /// What stands behind the `=`.
    pub value: &'a [u8],
    /// The whole line with its end.
    pub raw: &'a [u8],
}

impl<'a> Line<'a> {
    /// The value when it is UTF-8.
    #[inline]
    pub fn text(&self) -> Option<&'a str> {
        core::str::from_utf8(self.value).ok()
    }

    /// The bytes that end the line: CRLF, LF, or nothing at the end of the text.
    pub fn end(&self) -> &'a [u8] {
        match self.raw {
            [.., b'\r', b'\n'] => self.raw.get(self.raw.len() - 2..).unwrap_or_default(),
            [.., b'\n'] => self.raw.get(self.raw.len() - 1..).unwrap_or_default(),
            _ => b"",
        }
    }
}

/// Goes through the lines of a text that was checked before; lines without form end it.
#[derive(Clone, Debug)]
pub struct Lines<'a> {
    rest: &'a [u8],
}

impl<'a> Lines<'a> {
    /// The lines of `text`.
    pub const fn new(text: &'a [u8]) -> Lines<'a> {
        Lines { rest: text }
    }

    /// What was not read yet.
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next line, checked; `number` is for the error.
    pub(crate) fn next_checked(&mut self, number: usize) -> Option<Result<Line<'a>, ParseError>> {
        let (raw, content) = self.next_raw()?;
        if memchr::memchr2(0, b'\r', content).is_some() {
            return Some(Err(ParseError::Control { line: number }));
        }
        Some(line_of(raw, content).ok_or(ParseError::Line { line: number }))
    }

    /// The next line, with and without its end.
    #[inline]
    fn next_raw(&mut self) -> Option<(&'a [u8], &'a [u8])> {
        if self.rest.is_empty() {
            return None;
        }
        let length = match memchr::memchr(b'\n', self.rest) {
            Some(position) => position + 1,
            None => self.rest.len(),
        };
        let (raw, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        let content = raw.strip_suffix(b"\n").unwrap_or(raw);
        let content = content.strip_suffix(b"\r").unwrap_or(content);
        Some((raw, content))
    }
}

/// The line in this form; `None` when it has none.
#[inline]
fn line_of<'a>(raw: &'a [u8], content: &'a [u8]) -> Option<Line<'a>> {
    let (letter, value) = match content {
        [] => (0, content),
        [letter, b'=', value @ ..] if letter.is_ascii_alphabetic() => (*letter, value),
        _ => return None,
    };
    Some(Line { letter, value, raw })
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        let (raw, content) = self.next_raw()?;
        line_of(raw, content)
    }
}
