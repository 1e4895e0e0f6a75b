//! A node that runs, and its end. How it starts is in `start`.

mod start;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use fernamt_sip::transport::Transport;
use fernamt_store::ExchangeLock;
use tokio::runtime::Runtime;

use crate::config::NodeConfig;
use crate::error::NodeError;
use crate::network::Network;
use crate::notify::notify;
use crate::running::Running;
use crate::turn::Turn;

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
    // Last, so that nothing of the folder is in use any more when another node may have it.
    _lock: ExchangeLock,
}

impl Node {
    /// Opens the data folder and the ports, picks up the calls that were in progress when the last
    /// run ended, and begins to serve. To be called outside of any async runtime.
    ///
    /// # Errors
    /// [`NodeError`] says what is in the way and what to do; nothing runs then.
    pub fn start(config: NodeConfig) -> Result<RunningNode, NodeError> {
        let parts = start::start(&config)?;
        for (transport, address) in &parts.running.addresses {
            tracing::info!(%transport, %address, "listening");
        }
        notify("READY=1\nSTATUS=serving");
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

    /// Where TURN is served; nothing where it is not.
    pub fn turn_addresses(&self) -> &[(Transport, SocketAddr)] {
        self.parts
            .as_ref()
            .and_then(|parts| parts.running.turn.as_ref())
            .map_or(&[], Turn::addresses)
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
        if let Some(turn) = &running.turn {
            turn.stop();
        }
        parts.network.stop();
        running.write_bindings();
        if let Err(error) = running.bindings.flush() {
            tracing::error!(%error, "bindings were not written");
        }
        if let Err(error) = running.services.journal.flush() {
            tracing::error!(%error, "the journal of calls was not moved; the next start does it");
        }
        let _ = std::fs::remove_file(running.folder.join(crate::control::SOCKET_NAME));
        let records = running.records.clone();
        let closed = async { tokio::time::timeout(RUNTIME_END, records.close()).await };
        if parts.runtime.block_on(closed).is_err() {
            tracing::warn!("the records are still in use; the next start finds all of them");
        }
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

#[cfg(test)]
mod tests;
