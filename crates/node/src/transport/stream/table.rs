//! Which connections are open, from whom, and which of them a message can be sent on.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use fernamt_exchange::guard::Source;
use fernamt_sip::transport::{ConnectionId, Transport};
use hashbrown::HashMap;

use super::outlet::Outlet;

/// By what an open connection is found again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Peer {
    pub(super) transport: Transport,
    pub(super) address: SocketAddr,
    /// The name that the peer's certificate was checked for. A connection on which another name, or
    /// none, was checked is another connection (RFC 5922 section 7.3).
    pub(super) server_name: Option<Arc<str>>,
}

struct Entry {
    outlet: Arc<Outlet>,
    peer: Peer,
    /// Counted against the limit of this source.
    source: Option<Source>,
    /// It has carried a message, or we opened it.
    established: bool,
}

/// Why a new connection is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// Too many from this source.
    Source,
    /// Too many at all, and none that has not proved itself.
    Total,
}

/// All open connections.
pub(super) struct Table {
    total: usize,
    per_source: usize,
    entries: HashMap<ConnectionId, Entry>,
    peers: HashMap<Peer, ConnectionId>,
    sources: HashMap<Source, usize>,
    /// Incoming connections, oldest first. Ones that are gone or established are skipped.
    young: VecDeque<ConnectionId>,
}

impl Table {
    pub(super) fn new(total: usize, per_source: usize) -> Table {
        Table {
            total,
            per_source,
            entries: HashMap::new(),
            peers: HashMap::new(),
            sources: HashMap::new(),
            young: VecDeque::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Enters an incoming connection; one of a trusted source counts only for the whole. When there
    /// is no room, the oldest connection that has not said anything yet has to go.
    pub(super) fn accept(
        &mut self,
        id: ConnectionId,
        peer: Peer,
        trusted: bool,
    ) -> Result<Arc<Outlet>, Full> {
        let source = Some(Source::of(peer.address.ip())).filter(|_| !trusted);
        if let Some(source) = source
            && self
                .sources
                .get(&source)
                .is_some_and(|count| *count >= self.per_source)
        {
            return Err(Full::Source);
        }
        if self.entries.len() >= self.total && !self.evict() {
            return Err(Full::Total);
        }
        if let Some(source) = source {
            *self.sources.entry(source).or_insert(0) += 1;
        }
        if self.young.len() > self.entries.len().saturating_mul(2).saturating_add(64) {
            let entries = &self.entries;
            self.young
                .retain(|id| entries.get(id).is_some_and(|entry| !entry.established));
        }
        self.young.push_back(id);
        Ok(self.insert(id, peer, source, false))
    }

    /// Enters a connection that we open; it can be used by others at once.
    pub(super) fn open(&mut self, id: ConnectionId, peer: Peer) -> Result<Arc<Outlet>, Full> {
        if self.entries.len() >= self.total && !self.evict() {
            return Err(Full::Total);
        }
        self.peers.insert(peer.clone(), id);
        Ok(self.insert(id, peer, None, true))
    }

    fn insert(
        &mut self,
        id: ConnectionId,
        peer: Peer,
        source: Option<Source>,
        established: bool,
    ) -> Arc<Outlet> {
        let outlet = Arc::new(Outlet::default());
        let entry = Entry {
            outlet: Arc::clone(&outlet),
            peer,
            source,
            established,
        };
        self.entries.insert(id, entry);
        outlet
    }

    /// The oldest connection that has not proved itself goes; false when there is none.
    fn evict(&mut self) -> bool {
        while let Some(id) = self.young.pop_front() {
            if self
                .entries
                .get(&id)
                .is_some_and(|entry| !entry.established)
            {
                if let Some(outlet) = self.remove(id) {
                    outlet.close();
                }
                return true;
            }
        }
        false
    }

    /// A first whole message has come: the connection is one that others may send on.
    pub(super) fn establish(&mut self, id: ConnectionId) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.established = true;
            self.peers.insert(entry.peer.clone(), id);
        }
    }

    pub(super) fn by_id(&self, id: ConnectionId) -> Option<Arc<Outlet>> {
        self.entries.get(&id).map(|entry| Arc::clone(&entry.outlet))
    }

