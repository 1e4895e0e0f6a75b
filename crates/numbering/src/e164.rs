//! The international public telephone number (ITU-T E.164, RFC 3966): a value; no assignment data.

use core::fmt;
use core::ops::Deref;
use core::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The longest number E.164 allows, country code included.
pub const MAX_DIGITS: usize = 15;

/// The shortest number taken for one: a country code and a short service number behind it.
pub const MIN_DIGITS: usize = 4;

/// A telephone number in its international form.
///
/// Eight bytes, ordered by value. No country code begins with 0 (E.164 section 6.2.1), so the
/// value alone gives back every digit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct E164(u64);

/// Why a text is not an international number. The one who wrote it is to correct it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// The international form begins with `+`.
    #[error("a number is written with its country code, like +493012345: the + is missing")]
    NoPlus,
    /// Something stands in the number that is no digit.
    #[error("only digits may follow the +, but {0:?} does")]
    NotADigit(char),
    /// Country codes begin with 1 to 9.
    #[error("no country code begins with 0; leave the trunk prefix out after the +")]
    LeadingZero,
    /// Fewer than [`MIN_DIGITS`] digits.
    #[error("the number has {0} digits and needs at least {MIN_DIGITS}")]
    TooShort(usize),
    /// More than [`MAX_DIGITS`] digits.
    #[error("the number has more than {MAX_DIGITS} digits")]
    TooLong,
}

impl E164 {
    /// Reads the strict form, `+` and digits and nothing else.
    ///
    /// # Errors
    /// [`NumberError`] says what is wrong with the text.
    pub fn parse(text: &str) -> Result<E164, NumberError> {
        E164::from_digits(text.strip_prefix('+').ok_or(NumberError::NoPlus)?)
    }

    /// Reads the digits without `+`: country code, then the national number.
    ///
    /// # Errors
    /// [`NumberError`] says what is wrong with the text.
    pub fn from_digits(digits: &str) -> Result<E164, NumberError> {
        if let Some(other) = digits.chars().find(|character| !character.is_ascii_digit()) {
            return Err(NumberError::NotADigit(other));
        }
        if digits.len() > MAX_DIGITS {
            return Err(NumberError::TooLong);
        }
        if digits.len() < MIN_DIGITS {
            return Err(NumberError::TooShort(digits.len()));
        }
        if digits.starts_with('0') {
            return Err(NumberError::LeadingZero);
        }
        let value = digits
            .bytes()
            .fold(0u64, |value, digit| value * 10 + u64::from(digit - b'0'));
        Ok(E164(value))
    }

    /// The digits as one value, for a key in a table.
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// The number whose digits are those of `value`; `None` when it has too few or too many.
    pub const fn from_u64(value: u64) -> Option<E164> {
        if value >= 10u64.pow(MIN_DIGITS as u32 - 1) && value < 10u64.pow(MAX_DIGITS as u32) {
            Some(E164(value))
        } else {
            None
        }
    }

    /// The digits without `+`, on the stack.
    pub fn digits(self) -> Digits {
        let mut text = [b'0'; MAX_DIGITS];
        let mut rest = self.0;
        let mut length = 0u8;
        for place in text.iter_mut().rev() {
            if rest == 0 {
                break;
            }
            *place = b'0' + (rest % 10) as u8;
            rest /= 10;
            length += 1;
        }
        Digits { text, length }
    }

    /// Whether the digits, without `+`, begin with `prefix`.
    pub fn starts_with(self, prefix: &str) -> bool {
        self.digits().starts_with(prefix)
    }

