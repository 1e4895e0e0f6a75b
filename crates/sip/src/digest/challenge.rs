//! WWW-Authenticate and Proxy-Authenticate values, written and read (RFC 7616 section 3.3).

use core::fmt;

use super::Malformed;
use super::algorithm::Algorithm;
use super::nonce::NonceText;
use super::parameters::{Parameter, digest_parameters, set_once};

/// Who asks for credentials, which decides the names of the header fields (RFC 3261 section 22).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Challenger {
    /// A user agent server or registrar: 401, WWW-Authenticate, Authorization.
    Server,
    /// A proxy: 407, Proxy-Authenticate, Proxy-Authorization.
    Proxy,
}

impl Challenger {
    /// The status code of the response that carries the challenge.
    pub const fn status(self) -> u16 {
        match self {
            Challenger::Server => 401,
            Challenger::Proxy => 407,
        }
    }

    /// The name of the header field with a challenge.
    pub const fn challenge_header(self) -> &'static str {
        match self {
            Challenger::Server => "WWW-Authenticate",
            Challenger::Proxy => "Proxy-Authenticate",
        }
    }

    /// The name of the header field with the answer.
    pub const fn credentials_header(self) -> &'static str {
        match self {
            Challenger::Server => "Authorization",
            Challenger::Proxy => "Proxy-Authorization",
        }
    }
}

/// A challenge that we issue; its [`fmt::Display`] is the value of the header field.
#[derive(Clone, Copy, Debug)]
pub struct IssuedChallenge<'a> {
    pub(super) realm: &'a str,
    pub(super) nonce: NonceText,
    pub(super) algorithm: Algorithm,
    pub(super) stale: bool,
}

impl IssuedChallenge<'_> {
    /// The algorithm that this challenge asks for.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

impl fmt::Display for IssuedChallenge<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The parts are written one by one: this is cheaper than a format string.
        formatter.write_str("Digest realm=\"")?;
        formatter.write_str(self.realm)?;
        formatter.write_str("\", nonce=\"")?;
        formatter.write_str(self.nonce.as_str())?;
        formatter.write_str("\", algorithm=")?;
        formatter.write_str(self.algorithm.name())?;
        formatter.write_str(", qop=\"auth\"")?;
        if self.stale {
            formatter.write_str(", stale=true")
        } else {
            Ok(())
        }
    }
}

/// A challenge of a peer that we could answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Challenge<'a> {
    /// The protection space, as written between the quotes.
    pub realm: &'a str,
    /// The nonce, as written between the quotes.
    pub nonce: &'a str,
    /// To be sent back as it is.
    pub opaque: Option<&'a str>,
    /// The algorithm that is asked for; MD5 when none is named.
    pub algorithm: Algorithm,
    /// Whether the algorithm was named, so that the answer names it too.
    pub algorithm_is_named: bool,
    /// Whether `qop=auth` is offered; without it the answer has the form of RFC 2069.
    pub qop_auth: bool,
    /// The credentials were right, only the nonce was too old.
    pub stale: bool,
}

