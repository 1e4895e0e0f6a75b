//! A plane on addresses of its own, and parties with real sockets. Every test process has its own
//! block of 127.0.0.0/8, so that no two disturb each other.
#![allow(dead_code, unreachable_pub, reason = "every test file uses its part")]

pub mod browser;
pub mod secure;

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use fernamt_exchange::media::{Command, EndpointId, Event, Refusal, Remote, Statistics};
use fernamt_media::{Plane, PlaneConfig};
use fernamt_sdp::CryptoSuite;

use self::secure::Cipher;

pub const PCMU: u8 = 0;
pub const PCMA: u8 = 8;
pub const TELEPHONE_EVENT: u8 = 101;

/// The last octets of the addresses of two parties, of a router before one, and of somebody else.
pub const A: u8 = 10;
pub const B: u8 = 20;
pub const NAT: u8 = 40;
pub const STRANGER: u8 = 66;

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// An address that nobody else uses, ending in `host`.
pub fn address(host: u8) -> IpAddr {
    let [_, _, high, low] = std::process::id().to_be_bytes();
    IpAddr::V4(Ipv4Addr::new(127, high | 0x40, low, host))
}

/// A local address for one plane, never used twice.
pub fn fresh_local() -> IpAddr {
    static NEXT: AtomicU64 = AtomicU64::new(100);
    address(NEXT.fetch_add(1, Ordering::Relaxed) as u8)
}

/// A plane and what it reported.
pub struct Exchange {
    pub plane: Plane,
    pub local: IpAddr,
    events: Mutex<Receiver<Event>>,
    next: AtomicU64,
}

impl Exchange {
    pub fn start() -> Exchange {
        Exchange::with(|config| config)
    }

    /// One that leaves all judging to the gate: no port is closed to strangers by the kernel.
    pub fn start_with_open_ports() -> Exchange {
        Exchange::with(|config| PlaneConfig {
            tick: Duration::from_secs(3_600),
            ..config
        })
    }

    /// One thread, so that packets are worked off in the order in which they came.
    pub fn with(change: impl FnOnce(PlaneConfig) -> PlaneConfig) -> Exchange {
        Exchange::on(fresh_local(), change)
    }

    pub fn on(local: IpAddr, change: impl FnOnce(PlaneConfig) -> PlaneConfig) -> Exchange {
        let config = PlaneConfig {
            ports: 20_000..=20_999,
            threads: 1,
            tick: Duration::from_millis(20),
            ..PlaneConfig::default()
        };
        let (sender, events) = channel();
        let plane = Plane::start(change(config), move |event| {
            let _ = sender.send(event);
        });
        Exchange {
            plane: plane.unwrap(),
            local,
            events: Mutex::new(events),
            next: AtomicU64::new(1),
        }
    }

    pub fn next_id(&self) -> EndpointId {
        EndpointId(self.next.fetch_add(1, Ordering::Relaxed))
    }

    pub fn open(&self) -> (EndpointId, SocketAddr) {
        self.open_at(self.local, None).unwrap()
    }

    pub fn open_at(
        &self,
        local: IpAddr,
        port: Option<u16>,
    ) -> Result<(EndpointId, SocketAddr), Refusal> {
        let endpoint = self.next_id();
        match self.plane.execute(Command::Open {
            endpoint,
            local,
            port,
        }) {
            Some(Event::Opened { endpoint, rtp }) => Ok((endpoint, rtp)),
            Some(Event::Refused { reason, .. }) => Err(reason),
            other => panic!("no answer to Open: {other:?}"),
        }
    }

    pub fn close(&self, endpoint: EndpointId) -> Statistics {
        match self.plane.execute(Command::Close { endpoint }) {
            Some(Event::Closed {
                endpoint: closed,
                statistics,
            }) if closed == endpoint => statistics,
            other => panic!("no answer to Close: {other:?}"),
        }
    }

    pub fn set_remote(&self, endpoint: EndpointId, remote: Remote) {
        assert_eq!(
            self.plane.execute(Command::Remote {
                endpoint,
                remote: Box::new(remote),
            }),
            None
        );
    }

    pub fn bridge(&self, a: EndpointId, b: EndpointId) {
        assert_eq!(self.plane.execute(Command::Bridge { a, b }), None);
    }

    /// Opens an endpoint that faces this party.
    pub fn face(&self, party: &mut Party) -> EndpointId {
        let (endpoint, rtp) = self.open_at(self.local, None).unwrap();
        party.relay = Some(rtp);
        self.set_remote(endpoint, party.remote());
        endpoint
    }

    /// A call between two parties.
    pub fn connect(&self, one: &mut Party, other: &mut Party) -> (EndpointId, EndpointId) {
        let (a, b) = (self.face(one), self.face(other));
        self.bridge(a, b);
        (a, b)
    }

    /// Two parties and a call between them: the parties, and the endpoints that face them.
    pub fn call(&self) -> (Party, Party, EndpointId, EndpointId) {
        let (mut one, mut other) = (Party::new(A), Party::new(B));
        let (at_one, at_other) = self.connect(&mut one, &mut other);
        (one, other, at_one, at_other)
    }

