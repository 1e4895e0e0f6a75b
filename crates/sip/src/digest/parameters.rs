//! The parameter list after the scheme name `Digest` (RFC 7235 section 2.1), read without
//! allocation. What the parameters mean is in [`super::Challenge`] and [`super::Credentials`].

use std::borrow::Cow;

use super::Malformed;
use crate::text;

/// The longest header value that is read, in bytes.
pub const MAX_VALUE_BYTES: usize = 4096;

/// The most parameters that a header value may have.
pub const MAX_PARAMETERS: usize = 32;

/// One `name=value`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parameter<'a> {
    pub(super) name: &'a str,
    /// Without the quotes around it; escapes inside are kept, as the hashes want them.
    pub(super) value: &'a str,
}

/// Reads the scheme and returns the parameters; `Ok(None)` when the scheme is another one.
pub(super) fn digest_parameters(value: &str) -> Result<Option<Parameters<'_>>, Malformed> {
    if value.len() > MAX_VALUE_BYTES {
        return Err(Malformed::TooLong);
    }
    let (scheme, rest) = split_token(text::trim_start(value));
    if !scheme.eq_ignore_ascii_case("Digest") {
        return Ok(None);
    }
    Ok(Some(Parameters {
        rest,
        count: 0,
        first: true,
    }))
}

/// The value of a quoted string with its escapes resolved (RFC 3261 section 25.1).
pub(super) fn unescape(value: &str) -> Cow<'_, str> {
    if !value.contains('\\') {
        return Cow::Borrowed(value);
    }
    let mut text = String::with_capacity(value.len());
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            text.push(character);
        } else if let Some(escaped) = characters.next() {
            text.push(escaped);
        }
    }
    Cow::Owned(text)
}

/// An iterator over the parameters; it ends after the first error.
#[derive(Clone, Debug)]
pub(super) struct Parameters<'a> {
    rest: &'a str,
    count: usize,
    first: bool,
}

impl<'a> Parameters<'a> {
    fn parse_next(&mut self) -> Result<Option<Parameter<'a>>, Malformed> {
        let mut rest = text::trim_start(self.rest);
        if !self.first && !rest.is_empty() {
            rest = rest.strip_prefix(',').ok_or(Malformed::Syntax)?;
        }
        self.first = false;
        // Empty list elements are legal (RFC 7230 section 7) and old gateways write them.
        rest = skip_empty(rest);
        if rest.is_empty() {
            self.rest = rest;
            return Ok(None);
        }
        self.count += 1;
        if self.count > MAX_PARAMETERS {
            return Err(Malformed::TooManyParameters);
        }
        let (name, after_name) = split_token(rest);
        if name.is_empty() {
            return Err(Malformed::Syntax);
        }
        let after_equals = text::trim_start(after_name)
            .strip_prefix('=')
            .map(text::trim_start)
            .ok_or(Malformed::Syntax)?;
        let (value, after_value) = match after_equals.strip_prefix('"') {
            Some(quoted) => split_quoted(quoted)?,
            None => split_bare(after_equals)?,
        };
        self.rest = after_value;
        Ok(Some(Parameter { name, value }))
    }
}

impl<'a> Iterator for Parameters<'a> {
    type Item = Result<Parameter<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let parameter = self.parse_next();
        if parameter.is_err() {
            self.rest = "";
        }
        parameter.transpose()
    }
}

/// Sets a parameter that may stand only once.
pub(super) fn set_once<'a>(
    target: &mut Option<&'a str>,
    parameter: Parameter<'a>,
) -> Result<(), Malformed> {
    match target.replace(parameter.value) {
        None => Ok(()),
        Some(_) => Err(Malformed::Repeated),
    }
}

/// What follows commas and white space.
fn skip_empty(text: &str) -> &str {
    let is_empty = |byte: &u8| *byte == b',' || text::is_white(*byte);
    let length = text.bytes().take_while(is_empty).count();
    text::split_at(text, length).1
}

