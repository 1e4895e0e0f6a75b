//! The side that answers challenges: only those of its own server, only for its own realm.

use core::fmt::{self, Write as _};

use super::Ha1;
use super::algorithm::Algorithm;
use super::challenge::{Challenge, Challenger};
use super::response::{Protection, Subject, response};

/// How often one request may be answered when the server keeps saying that the nonce is stale.
const MAX_ANSWERS_PER_REQUEST: u32 = 2;

/// What the account knows.
enum Secret {
    /// The password; it fits every realm.
    Password(Box<str>),
    /// The hash of it; it fits the realm that it was made for.
    Ha1(Ha1),
}

/// A nonce that can be used for further requests.
struct Session {
    challenger: Challenger,
    nonce: Box<str>,
    opaque: Option<Box<str>>,
    algorithm: Algorithm,
    algorithm_is_named: bool,
    qop_auth: bool,
    ha1: Ha1,
    /// Requests that were authorized with this nonce.
    uses: u32,
}

/// Why a challenge is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChallengeRefusal {
    /// Whoever asks is not the server that the account belongs to.
    #[error("the challenge comes from another server than that of the account")]
    ForeignServer,
    /// The server asks for another realm than the account has.
    #[error("the challenge is for another realm than that of the account")]
    ForeignRealm,
    /// There is no challenge that can be read and answered.
    #[error("no challenge with a known scheme, algorithm and qop")]
    NothingUsable,
    /// The server has seen our answer and asks again.
    #[error("the server does not accept the user name and password")]
    Rejected,
}

/// A header field that authorizes a request.
#[derive(Clone, PartialEq, Eq)]
pub struct Authorization {
    /// The name of the header field.
    pub name: &'static str,
    /// The value of the header field.
    pub value: String,
}

impl fmt::Debug for Authorization {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Authorization({})", self.name)
    }
}

/// One account at one server, and the nonce in use.
///
/// Credentials are a hash that can be attacked offline, so that they are given to nobody but the
/// server of the account: not to a gateway or a telephone that challenges a request on its way or
/// within a call (CVE-2021-41158).
pub struct DigestClient {
    user: Box<str>,
    server: Box<str>,
    realm: Option<Box<str>>,
    secret: Secret,
    session: Option<Session>,
}

impl DigestClient {
    /// An account with a password. Without `realm`, that of the server's first challenge is taken
    /// and kept.
    pub fn with_password(
        user: &str,
        password: &str,
        server: &str,
        realm: Option<&str>,
    ) -> DigestClient {
        let secret = Secret::Password(password.into());
        DigestClient {
            user: user.into(),
            server: normal_host(server).into(),
            realm: realm.map(Into::into),
            secret,
            session: None,
        }
    }

    /// An account of which only the hash is known, and therefore the realm too.
    pub fn with_ha1(user: &str, ha1: Ha1, server: &str, realm: &str) -> DigestClient {
        DigestClient {
            user: user.into(),
            server: normal_host(server).into(),
            realm: Some(realm.into()),
            secret: Secret::Ha1(ha1),
            session: None,
        }
    }

