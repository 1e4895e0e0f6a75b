//! A TURN server (RFC 8656) that also answers Binding requests (RFC 8489 section 12), as a machine:
//! give it one input, then drain its outputs until there are none. It opens no socket and knows no
//! user; both are asked for.
//!
//! Not supported, and said so in the answers: relays over TCP (RFC 6062), DONT-FRAGMENT, two relays
//! in one allocation, and moving an allocation to another flow (RFC 8016).

mod allocate;
mod allocation;
mod authentication;
mod figures;
mod flow;
mod nonce;
mod permission;
pub mod policy;
mod ports;
mod relay;
mod reply;
pub mod settings;
mod sources;

use core::ops::Range;
use std::collections::{BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};

use hashbrown::HashMap;
use rand_chacha::ChaCha12Rng;
use rand_core::{Rng, SeedableRng};

use crate::credential::Credentials;
use crate::frame::{self, Frame};
use crate::message::{Builder, ErrorCode, Message, attribute};
use crate::time::{Micros, Now};
use crate::{Class, Method};

pub use allocation::RelayId;
pub use figures::Figures;
pub use flow::Flow;
pub use policy::{PeerPolicy, Ports};
pub use settings::ServerSettings;

use allocation::Allocation;
use authentication::Question;
use nonce::Nonces;
use ports::PortTable;
use reply::Reply;
use sources::{Answers, Failures};

/// What happens to a server.
#[derive(Debug)]
pub enum Input<'a> {
    /// A client has sent a datagram, or a whole frame of a stream ([`frame::Framer`]).
    Received {
        /// On which way.
        flow: Flow,
        /// What.
        bytes: &'a [u8],
    },
    /// A peer has sent a datagram to a relay.
    FromPeer {
        /// Which.
        relay: RelayId,
        /// Who.
        peer: SocketAddr,
        /// What.
        data: &'a [u8],
    },
    /// What became of [`Output::Open`].
    Opened {
        /// Which.
        relay: RelayId,
        /// Whether it is open.
        result: Result<(), OpenError>,
    },
    /// The answer to [`Output::Ask`].
    Keys {
        /// To which question.
        question: QuestionId,
        /// The keys of the user; `None`: there is none.
        keys: Option<Keys>,
    },
    /// A connection has ended.
    Closed(Flow),
    /// Time has passed.
    Elapsed,
}

/// What a server wants.
#[derive(Debug, PartialEq, Eq)]
pub enum Output<'a> {
    /// Send to a client.
    Send {
        /// On which way.
        flow: Flow,
        /// What.
        bytes: &'a [u8],
    },
    /// Send to a peer through a relay.
    ToPeer {
        /// Which.
        relay: RelayId,
        /// To whom.
        peer: SocketAddr,
        /// What.
        data: &'a [u8],
    },
    /// Open the UDP socket of a relay; the answer is [`Input::Opened`].
    Open {
        /// Which.
        relay: RelayId,
        /// Where it is to be bound.
        address: SocketAddr,
    },
    /// Close the socket of a relay.
    Close(RelayId),
    /// Look up a user; the answer is [`Input::Keys`].
    Ask {
        /// To be named in the answer.
        question: QuestionId,
        /// The user, as the client wrote it.
        user: &'a str,
    },
    /// Something has happened that somebody may want to know.
    Event(Event),
}

/// Why a socket could not be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// Another program has the port.
    InUse,
    /// Anything else.
    Failed,
}

/// Names a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QuestionId(u64);

/// The long-term keys of a user (RFC 8489 section 9.2.2): hashes of `user:realm:password`, which are
/// also the A1 of SIP's digest.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Keys {
    /// By MD5.
    pub md5: [u8; 16],
    /// By SHA-256.
    pub sha256: [u8; 32],
}

impl core::fmt::Debug for Keys {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.write_str("Keys(secret)")
    }
}

/// What somebody may want to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A source has shown a wrong password, or the name of nobody.
    AuthenticationFailed(SocketAddr),
    /// A source has done so too often, and is ignored for a while.
    Ignored(SocketAddr),
}

/// An output in the queue; its bytes lie in one buffer for all.
#[derive(Debug)]
enum Queued {
    Send(Flow, Range<usize>),
    ToPeer(RelayId, SocketAddr, Range<usize>),
    Open(RelayId, SocketAddr),
    Close(RelayId),
    Ask(QuestionId, Range<usize>),
    Event(Event),
}

