//! What follows from how the media of a call are protected: what people are told, who is refused, and
//! what happens when the protection fails. No key is seen here.

use std::net::SocketAddr;

use fernamt_sdp::TransportError;

use super::bridge::{Reach, Side};
use super::release::Ending;
use super::{Call, Stage};
use crate::cause::Cause;
use crate::encryption::Demand;
use crate::leg::{Description, LegCommand, ReplyToken, Warning};
use crate::media::{EndpointId, ProtectionFailure, SrtpKeys};
use crate::registrar::Nat;
use crate::stack::Stack;

/// Why a party is told that no call comes about, where no other code fits (RFC 3261 section 20.43).
const MISCELLANEOUS: u16 = 399;

/// A part of a description is not understood (RFC 3261 section 20.43).
const PARAMETER_NOT_UNDERSTOOD: u16 = 307;

/// There is no ICE that candidates could be for (RFC 6086 section 4.2.2).
const BAD_INFO_PACKAGE: u16 = 469;

impl Call {
    /// Takes the answer of `from`, tells the media plane, and gives the answer as the other side is to
    /// read it.
    pub(super) fn take_answer(
        &mut self,
        stack: &mut Stack,
        from: Side,
        answer: &[u8],
    ) -> Result<Option<Description>, TransportError> {
        let taken = self.take_one_answer(stack, from, answer);
        self.bridge.expect_no_answer(stack, from);
        taken
    }

    /// The same for one of several answers: where a proxy forks, another party may answer as well.
    fn take_one_answer(
        &mut self,
        stack: &mut Stack,
        from: Side,
        answer: &[u8],
    ) -> Result<Option<Description>, TransportError> {
        self.bridge.take_answer(stack, from, answer)?;
        self.note_codec(answer);
        let to = match from {
            Side::Caller => self.bridge.callee(),
            Side::Callee(_) => Some(Side::Caller),
        };
        let written = to.and_then(|to| self.bridge.write_answer(stack, to, answer));
        self.connect(stack);
        Ok(written)
    }

    /// The same for an answer before the call is answered: one that does not fit is left out.
    pub(super) fn take_early_answer(
        &mut self,
        stack: &mut Stack,
        from: Side,
        answer: &[u8],
    ) -> Option<Description> {
        match self.take_one_answer(stack, from, answer) {
            Ok(description) => description,
            Err(error) => {
                let why = format!("The early media of the called party are left out: {error}.");
                self.decided(stack, &why);
                None
            }
        }
    }

    /// Both sides have agreed: the media plane is told, and so are people.
    pub(super) fn connect(&mut self, stack: &mut Stack) {
        self.bridge.connect(stack);
        let before = self.reach;
        self.reach = self.bridge.reach();
        self.tell_protection(stack);
        if self.reach != before
            && let Some(reach) = self.reach
        {
            self.tell(stack, 0, LegCommand::ShowEncryption(in_header(reach)));
            let words = match reach {
                Reach::BothLegs => "The call is encrypted on both legs.",
                Reach::CallerOnly => "The call is not encrypted with the called party.",
                Reach::CalleeOnly => "The call is not encrypted with the caller.",
                Reach::Nowhere => return,
            };
            self.decided(stack, words);
        }
    }

    /// Says in the journal how the media of each leg are protected, when that has changed.
    pub(super) fn tell_protection(&mut self, stack: &Stack) {
        let callee = self.bridge.callee();
        for side in [Some(Side::Caller), callee].into_iter().flatten() {
            let (party, who) = match side {
                Side::Caller => (0, "caller"),
                Side::Callee(leg) => (leg, "called party"),
            };
            if let Some(words) = self.bridge.news_of_protection(side) {
                let what = format!("Media with the {who}: {words}.");
                self.journal.media(stack.now.unix, party, &what);
            }
        }
    }

