//! The settings of a node and the TOML file they are read from. Every setting has a default; what
//! is changed while the exchange runs (devices, numbers) is records and not here.

mod reader;
mod values;

use core::fmt;
use core::str::FromStr;
use core::time::Duration;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use fernamt_exchange::config::{Config, Network};
use toml::de::DeTable;

pub use self::reader::ConfigError;
use self::reader::{File, Section};

/// A configuration file may be this long, in bytes.
pub const MAX_CONFIG_BYTES: u64 = 1 << 20;

/// Every setting with its default and what it means, as a file to start from.
pub const DEFAULT_FILE: &str = include_str!("default.toml");

/// TLS listens on the SIP port plus this (RFC 3261 section 19.1.2: 5060 and 5061).
pub const TLS_PORT_OFFSET: u16 = 1;
/// WebSocket listens on the SIP port plus this.
pub const WEBSOCKET_PORT_OFFSET: u16 = 3;
/// Secure WebSocket listens on the SIP port plus this.
pub const SECURE_WEBSOCKET_PORT_OFFSET: u16 = 4;

/// The settings of one node.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// The data folder; made at first start.
    pub data: PathBuf,
    /// How much is logged: `error`, `warn`, `info`, `debug` or `trace`.
    pub log: String,
    /// How many shards, each with a thread; `None`: one for two cores.
    pub shards: Option<usize>,
    /// What is listened on.
    pub listen: ListenConfig,
    /// Certificates.
    pub tls: TlsConfig,
    /// Where voice flows.
    pub media: MediaConfig,
    /// The TURN server.
    pub turn: TurnConfig,
    /// What the exchange is told about itself. The shell fills in its listeners, addresses and
    /// secret.
    pub exchange: Config,
    /// Bounds of stream connections.
    pub connections: ConnectionLimits,
    /// Name servers; empty: those of the system.
    pub name_servers: Vec<SocketAddr>,
    /// How long a stop waits for the last call. Zero: calls in progress stay on disk and the next
    /// start picks them up.
    pub drain: Duration,
    /// Whether SIGTERM, SIGINT and SIGHUP are handled; a test that runs several nodes says no.
    pub signals: bool,
}

/// What is listened on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenConfig {
    /// Addresses and ports of UDP and TCP.
    pub sip: Vec<SocketAddr>,
    /// Whether UDP is served on them.
    pub udp: bool,
    /// Whether TCP is served on them.
    pub tcp: bool,
    /// TLS.
    pub tls: Listen,
    /// WebSocket.
    pub websocket: Listen,
    /// Secure WebSocket.
    pub secure_websocket: Listen,
}

/// Where one further transport listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// On the SIP addresses, at the SIP port plus the transport's offset. A port that is taken is
    /// only warned of.
    Beside,
    /// Here. A port that is taken is an error.
    At(Vec<SocketAddr>),
    /// Nowhere.
    Off,
}

/// Certificates and keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsConfig {
    /// The certificate chain as PEM; `None`: a self-signed one is made in the data folder.
    pub certificate: Option<PathBuf>,
    /// Its key as PEM.
    pub key: Option<PathBuf>,
    /// Whom we trust when we connect to others, as PEM.
    pub authorities: PathBuf,
}

/// Where voice flows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaConfig {
    /// The local address of media; `None`: the one that the signalling of the party uses.
    pub address: Option<IpAddr>,
    /// The ports.
    pub ports: PortRange,
    /// Media endpoints at once, at most; `None`: as many as the ports allow.
    pub endpoints: Option<usize>,
}

/// The TURN server: relays for phones that no packet reaches directly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnConfig {
    /// Whether it is served.
    pub enabled: bool,
    /// UDP and TCP; [`Listen::Beside`]: the SIP addresses at port 3478. A port that is taken is only
    /// warned of.
    pub listen: Listen,
    /// TLS; [`Listen::Beside`]: the SIP addresses at port 5349.
    pub tls: Listen,
    /// The ports of relays.
    pub relay_ports: PortRange,
    /// Networks that relays may reach although they are not public.
    pub allow_peers: Vec<Network>,
    /// Relays at once.
    pub allocations: usize,
    /// Relays of one device at once.
    pub allocations_per_device: usize,
}

/// Ports from the first to the last, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRange {
    /// The first.
    pub first: u16,
    /// The last.
    pub last: u16,
}

/// Bounds of stream connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Connections at once. When it is reached, the oldest one that has not yet sent a whole
    /// message goes.
    pub total: usize,
    /// Connections at once from one source address that is not trusted.
    pub per_source: usize,
    /// A connection on which nothing has come for this long is closed.
    pub idle: Duration,
}

