//! Lists of tokens: Require, Supported, Allow and their kin (RFC 3261 section 20).

use crate::message::{List, Method};
use crate::text;

/// The tokens of all header fields of one name, in order; what is no token is left out.
#[derive(Clone)]
pub struct Tokens<'m, 'a> {
    list: List<'m, 'a>,
}

impl<'m, 'a> Tokens<'m, 'a> {
    pub(crate) fn new(list: List<'m, 'a>) -> Tokens<'m, 'a> {
        Tokens { list }
    }

    /// Whether `option` is among them, for example `100rel`, in any case.
    pub fn has_option(&self, option: &str) -> bool {
        self.clone().any(|token| token.eq_ignore_ascii_case(option))
    }

    /// Whether `method` is among them; case matters.
    pub fn has_method(&self, method: Method<'_>) -> bool {
        self.clone().any(|token| token == method.as_str())
    }
}

impl<'a> Iterator for Tokens<'_, 'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        self.list.find(|token| text::is_token(token))
    }
}
