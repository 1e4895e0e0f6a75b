//! Our side of a call: two bridged endpoints and a TURN server at one address, as a media thread moves
//! their datagrams. No socket: what the kernel would do for them is done here.

use core::net::{IpAddr, SocketAddr};
use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use fernamt_exchange::media::{EndpointId, Event, Remote};
use fernamt_rtp::Header;
use fernamt_stun::credential::{Credential, Credentials};
use fernamt_stun::server::{self, Flow, Keys, Output, Ports, RelayId, Server, ServerSettings};

use super::keys::certificates;
use crate::dtls::{Clock, Identity};
use crate::endpoint::{Arrival, Content, Endpoint, Link, Outbox, Outside, Way};
use crate::random::Random;
use crate::socket::Channel;

/// What leaves: from, to, bytes.
pub(super) type Sent = Vec<(SocketAddr, SocketAddr, Vec<u8>)>;

const MEDIA_PORT: u16 = 10_000;
const TURN_PORT: u16 = 3_478;

/// When it is looked who has settled, as a media thread does.
const TICK_MICROS: u64 = 250_000;

/// The secret of time-limited credentials, and its end.
const SECRET: [u8; 32] = [9; 32];
const EXPIRES: u64 = 4_000_000_000;

pub(super) struct Desk {
    pub(super) ends: [End; 2],
    pub(super) turn: Turn,
    identity: Identity,
    random: Random,
    start: Instant,
    address: IpAddr,
    advertised: IpAddr,
}

pub(super) struct End {
    pub(super) endpoint: Endpoint,
    pub(super) events: Vec<Event>,
    at: SocketAddr,
    timers: BTreeSet<u64>,
    /// Whom its socket is connected to.
    peer: Option<SocketAddr>,
    next_tick_micros: u64,
}

impl Desk {
    /// At an address that may be another outside, where a router forwards our ports.
    pub(super) fn new(address: IpAddr, advertised: IpAddr, random: Random) -> Desk {
        let link = |number: u64| Link {
            slot: number as u32,
            endpoint: EndpointId(number),
        };
        let end = |number: u64| {
            let mut endpoint = Endpoint::new(EndpointId(number), 1_000, 0);
            endpoint.way = Way::Bridge(link(1 - number));
            End {
                endpoint,
                events: Vec::new(),
                at: SocketAddr::new(address, MEDIA_PORT + 2 * number as u16),
                timers: BTreeSet::new(),
                peer: None,
                next_tick_micros: 0,
            }
        };
        Desk {
            ends: [end(0), end(1)],
            turn: Turn::new(address),
            identity: Identity::new(&certificates()[1]).unwrap(),
            random,
            start: Instant::now(),
            address,
            advertised,
        }
    }

    /// Where the party of an endpoint is to send.
    pub(super) fn media(&self, side: usize) -> SocketAddr {
        SocketAddr::new(self.advertised, self.ends[side].at.port())
    }

    /// Where our end of it is.
    pub(super) fn socket(&self, side: usize) -> SocketAddr {
        self.ends[side].at
    }

    pub(super) fn start(&self) -> Instant {
        self.start
    }

    /// Signalling says where a party is.
    pub(super) fn set_remote(&mut self, side: usize, remote: &Remote, now_micros: u64) -> Sent {
        self.work(side, now_micros, |endpoint, outside, outbox| {
            endpoint.set_remote(remote, outside, outbox);
        })
    }

    /// A datagram arrives at one of our ports.
    pub(super) fn arrive(
        &mut self,
        from: SocketAddr,
        to: SocketAddr,
        bytes: &[u8],
        now_micros: u64,
    ) -> Sent {
        let Some(side) = self.ends.iter().position(|end| end.at == to) else {
            return self.turn.arrive(from, to, bytes, now_micros);
        };
        let end = &mut self.ends[side];
        if end.peer.is_some_and(|peer| peer != from) {
            // The kernel keeps strangers out of a connected socket.
            return Sent::new();
        }
        let mut room = bytes.to_vec();
        let taken = end
            .endpoint
            .take_in(Channel::Rtp, &mut room, from, now_micros);
        match taken.arrival {
            Arrival::Setup => self.work(side, now_micros, |endpoint, outside, outbox| {
                endpoint.take_in_setup(Channel::Rtp, bytes, from, outside, outbox);
            }),
            Arrival::Accepted(Content::Rtp) => {
                room.truncate(taken.length);
                self.pass_on(1 - side, room).into_iter().collect()
            }
            _ => Sent::new(),
        }
    }

    /// Sends a packet in clear to the party of the other side.
    fn pass_on(
        &mut self,
        side: usize,
        mut room: Vec<u8>,
    ) -> Option<(SocketAddr, SocketAddr, Vec<u8>)> {
        let End { endpoint, at, .. } = &mut self.ends[side];
        if !endpoint.lets_out(Header::peek(&room)?.payload_type) {
            return None;
        }
        let to = endpoint.rtp_destination()?;
        let length = room.len();
        room.resize(length + 200, 0);
        let length = endpoint.seal_rtp(&mut room, length)?;
        room.truncate(length);
        Some((*at, to, room))
    }

