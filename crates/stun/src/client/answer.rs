//! What the server answers (RFC 8489 sections 6.3.3, 6.3.4 and 9.2.5), and which answers are
//! believed.

use core::time::Duration;

use super::request::{Challenge, method_of};
use super::transaction::{MOST_ATTEMPTS, Transaction};
use super::{Client, Queued, REFRESH_BEFORE, Relay, Wish};
use crate::Class;
use crate::message::algorithm::PasswordAlgorithm;
use crate::message::{ErrorCode, Key, Message, attribute};
use crate::time::Now;

/// By this a nonce says that features follow; the first of them is a choice of password algorithms
/// (RFC 8489 sections 9.2 and 18.1).
const COOKIE: &str = "obMatJos2";

impl Client {
    /// Takes an answer to a request of ours; all others are dropped.
    pub(super) fn answered(&mut self, now: Now, answer: &Message<'_>) {
        let is_ours = |it: &&Transaction| {
            it.id == answer.transaction() && method_of(it.wish) == answer.method()
        };
        let Some(found) = self.transactions.iter().find(is_ours) else {
            return;
        };
        if !self.is_believed(answer, found) {
            return;
        }
        let Some(transaction) = self.take_transaction(answer.transaction()) else {
            return;
        };
        match answer.class() {
            Class::Success => self.succeeded(now, &transaction, answer),
            _ => self.failed(now, &transaction, answer),
        }
    }

    /// What follows from credentials must be protected by them; a challenge cannot be, and what makes
    /// no sense to the server neither.
    fn is_believed(&self, answer: &Message<'_>, transaction: &Transaction) -> bool {
        let code = answer.error_code().map(|(code, _)| code);
        let is_bare = matches!(
            code,
            Some(
                ErrorCode::UNAUTHENTICATED
                    | ErrorCode::STALE_NONCE
                    | ErrorCode::BAD_REQUEST
                    | ErrorCode::TRY_ALTERNATE
            )
        );
        if answer.class() == Class::Error && is_bare {
            return true;
        }
        match &self.challenge {
            Some(challenge) if transaction.authenticated => {
                answer.verify(&challenge.key) == Some(challenge.integrity())
            }
            // Nobody gives a relay to somebody unknown.
            _ => answer.class() == Class::Error && code.is_some(),
        }
    }

    fn succeeded(&mut self, now: Now, transaction: &Transaction, answer: &Message<'_>) {
        match transaction.wish {
            Wish::Allocate => {
                let relayed = answer.masked_address(attribute::XOR_RELAYED_ADDRESS);
                let (Some(relayed), Some(mapped)) = (relayed, answer.mapped_address()) else {
                    self.lose(Wish::Allocate);
                    return self.queue.push_back(Queued::Silent(Wish::Allocate));
                };
                self.lasts(now, answer);
                self.queue.push_back(Queued::Allocated(relayed, mapped));
            }
            Wish::Refresh => self.lasts(now, answer),
            Wish::Release => self.queue.push_back(Queued::Released),
            Wish::Permit(peer) | Wish::Bind(_, peer) => {
                let is_bound = matches!(transaction.wish, Wish::Bind(..));
                let mut peers = self.peers.iter_mut();
                if let Some(held) = peers.find(|held| held.address == peer) {
                    held.is_permitted = true;
                    held.is_bound |= is_bound;
                    self.queue.push_back(Queued::Permitted(peer));
                }
            }
        }
    }

    /// Takes note of how long the relay lasts.
    fn lasts(&mut self, now: Now, answer: &Message<'_>) {
        let seconds = answer.number(attribute::LIFETIME).unwrap_or(600);
        let lifetime = Duration::from_secs(u64::from(seconds));
        let left = lifetime
            .saturating_sub(REFRESH_BEFORE)
            .max(lifetime / 2)
            .max(Duration::from_secs(1));
        self.relay = Some(Relay {
            refresh: now.after(left),
        });
    }

    fn failed(&mut self, now: Now, transaction: &Transaction, answer: &Message<'_>) {
        let wish = transaction.wish;
        let Some((code, _)) = answer.error_code() else {
            self.lose(wish);
            return self.queue.push_back(Queued::Silent(wish));
        };
        let may_prove = match code {
            ErrorCode::UNAUTHENTICATED => !transaction.authenticated,
            ErrorCode::STALE_NONCE => true,
            _ => false,
        };
        if may_prove
            && transaction.attempt < MOST_ATTEMPTS
            && let Some(challenge) = self.read_challenge(answer)
        {
            self.challenge = Some(challenge);
            return self.ask(now, wish, transaction.attempt + 1);
        }
        self.lose(wish);
        if wish == Wish::Release && code == ErrorCode::ALLOCATION_MISMATCH {
            // It has ended already: an earlier answer was lost.
            return self.queue.push_back(Queued::Released);
        }
        let alternate = answer.alternate_server();
        self.queue.push_back(Queued::Refused(wish, code, alternate));
    }

    fn read_challenge(&self, answer: &Message<'_>) -> Option<Challenge> {
        let (realm, nonce) = (answer.realm()?, answer.nonce()?);
        if let Some(before) = &self.challenge
            && *before.realm != *realm
        {
            // Our password is for the realm that we began with.
            return None;
        }
        let algorithms = match answer.find(attribute::PASSWORD_ALGORITHMS) {
            Some(offered) if has_algorithms(nonce) => {
                let mut all = answer.password_algorithms()?;
                // The first that we know.
                Some((offered.into(), all.find_map(|known| known)?))
            }
            _ => None,
        };
        let algorithm = algorithms
            .as_ref()
            .map_or(PasswordAlgorithm::Md5, |(_, chosen)| *chosen);
        let (user, password) = (&self.settings.username, &self.settings.password);
        Some(Challenge {
            key: Key::long_term(algorithm, user, realm, password),
            realm: realm.into(),
            nonce: nonce.into(),
            algorithms,
        })
    }
}

/// Whether a nonce says that there is a choice of password algorithms: the highest of the 24 bits
/// that the next four characters stand for.
fn has_algorithms(nonce: &str) -> bool {
    let first = nonce
        .strip_prefix(COOKIE)
        .filter(|features| features.len() >= 4)
        .and_then(|features| features.bytes().next());
    // The letters from g on and all that follows in the alphabet of base64 are 32 and above.
    matches!(first, Some(b'g'..=b'z' | b'0'..=b'9' | b'+' | b'/'))
}