    pub(super) fn by_peer(&self, peer: &Peer) -> Option<Arc<Outlet>> {
        self.by_id(*self.peers.get(peer)?)
    }

    /// Takes a connection out.
    pub(super) fn remove(&mut self, id: ConnectionId) -> Option<Arc<Outlet>> {
        let entry = self.entries.remove(&id)?;
        if self.peers.get(&entry.peer) == Some(&id) {
            self.peers.remove(&entry.peer);
        }
        if let Some(source) = entry.source
            && let Some(count) = self.sources.get_mut(&source)
        {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.sources.remove(&source);
            }
        }
        Some(entry.outlet)
    }

    /// Closes everything that comes from this address and has no trust.
    pub(super) fn close_from(&self, address: IpAddr) {
        let source = Some(Source::of(address));
        for entry in self.entries.values().filter(|entry| entry.source == source) {
            entry.outlet.close();
        }
    }

    pub(super) fn close_all(&self) {
        for entry in self.entries.values() {
            entry.outlet.close();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(last: u8, port: u16) -> Peer {
        let address = SocketAddr::from(([192, 0, 2, last], port));
        Peer {
            transport: Transport::Tcp,
            address,
            server_name: None,
        }
    }

    #[test]
    fn a_source_may_open_so_many_connections_and_not_one_more() {
        let mut table = Table::new(100, 2);
        table.accept(ConnectionId(1), peer(1, 1), false).unwrap();
        table.accept(ConnectionId(2), peer(1, 2), false).unwrap();
        assert_eq!(
            table
                .accept(ConnectionId(3), peer(1, 3), false)
                .unwrap_err(),
            Full::Source
        );
        table.accept(ConnectionId(4), peer(2, 4), false).unwrap();
        table.accept(ConnectionId(5), peer(1, 5), true).unwrap();
        table.remove(ConnectionId(1));
        table.accept(ConnectionId(6), peer(1, 6), false).unwrap();
    }

    #[test]
    fn when_all_places_are_taken_the_oldest_silent_connection_goes() {
        let mut table = Table::new(3, 100);
        let first = table.accept(ConnectionId(1), peer(1, 1), false).unwrap();
        let second = table.accept(ConnectionId(2), peer(1, 2), false).unwrap();
        table.open(ConnectionId(3), peer(9, 5060)).unwrap();
        table.establish(ConnectionId(1));
        table.accept(ConnectionId(4), peer(1, 4), false).unwrap();
        assert!(second.is_closed() && !first.is_closed());
        table.establish(ConnectionId(4));
        assert_eq!(
            table
                .accept(ConnectionId(5), peer(1, 5), false)
                .unwrap_err(),
            Full::Total
        );
        assert_eq!(table.len(), 3);
    }

    #[test]
    fn tls_connection_reuse() {
        let named = |name: &str| Peer {
            transport: Transport::Tls,
            server_name: Some(name.into()),
            ..peer(1, 5061)
        };
        let mut table = Table::new(10, 10);
        table.open(ConnectionId(1), named("a.example")).unwrap();
        assert!(table.by_peer(&named("a.example")).is_some());
        assert!(table.by_peer(&named("b.example")).is_none());
        // An incoming connection from that address proves no name.
        let incoming = Peer {
            transport: Transport::Tls,
            ..peer(2, 5061)
        };
        table.accept(ConnectionId(2), incoming, false).unwrap();
        table.establish(ConnectionId(2));
        let wanted = Peer {
            transport: Transport::Tls,
            server_name: Some("c.example".into()),
            ..peer(2, 5061)
        };
        assert!(table.by_peer(&wanted).is_none());
    }

    #[test]
    fn the_list_of_young_connections_does_not_grow_for_ever() {
        let mut table = Table::new(10, 10);
        for number in 0..10_000 {
            let id = ConnectionId(number);
            table.accept(id, peer(1, 1), false).unwrap();
            table.establish(id);
            table.remove(id);
        }
        assert!(table.young.len() < 100 && table.sources.is_empty() && table.peers.is_empty());
    }
}