fn split_token(text: &str) -> (&str, &str) {
    let length = text
        .bytes()
        .take_while(|byte| text::is_token_byte(*byte))
        .count();
    text::split_at(text, length)
}

/// A value without quotes. Old peers leave quotes out where the grammar wants them, so that
/// everything up to the comma or white space is taken.
fn split_bare(text: &str) -> Result<(&str, &str), Malformed> {
    let end = text
        .bytes()
        .position(|byte| matches!(byte, b',' | b' ' | b'\t' | b'\r' | b'\n'))
        .unwrap_or(text.len());
    let (value, rest) = text.split_at_checked(end).ok_or(Malformed::Syntax)?;
    let is_bare = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
    if value.is_empty() || !value.bytes().all(is_bare) {
        return Err(Malformed::Syntax);
    }
    Ok((value, rest))
}

/// The inside of a quoted string and what follows the closing quote.
fn split_quoted(text: &str) -> Result<(&str, &str), Malformed> {
    let mut from = 0;
    let length = loop {
        let rest = text.as_bytes().get(from..).ok_or(Malformed::Syntax)?;
        let found = from + memchr::memchr2(b'"', b'\\', rest).ok_or(Malformed::Syntax)?;
        if text.as_bytes().get(found) == Some(&b'"') {
            break found;
        }
        from = found + 2;
    };
    let (value, rest) = text::split_at(text, length);
    if text::count_controls(value.as_bytes()) > 0 {
        return Err(Malformed::Syntax);
    }
    Ok((value, text::after_first(rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(value: &str) -> Result<Vec<(&str, &str)>, Malformed> {
        digest_parameters(value)?
            .expect("scheme")
            .map(|parameter| parameter.map(|parameter| (parameter.name, parameter.value)))
            .collect()
    }

    #[test]
    fn quoted_and_bare_values_and_white_space_are_read() {
        assert_eq!(
            parse("digest  a=\"x, y\" ,b = MD5,, c=\"\\\"q\\\\\" "),
            Ok(vec![("a", "x, y"), ("b", "MD5"), ("c", "\\\"q\\\\")])
        );
        assert_eq!(parse("Digest"), Ok(vec![]));
        assert_eq!(unescape("\\\"q\\\\"), "\"q\\");
        assert!(matches!(unescape("plain"), Cow::Borrowed("plain")));
    }

    #[test]
    fn another_scheme_is_not_digest() {
        assert_eq!(
            digest_parameters("Basic QWxhZGRpbg==").map(|found| found.is_some()),
            Ok(false)
        );
        assert_eq!(
            digest_parameters("Digestive a=b").map(|found| found.is_some()),
            Ok(false)
        );
        assert_eq!(
            digest_parameters("").map(|found| found.is_some()),
            Ok(false)
        );
    }

    #[test]
    fn broken_lists_are_refused() {
        for value in [
            "Digest a",
            "Digest a=",
            "Digest =b",
            "Digest a=\"b",
            "Digest a=\"b\\\"",
            "Digest a=\"b\" c=d",
            "Digest a=\"b\nc\"",
            "Digest a=b\"c",
            "Digest a=\"b\"c=d",
        ] {
            assert_eq!(parse(value), Err(Malformed::Syntax), "{value}");
        }
    }

    #[test]
    fn limits_hold_at_limit_and_limit_plus_one() {
        let list = |count: usize| format!("Digest {}", vec!["a=b"; count].join(","));
        assert_eq!(
            parse(&list(MAX_PARAMETERS)).map(|list| list.len()),
            Ok(MAX_PARAMETERS)
        );
        assert_eq!(
            parse(&list(MAX_PARAMETERS + 1)),
            Err(Malformed::TooManyParameters)
        );
        let long = |length: usize| format!("Digest a={}", "b".repeat(length - 9));
        assert!(parse(&long(MAX_VALUE_BYTES)).is_ok());
        assert_eq!(parse(&long(MAX_VALUE_BYTES + 1)), Err(Malformed::TooLong));
    }
}
