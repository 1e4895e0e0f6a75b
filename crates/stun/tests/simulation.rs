//! Client and server over a network in virtual time that loses, doubles and reorders.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

mod desk;

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;

use desk::{REALM, SERVER, address, flow, keys_of};
use fernamt_stun::client::{self, Client, ClientSettings, Wish};
use fernamt_stun::frame::Framer;
use fernamt_stun::message::address::Family;
use fernamt_stun::message::{Builder, ErrorCode, attribute};
use fernamt_stun::server::{Flow, Input, Output, RelayId, Server, ServerSettings};
use fernamt_stun::{Class, Message, Method, Now, TransactionId};
use rand_chacha::ChaCha12Rng;
use rand_core::{Rng, SeedableRng};

const SECOND: u64 = 1_000_000;

/// How bad the network is, in percent.
#[derive(Clone, Copy)]
struct Faults {
    lost: u32,
    doubled: u32,
}

const PERFECT: Faults = Faults {
    lost: 0,
    doubled: 0,
};

#[derive(Clone, Debug)]
struct Packet {
    source: SocketAddr,
    target: SocketAddr,
    bytes: Vec<u8>,
}

/// What a client has been told.
#[derive(Clone, Debug, PartialEq, Eq)]
enum News {
    Allocated(SocketAddr),
    Permitted(SocketAddr),
    Data(SocketAddr, Vec<u8>),
    Refused(Wish, u16),
    Silent(Wish),
    Released,
}

struct World {
    now: Now,
    chance: ChaCha12Rng,
    faults: Faults,
    server: Server,
    relays: HashMap<SocketAddr, RelayId>,
    bound: HashMap<RelayId, SocketAddr>,
    clients: Vec<(SocketAddr, Client)>,
    news: Vec<Vec<News>>,
    wire: BTreeMap<(u64, u64), Packet>,
    sent: u64,
    /// What has reached somebody who is neither the server nor a client; it is sent back.
    at_peers: Vec<Packet>,
    is_stream: bool,
    framers: Vec<[Framer; 2]>,
}

