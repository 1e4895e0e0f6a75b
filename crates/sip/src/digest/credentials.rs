//! Authorization and Proxy-Authorization values as a peer sent them (RFC 7616 section 3.4).

use std::borrow::Cow;

use super::Malformed;
use super::algorithm::Algorithm;
use super::parameters::{Parameter, digest_parameters, set_once, unescape};
use super::response::Protection;

/// The answer to a challenge. Nothing in it is believed before
/// [`DigestServer::verify`](super::DigestServer::verify).
#[derive(Clone, Debug)]
pub struct Credentials<'a> {
    pub(super) username: &'a str,
    pub(super) realm: &'a str,
    pub(super) nonce: &'a str,
    pub(super) uri: &'a str,
    pub(super) response: &'a str,
    /// `None` for an algorithm that is not known here.
    pub(super) algorithm: Option<Algorithm>,
    /// With `qop=auth`: the nonce count as a number, and what enters the hash.
    pub(super) protection: Option<(u32, Protection<'a>)>,
}

impl<'a> Credentials<'a> {
    /// Reads the value of an Authorization or Proxy-Authorization header field; `Ok(None)` when
    /// the scheme is not Digest.
    ///
    /// # Errors
    /// [`Malformed`] when the value breaks the grammar or lacks a needed parameter.
    pub fn parse(value: &'a str) -> Result<Option<Credentials<'a>>, Malformed> {
        let Some(parameters) = digest_parameters(value)? else {
            return Ok(None);
        };
        let mut fields = Fields::default();
        for parameter in parameters {
            fields.set(parameter?)?;
        }
        fields.finish().map(Some)
    }

    /// The user name, to look up the stored hash with.
    pub fn username(&self) -> Cow<'a, str> {
        unescape(self.username)
    }

    /// The realm, as written between the quotes.
    pub fn realm(&self) -> &'a str {
        self.realm
    }

    /// The URI for which the credentials are meant.
    pub fn uri(&self) -> &'a str {
        self.uri
    }
}

#[derive(Default)]
struct Fields<'a> {
    username: Option<&'a str>,
    realm: Option<&'a str>,
    nonce: Option<&'a str>,
    uri: Option<&'a str>,
    response: Option<&'a str>,
    algorithm: Option<&'a str>,
    cnonce: Option<&'a str>,
    qop: Option<&'a str>,
    nonce_count: Option<&'a str>,
}

impl<'a> Fields<'a> {
    fn set(&mut self, parameter: Parameter<'a>) -> Result<(), Malformed> {
        let name = parameter.name;
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        let field = if is("username") {
            &mut self.username
        } else if is("realm") {
            &mut self.realm
        } else if is("nonce") {
            &mut self.nonce
        } else if is("uri") {
            &mut self.uri
        } else if is("response") {
            &mut self.response
        } else if is("algorithm") {
            &mut self.algorithm
        } else if is("cnonce") {
            &mut self.cnonce
        } else if is("qop") {
            &mut self.qop
        } else if is("nc") {
            &mut self.nonce_count
        } else {
            return Ok(());
        };
        set_once(field, parameter)
    }

    fn finish(self) -> Result<Credentials<'a>, Malformed> {
        let protection = match self.qop {
            None => None,
            Some(qop) if qop.eq_ignore_ascii_case("auth") => Some(self.protection()?),
            Some(_) => return Err(Malformed::UnofferedQop),
        };
        let need = |field: Option<&'a str>, name| field.ok_or(Malformed::Missing(name));
        Ok(Credentials {
            username: need(self.username, "username")?,
            realm: need(self.realm, "realm")?,
            nonce: need(self.nonce, "nonce")?,
            uri: need(self.uri, "uri")?,
            response: need(self.response, "response")?,
            algorithm: self
                .algorithm
                .map_or(Some(Algorithm::Md5), Algorithm::from_token),
            protection,
        })
    }

    fn protection(&self) -> Result<(u32, Protection<'a>), Malformed> {
        let cnonce = self.cnonce.ok_or(Malformed::Missing("cnonce"))?;
        let nonce_count = self.nonce_count.ok_or(Malformed::Missing("nc"))?;
        if nonce_count.len() != 8 || !nonce_count.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(Malformed::NonceCount);
        }
        match u32::from_str_radix(nonce_count, 16) {
            Ok(count) if count > 0 => Ok((
                count,
                Protection {
                    nonce_count,
                    cnonce,
                },
            )),
            _ => Err(Malformed::NonceCount),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const COMPLETE: &str = "Digest username=\"bob\", realm=\"biloxi.com\", nonce=\"n\", \
                            uri=\"sip:bob@biloxi.com\", qop=auth, nc=0000000a, cnonce=\"c\", \
                            response=\"6629fae49393a05397450978507c4ef1\", opaque=\"o\"";

    #[test]
    fn complete_credentials_are_read() {
        let credentials = Credentials::parse(COMPLETE).unwrap().unwrap();
        assert_eq!(credentials.username(), "bob");
        assert_eq!(credentials.realm(), "biloxi.com");
        assert_eq!(credentials.uri(), "sip:bob@biloxi.com");
        assert_eq!(credentials.algorithm, Some(Algorithm::Md5));
        assert_eq!(
            credentials.protection,
            Some((
                10,
                Protection {
                    nonce_count: "0000000a",
                    cnonce: "c"
                }
            ))
        );
    }

    #[test]
    fn an_escaped_user_name_is_unescaped_for_the_lookup() {
        let value = COMPLETE.replace("\"bob\"", "\"b\\\"o\\\\b\"");
        assert_eq!(
            Credentials::parse(&value).unwrap().unwrap().username(),
            "b\"o\\b"
        );
    }

    #[test]
    fn a_missing_parameter_is_named() {
        for (name, parameter) in [
            ("username", "username=\"bob\", "),
            ("realm", "realm=\"biloxi.com\", "),
            ("nonce", " nonce=\"n\","),
            ("uri", "uri=\"sip:bob@biloxi.com\", "),
            ("nc", "nc=0000000a, "),
            ("cnonce", "cnonce=\"c\", "),
            (
                "response",
                "response=\"6629fae49393a05397450978507c4ef1\", ",
            ),
        ] {
            let value = COMPLETE.replace(parameter, "");
            assert_ne!(value, COMPLETE);
            assert_eq!(
                Credentials::parse(&value).unwrap_err(),
                Malformed::Missing(name)
            );
        }
    }

    #[test]
    fn authorization_crash_and_other_odd_values_are_malformed() {
        for count in ["0", "00000000", "0000000g", "+0000001", "000000001", ""] {
            let value = COMPLETE.replace("nc=0000000a", &format!("nc=\"{count}\""));
            assert_eq!(
                Credentials::parse(&value).unwrap_err(),
                Malformed::NonceCount,
                "{count}"
            );
        }
        let value = COMPLETE.replace("qop=auth", "qop=auth-int");
        assert_eq!(
            Credentials::parse(&value).unwrap_err(),
            Malformed::UnofferedQop
        );
        let value = COMPLETE.replace("opaque", "NONCE");
        assert_eq!(Credentials::parse(&value).unwrap_err(), Malformed::Repeated);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(value in "(Digest )?(\\PC|[\"=,\\\\ ]){0,200}") {
            let _ = Credentials::parse(&value);
            let _ = super::super::Challenge::parse(&value);
        }
    }
}
