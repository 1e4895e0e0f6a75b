//! Connectivity checks (RFC 8445) for one component of one endpoint, as a full and as a lite agent,
//! with candidates that trickle in (RFC 8838), restarts and consent (RFC 7675). No socket and no clock;
//! what is found is told, and what it means for packets is decided elsewhere.
//!
//! We have one candidate, the address of the endpoint, so that a pair is an address of the party. A way
//! is valid when the party has answered a check of ours that came from there and went back there, with
//! its password; a lite agent, which asks nothing, has to believe the party's own checks. The best
//! valid way is used from the beginning, and the one that the controlling side names for good.

mod arrival;
mod consent;
mod early;
mod message;
mod pair;
#[cfg(test)]
mod tests;

use core::net::{IpAddr, SocketAddr};

use fernamt_exchange::media::{Ice, IceCandidate, IceCandidateKind, IceCredentials};
use fernamt_stun::message::{Key, Message, TransactionId};

pub(crate) use arrival::Glance;
use consent::Consent;
pub(crate) use early::EarlyAgent;
use message::Request;
use pair::{Due, Pair, State};

use crate::gate::{Work, reachable, same};
use crate::random::Random;

/// Pairs of one component at most; more candidates are passed over.
pub(crate) const MAX_PAIRS: usize = 32;

/// From check to check, in microseconds (RFC 8445 section 14.2, `Ta`).
const PACE_MICROS: u64 = 50_000;

/// How long the controlling side waits for a better way after the first, in microseconds.
const NOMINATION_WAIT_MICROS: u64 = 500_000;

/// After how long without a way it is said that there is none, in microseconds; checks go on.
pub(crate) const SEARCH_MICROS: u64 = 30_000_000;

/// Type preferences (RFC 8445 section 5.1.2.2).
const HOST_PREFERENCE: u32 = 126;
const PEER_REFLEXIVE_PREFERENCE: u32 = 110;

/// Takes what an agent sends.
pub(crate) type Send<'a> = dyn FnMut(SocketAddr, &[u8]) + 'a;

/// The checks of one component.
#[derive(Debug)]
pub(crate) struct Agent {
    component: u8,
    family: IpAddr,
    local: Credentials,
    remote: Credentials,
    /// The user name of our checks.
    username: String,
    is_controlling: bool,
    is_lite: bool,
    remote_is_lite: bool,
    tie_breaker: u64,
    pairs: Vec<Pair>,
    selected: Option<Selected>,
    /// What was used before a restart, until another way is found (RFC 8445 section 9).
    former: Option<Selected>,
    /// When the next new check may be sent.
    pace_micros: u64,
    /// When the first way was found.
    first_micros: Option<u64>,
    search_end_micros: u64,
    has_given_up: bool,
    room: Vec<u8>,
}

#[derive(Debug)]
struct Credentials {
    words: IceCredentials,
    key: Key,
}

/// The way in use.
#[derive(Clone, Copy, Debug)]
struct Selected {
    remote: SocketAddr,
    kind: IceCandidateKind,
    consent: Consent,
}

impl Agent {
    /// Begins to look for the party; `None` when a password is longer than RFC 8839 allows.
    pub(crate) fn new(
        ice: &Ice,
        component: u8,
        local: IpAddr,
        random: &Random,
        now_micros: u64,
    ) -> Option<Agent> {
        let mut agent = Agent {
            component,
            family: local,
            local: Credentials::new(&ice.local)?,
            remote: Credentials::new(&ice.remote)?,
            username: username(ice),
            is_controlling: ice.controlling && !ice.lite,
            is_lite: ice.lite,
            remote_is_lite: ice.remote_lite,
            tie_breaker: random.next(),
            pairs: Vec::new(),
            selected: None,
            former: None,
            pace_micros: now_micros,
            first_micros: None,
            search_end_micros: now_micros + SEARCH_MICROS,
            has_given_up: false,
            room: Vec::new(),
        };
        agent.add_candidates(&ice.candidates);
        Some(agent)
    }

    /// Takes a new description. Other credentials are a restart: the way is looked for anew, and what
    /// is in use stays so until another is found. Whether it is a restart.
    pub(crate) fn redescribe(&mut self, ice: &Ice, random: &Random, now_micros: u64) -> bool {
        if self.local.words != ice.local || self.remote.words != ice.remote {
            let former = self.selected.or(self.former);
            let local = self.family;
            let agent = Agent::new(ice, self.component, local, random, now_micros);
            let Some(agent) = agent else { return false };
            *self = agent;
            self.former = former;
            return true;
        }
        self.add_candidates(&ice.candidates);
        false
    }

