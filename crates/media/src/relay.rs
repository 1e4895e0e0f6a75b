//! The way of a packet through a media thread: taken in at one endpoint, sent out of its own socket
//! again (echo) or out of another's (bridge). Nothing is decoded and nothing allocated.
//!
//! One lock is held at a time: first that of the endpoint where packets arrive, then that of the one
//! where they leave, and where either shares the ports of another, that of the other in between. In
//! between any may be closed or bridged elsewhere, so the next is asked again whether it belongs to
//! the one before. Since all are asked under their locks, nothing is taken in or sent by an endpoint
//! after its closing has returned.

use fernamt_exchange::media::{EndpointId, Event};
use fernamt_rtp::Header;

use crate::endpoint::{Arrival, Content, Endpoint, Link, Outbox, Outside, Way};
use crate::shared::Shared;
use crate::slots::Place;
use crate::socket::{Channel, Room, SocketPair};
use crate::timers::Timer;
use crate::worker::{Player, Worker};

/// What goes on to the other side of the bridge.
struct Passage {
    from: EndpointId,
    to: Link,
    content: Content,
    length: usize,
    /// Stands for the identification tag that the packets of the side it comes from carry.
    mid_mark: u64,
}

/// What has arrived at the ports of one endpoint for another.
struct Carried {
    carrier: Link,
    rider: Link,
    content: Content,
    length: usize,
}

/// Where a datagram goes on.
enum Onward {
    Across(Passage),
    ToRider(Carried),
    /// Out through the ports of a carrier.
    Through(Departure),
}

/// What an endpoint sends through the ports of another.
struct Departure {
    carrier: Link,
    rider: EndpointId,
    content: Content,
    length: usize,
}

impl Worker {
    /// Takes in one datagram that has arrived at a socket and passes it on. When there are more, epoll
    /// tells of the socket again, after the others.
    pub(crate) fn serve(&mut self, number: u32, channel: Channel, now_micros: u64) {
        match self.take_in(number, channel, now_micros) {
            None => {}
            Some(Onward::Across(passage)) => {
                if let Some(departure) = self.send_out(&passage) {
                    self.send_through(&departure);
                }
            }
            Some(onward) => self.serve_sharing(onward, now_micros),
        }
    }

    /// The same for endpoints that share ports.
    #[inline(never)]
    fn serve_sharing(&mut self, onward: Onward, now_micros: u64) {
        let onward = match onward {
            Onward::ToRider(carried) => self.take_in_carried(&carried, now_micros),
            onward => Some(onward),
        };
        let departure = match onward {
            Some(Onward::Across(passage)) => self.send_out(&passage),
            Some(Onward::Through(departure)) => Some(departure),
            Some(Onward::ToRider(_)) | None => None,
        };
        if let Some(departure) = departure {
            self.send_through(&departure);
        }
    }

    #[inline(always)]
    fn take_in(&mut self, number: u32, channel: Channel, now_micros: u64) -> Option<Onward> {
        let mut place = self.known.get(&self.shared.slots, number)?.lock();
        let Place { sockets, endpoint } = &mut *place;
        let sockets = sockets.as_ref()?;
        let (length, source) = sockets.receive(channel, &mut self.room)?;
        // At a pair that is not in use it is thrown away: it is for a call that is over.
        let endpoint = endpoint.as_deref_mut()?;
        let datagram = self.room.datagram(length);
        let taken = endpoint.take_in(channel, datagram, source, now_micros);
        if taken.has_latched {
            self.events.push(Event::Latched {
                endpoint: endpoint.id,
                rtp: source,
            });
        }
        let itself = Link {
            slot: number,
            endpoint: endpoint.id,
        };
        match taken.arrival {
            Arrival::Dropped => None,
            Arrival::Accepted(content) => {
                let (room, length) = (&mut self.room, taken.length);
                go_on(endpoint, sockets, room, content, length)
            }
            Arrival::Carried(rider, content) => Some(Onward::ToRider(Carried {
                carrier: itself,
                rider,
                content,
                length: taken.length,
            })),
            Arrival::Setup => {
                set_up(
                    &self.shared,
                    sockets,
                    &mut self.events,
                    |outside, outbox| {
                        let datagram = self.room.datagram(length);
                        endpoint.take_in_setup(channel, datagram, source, outside, outbox);
                    },
                );
                self.shared.schedule(endpoint, number);
                None
            }
        }
    }