impl World {
    fn new(seed: u64, faults: Faults, is_stream: bool) -> World {
        let mut settings = ServerSettings::new(REALM, vec![address(SERVER).ip()]);
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
        }
    }

    fn add(&mut self, at: &str, user: &str, password: &str) -> usize {
        let settings = ClientSettings {
            server: address(SERVER),
            is_stream: self.is_stream,
            username: user.into(),
            password: password.into(),
            family: Family::V4,
        };
        let mut seed = [0; 32];
        self.chance.fill_bytes(&mut seed);
        self.clients
            .push((address(at), Client::new(settings, seed)));
        self.news.push(Vec::new());
        self.framers.push([Framer::default(), Framer::default()]);
        self.clients.len() - 1
    }

    fn with(&mut self, index: usize, act: impl FnOnce(&mut Client, Now)) {
        act(&mut self.clients[index].1, self.now);
        self.drain_client(index);
    }

    fn put(&mut self, packet: Packet) {
        let ends = [packet.source, packet.target];
        let is_stream = self.is_stream && ends.contains(&address(SERVER));
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

    fn drain_client(&mut self, index: usize) {
        let mut packets = Vec::new();
        let (at, client) = &mut self.clients[index];
        while let Some(output) = client.poll() {
            let news = match output {
                client::Output::Send(bytes) => {
                    packets.push(Packet {
                        source: *at,
                        target: address(SERVER),
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

    fn drain_server(&mut self) {
        let mut packets = Vec::new();
        let source = address(SERVER);
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

    fn flow_of(&self, remote: SocketAddr) -> Flow {
        Flow {
            connection: self.is_stream.then_some(u64::from(remote.port())),
            ..flow(&remote.to_string())
        }
    }

    fn deliver(&mut self, packet: Packet) {
        let Packet {
            source,
            target,
            bytes,
        } = packet;
        let client = |at: SocketAddr| self.clients.iter().position(|(held, _)| *held == at);
        if target == address(SERVER) {
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

    fn run(&mut self, seconds: u64) {
        let end = self.now.micros + seconds * SECOND;
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

    fn relayed(&self, index: usize) -> SocketAddr {
        let mut news = self.news[index].iter();
        news.find_map(|news| match news {
            News::Allocated(relayed) => Some(*relayed),
            _ => None,
        })
        .unwrap()
    }

    fn data(&self, index: usize) -> Vec<(SocketAddr, Vec<u8>)> {
        let news = self.news[index].iter();
        news.filter_map(|news| match news {
            News::Data(peer, data) => Some((*peer, data.clone())),
            _ => None,
        })
        .collect()
    }
}

const PEER: &str = "192.0.2.200:9000";

#[test]
fn a_client_gets_a_relay_and_a_peer_answers_through_it() {
    for is_stream in [false, true] {
        let mut world = World::new(1, PERFECT, is_stream);
        let anna = world.add("203.0.113.1:1000", "anna", "secret");
        world.with(anna, |it, now| it.allocate(now));
        world.run(2);
        let relayed = world.relayed(anna);
        world.with(anna, |it, now| it.permit(now, address(PEER)).unwrap());
        world.run(2);
        for round in 0..2 {
            world.with(anna, |it, _| it.send(address(PEER), b"hello").unwrap());
            world.run(2);
            assert_eq!(world.at_peers[round].source, relayed);
            assert_eq!(world.data(anna)[round], (address(PEER), b"hello".to_vec()));
            // The second time over a channel.
            world.with(anna, |it, now| it.bind(now, address(PEER)).unwrap());
            world.run(2);
        }
        world.with(anna, |it, now| it.release(now));
        world.run(2);
        assert_eq!(world.news[anna].last(), Some(&News::Released));
        assert!(world.bound.is_empty());
        assert_eq!(world.clients[anna].1.deadline(), None);
    }
}

#[test]
fn a_relay_permissions_and_channels_last_as_long_as_the_client_wants() {
    let mut world = World::new(2, PERFECT, false);
    let anna = world.add("203.0.113.1:1000", "anna", "secret");
    world.with(anna, |it, now| it.allocate(now));
    world.run(2);
    let other = "192.0.2.201:9000";
    world.with(anna, |it, now| it.permit(now, address(PEER)).unwrap());
    world.with(anna, |it, now| it.bind(now, address(other)).unwrap());
    // Twelve hours, in which nonces grow old many times.
    for _ in 0..144 {
        world.run(300);
        world.with(anna, |it, _| it.send(address(PEER), b"one").unwrap());
        world.with(anna, |it, _| it.send(address(other), b"two").unwrap());
    }
    world.run(5);
    assert_eq!(world.data(anna).len(), 288);
    assert_eq!(world.server.figures().allocated, 1);
    // When the client is gone, so is what it had.
    world.clients.clear();
    world.run(3600);
    assert!(world.bound.is_empty());
}

#[test]
fn two_clients_behind_relays_hear_each_other() {
    let mut world = World::new(3, PERFECT, false);
    let anna = world.add("203.0.113.1:1000", "anna", "secret");
    let berta = world.add("203.0.113.2:1000", "berta", "secret");
    for index in [anna, berta] {
        world.with(index, |it, now| it.allocate(now));
    }
    world.run(2);
    let (at_anna, at_berta) = (world.relayed(anna), world.relayed(berta));
    world.with(anna, |it, now| it.bind(now, at_berta).unwrap());
    world.with(berta, |it, now| it.permit(now, at_anna).unwrap());
    world.run(2);
    world.with(anna, |it, _| it.send(at_berta, b"hello").unwrap());
    world.with(berta, |it, _| it.send(at_anna, b"hi").unwrap());
    world.run(2);
    assert_eq!(world.data(berta), [(at_anna, b"hello".to_vec())]);
    assert_eq!(world.data(anna), [(at_berta, b"hi".to_vec())]);
    assert!(world.at_peers.is_empty());
}

#[test]
fn a_bad_network_delays_and_changes_nothing() {
    for seed in 0..200 {
        let faults = Faults {
            lost: 30,
            doubled: 20,
        };
        let mut world = World::new(seed, faults, false);
        let anna = world.add("203.0.113.1:1000", "anna", "secret");
        world.with(anna, |it, now| it.allocate(now));
        world.run(60);
        // Seven times lost is very rare, and then the client knows.
        if world.news[anna].contains(&News::Silent(Wish::Allocate)) {
            continue;
        }
        assert_eq!(world.news[anna].len(), 1, "seed {seed}: {:?}", world.news);
        assert_eq!(world.bound.len(), 1, "seed {seed}");
        world.with(anna, |it, now| it.bind(now, address(PEER)).unwrap());
        world.run(60);
        if world.news[anna].len() == 1
            || !world.news[anna].contains(&News::Permitted(address(PEER)))
        {
            continue;
        }
        for _ in 0..20 {
            world.with(anna, |it, _| it.send(address(PEER), b"x").unwrap());
        }
        world.run(10);
        assert!(!world.data(anna).is_empty(), "seed {seed}");
        world.with(anna, |it, now| it.release(now));
        world.run(4000);
        assert!(world.bound.is_empty(), "seed {seed}");
        assert_eq!(world.server.figures().allocations, 0);
    }
}

#[test]
fn a_wrong_password_is_tried_once() {
    let mut world = World::new(4, PERFECT, false);
    let anna = world.add("203.0.113.1:1000", "anna", "guess");
    world.with(anna, |it, now| it.allocate(now));
    world.run(60);
    assert_eq!(world.news[anna], [News::Refused(Wish::Allocate, 401)]);
    assert_eq!(world.server.figures().authentication_failures, 1);
}

#[test]
fn a_forbidden_peer_is_refused_and_forgotten() {
    let mut world = World::new(5, PERFECT, false);
    let anna = world.add("203.0.113.1:1000", "anna", "secret");
    world.with(anna, |it, now| it.allocate(now));
    world.run(2);
    let peer = address("127.0.0.1:9");
    world.with(anna, |it, now| it.permit(now, peer).unwrap());
    world.run(2);
    let refused = News::Refused(Wish::Permit(peer), 403);
    assert_eq!(world.news[anna].last(), Some(&refused));
    world.with(anna, |it, _| assert!(it.send(peer, b"x").is_err()));
}

#[test]
fn a_server_that_is_silent_is_reported() {
    let faults = Faults {
        lost: 100,
        doubled: 0,
    };
    let mut world = World::new(6, faults, false);
    let anna = world.add("203.0.113.1:1000", "anna", "secret");
    world.with(anna, |it, now| it.allocate(now));
    world.run(39);
    assert!(world.news[anna].is_empty());
    world.run(1);
    assert_eq!(world.news[anna], [News::Silent(Wish::Allocate)]);
}

#[test]
fn a_client_has_a_most_number_of_peers() {
    let mut world = World::new(7, PERFECT, false);
    let anna = world.add("203.0.113.1:1000", "anna", "secret");
    world.with(anna, |it, now| {
        assert_eq!(
            it.permit(now, address(PEER)),
            Err(client::ClientError::NoRelay)
        );
        it.allocate(now);
    });
    world.run(2);
    world.with(anna, |it, now| {
        for host in 0..client::MAX_PEERS {
            let peer = address(&format!("192.0.2.{}:1", host + 1));
            assert_eq!(it.permit(now, peer), Ok(()));
        }
        assert_eq!(
            it.permit(now, address(PEER)),
            Err(client::ClientError::ManyPeers)
        );
    });
}

/// pjproject 082948b0a: an answer is believed only with the name that cannot be foreseen, and from
/// where the question went.
#[test]
fn stun_predictable_txid() {
    let settings = ClientSettings {
        server: address(SERVER),
        is_stream: false,
        username: "anna".into(),
        password: "secret".into(),
        family: Family::V4,
    };
    let mut ids = Vec::new();
    for seed in 0..100_u8 {
        let mut client = Client::new(settings.clone(), [seed; 32]);
        let now = Now::default();
        client.allocate(now);
        let Some(client::Output::Send(bytes)) = client.poll() else {
            panic!("no request");
        };
        let id = Message::parse(bytes).unwrap().transaction();
        ids.push(id);
        let refusal = |id: TransactionId| {
            let mut bytes = Vec::new();
            Builder::new(&mut bytes, Class::Error, Method::ALLOCATE, id)
                .error(ErrorCode::FORBIDDEN)
                .finish()
                .unwrap();
            bytes
        };
        let mut wrong = id;
        wrong.0[11] ^= 1;
        let mut take = |source: &str, bytes: &[u8]| {
            let source = address(source);
            client.handle(now, client::Input::Received { source, bytes });
            client.poll().is_some()
        };
        assert!(!take(SERVER, &refusal(wrong)));
        assert!(!take("198.51.100.2:3478", &refusal(id)));
        assert!(!take("198.51.100.1:3479", &refusal(id)));
        // A relay that nobody vouches for.
        let mut forged = Vec::new();
        Builder::new(&mut forged, Class::Success, Method::ALLOCATE, id)
            .masked_address(attribute::XOR_RELAYED_ADDRESS, address("192.0.2.66:1"))
            .masked_address(attribute::XOR_MAPPED_ADDRESS, address("192.0.2.66:1"))
            .number(attribute::LIFETIME, 600)
            .finish()
            .unwrap();
        assert!(!take(SERVER, &forged));
        assert!(take(SERVER, &refusal(id)));
    }
    // No byte is the same in all of them, and none counts upward.
    for place in 0..12 {
        let mut values: Vec<u8> = ids.iter().map(|id| id.0[place]).collect();
        assert!(!values.is_sorted());
        values.sort_unstable();
        values.dedup();
        assert!(values.len() > 60, "byte {place}: {}", values.len());
    }
}
