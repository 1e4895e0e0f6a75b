//! Whether the media of a call may flow from phone to phone and not through us. What passes then as it is,
//! is looked at in `bridge/direct.rs`.

use std::sync::Arc;

use fernamt_sdp::{SessionDescription, TransportError};
use fernamt_sip::transport::Transport;

use super::bridge::{Side, check_direct, names_keys};
use super::{Call, Stage};
use crate::cause::Cause;
use crate::directory::Device;
use crate::encryption::{Encryption, MediaTransport, Policy};
use crate::leg::LegCommand;
use crate::registrar::Binding;
use crate::routing;
use crate::stack::Stack;

const BEHIND_A_NAT: &str = "one of them is behind a NAT";

/// What is against direct media with an address that is no phone of ours.
pub(super) const NOTHING_IS_KNOWN: &str = "nothing is known of what is there";

/// What follows where the phones have direct media already.
const OTHERS_HAVE_DIRECT: &str = "other phones ring with direct media";

impl Call {
    /// Media flow directly when both devices want it and neither is behind a NAT, as far as can be
    /// seen from here, and when what the caller offers may pass as it is.
    pub(super) fn choose_media_path(
        &mut self,
        stack: &Stack,
        callee: &Device,
        groups: &[Vec<Arc<Binding>>],
    ) {
        let caller = self.caller.device.as_ref();
        if !caller.is_some_and(|device| device.direct_media) || !callee.direct_media {
            return;
        }
        let wishes = Some((callee.encryption, callee.media_transport));
        let mut phones = groups.iter().flatten();
        let against_way = phones.clone().find_map(|phone| self.against_way(phone));
        let why_not = against_way
            .or_else(|| self.against_caller())
            .or_else(|| phones.find_map(|it| self.against_passing(stack, wishes, it.transport)));
        let Some(why_not) = why_not else {
            self.bridge.set_direct();
            let why = "Media flow directly between the two devices, as both allow it.";
            return self.decided(stack, why);
        };
        let why = format!("Both devices allow direct media, but {why_not}: media are relayed.");
        self.decided(stack, &why);
    }

    /// What is against the way between the caller and a phone, in words.
    fn against_way(&self, phone: &Binding) -> Option<&'static str> {
        let caller = self.legs.first()?.sip.flow();
        if phone.received.is_ipv4() != caller.remote.is_ipv4() {
            return Some("one speaks IPv4 and the other IPv6");
        }
        (!routing::is_in_the_open(phone)).then_some(BEHIND_A_NAT)
    }

    fn against_caller(&self) -> Option<&'static str> {
        let caller = &self.legs.first()?.sip;
        (!caller.offers_its_own_address()).then_some(BEHIND_A_NAT)
    }

    /// What is against the offer of the caller as it is, at a phone with these wishes and this signalling,
    /// in words.
    fn against_passing(
        &self,
        stack: &Stack,
        wishes: Option<(Encryption, MediaTransport)>,
        signalling: Transport,
    ) -> Option<&'static str> {
        let caller = &self.legs.first()?.sip;
        let offer = caller.offer()?;
        let is_same_secrecy = caller.flow().transport.is_secure() == signalling.is_secure();
        if !is_same_secrecy && names_keys(&offer) {
            return Some(
                "the signalling of one of them is not encrypted, and keys of the other would cross it",
            );
        }
        let callee = Policy::of(wishes, stack.config.encryption, signalling);
        let policies = self.bridge.policy(Side::Caller).into_iter();
        let parsed = SessionDescription::parse(&offer).ok()?;
        match check_direct(policies.chain([callee]), &parsed).err()? {
            TransportError::EncryptionRequired => {
                Some("one of them requires encryption, and not all that is offered is encrypted")
            }
            _ => Some("one of them is never encrypted, and what is offered is"),
        }
    }

    /// What is against direct media with a phone of this device, whatever is offered, in words.
    pub(super) fn against_phone(&self, device: &Device, phone: &Binding) -> Option<&'static str> {
        match device.direct_media {
            true => self.against_way(phone),
            false => Some("the device does not allow them"),
        }
    }

    /// What is against direct media with a leg, in words. Of a host that is still to be looked up its
    /// signalling is not known.
    fn against_leg(&self, stack: &Stack, leg: u8) -> Option<&'static str> {
        let found = self.legs.get(usize::from(leg))?;
        found.against_direct.or_else(|| {
            let way = found.sip.known_way()?;
            self.against_passing(stack, found.wishes, way.transport)
        })
    }

    /// Those of these new legs that can have the media of the call. Direct media become relayed ones where
    /// something is against them; once phones ring with them, the leg is left out.
    pub(super) fn with_media(&mut self, stack: &mut Stack, legs: &[u8]) -> Vec<u8> {
        let against = |leg: &u8| self.against_leg(stack, *leg);
        let first = match self.bridge.is_direct() {
            true => legs.iter().find_map(against),
            false => None,
        };
        let Some(why) = first else {
            return legs.to_vec();
        };
        if !self.is_anybody_invited() {
            self.relay(stack, why);
            return legs.to_vec();
        }
        let mut kept = Vec::with_capacity(legs.len());
        for &leg in legs {
            match self.against_leg(stack, leg) {
                Some(why) => self.leave_out(stack, leg, why),
                None => kept.push(leg),
            }
        }
        kept
    }

    /// Media that were to be direct are relayed.
    pub(super) fn relay(&mut self, stack: &Stack, why: &str) {
        self.bridge.set_relayed();
        self.decided(stack, &format!("Media are relayed, as {why}."));
    }

    /// A new leg cannot be carried to while others ring: goes on with those.
    pub(super) fn leave_uninvited_out(&mut self, stack: &mut Stack) {
        for leg in self.uninvited() {
            self.leave_out(stack, leg, "what is offered cannot pass as it is");
        }
    }

    fn leave_out(&mut self, stack: &mut Stack, leg: u8, why: &str) {
        let why = format!("An address is left out, as {OTHERS_HAVE_DIRECT}, and {why}.");
        self.decided(stack, &why);
        if let Stage::Seeking(seeking) = &mut self.stage {
            seeking.leave(leg);
        }
        self.bridge.drop_callee(stack, Side::Callee(leg));
        let release = LegCommand::Release {
            cause: Cause::INCOMPATIBLE_DESTINATION,
            elsewhere: false,
        };
        self.tell(stack, leg, release);
    }
}
