//! A called device says to try elsewhere (3xx): at another address, or at another subscriber of this
//! exchange, which is the usual way of phones to forward calls.

use fernamt_sip::escape::Escaped;
use fernamt_sip::uri::Uri;

use super::bridge::{Side, names_keys};
use super::{Call, Stage};
use crate::cause::Cause;
use crate::interface::{Answer, Question};
use crate::leg::sip::destination::Destination;
use crate::leg::{LegCommand, Rejection};
use crate::routing::is_ours;
use crate::stack::{Asker, Stack};

/// Where a contact of a 3xx leads.
enum Elsewhere {
    /// To an address outside.
    Address(Destination),
    /// To a name or number of this exchange.
    Subscriber(Box<str>),
}

fn elsewhere(contact: &str, stack: &Stack) -> Option<Elsewhere> {
    let uri = Uri::parse(contact).ok().filter(Uri::is_sip)?;
    if !is_ours(uri.host(), uri.port(), &stack.config) {
        return Destination::of_redirect(contact, stack).map(Elsewhere::Address);
    }
    let user = uri.user_unescaped()?;
    Some(Elsewhere::Subscriber(user.into()))
}

const NOWHERE_ELSE: Rejection = Rejection {
    cause: Cause::NO_ROUTE_TO_DESTINATION,
    status: Some(480),
};

impl Call {
    /// A called leg says to try these contacts instead.
    pub(super) fn leg_redirected(&mut self, stack: &mut Stack, leg: u8, contacts: Vec<Box<str>>) {
        self.leg_over(leg);
        let Stage::Seeking(seeking) = &mut self.stage else {
            return;
        };
        seeking.leave(leg);
        let wishes = seeking.wishes;
        self.bridge.drop_callee(stack, Side::Callee(leg));
        let mut legs = Vec::new();
        for contact in contacts {
            let Some(elsewhere) = elsewhere(&contact, stack) else {
                continue;
            };
            let Stage::Seeking(seeking) = &mut self.stage else {
                return;
            };
            if !seeking.take_redirect() {
                self.decided(stack, "The call was redirected too often.");
                break;
            }
            let why = format!("The device redirects the call to {}.", Escaped(&contact));
            self.decided(stack, &why);
            match elsewhere {
                Elsewhere::Address(destination) => {
                    legs.extend(self.add_leg(stack, destination, wishes));
                }
                Elsewhere::Subscriber(dialled) => self.look_up_redirect(stack, dialled),
            }
        }
        self.invite_or_go_on(stack, &legs, NOWHERE_ELSE);
    }

    fn look_up_redirect(&mut self, stack: &mut Stack, dialled: Box<str>) {
        if let Stage::Seeking(seeking) = &mut self.stage {
            seeking.begin_lookup();
            let asker = Asker::Redirect(self.slot);
            stack.ask(asker, Question::Destination { dialled });
        }
    }

    /// It is known where the other subscriber is.
    pub(crate) fn redirect_located(&mut self, stack: &mut Stack, answer: Answer) {
        let Stage::Seeking(seeking) = &mut self.stage else {
            return;
        };
        seeking.end_lookup();
        let mut legs = Vec::new();
        let mut rejection = NOWHERE_ELSE;
        if let Answer::Destination(Some(found)) = answer {
            rejection = Rejection::from_cause(Cause::SUBSCRIBER_ABSENT);
            for binding in &found.bindings {
                let destination = Destination::of_binding(binding, stack);
                let wishes = (found.device.encryption, found.device.media_transport);
                let leg = self.add_leg(stack, destination, Some(wishes));
                self.name_leg(leg, &found.device.user);
                legs.extend(leg);
            }
        }
        self.invite_or_go_on(stack, &legs, rejection);
    }

    /// Invites new legs; where there is none, goes on with those that are left.
    fn invite_or_go_on(&mut self, stack: &mut Stack, legs: &[u8], rejection: Rejection) {
        let legs = self.with_media(stack, legs);
        if legs.is_empty() {
            self.go_on_after(stack, rejection);
        } else {
            self.invite(stack, &legs);
        }
    }

    /// Nobody has asked the device that a call is redirected to whether it wants direct media, and what
    /// is on the way to it: it gets relayed ones. While other phones ring with direct ones it gets those,
    /// and is left out where keys would be read on the way. Gives those that are left.
    fn with_media(&mut self, stack: &mut Stack, legs: &[u8]) -> Vec<u8> {
        let Stage::Seeking(seeking) = &self.stage else {
            return Vec::new();
        };
        if !self.bridge.is_direct() {
            return legs.to_vec();
        }
        if seeking.active().iter().all(|leg| legs.contains(leg)) {
            self.bridge.set_relayed();
            self.decided(stack, "Media are relayed, as the call has been redirected.");
            return legs.to_vec();
        }
        let (kept, exposed): (Vec<u8>, Vec<u8>) =
            legs.iter().partition(|leg| !self.exposes_keys(**leg));
        for leg in exposed {
            let why = "An address is left out, as the keys of direct media would cross signalling that \
                       is not encrypted.";
            self.decided(stack, why);
            if let Stage::Seeking(seeking) = &mut self.stage {
                seeking.leave(leg);
            }
            let release = LegCommand::Release {
                cause: Cause::INCOMPATIBLE_DESTINATION,
                elsewhere: false,
            };
            self.tell(stack, leg, release);
        }
        kept
    }

    /// Whether the signalling of the caller and that of a leg differ, and keys would pass.
    fn exposes_keys(&self, leg: u8) -> bool {
        let secrecy = |leg: usize| {
            let found = self.legs.get(leg)?;
            Some(found.sip.flow().transport.is_secure())
        };
        let offer = self.legs.first().and_then(|caller| caller.sip.offer());
        let has_keys = offer.is_some_and(|offer| names_keys(&offer));
        has_keys && secrecy(0) != secrecy(usize::from(leg))
    }
}
