//! The start and the end of a node: everything is opened, calls that were in progress are picked up,
//! and only then are sockets read.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fernamt_charging::CallReference;
use fernamt_exchange::Exchange;
use fernamt_exchange::config::Config;
use fernamt_exchange::interface::Command;
use fernamt_media::{Plane, PlaneConfig};
use fernamt_sip::transport::Transport;
use fernamt_store::{BindingJournal, CallJournal, DataFolder, ExchangeLock, Records};
use tokio::runtime::Runtime;
use tokio::sync::Mutex;

use crate::clock;
use crate::config::NodeConfig;
use crate::control::server;
use crate::error::NodeError;
use crate::location::Locations;
use crate::network::{Network, NetworkParts, random_bytes};
use crate::notify::notify;
use crate::records::{self, data_error};
use crate::resolve::{Families, Resolver};
use crate::running::{Running, Stop};
use crate::services::{Commits, NewsCounters, NodeServices};
use crate::shard::{Inboxes, Item, Services};
use crate::signals;
use crate::transport::access::Access;
use crate::transport::interfaces;
use crate::transport::stream::Times;
use crate::transport::tls::Tls;

/// Threads of the async side: connections, name service, commands.
const ASYNC_THREADS: usize = 2;

/// Shards, at most.
const MAX_SHARDS: usize = 256;

/// How often a stop looks whether calls are left, and how often it says so when none ends.
const DRAIN_INTERVAL: Duration = Duration::from_millis(100);
const DRAIN_REPORT: Duration = Duration::from_secs(5);

/// How long async work may take to end.
const RUNTIME_END: Duration = Duration::from_secs(2);

/// How a node is started.
#[derive(Debug)]
pub struct Node;

/// A node that runs. Dropping it ends it at once; calls in progress stay on disk.
pub struct RunningNode {
    // Option: given up at the end, in order.
    parts: Option<Parts>,
}

struct Parts {
    network: Network,
    running: Arc<Running>,
    drain: Duration,
    runtime: Runtime,
    _lock: ExchangeLock,
}

impl Node {
    /// Opens the data folder and the ports, picks up the calls that were in progress when the last
    /// run ended, and begins to serve. To be called outside of any async runtime.
    ///
    /// # Errors
    /// [`NodeError`] says what is in the way and what to do; nothing runs then.
    pub fn start(config: NodeConfig) -> Result<RunningNode, NodeError> {
        let data = config.data.clone();
        let unusable = |error: &dyn std::fmt::Display| data_error(&data, error);
        let folder = DataFolder::open(&data).map_err(|error| unusable(&error))?;
        let lock = folder.lock().map_err(|error| unusable(&error))?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(ASYNC_THREADS)
            .thread_name("async")
            .enable_all()
            .build()
            .map_err(NodeError::system("cannot start the async threads"))?;
        let records = runtime
            .block_on(Records::open(&folder))
            .map_err(|error| unusable(&error))?;
        let mut exchange = config.exchange.clone();
        exchange.secret = folder.secret().map_err(|error| unusable(&error))?;
        exchange.realm = runtime
            .block_on(records::realm(&records, &exchange.realm))
            .map_err(|error| unusable(&error))?;
        exchange.addresses =
            interfaces::addresses().map_err(NodeError::system("cannot list addresses"))?;
        add_host_name(&mut exchange);
        let tls = open_tls(&config, &folder, &exchange)?;
        let access = Arc::new(Access::new(
            exchange.trusted_sources.clone(),
            exchange.denied_sources.clone(),
        ));
        let mut network = Network::open(NetworkParts {
            runtime: runtime.handle().clone(),
            listen: &config.listen,
            limits: config.connections,
            times: Times::default(),
            shards: shard_count(&config),
            access: Arc::clone(&access),
            tls: Arc::clone(&tls),
            shard_of: Exchange::shard_of,
        })?;
        exchange.listeners = network.addresses.clone();
        let (journal, recovered) =
            CallJournal::open(&folder, Commits::new(Arc::clone(&network.inboxes)))
                .map_err(|error| unusable(&error))?;
        let (bindings, saved) = BindingJournal::open(&folder).map_err(|error| unusable(&error))?;
        let (directory, revision) = runtime
            .block_on(records::load(&records))
            .map_err(|error| unusable(&error))?;
        let locations = Arc::new(Locations::new());
        let restored = locations.restore(clock::now().unix, saved);
        let seed = u64::from_ne_bytes(random_bytes()?);
        let resolver = {
            let _runtime = runtime.enter();
            Resolver::new(&config.name_servers, families(&network.addresses), seed)
        };
        tracing::info!(
            devices = directory.len(),
            bindings = restored,
            "records opened"
        );
        let services = Arc::new(NodeServices {
            runtime: runtime.handle().clone(),
            inboxes: Arc::clone(&network.inboxes),
            streams: Arc::clone(&network.streams),
            access,
            locations,
            resolver: Arc::new(resolver),
            plane: start_plane(&config, &exchange, &network.inboxes)?,
            journal: Arc::new(journal),
            config: exchange.clone(),
            media_address: config.media.address,
            directory: directory.into(),
            news: NewsCounters::default(),
            draining: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
        });
        let listener = {
            let _runtime = runtime.enter();
            server::bind(&folder.control_socket()).map_err(|error| unusable(&error))?
        };
        pick_up(&network.inboxes, recovered.open, recovered.damaged_bytes);
        let shared: Arc<dyn Services> = Arc::<NodeServices>::clone(&services);
        let shards = network.inboxes.shards();
        let cores = (0..shards)
            .map(|shard| {
                Exchange::new(exchange.clone(), shard, random_bytes()?)
                    .map_err(|error| NodeError::Realm(error.to_string()))
            })
            .collect::<Result<Vec<_>, _>>()?;
        network.start_shards(cores, &shared)?;
        network.wait_for_shards();
        network.serve_streams();
        let running = Arc::new(Running {
            services,
            records,
            revision: Mutex::new(revision),
            bindings,
            tls,
            counters: network.counters.clone(),
            addresses: network.addresses.clone(),
            folder: data,
            started: Instant::now(),
            stop: Stop::default(),
        });
        runtime.spawn(Arc::clone(&running).keep_house());
        runtime.spawn(server::serve(Arc::clone(&running), listener));
        if config.signals {
            runtime.spawn(signals::handle(Arc::clone(&running)));
        }
        for (transport, address) in &running.addresses {
            tracing::info!(%transport, %address, "listening");
        }
        notify("READY=1\nSTATUS=serving");
        let parts = Parts {
            network,
            running,
            drain: config.drain,
            runtime,
            _lock: lock,
        };
        Ok(RunningNode { parts: Some(parts) })
    }
}

