//! Listening: opens the port, takes connections in, and runs the task of each.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use fernamt_sip::transport::Transport;
use rustix::net::sockopt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::session::{End, Session};
use super::table::{Full, Peer};
use super::{Streams, canonical, flow_of, plain, websocket};
use crate::clock;
use crate::error::NodeError;
use crate::transport::holder;

/// Connections that may wait to be taken in.
const BACKLOG: u32 = 4096;

/// How long a listener rests when the system has no more files for it.
const EXHAUSTED_WAIT: Duration = Duration::from_millis(100);

/// Keep-alive of the system on connections, so that dead peers are found.
const TCP_KEEP_ALIVE: Duration = Duration::from_secs(60);

/// An open listener that is not yet served.
#[derive(Debug)]
pub(crate) struct Binding {
    pub(crate) transport: Transport,
    pub(crate) address: SocketAddr,
    listener: TcpListener,
}

impl Binding {
    /// Waits for a connection.
    ///
    /// # Errors
    /// What the system says; the listener is as good as before.
    pub(crate) async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, remote) = self.listener.accept().await?;
        Ok((stream, canonical(remote)))
    }
}

/// Opens a listener. To be called within the runtime.
///
/// # Errors
/// When the address is not ours or the port is taken; the error names the holder where it can.
pub(crate) fn bind(transport: Transport, address: SocketAddr) -> Result<Binding, NodeError> {
    let refused = |error: io::Error| holder::listen_error(transport, address, error);
    let open = || -> io::Result<(TcpListener, SocketAddr)> {
        let socket = if address.is_ipv4() {
            TcpSocket::new_v4()?
        } else {
            TcpSocket::new_v6()?
        };
        if address.is_ipv6() {
            sockopt::set_ipv6_v6only(&socket, true)?;
        }
        // A restart must not wait for connections of the last run to be forgotten.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let listener = socket.listen(BACKLOG)?;
        let bound = listener.local_addr()?;
        Ok((listener, bound))
    };
    let (listener, bound) = open().map_err(refused)?;
    Ok(Binding {
        transport,
        address: bound,
        listener,
    })
}

/// Takes in connections for ever.
pub(crate) async fn serve(streams: Arc<Streams>, binding: Binding) {
    let transport = binding.transport;
    loop {
        match binding.accept().await {
            Ok((stream, remote)) => take_in(&streams, transport, stream, remote),
            Err(error) => {
                tracing::warn!(%transport, %error, "a connection cannot be taken in");
                // Out of files, or the peer was gone before we came.
                tokio::time::sleep(EXHAUSTED_WAIT).await;
            }
        }
    }
}

fn take_in(streams: &Arc<Streams>, transport: Transport, stream: TcpStream, remote: SocketAddr) {
    if streams.access.is_refused(remote.ip(), clock::now().unix) {
        tracing::debug!(%transport, %remote, "connection refused: the source is denied or banned");
        return;
    }
    let Ok(local) = stream.local_addr() else {
        return;
    };
    let trusted = streams.access.is_trusted(remote.ip());
    let peer = Peer {
        transport,
        address: remote,
        server_name: None,
    };
    let id = streams.next_id();
    let accepted = streams.table().accept(id, peer, trusted);
    let outlet = match accepted {
        Ok(outlet) => outlet,
        Err(full) => {
            let limit = match full {
                Full::Source => "too many connections of this source",
                Full::Total => "too many connections",
            };
            tracing::warn!(%transport, %remote, limit, "connection refused");
            return;
        }
    };
    let flow = flow_of(transport, local, remote, id);
    let session = Session::new(Arc::clone(streams), id, flow, outlet, false);
    let streams = Arc::clone(streams);
    tokio::spawn(async move {
        let end = run(&streams, session, stream).await;
        tracing::debug!(%transport, %remote, end = end.shown(), "connection ended");
    });
}

async fn run(streams: &Streams, mut session: Session, mut stream: TcpStream) -> End {
    prepare(&stream);
    match session.flow.transport {
        Transport::Tls | Transport::Wss => {
            let acceptor = streams.tls.acceptor();
            let work = async { acceptor.accept(stream).await.map_err(End::Io) };
            match session.handshake(session.handshake_time(), work).await {
                // On the heap, so that the tasks of plain connections stay small.
                Ok(mut stream) if session.flow.transport == Transport::Tls => {
                    Box::pin(plain::run(&mut session, &mut stream)).await
                }
                Ok(stream) => Box::pin(websocket::run(&mut session, stream)).await,
                Err(end) => end,
            }
        }
        Transport::Ws => Box::pin(websocket::run(&mut session, stream)).await,
        Transport::Udp | Transport::Tcp => plain::run(&mut session, &mut stream).await,
    }
}

/// Sets what every connection has. What cannot be set is not worth its end.
pub(super) fn prepare(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    if sockopt::set_socket_keepalive(stream, true).is_ok() {
        let _ = sockopt::set_tcp_keepidle(stream, TCP_KEEP_ALIVE);
    }
}
