//! The thread of the TURN server: wait, read the clocks once, take what has come, send what came
//! out.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};

use fernamt_stun::Now;
use fernamt_stun::server::{Event, Figures, Flow, Input, Output, RelayId, Server};
use hashbrown::HashMap;
use rustix::event::{Timespec, epoll};

use super::TurnServices;
use super::inbox::{Inbox, Item};
use super::outlet::Outlet;
use super::relays::{self, Relays};
use crate::clock;
use crate::transport::access::Access;
use crate::transport::udp::{BATCH, Outgoing, ReceiveBatch, SendBatch, Socket};

/// The inbox's name in the epoll. Relays have theirs, whose highest bit is never set.
const INBOX_TOKEN: u64 = u64::MAX;
/// The first listener's name; the others count upward.
const LISTENER_TOKEN: u64 = 1 << 63;

/// The longest sleep.
const LONGEST_SLEEP_MICROS: u64 = 10_000_000;

/// Datagrams that are taken from one relay in a turn, so that none keeps the others waiting.
const RELAY_ROUNDS: usize = 32;

/// Batches that are taken from one listener in a turn.
const LISTENER_ROUNDS: usize = 8;

/// Room for one datagram; no UDP datagram is longer.
const BUFFER_BYTES: usize = 65_536;

pub(super) struct TurnThread {
    server: Server,
    now: Now,
    unix: fernamt_sip::time::UnixTime,
    watch: OwnedFd,
    listeners: Vec<Socket>,
    relays: Relays,
    connections: HashMap<u64, Outlet>,
    inbox: Arc<Inbox>,
    taken: Vec<Item>,
    services: Arc<dyn TurnServices>,
    access: Arc<Access>,
    figures: Arc<Mutex<Figures>>,
    send: SendBatch,
    buffer: Vec<u8>,
    is_over: bool,
}

/// A datagram for a client.
struct ToClient<'a> {
    remote: SocketAddr,
    local: Option<IpAddr>,
    bytes: &'a [u8],
}

impl Outgoing for ToClient<'_> {
    fn remote(&self) -> SocketAddr {
        self.remote
    }

    fn local(&self) -> Option<IpAddr> {
        self.local
    }

    fn bytes(&self) -> &[u8] {
        self.bytes
    }
}

impl TurnThread {
    pub(super) fn new(
        server: Server,
        listeners: Vec<Socket>,
        inbox: Arc<Inbox>,
        services: Arc<dyn TurnServices>,
        access: Arc<Access>,
        figures: Arc<Mutex<Figures>>,
    ) -> io::Result<TurnThread> {
        let watch = relays::watch()?;
        for (token, socket) in (LISTENER_TOKEN..).zip(&listeners) {
            let token = epoll::EventData::new_u64(token);
            epoll::add(&watch, socket.as_fd(), token, epoll::EventFlags::IN)?;
        }
        let token = epoll::EventData::new_u64(INBOX_TOKEN);
        epoll::add(&watch, inbox.as_fd(), token, epoll::EventFlags::IN)?;
        Ok(TurnThread {
            server,
            now: Now::default(),
            unix: fernamt_sip::time::UnixTime::default(),
            watch,
            listeners,
            relays: Relays::default(),
            connections: HashMap::new(),
            inbox,
            taken: Vec::new(),
            services,
            access,
            figures,
            send: SendBatch::new(),
            buffer: vec![0; BUFFER_BYTES],
            is_over: false,
        })
    }

    /// Runs until [`Item::Stop`].
    pub(super) fn run(mut self) {
        let mut receive = ReceiveBatch::new();
        let mut events = Vec::with_capacity(64);
        while !self.is_over {
            self.read_clocks();
            let sleep = self.sleep();
            events.clear();
            let woken = epoll::wait(
                &self.watch,
                rustix::buffer::spare_capacity(&mut events),
                Some(&sleep),
            );
            if let Err(error) = woken
                && error != rustix::io::Errno::INTR
            {
                tracing::error!(%error, "the TURN server cannot wait for packets; it ends");
                return;
            }
            self.read_clocks();
            self.server.handle(self.now, Input::Elapsed);
            self.drain();
            // First what the rest of the node has said: whoever is forgiven is heard with his next word.
            if events.iter().any(|event| event.data.u64() == INBOX_TOKEN) {
                self.take_inbox();
            }
            for event in &events {
                match event.data.u64() {
                    INBOX_TOKEN => {}
                    token if token >= LISTENER_TOKEN => {
                        self.take_datagrams(token - LISTENER_TOKEN, &mut receive);
                    }
                    relay => self.take_relayed(RelayId::from_u64(relay)),
                }
            }
            *self.figures.lock().unwrap_or_else(PoisonError::into_inner) = self.server.figures();
        }
    }

    fn read_clocks(&mut self) {
        let now = clock::now();
        self.unix = now.unix;
        self.now = Now {
            micros: now.time.as_micros(),
            unix_ms: u64::try_from(now.unix.as_micros() / 1000).unwrap_or(0),
        };
    }

