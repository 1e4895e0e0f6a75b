//! What must hold when everything is over: nobody waits, nothing is open, and every answered call
//! has one record that says the truth.

use core::time::Duration;

use fernamt_charging::{CallRecord, LegRecord, LegRole, MediaProtection, Releaser};
use fernamt_sip::time::{Time, UnixTime};

use super::World;
use super::observer::Leg;
use super::wire::name;
use crate::phone::{MediaKind, Outcome, PhoneCall, Stage};

/// How wrong a duration may be after a crash.
const ALLOWED_ERROR: Duration = Duration::from_secs(1);

/// How long a call may go on after the exchange was killed when its release was not on disk: until
/// the exchange runs again, has repeated its answer, and has asked both sides whether they are there.
const FORGOTTEN: Duration = Duration::from_secs(150);

/// How long an answer may wait for its ACK.
const UNCONFIRMED: Duration = Duration::from_secs(33);

impl World {
    /// Checks everything at the end of a run.
    pub(super) fn check_end(&mut self) {
        self.check_memory();
        self.check_phones();
        self.check_finals();
        let records: Vec<CallRecord> = self.journal.records.values().cloned().collect();
        self.report.counts.records = records.len() as u64;
        self.report.counts.add(self.observer.counts);
        for record in &records {
            let shares = |other: &&CallRecord| call_id_of(other) == call_id_of(record);
            // An INVITE that is repeated after a crash, when its call is over, makes a second call.
            if records.iter().filter(shares).count() == 1 {
                self.check_record(record);
            } else if self.report.counts.restarts == 0 {
                self.breach(format!("a call has several records: {record:?}"));
            }
        }
        self.check_each_answer_has_a_record(&records);
    }

    fn check_memory(&mut self) {
        let mut breaches = Vec::new();
        for (shard, exchange) in self.shards.iter().enumerate() {
            let (servers, clients) = exchange.transaction_counts();
            if exchange.call_count() != 0 || servers != 0 || clients != 0 {
                breaches.push(format!(
                    "shard {shard} keeps {} calls ({:?}), {servers} server and {clients} client transactions",
                    exchange.call_count(),
                    exchange.calls()
                ));
            }
            if let Some(deadline) = exchange.next_deadline() {
                breaches.push(format!("shard {shard} still waits for {deadline}"));
            }
        }
        for address in self.media.open_addresses() {
            breaches.push(format!("the endpoint {address} was never closed"));
        }
        for call in self.journal.states.keys() {
            breaches.push(format!("the state of call {call} is still in the journal"));
        }
        if self.journal.is_waiting() {
            breaches.push("something still waits to be written".to_owned());
        }
        for breach in breaches {
            self.breach(breach);
        }
    }

    fn check_phones(&mut self) {
        let mut breaches = Vec::new();
        for phone in self.phones.iter().filter(|phone| !phone.gone) {
            let refused = phone.refused_registrations;
            if refused > 0 && self.is_fair() && !phone.plan.wrong_password {
                breaches.push(format!("{} was refused registration", name(phone)));
            }
            for (index, call) in phone.calls.iter().enumerate() {
                let who = format!("{} ({},{index})", name(phone), phone.index);
                if call.stage != Stage::Over {
                    breaches.push(format!("{who} is still {:?}", call.stage));
                }
                let failed = matches!(call.outcome, Some(Outcome::Failed(_)));
                // Who guesses passwords is banned in the end, and hears nothing any more.
                let welcome = !phone.plan.wrong_password;
                if failed && call.is_caller && welcome && self.is_fair() {
                    breaches.push(format!("{who} got no final response: {:?}", call.outcome));
                }
            }
            let counts = phone.transaction_counts();
            if counts != (0, 0) {
                breaches.push(format!(
                    "{} still has transactions: {counts:?}",
                    name(phone)
                ));
            }
        }
        for breach in breaches {
            self.breach(breach);
        }
    }

    /// Every INVITE gets exactly one final response.
    fn check_finals(&mut self) {
        // Who is killed does not know what it has refused, or which call is over, and an INVITE that
        // is repeated later is a new one.
        if self.report.counts.restarts > 0 {
            return;
        }
        let twice: Vec<String> = self
            .observer
            .answered_twice()
            .map(|(branch, statuses)| format!("the INVITE {branch} has been given {statuses:?}"))
            .collect();
        for breach in twice {
            self.breach(breach);
        }
    }

    fn civil(&self, at: Time) -> UnixTime {
        self.now.unix_at(at)
    }

    fn leg_of(&self, record: &CallRecord, role: LegRole) -> Option<&Leg> {
        let leg = record.legs.iter().find(|leg| leg.role == role)?;
        self.observer.legs.get(&leg.call_id)
    }

