//! The way of a packet through a media thread: taken in at one endpoint, sent out of its own socket
//! again (echo) or out of another's (bridge). Nothing is decoded and nothing allocated.
//!
//! One lock is held at a time: first that of the endpoint where packets arrive, then that of the one
//! where they leave. In between either may be closed or bridged elsewhere, so the second is asked
//! again whether it belongs to the first. Since both are asked under their locks, nothing is taken in
//! or sent by an endpoint after its closing has returned.

use std::net::SocketAddr;

use fernamt_exchange::media::{EndpointId, Event};
use fernamt_rtp::Header;

use crate::endpoint::{Arrival, Endpoint, Link, Way};
use crate::slots::Place;
use crate::socket::{Channel, SocketPair};
use crate::worker::{Player, Worker};

/// What goes on to the other side of the bridge.
struct Passage {
    from: EndpointId,
    to: Link,
    arrival: Arrival,
    length: usize,
}

impl Worker {
    /// Takes in one datagram that has arrived at a socket and passes it on. When there are more, epoll
    /// tells of the socket again, after the others.
    pub(crate) fn serve(&mut self, number: u32, channel: Channel) {
        if let Some(passage) = self.take_in(number, channel) {
            self.send_out(&passage);
        }
    }

    fn take_in(&mut self, number: u32, channel: Channel) -> Option<Passage> {
        let mut place = self.known.get(&self.shared.slots, number)?.lock();
        let Place { sockets, endpoint } = &mut *place;
        let sockets = sockets.as_ref()?;
        let (length, source) = sockets.receive(channel, &mut self.room)?;
        // At a pair that is not in use it is thrown away: it is for a call that is over.
        let endpoint = endpoint.as_deref_mut()?;
        let datagram = self.room.datagram(length);
        let now_micros = self.shared.now_micros();
        let (arrival, latched) = endpoint.take_in(channel, datagram, source, now_micros);
        if let Some(rtp) = latched {
            let endpoint = endpoint.id;
            self.events.push(Event::Latched { endpoint, rtp });
        }
        match (arrival, endpoint.way) {
            (Arrival::Dropped, _) | (_, Way::Nowhere) => None,
            (Arrival::Rtp, Way::Echo) => {
                echo(endpoint, sockets, datagram);
                None
            }
            (Arrival::Rtcp, Way::Echo) => None,
            (_, Way::Bridge(to)) => Some(Passage {
                from: endpoint.id,
                to,
                arrival,
                length,
            }),
        }
    }

    fn send_out(&mut self, passage: &Passage) -> Option<()> {
        let mut place = self.known.get(&self.shared.slots, passage.to.slot)?.lock();
        let Place { sockets, endpoint } = &mut *place;
        let (sockets, endpoint) = (sockets.as_ref()?, endpoint.as_deref_mut()?);
        let belongs = endpoint.id == passage.to.endpoint
            && matches!(endpoint.way, Way::Bridge(link) if link.endpoint == passage.from);
        if belongs {
            let datagram = self.room.datagram(passage.length);
            match passage.arrival {
                Arrival::Dropped => {}
                Arrival::Rtp => send_rtp(endpoint, sockets, datagram),
                Arrival::Rtcp => send_rtcp(endpoint, sockets, datagram),
            }
        }
        Some(())
    }

    /// Sends one frame of what is played; whether there is more to come.
    pub(crate) fn play_frame(&mut self, player: &Player) -> bool {
        let Some(slot) = self.known.get(&self.shared.slots, player.slot) else {
            return false;
        };
        let mut place = slot.lock();
        let Place {
            sockets: Some(sockets),
            endpoint: Some(endpoint),
        } = &mut *place
        else {
            return false;
        };
        if endpoint.id != player.endpoint {
            return false;
        }
        let to = endpoint.rtp_destination();
        let (Some(playing), Some(outgoing)) = (&mut endpoint.playing, &mut endpoint.outgoing)
        else {
            return false;
        };
        if playing.serial != player.serial {
            return false;
        }
        let packet = playing.next_packet(outgoing, self.shared.now_micros());
        let is_over = playing.is_over();
        if let (Some(packet), Some(to)) = (packet, to) {
            send(endpoint, sockets, &packet, to);
        }
        if is_over {
            endpoint.playing = None;
            self.events.push(Event::Played {
                endpoint: endpoint.id,
            });
        }
        !is_over
    }
}

#[inline]
fn send_rtp(endpoint: &mut Endpoint, sockets: &SocketPair, datagram: &[u8]) {
    let Some(header) = Header::peek(datagram) else {
        return;
    };
    // One stream at a time: while something is played the other party is not heard.
    if endpoint.playing.is_some() {
        return;
    }
    if let Some(to) = endpoint.way_out(header.payload_type) {
        send(endpoint, sockets, datagram, to);
    }
}

fn send_rtcp(endpoint: &Endpoint, sockets: &SocketPair, datagram: &[u8]) {
    if let Some((channel, to)) = endpoint.rtcp_way_out() {
        sockets.send(channel, datagram, to);
    }
}

fn echo(endpoint: &mut Endpoint, sockets: &SocketPair, datagram: &mut [u8]) {
    if endpoint.playing.is_some() {
        return;
    }
    if let Some(to) = endpoint.rtp_destination() {
        endpoint.mask_echo(datagram);
        send(endpoint, sockets, datagram, to);
    }
}

#[inline]
fn send(endpoint: &mut Endpoint, sockets: &SocketPair, datagram: &[u8], to: SocketAddr) {
    if sockets.send(Channel::Rtp, datagram, to) {
        endpoint.count_sent();
    }
}
