//! A called device says to try elsewhere (3xx): at another subscriber of this exchange, which is the
//! usual way of phones to forward calls, at a phone that is registered here, or at an address outside.

use fernamt_sip::escape::Escaped;
use fernamt_sip::transport::Transport;
use fernamt_sip::uri::{Scheme, Uri};

use super::bridge::Side;
use super::{Call, Stage};
use crate::cause::Cause;
use crate::interface::{self, Answer, Question};
use crate::leg::Rejection;
use crate::leg::sip::destination::{Destination, without_password};
use crate::registrar::Binding;
use crate::routing::is_ours;
use crate::stack::{Asker, Stack};

/// A contact of a 3xx while it is looked up whose it is.
#[derive(Debug)]
pub(crate) enum Redirection {
    /// A name or number of this exchange.
    Subscriber,
    /// An address: that of a phone of ours, or of somebody else.
    Contact(Box<str>),
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
        self.bridge.drop_callee(stack, Side::Callee(leg));
        let mut legs = Vec::new();
        for contact in contacts {
            let Some((user, redirection)) = redirection(&contact, stack) else {
                continue;
            };
            let Stage::Seeking(seeking) = &mut self.stage else {
                return;
            };
            if !seeking.take_redirect() {
                self.decided(stack, "The call was redirected too often.");
                break;
            }
            let where_to = without_password(&contact);
            let why = format!("The device redirects the call to {}.", Escaped(&where_to));
            self.decided(stack, &why);
            match user {
                Some(user) => self.look_up_redirect(stack, user, redirection),
                None => legs.extend(self.add_leg_outside(stack, &contact)),
            }
        }
        self.invite_or_go_on(stack, &legs, NOWHERE_ELSE);
    }

    fn look_up_redirect(&mut self, stack: &mut Stack, dialled: Box<str>, redirection: Redirection) {
        if let Stage::Seeking(seeking) = &mut self.stage {
            seeking.begin_lookup();
            let asker = Asker::Redirect(self.slot, redirection);
            stack.ask(asker, Question::Destination { dialled });
        }
    }

    /// It is known who has the name in a contact, and where they are.
    pub(crate) fn redirect_located(
        &mut self,
        stack: &mut Stack,
        redirection: Redirection,
        answer: Answer,
    ) {
        let Stage::Seeking(seeking) = &mut self.stage else {
            return;
        };
        seeking.end_lookup();
        let found = match answer {
            Answer::Destination(found) => found,
            _ => None,
        };
        match redirection {
            Redirection::Subscriber => self.try_subscriber(stack, found),
            Redirection::Contact(contact) => self.try_contact(stack, &contact, found),
        }
    }

    fn try_subscriber(&mut self, stack: &mut Stack, found: Option<interface::Destination>) {
        let Some(found) = found else {
            return self.go_on_after(stack, NOWHERE_ELSE);
        };
        let mut legs = Vec::with_capacity(found.bindings.len());
        for binding in &found.bindings {
            legs.extend(self.add_phone(stack, &found.device, binding));
        }
        let absent = Rejection::from_cause(Cause::SUBSCRIBER_ABSENT);
        self.invite_or_go_on(stack, &legs, absent);
    }

    /// A contact that a phone of ours has registered is that phone, with all that is known of it.
    /// Nothing is known of any other.
    fn try_contact(
        &mut self,
        stack: &mut Stack,
        contact: &str,
        found: Option<interface::Destination>,
    ) {
        let phone = found.as_ref().and_then(|found| {
            let mut bindings = found.bindings.iter();
            let binding = bindings.find(|binding| leads_to(contact, binding))?;
            Some((&found.device, binding))
        });
        let leg = match phone {
            Some((device, binding)) => {
                let why = format!("That is a phone of {}.", Escaped(&device.user));
                self.decided(stack, &why);
                self.add_phone(stack, device, binding)
            }
            None => self.add_leg_outside(stack, contact),
        };
        self.invite_or_go_on(stack, leg.as_slice(), NOWHERE_ELSE);
    }

    fn add_leg_outside(&mut self, stack: &mut Stack, contact: &str) -> Option<u8> {
        let destination = Destination::of_redirect(contact, stack)?;
        self.add_leg(stack, destination, None)
    }

    /// Invites new legs; where there is none, goes on with those that are left. Nobody has asked the
    /// device that a call is redirected to whether it wants direct media: where no phone rings with them,
    /// it gets relayed ones.
    fn invite_or_go_on(&mut self, stack: &mut Stack, legs: &[u8], rejection: Rejection) {
        if legs.is_empty() {
            return self.go_on_after(stack, rejection);
        }
        if self.bridge.is_direct() && !self.is_anybody_invited() {
            self.relay(stack, "the call has been redirected");
        }
        self.invite(stack, legs);
    }
}

/// What a contact may be, and the name that tells it; `None`: nothing that can be called. An address
/// without a name is nobody's of ours.
fn redirection(contact: &str, stack: &Stack) -> Option<(Option<Box<str>>, Redirection)> {
    let uri = Uri::parse(contact).ok().filter(Uri::is_sip)?;
    let user = uri.user_unescaped().map(Into::into);
    match is_ours(uri.host(), uri.port(), &stack.config) {
        true => Some((Some(user?), Redirection::Subscriber)),
        false => Some((user, Redirection::Contact(contact.into()))),
    }
}

/// Whether a contact is the phone of this binding: by the name and address that it registered, or by
/// the address that it registered from.
fn leads_to(contact: &str, binding: &Binding) -> bool {
    let (Ok(named), Ok(registered)) = (Uri::parse(contact), Uri::parse(&binding.contact)) else {
        return false;
    };
    let default = binding.transport.default_port();
    let port = |uri: &Uri<'_>| uri.port().unwrap_or(default);
    let transport = named.param("transport").and_then(|it| it.parse().ok());
    let same_transport = transport.is_none_or(|named: Transport| {
        // A contact says `ws` for both kinds of WebSocket (RFC 7118 section 5.2.1).
        named == binding.transport
            || (named == Transport::Ws && binding.transport == Transport::Wss)
    });
    let secure_enough = named.scheme() != Scheme::Sips || binding.transport.is_secure();
    let registered_there = named.host() == registered.host() && port(&named) == port(&registered);
    let came_from_there =
        named.host().ip() == Some(binding.received.ip()) && port(&named) == binding.received.port();
    named.user_unescaped() == registered.user_unescaped()
        && same_transport
        && secure_enough
        && (registered_there || came_from_there)
}