impl Default for NodeConfig {
    fn default() -> NodeConfig {
        NodeConfig {
            data: PathBuf::from("fernamt-data"),
            log: "info".to_owned(),
            shards: None,
            listen: ListenConfig::default(),
            tls: TlsConfig {
                certificate: None,
                key: None,
                authorities: PathBuf::from("/etc/ssl/certs/ca-certificates.crt"),
            },
            media: MediaConfig {
                address: None,
                ports: PortRange {
                    first: 10_000,
                    last: 59_999,
                },
                endpoints: None,
            },
            turn: TurnConfig::default(),
            exchange: Config::default(),
            connections: ConnectionLimits::default(),
            name_servers: Vec::new(),
            drain: Duration::ZERO,
            signals: true,
        }
    }
}

impl Default for ListenConfig {
    fn default() -> ListenConfig {
        ListenConfig {
            sip: vec![
                SocketAddr::from(([0, 0, 0, 0], 5060)),
                SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 0], 5060)),
            ],
            udp: true,
            tcp: true,
            tls: Listen::Beside,
            websocket: Listen::Beside,
            secure_websocket: Listen::Beside,
        }
    }
}

impl Default for TurnConfig {
    fn default() -> TurnConfig {
        TurnConfig {
            enabled: true,
            listen: Listen::Beside,
            tls: Listen::Beside,
            // Above what the system gives to programs that ask for any port.
            relay_ports: PortRange {
                first: 61_000,
                last: 65_535,
            },
            allow_peers: Vec::new(),
            allocations: 2000,
            allocations_per_device: 10,
        }
    }
}

impl Default for ConnectionLimits {
    fn default() -> ConnectionLimits {
        ConnectionLimits {
            total: 100_000,
            per_source: 256,
            idle: Duration::from_secs(7500),
        }
    }
}

/// The text is not a range of ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a range of ports is written LOW-HIGH, such as 20000-29999, with LOW at least 1 and below HIGH"
)]
pub struct NotAPortRange;

impl FromStr for PortRange {
    type Err = NotAPortRange;

    fn from_str(text: &str) -> Result<PortRange, NotAPortRange> {
        let (first, last) = text.split_once('-').ok_or(NotAPortRange)?;
        let first = first.trim().parse().map_err(|_| NotAPortRange)?;
        let last = last.trim().parse().map_err(|_| NotAPortRange)?;
        if first == 0 || first >= last {
            return Err(NotAPortRange);
        }
        Ok(PortRange { first, last })
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.first, self.last)
    }
}

impl MediaConfig {
    /// Takes `ADDR:LOW-HIGH`, as the option `--media` gives it; an IPv6 address stands in brackets.
    ///
    /// # Errors
    /// When the text is something else.
    pub fn set(&mut self, text: &str) -> Result<(), NotAMediaAddress> {
        let (address, ports) = text.rsplit_once(':').ok_or(NotAMediaAddress)?;
        let address = address.trim_start_matches('[').trim_end_matches(']');
        let address: IpAddr = address.parse().map_err(|_| NotAMediaAddress)?;
        self.ports = ports.parse().map_err(|_| NotAMediaAddress)?;
        self.address = Some(address).filter(|address| !address.is_unspecified());
        Ok(())
    }
}

/// The text is not a media address with its ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a media address is written ADDR:LOW-HIGH, such as 192.0.2.1:20000-29999")]
pub struct NotAMediaAddress;

impl NodeConfig {
    /// The defaults, changed by what the file says.
    ///
    /// # Errors
    /// When the file cannot be read, is not TOML, has a key that does not exist, or a value that a
    /// key cannot have; the error names the file, the line, the key and the remedy.
    pub fn load(path: &Path) -> Result<NodeConfig, ConfigError> {
        let whole = |problem: String| ConfigError {
            file: path.to_path_buf(),
            line: None,
            key: None,
            problem,
        };
        let length = std::fs::metadata(path)
            .map_err(|error| whole(error.to_string()))?
            .len();
        if length > MAX_CONFIG_BYTES {
            return Err(whole(format!(
                "the file is longer than {MAX_CONFIG_BYTES} bytes"
            )));
        }
        let text = std::fs::read_to_string(path).map_err(|error| whole(error.to_string()))?;
        NodeConfig::parse(path, &text)
    }

    /// The defaults, changed by the text of a file; `path` is for errors only.
    ///
    /// # Errors
    /// As [`NodeConfig::load`].
    pub fn parse(path: &Path, text: &str) -> Result<NodeConfig, ConfigError> {
        let file = File { path, text };
        let table = DeTable::parse(text).map_err(|error| {
            file.error(
                error.span().map(|span| span.start),
                None,
                error.message().to_owned(),
            )
        })?;
        let mut config = NodeConfig::default();
        let mut root = Section::root(file, table.get_ref());
        config.read_root(&mut root)?;
        config.read_listen(root.section("listen")?)?;
        config.read_identity(root.section("identity")?)?;
        config.read_tls(root.section("tls")?)?;
        config.read_media(root.section("media")?)?;
        config.read_turn(root.section("turn")?)?;
        config.read_access(root.section("access")?)?;
        config.read_limits(root.section("limits")?)?;
        config.read_registration(root.section("registration")?)?;
        config.read_calls(root.section("calls")?)?;
        root.finish()?;
        Ok(config)
    }

