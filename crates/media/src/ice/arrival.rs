//! What an agent does with the checks of the party and with the answers to its own. What it sends of its own
//! accord is in `ice`.

use core::net::SocketAddr;

use fernamt_exchange::media::IceCandidateKind;

use fernamt_stun::message::{Class, ErrorCode, Integrity, Message, Method};

use super::pair::State;
use super::{Agent, Send, message, settled_role};
use crate::gate::{Work, same};

/// A message that may be one of the party, as far as can be seen without a proof.
#[derive(Debug)]
pub(crate) struct Glance<'a> {
    pub(super) message: Message<'a>,
    /// What there is to be proved.
    pub(crate) work: Work,
}

impl Agent {
    /// Looks at a datagram as far as that costs nothing; `None`: it leads to nothing. Strangers know
    /// neither the user name nor the names of our transactions, which are random.
    pub(crate) fn glance<'a>(&self, datagram: &'a [u8]) -> Option<Glance<'a>> {
        let message = Message::parse(datagram).ok()?;
        let work = match message.class() {
            _ if message.method() != Method::BINDING => return None,
            Class::Request if self.is_for_us(&message) => Work::Check,
            Class::Success | Class::Error if self.asks(&message) => Work::Answer,
            _ => return None,
        };
        Some(Glance { message, work })
    }

    fn asks(&self, answer: &Message<'_>) -> bool {
        let transaction = answer.transaction();
        self.pairs.iter().any(|pair| pair.asks(transaction))
    }

    /// Answers a check of the party (RFC 8445 section 7.3). Without its right to ask there is no answer
    /// at all: nothing that is not authentic has a consequence.
    pub(super) fn take_request(
        &mut self,
        glance: &Glance<'_>,
        from: SocketAddr,
        now_micros: u64,
        send: &mut Send<'_>,
    ) {
        // That it is for us has been seen.
        let request = &glance.message;
        let (Some(integrity), Some(priority)) = (
            request.verify(&self.local.key),
            request.number(message::PRIORITY),
        ) else {
            return;
        };
        if !message::is_understood(request) {
            return self.refuse(request, ErrorCode::UNKNOWN_ATTRIBUTE, integrity, from, send);
        }
        let (controlling, lite) = (self.is_controlling, self.is_lite);
        let Some(is_controlling) = settled_role(controlling, lite, self.tie_breaker, request)
        else {
            if let Some(code) = ErrorCode::new(message::ROLE_CONFLICT) {
                self.refuse(request, code, integrity, from, send);
            }
            return;
        };
        self.is_controlling = is_controlling;
        let is_lite = self.is_lite;
        let kind = IceCandidateKind::PeerReflexive;
        let Some(pair) = self.add_pair(from, kind, priority) else {
            return;
        };
        let is_new = !core::mem::replace(&mut pair.has_asked, true);
        pair.shown_micros = now_micros;
        if request.has(message::USE_CANDIDATE) && !is_controlling {
            pair.is_nominated = true;
        }
        if is_lite {
            pair.state = State::Succeeded;
            self.renew_consent(from, now_micros);
        } else if pair.state != State::Succeeded {
            pair.is_triggered = true;
        }
        message::write_success(request, from, integrity, &self.local.key, &mut self.room);
        send(from, &self.room);
        if is_new && let Some(selected) = &mut self.selected {
            // Perhaps it is not there any more where it was.
            selected.consent.doubt(now_micros);
        }
    }

    /// Whether the user name is ours and the party's.
    fn is_for_us(&self, request: &Message<'_>) -> bool {
        let names = request.username().and_then(|name| name.split_once(':'));
        names == Some((&self.local.words.fragment, &self.remote.words.fragment))
    }

    fn refuse(
        &mut self,
        request: &Message<'_>,
        code: ErrorCode,
        integrity: Integrity,
        from: SocketAddr,
        send: &mut Send<'_>,
    ) {
        message::write_error(request, code, integrity, &self.local.key, &mut self.room);
        send(from, &self.room);
    }

    /// Takes the answer to a check of ours (RFC 8445 section 7.2.5).
    pub(super) fn take_answer(&mut self, answer: &Message<'_>, from: SocketAddr, now_micros: u64) {
        let transaction = answer.transaction();
        let controlling = self.is_controlling;
        let asked = self.pairs.iter_mut().find(|pair| pair.asks(transaction));
        let Some(pair) = asked else {
            return;
        };
        // The transaction is random, and still proves nothing: only the password does.
        if answer.verify(&self.remote.key).is_none() {
            return;
        }
        if !same(pair.remote, from) {
            // Not symmetric (section 7.2.5.2.1).
            pair.fail();
            return;
        }
        if answer.class() == Class::Success {
            pair.is_nominated |= pair.succeed(now_micros);
            self.renew_consent(from, now_micros);
            return;
        }
        let is_conflict = answer
            .error_code()
            .is_some_and(|(code, _)| code.code() == message::ROLE_CONFLICT);
        if pair.refuse(controlling) && is_conflict && !self.remote_is_lite {
            pair.state = State::Waiting;
            pair.is_triggered = true;
            self.is_controlling = !controlling;
        }
    }
}
