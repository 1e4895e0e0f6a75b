//! Connections of TURN clients: TCP and TLS, each with one task that cuts the stream into frames and
//! writes what is for the client.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fernamt_sip::transport::Transport;
use fernamt_stun::frame::Framer;
use fernamt_stun::server::Flow;
use hashbrown::HashMap;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::inbox::{Inbox, Item};
use super::outlet::{Outgoing, outlet};
use crate::clock;
use crate::transport::access::Access;
use crate::transport::stream::Binding;
use crate::transport::tls::Tls;

/// Connections at once.
pub(super) const MAX_CONNECTIONS: usize = 4096;
/// Connections at once from one source that is not trusted.
pub(super) const MAX_CONNECTIONS_PER_SOURCE: usize = 64;
/// How long TLS may take to shake hands.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// How long a client may take to say something for the first time.
const FIRST_FRAME_TIME: Duration = Duration::from_secs(30);
/// How long a client may be silent: a little longer than the longest life of an allocation.
const IDLE_TIME: Duration = Duration::from_secs(3700);
/// How long a client may take to read what is for it.
const WRITE_TIME: Duration = Duration::from_secs(30);
/// How long a listener rests when the system has no more files for it.
const EXHAUSTED_WAIT: Duration = Duration::from_millis(100);
/// What is read at once.
const READ_BYTES: usize = 8192;

/// All connections of TURN clients.
pub(super) struct Connections {
    inbox: Arc<Inbox>,
    access: Arc<Access>,
    tls: Arc<Tls>,
    next: AtomicU64,
    open: Mutex<Open>,
}

/// How many are open.
#[derive(Debug, Default)]
struct Open {
    total: usize,
    by_source: HashMap<IpAddr, usize>,
}

impl Open {
    fn enter(&mut self, source: IpAddr, is_trusted: bool) -> bool {
        let held = self.by_source.get(&source).copied().unwrap_or(0);
        if self.total >= MAX_CONNECTIONS || held >= MAX_CONNECTIONS_PER_SOURCE && !is_trusted {
            return false;
        }
        self.total += 1;
        *self.by_source.entry(source).or_insert(0) += 1;
        true
    }

    fn leave(&mut self, source: IpAddr) {
        self.total = self.total.saturating_sub(1);
        if let Some(held) = self.by_source.get_mut(&source) {
            *held = held.saturating_sub(1);
            if *held == 0 {
                self.by_source.remove(&source);
            }
        }
    }
}

/// A place among the open connections; given back when dropped.
struct Place {
    connections: Arc<Connections>,
    flow: Flow,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.inbox.push(Item::Closed(self.flow));
        self.connections.open().leave(self.flow.remote.ip());
    }
}

impl Connections {
    pub(super) fn new(inbox: Arc<Inbox>, access: Arc<Access>, tls: Arc<Tls>) -> Connections {
        Connections {
            inbox,
            access,
            tls,
            next: AtomicU64::new(1),
            open: Mutex::default(),
        }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_in(self: &Arc<Self>, transport: Transport, stream: TcpStream, remote: SocketAddr) {
        let source = remote.ip();
        if self.access.is_refused(source, clock::now().unix) {
            return;
        }
        let Ok(local) = stream.local_addr() else {
            return;
        };
        if !self.open().enter(source, self.access.is_trusted(source)) {
            tracing::debug!(%remote, "TURN connection refused: there are too many");
            return;
        }
        let place = Place {
            connections: Arc::clone(self),
            flow: Flow {
                connection: Some(self.next.fetch_add(1, Ordering::Relaxed)),
                local,
                remote,
            },
        };
        tokio::spawn(async move {
            let flow = place.flow;
            if let Err(error) = run(&place, transport, stream).await {
                tracing::debug!(remote = %flow.remote, %error, "TURN connection ended");
            }
        });
    }
}

/// Takes in connections for ever.
pub(super) async fn serve(connections: Arc<Connections>, binding: Binding) {
    loop {
        match binding.accept().await {
            Ok((stream, remote)) => connections.take_in(binding.transport, stream, remote),
            Err(error) => {
                tracing::warn!(%error, "a TURN connection cannot be taken in");
                tokio::time::sleep(EXHAUSTED_WAIT).await;
            }
        }
    }
}

async fn run(place: &Place, transport: Transport, stream: TcpStream) -> io::Result<()> {
    let _ = stream.set_nodelay(true);
    if transport == Transport::Tls {
        let accept = place.connections.tls.acceptor().accept(stream);
        let stream = tokio::time::timeout(HANDSHAKE_TIME, accept).await??;
        Box::pin(carry(place, stream)).await
    } else {
        carry(place, stream).await
    }
}

/// Carries frames both ways until one side ends.
async fn carry<S: AsyncRead + AsyncWrite>(place: &Place, stream: S) -> io::Result<()> {
    let (outlet, outgoing) = outlet();
    let inbox = &place.connections.inbox;
    inbox.push(Item::Opened(place.flow, outlet));
    let (read, write) = tokio::io::split(stream);
    tokio::select! {
        ended = read_frames(inbox, place.flow, read) => ended,
        ended = write_frames(outgoing, write) => ended,
    }
}

async fn read_frames(
    inbox: &Inbox,
    flow: Flow,
    mut stream: impl AsyncRead + Unpin,
) -> io::Result<()> {
    let mut framer = Framer::default();
    let mut buffer = vec![0; READ_BYTES];
    let mut patience = FIRST_FRAME_TIME;
    loop {
        let read = tokio::time::timeout(patience, stream.read(&mut buffer)).await??;
        if read == 0 {
            return Ok(());
        }
        framer.put(buffer.get(..read).unwrap_or_default());
        while let Some(frame) = framer.next_frame().map_err(io::Error::other)? {
            patience = IDLE_TIME;
            inbox.push_frame(flow, frame.into()).await;
        }
    }
}

async fn write_frames(mut frames: Outgoing, mut stream: impl AsyncWrite + Unpin) -> io::Result<()> {
    // Together there is one record of TLS and one system call.
    let mut bytes = Vec::new();
    while frames.take(&mut bytes, READ_BYTES).await {
        let write = async {
            stream.write_all(&bytes).await?;
            stream.flush().await
        };
        tokio::time::timeout(WRITE_TIME, write).await??;
        bytes.clear();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_has_as_many_connections_as_the_limit_and_not_one_more() {
        let mut open = Open::default();
        let source = IpAddr::from([192, 0, 2, 1]);
        for _ in 0..MAX_CONNECTIONS_PER_SOURCE {
            assert!(open.enter(source, false));
        }
        assert!(!open.enter(source, false));
        assert!(open.enter(source, true));
        open.leave(source);
        open.leave(source);
        assert!(open.enter(source, false));
    }

    #[test]
    fn there_are_as_many_connections_as_the_limit_and_not_one_more() {
        let mut open = Open::default();
        for number in 0..MAX_CONNECTIONS {
            let source = IpAddr::from((number as u32).to_be_bytes());
            assert!(open.enter(source, false));
        }
        assert!(!open.enter(IpAddr::from([192, 0, 2, 1]), true));
    }
}
