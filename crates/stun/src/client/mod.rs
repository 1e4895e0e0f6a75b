//! A TURN client (RFC 8656) as a machine: call a method or give it an input, then drain its outputs
//! until there are none. It opens no socket; which server it asks, over what, is its user's.

mod answer;
mod request;
mod transaction;

use core::ops::Range;
use core::time::Duration;
use std::collections::VecDeque;
use std::net::SocketAddr;

use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng;

use crate::frame::{CHANNELS, Frame, classify, write_channel};
use crate::message::address::Family;
use crate::message::{Builder, ErrorCode, Message, attribute};
use crate::time::{Micros, Now};
use crate::{Class, Method, TransactionId};

pub use transaction::{MOST_ATTEMPTS, Wish};

use request::{Challenge, method_of, transaction_id, write_wish};
use transaction::{Due, Transaction};

/// Peers of one client.
pub const MAX_PEERS: usize = 64;

/// A permission lasts five minutes (RFC 8656 section 9); it is renewed before.
const RENEW_PEER: Duration = Duration::from_secs(240);

/// An allocation is refreshed this long before its end, or at half of its time.
const REFRESH_BEFORE: Duration = Duration::from_secs(60);

/// How a client works.
#[derive(Clone)]
pub struct ClientSettings {
    /// Where the server is. Nothing from anywhere else is believed.
    pub server: SocketAddr,
    /// Whether TCP or TLS is spoken.
    pub is_stream: bool,
    /// The user name.
    pub username: Box<str>,
    /// The password.
    pub password: Box<str>,
    /// Of which family the relay is to be.
    pub family: Family,
}

impl core::fmt::Debug for ClientSettings {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter
            .debug_struct("ClientSettings")
            .field("server", &self.server)
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// What happens to a client.
#[derive(Debug)]
pub enum Input<'a> {
    /// Something has arrived: a datagram, or a whole frame of a stream.
    Received {
        /// From where.
        source: SocketAddr,
        /// What.
        bytes: &'a [u8],
    },
    /// Time has passed.
    Elapsed,
}

/// What a client wants or has.
#[derive(Debug, PartialEq, Eq)]
pub enum Output<'a> {
    /// Send to the server.
    Send(&'a [u8]),
    /// There is a relay.
    Allocated {
        /// Where peers send to.
        relayed: SocketAddr,
        /// How the server sees us.
        mapped: SocketAddr,
    },
    /// A peer may send from now on, or may so for longer.
    Permitted(SocketAddr),
    /// A peer has sent something.
    Data {
        /// Who.
        peer: SocketAddr,
        /// What.
        data: &'a [u8],
    },
    /// The server has refused something.
    Refused {
        /// What.
        wish: Wish,
        /// Why.
        code: ErrorCode,
        /// Another server that may be asked (RFC 8489 section 10).
        alternate: Option<SocketAddr>,
    },
    /// The server does not answer.
    Silent(Wish),
    /// The relay has ended as we wanted.
    Released,
}

/// Why something cannot be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// There are [`MAX_PEERS`] already.
    #[error("there are {MAX_PEERS} peers already")]
    ManyPeers,
    /// There is no relay.
    #[error("there is no relay")]
    NoRelay,
    /// The peer has no permission.
    #[error("the peer has no permission")]
    NotPermitted,
    /// It does not fit into a message.
    #[error("it does not fit into a message")]
    TooLong,
}

#[derive(Debug)]
enum Queued {
    Send(Range<usize>),
    Allocated(SocketAddr, SocketAddr),
    Permitted(SocketAddr),
    Data(SocketAddr, Range<usize>),
    Refused(Wish, ErrorCode, Option<SocketAddr>),
    Silent(Wish),
    Released,
}

#[derive(Clone, Copy, Debug)]
struct Peer {
    address: SocketAddr,
    channel: Option<u16>,
    is_permitted: bool,
    is_bound: bool,
    renew: Micros,
}

#[derive(Clone, Copy, Debug)]
struct Relay {
    refresh: Micros,
}

/// The client.
pub struct Client {
    settings: ClientSettings,
    chance: ChaCha12Rng,
    challenge: Option<Challenge>,
    transactions: Vec<Transaction>,
    relay: Option<Relay>,
    peers: Vec<Peer>,
    next_channel: u16,
    queue: VecDeque<Queued>,
    bytes: Vec<u8>,
}

impl core::fmt::Debug for Client {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter
            .debug_struct("Client")
            .field("settings", &self.settings)
            .field("relay", &self.relay)
            .field("peers", &self.peers)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Prepares a client. The names of transactions follow from `seed`, which must be unpredictable:
    /// whoever can foresee them can forge answers.
    pub fn new(settings: ClientSettings, seed: [u8; 32]) -> Client {
        Client {
            settings,
            chance: ChaCha12Rng::from_seed(seed),
            challenge: None,
            transactions: Vec::new(),
            relay: None,
            peers: Vec::new(),
            next_channel: *CHANNELS.start(),
            queue: VecDeque::new(),
            bytes: Vec::new(),
        }
    }