/// The server.
pub struct Server {
    settings: ServerSettings,
    nonces: Nonces,
    credentials: Credentials,
    decoy: Keys,
    chance: ChaCha12Rng,
    allocations: Vec<Option<Allocation>>,
    free: Vec<u32>,
    next_generation: u32,
    by_flow: HashMap<Flow, RelayId>,
    by_relayed: HashMap<SocketAddr, RelayId>,
    per_user: HashMap<Box<str>, usize>,
    deadlines: BTreeSet<(Micros, RelayId)>,
    ports: PortTable,
    questions: VecDeque<Question>,
    next_question: u64,
    answers: Answers,
    failures: Failures,
    figures: Figures,
    queue: VecDeque<Queued>,
    bytes: Vec<u8>,
}

impl core::fmt::Debug for Server {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter
            .debug_struct("Server")
            .field("figures", &self.figures)
            .finish_non_exhaustive()
    }
}

impl Server {
    /// Prepares a server; `seed` must be unpredictable.
    pub fn new(settings: ServerSettings, seed: [u8; 32]) -> Server {
        let nonces = Nonces::new(&settings.nonce_secret, settings.nonce_life);
        let mut chance = ChaCha12Rng::from_seed(seed);
        let sha256 = nonces.derive(b"decoy sha256");
        let mut md5 = [0; 16];
        for (target, byte) in md5.iter_mut().zip(nonces.derive(b"decoy md5")) {
            *target = byte;
        }
        Server {
            credentials: Credentials::new(&settings.credential_secret),
            decoy: Keys { md5, sha256 },
            allocations: Vec::new(),
            free: Vec::new(),
            next_generation: 0,
            by_flow: HashMap::new(),
            by_relayed: HashMap::new(),
            per_user: HashMap::new(),
            deadlines: BTreeSet::new(),
            ports: PortTable::new(settings.ports),
            questions: VecDeque::new(),
            next_question: 0,
            answers: Answers::new(chance.next_u64(), settings.unauthenticated_per_second),
            failures: Failures::new(
                chance.next_u64(),
                settings.failures_before_ban,
                settings.failure_window,
                settings.ban,
            ),
            figures: Figures::default(),
            queue: VecDeque::new(),
            bytes: Vec::new(),
            nonces,
            chance,
            settings,
        }
    }

    /// Takes an input.
    pub fn handle(&mut self, now: Now, input: Input<'_>) {
        match input {
            Input::Received { flow, bytes } => self.received(now, flow, bytes),
            Input::FromPeer { relay, peer, data } => self.arrived(now, relay, peer, data),
            Input::Opened { relay, result } => self.opened(now, relay, result),
            Input::Keys { question, keys } => self.answered(now, question, keys),
            Input::Closed(flow) => self.closed(&flow),
            Input::Elapsed => {}
        }
        self.expire(now);
    }

    /// Ignores a source no longer; its failures are forgotten.
    pub fn forgive(&mut self, source: IpAddr) {
        self.failures.forgive(source);
    }

