//! What a running node keeps: shared by housekeeping, the control socket and the stop.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use fernamt_exchange::exchange::CallSummary;
use fernamt_sip::transport::Transport;
use fernamt_store::records::Revision;
use fernamt_store::{BindingJournal, Records, StoreError};
use tokio::sync::{Mutex, Notify};

use crate::clock;
use crate::control::{Listener, Status};
use crate::records;
use crate::services::NodeServices;
use crate::shard::{Counters, Item};
use crate::transport::tls::Tls;
use crate::turn::Turn;

/// How often bindings are looked after: expired ones forgotten, changes handed to the store.
const BINDING_INTERVAL: Duration = Duration::from_millis(200);

/// How often the records are asked whether they have changed without our being told.
const RECORDS_INTERVAL: Duration = Duration::from_secs(1);

/// How often the certificate's file is looked at.
const CERTIFICATE_INTERVAL: Duration = Duration::from_secs(10);

/// How long a shard may take to list its calls.
const LISTING_TIME: Duration = Duration::from_secs(5);

/// Everything that outlives a single task.
pub(crate) struct Running {
    pub(crate) services: Arc<NodeServices>,
    pub(crate) turn: Option<Turn>,
    pub(crate) records: Records,
    pub(crate) revision: Mutex<Revision>,
    pub(crate) bindings: BindingJournal,
    pub(crate) tls: Arc<Tls>,
    pub(crate) counters: Vec<Arc<Counters>>,
    pub(crate) addresses: Vec<(Transport, SocketAddr)>,
    pub(crate) folder: PathBuf,
    pub(crate) started: Instant,
    pub(crate) stop: Stop,
}

/// Asks for the end.
#[derive(Debug, Default)]
pub(crate) struct Stop {
    requests: AtomicU64,
    changed: Notify,
}

impl Stop {
    /// Asks to stop; a second time: without waiting for calls any longer.
    pub(crate) fn request(&self) {
        self.requests.fetch_add(1, Ordering::SeqCst);
        self.changed.notify_waiters();
    }

    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Ordering::SeqCst)
    }

    /// Waits for the first request.
    pub(crate) async fn requested(&self) {
        loop {
            let changed = self.changed.notified();
            if self.requests() > 0 {
                return;
            }
            changed.await;
        }
    }
}

impl Running {
    /// Calls in progress, as the shards counted them last.
    pub(crate) fn call_count(&self) -> u64 {
        self.sum(|counters| &counters.calls)
    }

    fn sum(&self, which: impl Fn(&Counters) -> &AtomicU64) -> u64 {
        self.counters
            .iter()
            .map(|counters| which(counters).load(Ordering::Relaxed))
            .sum()
    }

    /// All calls in progress. Waits for the shards, so not to be called on one.
    pub(crate) fn calls(&self) -> Vec<CallSummary> {
        let (sender, receiver) = mpsc::channel();
        self.services.inboxes.push_all(|| {
            let sender = sender.clone();
            Item::Calls(Box::new(move |calls| {
                let _ = sender.send(calls);
            }))
        });
        drop(sender);
        let mut all = Vec::new();
        while let Ok(calls) = receiver.recv_timeout(LISTING_TIME) {
            all.extend(calls);
        }
        all.sort_by_key(|call| (call.start, call.call));
        all
    }

    /// Takes over what has changed in the records; how many devices did.
    pub(crate) async fn reload(&self) -> Result<u64, StoreError> {
        let mut revision = self.revision.lock().await;
        let (now, count) = records::reload(&self.records, *revision, &self.services).await?;
        if count > 0 {
            tracing::info!(devices = count, revision = now.0, "records taken over");
        }
        *revision = now;
        Ok(count)
    }

    /// Reads the certificate again if its file has changed.
    pub(crate) fn reload_certificate(&self) {
        match self.tls.reload() {
            Ok(true) => tracing::info!("the TLS certificate was read again"),
            Ok(false) => {}
            Err(error) => tracing::error!("{error}; the one in use stays"),
        }
    }

    /// Hands changed bindings to the store.
    pub(crate) fn write_bindings(&self) {
        self.services
            .locations
            .drain_changes(|change| self.bindings.write(change));
    }

    /// How the node is.
    pub(crate) fn status(&self) -> Status {
        let services = &self.services;
        let news = &services.news;
        let usage = services.plane.usage();
        let loaded = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let turn = self.turn.as_ref().map(Turn::figures).unwrap_or_default();
        let counters = [
            (
                "datagrams_received",
                self.sum(|shard| &shard.datagrams_received),
            ),
            ("datagrams_sent", self.sum(|shard| &shard.datagrams_sent)),
            ("messages_handed_over", self.sum(|shard| &shard.handed_over)),
            ("messages_dropped", self.sum(|shard| &shard.dropped)),
            ("turns", self.sum(|shard| &shard.turns)),
            ("calls_answered", loaded(&news.answered)),
            ("calls_not_recovered", loaded(&news.not_recovered)),
            (
                "authentication_failures",
                loaded(&news.authentication_failures),
            ),
            ("bans", loaded(&news.bans)),
            ("malformed_messages", loaded(&news.malformed)),
            ("journal_refusals", loaded(&news.journal_refusals)),
            ("media_endpoints", usage.endpoints as u64),
            ("turn_allocations", turn.allocations),
            ("turn_allocated", turn.allocated),
            ("turn_refused", turn.refused),
            ("turn_packets_to_peers", turn.packets_to_peers),
            ("turn_packets_to_clients", turn.packets_to_clients),
            ("turn_packets_dropped", turn.packets_dropped),
            ("turn_bytes_relayed", turn.bytes_relayed),
            ("stun_bindings", turn.bindings),
        ];
        let turn_listener = |(transport, address): &(Transport, SocketAddr)| Listener {
            transport: format!("TURN/{transport}"),
            address: *address,
        };
        let turn_addresses = self.turn.as_ref().map_or(&[][..], Turn::addresses);
        let listener = |(transport, address): &(Transport, SocketAddr)| Listener {
            transport: transport.to_string(),
            address: *address,
        };
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            process: std::process::id(),
            uptime_seconds: self.started.elapsed().as_secs(),
            listeners: self
                .addresses
                .iter()
                .map(listener)
                .chain(turn_addresses.iter().map(turn_listener))
                .collect(),
            shards: services.inboxes.shards(),
            devices: services.directory().len() as u64,
            bindings: services.locations.len() as u64,
            calls: self.call_count(),
            draining: services.draining.load(Ordering::Relaxed),
            connections: services.streams.open_connections() as u64,
            counters: counters
                .map(|(name, value)| (name.to_owned(), value))
                .to_vec(),
        }
    }

    /// Looks after bindings, records and certificate for ever.
    pub(crate) async fn keep_house(self: Arc<Self>) {
        let mut bindings = tokio::time::interval(BINDING_INTERVAL);
        let mut records = tokio::time::interval(RECORDS_INTERVAL);
        let mut certificate = tokio::time::interval(CERTIFICATE_INTERVAL);
        let mut readable = true;
        loop {
            tokio::select! {
                _ = bindings.tick() => {
                    self.services.locations.expire(clock::now().unix);
                    self.write_bindings();
                }
                _ = records.tick() => {
                    let result = self.reload().await;
                    if let Err(error) = &result && readable {
                        tracing::error!(%error, "the records cannot be read; devices stay as they are");
                    }
                    readable = result.is_ok();
                }
                _ = certificate.tick() => self.reload_certificate(),
            }
        }
    }
}