    /// Asks for a relay.
    pub fn allocate(&mut self, now: Now) {
        self.ask(now, Wish::Allocate, 1);
    }

    /// Lets a peer send through the relay, until [`Client::forget`].
    ///
    /// # Errors
    /// [`ClientError::NoRelay`], [`ClientError::ManyPeers`].
    pub fn permit(&mut self, now: Now, peer: SocketAddr) -> Result<(), ClientError> {
        self.add_peer(now, peer, None)?;
        self.ask(now, Wish::Permit(peer), 1);
        Ok(())
    }

    /// The same, with a channel: four bytes instead of thirty-six go in front of what is sent.
    ///
    /// # Errors
    /// [`ClientError::NoRelay`], [`ClientError::ManyPeers`].
    pub fn bind(&mut self, now: Now, peer: SocketAddr) -> Result<(), ClientError> {
        // A number is not used again for another peer: the server still knows it for a while.
        let number = self.next_channel;
        let held = self.peers.iter().find(|held| held.address == peer);
        let number = match held.and_then(|held| held.channel) {
            Some(number) => number,
            None if CHANNELS.contains(&number) => {
                self.next_channel += 1;
                number
            }
            None => return Err(ClientError::ManyPeers),
        };
        self.add_peer(now, peer, Some(number))?;
        self.ask(now, Wish::Bind(number, peer), 1);
        Ok(())
    }

    /// Renews the permission of a peer no longer.
    pub fn forget(&mut self, peer: SocketAddr) {
        self.peers.retain(|held| held.address != peer);
        self.transactions.retain(|it| match it.wish {
            Wish::Permit(other) | Wish::Bind(_, other) => other != peer,
            _ => true,
        });
    }

    fn add_peer(
        &mut self,
        now: Now,
        address: SocketAddr,
        channel: Option<u16>,
    ) -> Result<(), ClientError> {
        if self.relay.is_none() {
            return Err(ClientError::NoRelay);
        }
        let renew = now.after(RENEW_PEER);
        if let Some(held) = self.peers.iter_mut().find(|held| held.address == address) {
            held.channel = held.channel.or(channel);
            held.renew = renew;
            return Ok(());
        }
        if self.peers.len() >= MAX_PEERS {
            return Err(ClientError::ManyPeers);
        }
        self.peers.push(Peer {
            address,
            channel,
            is_permitted: false,
            is_bound: false,
            renew,
        });
        Ok(())
    }

    /// Sends to a peer.
    ///
    /// # Errors
    /// [`ClientError::NotPermitted`], [`ClientError::TooLong`].
    pub fn send(&mut self, peer: SocketAddr, data: &[u8]) -> Result<(), ClientError> {
        let held = self.peers.iter().find(|held| held.address == peer);
        let held = held.filter(|held| held.is_permitted);
        let held = held.ok_or(ClientError::NotPermitted)?;
        let start = self.bytes.len();
        match held.channel.filter(|_| held.is_bound) {
            Some(number) => {
                write_channel(&mut self.bytes, number, data, self.settings.is_stream)
                    .ok_or(ClientError::TooLong)?;
            }
            None => {
                let id = transaction_id(&mut self.chance);
                Builder::new(&mut self.bytes, Class::Indication, Method::SEND, id)
                    .masked_address(attribute::XOR_PEER_ADDRESS, peer)
                    .attribute(attribute::DATA, data)
                    .finish()
                    .map_err(|_| ClientError::TooLong)?;
            }
        }
        self.queue.push_back(Queued::Send(start..self.bytes.len()));
        Ok(())
    }

    /// Ends the relay.
    pub fn release(&mut self, now: Now) {
        if self.relay.take().is_some() {
            self.transactions.clear();
            self.peers.clear();
            self.ask(now, Wish::Release, 1);
        }
    }

    /// Takes an input.
    pub fn handle(&mut self, now: Now, input: Input<'_>) {
        if let Input::Received { source, bytes } = input
            && source == self.settings.server
        {
            self.received(now, bytes);
        }
        self.run_timers(now);
    }

