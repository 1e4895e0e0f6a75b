//! What the exchange itself offers a party, without the other one: other keys where those of session
//! descriptions are old (RFC 3711 section 9.2, RFC 4568 sections 6.1 and 7.1.4), and what stands, where
//! that keeps a session alive (RFC 4028 section 7.4). No key is seen here.

use core::fmt::Display;
use core::time::Duration;

use fernamt_sdp::TransportError;

use super::modify::{Negotiation, Wish};
use super::{Call, Stage};
use crate::leg::{Description, LegCommand};
use crate::media::EndpointId;
use crate::stack::Stack;

/// How long a party may take for the answer to an offer of the exchange, for which nobody has to be
/// asked: 64 * T1 of RFC 3261, as for a request that no provisional response keeps alive.
const LONGEST_ANSWER: Duration = Duration::from_secs(32);

/// What is wrong with an answer in which nothing is said of media.
const NO_ANSWER: &str = "its answer cannot be read";

impl Call {
    /// A key of an endpoint is near the end of its life. While something else is being changed nothing is
    /// done: the media plane says so again. Keys of a handshake last longer than any call.
    pub(super) fn renew_keys(&mut self, stack: &mut Stack, endpoint: EndpointId) {
        if !self.may_offer() {
            return;
        }
        let Some(leg) = self.party_of(endpoint) else {
            return;
        };
        let Some(told) = self.told(leg) else { return };
        let side = self.side_of_leg(leg);
        let Some(description) = self.bridge.write_renewal(stack, side, &told) else {
            return;
        };
        self.media_news(stack, endpoint, "A key is old: others are offered.");
        self.begin_own_offer(leg, told, true);
        let offer = LegCommand::Offer {
            description: Some(description),
            within: LONGEST_ANSWER,
        };
        self.tell(stack, leg, offer);
    }

    /// The session with a party is to be refreshed by an offer: it is made the one that stands, and may
    /// answer it with other keys or from elsewhere.
    pub(super) fn refresh_due(&mut self, stack: &mut Stack, leg: u8) {
        let side = self.side_of_leg(leg);
        let told = self.told(leg).filter(|_| self.may_offer());
        let written = told.and_then(|told| {
            let description = self.bridge.write_again(stack, side, &told)?;
            Some((told, description))
        });
        let Some((told, description)) = written else {
            return self.tell(stack, leg, LegCommand::RefreshLater);
        };
        self.begin_own_offer(leg, told, false);
        let refresh = LegCommand::Refresh {
            description,
            within: LONGEST_ANSWER,
        };
        self.tell(stack, leg, refresh);
    }

    /// Whether the exchange may offer something itself.
    fn may_offer(&self) -> bool {
        let is_talking = matches!(self.stage, Stage::Conversing { .. });
        is_talking && self.negotiation.is_none() && self.carrying.is_none()
    }

    fn told(&self, leg: u8) -> Option<Description> {
        let found = self.legs.get(usize::from(leg))?;
        found.sip.described().map(Into::into)
    }

    fn begin_own_offer(&mut self, leg: u8, told: Description, other_keys: bool) {
        self.negotiation = Some(Negotiation {
            from: Wish::Exchange { other_keys, told },
            to: leg,
            asked_for_offer: false,
        });
    }

    /// The party has answered an offer of the exchange itself.
    pub(super) fn own_offer_answered(
        &mut self,
        stack: &mut Stack,
        leg: u8,
        description: Option<Description>,
    ) {
        let Some(Negotiation {
            from: Wish::Exchange { other_keys, told },
            ..
        }) = self.negotiation.take()
        else {
            return;
        };
        let side = self.side_of_leg(leg);
        let taken = match &description {
            Some(answer) => self.bridge.take_answer(stack, side, answer),
            None => Ok(()),
        };
        let brought = self.bridge.brings_other_keys(side);
        let (Ok(()), Some(brought)) = (taken, brought) else {
            self.bridge.forget_proposals(stack);
            self.tell(stack, leg, LegCommand::TakeBack { described: told });
            return match taken {
                Err(error) if other_keys => self.not_renewed(stack, leg, &error),
                Ok(()) if other_keys => self.not_renewed(stack, leg, &NO_ANSWER),
                Err(error) => self.not_refreshed(stack, leg, error),
                // A party that is there need not say more.
                Ok(()) => {}
            };
        };
        match self.partner_of(leg) {
            Some(_) => self.connect(stack),
            None => self.connect_caller(stack),
        }
        if brought {
            self.journal
                .media(stack.now.unix, leg, "Other keys are in use.");
        }
        self.write_change(stack);
    }

    /// The party is there, and says of its media what does not fit.
    fn not_refreshed(&mut self, stack: &Stack, leg: u8, why: TransportError) {
        let what = format!("An answer does not fit ({why}): what was agreed on stays.");
        self.journal.media(stack.now.unix, leg, &what);
    }

    /// The party does not take other keys: those in use stay for as long as they last.
    pub(super) fn not_renewed(&mut self, stack: &Stack, leg: u8, why: &dyn Display) {
        let what = format!("No other keys are agreed on ({why}): those in use stay.");
        self.journal.media(stack.now.unix, leg, &what);
    }
}
