//! Shards and connections put together: everything of a node that moves messages, without records,
//! media and commands.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use fernamt_sip::transport::Transport;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use crate::config::{ConnectionLimits, ListenConfig};
use crate::error::NodeError;
use crate::shard::{Core, Counters, Inboxes, Item, Parts, Services, Shard};
use crate::transport::access::Access;
use crate::transport::listeners::{self, Listeners};
use crate::transport::stream::{StreamParts, Streams, Times, serve};
use crate::transport::tls::Tls;

/// The least number of connections, however few files the system allows.
const LEAST_CONNECTIONS: usize = 16;

/// What a network is made of.
pub(crate) struct NetworkParts<'a> {
    pub(crate) runtime: Handle,
    pub(crate) listen: &'a ListenConfig,
    pub(crate) limits: ConnectionLimits,
    pub(crate) times: Times,
    pub(crate) shards: u16,
    pub(crate) access: Arc<Access>,
    pub(crate) tls: Arc<Tls>,
    pub(crate) shard_of: fn(&[u8], u16) -> u16,
}

/// Ports are open, and nothing is read from them yet.
pub(crate) struct Network {
    pub(crate) inboxes: Arc<Inboxes>,
    pub(crate) streams: Arc<Streams>,
    pub(crate) counters: Vec<Arc<Counters>>,
    pub(crate) addresses: Vec<(Transport, SocketAddr)>,
    runtime: Handle,
    listeners: Listeners,
    threads: Vec<JoinHandle<()>>,
    serving: Vec<AbortHandle>,
}

impl Network {
    /// Opens all ports.
    ///
    /// # Errors
    /// When a port cannot be opened.
    pub(crate) fn open(parts: NetworkParts<'_>) -> Result<Network, NodeError> {
        let mut limits = parts.limits;
        // The other half of the files is for media and everything else.
        limits.total = limits.total.min(most_files() / 2).max(LEAST_CONNECTIONS);
        let inboxes = Arc::new(
            Inboxes::new(parts.shards).map_err(NodeError::system("cannot make an inbox"))?,
        );
        let listeners = {
            let _runtime = parts.runtime.enter();
            listeners::open(parts.listen, inboxes.shards())?
        };
        let streams = Arc::new(Streams::new(StreamParts {
            runtime: parts.runtime.clone(),
            inboxes: Arc::clone(&inboxes),
            access: parts.access,
            limits,
            times: parts.times,
            tls: parts.tls,
            shard_of: parts.shard_of,
        }));
        let counters = (0..inboxes.shards()).map(|_| Arc::default()).collect();
        Ok(Network {
            inboxes,
            streams,
            counters,
            addresses: listeners.list.clone(),
            runtime: parts.runtime,
            listeners,
            threads: Vec::new(),
            serving: Vec::new(),
        })
    }

    /// Starts the shards, each with its core. What waits in their inboxes is handled before a
    /// datagram is read. Connections are taken in only after [`Network::serve_streams`].
    ///
    /// # Errors
    /// When the system gives no thread or no epoll.
    pub(crate) fn start_shards<C: Core + 'static>(
        &mut self,
        cores: Vec<C>,
        services: &Arc<dyn Services>,
    ) -> Result<(), NodeError> {
        self.streams.set_services(services);
        let sockets = std::mem::take(&mut self.listeners.udp);
        let parts = (0u16..).zip(cores).zip(sockets).zip(&self.counters);
        for (((number, core), sockets), counters) in parts {
            let shard = Shard::new(Parts {
                core,
                number,
                sockets,
                inboxes: Arc::clone(&self.inboxes),
                services: Arc::clone(services),
                streams: Arc::clone(&self.streams),
                counters: Arc::clone(counters),
            })
            .map_err(NodeError::system("cannot set up a shard"))?;
            let thread = std::thread::Builder::new()
                .name(format!("shard-{number}"))
                .spawn(move || shard.run())
                .map_err(NodeError::system("cannot start the thread of a shard"))?;
            self.threads.push(thread);
        }
        Ok(())
    }

    /// Returns when every shard has handled what was in its inbox before this call.
    pub(crate) fn wait_for_shards(&self) {
        let (done, reached) = std::sync::mpsc::channel();
        self.inboxes.push_all(|| {
            let done = done.clone();
            Item::Reached(Box::new(move || {
                let _ = done.send(());
            }))
        });
        drop(done);
        while reached.recv().is_ok() {}
    }

    /// Begins to take in connections.
    pub(crate) fn serve_streams(&mut self) {
        for binding in self.listeners.streams.drain(..) {
            let task = self
                .runtime
                .spawn(serve(Arc::clone(&self.streams), binding));
            self.serving.push(task.abort_handle());
        }
    }

    /// Ends the shards and closes all connections.
    pub(crate) fn stop(&mut self) {
        self.listeners.streams.clear();
        for task in self.serving.drain(..) {
            task.abort();
        }
        self.inboxes.push_all(|| Item::Stop);
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a shard ended by a panic");
            }
        }
        self.streams.close_all();
    }
}

/// Raises the limit of open files as far as we may, and says what it is.
fn most_files() -> usize {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let raised = rustix::process::Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        };
        if setrlimit(Resource::Nofile, raised).is_ok() {
            limit = raised;
        }
    }
    let files = limit.current.unwrap_or(u64::MAX);
    usize::try_from(files).unwrap_or(usize::MAX)
}

/// How a seed or a secret is drawn.
///
/// # Errors
/// When the system has no randomness.
pub(crate) fn random_bytes<const N: usize>() -> Result<[u8; N], NodeError> {
    let mut bytes = [0; N];
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    provider
        .secure_random
        .fill(&mut bytes)
        .map_err(|_| NodeError::System {
            what: "no random numbers",
            error: io::ErrorKind::Other.into(),
        })?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
