//! The TURN server of a node: its ports, its thread, its connections. Who gets a relay, and what it
//! may reach, is decided in `fernamt_stun::server`; nothing of that is here.

mod connections;
mod credential;
mod inbox;
mod outlet;
mod relays;
mod settings;
mod thread;

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use fernamt_exchange::directory::Directory;
use fernamt_sip::transport::Transport;
use fernamt_stun::server::{Figures, Keys, Server};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use self::connections::Connections;
use self::inbox::{Inbox, Item};
use self::thread::TurnThread;
use crate::config::{Listen, TurnConfig};
use crate::error::NodeError;
use crate::network::random_bytes;
use crate::transport::access::Access;
use crate::transport::stream::{self, Binding};
use crate::transport::tls::Tls;
use crate::transport::udp::{self, Socket};

pub(crate) use self::settings::{Surroundings, server_settings};

/// The port of STUN and TURN (RFC 8489 section 18.6).
const PORT: u16 = 3478;
/// The port of both over TLS.
const TLS_PORT: u16 = 5349;

/// How often a port that the system chose for UDP is given up because TCP has it in use.
const FREE_PORT_ATTEMPTS: usize = 16;

/// What the server asks of the rest of the node.
pub(crate) trait TurnServices: Send + Sync {
    /// The keys of a device.
    fn keys(&self, user: &str) -> Option<Keys>;
    /// A source has failed to authenticate.
    fn authentication_failed(&self, source: SocketAddr);
    /// A source has done so too often.
    fn ignored(&self, source: IpAddr);
}

/// The keys of a device: the stored hashes of SIP's digest are the keys of TURN, when both have the
/// same realm (RFC 7616 section 3.4.2, RFC 8489 section 9.2.2).
pub(crate) fn keys_of(directory: &Directory, user: &str) -> Option<Keys> {
    directory.device(user).map(|device| Keys {
        md5: device.ha1.md5,
        sha256: device.ha1.sha256,
    })
}

/// Ports that are open, and not read yet.
#[derive(Debug, Default)]
pub(crate) struct TurnListeners {
    udp: Vec<Socket>,
    streams: Vec<Binding>,
}

impl TurnListeners {
    /// Opens what can be opened. A port that somebody else has is only warned of: calls do not need
    /// it. To be called within the runtime of the streams.
    pub(crate) fn open(config: &TurnConfig, sip: &[SocketAddr]) -> TurnListeners {
        let mut listeners = TurnListeners::default();
        if !config.enabled {
            return listeners;
        }
        for address in addresses(&config.listen, PORT, sip) {
            match listeners.open_both(address) {
                Ok(()) => {}
                Err(error) => warn_of(address, error),
            }
        }
        for address in addresses(&config.tls, TLS_PORT, sip) {
            match stream::bind(Transport::Tls, address) {
                Ok(binding) => listeners.streams.push(binding),
                Err(error) => warn_of(address, error),
            }
        }
        listeners
    }

    /// UDP and TCP on the same port. Where only TCP is taken, UDP is served alone.
    fn open_both(&mut self, address: SocketAddr) -> Result<(), NodeError> {
        let mut attempt = 1;
        loop {
            let sockets = udp::bind(address, 1)?;
            let bound = sockets.first().map_or(address, Socket::bound);
            let listener = stream::bind(Transport::Tcp, bound);
            // The system chose the port for UDP, and TCP has it in use.
            if listener.is_err() && address.port() == 0 && attempt < FREE_PORT_ATTEMPTS {
                attempt += 1;
                continue;
            }
            self.udp.extend(sockets);
            self.streams.push(listener?);
            return Ok(());
        }
    }

    /// What is listened on.
    pub(crate) fn list(&self) -> Vec<(Transport, SocketAddr)> {
        let udp = self.udp.iter().map(|it| (Transport::Udp, it.bound()));
        let streams = self.streams.iter().map(|it| (it.transport, it.address));
        udp.chain(streams).collect()
    }
}

