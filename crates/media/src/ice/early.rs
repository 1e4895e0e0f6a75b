//! Checks of a party whose description is not here yet. They are answered at once, as their sender has
//! our password and ours is all that an answer needs (RFC 8445 section 7.3); what else follows from them
//! is seen when the description is known. Nothing is asked and no way is found here.

use core::net::SocketAddr;
use std::collections::VecDeque;

use fernamt_exchange::media::IceOffer;
use fernamt_stun::message::{Class, ErrorCode, Message, Method};

use super::{Agent, Credentials, Send, message, settled_role};
use crate::gate::{Strangers, Trust, Work, same};
use crate::random::Random;
use crate::socket::Channel;

/// Checks that are kept: of each source on each port the newest, of all of them so many of the newest.
pub(crate) const MAX_CHECKS: usize = 16;

/// A check is no longer (RFC 8489 section 6.1: what passes any path); longer ones are passed over.
pub(crate) const MAX_CHECK_BYTES: usize = 548;

/// Answers checks until an [`Agent`] does.
#[derive(Debug)]
pub(crate) struct EarlyAgent {
    offer: IceOffer,
    local: Credentials,
    tie_breaker: u64,
    checks: VecDeque<Check>,
    strangers: Strangers,
    room: Vec<u8>,
}

#[derive(Debug)]
struct Check {
    channel: Channel,
    from: SocketAddr,
    datagram: Box<[u8]>,
}

impl EarlyAgent {
    /// `None` when the password is longer than RFC 8839 allows.
    pub(crate) fn new(offer: &IceOffer, random: &Random) -> Option<EarlyAgent> {
        Some(EarlyAgent {
            offer: offer.clone(),
            local: Credentials::new(&offer.local)?,
            tie_breaker: random.next(),
            checks: VecDeque::new(),
            strangers: Strangers::default(),
            room: Vec::new(),
        })
    }

    /// Takes a STUN message: answers and keeps an authentic check, and nothing else. False: it was none,
    /// or one too many of a source for which no more than this speaks.
    pub(crate) fn handle(
        &mut self,
        channel: Channel,
        datagram: &[u8],
        from: SocketAddr,
        trust: Trust,
        now_micros: u64,
        send: &mut Send<'_>,
    ) -> bool {
        if datagram.len() > MAX_CHECK_BYTES {
            return false;
        }
        let Ok(request) = Message::parse(datagram) else {
            return false;
        };
        let is_check = request.method() == Method::BINDING && request.class() == Class::Request;
        // The password is looked at only where somebody knows the user name.
        let names = request.username().and_then(|name| name.split_once(':'));
        let is_for_us = names.is_some_and(|(ours, _)| *ours == *self.local.words.fragment);
        if !is_check || !is_for_us {
            return false;
        }
        if !self.strangers.allow(Work::Check, trust, from, now_micros) {
            return false;
        }
        let integrity = request.verify(&self.local.key);
        let (Some(integrity), true) = (integrity, request.has(message::PRIORITY)) else {
            return false;
        };
        let (key, room) = (&self.local.key, &mut self.room);
        // Whoever offers leads, unless it only answers.
        let lite = self.offer.lite;
        let refusal = if !message::is_understood(&request) {
            Some(ErrorCode::UNKNOWN_ATTRIBUTE)
        } else if settled_role(!lite, lite, self.tie_breaker, &request).is_none() {
            ErrorCode::new(message::ROLE_CONFLICT)
        } else {
            None
        };
        match refusal {
            Some(code) => message::write_error(&request, code, integrity, key, room),
            None => message::write_success(&request, from, integrity, key, room),
        }
        send(from, room);
        if refusal.is_none() {
            self.keep(channel, from, datagram);
        }
        true
    }

    fn keep(&mut self, channel: Channel, from: SocketAddr, datagram: &[u8]) {
        self.checks
            .retain(|known| known.channel != channel || !same(known.from, from));
        if self.checks.len() >= MAX_CHECKS {
            self.checks.pop_front();
        }
        self.checks.push_back(Check {
            channel,
            from,
            datagram: datagram.into(),
        });
    }

    #[cfg(test)]
    pub(crate) fn kept(&self) -> usize {
        self.checks.len()
    }
}

impl Agent {
    /// Takes over the checks of one port that were answered before the party was described. What
    /// follows from them is looked at as if they came now; they are not answered again.
    pub(crate) fn recall(&mut self, early: &EarlyAgent, channel: Channel, now_micros: u64) {
        self.tie_breaker = early.tie_breaker;
        let checks = early.checks.iter().filter(|check| check.channel == channel);
        for check in checks {
            let glance = self.glance(&check.datagram);
            if let Some(glance) = glance.filter(|glance| glance.work == Work::Check) {
                self.take_request(&glance, check.from, now_micros, &mut |_, _| {});
            }
        }
    }
}
