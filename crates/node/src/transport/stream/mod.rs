//! Connections: TCP, TLS, WebSocket and secure WebSocket, each with one task on a small async
//! runtime. Whole messages go to the shard they belong to; what shards send comes by a bounded queue.

mod accept;
mod connect;
mod outlet;
mod plain;
mod session;
mod table;
mod websocket;

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use fernamt_sip::transport::{ConnectionId, Flow, Transport};
use tokio::runtime::Handle;

pub(crate) use self::accept::{Binding, bind, serve};
pub(crate) use self::outlet::Outbound;
use self::outlet::{NotTaken, Outlet};
pub(crate) use self::session::Times;
use self::table::{Peer, Table};
use super::access::Access;
use super::tls::Tls;
use crate::config::ConnectionLimits;
use crate::shard::{Inboxes, Item, Services};

/// What connections need of the rest of the node.
pub(crate) struct StreamParts {
    pub(crate) runtime: Handle,
    pub(crate) inboxes: Arc<Inboxes>,
    pub(crate) access: Arc<Access>,
    pub(crate) limits: ConnectionLimits,
    pub(crate) times: Times,
    pub(crate) tls: Arc<Tls>,
    /// The shard that a message belongs to, of so many.
    pub(crate) shard_of: fn(&[u8], u16) -> u16,
}

/// All connections of a node.
pub(crate) struct Streams {
    runtime: Handle,
    inboxes: Arc<Inboxes>,
    access: Arc<Access>,
    limits: ConnectionLimits,
    times: Times,
    tls: Arc<Tls>,
    shard_of: fn(&[u8], u16) -> u16,
    table: Mutex<Table>,
    next: AtomicU64,
    services: OnceLock<Weak<dyn Services>>,
}

impl Streams {
    pub(crate) fn new(parts: StreamParts) -> Streams {
        Streams {
            runtime: parts.runtime,
            inboxes: parts.inboxes,
            access: parts.access,
            limits: parts.limits,
            times: parts.times,
            tls: parts.tls,
            shard_of: parts.shard_of,
            table: Mutex::new(Table::new(parts.limits.total, parts.limits.per_source)),
            next: AtomicU64::new(1),
            services: OnceLock::new(),
        }
    }

    /// Names who is told of closed connections. Before the first listener is served.
    pub(crate) fn set_services(&self, services: &Arc<dyn Services>) {
        // They know the connections, too; neither keeps the other alive.
        let _ = self.services.set(Arc::downgrade(services));
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_id(&self) -> ConnectionId {
        ConnectionId(self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// How many connections are open.
    pub(crate) fn open_connections(&self) -> usize {
        self.table().len()
    }

    /// Sends a message of a shard: on the connection of the flow, on an open one to the same peer,
    /// or on one that is opened for it. What cannot be sent comes back as [`Item::SendFailed`].
    pub(crate) fn send(
        self: &Arc<Self>,
        shard: u16,
        flow: Flow,
        server_name: Option<Arc<str>>,
        bytes: Arc<[u8]>,
    ) {
        let mut outbound = Outbound { shard, flow, bytes };
        if let Some(id) = flow.connection {
            let outlet = self.table().by_id(id);
            match self.put(outlet, outbound) {
                Ok(()) => return,
                // A request does not leave its flow (RFC 5626 section 5.3); a response may go out on
                // another connection (RFC 3261 section 18.2.2).
                Err(back) if is_response(&back.bytes) => outbound = back,
                Err(back) => return self.failed(&back),
            }
        }
        let peer = Peer {
            transport: flow.transport,
            address: flow.remote,
            server_name,
        };
        let mut table = self.table();
        let open = table.by_peer(&peer);
        if open.is_some() {
            drop(table);
            if let Err(back) = self.put(open, outbound) {
                self.failed(&back);
            }
            return;
        }
        if !matches!(flow.transport, Transport::Tcp | Transport::Tls) {
            drop(table);
            return self.failed(&outbound);
        }
        let id = self.next_id();
        let entered = table.open(id, peer.clone());
        drop(table);
        match entered {
            Ok(outlet) => {
                if let Err(NotTaken::Closed(back) | NotTaken::Full(back)) = outlet.put(outbound) {
                    self.failed(&back);
                }
                let local = flow.local.ip();
                let task = connect::run(Arc::clone(self), id, peer, local, outlet);
                self.runtime.spawn(task);
            }
            Err(_) => {
                tracing::warn!(remote = %flow.remote, "no connection opened: the limit is reached");
                self.failed(&outbound);
            }
        }
    }

    /// Closes a connection.
    pub(crate) fn close(&self, id: ConnectionId) {
        let outlet = self.table().by_id(id);
        if let Some(outlet) = outlet {
            outlet.close();
        }
    }

    /// Closes what a banned source has open.
    pub(crate) fn close_from(&self, source: IpAddr) {
        self.table().close_from(source);
    }

    /// Closes everything.
    pub(crate) fn close_all(&self) {
        self.table().close_all();
    }

    fn put(&self, outlet: Option<Arc<Outlet>>, outbound: Outbound) -> Result<(), Outbound> {
        let Some(outlet) = outlet else {
            return Err(outbound);
        };
        match outlet.put(outbound) {
            Ok(()) => Ok(()),
            Err(NotTaken::Closed(back)) => Err(back),
            Err(NotTaken::Full(back)) => {
                tracing::info!(remote = %back.flow.remote, "connection closed: the peer does not read");
                outlet.close();
                Err(back)
            }
        }
    }

    fn failed(&self, outbound: &Outbound) {
        self.inboxes
            .push(outbound.shard, Item::SendFailed(outbound.flow));
    }

    /// Takes a connection out of the table and tells everyone who may know of it, once.
    fn ended(&self, id: ConnectionId, outlet: &Outlet, unwritten: Vec<Outbound>, known: bool) {
        self.table().remove(id);
        let waiting = outlet.drain();
        for outbound in unwritten.iter().chain(&waiting) {
            self.failed(outbound);
        }
        if !known {
            return;
        }
        if let Some(services) = self.services.get().and_then(Weak::upgrade) {
            services.connection_closed(id);
        }
        self.inboxes.push_all(|| Item::ConnectionClosed(id));
    }
}

fn is_response(message: &[u8]) -> bool {
    message.starts_with(b"SIP/2.0 ")
}

/// The flow of an open connection.
fn flow_of(transport: Transport, local: SocketAddr, remote: SocketAddr, id: ConnectionId) -> Flow {
    Flow {
        transport,
        local: canonical(local),
        remote: canonical(remote),
        connection: Some(id),
    }
}

/// An IPv4-mapped address is an IPv4 address.
fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        ip @ IpAddr::V4(_) => SocketAddr::new(ip, address.port()),
        IpAddr::V6(_) => address,
    }
}
