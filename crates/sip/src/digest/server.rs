//! The side that challenges and verifies (RFC 7616, RFC 8760, RFC 3261 section 22).

use core::time::Duration;

use super::algorithm::{Algorithm, equal_in_constant_time};
use super::challenge::IssuedChallenge;
use super::credentials::Credentials;
use super::nonce::{Nonces, unix_ms};
use super::replay::{Refusal, Replay};
use super::response::{Subject, response};
use super::target::UriRule;
use super::{Ha1, Malformed};
use crate::time::UnixTime;

/// A nonce may come from a clock that is ahead of ours by this much.
const CLOCK_TOLERANCE_MS: u64 = 60_000;

/// How one [`DigestServer`] works.
#[derive(Clone, Debug)]
pub struct DigestServerSettings {
    /// Our protection space; it is part of every stored [`Ha1`] and cannot be changed later.
    pub realm: Box<str>,
    /// What is offered, in the order of the challenges; what is stronger than the weakest of these is
    /// accepted as well. RFC 8760 section 2.4 wants the
    /// strongest first; peers from before it look at nothing but the first challenge, and know MD5
    /// only.
    pub algorithms: Vec<Algorithm>,
    /// How long a nonce can be used.
    pub nonce_life: Duration,
    /// For how many nonces in use at the same time the counts are remembered (24 bytes each).
    pub remembered_nonces: usize,
    /// Accept credentials without `qop`, as peers of RFC 2069 write them. There is no nonce count
    /// in them, so that such a nonce is good for one request only.
    pub allow_without_qop: bool,
    /// How close the `uri` of the credentials must be to the Request-URI.
    pub uri_rule: UriRule,
}

impl DigestServerSettings {
    /// Settings that every telephone of today gets along with.
    pub fn new(realm: &str) -> DigestServerSettings {
        DigestServerSettings {
            realm: realm.into(),
            algorithms: vec![Algorithm::Sha256, Algorithm::Md5],
            nonce_life: Duration::from_secs(3600),
            remembered_nonces: 16_384,
            allow_without_qop: false,
            uri_rule: UriRule::SameTarget,
        }
    }
}

/// The realm cannot be written into a challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the realm must be printable text of 1 to 127 bytes without quotes and backslashes")]
pub struct BadRealm;

/// The longest realm, in bytes.
pub const MAX_REALM_BYTES: usize = 127;

/// What became of credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The peer knows the password, and this is no repetition.
    Ok,
    /// The peer knows the password; challenge once more with `stale`.
    Stale(Stale),
    /// The peer has not shown that it knows the password; challenge, and count it.
    Wrong(Wrong),
    /// The credentials make no sense; answer with 400.
    Malformed(Malformed),
}

/// Why a nonce cannot be used any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stale {
    /// It is too old.
    Expired,
    /// It was never issued here, or under another secret.
    Unknown,
    /// Its nonce count was used before.
    Replayed,
    /// It was used, and had to make room for newer ones.
    Forgotten,
}

/// What is wrong with credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// They are for another realm.
    Realm,
    /// Their algorithm was not offered.
    Algorithm,
    /// They have no `qop`, which was not offered.
    WithoutQop,
    /// They are meant for another URI than that of the request.
    Uri,
    /// The response was computed with another password, or the user does not exist.
    Response,
}

/// Challenges and verifies for one realm. It keeps nothing per challenge.
pub struct DigestServer {
    settings: DigestServerSettings,
    nonces: Nonces,
    replay: Replay,
    decoy: Ha1,
}

impl DigestServer {
    /// Prepares a server. Nonces stay valid over a restart with the same `secret`; `instance`
    /// should differ from run to run and from shard to shard (a random number will do), so that no
    /// two issue the same nonce.
    ///
    /// # Errors
    /// [`BadRealm`] when the realm cannot stand in a quoted string as it is.
    pub fn new(
        settings: DigestServerSettings,
        secret: &[u8; 32],
        instance: u32,
    ) -> Result<DigestServer, BadRealm> {
        let realm = &settings.realm;
        let is_plain =
            |character: char| !character.is_control() && !matches!(character, '"' | '\\');
        if realm.is_empty() || realm.len() > MAX_REALM_BYTES || !realm.chars().all(is_plain) {
            return Err(BadRealm);
        }
        let nonces = Nonces::new(secret, instance);
        let decoy_password = super::algorithm::HexHash::of(&nonces.derive(b"decoy"));
        let decoy = Ha1::new("", realm, decoy_password.as_str());
        let replay = Replay::new(settings.remembered_nonces);
        Ok(DigestServer {
            settings,
            nonces,
            replay,
            decoy,
        })
    }

