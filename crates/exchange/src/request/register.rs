//! REGISTER, once its sender is known (RFC 3261 section 10.3).

use std::sync::Arc;

use fernamt_sip::message::{KeptMessage, Message, Name};

use super::{Place, Step, Waiting};
use crate::directory::Device;
use crate::exchange::Exchange;
use crate::interface::Question;
use crate::registrar::{
    Binding, RefusedChange, RegisterRejection, register_request, write_contacts,
};
use crate::stack::Asker;

impl Exchange {
    pub(super) fn register(&mut self, place: Place, request: &Message<'_>, device: &Device) {
        if !is_for(request, device) {
            return self.respond_to(place, request, 403, |_| {});
        }
        match register_request(request, &place.flow, &self.stack.config) {
            Ok(change) => {
                let waiting = Waiting {
                    server: place.server,
                    flow: place.flow,
                    request: KeptMessage::new(request),
                    slot: None,
                    step: Step::Bindings,
                };
                let ask = Question::Register {
                    user: device.user.clone(),
                    change: Box::new(change),
                };
                self.stack.ask(Asker::Request(Box::new(waiting)), ask);
            }
            Err(rejection) => self.refuse_register(place, request, &rejection),
        }
    }

    fn refuse_register(
        &mut self,
        place: Place,
        request: &Message<'_>,
        rejection: &RegisterRejection,
    ) {
        self.respond_to(
            place,
            request,
            rejection.status(),
            |builder| match rejection {
                RegisterRejection::BadExtension { unsupported } => {
                    builder.header(Name::Unsupported, unsupported.join(", "));
                }
                RegisterRejection::IntervalTooBrief { minimum_seconds } => {
                    builder.header(Name::MinExpires, minimum_seconds);
                }
                _ => {}
            },
        );
    }

    /// The bindings have been changed, or not.
    pub(super) fn registered(
        &mut self,
        place: Place,
        request: &Message<'_>,
        bindings: Result<Vec<Arc<Binding>>, RefusedChange>,
    ) {
        let bindings = match bindings {
            Ok(bindings) => bindings,
            Err(RefusedChange::OutOfOrder) => {
                return self.respond_to(place, request, 500, |builder| {
                    builder.header(Name::RetryAfter, 1);
                });
            }
            Err(RefusedChange::TooMany) => return self.respond_to(place, request, 403, |_| {}),
            Err(RefusedChange::Full) => {
                return self.respond_to(place, request, 503, |builder| {
                    builder.header(Name::RetryAfter, 60);
                });
            }
        };
        let mut contacts = String::new();
        write_contacts(&mut contacts, &bindings, self.stack.now.unix);
        let outbound = bindings.iter().any(|binding| binding.reg_id != 0)
            && request.supported().has_option("outbound");
        self.respond_to(place, request, 200, |builder| {
            if !contacts.is_empty() {
                builder.header(Name::Contact, &contacts);
            }
            builder.copy(request, Name::Path);
            builder.header(Name::Supported, "path, outbound");
            if outbound {
                builder.header(Name::Require, "outbound");
            }
        });
    }
}

/// Whether the address of record is the sender's own. The host does not count: it is whatever name
/// the person has typed into the phone.
fn is_for(request: &Message<'_>, device: &Device) -> bool {
    let user = request.to().ok().and_then(|to| {
        let uri = to.uri().ok()?;
        uri.user_unescaped().map(|user| user == *device.user)
    });
    user == Some(true)
}