    /// Takes more addresses at which the party may be.
    pub(crate) fn add_candidates(&mut self, candidates: &[IceCandidate]) {
        for candidate in candidates {
            let is_ours = candidate.component == self.component
                && candidate.address.is_ipv4() == self.family.is_ipv4()
                && reachable(candidate.address).is_some();
            if is_ours {
                self.add_pair(candidate.address, candidate.kind, candidate.priority);
            }
        }
    }

    /// The pair with an address, which is new or known; `None` when there are too many.
    fn add_pair(
        &mut self,
        remote: SocketAddr,
        kind: IceCandidateKind,
        priority: u32,
    ) -> Option<&mut Pair> {
        let known = self.pairs.iter().position(|pair| same(pair.remote, remote));
        let index = match known {
            Some(index) => index,
            None if self.pairs.len() >= MAX_PAIRS => return None,
            None => {
                self.pairs.push(Pair::new(remote, kind, priority));
                self.pairs.len() - 1
            }
        };
        let pair = self.pairs.get_mut(index)?;
        // What the party says of it is better than what a check has shown.
        if pair.kind == IceCandidateKind::PeerReflexive && kind != IceCandidateKind::PeerReflexive {
            pair.kind = kind;
            pair.remote_priority = priority;
        }
        Some(pair)
    }

    /// The way in use.
    pub(crate) fn selected(&self) -> Option<(SocketAddr, IceCandidateKind)> {
        let selected = self.selected.or(self.former)?;
        Some((selected.remote, selected.kind))
    }

    /// Where the party has been found, and may speak from.
    pub(crate) fn sources(&self) -> impl Iterator<Item = SocketAddr> {
        let valid = self
            .pairs
            .iter()
            .filter(|pair| pair.state == State::Succeeded);
        let former = self.former.map(|former| former.remote);
        valid.map(|pair| pair.remote).chain(former)
    }

    /// Whether an authentic check has come from there, be it answered by one of ours or not yet.
    pub(crate) fn was_asked_from(&self, from: SocketAddr) -> bool {
        self.pairs
            .iter()
            .any(|pair| pair.has_asked && same(pair.remote, from))
    }

    /// Whether a candidate of the party is on this host, or an authentic check has come from it.
    pub(crate) fn names(&self, host: IpAddr) -> bool {
        self.pairs.iter().any(|pair| pair.remote.ip() == host)
    }

    /// Whether looking for a way has lasted too long; true once.
    pub(crate) fn gives_up(&mut self, now_micros: u64) -> bool {
        let is_over = self.selected().is_none() && now_micros >= self.search_end_micros;
        is_over && !core::mem::replace(&mut self.has_given_up, true)
    }

    /// Takes a message that has been glanced at.
    pub(crate) fn take(
        &mut self,
        glance: &Glance<'_>,
        from: SocketAddr,
        random: &Random,
        now_micros: u64,
        send: &mut Send<'_>,
    ) {
        match glance.work {
            Work::Answer => self.take_answer(&glance.message, from, now_micros),
            _ => self.take_request(glance, from, now_micros, send),
        }
        self.on_time(random, now_micros, send);
    }

    fn renew_consent(&mut self, from: SocketAddr, now_micros: u64) {
        if let Some(selected) = self
            .selected
            .as_mut()
            .filter(|known| same(known.remote, from))
        {
            selected.consent.renew(now_micros);
        }
    }

    /// Leaves the way in use when the party does not answer there any more and has answered elsewhere
    /// since: it has moved, or its router has given it another port. Consent would end only after half a
    /// minute, in which it would hear nothing. With the way go those that are no newer.
    fn leave_dead_way(&mut self) {
        let in_use = |pair: &&Pair| {
            let selected = self.selected.as_ref();
            selected.is_some_and(|selected| same(selected.remote, pair.remote))
        };
        let Some(used) = self.pairs.iter().find(in_use) else {
            return;
        };
        let answered_micros = used.answered_micros;
        let is_valid = |pair: &Pair| pair.state == State::Succeeded;
        let is_newer = |pair: &Pair| pair.answered_micros > answered_micros;
        let is_elsewhere = self
            .pairs
            .iter()
            .any(|pair| is_valid(pair) && is_newer(pair));
        if !used.is_doubtful() || !is_elsewhere {
            return;
        }
        let older = self.pairs.iter_mut().filter(|pair| !is_newer(pair));
        older.filter(|pair| is_valid(pair)).for_each(Pair::fail);
    }