    fn check_record(&mut self, record: &CallRecord) {
        let mut wrong = Vec::new();
        if record.end < record.start {
            wrong.push("it ends before it begins".to_owned());
        }
        let crashed = self.report.counts.restarts > 0;
        match record.answer {
            Some(answer) => {
                self.report.counts.answered += 1;
                self.check_answered(record, answer, crashed, &mut wrong);
            }
            None => {
                if record.duration != Duration::ZERO {
                    wrong.push("it has a duration and no answer".to_owned());
                }
                let caller = self.leg_of(record, LegRole::Caller);
                if let Some(caller) = caller {
                    if caller.answered_at.is_some() && !crashed {
                        wrong.push("the caller was answered".to_owned());
                    }
                    if !crashed && record.status != caller.final_status {
                        wrong.push(format!("the caller was given {:?}", caller.final_status));
                    }
                    if self.is_fair() {
                        wrong.extend(self.should_have_rung(record));
                        wrong.extend(self.should_have_been_told(record, caller));
                    }
                } else {
                    wrong.push("its caller never called".to_owned());
                }
            }
        }
        for wrong in wrong {
            self.breach(format!("a record is wrong: {wrong}: {record:?}"));
        }
    }

    /// A device that is registered is not offline.
    fn should_have_rung(&self, record: &CallRecord) -> Option<String> {
        let user = record.callee.as_deref()?;
        let has_rung = record.legs.iter().any(|leg| leg.role == LegRole::Callee);
        if has_rung || record.cause != 20 {
            return None;
        }
        // It may be registering, or leaving, at this very moment.
        let start = self.now.time_at(record.start);
        let (before, after) = (
            start - Duration::from_secs(2),
            start + Duration::from_secs(8),
        );
        let is_there = |phone: &&crate::phone::Phone| {
            phone.plan.user == user && phone.was_registered(before) && phone.was_registered(after)
        };
        let phone = self.phones.iter().find(is_there)?;
        Some(format!("{} was registered and did not ring", name(phone)))
    }

    /// What the only phone that rang has said is what the caller hears.
    fn should_have_been_told(&self, record: &CallRecord, caller: &Leg) -> Option<String> {
        let mut called = record.legs.iter().filter(|leg| leg.role == LegRole::Callee);
        let (only, None) = (called.next()?, called.next()) else {
            return None;
        };
        let said = self.observer.legs.get(&only.call_id)?.final_status?;
        let passes = matches!(said, 404 | 480 | 486 | 488 | 600 | 603);
        let gave_up = caller.cancelled_at.is_some() || matches!(record.cause, 19 | 31);
        if !passes || gave_up || caller.final_status == Some(said) {
            return None;
        }
        Some(format!(
            "the phone said {said}, the caller heard {:?}",
            caller.final_status
        ))
    }

    fn check_answered(
        &self,
        record: &CallRecord,
        answer: UnixTime,
        crashed: bool,
        wrong: &mut Vec<String>,
    ) {
        let allowed = if crashed {
            ALLOWED_ERROR
        } else {
            Duration::from_millis(2)
        };
        let Some(caller) = self.leg_of(record, LegRole::Caller) else {
            return wrong.push("its caller never called".to_owned());
        };
        let callee = self.leg_of(record, LegRole::Callee);
        let said = record.end.since(answer);
        if apart(said, record.duration) > allowed {
            wrong.push(format!("its times say {said:?}"));
        }
        let gave_up = callee.is_some_and(|leg| leg.bye_received.is_some());
        if caller.answered_at.is_none() && !crashed && !gave_up {
            wrong.push("the caller was never answered".to_owned());
        }
        if let Some(callee) = callee {
            // The answer is somewhere between the two sides hearing of it.
            let told = caller.answered_at.map(|at| self.civil(at));
            match callee.answered_at.map(|at| self.civil(at)) {
                Some(at) if at.since(answer) > allowed => {
                    wrong.push(format!("the called party answered at {at:?}"));
                }
                Some(at) if answer.since(told.unwrap_or(at)) > allowed => {
                    wrong.push(format!("the caller was told at {told:?}"));
                }
                Some(_) => {}
                None => wrong.push("the called party never answered".to_owned()),
            }
        }
        self.check_legs(record, crashed, wrong);
        // The talk ends with the first of the two that leaves, or is left.
        let ends = [Some(caller), callee]
            .into_iter()
            .flatten()
            .filter_map(|leg| leg.over_at);
        let end = ends.min();
        let by_exchange = record.released_by == Releaser::Exchange;
        let allowed = match end.is_some_and(|end| self.is_release_forgotten(end)) {
            true => {
                self.last_killed_before(record.end)
                    .since(end.unwrap_or_default())
                    + FORGOTTEN
            }
            // Who has not confirmed the answer is told as soon as it has, or has not in time.
            false if by_exchange => allowed.max(UNCONFIRMED),
            false => allowed,
        };
        match end.map(|at| self.civil(at)) {
            Some(at) if far(at, record.end) > allowed => {
                wrong.push(format!("it was released at {at:?}"));
            }
            Some(_) => {}
            None => wrong.push("nobody was ever told of its end".to_owned()),
        }
        let hung_up = |leg: Option<&Leg>| leg.and_then(|leg| leg.bye_heard).is_some();
        let plausible = match record.released_by {
            Releaser::Caller => hung_up(Some(caller)),
            Releaser::Callee => hung_up(callee),
            Releaser::Exchange => true,
        };
        if !plausible {
            wrong.push("whoever is said to have hung up has not".to_owned());
        }
        // Nobody hung up: then the exchange must have had a reason.
        let normal = record.cause == 16;
        if record.released_by == Releaser::Exchange && normal {
            wrong.push("the exchange released it for no reason".to_owned());
        }
        // A refresh that crosses with a BYE is told that the call is over.
        let crossed = self.hung_up_before(record);
        let fair = self.is_fair() && !crossed && record.cause != 31;
        if record.released_by == Releaser::Exchange && fair {
            wrong.push("the exchange released it in fair weather".to_owned());
        }
        for leg in [Some(caller), callee].into_iter().flatten() {
            // A leg that waited for its ACK when the exchange was killed ends by its own timers.
            if leg.over_at.is_none() && !crashed {
                wrong.push("one side was never told of its end".to_owned());
            }
        }
    }

