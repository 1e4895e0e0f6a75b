//! A call that is up: what its two people do, and how it ends (RFC 3261 section 15).

use core::time::Duration;

use fernamt_sdp::Direction;
use fernamt_sip::dialog::CSeqOrder;
use fernamt_sip::message::{Message, Method, Name};
use fernamt_sip::transport::Flow;

use super::{Action, Outcome, Phone, Stage, Use};

/// What somebody does in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TalkAction {
    HangUp,
    /// Re-INVITE with this direction.
    Reinvite(Direction),
    /// UPDATE with this direction.
    Update(Direction),
    /// Re-INVITE without a description: the other side is to make the offer.
    AskForOffer,
    /// INFO with a key press.
    Key,
    /// OPTIONS within the call.
    AskWhetherThere,
}

/// How long to wait before doing what cannot be done now.
const LATER: Duration = Duration::from_secs(2);

impl Phone {
    /// Decides what is going to happen in a call that has just begun.
    pub(super) fn plan_talk(&mut self, call: usize) {
        // In whole seconds, so that both sides often do something at the same moment.
        let seconds = match self.random.below(10) {
            0 => 0,
            1..=6 => self.random.between(1, 12) * 5,
            7 | 8 => self.random.between(60, 260),
            _ => 10_000,
        };
        let length = Duration::from_secs(seconds);
        if seconds < 10_000 {
            self.later(length, Action::Talk(call, TalkAction::HangUp));
        }
        if !self.plan.character.lively {
            return;
        }
        for _ in 0..self.random.below(5) {
            let at = Duration::from_secs(self.random.between(0, seconds.min(60)));
            let direction = *self.random.pick(&[
                Direction::SendOnly,
                Direction::SendRecv,
                Direction::Inactive,
            ]);
            let action = match self.random.below(12) {
                0..=4 => TalkAction::Reinvite(direction),
                5 | 6 if self.plan.character.update => TalkAction::Update(direction),
                7 => TalkAction::AskForOffer,
                8 | 9 => TalkAction::Key,
                10 => TalkAction::AskWhetherThere,
                _ => TalkAction::Reinvite(Direction::SendRecv),
            };
            self.later(at, Action::Talk(call, action));
        }
    }

    pub(super) fn talk_action(&mut self, call: usize, action: TalkAction) {
        let stage = self.calls[call].stage;
        if stage == Stage::Answered {
            // Not before the ACK (RFC 3261 section 15).
            return self.later(LATER, Action::Talk(call, action));
        }
        if stage != Stage::Talking {
            return;
        }
        match action {
            TalkAction::HangUp => {
                self.send_within(call, None, Method::Bye, Use::Nobody, None, |_, _| {});
                self.over(call, Outcome::HungUp);
            }
            TalkAction::Reinvite(_) | TalkAction::AskForOffer | TalkAction::Update(_) => {
                self.change(call, action);
            }
            TalkAction::Key => {
                let body = Some(("application/dtmf-relay", "Signal=5\r\nDuration=160\r\n"));
                self.send_within(call, None, Method::Info, Use::Within(call), body, |_, _| {});
            }
            TalkAction::AskWhetherThere => {
                let usage = Use::Within(call);
                self.send_within(call, None, Method::Options, usage, None, |_, _| {});
            }
        }
    }

    /// The other side is gone: hangs up all the same.
    pub(super) fn lost(&mut self, call: usize) {
        if self.calls[call].stage == Stage::Talking {
            self.send_within(call, None, Method::Bye, Use::Nobody, None, |_, _| {});
            self.over(call, Outcome::Lost);
        }
    }

    /// A request within a dialog.
    pub(super) fn request_within(&mut self, flow: Flow, request: &Message<'_>) {
        let Some(call) = self.call_of(request) else {
            return self.respond_once(flow, request, 481);
        };
        if self.calls[call].stage == Stage::Over {
            return self.respond_once(flow, request, 481);
        }
        let dialog = match self.calls[call].stage {
            Stage::Calling => {
                let early = self.calls[call].caller.early.iter_mut();
                let mut early = early.map(|early| &mut early.dialog);
                early.find(|dialog| dialog.matches(request))
            }
            _ => self.calls[call].dialog.as_mut(),
        };
        let order = dialog.map(|dialog| dialog.check_cseq(request));
        if !matches!(order, Some(Ok(CSeqOrder::InOrder))) {
            return self.respond_once(flow, request, 500);
        }
        match request.method() {
            Method::Bye => {
                self.respond_once(flow, request, 200);
                match self.calls[call].stage {
                    Stage::Ringing => self.reject(call, 487),
                    _ => self.over(call, Outcome::Released),
                }
            }
            Method::Invite | Method::Update => self.change_received(call, flow, request),
            Method::Prack => self.progress_acknowledged(call, flow, request),
            Method::Info | Method::Options | Method::Message => {
                self.respond_once(flow, request, 200);
            }
            _ => {
                let Ok(server) = self
                    .transactions
                    .accept(self.now, flow, request, Use::Nobody)
                else {
                    return;
                };
                self.respond(server, request, 405, None, None, |builder| {
                    builder.header(Name::Allow, "INVITE, ACK, CANCEL, BYE");
                });
            }
        }
    }
}