    /// Uses the best way there is.
    fn choose(&mut self, random: &Random, now_micros: u64) {
        self.leave_dead_way();
        let valid = |pair: &&Pair| match (self.is_lite, self.remote_is_lite) {
            (true, true) => true,
            (true, false) => pair.is_nominated,
            _ => pair.state == State::Succeeded,
        };
        let best = self.pairs.iter().filter(valid).max_by_key(|pair| {
            let priority = pair.priority(self.priority(HOST_PREFERENCE), self.is_controlling);
            (pair.is_nominated, priority)
        });
        let Some(best) = best else {
            return;
        };
        self.first_micros.get_or_insert(now_micros);
        if self
            .selected
            .is_some_and(|known| same(known.remote, best.remote))
        {
            return;
        }
        self.selected = Some(Selected {
            remote: best.remote,
            kind: best.kind,
            consent: Consent::new(now_micros, random.next()),
        });
        self.former = None;
    }

    /// Sends what is due and ends what is over.
    pub(crate) fn on_time(&mut self, random: &Random, now_micros: u64, send: &mut Send<'_>) {
        self.end_consent(now_micros);
        if !self.is_lite {
            self.repeat_checks(now_micros, send);
        }
        self.choose(random, now_micros);
        if self.is_lite {
            return;
        }
        if let Some(selected) = &mut self.selected
            && selected.consent.take_question(now_micros, random.next())
        {
            let remote = selected.remote;
            self.check(remote, false, random, now_micros, send);
        }
        if let Some(remote) = self.to_be_nominated(now_micros) {
            self.check(remote, true, random, now_micros, send);
        }
        if now_micros >= self.pace_micros
            && let Some(remote) = self.to_be_checked()
        {
            self.pace_micros = now_micros + PACE_MICROS;
            self.check(remote, false, random, now_micros, send);
        }
    }

    /// Ends the use of a way to which the party has not consented for too long.
    fn end_consent(&mut self, now_micros: u64) {
        let without_checks = self.is_lite && self.remote_is_lite;
        let is_over = |way: &mut Selected| way.consent.is_over(now_micros) && !without_checks;
        self.former.take_if(is_over);
        if !without_checks {
            self.forget_unused(now_micros);
        }
        if self.selected.take_if(is_over).is_none() {
            return;
        }
        for pair in &mut self.pairs {
            // Found anew, when the party is heard again.
            pair.fail();
        }
        self.first_micros = None;
        self.has_given_up = true;
    }

    /// Hears the party no longer where it has not been for as long as consent lasts, and which is not in
    /// use: its router may have given that port to somebody else.
    fn forget_unused(&mut self, now_micros: u64) {
        let used = self.selected.as_ref().map(|selected| selected.remote);
        let is_forgotten = |pair: &&mut Pair| {
            pair.state == State::Succeeded
                && used.is_none_or(|used| !same(used, pair.remote))
                && now_micros >= pair.shown_micros + consent::EXPIRY_MICROS
        };
        let forgotten = self.pairs.iter_mut().filter(is_forgotten);
        forgotten.for_each(Pair::fail);
    }

    fn repeat_checks(&mut self, now_micros: u64, send: &mut Send<'_>) {
        for index in 0..self.pairs.len() {
            let Some(pair) = self.pairs.get_mut(index) else {
                return;
            };
            let remote = pair.remote;
            if let Some(Due::Again {
                transaction,
                nominates,
            }) = pair.take_due(now_micros)
            {
                self.send_check(remote, transaction, nominates, send);
            }
        }
    }

    /// The way that the controlling side names for good: the best valid one, when no better one is
    /// still looked at, or when that has lasted long enough.
    fn to_be_nominated(&self, now_micros: u64) -> Option<SocketAddr> {
        let selected = self.selected.filter(|_| self.is_controlling)?;
        let is_named = |pair: &Pair| pair.is_nominated;
        let chosen = self
            .pairs
            .iter()
            .find(|pair| same(pair.remote, selected.remote))?;
        if self.pairs.iter().any(is_named) || chosen.next_micros().is_some() {
            return None;
        }
        let ours = self.priority(HOST_PREFERENCE);
        let is_better = |pair: &Pair| {
            matches!(pair.state, State::Waiting | State::InProgress)
                && pair.priority(ours, true) > chosen.priority(ours, true)
        };
        let has_waited = now_micros >= self.first_micros? + NOMINATION_WAIT_MICROS;
        (has_waited || !self.pairs.iter().any(is_better)).then_some(chosen.remote)
    }

