//! What follows from how the media of a call are protected: what people are told, who is refused, and
//! what happens when the protection fails. No key is seen here.

use std::net::SocketAddr;

use fernamt_charging::MediaProtection;
use fernamt_sdp::TransportError;

use super::bridge::{Prospect, Reach, Side};
use super::release::Ending;
use super::{Call, Leg, Stage};
use crate::cause::Cause;
use crate::encryption::{Demand, Policy};
use crate::leg::{Description, LegCommand, ReplyToken, Warning};
use crate::media::{EndpointId, MediaPort, ProtectionFailure, SrtpKeys};
use crate::registrar::Nat;
use crate::stack::Stack;

/// Why a party is told that no call comes about, where no other code fits (RFC 3261 section 20.43).
const MISCELLANEOUS: u16 = 399;

/// A part of a description is not understood (RFC 3261 section 20.43).
const PARAMETER_NOT_UNDERSTOOD: u16 = 307;

/// There is no ICE that candidates could be for (RFC 6086 section 4.2.2).
const BAD_INFO_PACKAGE: u16 = 469;

/// Why a description does not pass from phone to phone as it is.
const KEYS_WOULD_BE_EXPOSED: &str = "media flow from phone to phone, and the signalling of one of them is not encrypted: keys cannot pass";

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
        self.follow_signalling();
        self.bridge.take_answer(stack, from, answer)?;
        if self.bridge.is_direct() {
            self.agree_directly(from, answer);
        }
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
        self.note_protection();
        self.tell_protection(stack);
        self.tell_reach(stack);
    }

    /// Between the phones both have said how their media are protected: what the party of `from` has
    /// answered, and what it was offered.
    fn agree_directly(&mut self, from: Side, answer: &[u8]) {
        let leg = match from {
            Side::Caller => 0,
            Side::Callee(leg) => leg,
        };
        let answerer = self.legs.get(usize::from(leg));
        if let Some(offer) = answerer.and_then(|leg| leg.sip.described()) {
            self.bridge.agree_directly(offer, answer);
        }
    }

    /// The same after a restart, where the reach has been told before.
    pub(super) fn connect_again(&mut self, stack: &mut Stack) {
        self.bridge.connect(stack);
        self.note_protection();
        self.tell_protection(stack);
        self.reach = self.bridge.reach();
        self.show_reach(stack);
    }

    /// The caller and the exchange itself have agreed: the same with nobody on the other side.
    pub(super) fn connect_caller(&mut self, stack: &mut Stack) {
        self.bridge.connect_caller(stack);
        self.note_protection();
        self.tell_protection(stack);
        self.reach = self.bridge.reach_to_exchange();
        self.show_reach(stack);
    }

    /// Keeps for the record how the media of each leg are protected. What was heard before the answer
    /// does not count, and of what came after it the weakest: whoever asks wants to know whether
    /// anything of the talk could be listened to.
    pub(super) fn note_protection(&mut self) {
        if self.answered.is_none() {
            return;
        }
        // A leg may have gone another way than it was begun on.
        let is_secure = |leg: &Leg| leg.sip.flow().transport.is_secure();
        // What passes from phone to phone crosses the signalling of all.
        let is_direct = self.bridge.is_direct();
        let together = is_direct.then(|| self.legs.iter().all(is_secure));
        for (leg, number) in self.legs.iter_mut().zip(0..) {
            let side = match number {
                0 => Side::Caller,
                number => Side::Callee(number),
            };
            let encrypted = together.unwrap_or_else(|| is_secure(leg));
            let now = self.bridge.protection(side, encrypted);
            let both = [leg.protection, now].into_iter().flatten();
            leg.protection = both.reduce(MediaProtection::weaker);
        }
    }

    /// The same after a restart, of which only what was said last is left.
    pub(super) fn agree_directly_again(&mut self) {
        let described = |leg: Option<&super::Leg>| Some(leg?.sip.described()?.to_vec());
        let partner = self.partner_of(0).map(usize::from);
        let callee = described(partner.and_then(|leg| self.legs.get(leg)));
        let Some((callee, caller)) = callee.zip(described(self.legs.first())) else {
            return;
        };
        // Either may have offered last, which is not written down.
        for (offer, answer) in [(&callee, &caller), (&caller, &callee)] {
            if !self.bridge.has_agreed_directly() {
                self.bridge.agree_directly(offer, answer);
            }
        }
    }

    /// Says how far the call is encrypted, when that has changed.
    pub(super) fn tell_reach(&mut self, stack: &mut Stack) {
        let before = core::mem::replace(&mut self.reach, self.bridge.reach());
        self.show_reach(stack);
        if self.reach == before {
            return;
        }
        let words = match self.reach {
            Some(Reach::BothLegs) => "The call is encrypted on both legs.",
            Some(Reach::CallerOnly) => "The call is not encrypted with the called party.",
            Some(Reach::CalleeOnly) => "The call is not encrypted with the caller.",
            Some(Reach::Direct) => "The call is encrypted from phone to phone.",
            Some(Reach::Nowhere) if before.is_some() => "The call is not encrypted any more.",
            Some(Reach::Nowhere) | None => return,
        };
        self.decided(stack, words);
    }

    /// From now on both parties are shown how far the call is encrypted.
    pub(super) fn show_reach(&mut self, stack: &mut Stack) {
        let words = self.reach.map(in_header);
        for leg in [Some(0), self.partner_of(0)].into_iter().flatten() {
            self.tell(stack, leg, LegCommand::ShowEncryption(words));
        }
    }

    /// The same for one party, where that is known.
    pub(super) fn show_reach_to(&mut self, stack: &mut Stack, leg: u8) {
        if let Some(reach) = self.reach {
            self.tell(
                stack,
                leg,
                LegCommand::ShowEncryption(Some(in_header(reach))),
            );
        }
    }

    /// The party of `leg` is made the offer of the other one, or is asked for one: from now on it is
    /// shown what becomes of the media with that one.
    pub(super) fn show_prospect(&mut self, stack: &mut Stack, leg: u8) {
        let from = match leg {
            0 => self.bridge.callee(),
            _ => Some(Side::Caller),
        };
        let words = from.and_then(|from| self.prospect(stack, from));
        self.tell(stack, leg, LegCommand::ShowEncryption(words));
    }

    /// What the other party is told of the media with that of `from` before it has answered.
    pub(super) fn prospect(&self, stack: &Stack, from: Side) -> Option<&'static str> {
        Some(match (self.bridge.prospect(&stack.config, from)?, from) {
            (Prospect::OtherLeg, Side::Caller) => "caller-leg",
            (Prospect::OtherLeg, Side::Callee(_)) => "callee-leg",
            (Prospect::Direct, _) => in_header(Reach::Direct),
            (Prospect::Clear, _) => in_header(Reach::Nowhere),
        })
    }

    /// Says in the journal how the media of each leg are protected, when that has changed.
    fn tell_protection(&mut self, stack: &Stack) {
        if let Some(words) = self.bridge.news_between_phones() {
            let what = format!("Media between the phones: {words}.");
            return self.journal.media(stack.now.unix, 0, &what);
        }
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

    /// Whether a party that refuses the offer that it is made now is made another one. From phone to phone
    /// there is none but that of the other phone.
    pub(super) fn has_another_offer(&self, side: Side) -> bool {
        let policy = self
            .bridge
            .policy(side)
            .filter(|_| !self.bridge.is_direct());
        policy.is_some_and(|policy| policy.after_refusal().is_some())
    }

    /// A called party does not take the offer as it is protected: it is made the next one.
    pub(super) fn offer_otherwise(&mut self, stack: &mut Stack, leg: u8, status: u16) {
        let side = self.side_of_leg(leg);
        let had_feedback = self.bridge.policy(side).is_some_and(Policy::has_feedback);
        let Some(policy) = self.bridge.offer_otherwise(side) else {
            return;
        };
        let (refused, instead) = match policy.demand {
            _ if had_feedback => ("offer with feedback", "a profile without"),
            Demand::Never => ("encrypted offer", "clear media"),
            Demand::Offered | Demand::Required => ("encrypted offer", "encrypted media only"),
        };
        let why = format!("The device refuses the {refused} ({status}): it is offered {instead}.");
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
        let code = match error {
            TransportError::NoKeys | TransportError::WeakFingerprint => PARAMETER_NOT_UNDERSTOOD,
            _ => MISCELLANEOUS,
        };
        self.warn(stack, from, code, error);
    }

    /// The same where keys would be read on the way.
    pub(super) fn warn_of_exposed_keys(&mut self, stack: &Stack, from: Side) {
        self.warn(stack, from, MISCELLANEOUS, KEYS_WOULD_BE_EXPOSED);
    }

    fn warn(&mut self, stack: &Stack, from: Side, code: u16, error: impl core::fmt::Display) {
        let who = from.in_words();
        self.decided(stack, &format!("No media with the {who}: {error}."));
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
    pub(super) fn secured(
        &mut self,
        stack: &mut Stack,
        endpoint: EndpointId,
        port: MediaPort,
        keys: SrtpKeys,
    ) {
        let cipher = super::bridge::cipher_in_words(keys.ours.suite);
        let news = match port {
            MediaPort::Rtp => format!("Keys were agreed on the media path: SRTP, {cipher}."),
            MediaPort::Rtcp => {
                format!("Keys for RTCP alone were agreed on its own port: SRTP, {cipher}.")
            }
        };
        self.media_news(stack, endpoint, &news);
        if self.bridge.secured(endpoint, port, keys) {
            self.note_protection();
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
        Reach::Direct => "direct",
        Reach::Nowhere => "none",
    }
}
