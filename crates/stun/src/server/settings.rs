//! What a server is told about itself, and the limits that nobody configures.

use core::time::Duration;
use std::net::IpAddr;

use super::policy::{PeerPolicy, Ports};
use crate::Network;
use crate::credential::SECRET_BYTES;

/// Permissions of one allocation.
pub const MAX_PERMISSIONS: usize = 64;
/// Channels of one allocation.
pub const MAX_CHANNELS: usize = 64;
/// Ports that are kept for the allocation that is to follow (RFC 8656 section 7.2).
pub const MAX_RESERVATIONS: usize = 64;
/// Requests that wait for an answer to a question; one more is dropped, and its client repeats it.
pub const MAX_QUESTIONS: usize = 256;
/// How long a request waits for the answer.
pub const QUESTION_LIFE: Duration = Duration::from_secs(5);
/// Ports that are tried for an allocation before it is refused, when other programs have them.
pub const PORT_ATTEMPTS: u32 = 8;
/// How long a port is kept for the allocation that is to follow (RFC 8656 section 7.2).
pub const RESERVATION_LIFE: Duration = Duration::from_secs(30);
/// How long a permission lasts (RFC 8656 section 9).
pub const PERMISSION_LIFE: Duration = Duration::from_secs(300);
/// How long a channel lasts (RFC 8656 section 12).
pub const CHANNEL_LIFE: Duration = Duration::from_secs(600);
/// How long an allocation lasts that names no lifetime, and the shortest one (RFC 8656 section 7.2).
pub const DEFAULT_LIFETIME: Duration = Duration::from_secs(600);
/// The longest request; an honest one has some hundred bytes.
pub const MAX_REQUEST_BYTES: usize = 4096;

/// The settings of a server. `Debug` shows no secret.
#[derive(Clone)]
pub struct ServerSettings {
    /// The realm: that of the stored passwords.
    pub realm: Box<str>,
    /// Seals nonces; kept, so that they outlive a restart.
    pub nonce_secret: [u8; 32],
    /// How long a nonce is good.
    pub nonce_life: Duration,
    /// The secret of time-limited credentials.
    pub credential_secret: [u8; SECRET_BYTES],
    /// The addresses of this machine, that which leads to others first: where relays are bound.
    pub addresses: Vec<IpAddr>,
    /// Our address as others see it, where a router forwards the ports.
    pub advertised: Option<IpAddr>,
    /// The ports of relays.
    pub ports: Ports,
    /// Which peers are reached.
    pub peers: PeerPolicy,
    /// Allocations at once.
    pub max_allocations: usize,
    /// Allocations of one device at once.
    pub max_allocations_per_user: usize,
    /// The longest lifetime of an allocation between two refreshes.
    pub max_lifetime: Duration,
    /// Answers a second to one source that has not shown who it is. They are longer than their
    /// questions, and the source may be forged.
    pub unauthenticated_per_second: u32,
    /// Failed authentications of one source before it is ignored.
    pub failures_before_ban: u32,
    /// Within this time.
    pub failure_window: Duration,
    /// How long it is ignored.
    pub ban: Duration,
    /// Sources that neither limit touches.
    pub trusted: Vec<Network>,
}

impl core::fmt::Debug for ServerSettings {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter
            .debug_struct("ServerSettings")
            .field("realm", &self.realm)
            .field("addresses", &self.addresses)
            .field("advertised", &self.advertised)
            .field("ports", &self.ports)
            .field("peers", &self.peers)
            .finish_non_exhaustive()
    }
}

impl ServerSettings {
    /// Settings for a machine with these addresses.
    pub fn new(realm: &str, addresses: Vec<IpAddr>) -> ServerSettings {
        let ports = Ports {
            first: 61_000,
            last: 65_535,
        };
        ServerSettings {
            realm: realm.into(),
            nonce_secret: [0; 32],
            nonce_life: Duration::from_secs(3600),
            credential_secret: [0; SECRET_BYTES],
            peers: PeerPolicy {
                own: addresses.clone(),
                media: Vec::new(),
                media_ports: Ports { first: 1, last: 0 },
                relay_ports: ports,
                control_ports: Vec::new(),
                allow: Vec::new(),
            },
            addresses,
            advertised: None,
            ports,
            max_allocations: 2000,
            max_allocations_per_user: 10,
            max_lifetime: Duration::from_secs(3600),
            unauthenticated_per_second: 100,
            failures_before_ban: 10,
            failure_window: Duration::from_secs(60),
            ban: Duration::from_secs(600),
            trusted: Vec::new(),
        }
    }
}