    /// The pair whose turn it is: one that the party has asked about, then the best one that waits, as
    /// long as none is named for good.
    fn to_be_checked(&self) -> Option<SocketAddr> {
        let is_settled = self
            .pairs
            .iter()
            .any(|pair| pair.is_nominated && pair.state == State::Succeeded);
        let ours = self.priority(HOST_PREFERENCE);
        let is_due =
            |pair: &&Pair| pair.is_triggered || (pair.state == State::Waiting && !is_settled);
        let due = self.pairs.iter().filter(is_due);
        let best =
            due.max_by_key(|pair| (pair.is_triggered, pair.priority(ours, self.is_controlling)))?;
        Some(best.remote)
    }

    fn check(
        &mut self,
        remote: SocketAddr,
        nominates: bool,
        random: &Random,
        now_micros: u64,
        send: &mut Send<'_>,
    ) {
        let transaction = transaction(random);
        let controlling = self.is_controlling;
        let pair = self.pairs.iter_mut().find(|pair| same(pair.remote, remote));
        if let Some(pair) = pair {
            // A way that is named already is named with every question about it.
            let nominates = nominates || (controlling && pair.is_nominated);
            pair.check(transaction, nominates, controlling, now_micros);
            self.send_check(remote, transaction, nominates, send);
        }
    }

    fn send_check(
        &mut self,
        remote: SocketAddr,
        transaction: TransactionId,
        nominates: bool,
        send: &mut Send<'_>,
    ) {
        let request = Request {
            transaction,
            username: &self.username,
            priority: self.priority(PEER_REFLEXIVE_PREFERENCE),
            controlling: self.is_controlling,
            tie_breaker: self.tie_breaker,
            nominates,
        };
        request.write(&self.remote.key, &mut self.room);
        send(remote, &self.room);
    }

    /// The priority of our candidate (RFC 8445 section 5.1.2.1).
    fn priority(&self, preference: u32) -> u32 {
        preference << 24 | 65_535 << 8 | (256 - u32::from(self.component))
    }

    /// When time has to pass at the latest.
    pub(crate) fn deadline_micros(&self) -> Option<u64> {
        let asks = !self.is_lite;
        let ends = !(self.is_lite && self.remote_is_lite);
        let consent = |way: Option<&Selected>, asks| {
            let way = way.filter(|_| ends);
            way.map(|way| way.consent.deadline_micros(asks))
        };
        let selected = consent(self.selected.as_ref(), asks);
        let former = consent(self.former.as_ref(), false);
        let search =
            (self.selected().is_none() && !self.has_given_up).then_some(self.search_end_micros);
        let mut deadline = [selected, former, search].into_iter().flatten().min();
        let mut sooner = |at: Option<u64>| deadline = deadline.into_iter().chain(at).min();
        if asks {
            sooner(self.pairs.iter().filter_map(Pair::next_micros).min());
            sooner(self.to_be_checked().map(|_| self.pace_micros));
            let nomination = self.to_be_nominated(u64::MAX).and(self.first_micros);
            sooner(nomination.map(|first| first + NOMINATION_WAIT_MICROS));
        }
        deadline
    }
}

impl Credentials {
    fn new(words: &IceCredentials) -> Option<Credentials> {
        Some(Credentials {
            words: words.clone(),
            key: Key::short_term(&words.password).ok()?,
        })
    }
}

/// The user name of our checks: the party's fragment, then ours (RFC 8445 section 7.2.2).
fn username(ice: &Ice) -> String {
    [&ice.remote.fragment, ":", &ice.local.fragment].concat()
}

/// Who leads when both or neither want to, as a check of the party says (RFC 8445 section 7.3.1.1):
/// whether it is us, given whether it was until now. `None`: the party has to give in. A lite agent
/// never leads.
fn settled_role(
    is_controlling: bool,
    is_lite: bool,
    tie_breaker: u64,
    request: &Message<'_>,
) -> Option<bool> {
    let role = match is_controlling {
        true => message::ICE_CONTROLLING,
        false => message::ICE_CONTROLLED,
    };
    let Some(theirs) = message::tie_breaker(request, role) else {
        return Some(is_controlling);
    };
    let we_lead = !is_lite && tie_breaker >= theirs;
    (is_controlling != we_lead).then_some(we_lead)
}

/// A transaction that nobody can guess (RFC 8489 section 5).
fn transaction(random: &Random) -> TransactionId {
    let mut id = [0; 12];
    let bytes = random
        .next()
        .to_le_bytes()
        .into_iter()
        .chain(random.next().to_le_bytes());
    for (place, byte) in id.iter_mut().zip(bytes) {
        *place = byte;
    }
    TransactionId(id)
}