    fn sleep(&self) -> Timespec {
        let until = self.server.deadline().unwrap_or(u64::MAX);
        // A microsecond too late rather than too early, which would be a turn for nothing.
        let micros = until.saturating_sub(self.now.micros).saturating_add(1);
        let micros = micros.min(LONGEST_SLEEP_MICROS);
        Timespec {
            tv_sec: i64::try_from(micros / 1_000_000).unwrap_or(0),
            tv_nsec: i64::try_from(micros % 1_000_000 * 1000).unwrap_or(0),
        }
    }

    fn take_inbox(&mut self) {
        let mut items = core::mem::take(&mut self.taken);
        self.inbox.take(&mut items);
        for item in items.drain(..) {
            match item {
                Item::Opened(flow, outlet) => {
                    if let Some(connection) = flow.connection {
                        self.connections.insert(connection, outlet);
                    }
                }
                Item::Frame(flow, bytes) => {
                    let bytes = &bytes;
                    self.server
                        .handle(self.now, Input::Received { flow, bytes });
                    self.drain();
                }
                Item::Closed(flow) => {
                    if let Some(connection) = flow.connection {
                        self.connections.remove(&connection);
                    }
                    self.server.handle(self.now, Input::Closed(flow));
                    self.drain();
                }
                Item::Forgiven(source) => self.server.forgive(source),
                Item::Stop => self.is_over = true,
            }
        }
        self.taken = items;
    }

    fn take_datagrams(&mut self, listener: u64, receive: &mut ReceiveBatch) {
        let index = usize::try_from(listener).unwrap_or(usize::MAX);
        for _ in 0..LISTENER_ROUNDS {
            let Some(socket) = self.listeners.get(index) else {
                return;
            };
            let bound = socket.bound();
            let Ok(count) = receive.receive(socket.as_fd()) else {
                return;
            };
            for datagram in (0..count).filter_map(|index| receive.get(index)) {
                // Data of channels comes only from who was welcome before.
                let is_message = datagram.bytes.first().is_some_and(|first| *first < 0x40);
                if is_message && self.access.is_refused(datagram.remote.ip(), self.unix) {
                    continue;
                }
                let local = datagram.local.unwrap_or(bound.ip());
                let flow = Flow {
                    connection: None,
                    local: SocketAddr::new(local, bound.port()),
                    remote: datagram.remote,
                };
                let bytes = datagram.bytes;
                self.server
                    .handle(self.now, Input::Received { flow, bytes });
                self.drain();
            }
            if count < BATCH {
                return;
            }
        }
    }

    fn take_relayed(&mut self, relay: RelayId) {
        for _ in 0..RELAY_ROUNDS {
            let mut buffer = core::mem::take(&mut self.buffer);
            let received = self.relays.receive(relay, &mut buffer);
            if let Some((length, peer)) = received {
                let data = buffer.get(..length).unwrap_or_default();
                self.server
                    .handle(self.now, Input::FromPeer { relay, peer, data });
            }
            self.buffer = buffer;
            if received.is_none() {
                return;
            }
            self.drain();
        }
    }

    /// Does what the server wants, until it wants no more.
    fn drain(&mut self) {
        while let Some(output) = self.server.poll() {
            match output {
                Output::Send { flow, bytes } => match flow.connection {
                    None => send_datagram(&self.listeners, &mut self.send, &flow, bytes),
                    Some(connection) => {
                        let outlet = self.connections.get(&connection);
                        if outlet.is_some_and(|outlet| !outlet.put(bytes)) {
                            tracing::trace!(remote = %flow.remote, "a client of TURN does not read");
                        }
                    }
                },
                Output::ToPeer { relay, peer, data } => self.relays.send(relay, peer, data),
                Output::Open { relay, address } => {
                    let result = self.relays.open(&self.watch, relay, address);
                    self.server
                        .handle(self.now, Input::Opened { relay, result });
                }
                Output::Close(relay) => self.relays.close(relay),
                Output::Ask { question, user } => {
                    let keys = self.services.keys(user);
                    self.server.handle(self.now, Input::Keys { question, keys });
                }
                Output::Event(Event::AuthenticationFailed(source)) => {
                    self.services.authentication_failed(source);
                }
                Output::Event(Event::Ignored(source)) => self.services.ignored(source.ip()),
            }
        }
    }
}

fn send_datagram(listeners: &[Socket], send: &mut SendBatch, flow: &Flow, bytes: &[u8]) {
    let Some(socket) = listeners.iter().find(|it| it.serves(flow.local)) else {
        return;
    };
    let datagram = ToClient {
        remote: flow.remote,
        local: socket.is_wildcard().then_some(flow.local.ip()),
        bytes,
    };
    if let Err(error) = send.send(socket.as_fd(), &[datagram]) {
        tracing::trace!(remote = %flow.remote, %error, "not sent to a client of TURN");
    }
}
