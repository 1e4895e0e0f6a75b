//! Somebody answers: the others are told, the call is written down, and only then does the caller
//! hear of it.

use super::release::Ending;
use super::{Answered, Call, Carry, Stage, Wait};
use crate::cause::Cause;
use crate::interface::{Event, Output, Write};
use crate::leg::{Description, LegCommand};
use crate::stack::Stack;

impl Call {
    /// A called leg has answered.
    pub(super) fn picked_up(
        &mut self,
        stack: &mut Stack,
        leg: u8,
        description: Option<Description>,
    ) {
        let Stage::Seeking(seeking) = &mut self.stage else {
            return;
        };
        if !seeking.active().contains(&leg) {
            return;
        }
        let mut ring_timer = seeking.take_ring_timer();
        let shown = seeking.shown();
        let others: Vec<u8> = seeking
            .active()
            .iter()
            .copied()
            .filter(|other| *other != leg)
            .collect();
        stack.cancel_timer(&mut ring_timer);
        for other in others {
            let released = LegCommand::Release {
                cause: Cause::NORMAL_CLEARING,
                elsewhere: true,
            };
            self.tell(stack, other, released);
        }
        let side = self.side_of_leg(leg);
        self.bridge.choose(stack, side);
        let caller_offered = self
            .legs
            .first()
            .is_some_and(|caller| caller.sip.has_offered());
        match description {
            Some(description) if caller_offered => {
                match self.take_answer(stack, side, &description) {
                    Ok(answer) => self.commit_answer(stack, Some(leg), answer),
                    Err(error) => self.refuse_transport(stack, side, error),
                }
            }
            Some(description) => self.carry(
                stack,
                side,
                description,
                Carry::AnswerOffer { partner: leg },
            ),
            None if shown == Some(leg) => {
                // It had answered before it was picked up.
                self.bridge.expect_no_answer(stack, side);
                self.commit_answer(stack, Some(leg), None);
            }
            None => {
                self.decided(
                    stack,
                    "The device answered without saying anything about media.",
                );
                self.release(
                    stack,
                    Ending::by_exchange(stack, Cause::INVALID_INFORMATION),
                );
            }
        }
    }

    /// Writes the answered call down. The caller is told when it is on disk.
    pub(super) fn commit_answer(
        &mut self,
        stack: &mut Stack,
        partner: Option<u8>,
        description: Option<Description>,
    ) {
        // The talk begins for the record when the called party has answered; the write takes
        // milliseconds.
        self.answered = Some(Answered {
            time: stack.now.time,
            unix: stack.now.unix,
        });
        self.stage = Stage::Committing { partner };
        self.note_protection();
        if let Some(leg) = partner {
            // While several rang, none of them was shown what is agreed on.
            self.show_reach_to(stack, leg);
        }
        self.tell(stack, 0, LegCommand::PrepareAnswer { description });
        let state = self.write_down();
        let write = Write::State {
            call: self.reference,
            state,
            ticket: Some(Wait::Answer.ticket(self.slot)),
        };
        stack.outputs.push_back(Output::Write(write));
    }

    /// The answer is on disk.
    pub(crate) fn committed(&mut self, stack: &mut Stack) {
        let Stage::Committing { partner } = self.stage else {
            return;
        };
        self.stage = Stage::Conversing { partner };
        stack
            .outputs
            .push_back(Output::Publish(Event::CallAnswered(self.reference)));
        self.tell(stack, 0, LegCommand::Answer);
    }

    /// The answer cannot be written down: a call that nobody could prove does not begin.
    pub(crate) fn commit_failed(&mut self, stack: &mut Stack) {
        if !matches!(self.stage, Stage::Committing { .. }) {
            return;
        }
        self.answered = None;
        self.decided(
            stack,
            "The answer could not be written to disk; the call was refused.",
        );
        self.refuse(stack, Cause::TEMPORARY_FAILURE, Some(503));
    }

    /// What matters has changed in mid call: writes it down, without waiting.
    pub(super) fn write_change(&mut self, stack: &mut Stack) {
        if self.answered.is_some() && !matches!(self.stage, Stage::Releasing) {
            let state = self.write_down();
            let write = Write::State {
                call: self.reference,
                state,
                ticket: None,
            };
            stack.outputs.push_back(Output::Write(write));
        }
    }
}
