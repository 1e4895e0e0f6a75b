//! Which ports are opened: SIP on UDP and TCP, the other transports beside it. Opening only; nothing
//! is read or taken in before the shards run.

use std::io;
use std::net::SocketAddr;

use fernamt_sip::transport::Transport;

use super::stream::{self, Binding};
use super::udp::{self, Socket};
use crate::config::{
    Listen, ListenConfig, SECURE_WEBSOCKET_PORT_OFFSET, TLS_PORT_OFFSET, WEBSOCKET_PORT_OFFSET,
};
use crate::error::NodeError;

/// How often a port that the system chose for UDP is given up because TCP has it in use.
const FREE_PORT_ATTEMPTS: usize = 16;

/// Everything that is open.
#[derive(Debug, Default)]
pub(crate) struct Listeners {
    /// For each shard its UDP sockets.
    pub(crate) udp: Vec<Vec<Socket>>,
    /// Stream listeners.
    pub(crate) streams: Vec<Binding>,
    /// All of them; SIP first.
    pub(crate) list: Vec<(Transport, SocketAddr)>,
}

/// Opens all ports for so many shards. To be called within the runtime of the streams.
///
/// # Errors
/// When a SIP port, or a port that was named for another transport, cannot be opened.
pub(crate) fn open(config: &ListenConfig, shards: u16) -> Result<Listeners, NodeError> {
    let mut listeners = Listeners::default();
    listeners.udp.resize_with(usize::from(shards), Vec::new);
    let mut bases = Vec::new();
    for address in &config.sip {
        match listeners.open_sip(config, *address, shards) {
            Ok(bound) => bases.push((*address, bound)),
            Err(error) if is_missing_family(*address, &error) => {
                tracing::info!(%address, "not listened on: this machine has no IPv6");
            }
            Err(error) => return Err(error),
        }
    }
    listeners.open_beside(Transport::Tls, &config.tls, TLS_PORT_OFFSET, &bases)?;
    listeners.open_beside(
        Transport::Ws,
        &config.websocket,
        WEBSOCKET_PORT_OFFSET,
        &bases,
    )?;
    let offset = SECURE_WEBSOCKET_PORT_OFFSET;
    listeners.open_beside(Transport::Wss, &config.secure_websocket, offset, &bases)?;
    if listeners.list.is_empty() {
        return Err(NodeError::NoListener);
    }
    Ok(listeners)
}

/// Whether all addresses of IPv6 were meant on a machine without it.
fn is_missing_family(address: SocketAddr, error: &NodeError) -> bool {
    let NodeError::Listen { error, .. } = error else {
        return false;
    };
    let missing = error.raw_os_error() == Some(libc::EAFNOSUPPORT)
        || error.kind() == io::ErrorKind::AddrNotAvailable;
    address.is_ipv6() && address.ip().is_unspecified() && missing
}

impl Listeners {
    /// UDP and TCP on the same port; gives the address with the port that it has got.
    fn open_sip(
        &mut self,
        config: &ListenConfig,
        address: SocketAddr,
        shards: u16,
    ) -> Result<SocketAddr, NodeError> {
        let mut attempt = 1;
        loop {
            let mut bound = address;
            let mut sockets = Vec::new();
            if config.udp {
                sockets = udp::bind(address, usize::from(shards))?;
                bound = sockets.first().map_or(address, Socket::bound);
            }
            let mut listener = None;
            if config.tcp {
                match stream::bind(Transport::Tcp, bound) {
                    Ok(binding) => {
                        bound = binding.address;
                        listener = Some(binding);
                    }
                    Err(NodeError::PortTaken { .. })
                        if address.port() == 0 && attempt < FREE_PORT_ATTEMPTS =>
                    {
                        attempt += 1;
                        continue;
                    }
                    Err(error) => return Err(error),
                }
            }
            if !sockets.is_empty() {
                self.list.push((Transport::Udp, bound));
            }
            for (shard, socket) in self.udp.iter_mut().zip(sockets) {
                shard.push(socket);
            }
            if let Some(listener) = listener {
                self.list.push((Transport::Tcp, bound));
                self.streams.push(listener);
            }
            return Ok(bound);
        }
    }

    /// A further transport: where it was named, or beside the SIP ports. `bases` has the SIP
    /// addresses as configured and as bound.
    fn open_beside(
        &mut self,
        transport: Transport,
        listen: &Listen,
        offset: u16,
        bases: &[(SocketAddr, SocketAddr)],
    ) -> Result<(), NodeError> {
        match listen {
            Listen::Off => Ok(()),
            Listen::At(addresses) => {
                for address in addresses {
                    let binding = stream::bind(transport, *address)?;
                    self.add(binding);
                }
                Ok(())
            }
            Listen::Beside => {
                for (configured, bound) in bases {
                    self.try_beside(transport, offset, *configured, *bound);
                }
                Ok(())
            }
        }
    }

    fn try_beside(
        &mut self,
        transport: Transport,
        offset: u16,
        configured: SocketAddr,
        bound: SocketAddr,
    ) {
        let port = match configured.port() {
            // A port that the system chose has no neighbours that could be expected.
            0 => Some(0),
            _ => bound.port().checked_add(offset),
        };
        let Some(port) = port else {
            tracing::warn!(%transport, sip = %bound, "not served: no port above the SIP port");
            return;
        };
        match stream::bind(transport, SocketAddr::new(bound.ip(), port)) {
            Ok(binding) => self.add(binding),
            Err(error) => tracing::warn!("{error}; {transport} is not served until then"),
        }
    }

    fn add(&mut self, binding: Binding) {
        self.list.push((binding.transport, binding.address));
        self.streams.push(binding);
    }
}
