//! Whether the media of a call may flow from phone to phone and not through us. What passes then as it is,
//! is looked at in `bridge/direct.rs`.

use std::sync::Arc;

use fernamt_sdp::{SessionDescription, TransportError};
use fernamt_sip::transport::Transport;

use super::Call;
use super::bridge::{Side, check_direct, names_keys};
use crate::directory::Device;
use crate::encryption::{Encryption, MediaTransport, Policy};
use crate::registrar::Binding;
use crate::routing;
use crate::stack::Stack;

const BEHIND_A_NAT: &str = "one of them is behind a NAT";

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
}