    /// The next output.
    pub fn poll(&mut self) -> Option<Output<'_>> {
        let Some(queued) = self.queue.pop_front() else {
            self.bytes.clear();
            return None;
        };
        let bytes = |range| self.bytes.get::<Range<usize>>(range).unwrap_or_default();
        Some(match queued {
            Queued::Send(range) => Output::Send(bytes(range)),
            Queued::Allocated(relayed, mapped) => Output::Allocated { relayed, mapped },
            Queued::Permitted(peer) => Output::Permitted(peer),
            Queued::Data(peer, range) => Output::Data {
                peer,
                data: bytes(range),
            },
            Queued::Refused(wish, code, alternate) => Output::Refused {
                wish,
                code,
                alternate,
            },
            Queued::Silent(wish) => Output::Silent(wish),
            Queued::Released => Output::Released,
        })
    }

    /// When [`Input::Elapsed`] is due.
    pub fn deadline(&self) -> Option<Micros> {
        let transactions = self.transactions.iter().map(|it| it.due);
        let peers = self.peers.iter().map(|peer| peer.renew);
        let relay = self.relay.iter().map(|relay| relay.refresh);
        transactions.chain(peers).chain(relay).min()
    }

    fn received(&mut self, now: Now, bytes: &[u8]) {
        match classify(bytes) {
            Some(Frame::Channel { number, data }) => {
                let mut peers = self.peers.iter();
                let peer = peers.find(|held| held.channel == Some(number));
                if let Some(peer) = peer.map(|held| held.address) {
                    self.take_data(peer, data);
                }
            }
            Some(Frame::Stun(bytes)) => {
                if let Ok(message) = Message::parse(bytes) {
                    self.message(now, &message);
                }
            }
            None => {}
        }
    }

    fn message(&mut self, now: Now, message: &Message<'_>) {
        match (message.class(), message.method()) {
            (Class::Indication, Method::DATA) => {
                let peer = message.masked_address(attribute::XOR_PEER_ADDRESS);
                if let (Some(peer), Some(data)) = (peer, message.find(attribute::DATA)) {
                    self.take_data(peer, data);
                }
            }
            (Class::Success | Class::Error, _) => self.answered(now, message),
            _ => {}
        }
    }

    /// What comes from a peer that we have let send. It shows that the permission is there, be its
    /// answer lost.
    fn take_data(&mut self, peer: SocketAddr, data: &[u8]) {
        let is_same_host = |held: &&mut Peer| held.address.ip() == peer.ip();
        let mut is_known = false;
        for held in self.peers.iter_mut().filter(is_same_host) {
            is_known = true;
            if !core::mem::replace(&mut held.is_permitted, true) {
                self.queue.push_back(Queued::Permitted(held.address));
            }
        }
        if !is_known {
            return;
        }
        let start = self.bytes.len();
        self.bytes.extend_from_slice(data);
        let range = start..self.bytes.len();
        self.queue.push_back(Queued::Data(peer, range));
    }

    /// Sends a request; an earlier one for the same is forgotten.
    fn ask(&mut self, now: Now, wish: Wish, attempt: u32) {
        self.transactions.retain(|it| it.wish != wish);
        let id = transaction_id(&mut self.chance);
        let mut bytes = Vec::new();
        let request = Builder::new(&mut bytes, Class::Request, method_of(wish), id);
        let request = write_wish(request, wish, self.settings.family);
        let (request, authenticated) = match &self.challenge {
            Some(challenge) => (challenge.sign(request, &self.settings.username), true),
            None => (request, false),
        };
        if request.finish().is_err() {
            return;
        }
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&bytes);
        self.queue.push_back(Queued::Send(start..self.bytes.len()));
        self.transactions.push(Transaction::new(
            now,
            id,
            wish,
            attempt,
            authenticated,
            bytes,
            self.settings.is_stream,
        ));
    }

    fn run_timers(&mut self, now: Now) {
        let mut silent = Vec::new();
        for transaction in &mut self.transactions {
            if now.micros < transaction.due {
                continue;
            }
            match transaction.act(now) {
                Due::SendAgain => {
                    let start = self.bytes.len();
                    self.bytes.extend_from_slice(&transaction.bytes);
                    self.queue.push_back(Queued::Send(start..self.bytes.len()));
                }
                Due::GiveUp => silent.push(transaction.id),
            }
        }
        for id in silent {
            if let Some(given_up) = self.take_transaction(id) {
                self.lose(given_up.wish);
                self.queue.push_back(Queued::Silent(given_up.wish));
            }
        }
        self.renew(now);
    }

    fn renew(&mut self, now: Now) {
        if self.relay.is_some_and(|relay| now.micros >= relay.refresh) {
            // Until the answer says how long it lasts now.
            self.relay = Some(Relay {
                refresh: Micros::MAX,
            });
            self.ask(now, Wish::Refresh, 1);
        }
        while let Some(peer) = self.peers.iter_mut().find(|peer| now.micros >= peer.renew) {
            peer.renew = now.after(RENEW_PEER);
            let wish = match peer.channel {
                Some(number) => Wish::Bind(number, peer.address),
                None => Wish::Permit(peer.address),
            };
            self.ask(now, wish, 1);
        }
    }

    fn take_transaction(&mut self, id: TransactionId) -> Option<Transaction> {
        let index = self.transactions.iter().position(|it| it.id == id)?;
        Some(self.transactions.swap_remove(index))
    }

    /// Takes note that something is not to be had.
    fn lose(&mut self, wish: Wish) {
        match wish {
            Wish::Allocate | Wish::Refresh | Wish::Release => {
                self.relay = None;
                self.peers.clear();
                self.transactions.clear();
            }
            Wish::Permit(peer) | Wish::Bind(_, peer) => {
                self.peers.retain(|held| held.address != peer);
            }
        }
    }
}