    /// What is said of the protection of each leg is what its phone has agreed to.
    fn check_legs(&self, record: &CallRecord, crashed: bool, wrong: &mut Vec<String>) {
        let of_leg = |leg: &LegRecord| {
            let mut phones = self.phones.iter();
            phones.find_map(|phone| {
                let mut calls = phone.calls.iter();
                let call = calls.find(|call| call.call_id == leg.call_id)?;
                Some((phone.plan.media, call))
            })
        };
        let legs: Vec<_> = record.legs.iter().map(of_leg).collect();
        let has_agreed = |leg: &Option<(MediaKind, &PhoneCall)>| {
            leg.is_some_and(|(_, call)| call.negotiated.is_some())
        };
        let all_agreed = legs.iter().all(has_agreed);
        for (leg, found) in record.legs.iter().zip(&legs) {
            let Some((kind, call)) = found else { continue };
            // A phone that is left before it has heard the answer knows nothing of it.
            let unaware = !call.keys.were_agreed && !call.keys.were_left_out;
            let is_true = match leg.protection {
                None => crashed || !all_agreed,
                Some(MediaProtection::Clear) => {
                    !kind.is_strict() && (unaware || call.keys.were_left_out)
                }
                Some(MediaProtection::Sdes { .. }) => {
                    matches!(kind, MediaKind::Keys | MediaKind::Sdes)
                        && (unaware || call.keys.were_agreed)
                }
                Some(MediaProtection::Dtls { .. }) => *kind == MediaKind::Browser,
            };
            let over_tls = leg
                .protection
                .and_then(MediaProtection::signalling_encrypted);
            if !is_true || over_tls == Some(true) {
                wrong.push(format!(
                    "a phone of the kind {kind:?} was protected as {:?}",
                    leg.protection
                ));
            }
        }
    }

    /// When the exchange was killed for the last time before this.
    fn last_killed_before(&self, end: UnixTime) -> Time {
        let end = self.now.time_at(end);
        let killed = self.killed_at.iter().filter(|killed| **killed <= end);
        killed.max().copied().unwrap_or_default()
    }

    /// Whether one of the phones had hung up when the exchange released the call.
    fn hung_up_before(&self, record: &CallRecord) -> bool {
        let mut calls = self.phones.iter().flat_map(|phone| &phone.calls);
        calls.any(|call| {
            record.legs.iter().any(|leg| leg.call_id == call.call_id)
                && call.outcome == Some(Outcome::HungUp)
                && call
                    .ended_at
                    .is_some_and(|ended| self.civil(ended) <= record.end)
        })
    }

    /// Whoever was answered, or answered and was confirmed, is in exactly one record.
    fn check_each_answer_has_a_record(&mut self, records: &[CallRecord]) {
        let mut breaches = Vec::new();
        for phone in &self.phones {
            for (index, call) in phone.calls.iter().enumerate() {
                let of_call = |record: &&CallRecord| {
                    record.answer.is_some()
                        && record.legs.iter().any(|leg| leg.call_id == call.call_id)
                };
                let count = records.iter().filter(of_call).count();
                let answered = call.is_caller && call.established_at.is_some();
                let crashed = self.report.counts.restarts > 0;
                if (count > 1 && !crashed) || (answered && count == 0) {
                    let who = format!("{} ({},{index})", name(phone), phone.index);
                    breaches.push(format!("{who} was answered and has {count} records"));
                }
            }
        }
        for breach in breaches {
            self.breach(breach);
        }
    }
}

/// The Call-ID of the calling leg.
fn call_id_of(record: &CallRecord) -> Option<&str> {
    record.legs.first().map(|leg| &*leg.call_id)
}

fn apart(a: Duration, b: Duration) -> Duration {
    a.max(b) - a.min(b)
}

fn far(a: UnixTime, b: UnixTime) -> Duration {
    a.since(b).max(b.since(a))
}
