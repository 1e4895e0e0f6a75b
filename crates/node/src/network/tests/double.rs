//! A core that answers every request with a line that says on which flow it came, and a network
//! around it.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fernamt_exchange::exchange::CallSummary;
use fernamt_exchange::interface::{Answer, Event, Input, Output, Question, QuestionId, Write};
use fernamt_exchange::media;
use fernamt_sip::time::{Now, Time};
use fernamt_sip::transport::{ConnectionId, Flow, Transport};
use tokio::runtime::Runtime;

use crate::config::{ConnectionLimits, ListenConfig, NodeConfig};
use crate::error::NodeError;
use crate::network::{Network, NetworkParts};
use crate::shard::{Core, Services};
use crate::transport::access::Access;
use crate::transport::stream::Times;
use crate::transport::tls::Tls;

pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// What the double has seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Message {
        shard: u16,
        flow: Flow,
        bytes: Vec<u8>,
    },
    Closed(u16, ConnectionId),
    SendFailed(Flow),
}

pub(super) struct Echo {
    shard: u16,
    seen: Sender<Seen>,
    outputs: Vec<Output>,
}

impl Echo {
    /// `OPEN <transport> <address> [name]` makes the double send a request of its own there.
    fn open(&mut self, local: SocketAddr, text: &str) {
        let mut words = text.split_ascii_whitespace().skip(1);
        let transport: Transport = words.next().unwrap().parse().unwrap();
        let remote: SocketAddr = words.next().unwrap().parse().unwrap();
        let server_name = words.next().filter(|word| *word != "-").map(Arc::from);
        let local = SocketAddr::new(local.ip(), 0);
        let flow = Flow {
            transport,
            local,
            remote,
            connection: None,
        };
        let bytes = Arc::from(&b"OPTIONS sip:x SIP/2.0\r\nContent-Length: 0\r\n\r\n"[..]);
        self.outputs.push(Output::Send {
            flow,
            server_name,
            bytes,
        });
    }
}

impl Core for Echo {
    fn handle(&mut self, _now: Now, input: Input<'_>) {
        let seen = match input {
            Input::Message { flow, bytes } => {
                let text = String::from_utf8_lossy(bytes);
                if let Some(body) = text
                    .split("\r\n\r\n")
                    .nth(1)
                    .filter(|b| b.starts_with("OPEN"))
                {
                    self.open(flow.local, body);
                } else if !text.starts_with("SIP/2.0") {
                    let answer = reply(self.shard, &flow);
                    let bytes = Arc::from(answer.into_bytes());
                    self.outputs.push(Output::Send {
                        flow,
                        server_name: None,
                        bytes,
                    });
                }
                Seen::Message {
                    shard: self.shard,
                    flow,
                    bytes: bytes.to_vec(),
                }
            }
            Input::ConnectionClosed { connection } => Seen::Closed(self.shard, connection),
            Input::SendFailed { flow } => Seen::SendFailed(flow),
            _ => return,
        };
        let _ = self.seen.send(seen);
    }

    fn poll(&mut self) -> Option<Output> {
        if self.outputs.is_empty() {
            None
        } else {
            Some(self.outputs.remove(0))
        }
    }

    fn next_deadline(&self) -> Option<Time> {
        None
    }

    fn calls(&self) -> Vec<CallSummary> {
        Vec::new()
    }

    fn call_count(&self) -> usize {
        0
    }

    fn lift_ban(&mut self, _: IpAddr) {}

    /// By the byte after `shard=`, else the first.
    fn shard_of(message: &[u8], shards: u16) -> u16 {
        let text = String::from_utf8_lossy(message);
        let wanted = text
            .split("shard=")
            .nth(1)
            .and_then(|rest| rest.chars().next());
        wanted
            .and_then(|digit| digit.to_digit(10))
            .map_or(0, |n| n as u16 % shards)
    }
}

