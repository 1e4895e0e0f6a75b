//! Messages between the phones and the exchange: who is at which address, which connection is used,
//! and what the network does to them on the way.

use std::net::SocketAddr;
use std::sync::Arc;

use fernamt_exchange::Exchange;
use fernamt_exchange::interface::Input;
use fernamt_sip::transport::{ConnectionId, Flow, Transport};

use super::event::{Event, at_port};
use super::network::Way;
use super::observer::Observer;
use super::{EXCHANGE, World, addresses};
use crate::phone::{Phone, PhoneOutput};

impl World {
    /// Does what a phone wants.
    pub(super) fn drain_phone(&mut self, phone: usize) {
        let outputs = std::mem::take(&mut self.phones[phone].outbox);
        for output in outputs {
            match output {
                PhoneOutput::Send { flow, bytes } => self.phone_sends(phone, flow, bytes),
                PhoneOutput::Later { after, action } => {
                    self.queue
                        .push(self.now.time + after, Event::Phone { phone, action });
                }
                PhoneOutput::Complaint(what) => {
                    self.breach(format!("{}: {what}", name(&self.phones[phone])));
                }
            }
        }
        self.start_traffic();
    }

    fn phone_sends(&mut self, phone: usize, flow: Flow, bytes: Arc<[u8]>) {
        if self.phones[phone].gone {
            return;
        }
        let now = self.now.time;
        let exchange: SocketAddr = EXCHANGE.parse().expect("an address");
        if flow.transport == Transport::Udp {
            let remote = self.phones[phone].public;
            let arrivals = self.network.datagram(now, phone);
            self.trace_sent(phone, "──▶", &bytes, arrivals.len());
            for at in arrivals {
                let flow = Flow {
                    transport: Transport::Udp,
                    local: exchange,
                    remote,
                    connection: None,
                };
                let bytes = Arc::clone(&bytes);
                self.queue
                    .push(at, Event::ToExchange { phone, flow, bytes });
            }
            return;
        }
        let Some(connection) = self.connection_for(phone, &flow) else {
            return self.trace_sent(phone, "──▶", &bytes, 0);
        };
        let Some(at) = self.network.bytes(now, connection, Way::ToExchange) else {
            return;
        };
        let remote = self.network.connection(connection).map(|it| it.remote);
        self.trace_sent(phone, "══▶", &bytes, 1);
        if let Some(remote) = remote {
            let flow = Flow {
                transport: Transport::Tcp,
                local: exchange,
                remote,
                connection: Some(connection),
            };
            self.queue
                .push(at, Event::ToExchange { phone, flow, bytes });
        }
    }

    /// The connection that a message of a phone takes; opened where there is none.
    fn connection_for(&mut self, phone: usize, flow: &Flow) -> Option<ConnectionId> {
        let named = flow
            .connection
            .filter(|id| self.network.connection(*id).is_some());
        let own = self.phones[phone].connection;
        let own = own.filter(|id| self.network.connection(*id).is_some());
        if named.or(own).is_some() {
            return named.or(own);
        }
        if self.shards.is_empty() || self.network.is_cut_off(self.now.time, phone) {
            return None;
        }
        let port = self.network.port_of_connection();
        let remote = at_port(self.phones[phone].public, port);
        let connection = self.network.open(self.now.time, phone, remote);
        self.phones[phone].connection = Some(connection);
        Some(connection)
    }

    /// The exchange sends something.
    pub(super) fn exchange_sends(&mut self, shard: usize, flow: Flow, bytes: Arc<[u8]>) {
        let sent = match self.options.sabotage {
            Some(sabotage) => sabotage.sent(bytes),
            None => Some(bytes),
        };
        let Some(bytes) = sent else {
            return;
        };
        self.fold(&bytes);
        let now = self.now.time;
        if flow.transport != Transport::Udp {
            return self.exchange_sends_on_stream(shard, flow, bytes);
        }
        let exchange: SocketAddr = EXCHANGE.parse().expect("an address");
        let phone = self
            .phones
            .iter()
            .position(|phone| phone.public == flow.remote);
        self.observer.sent(now, &bytes);
        self.report_observed();
        let Some(phone) = phone else {
            if flow.remote == exchange {
                let what = Observer::title(&bytes);
                return self.breach(format!("the exchange sends to itself: {what}"));
            }
            return self.trace(|| {
                format!(
                    "exchange ──▶ {}, where nobody is  {}",
                    flow.remote,
                    Observer::title(&bytes)
                )
            });
        };
        let arrivals = self.network.datagram(now, phone);
        self.trace_sent(phone, "◀──", &bytes, arrivals.len());
        let flow = Flow {
            transport: Transport::Udp,
            local: self.phones[phone].address,
            remote: exchange,
            connection: None,
        };
        for at in arrivals {
            self.queue.push(
                at,
                Event::ToPhone {
                    phone,
                    flow,
                    bytes: Arc::clone(&bytes),
                },
            );
        }
    }