    /// Gives an endpoint what has arrived for it at the ports of its carrier.
    fn take_in_carried(&mut self, carried: &Carried, now_micros: u64) -> Option<Onward> {
        let rider = carried.rider;
        let mut place = self.known.get(&self.shared.slots, rider.slot)?.lock();
        let Place { sockets, endpoint } = &mut *place;
        let (sockets, endpoint) = (sockets.as_ref()?, endpoint.as_deref_mut()?);
        if endpoint.id != rider.endpoint {
            return None;
        }
        let datagram = self.room.datagram(carried.length);
        let (carrier, content) = (carried.carrier.endpoint, carried.content);
        if !endpoint.take_in_carried(carrier, content, datagram, now_micros) {
            return None;
        }
        go_on(endpoint, sockets, &mut self.room, content, carried.length)
    }

    /// Sends what the other side of a bridge has accepted; what is to leave through the ports of a
    /// carrier is given back.
    #[inline(always)]
    fn send_out(&mut self, passage: &Passage) -> Option<Departure> {
        let mut place = self.known.get(&self.shared.slots, passage.to.slot)?.lock();
        let Place { sockets, endpoint } = &mut *place;
        let (sockets, endpoint) = (sockets.as_ref()?, endpoint.as_deref_mut()?);
        let belongs = endpoint.id == passage.to.endpoint
            && matches!(endpoint.way, Way::Bridge(link) if link.endpoint == passage.from);
        if !belongs {
            return None;
        }
        let length = prepare(endpoint, &mut self.room, passage)?;
        leave(endpoint, sockets, &mut self.room, passage.content, length)
    }

    /// Sends for one endpoint through the ports of another.
    #[inline(never)]
    fn send_through(&mut self, departure: &Departure) -> Option<()> {
        let carrier = departure.carrier;
        let mut place = self.known.get(&self.shared.slots, carrier.slot)?.lock();
        let Place { sockets, endpoint } = &mut *place;
        let (sockets, endpoint) = (sockets.as_ref()?, endpoint.as_deref_mut()?);
        let (content, length) = (departure.content, departure.length);
        let header = Header::peek(self.room.datagram(length));
        let ssrc = header
            .filter(|_| content == Content::Rtp)
            .map(|header| header.ssrc);
        if endpoint.id != carrier.endpoint || !endpoint.carries(departure.rider, ssrc) {
            return None;
        }
        match content {
            Content::Rtp => {
                let to = endpoint.media_destination()?;
                let length = endpoint.seal_rtp(self.room.whole(), length)?;
                sockets.send(Channel::Rtp, self.room.datagram(length), to);
            }
            Content::Rtcp => send_rtcp(endpoint, sockets, &mut self.room, length)?,
            Content::Other => {}
        }
        Some(())
    }

    /// Sends one frame of what is played; whether there is more to come.
    pub(crate) fn play_frame(&mut self, player: &Player) -> bool {
        let (is_over, departure) = match self.play_next(player) {
            Some(played) => played,
            None => return false,
        };
        if let Some(departure) = departure {
            self.send_through(&departure);
        }
        !is_over
    }

    /// Whether that was the last frame, and how it leaves when not at once; `None`: nothing is played.
    fn play_next(&mut self, player: &Player) -> Option<(bool, Option<Departure>)> {
        let mut place = self.known.get(&self.shared.slots, player.slot)?.lock();
        let Place { sockets, endpoint } = &mut *place;
        let (sockets, endpoint) = (sockets.as_ref()?, endpoint.as_deref_mut()?);
        if endpoint.id != player.endpoint {
            return None;
        }
        let (playing, outgoing) = (endpoint.playing.as_mut()?, endpoint.outgoing.as_mut()?);
        if playing.serial != player.serial {
            return None;
        }
        let packet = playing.next_packet(outgoing, self.shared.now_micros());
        let is_over = playing.is_over();
        let departure = packet.filter(|_| endpoint.receives()).and_then(|packet| {
            let length = self.room.put(&packet);
            let length = endpoint.with_own_tag(0, &mut self.room, length)?;
            leave(endpoint, sockets, &mut self.room, Content::Rtp, length)
        });
        if is_over {
            endpoint.playing = None;
            self.events.push(Event::Played {
                endpoint: endpoint.id,
            });
        }
        Some((is_over, departure))
    }

    /// Lets time pass for an endpoint that has asked for it.
    pub(crate) fn advance(&mut self, timer: &Timer) -> Option<()> {
        let mut place = self.known.get(&self.shared.slots, timer.slot)?.lock();
        let Place { sockets, endpoint } = &mut *place;
        let (sockets, endpoint) = (sockets.as_ref()?, endpoint.as_deref_mut()?);
        if endpoint.id != timer.endpoint || !endpoint.is_scheduled_for(timer.micros) {
            return None;
        }
        set_up(
            &self.shared,
            sockets,
            &mut self.events,
            |outside, outbox| {
                endpoint.advance(outside, outbox);
            },
        );
        self.shared.schedule(endpoint, timer.slot);
        Some(())
    }
}

