//! Registering, staying registered and leaving (RFC 3261 section 10.2); texts outside calls.

use core::time::Duration;

use fernamt_sip::digest::Challenger;
use fernamt_sip::message::{Message, Method, Name};
use fernamt_sip::time::Time;
use fernamt_sip::transaction::ClientId;

use super::write::Outside;
use super::{Action, EXCHANGE_HOST, Phone, Use};

/// How long a phone registers for.
const REGISTRATION_SECONDS: u32 = 300;

/// The registration of a phone.
pub(super) struct Registration {
    call_id: String,
    from_tag: String,
    cseq: u32,
    client: Option<ClientId>,
    challenges: u32,
    removing: bool,
    /// From when to when it was registered, as far as it knows.
    spans: Vec<(Time, Option<Time>)>,
    /// When to register again.
    pub(super) due: Option<Time>,
}

impl Registration {
    pub(super) fn new(random: &mut crate::random::Random) -> Registration {
        Registration {
            call_id: format!("register-{}", random.token()),
            from_tag: random.token(),
            cseq: 0,
            client: None,
            challenges: 0,
            removing: false,
            spans: Vec::new(),
            due: None,
        }
    }
}

impl Phone {
    pub(super) fn register(&mut self) {
        if !self.quiet {
            self.registration.removing = false;
            self.registration.challenges = 0;
            self.send_register();
        }
    }

    /// Whether it was registered at this time, and had been for a while.
    pub(crate) fn was_registered(&self, at: Time) -> bool {
        self.registration
            .spans
            .iter()
            .any(|(from, to)| *from <= at && to.is_none_or(|to| to > at))
    }

    fn registration_ends(&mut self) {
        let now = self.now;
        if let Some((_, end)) = self.registration.spans.last_mut() {
            end.get_or_insert(now);
        }
    }

    pub(super) fn unregister(&mut self) {
        self.registration_ends();
        self.registration.removing = true;
        self.registration.due = None;
        self.registration.challenges = 0;
        self.send_register();
    }

    fn send_register(&mut self) {
        self.registration.cseq += 1;
        let to = format!("sip:{}@{EXCHANGE_HOST}", self.plan.user);
        let uri = format!("sip:{EXCHANGE_HOST}");
        let (call_id, from_tag) = (
            self.registration.call_id.clone(),
            self.registration.from_tag.clone(),
        );
        let what = Outside {
            method: Method::Register,
            uri: &uri,
            to: &to,
            call_id: &call_id,
            from_tag: &from_tag,
            cseq: self.registration.cseq,
        };
        let expires = if self.registration.removing {
            0
        } else {
            REGISTRATION_SECONDS
        };
        let q = self
            .plan
            .q
            .map(|q| format!(";q={}.{}", q / 1000, q % 1000 / 100));
        let contact = format!("{}{}", self.contact(), q.unwrap_or_default());
        let credentials = self.plan.character.hasty_credentials || self.registration.challenges > 0;
        let sent = self.send_outside(&what, credentials, Use::Register, None, |_, builder| {
            builder
                .header(Name::Contact, &contact)
                .header(Name::Expires, expires);
        });
        self.registration.client = sent.map(|(client, _)| client);
    }

    pub(super) fn register_response(&mut self, client: ClientId, response: &Message<'_>) {
        let status = response.status().unwrap_or(500);
        if self.registration.client != Some(client) || status < 200 {
            return;
        }
        match status {
            200 if self.registration.removing => {}
            200 => {
                let half = u64::from(REGISTRATION_SECONDS) / 2;
                if self
                    .registration
                    .spans
                    .last()
                    .is_none_or(|(_, end)| end.is_some())
                {
                    self.registration.spans.push((self.now, None));
                }
                if !self.quiet {
                    self.registration.due = Some(self.now + Duration::from_secs(half));
                }
            }
            401 => {
                let challenges = self.registration.challenges;
                self.registration.challenges += 1;
                let values = response.values(Name::WwwAuthenticate);
                let answer =
                    self.digest
                        .challenged(EXCHANGE_HOST, Challenger::Server, values, challenges);
                match answer {
                    Ok(()) => self.send_register(),
                    Err(_) => self.registration_failed(client),
                }
            }
            _ => {
                self.refused_registrations += 1;
                self.registration_failed(client);
            }
        }
    }

    pub(super) fn registration_failed(&mut self, client: ClientId) {
        self.registration_ends();
        if self.registration.client == Some(client) && !self.quiet && !self.registration.removing {
            let after = self.random.millis(5_000, 30_000);
            self.registration.due = Some(self.now + after);
        }
    }

    /// Sends a MESSAGE to somebody; nobody minds what becomes of it.
    pub(super) fn text(&mut self, dialled: &str) {
        let uri = format!("sip:{dialled}@{EXCHANGE_HOST}");
        let (call_id, from_tag) = (self.random.token(), self.random.token());
        let what = Outside {
            method: Method::Message,
            uri: &uri,
            to: &uri,
            call_id: &call_id,
            from_tag: &from_tag,
            cseq: 1,
        };
        let body = Some(("text/plain", "Are you there?"));
        self.send_outside(&what, true, Use::Nobody, body, |_, _| {});
    }

    /// Registers when it has been switched on.
    pub(crate) fn switch_on(&mut self) {
        let after = self.random.millis(0, 2_000);
        self.later(after, Action::Register);
    }
}