    /// Takes the challenges of a 401 or 407 response; [`DigestClient::authorize`] then answers.
    ///
    /// `asked` is the host of the server to which the challenged request was sent; `answered` says
    /// how often this request was answered already. The strongest usable challenge is chosen.
    ///
    /// # Errors
    /// [`ChallengeRefusal`] when it must not or cannot be answered.
    pub fn challenged<'a>(
        &mut self,
        asked: &str,
        challenger: Challenger,
        challenges: impl IntoIterator<Item = &'a str>,
        answered: u32,
    ) -> Result<(), ChallengeRefusal> {
        if !self.is_own_server(asked) {
            return Err(ChallengeRefusal::ForeignServer);
        }
        let mut refusal = ChallengeRefusal::NothingUsable;
        let mut best: Option<Challenge<'_>> = None;
        for challenge in challenges
            .into_iter()
            .filter_map(|value| Challenge::parse(value).ok()?)
        {
            if self
                .realm
                .as_deref()
                .is_some_and(|realm| realm != challenge.realm)
            {
                refusal = ChallengeRefusal::ForeignRealm;
            } else if best.is_none_or(|best| best.algorithm < challenge.algorithm) {
                best = Some(challenge);
            }
        }
        let challenge = best.ok_or(refusal)?;
        if answered >= MAX_ANSWERS_PER_REQUEST || (answered > 0 && !challenge.stale) {
            self.session = None;
            return Err(ChallengeRefusal::Rejected);
        }
        self.begin(challenger, &challenge);
        Ok(())
    }

    fn begin(&mut self, challenger: Challenger, challenge: &Challenge<'_>) {
        let ha1 = match &self.secret {
            Secret::Password(password) => Ha1::new(&self.user, challenge.realm, password),
            Secret::Ha1(ha1) => ha1.clone(),
        };
        self.realm.get_or_insert_with(|| challenge.realm.into());
        self.session = Some(Session {
            challenger,
            nonce: challenge.nonce.into(),
            opaque: challenge.opaque.map(Into::into),
            algorithm: challenge.algorithm,
            algorithm_is_named: challenge.algorithm_is_named,
            qop_auth: challenge.qop_auth,
            ha1,
            uses: 0,
        });
    }

    /// Authorizes a request to `asked`, with the nonce of the last challenge and the next nonce
    /// count; `None` without a challenge, and for any other server than our own.
    ///
    /// `cnonce` is random text, new for every request. Neither it nor `uri` may contain quotes,
    /// backslashes or control characters; such a request is not authorized.
    pub fn authorize(
        &mut self,
        asked: &str,
        method: &str,
        uri: &str,
        cnonce: &str,
    ) -> Option<Authorization> {
        if !self.is_own_server(asked) || !is_quotable(uri) || !is_quotable(cnonce) {
            return None;
        }
        let realm = self.realm.as_deref()?;
        let session = self.session.as_mut()?;
        session.uses = session.uses.checked_add(1)?;
        let nonce_count = super::algorithm::HexHash::of(&session.uses.to_be_bytes());
        let protection = session.qop_auth.then_some(Protection {
            nonce_count: nonce_count.as_str(),
            cnonce,
        });
        let subject = Subject {
            method,
            uri,
            nonce: &session.nonce,
        };
        let answer = response(session.algorithm, &session.ha1, subject, protection);
        let mut value = String::with_capacity(320);
        value.push_str("Digest username=\"");
        push_escaped(&mut value, &self.user);
        // Writing to a string does not fail.
        let _ = write!(
            value,
            "\", realm=\"{realm}\", nonce=\"{}\", uri=\"{uri}\", response=\"{}\"",
            session.nonce,
            answer.as_str()
        );
        if session.algorithm_is_named {
            let _ = write!(value, ", algorithm={}", session.algorithm.name());
        }
        if let Some(Protection {
            nonce_count,
            cnonce,
        }) = protection
        {
            let _ = write!(value, ", qop=auth, nc={nonce_count}, cnonce=\"{cnonce}\"");
        }
        if let Some(opaque) = &session.opaque {
            let _ = write!(value, ", opaque=\"{opaque}\"");
        }
        Some(Authorization {
            name: session.challenger.credentials_header(),
            value,
        })
    }

    fn is_own_server(&self, asked: &str) -> bool {
        self.server.eq_ignore_ascii_case(normal_host(asked))
    }
}

/// A host name without the dot of the root.
fn normal_host(host: &str) -> &str {
    host.strip_suffix('.').unwrap_or(host)
}

fn is_quotable(text: &str) -> bool {
    !text
        .bytes()
        .any(|byte| byte.is_ascii_control() || matches!(byte, b'"' | b'\\'))
}

fn push_escaped(target: &mut String, text: &str) {
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            target.push('\\');
        }
        target.push(character);
    }
}
