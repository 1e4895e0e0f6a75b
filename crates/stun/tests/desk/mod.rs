//! A server with a directory of two users and ports that can be opened, and a client that writes its
//! requests by hand.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

use std::collections::HashSet;
use std::net::SocketAddr;

use fernamt_stun::message::algorithm::PasswordAlgorithm;
use fernamt_stun::message::{Builder, Integrity, Key, attribute};
use fernamt_stun::server::{
    Event, Flow, Input, Keys, OpenError, Output, RelayId, Server, ServerSettings,
};
use fernamt_stun::{Class, Message, Method, Now, TransactionId};

pub(crate) const REALM: &str = "fernamt";
pub(crate) const CLIENT: &str = "203.0.113.1:40000";
pub(crate) const PEER: &str = "203.0.113.9:5000";
pub(crate) const SERVER: &str = "198.51.100.1:3478";

pub(crate) fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

pub(crate) fn flow(remote: &str) -> Flow {
    Flow {
        connection: None,
        local: address(SERVER),
        remote: address(remote),
    }
}

/// One of many clients at the same address.
pub(crate) fn client(number: u16) -> Flow {
    flow(&format!("203.0.113.1:{number}"))
}

/// Fixes the type of a closure.
pub(crate) fn writer<F: Fn(Builder<'_>) -> Builder<'_>>(write: F) -> F {
    write
}

pub(crate) fn key(user: &str, password: &str) -> Key {
    Key::long_term(PasswordAlgorithm::Md5, user, REALM, password)
}

/// The keys of the users that there are; the password is `secret`.
pub(crate) fn keys_of(user: &str) -> Option<Keys> {
    use md5::Digest as _;
    let text = format!("{user}:{REALM}:secret");
    ["anna", "berta"].contains(&user).then(|| Keys {
        md5: md5::Md5::digest(&text).into(),
        sha256: sha2::Sha256::digest(&text).into(),
    })
}

/// What a server has put out, with bytes of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Out {
    Send(Flow, Vec<u8>),
    ToPeer(RelayId, SocketAddr, Vec<u8>),
    Close(RelayId),
    Event(Event),
}

pub(crate) struct Desk {
    pub(crate) server: Server,
    pub(crate) now: Now,
    pub(crate) open: Vec<(RelayId, SocketAddr)>,
    /// Ports that another program has.
    pub(crate) in_use: HashSet<u16>,
    /// How many of the first ports another program has, whichever they are.
    pub(crate) first_in_use: u32,
    /// How many ports were to be opened.
    pub(crate) tried: u32,
    /// Whether questions are answered.
    pub(crate) answers: bool,
    transactions: u32,
}

impl Desk {
    pub(crate) fn new(change: impl FnOnce(&mut ServerSettings)) -> Desk {
        let mut settings = ServerSettings::new(REALM, vec![address(SERVER).ip()]);
        change(&mut settings);
        Desk {
            server: Server::new(settings, [7; 32]),
            now: Now {
                micros: 1_000_000,
                unix_ms: 1_764_000_000_000,
            },
            open: Vec::new(),
            in_use: HashSet::new(),
            first_in_use: 0,
            tried: 0,
            answers: true,
            transactions: 0,
        }
    }

    pub(crate) fn pass(&mut self, seconds: u64) -> Vec<Out> {
        self.now.micros += seconds * 1_000_000;
        self.now.unix_ms += seconds * 1000;
        self.server.handle(self.now, Input::Elapsed);
        self.drain()
    }

    pub(crate) fn drain(&mut self) -> Vec<Out> {
        let mut outs = Vec::new();
        while let Some(output) = self.server.poll() {
            match output {
                Output::Send { flow, bytes } => outs.push(Out::Send(flow, bytes.to_vec())),
                Output::ToPeer { relay, peer, data } => {
                    outs.push(Out::ToPeer(relay, peer, data.to_vec()));
                }
                Output::Close(relay) => {
                    self.open.retain(|(open, _)| *open != relay);
                    outs.push(Out::Close(relay));
                }
                Output::Event(event) => outs.push(Out::Event(event)),
                Output::Open { relay, address } => {
                    self.tried += 1;
                    let result = if self.tried <= self.first_in_use
                        || self.in_use.contains(&address.port())
                    {
                        Err(OpenError::InUse)
                    } else {
                        self.open.push((relay, address));
                        Ok(())
                    };
                    self.server
                        .handle(self.now, Input::Opened { relay, result });
                }
                Output::Ask { question, user } => {
                    let keys = keys_of(user);
                    if self.answers {
                        self.server.handle(self.now, Input::Keys { question, keys });
                    }
                }
            }
        }
        outs
    }

    pub(crate) fn put(&mut self, flow: Flow, bytes: &[u8]) -> Vec<Out> {
        self.server
            .handle(self.now, Input::Received { flow, bytes });
        self.drain()
    }

    pub(crate) fn arrive(&mut self, relay: RelayId, peer: &str, data: &[u8]) -> Vec<Out> {
        let peer = address(peer);
        self.server
            .handle(self.now, Input::FromPeer { relay, peer, data });
        self.drain()
    }

    pub(crate) fn transaction(&mut self) -> TransactionId {
        self.transactions += 1;
        let mut id = [0; 12];
        id[..4].copy_from_slice(&self.transactions.to_be_bytes());
        TransactionId(id)
    }

