//! Challenges and credentials as they stand in header fields (RFC 3261 section 25.1, RFC 7616):
//! read into parameters; what the values prove is the affair of [`digest`](crate::digest).

use std::borrow::Cow;

use super::Elements;
use crate::header::Malformed;
use crate::header::params::{Param, unquote};
use crate::limits::MAX_PARAMETERS;
use crate::text;

/// One parameter, for example `realm="example.com"`.
pub type AuthParam<'a> = Param<'a>;

/// A scheme and its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct SchemeParams<'a> {
    scheme: &'a str,
    params: &'a str,
}

impl<'a> SchemeParams<'a> {
    /// Parameters are checked for a scheme whose parameters are known; other schemes have their
    /// own grammar, `Basic` among them.
    fn parse(value: &'a str) -> Option<SchemeParams<'a>> {
        let value = text::trim(value);
        let length = value
            .bytes()
            .take_while(|byte| text::is_token_byte(*byte))
            .count();
        let (scheme, params) = text::split_at(value, length);
        if scheme.is_empty() || !params.bytes().next().is_none_or(text::is_white) {
            return None;
        }
        let parsed = SchemeParams {
            scheme,
            params: text::trim(params),
        };
        (!parsed.is_digest() || parsed.is_well_formed()).then_some(parsed)
    }

    fn is_digest(&self) -> bool {
        self.scheme.eq_ignore_ascii_case("Digest")
    }

    fn is_well_formed(&self) -> bool {
        !self.params.is_empty()
            && self.iter().enumerate().all(|(position, param)| {
                position < MAX_PARAMETERS
                    && text::is_token(param.name)
                    && param.value.is_some_and(|value| {
                        text::is_quoted_string(value)
                            || (!value.is_empty()
                                && !value
                                    .bytes()
                                    .any(|byte| text::is_white(byte) || byte == b'"'))
                    })
            })
    }

    fn iter(&self) -> AuthParams<'a> {
        AuthParams {
            elements: Elements::new(self.params),
        }
    }

    fn get(&self, name: &str) -> Option<Cow<'a, str>> {
        let param = self
            .iter()
            .find(|param| param.name.eq_ignore_ascii_case(name))?;
        param.value.map(unquote)
    }
}

/// Iterates over the parameters in order.
#[derive(Clone, Debug)]
pub struct AuthParams<'a> {
    elements: Elements<'a>,
}

impl<'a> Iterator for AuthParams<'a> {
    type Item = AuthParam<'a>;

    fn next(&mut self) -> Option<AuthParam<'a>> {
        self.elements.next().map(Param::new)
    }
}

/// What a server asks for: one challenge of WWW-Authenticate or Proxy-Authenticate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Challenge<'a>(SchemeParams<'a>);

/// What a client answers: the value of Authorization or Proxy-Authorization.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Credentials<'a>(SchemeParams<'a>);

macro_rules! parameters {
    ($($(#[$doc:meta])* $function:ident $name:literal,)*) => {
        $(
            $(#[$doc])*
            pub fn $function(&self) -> Option<Cow<'a, str>> {
                self.0.get($name)
            }
        )*
    };
}

impl<'a> Challenge<'a> {
    /// Reads one challenge.
    ///
    /// # Errors
    /// When there is no scheme, or a digest challenge has malformed parameters.
    pub fn parse(value: &'a str) -> Result<Challenge<'a>, Malformed> {
        SchemeParams::parse(value)
            .map(Challenge)
            .ok_or(Malformed("challenge"))
    }

    /// All challenges of one header field. RFC 3261 has one each, HTTP has several.
    pub fn split(value: &'a str) -> Challenges<'a> {
        Challenges {
            rest: text::trim(value),
        }
    }

    /// The scheme as it stands, for example `Digest`.
    pub fn scheme(&self) -> &'a str {
        self.0.scheme
    }

    /// Whether the scheme is Digest.
    pub fn is_digest(&self) -> bool {
        self.0.is_digest()
    }

    /// All parameters.
    pub fn params(&self) -> AuthParams<'a> {
        self.0.iter()
    }

    /// The value of a parameter, without quotes.
    pub fn get(&self, name: &str) -> Option<Cow<'a, str>> {
        self.0.get(name)
    }

    parameters! {
        /// What the password is for.
        realm "realm",
        /// What the response must be computed over.
        nonce "nonce",
        /// To be sent back unchanged.
        opaque "opaque",
        /// The hash; MD5 when it is not given.
        algorithm "algorithm",
        /// The kinds of protection offered, comma-separated.
        qop "qop",
        /// Where else the same credentials are valid.
        domain "domain",
    }

    /// Whether only the nonce was too old, not the password wrong.
    pub fn is_stale(&self) -> bool {
        self.get("stale")
            .is_some_and(|stale| stale.eq_ignore_ascii_case("true"))
    }
}

impl<'a> Credentials<'a> {
    /// Reads the value of a field.
    ///
    /// # Errors
    /// When there is no scheme, or digest credentials have malformed parameters.
    pub fn parse(value: &'a str) -> Result<Credentials<'a>, Malformed> {
        SchemeParams::parse(value)
            .map(Credentials)
            .ok_or(Malformed("credentials"))
    }

    /// The scheme as it stands, for example `Digest`.
    pub fn scheme(&self) -> &'a str {
        self.0.scheme
    }

    /// Whether the scheme is Digest.
    pub fn is_digest(&self) -> bool {
        self.0.is_digest()
    }

    /// All parameters.
    pub fn params(&self) -> AuthParams<'a> {
        self.0.iter()
    }

    /// The value of a parameter, without quotes.
    pub fn get(&self, name: &str) -> Option<Cow<'a, str>> {
        self.0.get(name)
    }

    parameters! {
        /// Who answers.
        username "username",
        /// What the password is for.
        realm "realm",
        /// The server's nonce.
        nonce "nonce",
        /// The URI that the response is computed over.
        uri "uri",
        /// The proof.
        response "response",
        /// The hash; MD5 when it is not given.
        algorithm "algorithm",
        /// The client's nonce.
        cnonce "cnonce",
        /// The server's opaque, unchanged.
        opaque "opaque",
        /// The kind of protection chosen.
        qop "qop",
        /// How often the nonce was used, eight hexadecimal digits.
        nc "nc",
    }

    /// How often the nonce was used (RFC 7616 section 3.4); `None` unless it is eight hexadecimal
    /// digits.
    pub fn nonce_count(&self) -> Option<u32> {
        let digits = self.nc()?;
        let right = digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        if right {
            u32::from_str_radix(&digits, 16).ok()
        } else {
            None
        }
    }
}

