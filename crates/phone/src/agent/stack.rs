//! What registration and calls share: transactions, credentials, names, and the way out. It writes
//! messages and knows nothing about the state of calls.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use fernamt_sip::builder::{RequestBuilder, ResponseBuilder};
use fernamt_sip::digest::{ChallengeRefusal, Challenger, DigestClient};
use fernamt_sip::escape::Escaped;
use fernamt_sip::message::{Message, Method, Name};
use fernamt_sip::time::Time;
use fernamt_sip::transaction::{ClientId, ServerId, TransactionSettings, Transactions};
use fernamt_sip::transport::{Flow, Transport};

use super::interface::{AgentSettings, Event, Hint, Output};
use super::random::Random;

/// What the phone calls itself.
pub(super) const USER_AGENT: &str = concat!("Fernamt-Phone/", env!("CARGO_PKG_VERSION"));

/// The methods it serves.
pub(super) const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO";

/// The extensions it knows, as in Supported.
pub(super) const SUPPORTED: &str = "100rel, timer";

/// The same, one by one.
pub(super) const OPTIONS: [&str; 2] = ["100rel", "timer"];

/// Transactions of others that a phone serves at one time.
const MAX_SERVERS: usize = 64;

/// Requests of its own that a phone has under way at one time.
const MAX_CLIENTS: usize = 32;

/// What a transaction is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A request of somebody else.
    Served,
    /// REGISTER.
    Register,
    /// The INVITE of a call.
    Invite,
    /// An INVITE or UPDATE within a call.
    Change,
    /// PRACK.
    Prack,
    /// BYE.
    Bye,
}

/// A request of ours without a final response, kept to be sent again with credentials.
struct Pending {
    client: ClientId,
    flow: Flow,
    bytes: Arc<[u8]>,
    /// How often a challenge to it was answered.
    answered: u32,
    purpose: Purpose,
}

pub(super) struct Stack {
    pub(super) settings: AgentSettings,
    pub(super) random: Random,
    pub(super) transactions: Transactions<Purpose>,
    pending: Vec<Pending>,
    digest: Option<DigestClient>,
    outputs: VecDeque<Output>,
}

/// A request that has been sent.
pub(super) struct SentRequest {
    pub(super) client: ClientId,
    pub(super) bytes: Arc<[u8]>,
}

impl Stack {
    pub(super) fn new(settings: AgentSettings, seed: [u8; 32]) -> Stack {
        let mut random = Random::new(seed);
        let digest = credentials(&settings);
        let hash_seed = [random.number(), random.number()];
        let transactions = Transactions::new(TransactionSettings {
            max_servers: MAX_SERVERS,
            max_clients: MAX_CLIENTS,
            hash_seed,
            ..TransactionSettings::default()
        });
        Stack {
            settings,
            random,
            transactions,
            pending: Vec::new(),
            digest,
            outputs: VecDeque::new(),
        }
    }

