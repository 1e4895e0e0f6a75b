//! Who sends a request: digest challenges and their verification (RFC 3261 section 22, RFC 8760).
//! An unknown user, a wrong password and no password at all look the same from outside.

use fernamt_sip::digest::{Challenger, Credentials, Malformed, Verdict};
use fernamt_sip::message::{Message, Method, Name};
use fernamt_sip::transport::Flow;

use super::Place;
use crate::directory::Device;
use crate::exchange::Exchange;
use crate::interface::{Event, Output};

/// What verification came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The sender is the device.
    Known,
    /// It has to show (again) that it is.
    Challenge { stale: bool },
    /// Its credentials make no sense.
    Malformed,
}

/// A registrar challenges with 401, everything else like a proxy with 407, as user agents expect.
fn challenger(method: Method<'_>) -> Challenger {
    match method {
        Method::Register => Challenger::Server,
        _ => Challenger::Proxy,
    }
}

impl Exchange {
    /// Looks for credentials: challenges where there are none, asks for their device otherwise.
    pub(super) fn authenticate(&mut self, flow: Flow, request: &Message<'_>) {
        match self.credentials(request) {
            Ok(Some(credentials)) => {
                let user = credentials.username().as_ref().into();
                self.wait_for_device(flow, request, user);
            }
            Ok(None) => self.challenge_stateless(flow, request, false),
            Err(_) => {
                self.respond_with_reason(flow, request, 400, Some("Malformed Credentials"), |_| {})
            }
        }
    }

    fn credentials<'a>(&self, request: &Message<'a>) -> Result<Option<Credentials<'a>>, Malformed> {
        let values = request
            .values(Name::ProxyAuthorization)
            .chain(request.values(Name::Authorization));
        self.digest.find(values)
    }

    /// Verifies the credentials of a request against the device that they name.
    pub(super) fn verify(
        &mut self,
        flow: Flow,
        request: &Message<'_>,
        device: Option<&Device>,
    ) -> Outcome {
        let Ok(Some(credentials)) = self.credentials(request) else {
            return Outcome::Malformed;
        };
        let decoy = device.is_none().then(|| self.digest.decoy());
        let Some(ha1) = device.map(|device| &device.ha1).or(decoy.as_ref()) else {
            return Outcome::Malformed;
        };
        let method = request.method();
        let uri = request.request_uri().unwrap_or_default();
        let now = self.stack.now.unix;
        match self
            .digest
            .verify(&credentials, method.as_str(), uri, ha1, now)
        {
            Verdict::Ok if device.is_some() => Outcome::Known,
            Verdict::Stale(_) => Outcome::Challenge { stale: true },
            Verdict::Ok | Verdict::Wrong(_) => {
                self.authentication_failed(flow);
                Outcome::Challenge { stale: false }
            }
            Verdict::Malformed(_) => Outcome::Malformed,
        }
    }

    fn authentication_failed(&mut self, flow: Flow) {
        let source = flow.remote.ip();
        self.stack
            .outputs
            .push_back(Output::Publish(Event::AuthenticationFailed { source }));
        if let Some(ban) = self
            .guard
            .authentication_failed(self.stack.now.time, source)
        {
            let until = self.stack.now.unix_at(ban.until);
            self.stack
                .outputs
                .push_back(Output::Publish(Event::Banned { source, until }));
        }
    }

    fn challenge_stateless(&mut self, flow: Flow, request: &Message<'_>, stale: bool) {
        let challenger = challenger(request.method());
        let values = self.challenges(stale);
        self.respond_stateless(flow, request, challenger.status(), |builder| {
            for value in &values {
                builder.header_raw(challenger.challenge_header(), value);
            }
        });
    }

    /// Challenges a request that has a transaction.
    pub(super) fn challenge(&mut self, place: Place, request: &Message<'_>, stale: bool) {
        let challenger = challenger(request.method());
        let values = self.challenges(stale);
        self.respond_to(place, request, challenger.status(), |builder| {
            for value in &values {
                builder.header_raw(challenger.challenge_header(), value);
            }
        });
    }

    fn challenges(&mut self, stale: bool) -> Vec<String> {
        self.digest
            .challenge(self.stack.now.unix, stale)
            .map(|it| it.to_string())
            .collect()
    }
}
