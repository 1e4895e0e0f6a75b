//! URIs of SIP (RFC 3261 section 19.1), `tel` (RFC 3966) and any other scheme, as views of text.

mod compare;
mod host;

use core::fmt;
use std::borrow::Cow;

pub use host::Host;
pub(crate) use host::split_host_port;

use crate::header::Params;
use crate::limits::{MAX_PARAMETERS, MAX_URI_BYTES};
use crate::text;

/// Which kind of URI it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// RFC 3261.
    Sip,
    /// RFC 3261, secured.
    Sips,
    /// RFC 3966, a telephone number.
    Tel,
    /// Anything else; only its text is known.
    Other,
}

/// Why a text is no URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum UriError {
    /// Longer than [`MAX_URI_BYTES`].
    #[error("URI too long")]
    TooLong,
    /// No scheme.
    #[error("URI without a scheme")]
    Scheme,
    /// A character that may not stand in a URI, or a broken `%` escape.
    #[error("URI with a character that must be escaped")]
    Character,
    /// User or password are malformed.
    #[error("URI with a malformed user part")]
    User,
    /// Host or port are malformed.
    #[error("URI with a malformed host or port")]
    Host,
    /// Parameters are malformed, or more than [`MAX_PARAMETERS`]; the same for header fields.
    #[error("URI with malformed parameters")]
    Parameter,
    /// Not a telephone number.
    #[error("URI with a malformed telephone number")]
    Number,
}

/// A URI, borrowed from the text it was read from.
///
/// `==` compares the text; [`Uri::is_equivalent`] compares as RFC 3261 section 19.1.4 says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uri<'a> {
    text: &'a str,
    scheme: Scheme,
    user: Option<&'a str>,
    password: Option<&'a str>,
    host: Host<'a>,
    port: Option<u16>,
    params: Params<'a>,
    headers: &'a str,
}

impl<'a> Uri<'a> {
    /// Reads a URI.
    ///
    /// # Errors
    /// When it follows the grammar of no URI, or not that of its own scheme.
    pub fn parse(text: &'a str) -> Result<Uri<'a>, UriError> {
        if text.len() > MAX_URI_BYTES {
            return Err(UriError::TooLong);
        }
        if !text::is_uri_text(text) {
            return Err(UriError::Character);
        }
        let (scheme_name, rest) = text::split_once(text, b':').ok_or(UriError::Scheme)?;
        let scheme = Scheme::from_name(scheme_name)?;
        match scheme {
            Scheme::Sip | Scheme::Sips => Self::parse_sip(text, scheme, rest),
            Scheme::Tel => Self::parse_tel(text, rest),
            Scheme::Other if rest.is_empty() => Err(UriError::Scheme),
            Scheme::Other => Ok(Uri::bare(text, scheme)),
        }
    }

    const fn bare(text: &'a str, scheme: Scheme) -> Uri<'a> {
        Uri {
            text,
            scheme,
            user: None,
            password: None,
            host: Host::Name(""),
            port: None,
            params: Params::new(""),
            headers: "",
        }
    }

    fn parse_sip(text: &'a str, scheme: Scheme, rest: &'a str) -> Result<Uri<'a>, UriError> {
        if !text::escapes_are_whole(rest) {
            return Err(UriError::Character);
        }
        // The user part may hold semicolons and question marks, so the at sign is looked for first.
        let (user_info, rest) = match text::split_once(rest, b'@') {
            Some((user_info, rest)) => (Some(user_info), rest),
            None => (None, rest),
        };
        let (rest, headers) = match text::split_once(rest, b'?') {
            Some((rest, headers)) => (rest, headers),
            None => (rest, ""),
        };
        let (host_port, params) = text::split_params(rest);
        let (host, port) = split_host_port(host_port).ok_or(UriError::Host)?;
        if params.contains('@') || headers.contains('@') {
            return Err(UriError::User);
        }
        let params = Params::new(params);
        let few_headers = headers.bytes().filter(|byte| *byte == b'&').count() < MAX_PARAMETERS;
        if !few_headers || !params_are_right(params, |name| !name.is_empty()) {
            return Err(UriError::Parameter);
        }
        let (user, password) = match user_info {
            Some(info) => match text::split_once(info, b':') {
                Some((user, password)) => (Some(user), Some(password)),
                None => (Some(info), None),
            },
            None => (None, None),
        };
        if user == Some("") || password.is_some_and(|password| password.contains(':')) {
            return Err(UriError::User);
        }
        Ok(Uri {
            text,
            scheme,
            user,
            password,
            host,
            port,
            params,
            headers,
        })
    }

    fn parse_tel(text: &'a str, rest: &'a str) -> Result<Uri<'a>, UriError> {
        let (number, params) = text::split_params(rest);
        let digits = number.strip_prefix('+').unwrap_or(number);
        let is_digit = |byte: u8| byte.is_ascii_hexdigit() || matches!(byte, b'*' | b'#');
        let is_separator = |byte: u8| matches!(byte, b'-' | b'.' | b'(' | b')');
        if !digits
            .bytes()
            .all(|byte| is_digit(byte) || is_separator(byte))
            || !digits.bytes().any(is_digit)
        {
            return Err(UriError::Number);
        }
        let params = Params::new(params);
        if !params_are_right(params, text::is_token) {
            return Err(UriError::Parameter);
        }
        Ok(Uri {
            user: Some(number),
            params,
            ..Uri::bare(text, Scheme::Tel)
        })
    }