    /// What the called party is told of the leg of the caller.
    pub(super) fn encryption_for_callee(&self) -> &'static str {
        match self.bridge.caller_is_encrypted() {
            true => "caller-leg",
            false => "none",
        }
    }

    /// Whether a party that refuses the offer that it is made now is made another one.
    pub(super) fn has_another_offer(&self, side: Side) -> bool {
        let policy = self.bridge.policy(side);
        policy.is_some_and(|policy| policy.after_refusal().is_some())
    }

    /// A called party does not take the offer as it is protected: it is made the next one.
    pub(super) fn offer_otherwise(&mut self, stack: &mut Stack, leg: u8, status: u16) {
        let side = self.side_of_leg(leg);
        let Some(policy) = self.bridge.offer_otherwise(side) else {
            return;
        };
        let instead = match policy.demand {
            Demand::Never => "clear media",
            Demand::Offered | Demand::Required => "encrypted media only",
        };
        let why =
            format!("The device refuses the encrypted offer ({status}): it is offered {instead}.");
        self.decided(stack, &why);
        let another = self.has_another_offer(side);
        let offer = self.legs.first().and_then(|caller| caller.sip.offer());
        let description =
            offer.and_then(|offer| self.bridge.write_offer(stack, Side::Caller, side, &offer));
        if let Some(found) = self.legs.get_mut(usize::from(leg)) {
            found
                .sip
                .invite_again(stack, &mut self.journal, description, another);
        }
    }

    /// An answer does not fit what was offered, or what must be: there is no call.
    pub(super) fn refuse_transport(
        &mut self,
        stack: &mut Stack,
        from: Side,
        error: TransportError,
    ) {
        self.warn_of(stack, from, error);
        self.release(
            stack,
            Ending::by_exchange(stack, Cause::INCOMPATIBLE_DESTINATION),
        );
    }

    /// Says why media cannot be had: in the journal, and to the caller who is refused.
    pub(super) fn warn_of(&mut self, stack: &Stack, from: Side, error: TransportError) {
        let who = match from {
            Side::Caller => "caller",
            Side::Callee(_) => "called party",
        };
        self.decided(stack, &format!("No media with the {who}: {error}."));
        let code = match error {
            TransportError::NoKeys | TransportError::WeakFingerprint => PARAMETER_NOT_UNDERSTOOD,
            _ => MISCELLANEOUS,
        };
        let text = format!("Media with the {who}: {error}");
        self.warning = Some(Warning {
            code,
            text: text.into(),
        });
    }

    /// A party has found more addresses at which it may be (RFC 8840).
    pub(super) fn candidates(
        &mut self,
        stack: &mut Stack,
        leg: u8,
        body: &[u8],
        reply: ReplyToken,
    ) {
        let side = self.side_of_leg(leg);
        let status = match self.bridge.take_candidates(stack, side, body) {
            true => 200,
            false => BAD_INFO_PACKAGE,
        };
        self.tell(stack, leg, LegCommand::ReplyInformation { reply, status });
    }

    /// A handshake on the media path has come to its end.
    pub(super) fn secured(&mut self, stack: &mut Stack, endpoint: EndpointId, keys: SrtpKeys) {
        let cipher = super::bridge::cipher_in_words(keys.ours.suite);
        self.media_news(
            stack,
            endpoint,
            &format!("Keys were agreed on the media path: SRTP, {cipher}."),
        );
        if self.bridge.secured(endpoint, keys) {
            self.write_change(stack);
        }
    }

    /// Packets of an endpoint cannot be protected.
    pub(super) fn unprotected(
        &mut self,
        stack: &mut Stack,
        endpoint: EndpointId,
        reason: ProtectionFailure,
    ) {
        self.media_news(stack, endpoint, &format!("Not protected: {reason}."));
        let policy = self
            .bridge
            .side_of(endpoint)
            .and_then(|side| self.bridge.policy(side));
        let required = policy.is_some_and(|policy| policy.demand == Demand::Required);
        let attacked = reason == ProtectionFailure::WrongFingerprint;
        if (required || attacked) && !matches!(self.stage, Stage::Releasing) {
            self.decided(stack, "The call is ended, as its media are not protected.");
            self.release(
                stack,
                Ending::by_exchange(stack, Cause::BEARER_NOT_AUTHORIZED),
            );
        }
    }

    /// Says in the journal what lies between a phone and us, where that is something.
    pub(super) fn tell_way(&mut self, stack: &Stack, leg: u8, nat: Nat, source: SocketAddr) {
        if !matches!(nat, Nat::Unknown | Nat::None | Nat::Ipv6) {
            let what = format!("Signalling with {source}: {nat}.");
            self.journal.media(stack.now.unix, leg, &what);
        }
    }

    /// Writes what happened on an endpoint into the journal.
    pub(super) fn media_news(&mut self, stack: &Stack, endpoint: EndpointId, what: &str) {
        if let Some(party) = self.party_of(endpoint) {
            self.journal.media(stack.now.unix, party, what);
        }
    }

    /// Tells a leg to refuse, with the warning where there is one.
    pub(super) fn take_warning(&mut self) -> Option<Warning> {
        self.warning.take()
    }

    /// Refuses an offer in mid call.
    pub(super) fn refuse_offer(&mut self, stack: &mut Stack, leg: u8, status: u16) {
        let warning = self.take_warning();
        self.tell(stack, leg, LegCommand::RefuseOffer { status, warning });
    }
}

/// How far the media of a call are encrypted, as a phone is told.
const fn in_header(reach: Reach) -> &'static str {
    match reach {
        Reach::BothLegs => "both-legs",
        Reach::CallerOnly => "caller-only",
        Reach::CalleeOnly => "callee-only",
        Reach::Nowhere => "none",
    }
}
