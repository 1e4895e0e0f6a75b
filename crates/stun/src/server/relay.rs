//! The way of data (RFC 8656 sections 11 and 12): Send indications and channel data to peers, and
//! what peers send to clients. Nothing is allocated here.

use std::net::SocketAddr;

use super::allocation::RelayId;
use super::{Flow, Queued, Server};
use crate::frame::write_channel;
use crate::message::{Builder, Message, attribute};
use crate::time::Now;
use crate::{Class, Method, TransactionId};
use rand_core::Rng;

impl Server {
    /// RFC 8656 section 11.2. It is not authenticated, so it does no more than the permission allows.
    pub(super) fn send_indication(&mut self, now: Now, flow: &Flow, message: &Message<'_>) {
        let known = [attribute::XOR_PEER_ADDRESS, attribute::DATA];
        let peer = message.masked_address(attribute::XOR_PEER_ADDRESS);
        let data = message.find(attribute::DATA);
        let (Some(peer), Some(data), true) = (peer, data, message.unknown(&known).is_empty())
        else {
            self.figures.malformed += 1;
            return;
        };
        let held = self.by_flow.get(flow).and_then(|id| self.allocation(*id));
        let allowed = held
            .filter(|held| held.is_open() && held.may_receive_from(now, peer.ip()))
            .map(|held| held.id);
        self.pass_to_peer(now, allowed, peer, data);
    }

    /// RFC 8656 section 12.6.
    pub(super) fn channel_data(&mut self, now: Now, flow: &Flow, number: u16, data: &[u8]) {
        let held = self.by_flow.get(flow).and_then(|id| self.allocation(*id));
        let way = held.and_then(|held| Some((held.id, held.peer_of(now, number)?)));
        match way {
            Some((id, peer)) => self.pass_to_peer(now, Some(id), peer, data),
            None => self.figures.packets_dropped += 1,
        }
    }

    /// Whether anything may be sent to an address: a relay of ours, which no packet leaves the
    /// server for, or what the policy allows.
    pub(super) fn may_reach(&self, peer: SocketAddr) -> bool {
        self.by_relayed.contains_key(&peer) || self.settings.peers.may_send(peer)
    }

    fn pass_to_peer(&mut self, now: Now, relay: Option<RelayId>, peer: SocketAddr, data: &[u8]) {
        let held = relay.and_then(|id| self.allocation(id));
        let Some((id, bound, relayed)) = held.map(|held| (held.id, held.bound, held.relayed))
        else {
            self.figures.packets_dropped += 1;
            return;
        };
        if bound.is_ipv4() != peer.is_ipv4() || !self.may_reach(peer) {
            self.figures.packets_dropped += 1;
            return;
        }
        self.figures.packets_to_peers += 1;
        self.figures.bytes_relayed += data.len() as u64;
        // Two clients of this server: no packet need leave the machine and find its way back.
        if let Some(other) = self.by_relayed.get(&peer).copied() {
            return self.pass_to_client(now, other, relayed, data);
        }
        // The address that others see is ours: it need not go through the router that forwards it.
        let target = match self.settings.advertised {
            Some(advertised) if advertised == peer.ip() => SocketAddr::new(bound.ip(), peer.port()),
            _ => peer,
        };
        let range = self.keep(data);
        self.queue.push_back(Queued::ToPeer(id, target, range));
    }

    /// A datagram has arrived at a relay.
    pub(super) fn arrived(&mut self, now: Now, id: RelayId, peer: SocketAddr, data: &[u8]) {
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let bound = self.allocation(id).map(|held| held.bound.ip());
        let seen = match self.settings.advertised {
            Some(advertised)
                if Some(peer.ip()) == bound
                    && advertised.is_ipv4() == peer.is_ipv4()
                    && !peer.ip().is_loopback() =>
            {
                SocketAddr::new(advertised, peer.port())
            }
            _ => peer,
        };
        self.pass_to_client(now, id, seen, data);
    }

    /// RFC 8656 sections 11.4 and 12.7: as channel data where there is a channel, otherwise as a
    /// Data indication.
    fn pass_to_client(&mut self, now: Now, id: RelayId, peer: SocketAddr, data: &[u8]) {
        let held = self
            .allocation(id)
            .filter(|held| held.is_open() && held.may_receive_from(now, peer.ip()));
        let Some((flow, channel)) = held.map(|held| (held.flow, held.channel_of(now, peer))) else {
            self.figures.packets_dropped += 1;
            return;
        };
        let start = self.bytes.len();
        let written = match channel {
            Some(number) => {
                write_channel(&mut self.bytes, number, data, flow.connection.is_some()).is_some()
            }
            None => {
                let mut transaction = [0; 12];
                self.chance.fill_bytes(&mut transaction);
                let transaction = TransactionId(transaction);
                let out = &mut self.bytes;
                Builder::new(out, Class::Indication, Method::DATA, transaction)
                    .masked_address(attribute::XOR_PEER_ADDRESS, peer)
                    .attribute(attribute::DATA, data)
                    .finish()
                    .is_ok()
            }
        };
        if !written {
            self.figures.packets_dropped += 1;
            return;
        }
        self.figures.packets_to_clients += 1;
        self.figures.bytes_relayed += data.len() as u64;
        let range = start..self.bytes.len();
        self.queue.push_back(Queued::Send(flow, range));
    }
}