impl RunningNode {
    /// What is listened on; an unspecified address stands for all of the machine's.
    pub fn addresses(&self) -> &[(Transport, SocketAddr)] {
        self.parts
            .as_ref()
            .map_or(&[], |parts| &parts.running.addresses)
    }

    /// The realm of its digest challenges.
    pub fn realm(&self) -> &str {
        self.parts
            .as_ref()
            .map_or("", |parts| &parts.running.services.config.realm)
    }

    /// The addresses of this machine, the one that leads to others first.
    pub fn machine_addresses(&self) -> &[IpAddr] {
        self.parts
            .as_ref()
            .map_or(&[], |parts| &parts.running.services.config.addresses)
    }

    /// Serves until a signal or a command asks for the end, and ends then.
    pub fn wait(mut self) {
        if let Some(parts) = &self.parts {
            parts.runtime.block_on(parts.running.stop.requested());
        }
        self.end(true);
    }

    /// Ends the node as a SIGTERM does.
    pub fn shutdown(mut self) {
        if let Some(parts) = &self.parts {
            parts.running.stop.request();
        }
        self.end(true);
    }

    fn end(&mut self, drain: bool) {
        let Some(mut parts) = self.parts.take() else {
            return;
        };
        notify("STOPPING=1");
        if drain {
            parts.drain();
        }
        let running = &parts.running;
        running.services.stopping.store(true, Ordering::Relaxed);
        parts.network.stop();
        running.write_bindings();
        if let Err(error) = running.bindings.flush() {
            tracing::error!(%error, "bindings were not written");
        }
        if let Err(error) = running.services.journal.flush() {
            tracing::error!(%error, "the journal of calls was not moved; the next start does it");
        }
        let _ = std::fs::remove_file(running.folder.join(crate::control::SOCKET_NAME));
        parts.runtime.shutdown_timeout(RUNTIME_END);
        tracing::info!("ended");
    }
}

impl Drop for RunningNode {
    fn drop(&mut self) {
        self.end(false);
    }
}