    fn read_root(&mut self, root: &mut Section<'_>) -> Result<(), ConfigError> {
        root.read("data", &mut self.data)?;
        root.read("log", &mut self.log)?;
        root.read("drain_seconds", &mut self.drain)?;
        root.read("name_servers", &mut self.name_servers)?;
        self.shards = root.optional("shards")?.filter(|shards| *shards > 0);
        Ok(())
    }

    fn read_listen(&mut self, mut section: Section<'_>) -> Result<(), ConfigError> {
        let listen = &mut self.listen;
        section.read("sip", &mut listen.sip)?;
        section.read("udp", &mut listen.udp)?;
        section.read("tcp", &mut listen.tcp)?;
        section.read("tls", &mut listen.tls)?;
        section.read("websocket", &mut listen.websocket)?;
        section.read("secure_websocket", &mut listen.secure_websocket)?;
        section.finish()
    }

    fn read_identity(&mut self, mut section: Section<'_>) -> Result<(), ConfigError> {
        let exchange = &mut self.exchange;
        section.read("realm", &mut exchange.realm)?;
        section.read("digest", &mut exchange.digest_algorithms)?;
        section.read("domains", &mut exchange.domains)?;
        for domain in &mut exchange.domains {
            *domain = domain.to_ascii_lowercase().into();
        }
        if let Some(advertised) = section.optional("advertised")? {
            exchange.advertised = Some(advertised);
        }
        section.finish()
    }

    fn read_tls(&mut self, mut section: Section<'_>) -> Result<(), ConfigError> {
        self.tls.certificate = section.optional("certificate")?;
        self.tls.key = section.optional("key")?;
        section.read("authorities", &mut self.tls.authorities)?;
        section.finish()
    }

    fn read_media(&mut self, mut section: Section<'_>) -> Result<(), ConfigError> {
        self.media.address = section.optional("address")?;
        section.read("ports", &mut self.media.ports)?;
        self.media.endpoints = section.optional("endpoints")?;
        section.read("encryption", &mut self.exchange.encryption)?;
        section.read("ice", &mut self.exchange.ice)?;
        section.finish()
    }

    fn read_turn(&mut self, mut section: Section<'_>) -> Result<(), ConfigError> {
        let turn = &mut self.turn;
        section.read("enabled", &mut turn.enabled)?;
        section.read("listen", &mut turn.listen)?;
        section.read("tls", &mut turn.tls)?;
        section.read("relay_ports", &mut turn.relay_ports)?;
        section.read("allow_peers", &mut turn.allow_peers)?;
        section.read("allocations", &mut turn.allocations)?;
        section.read("allocations_per_device", &mut turn.allocations_per_device)?;
        section.finish()
    }

    fn read_access(&mut self, mut section: Section<'_>) -> Result<(), ConfigError> {
        section.read("trusted", &mut self.exchange.trusted_sources)?;
        section.read("denied", &mut self.exchange.denied_sources)?;
        section.finish()
    }

    fn read_limits(&mut self, mut section: Section<'_>) -> Result<(), ConfigError> {
        let guard = &mut self.exchange.guard;
        section.read("calls", &mut self.exchange.max_calls)?;
        section.read("connections", &mut self.connections.total)?;
        section.read("connections_per_source", &mut self.connections.per_source)?;
        section.read("connection_idle_seconds", &mut self.connections.idle)?;
        section.read("messages_per_second", &mut guard.messages_per_second)?;
        section.read("burst", &mut guard.burst)?;
        section.read("failures_before_ban", &mut guard.failures_before_ban)?;
        section.read("failure_window_seconds", &mut guard.failure_window)?;
        section.read("ban_seconds", &mut guard.ban)?;
        section.finish()
    }

    fn read_registration(&mut self, mut section: Section<'_>) -> Result<(), ConfigError> {
        let expiry = &mut self.exchange.registration;
        section.read("minimum_seconds", &mut expiry.minimum)?;
        section.read("maximum_seconds", &mut expiry.maximum)?;
        section.read("default_seconds", &mut expiry.default)?;
        section.read("nonce_seconds", &mut self.exchange.nonce_lifetime)?;
        section.finish()
    }

    fn read_calls(&mut self, mut section: Section<'_>) -> Result<(), ConfigError> {
        let exchange = &mut self.exchange;
        section.read("echo_number", &mut exchange.echo_number)?;
        if let Some(code) = section.optional("country_code")? {
            exchange.country_code = Some(code);
        }
        section.read("session_seconds", &mut exchange.session_interval)?;
        section.read("session_minimum_seconds", &mut exchange.session_minimum)?;
        section.read("ring_seconds", &mut exchange.ring_time)?;
        section.read("redirects", &mut exchange.redirects)?;
        if let Some(silence) = section.optional::<Duration>("media_silence_seconds")? {
            exchange.media_silence = Some(silence).filter(|silence| !silence.is_zero());
        }
        section.finish()
    }
}

#[cfg(test)]
mod tests;
