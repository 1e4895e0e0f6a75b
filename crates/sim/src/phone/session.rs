//! Session timers of a phone (RFC 4028).

use fernamt_sip::dialog::session_timer::{SessionTimer, SessionTimerOffer, SessionTimerPolicy};
use fernamt_sip::message::{Message, Method, Name};

use super::talk::TalkAction;
use super::{Phone, Stage, Use};
use core::time::Duration;

/// How long to wait with a refresh while something else is on its way.
pub(super) const LATER: Duration = Duration::from_secs(5);

impl Phone {
    pub(super) fn session_policy(&self) -> Option<SessionTimerPolicy> {
        self.plan
            .character
            .timer_seconds
            .map(|interval_seconds| SessionTimerPolicy {
                interval_seconds,
                min_se_seconds: 90,
                prefer_to_refresh: self.index.is_multiple_of(2),
            })
    }

    pub(super) fn session_agreed(&mut self, call: usize, agreed: SessionTimer) {
        let after = if agreed.we_refresh {
            agreed.refresh_after()
        } else {
            agreed.end_after()
        };
        self.calls[call].session = Some(agreed);
        self.calls[call].session_due = Some(self.now + after);
    }

    /// Takes over what a 2xx says.
    pub(super) fn session_granted(&mut self, call: usize, response: &Message<'_>) {
        let granted = response.session_expires().ok().flatten();
        if let (Some(policy), Some(granted)) = (self.session_policy(), granted) {
            let offer = self.calls[call].caller.session_offer;
            let offer: SessionTimerOffer = offer.unwrap_or_else(|| policy.offer());
            self.session_agreed(call, policy.settle(offer, Some(granted)));
        }
    }

    /// It is our turn to refresh, or the other side has not.
    pub(super) fn session_due(&mut self, call: usize) {
        self.calls[call].session_due = None;
        if self.calls[call].stage != Stage::Talking {
            return;
        }
        let Some(session) = self.calls[call].session else {
            return;
        };
        if !session.we_refresh {
            return self.lost(call);
        }
        if !self.calls[call].is_calm() || self.calls[call].change.is_some() {
            self.calls[call].session_due = Some(self.now + LATER);
            return;
        }
        self.calls[call].session_due = Some(self.now + session.end_after());
        if self.calls[call].peer_takes_update && self.plan.character.update {
            let usage = Use::Refresh(call);
            self.send_within(call, None, Method::Update, usage, None, |phone, builder| {
                phone.write_abilities(builder);
                builder.header(Name::SessionExpires, session.refresh_header());
            });
        } else {
            let direction = self.calls[call]
                .negotiated
                .as_ref()
                .map_or_else(Default::default, |it| it.direction);
            self.talk_action(call, TalkAction::Reinvite(direction));
        }
    }

    pub(super) fn refresh_response(
        &mut self,
        call: usize,
        status: u16,
        response: Option<&Message<'_>>,
    ) {
        match (status, response) {
            (200..=299, Some(response)) if self.calls[call].stage == Stage::Talking => {
                self.session_granted(call, response);
            }
            (408 | 481, _) => self.lost(call),
            _ => {}
        }
    }
}
