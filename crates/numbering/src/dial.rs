//! What a phone dials: keys and names as they come; what they mean is for a plan to say.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest string that is taken from a phone.
pub const MAX_DIAL_CHARACTERS: usize = 64;

/// The keys of a telephone or the name that somebody called: digits, `*`, `#`, letters, a `+` in
/// front, and `.`, `-`, `_` as names have them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Box<str>", into = "Box<str>")]
pub struct DialString(Box<str>);

/// Why a text cannot be dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DialError {
    /// Nothing was dialled.
    #[error("nothing was dialled")]
    Empty,
    /// More than [`MAX_DIAL_CHARACTERS`] characters.
    #[error("at most {MAX_DIAL_CHARACTERS} characters can be dialled")]
    TooLong,
    /// A character no telephone key and no name has.
    #[error("{0:?} cannot be dialled")]
    Character(char),
}

impl DialString {
    /// Takes the text as it is.
    ///
    /// # Errors
    /// [`DialError`] names the character or the limit.
    pub fn parse(text: &str) -> Result<DialString, DialError> {
        check(text)?;
        Ok(DialString(text.into()))
    }

    /// The text that was dialled.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether these are the digits of a telephone number, with or without `+`.
    pub fn is_number(&self) -> bool {
        let digits = self.0.strip_prefix('+').unwrap_or(&self.0);
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
    }

    /// Whether this is a service code like `*21#`: keys of a telephone with a `*` or `#` in them.
    pub fn is_service_code(&self) -> bool {
        let mut bytes = self.0.bytes();
        bytes.all(|byte| byte.is_ascii_digit() || matches!(byte, b'*' | b'#'))
            && self.0.contains(['*', '#'])
    }

    /// The keys to press for the letters of a number like `0800REISE` (ITU-T E.161); a name's
    /// dots and dashes are dropped.
    pub fn keys(&self) -> String {
        self.0.chars().filter_map(key).collect()
    }
}

fn check(text: &str) -> Result<(), DialError> {
    if text.len() > MAX_DIAL_CHARACTERS {
        return Err(DialError::TooLong);
    }
    let body = text.strip_prefix('+').unwrap_or(text);
    if body.is_empty() {
        return Err(DialError::Empty);
    }
    let strange = |character: &char| {
        !character.is_ascii_alphanumeric() && !matches!(character, '*' | '#' | '.' | '-' | '_')
    };
    body.chars()
        .find(strange)
        .map_or(Ok(()), |character| Err(DialError::Character(character)))
}

fn key(character: char) -> Option<char> {
    match character.to_ascii_uppercase() {
        'A'..='C' => Some('2'),
        'D'..='F' => Some('3'),
        'G'..='I' => Some('4'),
        'J'..='L' => Some('5'),
        'M'..='O' => Some('6'),
        'P'..='S' => Some('7'),
        'T'..='V' => Some('8'),
        'W'..='Z' => Some('9'),
        other @ ('0'..='9' | '*' | '#' | '+') => Some(other),
        _ => None,
    }
}

impl fmt::Display for DialString {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

impl FromStr for DialString {
    type Err = DialError;

    fn from_str(text: &str) -> Result<DialString, DialError> {
        DialString::parse(text)
    }
}

impl TryFrom<Box<str>> for DialString {
    type Error = DialError;

    fn try_from(text: Box<str>) -> Result<DialString, DialError> {
        check(&text)?;
        Ok(DialString(text))
    }
}

impl From<DialString> for Box<str> {
    fn from(dialled: DialString) -> Box<str> {
        dialled.0
    }
}
