//! A call in virtual time: two phones behind their routers, we between them, and a network that delays,
//! reorders and loses.

use core::fmt;
use core::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::collections::BTreeMap;

use fernamt_sim::nat::realms::{Arrival, HostId, Realm, Realms};
use fernamt_sim::nat::{Behaviour, Nat};
use fernamt_sim::random::Random;

use super::desk::{Desk, Sent};
use super::phone::{Kind, PACKET_MICROS, Phone, voice_packet};

const STEP_MICROS: u64 = 5_000;

/// One way through the network at the least.
const LATENCY_MICROS: u64 = 15_000;

/// Packets that count as hearing each other.
const PACKETS: usize = 5;

/// The network.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Faults {
    /// Of a hundred packets.
    pub(super) lost: u64,
    /// By how much a packet is delayed at most, so that others overtake it.
    pub(super) jitter_millis: u64,
}

/// Where a phone is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// On the Internet.
    Open,
    /// The same, by IPv6.
    OpenV6,
    /// Beside us, behind the router that forwards our ports.
    Office,
    /// Behind a router.
    Behind(Behaviour),
    /// Behind two in a row: that of the provider, and that at home.
    BehindTwo(Behaviour, Behaviour),
}

impl fmt::Debug for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |behaviour: &Behaviour| {
            let names = ["full", "restricted", "port-restricted", "symmetric"];
            let classic = Behaviour::CLASSIC.map(|it| (it.mapping, it.filtering));
            let known = (behaviour.mapping, behaviour.filtering);
            let index = classic.iter().position(|it| *it == known);
            index.map_or("another", |index| names[index])
        };
        match self {
            Place::Open => formatter.write_str("open"),
            Place::OpenV6 => formatter.write_str("open, IPv6"),
            Place::Office => formatter.write_str("office"),
            Place::Behind(one) => formatter.write_str(name(one)),
            Place::BehindTwo(outer, inner) => {
                write!(formatter, "{} behind {}", name(inner), name(outer))
            }
        }
    }
}

/// What a call is like. All that happens in it follows from this.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) faults: Faults,
    pub(super) phones: [(Kind, Place); 2],
    /// Which of the phones lead their checks.
    pub(super) leading: [bool; 2],
    /// The router that forwards our ports, when there is one.
    pub(super) office: Option<Behaviour>,
}

impl Plan {
    /// A call over a network without faults.
    pub(super) fn new(seed: u64, phones: [(Kind, Place); 2]) -> Plan {
        Plan {
            seed,
            faults: Faults::default(),
            phones,
            leading: [seed.is_multiple_of(2), seed % 4 < 2],
            office: None,
        }
    }
}

pub(super) struct World {
    pub(super) plan: Plan,
    pub(super) now_micros: u64,
    pub(super) desk: Desk,
    pub(super) phones: [Phone; 2],
    /// What else arrives where the first phone sends to: from whom, and what.
    pub(super) flood: Option<Flood>,
    /// A neighbour of the first phone, when there is one.
    pub(super) stranger: Option<Stranger>,
    realms: Realms,
    homes: [Realm; 2],
    desk_host: HostId,
    wire: BTreeMap<(u64, u64), (Arrival, Vec<u8>)>,
    sent: u64,
    chance: Random,
}

/// The next datagram of a flood.
pub(super) type Flood = Box<dyn FnMut() -> (SocketAddr, Vec<u8>)>;

/// Datagrams of a flood in a second.
const FLOOD_PER_SECOND: u64 = 10_000;

/// Somebody who sends voice to where the first phone does, from behind the same router.
pub(super) struct Stranger {
    host: HostId,
    socket: SocketAddr,
    sequence: u16,
    next_micros: u64,
    /// What has reached him.
    pub(super) heard: usize,
}