    /// Lets time pass.
    pub(super) fn on_time(&mut self, now_micros: u64) -> Sent {
        let mut sent = self.turn.on_time(now_micros);
        for side in [0, 1] {
            let end = &mut self.ends[side];
            if now_micros >= end.next_tick_micros {
                end.next_tick_micros = now_micros + TICK_MICROS;
                end.peer = end.endpoint.settled_at(now_micros);
            }
            let due: Vec<u64> = end.timers.range(..=now_micros).copied().collect();
            for micros in due {
                let end = &mut self.ends[side];
                end.timers.remove(&micros);
                if end.endpoint.is_scheduled_for(micros) {
                    let work = |endpoint: &mut Endpoint,
                                outside: &Outside<'_>,
                                outbox: &mut Outbox<'_>| {
                        endpoint.advance(outside, outbox);
                    };
                    sent.extend(self.work(side, now_micros, work));
                }
            }
        }
        sent
    }

    fn work(
        &mut self,
        side: usize,
        now_micros: u64,
        work: impl FnOnce(&mut Endpoint, &Outside<'_>, &mut Outbox<'_>),
    ) -> Sent {
        let outside = Outside {
            clock: Clock {
                start: self.start,
                now_micros,
            },
            random: &self.random,
            identity: Some(&self.identity),
            local: self.address,
        };
        let end = &mut self.ends[side];
        let mut sent = Sent::new();
        let at = end.at;
        let mut send =
            |_: Channel, to: SocketAddr, bytes: &[u8]| sent.push((at, to, bytes.to_vec()));
        let mut outbox = Outbox {
            send: &mut send,
            events: &mut end.events,
        };
        work(&mut end.endpoint, &outside, &mut outbox);
        end.timers.extend(end.endpoint.take_deadline());
        sent
    }
}

/// The TURN server.
pub(super) struct Turn {
    server: Server,
    at: SocketAddr,
    relays: HashMap<SocketAddr, RelayId>,
    bound: HashMap<RelayId, SocketAddr>,
}

impl Turn {
    fn new(address: IpAddr) -> Turn {
        let mut settings = ServerSettings::new("fernamt", vec![address]);
        settings.credential_secret = SECRET;
        settings.peers.media = vec![address];
        settings.peers.media_ports = Ports {
            first: MEDIA_PORT,
            last: 59_999,
        };
        Turn {
            server: Server::new(settings, [7; 32]),
            at: SocketAddr::new(address, TURN_PORT),
            relays: HashMap::new(),
            bound: HashMap::new(),
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.at
    }

    /// By what right a device uses it.
    pub(super) fn credential(user: &str) -> Credential {
        Credentials::new(&SECRET).issue(user, EXPIRES)
    }

    fn arrive(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8], now_micros: u64) -> Sent {
        let input = if to == self.at {
            let flow = Flow {
                connection: None,
                local: self.at,
                remote: from,
            };
            server::Input::Received { flow, bytes }
        } else if let Some(&relay) = self.relays.get(&to) {
            let (peer, data) = (from, bytes);
            server::Input::FromPeer { relay, peer, data }
        } else {
            return Sent::new();
        };
        self.server.handle(turn_now(now_micros), input);
        self.drain(now_micros)
    }

    fn on_time(&mut self, now_micros: u64) -> Sent {
        if self.server.deadline().is_none_or(|at| at > now_micros) {
            return Sent::new();
        }
        let now = turn_now(now_micros);
        self.server.handle(now, server::Input::Elapsed);
        self.drain(now_micros)
    }

    fn drain(&mut self, now_micros: u64) -> Sent {
        let now = turn_now(now_micros);
        let mut sent = Sent::new();
        while let Some(output) = self.server.poll() {
            match output {
                Output::Send { flow, bytes } => sent.push((self.at, flow.remote, bytes.to_vec())),
                Output::ToPeer { relay, peer, data } => {
                    sent.push((self.bound[&relay], peer, data.to_vec()));
                }
                Output::Open { relay, address } => {
                    self.relays.insert(address, relay);
                    self.bound.insert(relay, address);
                    let result = Ok(());
                    self.server
                        .handle(now, server::Input::Opened { relay, result });
                }
                Output::Close(relay) => {
                    let bound = self.bound.remove(&relay);
                    bound.and_then(|bound| self.relays.remove(&bound));
                }
                Output::Ask { question, .. } => {
                    // There is such a device; its own password is not used.
                    let keys = Some(Keys {
                        md5: [0; 16],
                        sha256: [0; 32],
                    });
                    self.server
                        .handle(now, server::Input::Keys { question, keys });
                }
                Output::Event(_) => {}
            }
        }
        sent
    }
}

/// The clocks of the relay and its clients.
pub(super) fn turn_now(now_micros: u64) -> fernamt_stun::Now {
    fernamt_stun::Now {
        micros: now_micros,
        unix_ms: 1_764_000_000_000 + now_micros / 1_000,
    }
}
