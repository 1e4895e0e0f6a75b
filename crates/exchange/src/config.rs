//! What an exchange is told about itself. Plain values; reading files is the shell's.

use core::time::Duration;
use std::net::{IpAddr, SocketAddr};

use fernamt_sip::digest::Algorithm;
use fernamt_sip::transport::Transport;

use crate::encryption::{Encryption, IceMode};
use crate::media::Fingerprint;

/// The settings of one exchange. Every value has a default.
#[derive(Clone, Debug)]
pub struct Config {
    /// The digest realm. Device passwords are hashed with it, so it cannot be changed later without
    /// new passwords.
    pub realm: Box<str>,
    /// Host names that are ours besides our addresses, lower case.
    pub domains: Vec<Box<str>>,
    /// What we listen on; filled in by the shell. An unspecified address stands for all of the
    /// machine's.
    pub listeners: Vec<(Transport, SocketAddr)>,
    /// Addresses of this machine; a request URI with one of them is ours.
    pub addresses: Vec<IpAddr>,
    /// The address that others must use to reach us, where it is not our own (a router in between
    /// forwards the ports). Written into Via, Contact and SDP instead of the local address.
    pub advertised: Option<IpAddr>,
    /// The number that plays back what one says.
    pub echo_number: Box<str>,
    /// Country code for numbers dialled in national form, for example `49`; `None`: only
    /// international numbers are understood.
    pub country_code: Option<Box<str>>,
    /// Secret of the digest nonces and of everything else that must not be guessed; kept by the
    /// shell so that it survives a restart.
    pub secret: [u8; 32],
    /// The digest algorithms that are offered, in this order. RFC 8760 wants the strongest first;
    /// but many phones look at the first challenge only, or refuse to go on when there is one that
    /// they do not know, so that the default is the one that all of them know. A stronger one is
    /// accepted although it was not offered.
    pub digest_algorithms: Vec<Algorithm>,
    /// How long a nonce is good.
    pub nonce_lifetime: Duration,
    /// Shortest and longest registration, and the one for a request that names none.
    pub registration: Expiry,
    /// Session timer that we ask for, and the least we accept (RFC 4028).
    pub session_interval: Duration,
    /// The least session interval that we accept (RFC 4028 Min-SE).
    pub session_minimum: Duration,
    /// A call without any media from a side that may send is released after this; `None`: never.
    pub media_silence: Option<Duration>,
    /// Whether the media of devices are encrypted whose record says nothing of it.
    pub encryption: Encryption,
    /// The part that the media plane plays in connectivity checks.
    pub ice: IceMode,
    /// What the certificate of the media plane hashes to; `None`: it has none, and DTLS is neither
    /// offered nor accepted.
    pub fingerprint: Option<Fingerprint>,
    /// How long it rings before the caller is told that nobody answers.
    pub ring_time: Duration,
    /// Whether 3xx answers of a device are followed, and how many.
    pub redirects: u8,
    /// Sources that no rate limit and no ban touches, as `address/bits`.
    pub trusted_sources: Vec<Network>,
    /// Sources that are refused always.
    pub denied_sources: Vec<Network>,
    /// Rate limits and bans.
    pub guard: GuardConfig,
    /// Calls in progress per shard before new ones get 503.
    pub max_calls: usize,
}

/// Bounds of a registration's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// Shorter ones are answered 423.
    pub minimum: Duration,
    /// Longer ones are shortened.
    pub maximum: Duration,
    /// For a REGISTER that names none.
    pub default: Duration,
}

/// A range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// Its first address.
    pub address: IpAddr,
    /// How many leading bits count.
    pub bits: u8,
}

/// Rate limits and bans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuardConfig {
    /// Messages a second from one source, in the long run.
    pub messages_per_second: u32,
    /// Messages at once from one source.
    pub burst: u32,
    /// Failed authentications of one source before it is banned.
    pub failures_before_ban: u32,
    /// Within this time.
    pub failure_window: Duration,
    /// How long a ban lasts.
    pub ban: Duration,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            realm: "fernamt".into(),
            domains: Vec::new(),
            listeners: Vec::new(),
            addresses: Vec::new(),
            advertised: None,
            echo_number: "*43".into(),
            country_code: None,
            secret: [0; 32],
            digest_algorithms: vec![Algorithm::Md5],
            nonce_lifetime: Duration::from_secs(300),
            registration: Expiry {
                minimum: Duration::from_secs(60),
                maximum: Duration::from_secs(7200),
                default: Duration::from_secs(3600),
            },
            session_interval: Duration::from_secs(1800),
            session_minimum: Duration::from_secs(90),
            media_silence: Some(Duration::from_secs(300)),
            encryption: Encryption::Automatic,
            ice: IceMode::Full,
            fingerprint: None,
            ring_time: Duration::from_secs(120),
            redirects: 5,
            trusted_sources: vec![
                Network {
                    address: IpAddr::from([127, 0, 0, 0]),
                    bits: 8,
                },
                Network {
                    address: IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]),
                    bits: 128,
                },
            ],
            denied_sources: Vec::new(),
            guard: GuardConfig {
                messages_per_second: 200,
                burst: 1000,
                failures_before_ban: 10,
                failure_window: Duration::from_secs(60),
                ban: Duration::from_secs(600),
            },
            max_calls: 100_000,
        }
    }
}
