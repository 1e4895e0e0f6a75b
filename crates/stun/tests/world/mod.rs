//! Clients, a server and peers on a network in virtual time.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;

use fernamt_stun::Now;
use fernamt_stun::client::{self, Client, ClientSettings, Wish};
use fernamt_stun::frame::Framer;
use fernamt_stun::message::address::Family;
use fernamt_stun::server::{Flow, Input, Output, RelayId, Server, ServerSettings};
use rand_chacha::ChaCha12Rng;
use rand_core::{Rng, SeedableRng};

use crate::desk::{REALM, SERVER, address, keys_of};

/// The same server by IPv6.
pub(crate) const SERVER_V6: &str = "[2001:db8:1::1]:3478";

pub(crate) const SECOND: u64 = 1_000_000;

/// How bad the network is, in percent.
#[derive(Clone, Copy)]
pub(crate) struct Faults {
    pub(crate) lost: u32,
    pub(crate) doubled: u32,
}

pub(crate) const PERFECT: Faults = Faults {
    lost: 0,
    doubled: 0,
};

#[derive(Clone, Debug)]
pub(crate) struct Packet {
    pub(crate) source: SocketAddr,
    pub(crate) target: SocketAddr,
    pub(crate) bytes: Vec<u8>,
}

/// What a client has been told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum News {
    Allocated(SocketAddr),
    Permitted(SocketAddr),
    Data(SocketAddr, Vec<u8>),
    Refused(Wish, u16),
    Silent(Wish),
    Released,
}

pub(crate) struct World {
    pub(crate) now: Now,
    chance: ChaCha12Rng,
    faults: Faults,
    pub(crate) server: Server,
    relays: HashMap<SocketAddr, RelayId>,
    pub(crate) bound: HashMap<RelayId, SocketAddr>,
    pub(crate) clients: Vec<(SocketAddr, Client)>,
    pub(crate) news: Vec<Vec<News>>,
    wire: BTreeMap<(u64, u64), Packet>,
    sent: u64,
    /// What has reached somebody who is neither the server nor a client; it is sent back.
    pub(crate) at_peers: Vec<Packet>,
    is_stream: bool,
    framers: Vec<[Framer; 2]>,
    /// Whether what the server sends is lost.
    pub(crate) blocks_answers: bool,
    pub(crate) server_at: SocketAddr,
}

impl World {
    pub(crate) fn new(seed: u64, faults: Faults, is_stream: bool) -> World {
        World::at(SERVER, seed, faults, is_stream)
    }

    pub(crate) fn at(server: &str, seed: u64, faults: Faults, is_stream: bool) -> World {
        let server_at = address(server);
        // A machine with both families.
        let others = [SERVER, SERVER_V6].map(|at| address(at).ip());
        let others = others.into_iter().filter(|ip| *ip != server_at.ip());
        let addresses = core::iter::once(server_at.ip()).chain(others).collect();
        let mut settings = ServerSettings::new(REALM, addresses);
        settings.nonce_life = std::time::Duration::from_secs(300);
        World {
            now: Now {
                micros: SECOND,
                unix_ms: 1_764_000_000_000,
            },
            chance: ChaCha12Rng::seed_from_u64(seed),
            faults,
            server: Server::new(settings, [7; 32]),
            relays: HashMap::new(),
            bound: HashMap::new(),
            clients: Vec::new(),
            news: Vec::new(),
            wire: BTreeMap::new(),
            sent: 0,
            at_peers: Vec::new(),
            is_stream,
            framers: Vec::new(),
            blocks_answers: false,
            server_at,
        }
    }

    pub(crate) fn add(&mut self, at: &str, user: &str, password: &str) -> usize {
        let family = match self.server_at {
            SocketAddr::V4(_) => Family::V4,
            SocketAddr::V6(_) => Family::V6,
        };
        self.add_for(family, at, user, password)
    }

    pub(crate) fn add_for(
        &mut self,
        family: Family,
        at: &str,
        user: &str,
        password: &str,
    ) -> usize {
        let settings = ClientSettings {
            server: self.server_at,
            is_stream: self.is_stream,
            username: user.into(),
            password: password.into(),
            family,
        };
        let mut seed = [0; 32];
        self.chance.fill_bytes(&mut seed);
        self.clients
            .push((address(at), Client::new(settings, seed)));
        self.news.push(Vec::new());
        self.framers.push([Framer::default(), Framer::default()]);
        self.clients.len() - 1
    }

    pub(crate) fn with(&mut self, index: usize, act: impl FnOnce(&mut Client, Now)) {
        act(&mut self.clients[index].1, self.now);
        self.drain_client(index);
    }

    pub(crate) fn put(&mut self, packet: Packet) {
        if self.blocks_answers && packet.source == self.server_at {
            return;
        }
        let ends = [packet.source, packet.target];
        let is_stream = self.is_stream && ends.contains(&self.server_at);
        let mut roll = || self.chance.next_u32() % 100;
        let copies = if is_stream {
            1
        } else if roll() < self.faults.lost {
            0
        } else {
            1 + u32::from(roll() < self.faults.doubled)
        };
        for _ in 0..copies {
            // Up to 200 ms, so that packets overtake each other; streams keep their order.
            let delay = if is_stream {
                20_000
            } else {
                u64::from(self.chance.next_u32() % 200_000)
            };
            self.sent += 1;
            let at = (self.now.micros + delay, self.sent);
            self.wire.insert(at, packet.clone());
        }
    }