impl World {
    pub(super) fn new(plan: Plan) -> World {
        let is_v6 = plan.phones.iter().any(|(_, place)| *place == Place::OpenV6);
        let public = |last: u8| match is_v6 {
            true => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last.into()).into(),
            false => IpAddr::from([192, 0, 2, last]),
        };
        let mut realms = Realms::default();
        let (office, address) = match plan.office {
            None => (Realm::Internet, public(1)),
            Some(behaviour) => {
                let router = Nat::new(behaviour, public(1), 0);
                (
                    realms.add_router(Realm::Internet, router),
                    [10, 1, 0, 1].into(),
                )
            }
        };
        let desk_host = realms.add_host(office, address);
        let mut numbers = Random::new(plan.seed, 1);
        let numbers = crate::random::Random::known(move || numbers.below(u64::MAX));
        let desk = Desk::new(address, public(1), numbers);
        if let Some(router) = realms.router(office) {
            for side in [0, 1] {
                let socket = desk.socket(side);
                router.forward(socket.port(), socket);
            }
        }
        let mut homes = [Realm::Internet; 2];
        let phones = [0, 1].map(|side| {
            let (kind, place) = plan.phones[side];
            let router = |realms: &mut Realms, outer, behaviour, outside: [u8; 4], seed| {
                let nat = Nat::new(behaviour, outside.into(), 2 * plan.seed + seed);
                realms.add_router(outer, nat)
            };
            let outside = [[203, 0, 113, 10], [198, 51, 100, 20]][side];
            let seed = 1_000_000 + side as u64;
            let (realm, address) = match place {
                Place::Open | Place::OpenV6 => (Realm::Internet, public(50 + side as u8)),
                Place::Office => (office, [10, 1, 0, 50 + side as u8].into()),
                Place::Behind(behaviour) => {
                    let home = router(&mut realms, Realm::Internet, behaviour, outside, seed);
                    (home, [192, 168, 1, 10].into())
                }
                Place::BehindTwo(outer, inner) => {
                    let provider = router(&mut realms, Realm::Internet, outer, outside, seed);
                    let home = router(&mut realms, provider, inner, [100, 64, 0, 5], seed + 2);
                    (home, [192, 168, 1, 10].into())
                }
            };
            homes[side] = realm;
            let host = realms.add_host(realm, address);
            let random = Random::new(plan.seed, 10 + side as u64);
            Phone::new(
                kind,
                side,
                (host, address),
                &desk,
                plan.leading[side],
                random,
            )
        });
        World {
            plan,
            now_micros: 0,
            desk,
            phones,
            flood: None,
            stranger: None,
            realms,
            homes,
            desk_host,
            wire: BTreeMap::new(),
            sent: 0,
            chance: Random::new(plan.seed, 0),
        }
    }

    /// The router of a phone.
    pub(super) fn router(&mut self, side: usize) -> &mut Nat {
        self.realms.router(self.homes[side]).expect("a router")
    }

    /// Lets a neighbour of the first phone try what he can.
    pub(super) fn add_stranger(&mut self) {
        let address = match self.homes[0] {
            Realm::Internet => IpAddr::from([192, 0, 2, 66]),
            Realm::Behind(_) => IpAddr::from([192, 168, 1, 66]),
        };
        self.stranger = Some(Stranger {
            host: self.realms.add_host(self.homes[0], address),
            socket: SocketAddr::new(address, 40_000),
            sequence: 0,
            next_micros: self.now_micros,
            heard: 0,
        });
    }

    /// Signalling tells us anew where a phone is.
    pub(super) fn signal(&mut self, side: usize) {
        let signalling = self.realms.public_address(self.phones[side].host);
        let remote = self.phones[side].description(signalling);
        let sent = self.desk.set_remote(side, &remote, self.now_micros);
        self.send(self.desk_host, sent);
    }

    /// Lets so much time pass.
    pub(super) fn run(&mut self, millis: u64) {
        let end = self.now_micros + millis * 1_000;
        while self.now_micros < end {
            self.step();
        }
    }

    /// Lets time pass until both phones hear each other: how long that lasts, in milliseconds. Panics
    /// when it lasts longer.
    pub(super) fn expect_voice(&mut self, within_millis: u64) -> u64 {
        let begun_micros = self.now_micros;
        while self.now_micros < begun_micros + within_millis * 1_000 {
            self.step();
            if [0, 1]
                .iter()
                .all(|side| self.heard_since(*side, begun_micros) >= PACKETS)
            {
                return (self.now_micros - begun_micros) / 1_000;
            }
        }
        let heard = [0, 1].map(|side| self.heard_since(side, begun_micros));
        let events = [0, 1].map(|side| &self.desk.ends[side].events);
        panic!(
            "{:?}: no voice within {within_millis} ms after {} ms: heard {heard:?}, {events:?}",
            self.plan,
            begun_micros / 1_000,
        );
    }

    /// Packets that a phone has heard of the other.
    pub(super) fn heard_since(&self, side: usize, micros: u64) -> usize {
        let heard = self.phones[side].heard_micros.iter().rev();
        heard.take_while(|heard| **heard >= micros).count()
    }

    /// Panics when somebody has heard what was not for him.
    pub(super) fn expect_privacy(&self) {
        let heard = [0, 1].map(|side| self.phones[side].heard_of_others);
        let overheard = self.stranger.as_ref().map_or(0, |stranger| stranger.heard);
        assert_eq!((heard, overheard), ([0, 0], 0), "{:?}", self.plan);
    }

    fn step(&mut self) {
        self.now_micros += STEP_MICROS;
        while let Some(entry) = self.wire.first_entry()
            && entry.key().0 <= self.now_micros
        {
            let (arrival, bytes) = entry.remove();
            self.deliver(arrival, &bytes);
        }
        self.let_flood_come();
        let sent = self.desk.on_time(self.now_micros);
        self.send(self.desk_host, sent);
        for side in [0, 1] {
            let phone = &mut self.phones[side];
            let (host, sent) = (phone.host, phone.work(self.now_micros));
            self.send(host, sent);
            let signalling = self.realms.public_address(host);
            if let Some(remote) = self.phones[side].take_description(signalling) {
                let sent = self.desk.set_remote(side, &remote, self.now_micros);
                self.send(self.desk_host, sent);
            }
        }
        self.let_stranger_speak();
    }

    fn let_flood_come(&mut self) {
        let to = self.desk.socket(0);
        for _ in 0..FLOOD_PER_SECOND * STEP_MICROS / 1_000_000 {
            let Some(flood) = &mut self.flood else {
                return;
            };
            let (from, bytes) = flood();
            let sent = self.desk.arrive(from, to, &bytes, self.now_micros);
            self.send(self.desk_host, sent);
        }
    }

    fn let_stranger_speak(&mut self) {
        let target = self.phones[0].desk;
        let Some(stranger) = &mut self.stranger else {
            return;
        };
        if self.now_micros < stranger.next_micros {
            return;
        }
        stranger.next_micros += PACKET_MICROS;
        stranger.sequence += 1;
        let packet = voice_packet(0x66, 0x6666, stranger.sequence);
        let (host, from) = (stranger.host, stranger.socket);
        self.send(host, vec![(from, target, packet)]);
    }

    fn deliver(&mut self, arrival: Arrival, bytes: &[u8]) {
        let Arrival { host, from, to } = arrival;
        if host == self.desk_host {
            let sent = self.desk.arrive(from, to, bytes, self.now_micros);
            return self.send(host, sent);
        }
        let phone = self.phones.iter_mut().find(|phone| phone.host == host);
        if let Some(phone) = phone.filter(|phone| phone.socket == to) {
            let sent = phone.arrive(from, bytes, self.now_micros);
            return self.send(host, sent);
        }
        if let Some(stranger) = self.stranger.as_mut().filter(|it| it.host == host) {
            stranger.heard += 1;
        }
    }

    fn send(&mut self, host: HostId, sent: Sent) {
        for (from, to, bytes) in sent {
            let arrival = self.realms.send(host, from, to, self.now_micros);
            // What does not leave a machine does not get lost.
            let is_inside = arrival.is_some_and(|arrival| arrival.host == host);
            let is_lost = !is_inside && self.chance.percent(self.plan.faults.lost);
            let delay = match is_inside {
                true => 0,
                false => {
                    let jitter = self
                        .chance
                        .below(1 + 1_000 * self.plan.faults.jitter_millis);
                    LATENCY_MICROS + jitter
                }
            };
            if let Some(arrival) = arrival.filter(|_| !is_lost) {
                self.sent += 1;
                let at = (self.now_micros + delay, self.sent);
                self.wire.insert(at, (arrival, bytes));
            }
        }
    }
}
