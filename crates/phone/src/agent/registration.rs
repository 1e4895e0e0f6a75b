//! The phone's registration at its exchange (RFC 3261 section 10).

use core::time::Duration;

use fernamt_sip::builder::RequestBuilder;
use fernamt_sip::message::{Message, Method, Name};
use fernamt_sip::time::Time;
use fernamt_sip::transaction::ClientId;
use fernamt_sip::uri::Uri;

use super::interface::{Event, Hint, Refusal};
use super::stack::{ALLOW, Purpose, SUPPORTED, Stack, USER_AGENT, safe, write_via};

/// The longest registration that is asked for after a 423.
const LONGEST_SECONDS: u32 = 86_400;

/// How long after a failure the phone tries again (RFC 5626 section 4.5 asks for patience).
const RETRY_AFTER: Duration = Duration::from_secs(30);

/// Whether the phone is registered, and what is under way.
#[derive(Default)]
pub(super) struct Registration {
    wanted: bool,
    expires_seconds: u32,
    call_id: String,
    from_tag: String,
    cseq: u32,
    client: Option<ClientId>,
    refresh_at: Option<Time>,
}

impl Registration {
    pub(super) fn deadline(&self) -> Option<Time> {
        self.refresh_at
    }

    pub(super) fn begin(&mut self, stack: &mut Stack, now: Time) {
        if self.call_id.is_empty() {
            self.call_id = stack.random.token();
            self.from_tag = stack.random.token();
        }
        self.wanted = true;
        self.expires_seconds = stack.settings.registration_seconds;
        self.send(stack, now);
    }

    pub(super) fn end(&mut self, stack: &mut Stack, now: Time) {
        if core::mem::take(&mut self.wanted) {
            self.refresh_at = None;
            self.send(stack, now);
        } else {
            stack.event(Event::Unregistered);
        }
    }

    pub(super) fn timer(&mut self, stack: &mut Stack, now: Time) {
        if self.refresh_at.is_some_and(|at| at <= now) {
            self.refresh_at = None;
            self.send(stack, now);
        }
    }

    fn send(&mut self, stack: &mut Stack, now: Time) {
        let Some(home) = stack.settings.home.clone() else {
            return;
        };
        self.cseq += 1;
        let branch = stack.random.branch();
        let flow = home.flow;
        let own = stack.own_uri(flow);
        let expires = if self.wanted { self.expires_seconds } else { 0 };
        let mut bytes = Vec::with_capacity(512);
        let mut request = RequestBuilder::new(&mut bytes, Method::Register, &home.server.uri(None));
        write_via(&mut request, flow, &branch);
        request
            .header(Name::MaxForwards, 70)
            .header(Name::From, format_args!("<{own}>;tag={}", self.from_tag))
            .header(Name::To, format_args!("<{own}>"))
            .header(Name::CallId, &self.call_id)
            .header(Name::CSeq, format_args!("{} REGISTER", self.cseq))
            .header(Name::Contact, stack.contact(flow))
            .header(Name::Expires, expires)
            .header(Name::Allow, ALLOW)
            .header(Name::Supported, SUPPORTED)
            .header(Name::UserAgent, USER_AGENT)
            .finish();
        let sent = stack.request(
            now,
            flow,
            Purpose::Register,
            Method::Register,
            &branch,
            bytes,
        );
        self.client = sent.map(|sent| sent.client);
    }

    pub(super) fn response(
        &mut self,
        stack: &mut Stack,
        now: Time,
        client: ClientId,
        response: &Message<'_>,
    ) {
        if self.client != Some(client) {
            return;
        }
        match response.status().unwrap_or(0) {
            100..200 => {}
            200..300 => {
                stack.finished(client);
                self.accepted(stack, now, response);
            }
            401 | 407 => {
                self.cseq += 1;
                match stack.answer_challenge(now, client, response, self.cseq) {
                    Ok(sent) => self.client = Some(sent.client),
                    Err(hint) => self.refused(stack, now, client, response, Some(hint)),
                }
            }
            423 => match response.min_expires() {
                Ok(Some(seconds))
                    if seconds > self.expires_seconds && seconds <= LONGEST_SECONDS =>
                {
                    stack.finished(client);
                    self.expires_seconds = seconds;
                    self.send(stack, now);
                }
                _ => self.refused(stack, now, client, response, None),
            },
            _ => self.refused(stack, now, client, response, None),
        }
    }

    fn accepted(&mut self, stack: &mut Stack, now: Time, response: &Message<'_>) {
        self.client = None;
        if !self.wanted {
            stack.event(Event::Unregistered);
            return;
        }
        let expires_seconds = self.granted(stack, response);
        // Early enough for a few lost packets, and for the usual second of a clock.
        let refresh = Duration::from_secs(u64::from(expires_seconds)) * 4 / 5;
        self.refresh_at = Some(now + refresh.max(Duration::from_secs(1)));
        stack.event(Event::Registered { expires_seconds });
    }

    /// How long our contact lasts, as the server says (RFC 3261 section 10.2.4).
    fn granted(&self, stack: &Stack, response: &Message<'_>) -> u32 {
        let Some(home) = &stack.settings.home else {
            return self.expires_seconds;
        };
        let own = stack.contact(home.flow);
        let own = own.trim_matches(['<', '>']);
        let is_own = |text: &str| match (Uri::parse(text), Uri::parse(own)) {
            (Ok(left), Ok(right)) => left.is_equivalent(&right),
            _ => false,
        };
        let contact = response
            .contacts()
            .flatten()
            .find(|contact| is_own(contact.uri_text()));
        contact
            .and_then(|contact| contact.expires_seconds())
            .or_else(|| response.expires().ok().flatten())
            .unwrap_or(self.expires_seconds)
    }

    fn refused(
        &mut self,
        stack: &mut Stack,
        now: Time,
        client: ClientId,
        response: &Message<'_>,
        hint: Option<Hint>,
    ) {
        let status = response.status().unwrap_or(0);
        let reason = safe(response.reason_phrase().unwrap_or(""));
        self.fail(
            stack,
            now,
            client,
            Refusal {
                status,
                reason,
                hint,
                rang: false,
            },
        );
    }

    /// The registration was refused or not answered.
    pub(super) fn fail(
        &mut self,
        stack: &mut Stack,
        now: Time,
        client: ClientId,
        refusal: Refusal,
    ) {
        if self.client != Some(client) {
            return;
        }
        stack.finished(client);
        self.client = None;
        if !self.wanted {
            stack.event(Event::Unregistered);
            return;
        }
        // Wrong credentials do not become right by asking again; that would only be banned.
        if refusal.hint.is_none() || refusal.status == 408 || refusal.status == 503 {
            self.refresh_at = Some(now + RETRY_AFTER);
        }
        stack.event(Event::RegistrationFailed(refusal));
    }
}
