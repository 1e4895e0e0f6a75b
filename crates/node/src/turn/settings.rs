//! The settings of the TURN server, out of those of the node.

use std::net::{IpAddr, SocketAddr};

use fernamt_exchange::config::{self, Config};
use fernamt_sip::transport::Transport;
use fernamt_stun::Network;
use fernamt_stun::credential::{SECRET_BYTES, secret_for};
use fernamt_stun::server::{PeerPolicy, Ports, ServerSettings};

use crate::config::{MediaConfig, PortRange, TurnConfig};

/// What the settings of the server follow from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Surroundings<'a> {
    pub(crate) turn: &'a TurnConfig,
    pub(crate) media: &'a MediaConfig,
    pub(crate) exchange: &'a Config,
    /// What TURN listens on.
    pub(crate) listeners: &'a [(Transport, SocketAddr)],
}

/// The secrets of nonces and of time-limited credentials, out of the one of the installation.
pub(crate) fn secrets(installation: &[u8; SECRET_BYTES]) -> [[u8; SECRET_BYTES]; 2] {
    ["turn nonces", "turn credentials"].map(|purpose| secret_for(purpose, installation))
}

/// The settings of the server.
pub(crate) fn server_settings(of: Surroundings<'_>) -> ServerSettings {
    let Surroundings { turn, exchange, .. } = of;
    let [nonce_secret, credential_secret] = secrets(&exchange.secret);
    let guard = exchange.guard;
    ServerSettings {
        nonce_secret,
        credential_secret,
        advertised: exchange.advertised,
        ports: ports(turn.relay_ports),
        peers: peer_policy(of),
        max_allocations: turn.allocations,
        max_allocations_per_user: turn.allocations_per_device,
        failures_before_ban: guard.failures_before_ban,
        failure_window: guard.failure_window,
        ban: guard.ban,
        trusted: exchange.trusted_sources.iter().map(network).collect(),
        ..ServerSettings::new(&exchange.realm, exchange.addresses.clone())
    }
}

/// Which peers are reached.
fn peer_policy(of: Surroundings<'_>) -> PeerPolicy {
    let exchange = of.exchange;
    let own: Vec<IpAddr> = exchange
        .addresses
        .iter()
        .chain(&exchange.advertised)
        .copied()
        .collect();
    // Media on loopback is reached only where it was put there.
    let mut at: Vec<IpAddr> = own.iter().copied().filter(|ip| !ip.is_loopback()).collect();
    at.extend(of.media.address);
    let control = exchange.listeners.iter().chain(of.listeners);
    PeerPolicy {
        own,
        media: at,
        media_ports: ports(of.media.ports),
        relay_ports: ports(of.turn.relay_ports),
        control_ports: control.map(|(_, address)| address.port()).collect(),
        allow: of.turn.allow_peers.iter().map(network).collect(),
    }
}

fn ports(range: PortRange) -> Ports {
    Ports {
        first: range.first,
        last: range.last,
    }
}

fn network(network: &config::Network) -> Network {
    Network {
        address: network.address,
        bits: network.bits,
    }
}
