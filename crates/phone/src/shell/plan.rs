//! What the phone does next: register, call, let it ring, answer, talk for a while, leave. It holds
//! deadlines and wishes; no socket and no message.

use core::time::Duration;
use std::collections::VecDeque;

use fernamt_sip::time::Time;
use fernamt_sip::transport::Flow;

use super::report::{Outcome, PhoneSettings, Task};
use crate::agent::{Command, EndKind, Ended, Event, Side};

/// How long the last requests (BYE, CANCEL, the removal of the registration) may take.
const LAST_WORDS: Duration = Duration::from_secs(4);

/// How long the phone stays to answer a BYE again whose answer was lost: a little longer than the
/// other side waits before it asks again (T1 of RFC 3261 is 500 ms).
const STAY_FOR_REPETITIONS: Duration = Duration::from_millis(600);

/// Why the phone wants to leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum GivenUp {
    Waited,
    Interrupted,
}

/// The plan of one run.
pub(super) struct Plan {
    task: Task,
    register: bool,
    flow: Option<Flow>,
    talk: Option<Duration>,
    /// When to give up; set when waiting begins.
    wait: Option<Duration>,
    give_up_at: Option<Time>,
    /// When the call that rings is answered or refused.
    answer_at: Option<Time>,
    hang_up_at: Option<Time>,
    /// When the phone leaves at the latest, and at the earliest.
    leave: Option<(Time, Time)>,
    commands: VecDeque<Command>,
    called_at: Option<Time>,
    answered_at: Option<Time>,
    registered: bool,
    rang: bool,
    given_up: Option<GivenUp>,
    outcome: Option<Outcome>,
}

impl Plan {
    pub(super) fn new(settings: &PhoneSettings, flow: Option<Flow>) -> Plan {
        let mut plan = Plan {
            task: settings.task.clone(),
            register: settings.register,
            flow,
            talk: settings.talk,
            wait: settings.wait,
            give_up_at: None,
            answer_at: None,
            hang_up_at: None,
            leave: None,
            commands: VecDeque::new(),
            called_at: None,
            answered_at: None,
            registered: false,
            rang: false,
            given_up: None,
            outcome: None,
        };
        if plan.register {
            plan.commands.push_back(Command::Register);
        } else {
            plan.begin(Time::ZERO);
        }
        plan
    }

    /// The phone is ready for its task.
    fn begin(&mut self, now: Time) {
        self.give_up_at = self.wait.map(|wait| now + wait);
        if let (Task::Call(target), Some(flow)) = (&self.task, self.flow) {
            self.commands.push_back(Command::Call {
                uri: target.uri.clone(),
                flow,
            });
        }
    }

    pub(super) fn waits_for_calls(&self) -> bool {
        matches!(self.task, Task::Answer { .. })
    }

    /// The request URI of our call.
    pub(super) fn called(&self) -> &str {
        match &self.task {
            Task::Call(target) => &target.uri,
            Task::Answer { .. } => "",
        }
    }

    pub(super) fn since_call(&self, now: Time) -> Option<Duration> {
        self.called_at.map(|at| now.since(at))
    }

    pub(super) fn talked(&self, now: Time) -> Option<Duration> {
        self.answered_at.map(|at| now.since(at))
    }

    pub(super) fn next_command(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }

    pub(super) fn deadline(&self) -> Option<Time> {
        let leave = self.leave.map(|(earliest, _)| earliest);
        [self.give_up_at, self.answer_at, self.hang_up_at, leave]
            .into_iter()
            .flatten()
            .min()
    }

