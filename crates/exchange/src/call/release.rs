//! The end of a call: both legs, the media and the record end together.

use core::time::Duration;

use fernamt_charging::{CallRecord, LegRecord, LegRole, Releaser};
use fernamt_sip::time::Now;

use super::{Call, Stage, Wait};
use crate::cause::Cause;
use crate::interface::{Output, Write};
use crate::leg::{LegCommand, Rejection, Release};
use crate::media::EndpointId;
use crate::stack::Stack;

/// When, why and by whom a call was ended.
#[derive(Clone, Debug)]
pub(super) struct Ending {
    at: Now,
    cause: Cause,
    by: Releaser,
    status: Option<u16>,
}

impl Ending {
    pub(super) fn new(stack: &Stack, cause: Cause, by: Releaser) -> Ending {
        Ending {
            at: stack.now,
            cause,
            by,
            status: None,
        }
    }

    pub(super) fn by_exchange(stack: &Stack, cause: Cause) -> Ending {
        Ending::new(stack, cause, Releaser::Exchange)
    }
}

impl Call {
    /// A leg has nothing more to do, because its party has left or because it was told to end.
    pub(super) fn leg_finished(&mut self, stack: &mut Stack, leg: u8) {
        self.leg_over(leg);
        if matches!(self.stage, Stage::Releasing) {
            self.confirm_releases(stack);
        }
    }

    /// A party has left, or was found to be gone.
    pub(super) fn leg_released(&mut self, stack: &mut Stack, leg: u8, release: Release) {
        self.leg_finished(stack, leg);
        if matches!(self.stage, Stage::Releasing) {
            return;
        }
        let by = match (release.by_party, leg) {
            (false, _) => Releaser::Exchange,
            (true, 0) => Releaser::Caller,
            (true, _) => Releaser::Callee,
        };
        if leg != 0 && self.partner_of(0) != Some(leg) {
            // One of several that ring.
            let rejection = Rejection {
                cause: release.cause,
                status: None,
            };
            self.tell(stack, leg, LegCommand::ConfirmRelease);
            return self.leg_rejected(stack, leg, rejection);
        }
        let rejection = Rejection {
            cause: release.cause,
            status: release.status,
        };
        self.refuse_with(stack, rejection, Ending::new(stack, release.cause, by));
        self.confirm_releases(stack);
    }

    /// The record is on disk, or has to wait until the disk can be written again, for which nobody
    /// else waits.
    pub(crate) fn recorded(&mut self, stack: &mut Stack) {
        self.recording = false;
        self.confirm_releases(stack);
    }

    /// Tells parties that have hung up that it is so, unless the record of an answered call is still to
    /// be written: after a crash, whoever was told that the call is over does not say it again.
    fn confirm_releases(&mut self, stack: &mut Stack) {
        let is_recorded = self.ending.is_none() && !self.recording;
        if self.answered.is_some() && !is_recorded {
            return;
        }
        for leg in 0..self.legs.len() {
            let Ok(leg) = u8::try_from(leg) else { break };
            self.tell(stack, leg, LegCommand::ConfirmRelease);
        }
    }

    /// Somebody commands the end.
    pub(crate) fn command_release(&mut self, stack: &mut Stack) {
        if !matches!(self.stage, Stage::Releasing) {
            self.decided(stack, "The call is ended by command.");
            self.release(stack, Ending::by_exchange(stack, Cause::NORMAL_UNSPECIFIED));
        }
    }

    /// A side that may send has not sent any media for too long.
    pub(super) fn silent(&mut self, stack: &mut Stack, endpoint: EndpointId) {
        if !matches!(self.stage, Stage::Conversing { .. }) {
            return;
        }
        let who = if self.party_of(endpoint) == Some(0) {
            "caller"
        } else {
            "called party"
        };
        self.decided(
            stack,
            &format!("No media has come from the {who} for too long."),
        );
        self.release(
            stack,
            Ending::by_exchange(stack, Cause::RECOVERY_ON_TIMER_EXPIRY),
        );
    }

    /// Ends the call, answered or not. The caller of a call that was not answered is told the cause.
    pub(super) fn release(&mut self, stack: &mut Stack, ending: Ending) {
        let cause = ending.cause;
        self.refuse_with(
            stack,
            Rejection {
                cause,
                status: None,
            },
            ending,
        );
    }