    fn exchange_sends_on_stream(&mut self, shard: usize, flow: Flow, bytes: Arc<[u8]>) {
        let now = self.now.time;
        let exchange: SocketAddr = EXCHANGE.parse().expect("an address");
        let open = flow
            .connection
            .filter(|id| self.network.connection(*id).is_some())
            .or_else(|| self.network.connection_to(flow.remote));
        let connection = open.or_else(|| {
            let listens = |phone: &Phone| {
                phone.public == flow.remote
                    && phone.plan.character.listens_on_tcp
                    && !phone.plan.behind_nat
            };
            let phone = self.phones.iter().position(listens)?;
            Some(self.network.open(now, phone, flow.remote))
        });
        let sent = connection.and_then(|id| {
            let phone = self.network.connection(id)?.phone;
            Some((id, phone, self.network.bytes(now, id, Way::ToPhone)?))
        });
        let Some((connection, phone, at)) = sent else {
            self.observer.sent(now, &bytes);
            self.trace(|| {
                format!(
                    "exchange ══▶ {} has no way  {}",
                    flow.remote,
                    Observer::title(&bytes)
                )
            });
            let after = self.random.millis(1, 200);
            let epoch = self.epoch;
            return self
                .queue
                .push(now + after, Event::SendFailed { epoch, shard, flow });
        };
        self.observer.sent(now, &bytes);
        self.report_observed();
        self.trace_sent(phone, "◀══", &bytes, 1);
        let flow = Flow {
            transport: Transport::Tcp,
            local: self.phones[phone].address,
            remote: exchange,
            connection: Some(connection),
        };
        self.queue.push(at, Event::ToPhone { phone, flow, bytes });
    }

    /// A message arrives at the exchange.
    pub(super) fn arrives(&mut self, phone: usize, flow: Flow, bytes: &Arc<[u8]>) {
        if self.shards.is_empty() {
            return;
        }
        if flow
            .connection
            .is_some_and(|id| self.network.connection(id).is_none())
        {
            return;
        }
        self.report.counts.messages += 1;
        self.fold(bytes);
        self.observer.received(self.now.time, bytes);
        let shards = self.scenario.shards;
        let shard = usize::from(Exchange::shard_of(bytes, shards));
        self.trace(|| {
            format!(
                "                  [{shard}] gets {}  from phone {phone}",
                Observer::title(bytes)
            )
        });
        self.give(shard, Input::Message { flow, bytes });
    }

    /// Closes a connection on both sides.
    pub(super) fn close_connection(&mut self, connection: ConnectionId) {
        let Some(closed) = self.network.close(connection) else {
            return;
        };
        let after = self.random.millis(1, 300);
        let phone = closed.phone;
        self.queue.push(
            self.now.time + after,
            Event::Disconnected { phone, connection },
        );
        self.location.connection_closed(connection);
        for shard in 0..self.shards.len() {
            self.give(shard, Input::ConnectionClosed { connection });
        }
    }

    /// A phone has another address.
    pub(super) fn move_phone(&mut self, phone: usize) {
        let (_, public) = addresses(phone, &self.phones[phone].plan, 1);
        for connection in self.network.connections_of(Some(phone)) {
            self.close_connection(connection);
        }
        self.trace(|| format!("phone {phone} has the address {public} now"));
        self.phones[phone].moved(self.now.time, public);
        self.drain_phone(phone);
    }

    fn report_observed(&mut self) {
        for complaint in self.observer.drain_complaints() {
            self.breach(complaint);
        }
    }

    fn trace_sent(&mut self, phone: usize, arrow: &str, bytes: &[u8], copies: usize) {
        let name = name(&self.phones[phone]);
        self.trace(|| {
            let fate = match copies {
                0 => "  (lost)",
                1 => "",
                _ => "  (twice)",
            };
            format!(
                "{name:<8} {arrow} exchange  {}{fate}",
                Observer::title(bytes)
            )
        });
    }

    /// Takes bytes and the time into the digest of the run.
    fn fold(&mut self, bytes: &[u8]) {
        let time = self.now.time.as_micros().to_le_bytes();
        for byte in time.iter().chain(bytes) {
            let folded = self.report.digest ^ u64::from(*byte);
            self.report.digest = folded.wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

/// A phone, for people.
pub(super) fn name(phone: &Phone) -> String {
    format!("{}.{}", phone.plan.user, phone.index)
}