impl<'a> Challenge<'a> {
    /// Reads the value of a WWW-Authenticate or Proxy-Authenticate header field.
    ///
    /// `Ok(None)` is a challenge that is well formed and beyond us: another scheme, an unknown
    /// algorithm, or `auth-int` alone. RFC 8760 section 2.4 wants it to be passed over.
    ///
    /// # Errors
    /// [`Malformed`] when the value breaks the grammar, or has no realm or nonce.
    pub fn parse(value: &'a str) -> Result<Option<Challenge<'a>>, Malformed> {
        let Some(parameters) = digest_parameters(value)? else {
            return Ok(None);
        };
        let mut fields = Fields::default();
        for parameter in parameters {
            fields.set(parameter?)?;
        }
        let algorithm = match fields.algorithm {
            None => Some(Algorithm::Md5),
            Some(token) => Algorithm::from_token(token),
        };
        let offers_auth = |list: &str| {
            list.split(',')
                .any(|option| option.trim().eq_ignore_ascii_case("auth"))
        };
        let (Some(algorithm), true) = (algorithm, fields.qop.is_none_or(offers_auth)) else {
            return Ok(None);
        };
        Ok(Some(Challenge {
            realm: fields.realm.ok_or(Malformed::Missing("realm"))?,
            nonce: fields.nonce.ok_or(Malformed::Missing("nonce"))?,
            opaque: fields.opaque,
            algorithm,
            algorithm_is_named: fields.algorithm.is_some(),
            qop_auth: fields.qop.is_some(),
            stale: fields
                .stale
                .is_some_and(|stale| stale.eq_ignore_ascii_case("true")),
        }))
    }
}

#[derive(Default)]
struct Fields<'a> {
    realm: Option<&'a str>,
    nonce: Option<&'a str>,
    opaque: Option<&'a str>,
    algorithm: Option<&'a str>,
    qop: Option<&'a str>,
    stale: Option<&'a str>,
}

impl<'a> Fields<'a> {
    fn set(&mut self, parameter: Parameter<'a>) -> Result<(), Malformed> {
        let name = parameter.name;
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        let field = if is("realm") {
            &mut self.realm
        } else if is("nonce") {
            &mut self.nonce
        } else if is("opaque") {
            &mut self.opaque
        } else if is("algorithm") {
            &mut self.algorithm
        } else if is("qop") {
            &mut self.qop
        } else if is("stale") {
            &mut self.stale
        } else {
            return Ok(());
        };
        set_once(field, parameter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_of_rfc_3261_is_read() {
        let value = "Digest realm=\"atlanta.com\", domain=\"sip:boxesbybob.com\", qop=\"auth\", \
                     nonce=\"f84f1cec41e6cbe5aea9c8e88d359\", opaque=\"\", stale=FALSE, \
                     algorithm=MD5";
        let challenge = Challenge::parse(value).unwrap().unwrap();
        assert_eq!(challenge.realm, "atlanta.com");
        assert_eq!(challenge.nonce, "f84f1cec41e6cbe5aea9c8e88d359");
        assert_eq!(challenge.opaque, Some(""));
        assert_eq!(challenge.algorithm, Algorithm::Md5);
        assert!(challenge.qop_auth && challenge.algorithm_is_named && !challenge.stale);
    }

    #[test]
    fn a_challenge_of_rfc_2069_has_no_qop_and_means_md5() {
        let challenge = Challenge::parse("Digest realm=\"a\",nonce=\"b\"")
            .unwrap()
            .unwrap();
        assert_eq!(challenge.algorithm, Algorithm::Md5);
        assert!(!challenge.qop_auth && !challenge.algorithm_is_named);
    }

    #[test]
    fn challenges_beyond_us_are_passed_over() {
        for value in [
            "Basic realm=\"a\"",
            "Digest realm=\"a\", nonce=\"b\", algorithm=MD5-sess",
            "Digest realm=\"a\", nonce=\"b\", algorithm=AKAv1-MD5",
            "Digest realm=\"a\", nonce=\"b\", qop=\"auth-int\"",
        ] {
            assert_eq!(Challenge::parse(value), Ok(None), "{value}");
        }
        let mixed = "Digest realm=\"a\", nonce=\"b\", qop=\"auth-int, AUTH\"";
        assert!(Challenge::parse(mixed).unwrap().unwrap().qop_auth);
    }

    #[test]
    fn incomplete_and_repeated_parameters_are_malformed() {
        assert_eq!(
            Challenge::parse("Digest nonce=\"b\""),
            Err(Malformed::Missing("realm"))
        );
        assert_eq!(
            Challenge::parse("Digest realm=\"b\""),
            Err(Malformed::Missing("nonce"))
        );
        assert_eq!(
            Challenge::parse("Digest realm=\"a\", realm=\"b\", nonce=\"c\""),
            Err(Malformed::Repeated)
        );
    }
}
