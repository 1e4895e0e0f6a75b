//! The network between the phones and the exchange: it delays, loses, doubles and reorders
//! datagrams, and breaks connections. Its own decisions only; what is in a message is not looked at.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use core::time::Duration;

use fernamt_sip::time::Time;
use fernamt_sip::transport::ConnectionId;

use crate::random::Random;
use crate::scenario::NetworkPlan;

/// The network.
#[derive(Debug)]
pub(super) struct Network {
    plan: NetworkPlan,
    random: Random,
    connections: BTreeMap<ConnectionId, Connection>,
    opened: u64,
    /// Until when a phone is cut off.
    partitions: BTreeMap<usize, Time>,
}

/// A connection between a phone and the exchange.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) phone: usize,
    /// The phone's end.
    pub(super) remote: SocketAddr,
    /// When the last bytes arrive: those that follow cannot overtake them.
    last: [Time; 2],
}

/// Which way something goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    ToExchange,
    ToPhone,
}

impl Network {
    pub(super) fn new(plan: NetworkPlan, random: Random) -> Network {
        Network {
            plan,
            random,
            connections: BTreeMap::new(),
            opened: 0,
            partitions: BTreeMap::new(),
        }
    }

    fn delay(&mut self) -> Duration {
        let (low, high) = self.plan.delay_millis;
        self.random.millis(low, high)
    }

    /// When the copies of a datagram arrive: none, one or two.
    pub(super) fn datagram(&mut self, now: Time, phone: usize) -> Vec<Time> {
        let mut arrivals = vec![now + self.delay()];
        if self.random.per_mille(self.plan.duplicate_per_mille) {
            arrivals.push(now + self.delay());
        }
        let lost = self.random.per_mille(self.plan.loss_per_mille);
        if lost || self.is_cut_off(now, phone) {
            arrivals.pop();
            if self.is_cut_off(now, phone) {
                arrivals.clear();
            }
        }
        arrivals
    }

    /// When bytes on a connection arrive; `None` when it does not exist any more.
    pub(super) fn bytes(&mut self, now: Time, id: ConnectionId, way: Way) -> Option<Time> {
        let delay = self.delay();
        let phone = self.connections.get(&id)?.phone;
        let freed = self.partitions.get(&phone).copied().unwrap_or(now).max(now);
        let connection = self.connections.get_mut(&id)?;
        let last = &mut connection.last[way as usize];
        *last = (freed + delay).max(*last + Duration::from_micros(1));
        Some(*last)
    }

    pub(super) fn cut_off(&mut self, phone: usize, until: Time) {
        let end = self.partitions.entry(phone).or_insert(until);
        *end = until.max(*end);
    }

    /// Whether nothing reaches a phone.
    pub(super) fn is_cut_off(&self, now: Time, phone: usize) -> bool {
        self.partitions
            .get(&phone)
            .is_some_and(|until| *until > now)
    }

    /// Whether a phone was ever cut off.
    pub(super) fn was_cut_off(&self, phone: usize) -> bool {
        self.partitions.contains_key(&phone)
    }

    /// Opens a connection between a phone and the exchange.
    pub(super) fn open(&mut self, now: Time, phone: usize, remote: SocketAddr) -> ConnectionId {
        self.opened += 1;
        let id = ConnectionId(self.opened);
        self.connections.insert(
            id,
            Connection {
                phone,
                remote,
                last: [now; 2],
            },
        );
        id
    }

    pub(super) fn connection(&self, id: ConnectionId) -> Option<&Connection> {
        self.connections.get(&id)
    }

    /// An open connection to this address.
    pub(super) fn connection_to(&self, remote: SocketAddr) -> Option<ConnectionId> {
        self.connections
            .iter()
            .find(|(_, connection)| connection.remote == remote)
            .map(|(id, _)| *id)
    }

    /// Closes a connection; what is on its way is lost.
    pub(super) fn close(&mut self, id: ConnectionId) -> Option<Connection> {
        self.connections.remove(&id)
    }

    /// The connections of a phone, or of all.
    pub(super) fn connections_of(&self, phone: Option<usize>) -> Vec<ConnectionId> {
        let is_its = |connection: &Connection| phone.is_none_or(|phone| connection.phone == phone);
        self.connections
            .iter()
            .filter(|(_, connection)| is_its(connection))
            .map(|(id, _)| *id)
            .collect()
    }

    /// Whether datagrams get lost or come late.
    pub(super) fn port_of_connection(&mut self) -> u16 {
        self.random.between(40_000, 60_000) as u16
    }
}
