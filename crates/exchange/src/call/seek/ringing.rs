//! What called parties say while the call rings at them, and what follows from it. Who is called is in
//! `seek`.

use fernamt_charging::Releaser;

use crate::call::bridge::Side;
use crate::call::release::Ending;
use crate::call::{Call, Carry, Stage};
use crate::cause::Cause;
use crate::encryption::Policy;
use crate::leg::{LegCommand, Progress, Rejection};
use crate::stack::Stack;

impl Call {
    /// A called leg reports progress.
    pub(in crate::call) fn progressed(&mut self, stack: &mut Stack, leg: u8, progress: Progress) {
        let Stage::Seeking(seeking) = &mut self.stage else {
            return;
        };
        if !seeking.active.contains(&leg) {
            return;
        }
        if self.reach.is_some() && self.bridge.reach().is_none() {
            // What was known was about a party that will not answer.
            self.tell_reach(stack);
        }
        let Stage::Seeking(seeking) = &mut self.stage else {
            return;
        };
        let Progress {
            alerting,
            description,
            offer,
        } = progress;
        let alone = seeking.only_leg() == Some(leg);
        match description {
            Some(description) if alone && offer => {
                seeking.alerted |= alerting;
                seeking.shown = Some(leg);
                let side = self.side_of_leg(leg);
                self.carry(stack, side, description, Carry::ProgressOffer { alerting });
            }
            Some(description) if alone => {
                seeking.alerted |= alerting;
                seeking.shown = Some(leg);
                let side = self.side_of_leg(leg);
                let description = self.take_early_answer(stack, side, &description);
                let progress = Progress {
                    alerting,
                    description,
                    offer: false,
                };
                self.tell(stack, 0, LegCommand::Progress(progress));
            }
            _ if alerting && !seeking.alerted => {
                seeking.alerted = true;
                let progress = Progress {
                    alerting,
                    description: None,
                    offer: false,
                };
                self.tell(stack, 0, LegCommand::Progress(progress));
            }
            _ => {}
        }
    }

    /// The side of a called leg, with the endpoints of its own.
    pub(super) fn make_callee_side(&mut self, stack: &mut Stack, leg: u8) -> Side {
        let Some(found) = self.legs.get(usize::from(leg)) else {
            return Side::Callee(leg);
        };
        let (flow, wishes) = (found.sip.flow(), found.wishes);
        let policy = Policy {
            ice: found.ice,
            ..Policy::of(wishes, stack.config.encryption, flow.transport)
        };
        self.bridge.callee_side(stack, leg, &flow, policy)
    }

    /// The side that a leg is on. From here on its media may come from where the signalling of this
    /// leg comes from.
    pub(in crate::call) fn side_of_leg(&mut self, leg: u8) -> Side {
        let side = side_of(leg);
        if let Some(found) = self.legs.get(usize::from(leg)) {
            self.bridge.follow_signalling(side, &found.sip.flow());
        }
        side
    }

    /// The same for all legs: what is said now crosses the signalling that each of them has now. A leg
    /// follows its phone to another transport in the middle of a call.
    pub(in crate::call) fn follow_signalling(&mut self) {
        for (leg, number) in self.legs.iter().zip(0..) {
            self.bridge
                .follow_signalling(side_of(number), &leg.sip.flow());
        }
    }

    /// A called leg could not be had: tries the others.
    pub(in crate::call) fn leg_rejected(
        &mut self,
        stack: &mut Stack,
        leg: u8,
        rejection: Rejection,
    ) {
        self.leg_over(leg);
        let Stage::Seeking(seeking) = &mut self.stage else {
            return;
        };
        seeking.leave(leg);
        self.bridge.drop_callee(stack, Side::Callee(leg));
        let nobody_else_wanted = rejection.status.is_some_and(|status| status >= 600);
        seeking.failures.push(rejection);
        if nobody_else_wanted {
            seeking.groups.clear();
            let others = std::mem::take(&mut seeking.active);
            for other in others {
                self.tell(
                    stack,
                    other,
                    LegCommand::Release {
                        cause: Cause::NORMAL_CLEARING,
                        elsewhere: false,
                    },
                );
            }
            return self.nobody_left(stack);
        }
        if seeking.is_idle() {
            self.try_next_group(stack);
        }
    }

    /// An attempt came to nothing: goes on with what is left.
    pub(in crate::call) fn go_on_after(&mut self, stack: &mut Stack, rejection: Rejection) {
        let Stage::Seeking(seeking) = &mut self.stage else {
            return;
        };
        seeking.failures.push(rejection);
        if seeking.is_idle() {
            self.try_next_group(stack);
        }
    }

    /// It has rung for long enough.
    pub(crate) fn ring_time_over(&mut self, stack: &mut Stack) {
        let Stage::Seeking(seeking) = &mut self.stage else {
            return;
        };
        seeking.ring_timer = None;
        seeking.groups.clear();
        self.decided(stack, "Nobody answered in time.");
        self.refuse(stack, Cause::NO_ANSWER, None);
    }

    /// All legs have failed: tells the caller the most useful of the reasons.
    pub(super) fn nobody_left(&mut self, stack: &mut Stack) {
        let Stage::Seeking(seeking) = &mut self.stage else {
            return;
        };
        let failures = std::mem::take(&mut seeking.failures);
        let best = crate::cause::best_rejection(&failures).unwrap_or(Rejection {
            cause: Cause::SUBSCRIBER_ABSENT,
            status: None,
        });
        let ending = Ending::new(stack, best.cause, Releaser::Callee);
        self.refuse_with(stack, best, ending);
    }
}

const fn side_of(leg: u8) -> Side {
    match leg {
        0 => Side::Caller,
        leg => Side::Callee(leg),
    }
}
