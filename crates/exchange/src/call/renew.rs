//! Keys of session descriptions that are old: the party is offered others by the exchange itself, without
//! the other party (RFC 3711 section 9.2, RFC 4568 sections 6.1 and 7.1.4). No key is seen here.

use core::fmt::Display;
use core::time::Duration;

use super::modify::Negotiation;
use super::{Call, Stage};
use crate::leg::{Description, LegCommand};
use crate::media::EndpointId;
use crate::stack::Stack;

/// How long a party may take for the answer to an offer of the exchange, for which nobody has to be
/// asked: 64 * T1 of RFC 3261, as for a request that no provisional response keeps alive.
const LONGEST_ANSWER: Duration = Duration::from_secs(32);

impl Call {
    /// A key of an endpoint is near the end of its life. While something else is being changed nothing is
    /// done: the media plane says so again. Keys of a handshake last longer than any call.
    pub(super) fn renew_keys(&mut self, stack: &mut Stack, endpoint: EndpointId) {
        let is_talking = matches!(self.stage, Stage::Conversing { .. });
        if !is_talking || self.negotiation.is_some() || self.carrying.is_some() {
            return;
        }
        let Some(leg) = self.party_of(endpoint) else {
            return;
        };
        let found = self.legs.get(usize::from(leg));
        let Some(told) = found.and_then(|leg| leg.sip.described().map(<[u8]>::to_vec)) else {
            return;
        };
        let side = self.side_of_leg(leg);
        let description = self.bridge.write_renewal(stack, side, &told);
        if description.is_none() {
            return;
        }
        self.media_news(stack, endpoint, "A key is old: others are offered.");
        self.negotiation = Some(Negotiation {
            from: None,
            to: leg,
            asked_for_offer: false,
        });
        let offer = LegCommand::Offer {
            description,
            within: LONGEST_ANSWER,
        };
        self.tell(stack, leg, offer);
    }

    /// The party has answered the offer of other keys.
    pub(super) fn renewed(&mut self, stack: &mut Stack, leg: u8, description: Option<Description>) {
        let side = self.side_of_leg(leg);
        let Some(answer) = description else {
            return self.modification_failed(stack, side, 488);
        };
        if let Err(error) = self.bridge.take_answer(stack, side, &answer) {
            self.negotiation = None;
            self.bridge.forget_proposals(stack);
            return self.not_renewed(stack, leg, &error);
        }
        self.negotiation = None;
        match self.partner_of(leg) {
            Some(_) => self.connect(stack),
            None => self.connect_caller(stack),
        }
        self.journal
            .media(stack.now.unix, leg, "Other keys are in use.");
        self.write_change(stack);
    }

    /// The party does not take other keys: those in use stay for as long as they last.
    pub(super) fn not_renewed(&mut self, stack: &Stack, leg: u8, why: &dyn Display) {
        let what = format!("No other keys are agreed on ({why}): those in use stay.");
        self.journal.media(stack.now.unix, leg, &what);
    }
}