impl Parts {
    /// Takes no new calls, and waits for those in progress as long as it may.
    fn drain(&self) {
        let running = &self.running;
        running.services.drain();
        self.network.wait_for_shards();
        let start = Instant::now();
        let mut reported: Option<(u64, Instant)> = None;
        loop {
            let calls = running.call_count();
            let is_news = reported.is_none_or(|(before, at)| {
                before != calls && at.elapsed() >= Duration::from_secs(1)
                    || at.elapsed() >= DRAIN_REPORT
            });
            if is_news {
                tracing::info!(calls, "stopping: no new calls are taken, so many are left");
                notify(&format!("STATUS=stopping, {calls} calls left"));
                reported = Some((calls, Instant::now()));
            }
            if calls == 0 || start.elapsed() >= self.drain || running.stop.requests() > 1 {
                if calls > 0 {
                    tracing::info!(calls, "calls in progress are handed over to the next start");
                }
                return;
            }
            std::thread::sleep(DRAIN_INTERVAL);
        }
    }
}

fn shard_count(config: &NodeConfig) -> u16 {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let count = config.shards.unwrap_or_else(cores).clamp(1, MAX_SHARDS);
    u16::try_from(count).unwrap_or(1)
}

/// The name of the machine is one of ours.
fn add_host_name(exchange: &mut Config) {
    if let Some(name) = host_name().map(|name| Box::from(name.to_ascii_lowercase()))
        && !exchange.domains.contains(&name)
    {
        exchange.domains.push(name);
    }
}

fn host_name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    let name = name.trim();
    Some(name.to_owned()).filter(|name| !name.is_empty() && name != "(none)")
}

fn open_tls(
    config: &NodeConfig,
    folder: &DataFolder,
    exchange: &Config,
) -> Result<Arc<Tls>, NodeError> {
    let mut names: Vec<String> = exchange
        .domains
        .iter()
        .map(|name| name.to_string())
        .collect();
    names.push("localhost".to_owned());
    names.extend(exchange.advertised.iter().map(IpAddr::to_string));
    names.extend(exchange.addresses.iter().map(IpAddr::to_string));
    Tls::open(&config.tls, &folder.tls(), &names).map(Arc::new)
}

fn families(addresses: &[(Transport, SocketAddr)]) -> Families {
    Families {
        ipv4: addresses.iter().any(|(_, address)| address.is_ipv4()),
        ipv6: addresses.iter().any(|(_, address)| address.is_ipv6()),
    }
}

fn start_plane(
    config: &NodeConfig,
    exchange: &Config,
    inboxes: &Arc<Inboxes>,
) -> Result<Plane, NodeError> {
    let defaults = PlaneConfig::default();
    let first_address = || {
        exchange
            .addresses
            .iter()
            .copied()
            .find(|address| !address.is_loopback())
    };
    let plane = PlaneConfig {
        ports: config.media.ports.first..=config.media.ports.last,
        endpoints: config.media.endpoints.unwrap_or(defaults.endpoints),
        prepared_addresses: config
            .media
            .address
            .or_else(first_address)
            .into_iter()
            .collect(),
        ..defaults
    };
    let inboxes = Arc::clone(inboxes);
    Plane::start(plane, move |event| {
        // The upper 16 bits of an endpoint name the shard whose call it belongs to.
        let shard = u16::try_from(endpoint_of(&event).0 >> 48).unwrap_or(0);
        inboxes.push(shard, Item::Media(event));
    })
    .map_err(|error| NodeError::Media(error.to_string()))
}

fn endpoint_of(event: &fernamt_exchange::media::Event) -> fernamt_exchange::media::EndpointId {
    use fernamt_exchange::media::Event;
    match event {
        Event::Opened { endpoint, .. }
        | Event::Refused { endpoint, .. }
        | Event::Played { endpoint }
        | Event::Latched { endpoint, .. }
        | Event::Silent { endpoint }
        | Event::Closed { endpoint, .. } => *endpoint,
    }
}

/// Gives every call that was in progress to the shard it belongs to now.
fn pick_up(inboxes: &Inboxes, open: Vec<(CallReference, Vec<u8>)>, damaged_bytes: u64) {
    if damaged_bytes > 0 {
        tracing::error!(
            damaged_bytes,
            "the journal of calls is damaged; sound records were used"
        );
    }
    if !open.is_empty() {
        tracing::info!(calls = open.len(), "picking up calls in progress");
    }
    let shards = inboxes.shards();
    for (call, state) in open {
        let shard = Exchange::shard_of_state(&state, shards).unwrap_or_else(|error| {
            // Its shard reports it as one that cannot be picked up.
            tracing::error!(%call, %error, "the state of a call in progress cannot be read");
            0
        });
        inboxes.push(shard, Item::Command(Command::Recover { state }));
    }
    inboxes.push_all(|| Item::Command(Command::Recovered));
}

#[cfg(test)]
mod tests;
