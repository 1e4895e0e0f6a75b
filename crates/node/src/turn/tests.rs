//! The server on real sockets: a client of ours gets a relay and a peer answers through it.

use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fernamt_exchange::config::Config;
use fernamt_stun::client::{Client, ClientSettings, Input, Output, Wish};
use fernamt_stun::frame::Framer;
use fernamt_stun::message::address::Family;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::*;
use crate::clock;
use crate::config::{NodeConfig, TlsConfig};

/// How long a test waits for what must come.
const SOON: Duration = Duration::from_secs(10);

/// One device, anna, and what the server has told.
#[derive(Default)]
struct Services {
    failures: AtomicU64,
    ignored: AtomicU64,
}

impl TurnServices for Services {
    fn keys(&self, user: &str) -> Option<Keys> {
        let ha1 = fernamt_sip::digest::Ha1::new("anna", "fernamt", "secret");
        (user == "anna").then_some(Keys {
            md5: ha1.md5,
            sha256: ha1.sha256,
        })
    }

    fn authentication_failed(&self, _source: SocketAddr) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    fn ignored(&self, _source: IpAddr) {
        self.ignored.fetch_add(1, Ordering::Relaxed);
    }
}

struct Bench {
    turn: Turn,
    services: Arc<Services>,
    _folder: TempDir,
    _runtime: Runtime,
}

impl Bench {
    fn new(change: impl FnOnce(&mut NodeConfig)) -> Bench {
        let runtime = Runtime::new().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut config = NodeConfig::default();
        config.listen.sip = vec![([127, 0, 0, 1], 0).into()];
        config.exchange = Config {
            addresses: vec![[127, 0, 0, 1].into()],
            trusted_sources: Vec::new(),
            ..config.exchange
        };
        change(&mut config);
        let listeners = {
            let _runtime = runtime.enter();
            TurnListeners::open(&config.turn, &config.listen.sip)
        };
        let settings = server_settings(Surroundings {
            turn: &config.turn,
            media: &config.media,
            exchange: &config.exchange,
            listeners: &listeners.list(),
        });
        let tls = TlsConfig {
            authorities: "/dev/null".into(),
            ..config.tls
        };
        let services = Arc::new(Services::default());
        let turn = Turn::start(TurnParts {
            runtime: runtime.handle().clone(),
            listeners,
            settings,
            services: Arc::<Services>::clone(&services),
            access: Arc::default(),
            tls: Arc::new(Tls::open(&tls, folder.path(), &["localhost".to_owned()]).unwrap()),
        });
        Bench {
            turn: turn.unwrap().unwrap(),
            services,
            _folder: folder,
            _runtime: runtime,
        }
    }

    fn address(&self, transport: Transport) -> SocketAddr {
        let mut all = self.turn.addresses().iter();
        all.find(|(other, _)| *other == transport).unwrap().1
    }
}

fn now() -> fernamt_stun::Now {
    let now = clock::now();
    fernamt_stun::Now {
        micros: now.time.as_micros(),
        unix_ms: u64::try_from(now.unix.as_micros() / 1000).unwrap(),
    }
}

/// A client with its way to the server.
enum Way {
    Udp(UdpSocket),
    Tcp(TcpStream, Framer),
}

struct Caller {
    client: Client,
    server: SocketAddr,
    way: Way,
}

impl Caller {
    fn new(server: SocketAddr, is_stream: bool, password: &str) -> Caller {
        let settings = ClientSettings {
            server,
            is_stream,
            username: "anna".into(),
            password: password.into(),
            family: Family::V4,
        };
        let way = if is_stream {
            let stream = TcpStream::connect(server).unwrap();
            stream.set_read_timeout(Some(SOON)).unwrap();
            Way::Tcp(stream, Framer::default())
        } else {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.connect(server).unwrap();
            socket.set_read_timeout(Some(SOON)).unwrap();
            Way::Udp(socket)
        };
        Caller {
            client: Client::new(settings, random_bytes().unwrap()),
            server,
            way,
        }
    }

    /// Sends what is to be sent; what else the client has to say.
    fn say(&mut self) -> Vec<String> {
        let mut news = Vec::new();
        while let Some(output) = self.client.poll() {
            match (output, &mut self.way) {
                (Output::Send(bytes), Way::Udp(socket)) => {
                    socket.send(bytes).unwrap();
                }
                (Output::Send(bytes), Way::Tcp(stream, _)) => stream.write_all(bytes).unwrap(),
                (other, _) => news.push(format!("{other:?}")),
            }
        }
        news
    }