fn addresses(listen: &Listen, port: u16, sip: &[SocketAddr]) -> Vec<SocketAddr> {
    let mut list: Vec<SocketAddr> = match listen {
        Listen::Off => Vec::new(),
        Listen::At(addresses) => addresses.clone(),
        Listen::Beside => sip
            .iter()
            .map(|sip| {
                // A port that the system chose has no neighbours that could be expected.
                let port = if sip.port() == 0 { 0 } else { port };
                SocketAddr::new(sip.ip(), port)
            })
            .collect(),
    };
    list.sort_unstable();
    list.dedup();
    list
}

fn warn_of(address: SocketAddr, error: NodeError) {
    match error {
        NodeError::PortTaken {
            transport, holder, ..
        } => tracing::warn!(
            "{transport} port {} on {} is already in use{holder}; TURN is not served there until \
             that program is stopped or the key turn.listen names another port",
            address.port(),
            address.ip()
        ),
        // A machine without IPv6 is no reason to worry anybody.
        NodeError::Listen { error, .. } if address.ip().is_unspecified() && address.is_ipv6() => {
            tracing::debug!(%address, %error, "TURN is not served there");
        }
        error => tracing::warn!("TURN is not served on {address}: {error}"),
    }
}

/// The TURN server of a node, which runs.
pub(crate) struct Turn {
    inbox: Arc<Inbox>,
    figures: Arc<Mutex<Figures>>,
    addresses: Vec<(Transport, SocketAddr)>,
    serving: Vec<AbortHandle>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What a TURN server is made of.
pub(crate) struct TurnParts {
    pub(crate) runtime: Handle,
    pub(crate) listeners: TurnListeners,
    pub(crate) settings: fernamt_stun::server::ServerSettings,
    pub(crate) services: Arc<dyn TurnServices>,
    pub(crate) access: Arc<Access>,
    pub(crate) tls: Arc<Tls>,
}

impl Turn {
    /// Begins to serve; `None` when no port is open.
    ///
    /// # Errors
    /// When the system gives no thread or no epoll.
    pub(crate) fn start(parts: TurnParts) -> Result<Option<Turn>, NodeError> {
        let addresses = parts.listeners.list();
        if addresses.is_empty() {
            return Ok(None);
        }
        let inbox = Inbox::new().map_err(NodeError::system("cannot make an inbox"))?;
        let inbox = Arc::new(inbox);
        let figures = Arc::new(Mutex::new(Figures::default()));
        let server = Server::new(parts.settings, random_bytes()?);
        let thread = TurnThread::new(
            server,
            parts.listeners.udp,
            Arc::clone(&inbox),
            parts.services,
            Arc::clone(&parts.access),
            Arc::clone(&figures),
        )
        .map_err(NodeError::system("cannot set up the TURN server"))?;
        let thread = std::thread::Builder::new()
            .name("turn".to_owned())
            .spawn(move || thread.run())
            .map_err(NodeError::system("cannot start the thread of TURN"))?;
        let connections = Arc::new(Connections::new(
            Arc::clone(&inbox),
            parts.access,
            parts.tls,
        ));
        let serving = parts.listeners.streams.into_iter().map(|binding| {
            let task = connections::serve(Arc::clone(&connections), binding);
            parts.runtime.spawn(task).abort_handle()
        });
        let serving = serving.collect();
        for (transport, address) in &addresses {
            tracing::info!(%transport, %address, "listening for TURN");
        }
        Ok(Some(Turn {
            inbox,
            figures,
            addresses,
            serving,
            thread: Mutex::new(Some(thread)),
        }))
    }

    /// What is listened on.
    pub(crate) fn addresses(&self) -> &[(Transport, SocketAddr)] {
        &self.addresses
    }

    /// What was counted.
    pub(crate) fn figures(&self) -> Figures {
        *self.figures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ignores a source no longer.
    pub(crate) fn forgive(&self, source: IpAddr) {
        self.inbox.push(Item::Forgiven(source));
    }

    /// Ends it; a second time does nothing.
    pub(crate) fn stop(&self) {
        for task in &self.serving {
            task.abort();
        }
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(thread) = thread else {
            return;
        };
        self.inbox.push(Item::Stop);
        if thread.join().is_err() {
            tracing::error!("the TURN server ended by a panic");
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.stop();
    }
}

#[cfg(test)]
mod tests;
