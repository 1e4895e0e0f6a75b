//! A dialling plan: what the digits people type mean at one place; no table of countries.

use serde::{Deserialize, Serialize};

use crate::{DialString, E164, MAX_DIGITS, NumberError};

/// The longest prefix or area code of a plan.
pub const MAX_PREFIX_DIGITS: usize = 8;

/// The longest text that is read as a typed number.
pub const MAX_TYPED_CHARACTERS: usize = 64;

/// Where somebody dials from: country, prefixes and, if the place has one, the area code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "PlanText")]
pub struct Plan {
    country_code: Box<str>,
    international_prefix: Box<str>,
    trunk_prefix: Box<str>,
    area_code: Box<str>,
}

/// Why the values make no plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The country code is no number from 1 to 999.
    #[error("a country code is 1 to 3 digits and does not begin with 0, like 49")]
    CountryCode,
    /// A prefix or area code has something else than digits, or too many.
    #[error("{0} is at most {MAX_PREFIX_DIGITS} digits")]
    Prefix(&'static str),
    /// Without an international prefix, numbers abroad could not be told from those at home.
    #[error("the international prefix is missing; in most countries it is 00")]
    NoInternationalPrefix,
}

/// Why a typed number could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Nothing was typed.
    #[error("no number was given")]
    Empty,
    /// A character stands in it that people do not write in numbers.
    #[error("{0:?} does not belong into a telephone number")]
    Character(char),
    /// More than [`MAX_TYPED_CHARACTERS`] characters.
    #[error("a number is at most {MAX_TYPED_CHARACTERS} characters")]
    TooLong,
    /// A local number was typed where the plan knows no area code.
    #[error("a local number was given; write the area code before it")]
    NeedsAreaCode,
    /// The digits make no number.
    #[error(transparent)]
    Number(#[from] NumberError),
}

/// What a plan looks like in a file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlanText {
    country_code: Box<str>,
    international_prefix: Box<str>,
    #[serde(default)]
    trunk_prefix: Box<str>,
    #[serde(default)]
    area_code: Box<str>,
}

impl TryFrom<PlanText> for Plan {
    type Error = PlanError;

    fn try_from(text: PlanText) -> Result<Plan, PlanError> {
        Plan::new(
            &text.country_code,
            &text.international_prefix,
            &text.trunk_prefix,
        )?
        .with_area_code(&text.area_code)
    }
}

impl Plan {
    /// A plan without area code; for Germany `Plan::new("49", "00", "0")`, for a country without
    /// trunk prefix an empty one.
    ///
    /// # Errors
    /// [`PlanError`] when a value is no short string of digits.
    pub fn new(country: &str, international: &str, trunk: &str) -> Result<Plan, PlanError> {
        if country.is_empty()
            || country.len() > 3
            || country.starts_with('0')
            || !is_digits(country)
        {
            return Err(PlanError::CountryCode);
        }
        if international.is_empty() {
            return Err(PlanError::NoInternationalPrefix);
        }
        Ok(Plan {
            country_code: country.into(),
            international_prefix: checked(international, "the international prefix")?,
            trunk_prefix: checked(trunk, "the trunk prefix")?,
            area_code: "".into(),
        })
    }

    /// The same plan at a place with an area code, written without trunk prefix, like `30`.
    ///
    /// # Errors
    /// [`PlanError::Prefix`] when it is no short string of digits.
    pub fn with_area_code(mut self, area: &str) -> Result<Plan, PlanError> {
        self.area_code = checked(area, "the area code")?;
        Ok(self)
    }

    /// The country code, like `49`.
    pub fn country_code(&self) -> &str {
        &self.country_code
    }

    /// Reads what people type and print: `+49 (0)30 123-45`, `0049 30 12345`, `030/12345`,
    /// `12345` at a place with an area code.
    ///
    /// Spaces, dashes, dots, slashes and parentheses are skipped; a trunk prefix in parentheses
    /// behind a country code is left out, as it is meant.
    ///
    /// # Errors
    /// [`ReadError`] says what could not be understood.
    pub fn read(&self, typed: &str) -> Result<E164, ReadError> {
        let typed = Typed::clean(typed, &self.trunk_prefix)?;
        let digits = typed.digits.as_str();
        if digits.is_empty() {
            return Err(ReadError::Empty);
        }
        if typed.plus {
            return Ok(E164::from_digits(digits)?);
        }
        if let Some(number) = digits.strip_prefix(&*self.international_prefix) {
            return Ok(E164::from_digits(number)?);
        }
        let has_trunk = !self.trunk_prefix.is_empty();
        match digits.strip_prefix(&*self.trunk_prefix) {
            Some(national) if has_trunk => self.join(&[national]),
            _ if !self.area_code.is_empty() => self.join(&[&self.area_code, digits]),
            _ if has_trunk => Err(ReadError::NeedsAreaCode),
            _ => self.join(&[digits]),
        }
    }

    /// Reads the keys somebody pressed as a number; `None` when they are a name, a service code
    /// with `*` or `#`, or make no number in this plan.
    pub fn read_dialled(&self, dialled: &DialString) -> Option<E164> {
        if !dialled.is_number() {
            return None;
        }
        self.read(dialled.as_str()).ok()
    }

    /// The number as it is dialled in this plan: in the own country with the trunk prefix, else
    /// with the international prefix.
    pub fn dial(&self, number: E164) -> String {
        let digits = number.digits();
        match digits.strip_prefix(&*self.country_code) {
            Some(national) => format!("{}{national}", self.trunk_prefix),
            None => format!("{}{digits}", self.international_prefix),
        }
    }

    fn join(&self, parts: &[&str]) -> Result<E164, ReadError> {
        let mut digits = String::with_capacity(MAX_DIGITS + 1);
        digits.push_str(&self.country_code);
        for part in parts {
            digits.push_str(part);
        }
        Ok(E164::from_digits(&digits)?)
    }
}

/// A typed number without the signs that only help the eye.
struct Typed {
    plus: bool,
    digits: String,
}

impl Typed {
    fn clean(typed: &str, trunk_prefix: &str) -> Result<Typed, ReadError> {
        if typed.len() > MAX_TYPED_CHARACTERS {
            return Err(ReadError::TooLong);
        }
        let mut plus = false;
        let mut digits = String::with_capacity(typed.len());
        let mut rest = typed.trim();
        if let Some(behind) = rest.strip_prefix('+') {
            plus = true;
            rest = behind;
        }
        let optional_trunk = format!("({trunk_prefix})");
        while let Some(character) = rest.chars().next() {
            if plus
                && !digits.is_empty()
                && !trunk_prefix.is_empty()
                && let Some(behind) = rest.strip_prefix(optional_trunk.as_str())
            {
                rest = behind;
                continue;
            }
            match character {
                '0'..='9' => digits.push(character),
                ' '
                | '\u{a0}'
                | '\u{202f}'
                | '-'
                | '\u{2010}'..='\u{2013}'
                | '.'
                | '/'
                | '('
                | ')' => {}
                other => return Err(ReadError::Character(other)),
            }
            rest = rest.get(character.len_utf8()..).unwrap_or_default();
        }
        Ok(Typed { plus, digits })
    }
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

fn checked(text: &str, name: &'static str) -> Result<Box<str>, PlanError> {
    if text.len() > MAX_PREFIX_DIGITS || !is_digits(text) {
        return Err(PlanError::Prefix(name));
    }
    Ok(text.into())
}
