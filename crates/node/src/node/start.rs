//! The start of a node, step by step: everything is opened, calls that were in progress are picked
//! up, and only then are sockets read. What was opened is closed again when a later step fails.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use fernamt_exchange::Exchange;
use fernamt_exchange::config::Config;
use fernamt_exchange::directory::Directory;
use fernamt_exchange::interface::Command;
use fernamt_media::{Certificate, Plane, PlaneConfig};
use fernamt_sip::transport::Transport;
use fernamt_store::records::Revision;
use fernamt_store::{BindingJournal, CallJournal, DataFolder, ExchangeLock, Records, Recovered};
use tokio::runtime::Runtime;
use tokio::sync::Mutex;

use super::Parts;
use crate::clock;
use crate::config::NodeConfig;
use crate::control::server;
use crate::error::NodeError;
use crate::location::Locations;
use crate::network::{Network, NetworkParts, random_bytes};
use crate::records::{self, data_error};
use crate::resolve::{Families, Resolver};
use crate::running::{Running, Stop};
use crate::services::{Commits, NewsCounters, NodeServices};
use crate::shard::{Inboxes, Item, Services};
use crate::signals;
use crate::transport::access::Access;
use crate::transport::interfaces;
use crate::transport::media_certificate;
use crate::transport::stream::Times;
use crate::transport::tls::Tls;
use crate::turn::{self, Surroundings, Turn, TurnListeners, TurnParts};

/// Threads of the async side: connections, name service, commands.
const ASYNC_THREADS: usize = 2;

/// Shards, at most.
const MAX_SHARDS: usize = 256;

/// What everything else is built on.
struct Base {
    folder: DataFolder,
    records: Records,
    /// The settings of the shards, without listeners.
    exchange: Config,
    /// That of the media.
    certificate: Certificate,
    runtime: Runtime,
    // Last, as in a running node.
    lock: ExchangeLock,
}

impl Base {
    fn open(config: &NodeConfig) -> Result<Base, NodeError> {
        let folder = DataFolder::open(&config.data).map_err(|error| unusable(config, &error))?;
        let lock = folder.lock().map_err(|error| unusable(config, &error))?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(ASYNC_THREADS)
            .thread_name("async")
            .enable_all()
            .build()
            .map_err(NodeError::system("cannot start the async threads"))?;
        let records = runtime
            .block_on(Records::open(&folder))
            .map_err(|error| unusable(config, &error))?;
        let mut exchange = config.exchange.clone();
        exchange.secret = folder.secret().map_err(|error| unusable(config, &error))?;
        exchange.realm = runtime
            .block_on(records::realm(&records, &exchange.realm))
            .map_err(|error| unusable(config, &error))?;
        exchange.addresses =
            interfaces::addresses().map_err(NodeError::system("cannot list addresses"))?;
        add_host_name(&mut exchange);
        let certificate = media_certificate::open(&folder.tls())?;
        exchange.fingerprint = Some(certificate.fingerprint());
        Ok(Base {
            folder,
            records,
            exchange,
            certificate,
            runtime,
            lock,
        })
    }
}

/// What a former run has left.
struct Left {
    journal: CallJournal,
    bindings: BindingJournal,
    calls: Recovered,
    locations: Locations,
    directory: Directory,
    revision: Revision,
}

impl Left {
    fn read(config: &NodeConfig, base: &Base, inboxes: &Arc<Inboxes>) -> Result<Left, NodeError> {
        let commits = Commits::new(Arc::clone(inboxes));
        let (journal, calls) =
            CallJournal::open(&base.folder, commits).map_err(|error| unusable(config, &error))?;
        let (bindings, saved) =
            BindingJournal::open(&base.folder).map_err(|error| unusable(config, &error))?;
        let (directory, revision) = base
            .runtime
            .block_on(records::load(&base.records))
            .map_err(|error| unusable(config, &error))?;
        let locations = Locations::new();
        let restored = locations.restore(clock::now().unix, saved);
        let devices = directory.len();
        tracing::info!(devices, bindings = restored, "records opened");
        Ok(Left {
            journal,
            bindings,
            calls,
            locations,
            directory,
            revision,
        })
    }
}

pub(super) fn start(config: &NodeConfig) -> Result<Parts, NodeError> {
    let mut base = Base::open(config)?;
    let tls = open_tls(config, &base)?;
    let access = Arc::new(Access::new(
        base.exchange.trusted_sources.clone(),
        base.exchange.denied_sources.clone(),
    ));
    let mut network = Network::open(NetworkParts {
        runtime: base.runtime.handle().clone(),
        listen: &config.listen,
        limits: config.connections,
        times: Times::default(),
        shards: shard_count(config),
        access: Arc::clone(&access),
        tls: Arc::clone(&tls),
        shard_of: Exchange::shard_of,
    })?;
    base.exchange.listeners = network.addresses.clone();
    let relays = {
        let _runtime = base.runtime.enter();
        TurnListeners::open(&config.turn, &config.listen.sip)
    };
    let mut left = Left::read(config, &base, &network.inboxes)?;
    let calls = std::mem::take(&mut left.calls);
    let running = assemble(config, &base, left, (tls, access), &network, relays)?;
    let listener = {
        let _runtime = base.runtime.enter();
        server::bind(&base.folder.control_socket()).map_err(|error| unusable(config, &error))?
    };
    pick_up(&network.inboxes, calls);
    let services: Arc<dyn Services> = Arc::<NodeServices>::clone(&running.services);
    network.start_shards(exchanges(&base.exchange, &network.inboxes)?, &services)?;
    network.wait_for_shards();
    network.serve_streams();
    let runtime = base.runtime;
    runtime.spawn(Arc::clone(&running).keep_house());
    runtime.spawn(server::serve(Arc::clone(&running), listener));
    if config.signals {
        runtime.spawn(signals::handle(Arc::clone(&running)));
    }
    Ok(Parts {
        network,
        running,
        drain: config.drain,
        runtime,
        _lock: base.lock,
    })
}

