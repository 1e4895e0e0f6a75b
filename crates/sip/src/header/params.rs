//! Parameters: `;name=value` in header fields and URIs (RFC 3261 section 25.1).

use std::borrow::Cow;

use crate::limits::MAX_PARAMETERS;
use crate::text;

/// Parameters in order, read when they are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Params<'a> {
    text: &'a str,
}

/// One parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Param<'a> {
    /// The name as it stands; names are compared without regard to case.
    pub name: &'a str,
    /// What follows the equals sign, quotes included; `None` when there is no equals sign.
    pub value: Option<&'a str>,
}

impl<'a> Params<'a> {
    /// Parameters in `text`, which is empty or starts with a semicolon. Nothing is checked; see
    /// [`Params::are_well_formed`].
    pub const fn new(text: &'a str) -> Params<'a> {
        Params { text }
    }

    /// The text they were read from.
    pub const fn as_str(&self) -> &'a str {
        self.text
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// The parameters in order.
    pub const fn iter(&self) -> ParamIter<'a> {
        ParamIter { rest: self.text }
    }

    /// The first parameter called `name`.
    pub fn find(&self, name: &str) -> Option<Param<'a>> {
        self.iter()
            .find(|param| param.name.eq_ignore_ascii_case(name))
    }

    /// The value of the first parameter called `name`; empty when it has none.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.find(name).map(|param| param.value.unwrap_or(""))
    }

    /// Whether there is a parameter called `name`, with or without a value.
    pub fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// Whether each parameter follows the grammar: a token, and if there is an equals sign a token,
    /// a host or a quoted string after it; no more than [`MAX_PARAMETERS`].
    pub fn are_well_formed(&self) -> bool {
        if !self.text.is_empty() && !self.text.starts_with(';') {
            return false;
        }
        let mut count = 0;
        self.iter().all(|param| {
            count += 1;
            count <= MAX_PARAMETERS && param.is_well_formed()
        })
    }
}

impl<'a> IntoIterator for Params<'a> {
    type Item = Param<'a>;
    type IntoIter = ParamIter<'a>;

    fn into_iter(self) -> ParamIter<'a> {
        self.iter()
    }
}

/// Iterates over [`Params`].
#[derive(Clone, Debug)]
pub struct ParamIter<'a> {
    rest: &'a str,
}

impl<'a> Iterator for ParamIter<'a> {
    type Item = Param<'a>;

    fn next(&mut self) -> Option<Param<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let rest = self.rest.strip_prefix(';').unwrap_or(self.rest);
        let end = text::find_unquoted(rest, b';').unwrap_or(rest.len());
        let (param, rest) = text::split_at(rest, end);
        self.rest = rest;
        Some(Param::new(param))
    }
}

impl<'a> Param<'a> {
    /// Reads `name=value` or `name`, white space around both allowed.
    pub(crate) fn new(text: &'a str) -> Param<'a> {
        match text::split_once(text, b'=') {
            Some((name, value)) => Param {
                name: text::trim(name),
                value: Some(text::trim(value)),
            },
            None => Param {
                name: text::trim(text),
                value: None,
            },
        }
    }

    /// The value without quotes and backslashes.
    pub fn unquoted(&self) -> Option<Cow<'a, str>> {
        self.value.map(unquote)
    }

    fn is_well_formed(&self) -> bool {
        text::is_token(self.name)
            && self.value.is_none_or(|value| {
                text::is_quoted_string(value)
                    || (!value.is_empty()
                        && !value.bytes().any(|byte| {
                            text::is_white(byte)
                                || matches!(byte, b'"' | b'\\' | b'<' | b'>' | b',' | b';')
                        }))
            })
    }
}

/// `text` without the quotes around it and the backslashes in it, when it is a quoted string; as
/// it is otherwise.
pub fn unquote(text: &str) -> Cow<'_, str> {
    let Some(inner) = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
    else {
        return Cow::Borrowed(text);
    };
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    let mut plain = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        let literal = if character == '\\' {
            characters.next()
        } else {
            Some(character)
        };
        plain.extend(literal);
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_in_order_without_regard_to_case() {
        let params = Params::new(" ;a=1;B ; c = \"x;\\\"y\"");
        let params = Params::new(text::trim(params.as_str()));
        assert!(params.are_well_formed());
        assert_eq!(params.get("A"), Some("1"));
        assert_eq!(params.get("b"), Some(""));
        assert!(!params.has("d"));
        let quoted = params.find("c").and_then(|param| param.unquoted());
        assert_eq!(quoted.as_deref(), Some("x;\"y"));
        assert_eq!(params.iter().count(), 3);
    }

    #[test]
    fn what_is_no_parameter_is_noticed() {
        for text in [
            ";",
            ";;a",
            ";a=",
            ";a b",
            ";a=\"b",
            ";a=b c",
            "a=1",
            ";a=<b>",
            ";a=b\"c\"",
        ] {
            assert!(!Params::new(text).are_well_formed(), "{text}");
        }
        assert!(Params::new("").are_well_formed());
        assert!(Params::new(";received=[2001:db8::1];x=a/b").are_well_formed());
    }

    #[test]
    fn more_parameters_than_the_limit_are_refused() {
        assert!(Params::new(&";a".repeat(MAX_PARAMETERS)).are_well_formed());
        assert!(!Params::new(&";a".repeat(MAX_PARAMETERS + 1)).are_well_formed());
    }
}
