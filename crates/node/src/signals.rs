//! Signals: SIGTERM and SIGINT end the node, SIGHUP makes it read again what may have changed.

use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};

use crate::running::Running;

/// Handles signals for ever.
pub(crate) async fn handle(running: Arc<Running>) {
    let kinds = [
        SignalKind::terminate(),
        SignalKind::interrupt(),
        SignalKind::hangup(),
    ];
    let [Ok(mut terminate), Ok(mut interrupt), Ok(mut hangup)] = kinds.map(signal) else {
        tracing::error!("signals cannot be handled");
        return;
    };
    loop {
        tokio::select! {
            _ = terminate.recv() => running.stop.request(),
            _ = interrupt.recv() => running.stop.request(),
            _ = hangup.recv() => {
                running.reload_certificate();
                if let Err(error) = running.reload().await {
                    tracing::error!(%error, "the records cannot be read; devices stay as they are");
                }
            }
        }
    }
}