    /// The URI as it stands.
    pub fn as_str(&self) -> &'a str {
        self.text
    }

    /// Which kind of URI it is.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The name of the scheme as it stands.
    pub fn scheme_name(&self) -> &'a str {
        text::split_once(self.text, b':').map_or("", |(name, _)| name)
    }

    /// Whether it is `sip` or `sips`.
    pub fn is_sip(&self) -> bool {
        matches!(self.scheme, Scheme::Sip | Scheme::Sips)
    }

    /// The user part as it stands, escapes included; the number of a `tel` URI.
    pub fn user(&self) -> Option<&'a str> {
        self.user
    }

    /// The user part with its escapes resolved. Where they make no UTF-8 they are left as they
    /// stand. The text can hold any character, NUL and line ends included: quote it.
    pub fn user_unescaped(&self) -> Option<Cow<'a, str>> {
        self.user.map(unescape)
    }

    /// The password, which nobody should have put there.
    pub fn password(&self) -> Option<&'a str> {
        self.password
    }

    /// The URI without its password, for what people and files are told.
    pub fn without_password(&self) -> Cow<'a, str> {
        let scheme = self.scheme_name();
        match (self.user, self.password, self.text.split_once('@')) {
            (Some(user), Some(_), Some((_, rest))) => format!("{scheme}:{user}@{rest}").into(),
            _ => Cow::Borrowed(self.text),
        }
    }

    /// The host; an empty name for a URI that is not a SIP one.
    pub fn host(&self) -> Host<'a> {
        self.host
    }

    /// The port, when one is given.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// All parameters.
    pub fn params(&self) -> Params<'a> {
        self.params
    }

    /// The value of a parameter; empty when it has none.
    pub fn param(&self, name: &str) -> Option<&'a str> {
        self.params.get(name)
    }

    /// Whether there is a parameter of this name, for example `lr` or `ob`.
    pub fn has_param(&self, name: &str) -> bool {
        self.params.has(name)
    }

    /// The header fields that a request to this URI should get, as names and values with escapes
    /// (RFC 3261 section 19.1.1).
    pub fn headers(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        self.headers
            .split('&')
            .filter(|header| !header.is_empty())
            .map(|header| text::split_once(header, b'=').unwrap_or((header, "")))
    }

    /// The value of a header field in the URI with its escapes resolved, for example `Replaces` in
    /// a Refer-To. It comes from outside: read it as such a field, never write it as it is.
    pub fn header(&self, name: &str) -> Option<Cow<'a, str>> {
        let is_named = |found: &str| unescape(found).eq_ignore_ascii_case(name);
        self.headers()
            .find(|(found, _)| is_named(found))
            .map(|(_, value)| unescape(value))
    }

    /// Whether it is a GRUU, and of which instance: the `gr` parameter, empty in a URI of our own
    /// making (RFC 5627 section 3.1).
    pub fn gruu(&self) -> Option<&'a str> {
        self.params.get("gr")
    }

    /// The header fields as they stand, without the question mark.
    pub fn raw_headers(&self) -> &'a str {
        self.headers
    }

    /// Whether both name the same resource (RFC 3261 section 19.1.4, RFC 3966 section 4); URIs of
    /// other schemes by their text.
    pub fn is_equivalent(&self, other: &Uri<'_>) -> bool {
        compare::are_equivalent(self, other)
    }
}

/// Whether there are not too many parameters, and each has a right name and no empty value.
fn params_are_right(params: Params<'_>, is_name: impl Fn(&str) -> bool) -> bool {
    params.iter().enumerate().all(|(position, param)| {
        position < MAX_PARAMETERS && is_name(param.name) && param.value != Some("")
    })
}

impl Scheme {
    fn from_name(name: &str) -> Result<Scheme, UriError> {
        let starts_right = name
            .bytes()
            .next()
            .is_some_and(|byte| byte.is_ascii_alphabetic());
        let goes_on = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
        if !starts_right || !name.bytes().all(goes_on) {
            return Err(UriError::Scheme);
        }
        Ok(match name {
            _ if name.eq_ignore_ascii_case("sip") => Scheme::Sip,
            _ if name.eq_ignore_ascii_case("sips") => Scheme::Sips,
            _ if name.eq_ignore_ascii_case("tel") => Scheme::Tel,
            _ => Scheme::Other,
        })
    }
}

impl fmt::Display for Uri<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.text)
    }
}

/// `text` with its `%` escapes resolved, or as it stands where that would make no UTF-8.
pub fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    match String::from_utf8(unescaped_bytes(text).collect()) {
        Ok(plain) => Cow::Owned(plain),
        Err(_) => Cow::Borrowed(text),
    }
}

/// The bytes of `text` with its whole `%` escapes resolved.
pub(crate) fn unescaped_bytes(text: &str) -> impl Iterator<Item = u8> + '_ {
    let mut rest = text.as_bytes();
    core::iter::from_fn(move || {
        if let [b'%', high, low, tail @ ..] = rest
            && let (Some(high), Some(low)) = (hex_digit(*high), hex_digit(*low))
        {
            rest = tail;
            return Some(high << 4 | low);
        }
        let (first, tail) = rest.split_first()?;
        rest = tail;
        Some(*first)
    })
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

/// Writes text as the user part of a SIP URI: what may not stand there is escaped.
#[derive(Clone, Copy, Debug)]
pub struct EscapedUser<'a>(pub &'a str);

impl fmt::Display for EscapedUser<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        for byte in self.0.bytes() {
            let plain = byte.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/".contains(&byte);
            if plain {
                formatter.write_char(char::from(byte))?;
            } else {
                write!(formatter, "%{byte:02X}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