    /// The country code: one to three digits.
    ///
    /// E.164 fixes by the first digits how long it is; which codes are assigned is not asked.
    pub fn country_code(self) -> u16 {
        let digits = self.digits();
        let first_two = digits.get(..2).unwrap_or_default();
        let length = match first_two.as_bytes() {
            [b'1' | b'7', _] => 1,
            [b'2', b'0' | b'7']
            | [b'3', b'0'..=b'4' | b'6' | b'9']
            | [b'4', b'0' | b'1' | b'3'..=b'9']
            | [b'5', b'1'..=b'8']
            | [b'6', b'0'..=b'6']
            | [b'8', b'1' | b'2' | b'4' | b'6']
            | [b'9', b'0'..=b'5' | b'8'] => 2,
            _ => 3,
        };
        digits
            .get(..length)
            .and_then(|code| code.parse().ok())
            .unwrap_or(0)
    }

    /// The digits behind the country code; in some countries they begin with 0.
    pub fn national(self) -> Digits {
        let digits = self.digits();
        let code_length = match self.country_code() {
            0..10 => 1,
            10..100 => 2,
            _ => 3,
        };
        Digits {
            length: digits.length.saturating_sub(code_length),
            ..digits
        }
    }

    /// The number as a `tel` URI (RFC 3966).
    pub const fn tel_uri(self) -> TelUri {
        TelUri(self)
    }

    /// Reads the user part of a SIP URI or the body of a `tel` URI in global form: `+`, digits,
    /// RFC 3966 visual separators, and parameters behind a semicolon, which are ignored.
    ///
    /// # Errors
    /// [`NumberError`], also for a local number (one without `+`): whose local number it is, only
    /// a [`crate::Plan`] can say.
    pub fn from_sip_user(user: &str) -> Result<E164, NumberError> {
        let number = user.split(';').next().unwrap_or(user);
        let body = number.strip_prefix('+').ok_or(NumberError::NoPlus)?;
        let mut digits = [0u8; MAX_DIGITS];
        let mut places = digits.iter_mut();
        let mut length = 0usize;
        for character in body.chars() {
            match character {
                '-' | '.' | '(' | ')' => {}
                '0'..='9' => {
                    *places.next().ok_or(NumberError::TooLong)? = character as u8;
                    length += 1;
                }
                other => return Err(NumberError::NotADigit(other)),
            }
        }
        let digits = digits.get(..length).unwrap_or_default();
        E164::from_digits(core::str::from_utf8(digits).unwrap_or_default())
    }
}

/// The canonical form, `+` and digits; also the user part of a SIP URI.
impl fmt::Display for E164 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.digits();
        let mut text = [b'+'; MAX_DIGITS + 1];
        let mut length = 1;
        for (place, digit) in text.iter_mut().skip(1).zip(digits.bytes()) {
            *place = digit;
            length += 1;
        }
        let text = text
            .get(..length)
            .and_then(|text| core::str::from_utf8(text).ok());
        formatter.pad(text.unwrap_or_default())
    }
}

impl fmt::Debug for E164 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "E164({self})")
    }
}

impl FromStr for E164 {
    type Err = NumberError;

    fn from_str(text: &str) -> Result<E164, NumberError> {
        E164::parse(text)
    }
}

/// As text, so that records and files show what people write.
impl Serialize for E164 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for E164 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<E164, D::Error> {
        struct Text;
        impl de::Visitor<'_> for Text {
            type Value = E164;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a number like +493012345")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<E164, E> {
                E164::parse(text).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// The digits of a number; reads as `str`.
#[derive(Clone, Copy)]
pub struct Digits {
    text: [u8; MAX_DIGITS],
    length: u8,
}

impl Deref for Digits {
    type Target = str;

    fn deref(&self) -> &str {
        let start = MAX_DIGITS.saturating_sub(usize::from(self.length));
        self.text
            .get(start..)
            .and_then(|text| core::str::from_utf8(text).ok())
            .unwrap_or_default()
    }
}

impl fmt::Display for Digits {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self)
    }
}

impl fmt::Debug for Digits {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, formatter)
    }
}

/// Writes a number as a `tel` URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TelUri(E164);

impl fmt::Display for TelUri {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "tel:{}", self.0)
    }
}