/// What the double answers.
pub(super) fn reply(shard: u16, flow: &Flow) -> String {
    format!(
        "SIP/2.0 200 {shard} {} {} {}\r\nContent-Length: 0\r\n\r\n",
        flow.transport, flow.local, flow.remote
    )
}

pub(super) fn request(body: &str) -> String {
    format!(
        "OPTIONS sip:x SIP/2.0\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

struct NoServices(Mutex<Vec<ConnectionId>>);

impl Services for NoServices {
    fn ask(&self, _: Now, _: u16, _: QuestionId, _: Question) -> Option<Answer> {
        Some(Answer::Unavailable)
    }

    fn media(&self, _: u16, _: media::Command) -> Option<media::Event> {
        None
    }

    fn write(&self, _: u16, _: Write) {}

    fn publish(&self, _: u16, _: Event) {}

    fn connection_closed(&self, connection: ConnectionId) {
        self.0.lock().unwrap().push(connection);
    }
}

/// A running network of doubles.
pub(super) struct TestNetwork {
    pub(super) network: Network,
    pub(super) seen: Receiver<Seen>,
    pub(super) runtime: Runtime,
    pub(super) folder: tempfile::TempDir,
}

pub(super) struct Options {
    pub(super) listen: ListenConfig,
    pub(super) limits: ConnectionLimits,
    pub(super) times: Times,
    pub(super) shards: u16,
    /// Whether loopback is trusted.
    pub(super) trusted: bool,
    /// Whom the double trusts, as PEM; nobody by default.
    pub(super) authorities: Option<PathBuf>,
}

impl Options {
    /// Everything on loopback, at ports that the system chooses.
    pub(super) fn loopback() -> Options {
        let listen = ListenConfig {
            sip: vec!["127.0.0.1:0".parse().unwrap()],
            ..ListenConfig::default()
        };
        Options {
            listen,
            limits: ConnectionLimits::default(),
            times: Times::default(),
            shards: 1,
            trusted: true,
            authorities: None,
        }
    }
}

impl TestNetwork {
    pub(super) fn start(options: Options) -> TestNetwork {
        TestNetwork::try_start(options).unwrap()
    }

    pub(super) fn try_start(options: Options) -> Result<TestNetwork, NodeError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut config = NodeConfig::default();
        config.tls.authorities = options
            .authorities
            .unwrap_or_else(|| PathBuf::from("/dev/null"));
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let tls = Tls::open(&config.tls, &folder.path().join("tls"), &names)?;
        let trusted = if options.trusted {
            config.exchange.trusted_sources.clone()
        } else {
            Vec::new()
        };
        let mut network = Network::open(NetworkParts {
            runtime: runtime.handle().clone(),
            listen: &options.listen,
            limits: options.limits,
            times: options.times,
            shards: options.shards,
            access: Arc::new(Access::new(trusted, Vec::new())),
            tls: Arc::new(tls),
            shard_of: Echo::shard_of,
        })?;
        let (sender, seen) = channel();
        let cores = (0..options.shards)
            .map(|shard| Echo {
                shard,
                seen: sender.clone(),
                outputs: Vec::new(),
            })
            .collect();
        let services: Arc<dyn Services> = Arc::new(NoServices(Mutex::default()));
        network.start_shards(cores, &services)?;
        network.serve_streams();
        Ok(TestNetwork {
            network,
            seen,
            runtime,
            folder,
        })
    }

    /// The first address of a transport.
    pub(super) fn address(&self, transport: Transport) -> SocketAddr {
        self.network
            .addresses
            .iter()
            .find(|(served, _)| *served == transport)
            .unwrap()
            .1
    }

    pub(super) fn next(&self) -> Seen {
        self.seen.recv_timeout(PATIENCE).unwrap()
    }

    /// The certificate that the network shows.
    pub(super) fn certificate(&self) -> PathBuf {
        self.folder.path().join("tls/certificate.pem")
    }
}

impl Drop for TestNetwork {
    fn drop(&mut self) {
        self.network.stop();
    }
}
