//! A caller that has made no offer (RFC 3261 section 13.2.1) is made one, as every phone is that is
//! called: what is known of its phone is found out here. Nothing is offered here.

use super::Call;
use super::bridge::Side;
use crate::interface::{Answer, Question};
use crate::leg::sip::SipLeg;
use crate::registrar::Binding;
use crate::routing::is_behind;
use crate::stack::{Asker, Stack};

impl Call {
    /// Asks how the phone of a caller has registered to whom an offer will be made.
    pub(super) fn locate_caller(&self, stack: &mut Stack) {
        let has_offered = self.legs.first().is_none_or(|leg| leg.sip.has_offered());
        if !has_offered {
            let ask = Question::Destination {
                dialled: self.caller.user.clone(),
            };
            stack.ask(Asker::Caller(self.slot), ask);
        }
    }

    /// It is known where the phones of the caller are. Where nothing is found, it is offered what a
    /// phone is of which nothing is known.
    pub(crate) fn caller_located(&mut self, answer: Answer) {
        let Answer::Destination(Some(found)) = answer else {
            return;
        };
        let Some(caller) = self.legs.first().map(|leg| &leg.sip) else {
            return;
        };
        let is_caller = found.device.user == self.caller.user;
        let mut bindings = found.bindings.iter().filter(|_| is_caller);
        if bindings.any(|binding| binding.ice && is_phone_of(binding, caller)) {
            self.bridge.offer_ice(Side::Caller);
        }
    }
}

/// Whether a binding is that of the phone at the other end of a leg: the phone has the same flow, or
/// names the same contact.
fn is_phone_of(binding: &Binding, leg: &SipLeg) -> bool {
    is_behind(binding, &leg.flow()) || leg.remote_target() == Some(&*binding.contact)
}