    pub(crate) fn drain_client(&mut self, index: usize) {
        let mut packets = Vec::new();
        let (at, client) = &mut self.clients[index];
        while let Some(output) = client.poll() {
            let news = match output {
                client::Output::Send(bytes) => {
                    packets.push(Packet {
                        source: *at,
                        target: self.server_at,
                        bytes: bytes.to_vec(),
                    });
                    continue;
                }
                client::Output::Allocated { relayed, mapped } => {
                    assert_eq!(mapped, *at);
                    News::Allocated(relayed)
                }
                client::Output::Permitted(peer) => News::Permitted(peer),
                client::Output::Data { peer, data } => News::Data(peer, data.to_vec()),
                client::Output::Refused { wish, code, .. } => News::Refused(wish, code.code()),
                client::Output::Silent(wish) => News::Silent(wish),
                client::Output::Released => News::Released,
            };
            self.news[index].push(news);
        }
        packets.into_iter().for_each(|packet| self.put(packet));
    }

    pub(crate) fn drain_server(&mut self) {
        let mut packets = Vec::new();
        let source = self.server_at;
        while let Some(output) = self.server.poll() {
            match output {
                Output::Send { flow, bytes } => packets.push(Packet {
                    source,
                    target: flow.remote,
                    bytes: bytes.to_vec(),
                }),
                Output::ToPeer { relay, peer, data } => packets.push(Packet {
                    source: self.bound[&relay],
                    target: peer,
                    bytes: data.to_vec(),
                }),
                Output::Open { relay, address } => {
                    self.relays.insert(address, relay);
                    self.bound.insert(relay, address);
                    let result = Ok(());
                    let opened = Input::Opened { relay, result };
                    self.server.handle(self.now, opened);
                }
                Output::Close(relay) => {
                    let bound = self.bound.remove(&relay).unwrap();
                    self.relays.remove(&bound);
                }
                Output::Ask { question, user } => {
                    let keys = keys_of(user);
                    self.server.handle(self.now, Input::Keys { question, keys });
                }
                Output::Event(_) => {}
            }
        }
        packets.into_iter().for_each(|packet| self.put(packet));
    }

    pub(crate) fn flow_of(&self, remote: SocketAddr) -> Flow {
        Flow {
            connection: self.is_stream.then_some(u64::from(remote.port())),
            local: self.server_at,
            remote,
        }
    }

    pub(crate) fn deliver(&mut self, packet: Packet) {
        let Packet {
            source,
            target,
            bytes,
        } = packet;
        let client = |at: SocketAddr| self.clients.iter().position(|(held, _)| *held == at);
        if target == self.server_at {
            let flow = self.flow_of(source);
            let index = client(source).unwrap();
            if self.is_stream {
                self.framers[index][0].put(&bytes);
                while let Some(bytes) = self.framers[index][0].next_frame().unwrap() {
                    self.server
                        .handle(self.now, Input::Received { flow, bytes });
                }
            } else {
                let bytes = &bytes;
                self.server
                    .handle(self.now, Input::Received { flow, bytes });
            }
            self.drain_server();
        } else if let Some(relay) = self.relays.get(&target).copied() {
            let (peer, data) = (source, &bytes[..]);
            self.server
                .handle(self.now, Input::FromPeer { relay, peer, data });
            self.drain_server();
        } else if let Some(index) = client(target) {
            if self.is_stream {
                self.framers[index][1].put(&bytes);
                while let Some(bytes) = self.framers[index][1].next_frame().unwrap() {
                    let input = client::Input::Received { source, bytes };
                    self.clients[index].1.handle(self.now, input);
                }
            } else {
                let bytes = &bytes;
                let input = client::Input::Received { source, bytes };
                self.clients[index].1.handle(self.now, input);
            }
            self.drain_client(index);
        } else {
            self.at_peers.push(Packet {
                source,
                target,
                bytes: bytes.clone(),
            });
            self.put(Packet {
                source: target,
                target: source,
                bytes,
            });
        }
    }

    pub(crate) fn run(&mut self, seconds: u64) {
        self.run_millis(1_000 * seconds);
    }

    pub(crate) fn run_millis(&mut self, millis: u64) {
        let end = self.now.micros + millis * 1_000;
        loop {
            let packet = self.wire.first_key_value().map(|((at, _), _)| *at);
            let server = self.server.deadline();
            let clients = self.clients.iter().filter_map(|(_, it)| it.deadline());
            let next = packet.into_iter().chain(server).chain(clients).min();
            let Some(next) = next.filter(|next| *next <= end) else {
                break;
            };
            let next = next.max(self.now.micros);
            self.now.unix_ms += (next - self.now.micros) / 1000;
            self.now.micros = next;
            if packet.is_some_and(|at| at <= next) {
                let (_, packet) = self.wire.pop_first().unwrap();
                self.deliver(packet);
            }
            self.server.handle(self.now, Input::Elapsed);
            self.drain_server();
            for index in 0..self.clients.len() {
                self.clients[index]
                    .1
                    .handle(self.now, client::Input::Elapsed);
                self.drain_client(index);
            }
        }
        self.now.unix_ms += (end - self.now.micros) / 1000;
        self.now.micros = end;
    }

    pub(crate) fn relayed(&self, index: usize) -> SocketAddr {
        let mut news = self.news[index].iter();
        news.find_map(|news| match news {
            News::Allocated(relayed) => Some(*relayed),
            _ => None,
        })
        .unwrap()
    }

    pub(crate) fn data(&self, index: usize) -> Vec<(SocketAddr, Vec<u8>)> {
        let news = self.news[index].iter();
        news.filter_map(|news| match news {
            News::Data(peer, data) => Some((*peer, data.clone())),
            _ => None,
        })
        .collect()
    }
}