    /// Our realm.
    pub fn realm(&self) -> &str {
        &self.settings.realm
    }

    /// The challenges of one response, in the order of the settings: one header field
    /// each, with one nonce for all.
    pub fn challenge(
        &mut self,
        now: UnixTime,
        stale: bool,
    ) -> impl Iterator<Item = IssuedChallenge<'_>> {
        let nonce = self.nonces.issue(now);
        let realm = &*self.settings.realm;
        let algorithms = self.settings.algorithms.iter();
        algorithms.map(move |&algorithm| IssuedChallenge {
            realm,
            nonce,
            algorithm,
            stale,
        })
    }

    /// Picks the credentials for our realm out of the header fields of a request.
    ///
    /// Credentials for other realms belong to other servers on the way and are passed over.
    ///
    /// # Errors
    /// [`Malformed`] when none is for our realm and one cannot be read.
    pub fn find<'a>(
        &self,
        values: impl IntoIterator<Item = &'a str>,
    ) -> Result<Option<Credentials<'a>>, Malformed> {
        let mut malformed = None;
        for value in values {
            match Credentials::parse(value) {
                Ok(Some(credentials)) if credentials.realm == self.realm() => {
                    return Ok(Some(credentials));
                }
                Ok(_) => {}
                Err(error) => malformed = Some(error),
            }
        }
        malformed.map_or(Ok(None), Err)
    }

    /// A hash for users that do not exist: verify with it, so that an unknown user costs the same
    /// and is answered in the same way as a wrong password. Nobody knows a password for it.
    pub fn decoy(&self) -> Ha1 {
        self.decoy.clone()
    }

    /// Verifies credentials of a request and uses up their nonce count when they are right.
    ///
    /// `ha1` is that of the user whom [`Credentials::username`] names, or [`DigestServer::decoy`].
    pub fn verify(
        &mut self,
        credentials: &Credentials<'_>,
        method: &str,
        request_uri: &str,
        ha1: &Ha1,
        now: UnixTime,
    ) -> Verdict {
        if credentials.realm != self.realm() {
            return Verdict::Wrong(Wrong::Realm);
        }
        let Some(algorithm) = credentials.algorithm.filter(|it| {
            self.settings
                .algorithms
                .iter()
                .min()
                .is_some_and(|weakest| it >= weakest)
        }) else {
            return Verdict::Wrong(Wrong::Algorithm);
        };
        if credentials.protection.is_none() && !self.settings.allow_without_qop {
            return Verdict::Wrong(Wrong::WithoutQop);
        }
        if !self.settings.uri_rule.admits(credentials.uri, request_uri) {
            return Verdict::Wrong(Wrong::Uri);
        }
        let subject = Subject {
            method,
            uri: credentials.uri,
            nonce: credentials.nonce,
        };
        let protection = credentials.protection.map(|(_, protection)| protection);
        let expected = response(algorithm, ha1, subject, protection);
        let given = credentials.response;
        if !given.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Verdict::Malformed(Malformed::Response);
        }
        if !equals_hex(expected.as_bytes(), given.as_bytes()) {
            return Verdict::Wrong(Wrong::Response);
        }
        // Only who knows the password hears about the nonce and takes a place in the table.
        self.admit(credentials, now)
            .map_or_else(Verdict::Stale, |()| Verdict::Ok)
    }

    fn admit(&mut self, credentials: &Credentials<'_>, now: UnixTime) -> Result<(), Stale> {
        let nonce = self.nonces.open(credentials.nonce).ok_or(Stale::Unknown)?;
        let now_ms = unix_ms(now);
        let life_ms = u64::try_from(self.settings.nonce_life.as_millis()).unwrap_or(u64::MAX);
        if nonce.issued_ms > now_ms.saturating_add(CLOCK_TOLERANCE_MS)
            || now_ms.saturating_sub(nonce.issued_ms) >= life_ms
        {
            return Err(Stale::Expired);
        }
        let count = credentials.protection.map_or(1, |(count, _)| count);
        self.replay
            .admit(nonce, count)
            .map_err(|refusal| match refusal {
                Refusal::Used => Stale::Replayed,
                Refusal::Forgotten => Stale::Forgotten,
            })
    }
}

/// Compares with digits that may be upper case, against the grammar, as some peers write them.
fn equals_hex(expected: &[u8], given: &[u8]) -> bool {
    let mut lower = [0; 64];
    let Some(lower) = lower.get_mut(..given.len()) else {
        return false;
    };
    lower.copy_from_slice(given);
    lower.make_ascii_lowercase();
    equal_in_constant_time(expected, lower)
}
