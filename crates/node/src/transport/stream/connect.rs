//! Connections that we open, because a shard has something to send and none is open.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use fernamt_sip::transport::{ConnectionId, Flow, Transport};
use tokio::net::{TcpSocket, TcpStream};

use super::outlet::Outlet;
use super::session::{End, Session};
use super::table::Peer;
use super::{Streams, accept, flow_of, plain};

/// A connection must be open, its TLS handshake included, within this time.
pub(super) const CONNECT_TIME: Duration = Duration::from_secs(4);

/// Opens the connection and serves it to its end.
pub(super) async fn run(
    streams: Arc<Streams>,
    id: ConnectionId,
    peer: Peer,
    local: IpAddr,
    outlet: Arc<Outlet>,
) {
    let transport = peer.transport;
    let remote = peer.address;
    let flow = Flow {
        transport,
        local: SocketAddr::new(local, 0),
        remote,
        connection: Some(id),
    };
    let mut session = Session::new(Arc::clone(&streams), id, flow, outlet, true);
    let end = serve(&streams, &mut session, peer, local, id).await;
    tracing::debug!(%transport, %remote, end = end.shown(), "opened connection ended");
}

async fn serve(
    streams: &Streams,
    session: &mut Session,
    peer: Peer,
    local: IpAddr,
    id: ConnectionId,
) -> End {
    let work = async { connect(peer.address, local).await.map_err(End::Io) };
    let mut stream = match session.handshake(CONNECT_TIME, work).await {
        Ok(stream) => stream,
        Err(end) => return end,
    };
    let Ok(local) = stream.local_addr() else {
        return End::Closed;
    };
    let flow = flow_of(peer.transport, local, peer.address, id);
    accept::prepare(&stream);
    if peer.transport != Transport::Tls {
        session.opened_up(flow);
        return plain::run(session, &mut stream).await;
    }
    let tls = &streams.tls;
    let name = peer.server_name.as_deref();
    let work = async {
        tls.connect(stream, name, peer.address.ip())
            .await
            .map_err(End::Io)
    };
    match session.handshake(CONNECT_TIME, work).await {
        Ok(mut stream) => {
            session.opened_up(flow);
            Box::pin(plain::run(session, &mut stream)).await
        }
        Err(end) => end,
    }
}

/// From the local address that the message names as ours, so that the peer sees what it reads.
async fn connect(remote: SocketAddr, local: IpAddr) -> io::Result<TcpStream> {
    let socket = if remote.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    if !local.is_unspecified() && local.is_ipv4() == remote.is_ipv4() {
        socket.bind(SocketAddr::new(local, 0))?;
    }
    socket.connect(remote).await
}