    /// A request without credentials.
    pub(crate) fn bare(
        &mut self,
        method: Method,
        write: impl FnOnce(Builder<'_>) -> Builder<'_>,
    ) -> Vec<u8> {
        let id = self.transaction();
        let mut bytes = Vec::new();
        write(Builder::new(&mut bytes, Class::Request, method, id))
            .finish()
            .unwrap();
        bytes
    }

    /// A nonce for a flow.
    pub(crate) fn nonce(&mut self, flow: Flow) -> String {
        let request = self.bare(Method::ALLOCATE, |it| it);
        let answer = answer(&self.put(flow, &request));
        let message = Message::parse(&answer).unwrap();
        assert_eq!(message.error_code().unwrap().0.code(), 401);
        message.nonce().unwrap().to_owned()
    }

    /// A request with credentials.
    pub(crate) fn signed(
        &mut self,
        flow: Flow,
        (user, password): (&str, &str),
        method: Method,
        write: impl FnOnce(Builder<'_>) -> Builder<'_>,
    ) -> Vec<u8> {
        let nonce = self.nonce(flow);
        self.bare(method, |it| {
            write(it)
                .text(attribute::USERNAME, user)
                .text(attribute::REALM, REALM)
                .text(attribute::NONCE, &nonce)
                .integrity(Integrity::Sha1, &key(user, password))
        })
    }

    /// Sends a request of anna and gives back the answer, whose protection is checked.
    pub(crate) fn ask(
        &mut self,
        flow: Flow,
        method: Method,
        write: impl FnOnce(Builder<'_>) -> Builder<'_>,
    ) -> Vec<u8> {
        self.ask_as(flow, "anna", method, write)
    }

    pub(crate) fn ask_as(
        &mut self,
        flow: Flow,
        user: &str,
        method: Method,
        write: impl FnOnce(Builder<'_>) -> Builder<'_>,
    ) -> Vec<u8> {
        let request = self.signed(flow, (user, "secret"), method, write);
        let answer = answer(&self.put(flow, &request));
        let message = Message::parse(&answer).unwrap();
        assert_eq!(message.verify(&key(user, "secret")), Some(Integrity::Sha1));
        answer
    }

    /// Allocates as anna, and gives back the relay.
    pub(crate) fn allocate(&mut self, flow: Flow) -> (RelayId, SocketAddr) {
        let answer = self.ask(flow, Method::ALLOCATE, udp);
        assert_eq!(code(&answer), 0);
        let message = Message::parse(&answer).unwrap();
        let relayed = message.masked_address(attribute::XOR_RELAYED_ADDRESS);
        assert_eq!(message.mapped_address(), Some(flow.remote));
        (self.open.last().unwrap().0, relayed.unwrap())
    }

    pub(crate) fn permit(&mut self, flow: Flow, peer: &str) -> u16 {
        let peer = address(peer);
        code(&self.ask(flow, Method::CREATE_PERMISSION, |it| {
            it.masked_address(attribute::XOR_PEER_ADDRESS, peer)
        }))
    }

    pub(crate) fn bind(&mut self, flow: Flow, number: u16, peer: &str) -> u16 {
        let peer = address(peer);
        let [high, low] = number.to_be_bytes();
        code(&self.ask(flow, Method::CHANNEL_BIND, |it| {
            it.attribute(attribute::CHANNEL_NUMBER, &[high, low, 0, 0])
                .masked_address(attribute::XOR_PEER_ADDRESS, peer)
        }))
    }

    pub(crate) fn send(&mut self, flow: Flow, peer: &str, data: &[u8]) -> Vec<Out> {
        let id = self.transaction();
        let mut bytes = Vec::new();
        Builder::new(&mut bytes, Class::Indication, Method::SEND, id)
            .masked_address(attribute::XOR_PEER_ADDRESS, address(peer))
            .attribute(attribute::DATA, data)
            .finish()
            .unwrap();
        self.put(flow, &bytes)
    }
}

/// REQUESTED-TRANSPORT with UDP.
pub(crate) fn udp(request: Builder<'_>) -> Builder<'_> {
    request.attribute(attribute::REQUESTED_TRANSPORT, &[17, 0, 0, 0])
}

/// The only message among what was put out.
pub(crate) fn answer(outs: &[Out]) -> Vec<u8> {
    let sent: Vec<&Vec<u8>> = outs
        .iter()
        .filter_map(|out| match out {
            Out::Send(_, bytes) => Some(bytes),
            _ => None,
        })
        .collect();
    assert_eq!(sent.len(), 1, "{outs:?}");
    sent[0].clone()
}

/// The error of an answer; 0: success.
pub(crate) fn code(answer: &[u8]) -> u16 {
    let message = Message::parse(answer).unwrap();
    match message.class() {
        Class::Success => 0,
        _ => message.error_code().unwrap().0.code(),
    }
}

/// What a Data indication carries.
pub(crate) fn data_of(bytes: &[u8]) -> (SocketAddr, Vec<u8>) {
    let message = Message::parse(bytes).unwrap();
    assert_eq!(message.class(), Class::Indication);
    assert_eq!(message.method(), Method::DATA);
    (
        message.masked_address(attribute::XOR_PEER_ADDRESS).unwrap(),
        message.find(attribute::DATA).unwrap().to_vec(),
    )
}
