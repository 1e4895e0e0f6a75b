//! Who asks (RFC 8489 section 9.2.4): challenges, and questions for the keys of a user. Which users
//! there are is not known here.

use core::ops::Range;

use super::nonce::Verdict;
use super::reply::Reply;
use super::settings::{MAX_QUESTIONS, MAX_REQUEST_BYTES, QUESTION_LIFE};
use super::{Event, Flow, Keys, QuestionId, Queued, Server};
use crate::Class;
use crate::Method;
use crate::credential::Claim;
use crate::message::algorithm::PasswordAlgorithm;
use crate::message::{ErrorCode, Integrity, Key, Message, attribute};
use crate::time::{Micros, Now};

/// What PASSWORD-ALGORITHMS says: the preferred one first.
const ALGORITHMS: [u8; 8] = [0, 2, 0, 0, 0, 1, 0, 0];

/// A request whose user is being looked up.
pub(super) struct Question {
    id: QuestionId,
    flow: Flow,
    asked: Micros,
    request: Box<[u8]>,
}

/// Who sent a request that was authenticated.
pub(super) struct Caller<'a> {
    pub(super) user: &'a str,
    pub(super) reply: Reply,
}

impl Server {
    /// Looks at the credentials of a request, and asks for the keys of its user.
    pub(super) fn authenticate(
        &mut self,
        now: Now,
        flow: Flow,
        request: &Message<'_>,
        bytes: &[u8],
    ) {
        if self.failures.is_banned(now, flow.remote.ip()) && !self.is_trusted(&flow) {
            self.figures.not_answered += 1;
            return;
        }
        let has_integrity =
            request.has_integrity(Integrity::Sha1) || request.has_integrity(Integrity::Sha256);
        if !has_integrity {
            return self.challenge(now, flow, request, ErrorCode::UNAUTHENTICATED);
        }
        let parts = (request.username(), request.realm(), request.nonce());
        let (Some(username), Some(realm), Some(_)) = parts else {
            return self.refuse_stranger(now, flow, request);
        };
        if algorithm_of(request).is_none() || bytes.len() > MAX_REQUEST_BYTES {
            return self.refuse_stranger(now, flow, request);
        }
        if realm != &*self.settings.realm {
            return self.challenge(now, flow, request, ErrorCode::UNAUTHENTICATED);
        }
        let user = Claim::of(username).user;
        self.ask(now, flow, user, bytes);
    }

    fn ask(&mut self, now: Now, flow: Flow, user: &str, bytes: &[u8]) {
        let is_over = |question: &Question| now.micros > question.asked.saturating_add(life());
        while self.questions.front().is_some_and(is_over) {
            self.questions.pop_front();
        }
        if self.questions.len() >= MAX_QUESTIONS {
            self.figures.not_answered += 1;
            return;
        }
        let id = QuestionId(self.next_question);
        self.next_question += 1;
        self.questions.push_back(Question {
            id,
            flow,
            asked: now.micros,
            request: bytes.into(),
        });
        let range = self.keep(user.as_bytes());
        self.queue.push_back(Queued::Ask(id, range));
    }

    /// Puts bytes into the buffer of the outputs.
    pub(super) fn keep(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        start..self.bytes.len()
    }

    /// The keys of a user are there, or there is no such user.
    pub(super) fn answered(&mut self, now: Now, id: QuestionId, keys: Option<Keys>) {
        let Some(index) = self.questions.iter().position(|held| held.id == id) else {
            return;
        };
        let Some(question) = self.questions.remove(index) else {
            return;
        };
        // It was read before; both are always there.
        let Ok(request) = Message::parse(&question.request) else {
            return;
        };
        let Some(username) = request.username() else {
            return;
        };
        self.verify(now, question.flow, &request, username, keys);
    }