/// Works on the way and the keys of an endpoint; what it sends leaves through its sockets.
#[inline(never)]
pub(crate) fn set_up<T>(
    shared: &Shared,
    sockets: &SocketPair,
    events: &mut Vec<Event>,
    work: impl FnOnce(&Outside<'_>, &mut Outbox<'_>) -> T,
) -> T {
    let outside = shared.outside(sockets.address().ip());
    let mut send = |channel, to, datagram: &[u8]| {
        sockets.send(channel, datagram, to);
    };
    let mut outbox = Outbox {
        send: &mut send,
        events,
    };
    work(&outside, &mut outbox)
}

/// Sends an accepted datagram back where it came from, or says where it goes on.
#[inline(always)]
fn go_on(
    endpoint: &mut Endpoint,
    sockets: &SocketPair,
    room: &mut Room,
    content: Content,
    length: usize,
) -> Option<Onward> {
    match (endpoint.way, content) {
        (Way::Nowhere, _) | (Way::Echo, Content::Rtcp | Content::Other) => None,
        (Way::Bridge(to), _) => Some(Onward::Across(Passage {
            from: endpoint.id,
            to,
            content,
            length,
            mid_mark: endpoint.mid_mark(),
        })),
        (Way::Echo, Content::Rtp) => {
            if endpoint.playing.is_some() || !endpoint.receives() {
                return None;
            }
            endpoint.mask_echo(room.datagram(length));
            let departure = leave(endpoint, sockets, room, content, length)?;
            Some(Onward::Through(departure))
        }
    }
}

/// Asks the party's endpoint whether a datagram goes on to it, and takes out of it what does not: its
/// length then.
#[inline(always)]
fn prepare(endpoint: &mut Endpoint, room: &mut Room, passage: &Passage) -> Option<usize> {
    match passage.content {
        Content::Rtp => {
            let payload_type = Header::peek(room.datagram(passage.length))?.payload_type;
            if !endpoint.lets_out(payload_type) {
                return None;
            }
            endpoint.with_own_tag(passage.mid_mark, room, passage.length)
        }
        Content::Rtcp => endpoint.fit_rtcp(room.whole(), passage.length),
        Content::Other => endpoint.lets_out_other().then_some(passage.length),
    }
}

/// Sends a datagram to the party of an endpoint, or says through whose ports it leaves.
#[inline(always)]
fn leave(
    endpoint: &mut Endpoint,
    sockets: &SocketPair,
    room: &mut Room,
    content: Content,
    length: usize,
) -> Option<Departure> {
    if let Some(carrier) = endpoint.carrier {
        return Some(departure(endpoint, carrier, content, length));
    }
    match content {
        Content::Rtp => {
            let to = endpoint.rtp_destination()?;
            let length = endpoint.seal_rtp(room.whole(), length)?;
            if sockets.send(Channel::Rtp, room.datagram(length), to) {
                endpoint.count_sent();
            }
        }
        Content::Rtcp => {
            send_rtcp(endpoint, sockets, room, length)?;
        }
        Content::Other => {
            send_other(endpoint, sockets, room, length)?;
        }
    }
    None
}

#[cold]
fn departure(endpoint: &mut Endpoint, carrier: Link, content: Content, length: usize) -> Departure {
    if content == Content::Rtp {
        endpoint.count_sent();
    }
    Departure {
        carrier,
        rider: endpoint.id,
        content,
        length,
    }
}

#[inline(never)]
fn send_other(
    endpoint: &mut Endpoint,
    sockets: &SocketPair,
    room: &mut Room,
    length: usize,
) -> Option<()> {
    let to = endpoint.rtp_destination()?;
    if sockets.send(Channel::Rtp, room.datagram(length), to) {
        endpoint.count_sent();
    }
    Some(())
}

#[inline(never)]
fn send_rtcp(
    endpoint: &mut Endpoint,
    sockets: &SocketPair,
    room: &mut Room,
    length: usize,
) -> Option<()> {
    let (channel, to) = endpoint.rtcp_way_out()?;
    let length = endpoint.seal_rtcp(channel, room.whole(), length)?;
    sockets.send(channel, room.datagram(length), to);
    Some(())
}
