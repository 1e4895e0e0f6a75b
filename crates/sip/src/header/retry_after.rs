//! `Retry-After` (RFC 3261 section 20.33).

use super::name_addr::delta_seconds;
use super::{Malformed, Params};
use crate::text;

/// When the sender will be there again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RetryAfter<'a> {
    /// From now, in seconds.
    pub seconds: u32,
    /// All parameters, `duration` among them.
    pub params: Params<'a>,
}

impl<'a> RetryAfter<'a> {
    /// Reads the value of a Retry-After field; its comment is passed over.
    ///
    /// # Errors
    /// When it does not start with a number.
    pub fn parse(value: &'a str) -> Result<RetryAfter<'a>, Malformed> {
        let value = text::trim(value);
        let digits = value.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = text::split_at(value, digits);
        let seconds = delta_seconds(number).ok_or(Malformed("Retry-After"))?;
        let rest = text::trim(skip_comment(text::trim(rest)).ok_or(Malformed("Retry-After"))?);
        let params = Params::new(rest);
        if !params.are_well_formed() {
            return Err(Malformed("Retry-After"));
        }
        Ok(RetryAfter { seconds, params })
    }
}

/// What follows the comment that `text` starts with; `None` when it does not end.
fn skip_comment(text: &str) -> Option<&str> {
    if !text.starts_with('(') {
        return Some(text);
    }
    let mut depth = 0_usize;
    let mut escaped = false;
    for (position, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'(' => depth += 1,
            b')' => {
                depth -= 1;
                if depth == 0 {
                    return text.get(position + 1..);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_passed_over() {
        let retry = RetryAfter::parse("18000 (back (at \\) ) five);duration=3600").unwrap();
        assert_eq!(
            (retry.seconds, retry.params.get("duration")),
            (18_000, Some("3600"))
        );
        assert_eq!(RetryAfter::parse("120").map(|retry| retry.seconds), Ok(120));
        for value in ["", "x", "5 (", "5 )", "-1"] {
            assert!(RetryAfter::parse(value).is_err(), "{value}");
        }
    }
}