    fn verify(
        &mut self,
        now: Now,
        flow: Flow,
        request: &Message<'_>,
        username: &str,
        keys: Option<Keys>,
    ) {
        let nonce = request.nonce().unwrap_or_default();
        let nonce = self.nonces.judge(now, &flow, nonce);
        let claim = Claim::of(username);
        let key = self.key(now, username, claim, algorithm_of(request), keys);
        let Some(integrity) = request.verify(&key) else {
            // Only with a nonce of this flow the source is not forged.
            if nonce != Verdict::Foreign {
                self.failed(now, &flow);
            }
            return self.challenge(now, flow, request, ErrorCode::UNAUTHENTICATED);
        };
        if nonce != Verdict::Good {
            return self.challenge(now, flow, request, ErrorCode::STALE_NONCE);
        }
        let caller = Caller {
            user: claim.user,
            reply: Reply {
                protection: Some((integrity, key)),
                ..Reply::to(flow, request)
            },
        };
        match request.method() {
            Method::ALLOCATE => self.allocate(now, request, &caller),
            Method::REFRESH => self.refresh(now, request, &caller),
            Method::CREATE_PERMISSION => self.create_permission(now, request, &caller),
            Method::CHANNEL_BIND => self.channel_bind(now, request, &caller),
            _ => {}
        }
    }

    /// The key that a request must have been protected with. For somebody who does not exist, and
    /// for a credential whose time is over, one that nobody knows: the answer does not tell these
    /// from a wrong password.
    fn key(
        &self,
        now: Now,
        username: &str,
        claim: Claim<'_>,
        algorithm: Option<PasswordAlgorithm>,
        keys: Option<Keys>,
    ) -> Key {
        let algorithm = algorithm.unwrap_or(PasswordAlgorithm::Md5);
        let stored = match claim.expires {
            Some(expires) => {
                let password = self.credentials.password(username);
                let key = Key::long_term(algorithm, username, &self.settings.realm, &password);
                if keys.is_some() && now.unix_seconds() < expires {
                    return key;
                }
                self.decoy
            }
            None => keys.unwrap_or(self.decoy),
        };
        match algorithm {
            PasswordAlgorithm::Md5 => Key::md5(stored.md5),
            PasswordAlgorithm::Sha256 => Key::sha256(stored.sha256),
        }
    }

    fn failed(&mut self, now: Now, flow: &Flow) {
        self.figures.authentication_failures += 1;
        let failed = Event::AuthenticationFailed(flow.remote);
        self.queue.push_back(Queued::Event(failed));
        if !self.is_trusted(flow) && self.failures.count(now, flow.remote.ip()) {
            let ignored = Event::Ignored(flow.remote);
            self.queue.push_back(Queued::Event(ignored));
        }
    }

    /// Asks for credentials (RFC 8489 section 9.2.4).
    fn challenge(&mut self, now: Now, flow: Flow, request: &Message<'_>, code: ErrorCode) {
        if !self.may_answer(now, &flow) {
            return;
        }
        let nonce = self.nonces.issue(now, &flow);
        let realm = self.settings.realm.clone();
        self.answer(&Reply::to(flow, request), Class::Error, |answer| {
            answer
                .error(code)
                .text(attribute::REALM, &realm)
                .text(attribute::NONCE, nonce.as_str())
                .attribute(attribute::PASSWORD_ALGORITHMS, &ALGORITHMS)
        });
    }

    /// Answers 400 to somebody who has not shown who they are.
    fn refuse_stranger(&mut self, now: Now, flow: Flow, request: &Message<'_>) {
        if self.may_answer(now, &flow) {
            self.refuse(&Reply::to(flow, request), ErrorCode::BAD_REQUEST);
        }
    }
}

/// How the key of a request was made (RFC 8489 section 9.2.4); `None` when what it says makes no
/// sense.
fn algorithm_of(request: &Message<'_>) -> Option<PasswordAlgorithm> {
    let chosen = request.find(attribute::PASSWORD_ALGORITHM);
    let offered = request.find(attribute::PASSWORD_ALGORITHMS);
    match (chosen, offered) {
        (None, None) => Some(PasswordAlgorithm::Md5),
        // What was offered comes back as it was: nobody in between has taken the stronger one out.
        (Some(_), Some(offered)) if offered == ALGORITHMS => request.password_algorithm(),
        _ => None,
    }
}

fn life() -> Micros {
    Now::default().after(QUESTION_LIFE)
}