    /// Has a party protected from now on, with keys made of two numbers from `fill` on.
    pub fn protect(
        &self,
        endpoint: EndpointId,
        party: &Party,
        suite: CryptoSuite,
        fill: u8,
    ) -> Cipher {
        let cipher = Cipher::new(suite, fill);
        self.set_remote(endpoint, cipher.remote(party));
        cipher
    }

    /// Waits until the figures of an endpoint are as they should be.
    pub fn wait_for(&self, endpoint: EndpointId, wanted: impl Fn(Statistics) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !self.plane.statistics(endpoint).is_some_and(&wanted) {
            assert!(
                Instant::now() < end,
                "{:?}",
                self.plane.statistics(endpoint)
            );
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// The next report.
    pub fn event(&self) -> Event {
        self.events.lock().unwrap().recv_timeout(PATIENCE).unwrap()
    }

    /// The reports so far.
    pub fn events(&self) -> Vec<Event> {
        self.events.lock().unwrap().try_iter().collect()
    }
}

/// A phone: two sockets and a stream.
pub struct Party {
    pub rtp: UdpSocket,
    pub rtcp: UdpSocket,
    pub relay: Option<SocketAddr>,
    pub ssrc: u32,
    pub sequence: u16,
}

impl Party {
    pub fn new(host: u8) -> Party {
        Party::at(address(host))
    }

    pub fn at(ip: IpAddr) -> Party {
        let [rtp, rtcp] = [(); 2].map(|()| {
            let socket = UdpSocket::bind((ip, 0)).unwrap();
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            socket
        });
        let sequence = rtp.local_addr().unwrap().port();
        Party {
            rtp,
            rtcp,
            relay: None,
            ssrc: u32::from(sequence),
            sequence,
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.rtp.local_addr().unwrap()
    }

    /// What its description says, with nothing in between.
    pub fn remote(&self) -> Remote {
        Remote {
            rtcp: Some(self.rtcp.local_addr().unwrap()),
            payload_types: vec![PCMU, PCMA, TELEPHONE_EVENT],
            ..Remote::plain(self.address())
        }
    }

    /// Speaks until nobody else can reach its port at the exchange.
    pub fn settle(&mut self, other: &Party) {
        let stranger = UdpSocket::bind((address(250), 0)).unwrap();
        stranger.connect(self.relay.unwrap()).unwrap();
        let is_refused = |sent: std::io::Result<usize>| {
            sent.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
        };
        let end = Instant::now() + PATIENCE;
        // What is sent first makes the refusal, which the second is told of.
        while !is_refused(stranger.send(&[0x80]).and_then(|_| stranger.send(&[0x80]))) {
            assert!(Instant::now() < end, "the port stays open to strangers");
            let said = self.speak();
            assert_eq!(other.hear(), said);
            // Faster than this, it would be refused for its rate.
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// The next packet of its stream.
    pub fn packet(&mut self, payload_type: u8) -> Vec<u8> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut packet = vec![0x80, payload_type];
        packet.extend(self.sequence.to_be_bytes());
        packet.extend((u32::from(self.sequence) * 160).to_be_bytes());
        packet.extend(self.ssrc.to_be_bytes());
        packet.extend((0..160_u16).map(|n| (n ^ self.sequence) as u8));
        packet
    }

    /// Sends the next packet of its stream and returns it.
    pub fn speak(&mut self) -> Vec<u8> {
        let packet = self.packet(PCMA);
        self.send(&packet);
        packet
    }

    pub fn send(&self, datagram: &[u8]) {
        self.rtp.send_to(datagram, self.relay.unwrap()).unwrap();
    }

    pub fn send_rtcp(&self, datagram: &[u8]) {
        let mut to = self.relay.unwrap();
        to.set_port(to.port() + 1);
        self.rtcp.send_to(datagram, to).unwrap();
    }

    /// A receiver report without blocks.
    pub fn report(&self) -> Vec<u8> {
        [&[0x80, 201, 0, 1], self.ssrc.to_be_bytes().as_slice()].concat()
    }

    /// What it hears next on its RTP port.
    pub fn hear(&self) -> Vec<u8> {
        receive(&self.rtp)
    }

    pub fn hear_rtcp(&self) -> Vec<u8> {
        receive(&self.rtcp)
    }

    /// Whether nothing lies in its sockets.
    pub fn hears_nothing(&self) -> bool {
        [&self.rtp, &self.rtcp].into_iter().all(is_empty)
    }
}

pub fn receive(socket: &UdpSocket) -> Vec<u8> {
    let mut datagram = vec![0; 65_536];
    let (length, _) = socket
        .recv_from(&mut datagram)
        .expect("a datagram should have come");
    datagram.truncate(length);
    datagram
}

fn is_empty(socket: &UdpSocket) -> bool {
    socket.set_nonblocking(true).unwrap();
    let result = socket.recv_from(&mut [0; 2_048]);
    socket.set_nonblocking(false).unwrap();
    matches!(result, Err(error) if error.kind() == ErrorKind::WouldBlock)
}

/// Asserts that both hear each other, and thereby that everything sent before has been worked off.
pub fn assert_speaking(one: &mut Party, other: &mut Party) {
    let said = one.speak();
    assert_eq!(other.hear(), said);
    let answered = other.speak();
    assert_eq!(one.hear(), answered);
}