/// Iterates over the challenges of one header field.
#[derive(Clone, Debug)]
pub struct Challenges<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Challenges<'a> {
    type Item = Result<Challenge<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let mut end = 0;
        let (first, rest) = loop {
            let tail = self.rest.get(end..).unwrap_or("");
            match text::find_unquoted(tail, b',') {
                None => break (self.rest, ""),
                Some(comma) => {
                    let (head, tail) = text::split_at(self.rest, end + comma);
                    let tail = text::trim_start(text::after_first(tail));
                    if starts_with_scheme(tail) {
                        break (head, tail);
                    }
                    end += comma + 1;
                }
            }
        };
        self.rest = rest;
        Some(Challenge::parse(first))
    }
}

/// Whether `text` is `scheme name=…` rather than `name=…`.
fn starts_with_scheme(text: &str) -> bool {
    let skip_token = |text: &'_ str| {
        text.bytes()
            .take_while(|byte| text::is_token_byte(*byte))
            .count()
    };
    let (scheme, rest) = text::split_at(text, skip_token(text));
    let after = text::trim_start(rest);
    !scheme.is_empty() && after.len() < rest.len() && skip_token(after) > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read() {
        let value = "Digest realm=\"a \\\"b\\\", c\" , qop=\"auth,auth-int\",\r\n nonce=\"84a4\",\
                     opaque=\"\", stale=TRUE, algorithm=SHA-256";
        let challenge = Challenge::parse(value).unwrap();
        assert!(challenge.is_digest() && challenge.is_stale());
        assert_eq!(challenge.realm().as_deref(), Some("a \"b\", c"));
        assert_eq!(challenge.qop().as_deref(), Some("auth,auth-int"));
        assert_eq!(challenge.opaque().as_deref(), Some(""));
        assert_eq!(challenge.algorithm().as_deref(), Some("SHA-256"));
        assert_eq!(challenge.domain(), None);
        assert_eq!(challenge.params().count(), 6);
    }

    #[test]
    fn several_challenges_in_one_field_are_told_apart() {
        let value = "Digest realm=\"a, b c=d\", nonce=\"1\", Digest realm=\"b\",nonce=\"2\" , Basic realm=\"c\"";
        let realms: Vec<_> = Challenge::split(value)
            .map(|challenge| challenge.unwrap().realm().unwrap().into_owned())
            .collect();
        assert_eq!(realms, ["a, b c=d", "b", "c"]);
    }

    #[test]
    fn credentials_are_read() {
        let value = "Digest username=\"bob\", realm=\"r\", nonce=\"n\", uri=\"sip:a\", response=\"00\",\
                     algorithm=MD5, cnonce=\"c\", qop=auth, nc=0000000A";
        let credentials = Credentials::parse(value).unwrap();
        assert_eq!(credentials.username().as_deref(), Some("bob"));
        assert_eq!(credentials.nonce_count(), Some(10));
        let other = Credentials::parse("NoOneKnowsThisScheme opaque-data=here").unwrap();
        assert!(!other.is_digest());
    }

    #[test]
    fn authorization_crash() {
        let unbounded = format!("Digest {}a=b", "a=b,".repeat(MAX_PARAMETERS));
        for value in [
            "",
            "Digest",
            "Digest ",
            "Digest ,",
            "Digest a",
            "Digest a=",
            "Digest =a",
            "Digest a=\"",
            "=",
            "\"",
            "Digest a=b,",
            "Digest a=b,,c=d",
            "Digest a=\"b\"c",
            "Digest username=\"a\\",
            "Digest\u{0}a=b",
            "Digest a=b c=d",
            "Digest \u{e9}=b",
            &unbounded,
        ] {
            assert!(Credentials::parse(value).is_err(), "{value}");
            assert!(Challenge::parse(value).is_err(), "{value}");
            assert!(Challenge::split(value).count() <= 2, "{value}");
        }
        assert!(Credentials::parse(&unbounded[..unbounded.len() - 4]).is_ok());
        for count in ["0", "00000000 ", "+0000001", "0000000g", "100000000"] {
            let value = format!("Digest nc=\"{count}\"");
            assert_eq!(
                Credentials::parse(&value).unwrap().nonce_count(),
                None,
                "{count}"
            );
        }
    }
}
