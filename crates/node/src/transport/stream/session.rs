//! What every connection does whatever its framing: deliver messages, keep its times, and end once.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use fernamt_sip::escape::Escaped;
use fernamt_sip::transport::{ConnectionId, Flow};
use tokio::time::{Instant, sleep, timeout};

use super::Streams;
use super::outlet::{Outbound, Outlet};
use crate::shard::Item;

/// How long a connection may take for each of its steps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    /// A TLS or WebSocket handshake, each.
    pub(crate) handshake: Duration,
    /// From the accepted connection to its first whole message.
    pub(crate) first_message: Duration,
    /// From the first byte of a message to its last.
    pub(crate) message: Duration,
    /// From a write to some progress of it: a peer that takes nothing for this long does not read.
    pub(crate) write: Duration,
}

impl Default for Times {
    fn default() -> Times {
        Times {
            handshake: Duration::from_secs(10),
            first_message: Duration::from_secs(30),
            message: Duration::from_secs(30),
            write: Duration::from_secs(10),
        }
    }
}

/// How often a connection looks whether a full inbox has room again.
const FULL_INBOX_WAIT: Duration = Duration::from_millis(5);

/// Why a connection ended, for the log.
#[derive(Debug, thiserror::Error)]
pub(super) enum End {
    #[error("closed by the peer")]
    Peer,
    #[error("closed by us")]
    Closed,
    #[error("nothing has come for too long")]
    Idle,
    #[error("no whole message in time")]
    Slow,
    #[error("the peer does not read")]
    NotRead,
    #[error("{0}")]
    Framing(#[from] fernamt_sip::stream::FrameError),
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("{0}")]
    WebSocket(String),
}

impl End {
    /// For the log: errors can quote what the peer has sent, its certificate for example.
    pub(super) fn shown(&self) -> String {
        Escaped(&self.to_string()).to_string()
    }
}

/// One connection, from its entry in the table to its end.
pub(super) struct Session {
    streams: Arc<Streams>,
    id: ConnectionId,
    pub(super) flow: Flow,
    pub(super) outlet: Arc<Outlet>,
    /// It counts as one that others may send on.
    established: bool,
    /// It has really been open; one that could not be opened is known to nobody.
    opened_up: bool,
    opened: Instant,
    heard: Instant,
    /// Since when a message has been incomplete.
    partial: Option<Instant>,
    /// Since when something has been waiting to be written.
    writing: Option<Instant>,
    /// Messages that were begun or about to be written when the connection ended.
    unwritten: Vec<Outbound>,
}

impl Session {
    pub(super) fn new(
        streams: Arc<Streams>,
        id: ConnectionId,
        flow: Flow,
        outlet: Arc<Outlet>,
        established: bool,
    ) -> Session {
        let now = Instant::now();
        Session {
            streams,
            id,
            flow,
            outlet,
            established,
            opened_up: !established,
            opened: now,
            heard: now,
            partial: None,
            writing: None,
            unwritten: Vec::new(),
        }
    }

    /// How long a handshake may take.
    pub(super) fn handshake_time(&self) -> Duration {
        self.streams.times.handshake
    }

    /// Runs a handshake, unless it takes too long or the connection is to be closed meanwhile.
    pub(super) async fn handshake<T>(
        &self,
        time: Duration,
        work: impl Future<Output = Result<T, End>>,
    ) -> Result<T, End> {
        tokio::select! {
            result = timeout(time, work) => result.unwrap_or(Err(End::Slow)),
            () = self.outlet.closed() => Err(End::Closed),
        }
    }

    /// Gives a whole message to its shard; waits while the shard has no room, which holds the peer
    /// back.
    pub(super) async fn deliver(&mut self, message: Box<[u8]>) {
        if !self.established {
            self.established = true;
            self.streams.table().establish(self.id);
        }
        let shard = (self.streams.shard_of)(&message, self.streams.inboxes.shards());
        let Some(inbox) = self.streams.inboxes.get(shard) else {
            return;
        };
        while inbox.is_full() {
            sleep(FULL_INBOX_WAIT).await;
        }
        inbox.push(Item::Message {
            flow: self.flow,
            bytes: message,
        });
    }

    /// Takes note that a connection that we open is open now.
    pub(super) fn opened_up(&mut self, flow: Flow) {
        self.opened_up = true;
        self.flow = flow;
    }

    /// Takes note that bytes have come, and whether they end in the middle of a message.
    pub(super) fn heard(&mut self, partial: bool) {
        self.heard = Instant::now();
        self.partial = if partial {
            self.partial.or(Some(self.heard))
        } else {
            None
        };
    }

    /// A message has become whole; what follows is a new one with its own time.
    pub(super) fn message_whole(&mut self) {
        self.partial = None;
    }

    /// Takes note of progress in writing, and whether something is left.
    pub(super) fn wrote(&mut self, left: bool) {
        self.writing = left.then(Instant::now);
    }

    /// Takes note that something waits to be written.
    pub(super) fn wants_to_write(&mut self) {
        self.writing = self.writing.or_else(|| Some(Instant::now()));
    }

    /// What is given back when the connection ends before it was written.
    pub(super) fn give_back(&mut self, outbound: Outbound) {
        self.unwritten.push(outbound);
    }

    /// When the connection ends if nothing happens.
    pub(super) fn deadline(&self) -> Instant {
        self.first_deadline().0
    }

    /// Why it ends at its deadline.
    pub(super) fn lateness(&self) -> End {
        self.first_deadline().1
    }

    fn first_deadline(&self) -> (Instant, End) {
        let times = &self.streams.times;
        let mut first = (self.heard + self.streams.limits.idle, End::Idle);
        let mut consider = |at: Option<Instant>, why: End| {
            if let Some(at) = at.filter(|at| *at < first.0) {
                first = (at, why);
            }
        };
        let first_message = self.opened + times.first_message;
        consider(Some(first_message).filter(|_| !self.established), End::Slow);
        consider(self.partial.map(|since| since + times.message), End::Slow);
        consider(self.writing.map(|since| since + times.write), End::NotRead);
        first
    }
}

impl Drop for Session {
    /// Also when the task is cancelled: whoever knows the connection hears of its end exactly once.
    fn drop(&mut self) {
        let unwritten = std::mem::take(&mut self.unwritten);
        self.streams.ended(
            self.id,
            &self.outlet,
            unwritten,
            self.established && self.opened_up,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_injection() {
        let quoted = "not valid for \u{1b}[2J\r\n2026-01-01 WARN banned: failed to authenticate";
        let ends = [
            End::WebSocket(quoted.to_owned()),
            End::Io(std::io::Error::other(quoted)),
        ];
        for end in ends {
            assert!(!end.shown().contains(char::is_control), "{:?}", end.shown());
        }
    }
}