    pub(super) fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    pub(super) fn output(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    pub(super) fn next_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Whether a request of ours is under way.
    pub(super) fn is_waiting(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Our address of record; on a phone without an exchange the address it can be reached at.
    pub(super) fn own_uri(&self, flow: Flow) -> String {
        let user = self
            .settings
            .identity
            .as_ref()
            .map(|identity| &*identity.user);
        match &self.settings.home {
            Some(home) => home.server.uri(Some(user.unwrap_or("anonymous"))),
            None => direct_server(flow).uri(Some(user.unwrap_or("phone"))),
        }
    }

    /// Where requests of a dialog reach us: our end of the flow.
    pub(super) fn contact(&self, flow: Flow) -> String {
        let user = self
            .settings
            .identity
            .as_ref()
            .map_or("phone", |identity| &*identity.user);
        let uri = direct_server(flow).uri(Some(user));
        match flow.transport {
            Transport::Udp => format!("<{uri}>"),
            stream => format!("<{uri};transport={}>", stream.uri_name()),
        }
    }

    /// The address of our voice in a call over this flow.
    pub(super) fn media_address(&self, flow: Flow) -> SocketAddr {
        SocketAddr::new(flow.local.ip(), self.settings.media_port)
    }

    /// Sends a request; `None` when there is no place for one more.
    pub(super) fn request(
        &mut self,
        now: Time,
        flow: Flow,
        purpose: Purpose,
        method: Method<'_>,
        branch: &str,
        bytes: Vec<u8>,
    ) -> Option<SentRequest> {
        self.request_again(now, flow, purpose, method, branch, bytes, 0)
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one place only, and each is a part of sending"
    )]
    fn request_again(
        &mut self,
        now: Time,
        flow: Flow,
        purpose: Purpose,
        method: Method<'_>,
        branch: &str,
        bytes: Vec<u8>,
        answered: u32,
    ) -> Option<SentRequest> {
        let bytes: Arc<[u8]> = bytes.into();
        let sent = Arc::clone(&bytes);
        let client = self
            .transactions
            .request(now, flow, sent, method, branch, purpose)
            .ok()?;
        let kept = Arc::clone(&bytes);
        self.pending.push(Pending {
            client,
            flow,
            bytes: kept,
            answered,
            purpose,
        });
        Some(SentRequest { client, bytes })
    }

    /// A request of ours has its final response or has failed.
    pub(super) fn finished(&mut self, client: ClientId) {
        self.pending.retain(|pending| pending.client != client);
    }

    /// Sends a request again with credentials, as its 401 or 407 asks (RFC 3261 section 22.2).
    ///
    /// `digest_leak_phone`: nobody gets an answer but the server of the account, for its own realm.
    pub(super) fn answer_challenge(
        &mut self,
        now: Time,
        client: ClientId,
        response: &Message<'_>,
        cseq: u32,
    ) -> Result<SentRequest, Hint> {
        let position = self
            .pending
            .iter()
            .position(|pending| pending.client == client);
        let pending = position
            .map(|at| self.pending.swap_remove(at))
            .ok_or(Hint::NotSent)?;
        let (challenger, header) = match response.status() {
            Some(407) => (Challenger::Proxy, Name::ProxyAuthenticate),
            _ => (Challenger::Server, Name::WwwAuthenticate),
        };
        let asked = self.asked(pending.flow);
        let digest = self.digest.as_mut().ok_or(Hint::CredentialsNeeded)?;
        digest
            .challenged(
                &asked,
                challenger,
                response.values(header),
                pending.answered,
            )
            .map_err(hint)?;
        let request = Message::parse(&pending.bytes).map_err(|_| Hint::NotSent)?;
        let (method, uri) = (request.method(), request.request_uri().unwrap_or(""));
        let cnonce = self.random.token();
        let authorization = digest
            .authorize(&asked, method.as_str(), uri, &cnonce)
            .ok_or(Hint::UnknownChallenge)?;
        let branch = self.random.branch();
        let credentials = (authorization.name, authorization.value.as_str());
        let bytes = rewritten(&request, pending.flow, &branch, cseq, credentials);
        let (purpose, answered) = (pending.purpose, pending.answered + 1);
        self.request_again(now, pending.flow, purpose, method, &branch, bytes, answered)
            .ok_or(Hint::NotSent)
    }

    /// Who is asked along this flow, for the decision about credentials: our server by its name,
    /// anybody else by an address that is never the name of a server.
    fn asked(&self, flow: Flow) -> String {
        match &self.settings.home {
            Some(home) if is_same_way(home.flow, flow) => home.server.host.to_string(),
            _ => flow.remote.to_string(),
        }
    }

    /// Accepts a request of somebody else. Without `rport` the response goes to the port in Via
    /// (RFC 3261 section 18.2.2).
    pub(super) fn accept(
        &mut self,
        now: Time,
        flow: Flow,
        request: &Message<'_>,
    ) -> Option<ServerId> {
        let via = request.top_via().ok()?;
        let mut way = flow;
        if flow.transport == Transport::Udp && !via.wants_rport() {
            way.remote
                .set_port(via.port().unwrap_or(Transport::Udp.default_port()));
        }
        self.transactions
            .accept(now, way, request, Purpose::Served)
            .ok()
    }

    /// Accepts a request and answers it finally.
    pub(super) fn refuse(
        &mut self,
        now: Time,
        flow: Flow,
        request: &Message<'_>,
        status: u16,
        more: impl FnOnce(&mut ResponseBuilder<'_>),
    ) {
        if let Some(server) = self.accept(now, flow, request) {
            let tag = self.random.token();
            self.respond(now, server, flow, request, status, &tag, |response| {
                more(response);
                response.finish();
            });
        }
    }

    /// Answers a request. `finish` adds header fields and ends the message.
    #[expect(
        clippy::too_many_arguments,
        reason = "a response is made of exactly these"
    )]
    pub(super) fn respond(
        &mut self,
        now: Time,
        server: ServerId,
        flow: Flow,
        request: &Message<'_>,
        status: u16,
        tag: &str,
        finish: impl FnOnce(&mut ResponseBuilder<'_>),
    ) {
        let bytes = response(request, flow, status, tag, finish);
        // A transaction that is over has a peer that waits no longer.
        let _ = self.transactions.respond(now, server, bytes, status);
    }
}

/// What challenges are answered with: the password of a device, and only for its own server.
fn credentials(settings: &AgentSettings) -> Option<DigestClient> {
    let identity = settings.identity.as_ref()?;
    let server = &settings.home.as_ref()?.server.host;
    let password = identity.password.as_deref()?;
    Some(DigestClient::with_password(
        &identity.user,
        password,
        server,
        None,
    ))
}

/// Writes a response.
pub(super) fn response(
    request: &Message<'_>,
    flow: Flow,
    status: u16,
    tag: &str,
    finish: impl FnOnce(&mut ResponseBuilder<'_>),
) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1_024);
    let source = Some(flow.remote);
    let tag = (status > 100).then_some(tag);
    let mut response = ResponseBuilder::for_request(&mut bytes, request, status, None, tag, source);
    response.header(Name::UserAgent, USER_AGENT);
    finish(&mut response);
    bytes
}