    /// Takes what comes until the client has something to say.
    fn hear(&mut self) -> String {
        loop {
            if let Some(news) = self.say().pop() {
                return news;
            }
            let mut bytes = [0; 2048];
            let source = self.server;
            match &mut self.way {
                Way::Udp(socket) => {
                    let length = socket.recv(&mut bytes).unwrap();
                    let bytes = &bytes[..length];
                    self.client.handle(now(), Input::Received { source, bytes });
                }
                Way::Tcp(stream, framer) => {
                    let length = stream.read(&mut bytes).unwrap();
                    assert!(length > 0, "the server has closed the connection");
                    framer.put(&bytes[..length]);
                    while let Some(bytes) = framer.next_frame().unwrap() {
                        self.client.handle(now(), Input::Received { source, bytes });
                    }
                }
            }
        }
    }
}

fn allow_loopback(config: &mut NodeConfig) {
    config.turn.allow_peers = vec![fernamt_exchange::config::Network {
        address: [127, 0, 0, 0].into(),
        bits: 8,
    }];
}

#[test]
fn a_peer_answers_through_a_relay() {
    let bench = Bench::new(allow_loopback);
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    peer.set_read_timeout(Some(SOON)).unwrap();
    let at = peer.local_addr().unwrap();
    for (transport, is_stream) in [(Transport::Udp, false), (Transport::Tcp, true)] {
        let mut caller = Caller::new(bench.address(transport), is_stream, "secret");
        caller.client.allocate(now());
        assert!(caller.hear().starts_with("Allocated"));
        caller.client.bind(now(), at).unwrap();
        assert_eq!(caller.hear(), format!("Permitted({at})"));
        caller.client.send(at, b"hello").unwrap();
        caller.say();
        let mut bytes = [0; 100];
        let (length, relay) = peer.recv_from(&mut bytes).unwrap();
        assert_eq!(&bytes[..length], b"hello");
        peer.send_to(b"hi", relay).unwrap();
        let heard = Output::Data {
            peer: at,
            data: b"hi",
        };
        assert_eq!(caller.hear(), format!("{heard:?}"));
        caller.client.release(now());
        assert_eq!(caller.hear(), "Released");
    }
}

#[test]
fn a_relay_ends_with_its_connection() {
    let bench = Bench::new(|_| {});
    let mut caller = Caller::new(bench.address(Transport::Tcp), true, "secret");
    caller.client.allocate(now());
    assert!(caller.hear().starts_with("Allocated"));
    drop(caller);
    let begun = std::time::Instant::now();
    while bench.turn.figures().allocations > 0 {
        assert!(begun.elapsed() < SOON, "the relay is still there");
        std::thread::yield_now();
    }
}

#[test]
fn who_guesses_is_told_of_and_ignored_until_forgiven() {
    let bench = Bench::new(|config| config.exchange.guard.failures_before_ban = 2);
    let server = bench.address(Transport::Udp);
    let refused = Output::Refused {
        wish: Wish::Allocate,
        code: fernamt_stun::message::ErrorCode::UNAUTHENTICATED,
        alternate: None,
    };
    for _ in 0..2 {
        let mut caller = Caller::new(server, false, "guess");
        caller.client.allocate(now());
        assert_eq!(caller.hear(), format!("{refused:?}"));
    }
    assert_eq!(bench.services.failures.load(Ordering::Relaxed), 2);
    assert_eq!(bench.services.ignored.load(Ordering::Relaxed), 1);
    bench.turn.forgive([127, 0, 0, 1].into());
    let mut caller = Caller::new(server, false, "secret");
    caller.client.allocate(now());
    assert!(caller.hear().starts_with("Allocated"));
}

#[test]
fn a_port_that_is_taken_is_only_warned_of() {
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let config = TurnConfig {
        listen: Listen::At(vec![taken.local_addr().unwrap()]),
        tls: Listen::Off,
        ..TurnConfig::default()
    };
    let runtime = Runtime::new().unwrap();
    let _runtime = runtime.enter();
    assert!(TurnListeners::open(&config, &[]).list().is_empty());
}

#[test]
fn ports_stand_beside_the_addresses_of_sip() {
    let sip: Vec<SocketAddr> = ["192.0.2.1:5060", "192.0.2.1:5070", "[::1]:0"]
        .iter()
        .map(|text| text.parse().unwrap())
        .collect();
    let at = |listen: &Listen| addresses(listen, PORT, &sip);
    let beside: Vec<SocketAddr> = ["192.0.2.1:3478", "[::1]:0"]
        .iter()
        .map(|text| text.parse().unwrap())
        .collect();
    assert_eq!(at(&Listen::Beside), beside);
    assert!(at(&Listen::Off).is_empty());
    assert_eq!(at(&Listen::At(sip[..1].to_vec())), sip[..1]);
}