    /// The next output.
    pub fn poll(&mut self) -> Option<Output<'_>> {
        let Some(queued) = self.queue.pop_front() else {
            self.bytes.clear();
            return None;
        };
        let bytes = |range| self.bytes.get::<Range<usize>>(range).unwrap_or_default();
        Some(match queued {
            Queued::Send(flow, range) => Output::Send {
                flow,
                bytes: bytes(range),
            },
            Queued::ToPeer(relay, peer, range) => Output::ToPeer {
                relay,
                peer,
                data: bytes(range),
            },
            Queued::Open(relay, address) => Output::Open { relay, address },
            Queued::Close(relay) => Output::Close(relay),
            Queued::Ask(question, range) => Output::Ask {
                question,
                user: core::str::from_utf8(bytes(range)).unwrap_or_default(),
            },
            Queued::Event(event) => Output::Event(event),
        })
    }

    /// When [`Input::Elapsed`] is due.
    pub fn deadline(&self) -> Option<Micros> {
        let first = self.deadlines.first().map(|(at, _)| *at);
        first.into_iter().chain(self.ports.deadline()).min()
    }

    /// What was counted since the start.
    pub fn figures(&self) -> Figures {
        Figures {
            allocations: self.by_flow.len() as u64,
            ..self.figures
        }
    }

    fn received(&mut self, now: Now, flow: Flow, bytes: &[u8]) {
        match frame::classify(bytes) {
            Some(Frame::Channel { number, data }) => self.channel_data(now, &flow, number, data),
            Some(Frame::Stun(bytes)) => match Message::parse(bytes) {
                Ok(message) => self.message(now, flow, &message, bytes),
                Err(_) => self.figures.malformed += 1,
            },
            None => self.figures.malformed += 1,
        }
    }

    fn message(&mut self, now: Now, flow: Flow, message: &Message<'_>, bytes: &[u8]) {
        match (message.class(), message.method()) {
            (Class::Indication, Method::SEND) => self.send_indication(now, &flow, message),
            (Class::Request, Method::BINDING) => self.binding(now, flow, message),
            (
                Class::Request,
                Method::ALLOCATE
                | Method::REFRESH
                | Method::CREATE_PERMISSION
                | Method::CHANNEL_BIND,
            ) => self.authenticate(now, flow, message, bytes),
            // A server is asked, and answers nothing that is no question.
            _ => self.figures.malformed += 1,
        }
    }

    /// Whether one more answer may go to somebody who has not shown who they are.
    fn may_answer(&mut self, now: Now, flow: &Flow) -> bool {
        // Who has a connection has shown that the address is not forged.
        let may = flow.connection.is_some()
            || self.is_trusted(flow)
            || self.answers.may_answer(now, flow.remote.ip());
        self.figures.not_answered += u64::from(!may);
        may
    }

    fn is_trusted(&self, flow: &Flow) -> bool {
        let mut trusted = self.settings.trusted.iter();
        trusted.any(|network| network.contains(flow.remote.ip()))
    }

    /// RFC 8489 section 12.
    fn binding(&mut self, now: Now, flow: Flow, request: &Message<'_>) {
        if !self.may_answer(now, &flow) {
            return;
        }
        let reply = Reply::to(flow, request);
        let known = [
            attribute::USERNAME,
            attribute::REALM,
            attribute::NONCE,
            attribute::MESSAGE_INTEGRITY,
            attribute::MESSAGE_INTEGRITY_SHA256,
            attribute::PASSWORD_ALGORITHM,
        ];
        let unknown = request.unknown(&known);
        if !unknown.is_empty() {
            return self.refuse_unknown(&reply, unknown.kinds());
        }
        self.figures.bindings += 1;
        self.succeed(&reply, |answer| {
            answer.masked_address(attribute::XOR_MAPPED_ADDRESS, flow.remote)
        });
    }

    /// Answers that a request was carried out.
    fn succeed(&mut self, reply: &Reply, write: impl FnOnce(Builder<'_>) -> Builder<'_>) {
        self.answer(reply, Class::Success, write);
    }

    /// Answers that it was not.
    fn refuse(&mut self, reply: &Reply, code: ErrorCode) {
        self.figures.refused += 1;
        self.answer(reply, Class::Error, |answer| answer.error(code));
    }

    fn refuse_unknown(&mut self, reply: &Reply, kinds: &[u16]) {
        self.figures.refused += 1;
        self.answer(reply, Class::Error, |answer| {
            answer.error(ErrorCode::UNKNOWN_ATTRIBUTE).unknown(kinds)
        });
    }

    fn answer(
        &mut self,
        reply: &Reply,
        class: Class,
        write: impl FnOnce(Builder<'_>) -> Builder<'_>,
    ) {
        let start = self.bytes.len();
        let answer = Builder::new(&mut self.bytes, class, reply.method, reply.transaction);
        let mut answer = write(answer);
        if let Some((integrity, key)) = &reply.protection {
            answer = answer.integrity(*integrity, key);
        }
        if reply.fingerprint {
            answer = answer.fingerprint();
        }
        if answer.finish().is_ok() {
            let range = start..self.bytes.len();
            self.queue.push_back(Queued::Send(reply.flow, range));
        }
    }

    fn allocation(&self, id: RelayId) -> Option<&Allocation> {
        let held = self.allocations.get(id.index as usize)?.as_ref()?;
        Some(held).filter(|held| held.id == id)
    }

    fn allocation_mut(&mut self, id: RelayId) -> Option<&mut Allocation> {
        let held = self.allocations.get_mut(id.index as usize)?.as_mut()?;
        Some(held).filter(|held| held.id == id)
    }

    fn closed(&mut self, flow: &Flow) {
        if let Some(id) = self.by_flow.get(flow).copied() {
            self.end(id);
        }
    }

    /// Ends an allocation; nothing is relayed from now on.
    fn end(&mut self, id: RelayId) {
        let Some(held) = self.allocations.get_mut(id.index as usize) else {
            return;
        };
        let Some(ended) = held.take_if(|held| held.id == id) else {
            return;
        };
        self.free.push(id.index);
        self.by_flow.remove(&ended.flow);
        self.by_relayed.remove(&ended.relayed);
        self.deadlines.remove(&(ended.expires, id));
        self.ports.give_back(ended.relayed);
        if let Some(count) = self.per_user.get_mut(&ended.user) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.per_user.remove(&ended.user);
            }
        }
        self.queue.push_back(Queued::Close(id));
    }

    fn expire(&mut self, now: Now) {
        while let Some((at, id)) = self.deadlines.first().copied() {
            if at > now.micros {
                break;
            }
            self.deadlines.pop_first();
            self.end(id);
        }
        self.ports.expire(now);
    }
}
