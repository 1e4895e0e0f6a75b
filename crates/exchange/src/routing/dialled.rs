//! What somebody may have meant by what was dialled.

use fernamt_numbering::{DialString, E164, Plan};
use fernamt_sip::uri::unescape;

/// The longest text that is looked up at all.
pub const MAX_DIALLED_BYTES: usize = 256;

/// What a dialled text can be besides the user name of a device and a service number, both of which
/// come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialled {
    /// A telephone number.
    Number(E164),
    /// Digits that would be a number in some country, and no country is set.
    National,
    /// Something else.
    Name,
}

impl Dialled {
    /// Reads the user part of a URI, unescaped, or a whole `tel` URI, as dialled in the country
    /// with this code.
    ///
    /// Understood are `+49…`, `tel:` with visual separators and a `phone-context` (RFC 3966), the
    /// country's international prefix (`00…` where nothing else is known), its trunk prefix, and
    /// last the digits of an international number without any prefix, as some trunks and phones
    /// send it.
    pub fn of(dialled: &str, country_code: Option<&str>) -> Dialled {
        let Some(keys) = Keys::read(dialled) else {
            return Dialled::Name;
        };
        if keys.global {
            return E164::from_digits(&keys.digits).map_or(Dialled::Name, Dialled::Number);
        }
        let plan = country_code.and_then(plan_of);
        let by_plan = plan.as_ref().and_then(|plan| {
            DialString::parse(&keys.digits)
                .ok()
                .and_then(|keys| plan.read_dialled(&keys))
        });
        let international = || {
            let digits = keys.digits.strip_prefix("00").unwrap_or(&keys.digits);
            E164::from_digits(digits).ok()
        };
        match by_plan.or_else(international) {
            Some(number) => Dialled::Number(number),
            None if plan.is_none() => Dialled::National,
            None => Dialled::Name,
        }
    }
}

/// The keys of a telephone number.
struct Keys {
    /// Whether the digits begin with a country code.
    global: bool,
    digits: String,
}

impl Keys {
    fn read(dialled: &str) -> Option<Keys> {
        let scheme = dialled
            .get(..4)
            .is_some_and(|scheme| scheme.eq_ignore_ascii_case("tel:"));
        let text = if scheme {
            unescape(dialled.get(4..)?)
        } else {
            dialled.into()
        };
        let (number, parameters) = text.split_once(';').unwrap_or((&text, ""));
        if number.len() > MAX_DIALLED_BYTES {
            return None;
        }
        let (global, local) = match number.strip_prefix('+') {
            Some(digits) => (true, digits),
            None => (false, number),
        };
        let mut digits = String::with_capacity(local.len());
        for character in local.chars() {
            match character {
                '0'..='9' => digits.push(character),
                '-' | '.' | '(' | ')' => {}
                _ => return None,
            }
        }
        if digits.is_empty() {
            return None;
        }
        match phone_context(parameters) {
            Some(context) if !global => Some(Keys {
                global: true,
                digits: format!("{context}{digits}"),
            }),
            _ => Some(Keys { global, digits }),
        }
    }
}

/// The country (and area) code that a local number stands behind (RFC 3966 section 5.1.5).
fn phone_context(parameters: &str) -> Option<&str> {
    parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let digits = value.strip_prefix('+')?;
        let is_context = name.eq_ignore_ascii_case("phone-context");
        (is_context && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(digits)
    })
}

/// How numbers are dialled in a country: most use 00 and 0, and these do not.
fn plan_of(country_code: &str) -> Option<Plan> {
    let (international, trunk) = match country_code {
        "1" => ("011", "1"),
        "7" => ("810", "8"),
        "36" => ("00", "06"),
        "61" => ("0011", "0"),
        "81" => ("010", "0"),
        "82" => ("00", "0"),
        "65" => ("000", ""),
        "852" => ("001", ""),
        // Closed numbering plans: nothing stands before the number.
        "30" | "34" | "39" | "45" | "47" | "48" | "351" | "352" | "356" | "357" | "371" | "372"
        | "373" | "377" | "378" | "420" => ("00", ""),
        _ => ("00", "0"),
    };
    Plan::new(country_code, international, trunk).ok()
}