/// Writes the Via of a request of ours.
pub(super) fn write_via(request: &mut RequestBuilder<'_>, flow: Flow, branch: &str) {
    request.via(flow.transport, flow.local, branch, true);
}

/// The request once more: a new transaction, the next number, and credentials.
fn rewritten(
    request: &Message<'_>,
    flow: Flow,
    branch: &str,
    cseq: u32,
    credentials: (&str, &str),
) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(request.bytes().len() + 512);
    let uri = request.request_uri().unwrap_or("");
    let mut again = RequestBuilder::new(&mut bytes, request.method(), uri);
    write_via(&mut again, flow, branch);
    for header in request.headers() {
        match header.name {
            Name::Via
            | Name::CSeq
            | Name::ContentType
            | Name::ContentLength
            | Name::Authorization
            | Name::ProxyAuthorization => {}
            _ => {
                again.header_raw(header.raw_name, header.value);
            }
        }
    }
    again.header(Name::CSeq, format_args!("{cseq} {}", request.method()));
    again.header_raw(credentials.0, credentials.1);
    match request.content_type() {
        Some(content_type) => again.body(content_type, request.body()),
        None => again.finish(),
    }
    bytes
}

fn hint(refusal: ChallengeRefusal) -> Hint {
    match refusal {
        ChallengeRefusal::ForeignServer | ChallengeRefusal::ForeignRealm => Hint::ForeignChallenge,
        ChallengeRefusal::NothingUsable => Hint::UnknownChallenge,
        ChallengeRefusal::Rejected => Hint::CredentialsRefused,
    }
}

/// Whether two flows lead to the same program.
pub(super) fn is_same_way(left: Flow, right: Flow) -> bool {
    left.transport == right.transport && left.remote == right.remote
}

/// Our own end of a flow, as something that can be called.
fn direct_server(flow: Flow) -> crate::address::ServerAddress {
    crate::address::ServerAddress {
        host: flow.local.ip().to_string().into(),
        port: Some(flow.local.port()),
        transport: flow.transport,
    }
}

/// Text of the other side, safe to show.
pub(super) fn safe(text: &str) -> Box<str> {
    Escaped(text).to_string().into()
}
