//! Offers in mid call: hold and resume, new codecs, a party that moves. What one party offers is
//! carried to the other and its answer back; one at a time.

use core::time::Duration;

use super::bridge::Side;
use super::release::Ending;
use super::{Call, Carry, Stage};
use crate::cause::Cause;
use crate::leg::{Description, LegCommand};
use crate::stack::Stack;

/// An offer in mid call that has not been answered.
#[derive(Debug)]
pub(super) struct Negotiation {
    pub(super) from: Wish,
    /// The leg that is asked.
    pub(super) to: u8,
    /// The leg that wants something has asked for an offer instead of making one.
    pub(super) asked_for_offer: bool,
}

/// Who wants something.
#[derive(Debug)]
pub(super) enum Wish {
    /// The party of this leg.
    Party(u8),
    /// The exchange: other keys, or else nothing but a sign that the party is there.
    Exchange {
        other_keys: bool,
        /// What the party was told before.
        told: Description,
    },
}

/// A leg is told to try again: the other side is changing something at the same moment.
const REQUEST_PENDING: u16 = 491;

/// A leg is told that this cannot be done in this state.
const NOT_NOW: u16 = 500;

/// How long a party may take for the answer to an offer of the other one: a person may be asked, for
/// instance whether to show a picture. As long as a proxy waits at least (RFC 3261 section 16.6).
const LONGEST_DECISION: Duration = Duration::from_secs(181);

impl Call {
    /// A party offers, or asks for an offer.
    pub(super) fn offered(&mut self, stack: &mut Stack, leg: u8, description: Option<Description>) {
        if self.negotiation.is_some() || self.carrying.is_some() {
            return self.refuse_offer(stack, leg, REQUEST_PENDING);
        }
        if let (Stage::Conversing { partner: None }, Some(offer)) = (&self.stage, &description) {
            let offer = offer.clone();
            return self.reoffer_to_service(stack, &offer);
        }
        let Some(partner) = self.partner_of(leg) else {
            return self.refuse_offer(stack, leg, NOT_NOW);
        };
        let asked_for_offer = description.is_none();
        self.negotiation = Some(Negotiation {
            from: Wish::Party(leg),
            to: partner,
            asked_for_offer,
        });
        match description {
            Some(description) => {
                let side = self.side_of_leg(leg);
                self.carry(stack, side, description, Carry::Modify { to: partner });
            }
            None => {
                self.show_prospect(stack, partner);
                let offer = LegCommand::Offer {
                    description: None,
                    within: LONGEST_DECISION,
                };
                self.tell(stack, partner, offer);
            }
        }
    }

    /// The endpoints for an offer are open: passes it on.
    pub(super) fn pass_offer(&mut self, stack: &mut Stack, from: Side, to: u8, offer: &[u8]) {
        self.bridge.take_offer(stack, from, offer);
        let side = self.side_of_leg(to);
        let description = self.bridge.write_offer(stack, from, side, offer);
        self.show_prospect(stack, to);
        let offer = LegCommand::Offer {
            description,
            within: LONGEST_DECISION,
        };
        self.tell(stack, to, offer);
    }

    /// The party that was asked has answered, or has made the offer it was asked for.
    pub(super) fn offer_answered(
        &mut self,
        stack: &mut Stack,
        leg: u8,
        description: Option<Description>,
    ) {
        let found = self.negotiation.as_ref();
        let Some(negotiation) = found.filter(|negotiation| negotiation.to == leg) else {
            return;
        };
        let asked_for_offer = negotiation.asked_for_offer;
        let Wish::Party(from) = negotiation.from else {
            return self.own_offer_answered(stack, leg, description);
        };
        let side = self.side_of_leg(leg);
        match description {
            Some(offer) if asked_for_offer => {
                self.carry(stack, side, offer, Carry::ModifyAnswer { to: from });
            }
            Some(answer) => match self.take_answer(stack, side, &answer) {
                Ok(description) => {
                    self.negotiation = None;
                    let command = LegCommand::AcceptOffer { description };
                    self.tell(stack, from, command);
                    self.write_change(stack);
                }
                Err(error) => self.refuse_transport(stack, side, error),
            },
            None => self.modification_failed(stack, side, NOT_NOW),
        }
    }

    /// The endpoints for an offer that was asked for are open: gives it to the party that asked.
    pub(super) fn pass_offered_answer(
        &mut self,
        stack: &mut Stack,
        from: Side,
        to: u8,
        offer: &[u8],
    ) {
        self.bridge.take_offer(stack, from, offer);
        let side = self.side_of_leg(to);
        let description = self.bridge.write_offer(stack, from, side, offer);
        self.show_prospect(stack, to);
        self.tell(stack, to, LegCommand::AcceptOffer { description });
    }

    /// A party has confirmed what carried our offer; without an answer it breaks the rules (RFC 3261
    /// section 13.2.1), and nothing is agreed on.
    pub(super) fn confirmed(
        &mut self,
        stack: &mut Stack,
        leg: u8,
        description: Option<Description>,
    ) {
        let Some(answer) = description else {
            return self.left_unanswered(stack, leg);
        };
        let Some(partner) = self.partner_of(leg) else {
            return;
        };
        self.negotiation = None;
        let side = self.side_of_leg(leg);
        match self.take_answer(stack, side, &answer) {
            Ok(description) => {
                self.tell(stack, partner, LegCommand::Confirm { description });
                self.write_change(stack);
            }
            Err(error) => self.refuse_transport(stack, side, error),
        }
    }

    /// A party has confirmed and not answered our offer.
    fn left_unanswered(&mut self, stack: &mut Stack, leg: u8) {
        let side = self.side_of_leg(leg);
        let who = side.in_words();
        if self.negotiation.is_some() {
            let what = format!("The {who} asked for an offer and did not answer it.");
            self.decided(stack, &what);
            return self.modification_failed(stack, side, NOT_NOW);
        }
        let what = format!("The {who} did not answer the offer of media: there can be none.");
        self.decided(stack, &what);
        let cause = Cause::INVALID_INFORMATION;
        self.release(stack, Ending::by_exchange(stack, cause));
    }

    /// The party that was asked has refused: everything stays as it was.
    pub(super) fn offer_refused(&mut self, stack: &mut Stack, leg: u8, status: u16) {
        let side = self.side_of_leg(leg);
        if self
            .negotiation
            .as_ref()
            .is_some_and(|negotiation| negotiation.to == leg)
        {
            self.modification_failed(stack, side, status);
        }
    }

    /// Tells the party that wanted something that it is not to be had.
    pub(super) fn modification_failed(&mut self, stack: &mut Stack, _from: Side, status: u16) {
        self.bridge.forget_proposals(stack);
        self.show_reach(stack);
        match self.negotiation.take() {
            Some(Negotiation {
                from: Wish::Party(from),
                to,
                asked_for_offer,
            }) => {
                if asked_for_offer {
                    // An offer that it has made is acknowledged, although it has no answer.
                    self.tell(stack, to, LegCommand::Confirm { description: None });
                }
                self.refuse_offer(stack, from, status);
            }
            Some(Negotiation {
                from: Wish::Exchange {
                    other_keys: true, ..
                },
                to,
                ..
            }) => self.not_renewed(stack, to, &status),
            Some(_) | None => {}
        }
    }
}