fn assemble(
    config: &NodeConfig,
    base: &Base,
    left: Left,
    (tls, access): (Arc<Tls>, Arc<Access>),
    network: &Network,
    relays: TurnListeners,
) -> Result<Arc<Running>, NodeError> {
    let seed = u64::from_ne_bytes(random_bytes()?);
    let resolver = {
        let _runtime = base.runtime.enter();
        Resolver::new(&config.name_servers, families(&network.addresses), seed)
    };
    let services = Arc::new(NodeServices {
        runtime: base.runtime.handle().clone(),
        inboxes: Arc::clone(&network.inboxes),
        streams: Arc::clone(&network.streams),
        access: Arc::clone(&access),
        locations: left.locations,
        resolver: Arc::new(resolver),
        plane: start_plane(config, base, &network.inboxes)?,
        journal: left.journal,
        config: base.exchange.clone(),
        media_address: config.media.address,
        directory: left.directory.into(),
        news: NewsCounters::default(),
        draining: AtomicBool::new(false),
        stopping: AtomicBool::new(false),
    });
    let turn = Turn::start(TurnParts {
        runtime: base.runtime.handle().clone(),
        settings: turn::server_settings(Surroundings {
            turn: &config.turn,
            media: &config.media,
            exchange: &base.exchange,
            listeners: &relays.list(),
        }),
        listeners: relays,
        services: Arc::<NodeServices>::clone(&services),
        access,
        tls: Arc::clone(&tls),
    })?;
    Ok(Arc::new(Running {
        turn,
        services,
        records: base.records.clone(),
        revision: Mutex::new(left.revision),
        bindings: left.bindings,
        tls,
        counters: network.counters.clone(),
        addresses: network.addresses.clone(),
        folder: config.data.clone(),
        started: Instant::now(),
        stop: Stop::default(),
    }))
}

/// One exchange for each shard, each with a seed of its own.
fn exchanges(config: &Config, inboxes: &Inboxes) -> Result<Vec<Exchange>, NodeError> {
    (0..inboxes.shards())
        .map(|shard| {
            Exchange::new(config.clone(), shard, random_bytes()?)
                .map_err(|error| NodeError::Realm(error.to_string()))
        })
        .collect()
}

fn unusable(config: &NodeConfig, error: &dyn std::fmt::Display) -> NodeError {
    data_error(&config.data, error)
}

/// One shard for two cores, unless told otherwise. A core handles thousands of calls a second, but the
/// voice of only hundreds: the other cores are for media. And a call costs less where fewer threads
/// wake up for it: on two cores a registration takes a fifth less with one shard than with two.
fn shard_count(config: &NodeConfig) -> u16 {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let default = || cores().div_ceil(2);
    let count = config.shards.unwrap_or_else(default).clamp(1, MAX_SHARDS);
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

fn open_tls(config: &NodeConfig, base: &Base) -> Result<Arc<Tls>, NodeError> {
    let exchange = &base.exchange;
    let mut names: Vec<String> = exchange
        .domains
        .iter()
        .map(|name| name.to_string())
        .collect();
    names.push("localhost".to_owned());
    names.extend(exchange.advertised.iter().map(IpAddr::to_string));
    names.extend(exchange.addresses.iter().map(IpAddr::to_string));
    Tls::open(&config.tls, &base.folder.tls(), &names).map(Arc::new)
}

fn families(addresses: &[(Transport, SocketAddr)]) -> Families {
    Families {
        ipv4: addresses.iter().any(|(_, address)| address.is_ipv4()),
        ipv6: addresses.iter().any(|(_, address)| address.is_ipv6()),
    }
}

fn start_plane(
    config: &NodeConfig,
    base: &Base,
    inboxes: &Arc<Inboxes>,
) -> Result<Plane, NodeError> {
    let defaults = PlaneConfig::default();
    let first_address = || {
        base.exchange
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
        certificate: Some(base.certificate.clone()),
        ..defaults
    };
    let inboxes = Arc::clone(inboxes);
    Plane::start(plane, move |event| {
        // The upper 16 bits of an endpoint name the shard whose call it belongs to.
        let shard = u16::try_from(event.endpoint().0 >> 48).unwrap_or(0);
        inboxes.push(shard, Item::Media(event));
    })
    .map_err(|error| NodeError::Media(error.to_string()))
}

/// Gives every call that was in progress to the shard it belongs to now.
fn pick_up(inboxes: &Inboxes, recovered: Recovered) {
    let damaged_bytes = recovered.damaged_bytes;
    let open = recovered.open;
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