    pub(super) fn event(&mut self, now: Time, event: &Event) {
        match event {
            Event::Registered { .. } if !self.registered => {
                self.registered = true;
                self.begin(now);
            }
            Event::RegistrationFailed(refusal) if !self.registered && self.leave.is_none() => {
                self.outcome = Some(Outcome::NotRegistered(refusal.clone()));
                self.leave_after(now, Duration::ZERO);
            }
            Event::Calling { .. } => self.called_at = Some(now),
            Event::Progress { status, .. } => self.rang |= *status == 180,
            Event::Incoming { .. } => {
                self.called_at = Some(now);
                self.give_up_at = None;
                if let Task::Answer { ring, .. } = self.task {
                    self.answer_at = Some(now + ring);
                }
            }
            Event::Answered => {
                self.answered_at = Some(now);
                self.give_up_at = None;
                self.hang_up_at = self.talk.map(|talk| now + talk);
            }
            Event::Ended(ended) => self.ended(now, ended),
            _ => {}
        }
    }

    fn ended(&mut self, now: Time, ended: &Ended) {
        let is_early = matches!(ended.kind, EndKind::Cancelled | EndKind::Rejected(_));
        let gave_up = self.given_up.filter(|_| is_early);
        self.outcome = Some(match gave_up {
            Some(GivenUp::Waited) => Outcome::NotAnswered { rang: self.rang },
            Some(GivenUp::Interrupted) => Outcome::Interrupted,
            None => Outcome::Ended(ended.clone()),
        });
        let stay = if ended.by == Side::There {
            STAY_FOR_REPETITIONS
        } else {
            Duration::ZERO
        };
        self.leave_after(now, stay);
    }

    fn leave_after(&mut self, now: Time, stay: Duration) {
        if core::mem::take(&mut self.registered) {
            self.commands.push_back(Command::Unregister);
        }
        self.give_up_at = None;
        self.answer_at = None;
        self.hang_up_at = None;
        self.leave = Some((now + stay, now + LAST_WORDS));
    }

    pub(super) fn expire(&mut self, now: Time) {
        let is_due = |at: &mut Time| *at <= now;
        if self.answer_at.take_if(is_due).is_some()
            && let Task::Answer { reject, .. } = self.task
        {
            self.commands
                .push_back(reject.map_or(Command::Answer, Command::Reject));
        }
        if self.hang_up_at.take_if(is_due).is_some() {
            self.commands.push_back(Command::HangUp);
        }
        if self.give_up_at.take_if(is_due).is_some() {
            self.give_up(now, GivenUp::Waited);
        }
    }

    /// Nobody has answered, or the person has had enough.
    fn give_up(&mut self, now: Time, why: GivenUp) {
        self.given_up = Some(why);
        if self.called_at.is_some() {
            self.commands.push_back(Command::HangUp);
            // Somebody who does not even answer a CANCEL is not waited for.
            let patience = now + LAST_WORDS;
            self.leave = Some((patience, patience));
            return;
        }
        self.outcome = Some(match (why, &self.task) {
            (GivenUp::Waited, Task::Answer { .. }) => Outcome::NobodyCalled,
            (GivenUp::Waited, Task::Call(_)) => Outcome::NotAnswered { rang: false },
            (GivenUp::Interrupted, _) => Outcome::Interrupted,
        });
        self.leave_after(now, Duration::ZERO);
    }

    /// The first time it ends in good order, the second time at once.
    pub(super) fn interrupted(&mut self, now: Time) {
        if self.given_up == Some(GivenUp::Interrupted) {
            self.leave = Some((now, now));
        } else if self.leave.is_none() {
            self.give_up(now, GivenUp::Interrupted);
        }
    }

    pub(super) fn is_done(&self, now: Time, quiet: bool) -> bool {
        let quiet = quiet && self.commands.is_empty();
        self.leave
            .is_some_and(|(earliest, latest)| latest <= now || (earliest <= now && quiet))
    }

    pub(super) fn outcome(self) -> Outcome {
        match (self.outcome, self.given_up) {
            (Some(outcome), _) => outcome,
            (None, Some(GivenUp::Waited)) => Outcome::NotAnswered { rang: self.rang },
            (None, _) => Outcome::Interrupted,
        }
    }
}
