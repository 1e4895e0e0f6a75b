//! Values of header fields, and the comma-separated elements in them (RFC 3261 section 7.3.1).

use super::{Headers, Name};
use crate::text;

/// The values of all header fields of one name, in order.
#[derive(Clone)]
pub struct Values<'m, 'a> {
    headers: Headers<'m, 'a>,
    name: Name,
}

impl<'m, 'a> Values<'m, 'a> {
    pub(super) fn new(headers: Headers<'m, 'a>, name: Name) -> Values<'m, 'a> {
        Values { headers, name }
    }
}

impl<'a> Iterator for Values<'_, 'a> {
    type Item = &'a str;

    #[inline]
    fn next(&mut self) -> Option<&'a str> {
        self.headers.next_value(self.name)
    }
}

/// The comma-separated elements of all header fields of one name, in order.
#[derive(Clone)]
pub struct List<'m, 'a> {
    values: Values<'m, 'a>,
    elements: Elements<'a>,
}

impl<'m, 'a> List<'m, 'a> {
    pub(super) fn new(values: Values<'m, 'a>) -> List<'m, 'a> {
        List {
            values,
            elements: Elements::new(""),
        }
    }
}

impl<'a> Iterator for List<'_, 'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        loop {
            if let Some(element) = self.elements.next() {
                return Some(element);
            }
            self.elements = Elements::new(self.values.next()?);
        }
    }
}

/// The comma-separated elements of one header value, without white space around them.
///
/// Commas in quoted strings and in angle brackets separate nothing. An empty value has no element.
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    rest: Option<&'a str>,
}

impl<'a> Elements<'a> {
    /// The elements of `value`.
    pub fn new(value: &'a str) -> Elements<'a> {
        let value = text::trim(value);
        Elements {
            rest: if value.is_empty() { None } else { Some(value) },
        }
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let rest = self.rest?;
        let (element, rest) = match find_comma(rest) {
            Some(position) => {
                let (element, tail) = text::split_at(rest, position);
                (element, Some(text::after_first(tail)))
            }
            None => (rest, None),
        };
        self.rest = rest;
        Some(text::trim(element))
    }
}

fn find_comma(value: &str) -> Option<usize> {
    // Most lists have neither quotes nor brackets before their first comma.
    let position = memchr::memchr3(b',', b'"', b'<', value.as_bytes())?;
    if value.as_bytes().get(position) == Some(&b',') {
        return Some(position);
    }
    let mut bracketed = false;
    let mut quoted = false;
    let mut escaped = false;
    for (position, byte) in value.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            // Inside angle brackets stands a URI, and in a URI a quote is nothing special.
            b'"' if !bracketed => quoted = !quoted,
            b'<' if !quoted => bracketed = true,
            b'>' if !quoted => bracketed = false,
            b',' if !quoted && !bracketed => return Some(position),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elements(value: &str) -> Vec<&str> {
        Elements::new(value).collect()
    }

    #[test]
    fn commas_in_quotes_and_brackets_separate_nothing() {
        assert_eq!(
            elements("\"a, \\\" b\" <sip:x,y@z>;q=1 ,\r\n <sip:b>,c"),
            ["\"a, \\\" b\" <sip:x,y@z>;q=1", "<sip:b>", "c"]
        );
    }

    #[test]
    fn empty_elements_show_and_an_empty_value_has_none() {
        assert_eq!(elements(" \t "), Vec::<&str>::new());
        assert_eq!(elements("a,,b,"), ["a", "", "b", ""]);
    }

    #[test]
    fn an_unclosed_quote_reaches_to_the_end() {
        assert_eq!(elements("a, \"b, c"), ["a", "\"b, c"]);
    }
}