    /// Ends the call; where the caller still waits for a final response, it gets `rejection`.
    pub(super) fn refuse_with(
        &mut self,
        stack: &mut Stack,
        rejection: Rejection,
        mut ending: Ending,
    ) {
        if matches!(self.stage, Stage::Releasing) {
            return;
        }
        // Only a caller that has been sent the 2xx has been answered: it may still wait for a PRACK.
        let answered = matches!(self.stage, Stage::Conversing { .. })
            && self
                .legs
                .first()
                .is_some_and(|caller| caller.sip.was_answered());
        if let Stage::Seeking(seeking) = &mut self.stage {
            let mut timer = seeking.take_ring_timer();
            stack.cancel_timer(&mut timer);
        }
        if let Stage::Announcing { timer, .. } = &mut self.stage {
            let mut timer = timer.take();
            stack.cancel_timer(&mut timer);
        }
        let cause = ending.cause;
        if !answered {
            self.answered = None;
            ending.status = Some(rejection.status.unwrap_or_else(|| cause.status()));
        }
        self.stage = Stage::Releasing;
        self.carrying = None;
        self.negotiation = None;
        self.bridge.close(stack);
        for leg in 0..self.legs.len() {
            let Ok(leg) = u8::try_from(leg) else { break };
            if self
                .legs
                .get(usize::from(leg))
                .is_some_and(|found| found.over)
            {
                continue;
            }
            let command = if leg == 0 && !answered {
                LegCommand::Reject {
                    rejection,
                    retry_after: None,
                    warning: self.take_warning(),
                }
            } else {
                LegCommand::Release {
                    cause,
                    elsewhere: false,
                }
            };
            self.tell(stack, leg, command);
        }
        self.journal
            .released(ending.at.unix, cause.0, &in_words(&ending));
        self.ending = Some(ending);
        self.record_if_silent(stack);
    }

    pub(super) fn leg_over(&mut self, leg: u8) {
        if let Some(found) = self.legs.get_mut(usize::from(leg)) {
            found.over = true;
        }
    }

    /// Writes the record, exactly once: as soon as the media have ended, whatever the legs still
    /// have to say to their peers.
    pub(super) fn record_if_silent(&mut self, stack: &mut Stack) {
        if !self.bridge.is_closed() {
            return;
        }
        let Some(ending) = self.ending.take() else {
            return;
        };
        let record = Box::new(self.record(&ending));
        let journal = std::mem::take(&mut self.journal);
        self.recording = self.answered.is_some();
        let ticket = self.recording.then(|| Wait::Record.ticket(self.slot));
        let write = Write::Closed {
            record,
            journal,
            ticket,
        };
        stack.outputs.push_back(Output::Write(write));
    }

    fn record(&self, ending: &Ending) -> CallRecord {
        let duration = self.answered.map_or(Duration::ZERO, |answered| {
            ending.at.time.since(answered.time)
        });
        let legs = self.legs.iter().map(|leg| LegRecord {
            role: leg.role,
            call_id: leg.sip.call_id().into(),
            user: leg.user.clone(),
            peer: leg.sip.peer_text().into(),
            protection: leg.protection.filter(|_| self.answered.is_some()),
        });
        let winner = |(index, leg): &(usize, LegRecord)| {
            self.answered.is_none()
                || leg.role == LegRole::Caller
                || self
                    .legs
                    .get(*index)
                    .is_some_and(|leg| leg.sip.was_answered())
        };
        CallRecord {
            call: self.reference,
            caller: Some(self.caller.user.clone()),
            caller_number: self.caller.number.clone(),
            dialled: self.dialled.clone(),
            callee: self.callee.clone(),
            start: self.start.unix,
            answer: self.answered.map(|answered| answered.unix),
            end: ending.at.unix,
            duration,
            cause: ending.cause.0,
            cause_text: ending.cause.text().into(),
            status: ending.status,
            released_by: ending.by,
            codec: self.codec.clone().filter(|_| self.answered.is_some()),
            legs: legs
                .enumerate()
                .filter(winner)
                .map(|(_, leg)| leg)
                .collect(),
        }
    }
}

fn in_words(ending: &Ending) -> String {
    let who = match ending.by {
        Releaser::Caller => "the caller",
        Releaser::Callee => "the called party",
        Releaser::Exchange => "the exchange",
    };
    format!("released by {who}")
}
