//! The media plane as others see it: it starts, carries out orders, and tells how it stands.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};

use fernamt_exchange::media::{
    Announcement, Codec, Command, EndpointId, Event, IceCandidate, Offer, Refusal, Remote,
    Statistics,
};

use crate::bundle::Bundle;
use crate::config::{PlaneConfig, StartError};
use crate::endpoint::{Endpoint, Link, Outbox, Outside, Way};
use crate::play::{Outgoing, Playing};
use crate::relay::set_up;
use crate::shared::{Located, Shared};
use crate::slots::Place;
use crate::socket;
use crate::worker::{Player, Station, Worker};

/// Files that the rest of the program may want besides the sockets of the media.
const OTHER_FILES: u64 = 4_096;

/// Datagrams of an old call that are thrown away at most when a pair is used again: more than a
/// receive queue holds by default. The gate stops the others.
const MAX_DRAINED: usize = 4_096;

/// A running media plane. A clone is another handle of the same plane, which stops with the last.
///
/// Orders are carried out by the thread that gives them, before [`Plane::execute`] returns: that is
/// what makes "closed" mean that no packet flows, and a call cost no queue and no waking. Orders on
/// one endpoint, and on the two of a bridge, must come from one thread at a time; that is so when
/// they come from the shard that the call belongs to.
#[derive(Clone)]
pub struct Plane(Arc<Running>);

struct Running {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// How much of a plane is in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Endpoints open.
    pub endpoints: usize,
    /// Pairs of ports bound and ready.
    pub ready_pairs: usize,
    /// Pairs of ports that rest after a call.
    pub resting_pairs: usize,
}

impl Plane {
    /// Starts the threads. Reports that answer no order come through `sink`, from any of the media
    /// threads: [`Event::Latched`], [`Event::Played`], [`Event::Silent`]. The sink must not wait. The
    /// shard of a report is in the upper 16 bits of its endpoint; one may still come just after its
    /// endpoint was closed.
    ///
    /// The limit of open files of this process is raised as far as `config.endpoints` needs and the
    /// system allows.
    ///
    /// # Errors
    /// [`StartError`] when the range has no ports or the system refuses threads or files. Addresses
    /// to prepare that cannot be bound are told to the log only: their endpoints are refused later.
    pub fn start(
        config: PlaneConfig,
        sink: impl Fn(Event) + Send + Sync + 'static,
    ) -> Result<Plane, StartError> {
        if config.even_ports().next().is_none() {
            let (low, high) = (*config.ports.start(), *config.ports.end());
            return Err(StartError::NoPorts { low, high });
        }
        raise_open_files(&config);
        let stations: Result<Vec<Station>, _> =
            (0..config.thread_count()).map(|_| Station::new()).collect();
        let stations = stations.map_err(|error| StartError::System {
            action: "open epoll, timer and eventfd",
            source: error.into(),
        })?;
        let mut running = Running {
            shared: Arc::new(Shared::new(config, stations, Box::new(sink))),
            threads: Vec::new(),
        };
        running.start_threads()?;
        for &local in &running.shared.config.prepared_addresses {
            if let Err(reason) = running.shared.prepare(local) {
                tracing::warn!(%local, %reason, "no media ports could be prepared");
            }
        }
        Ok(Plane(Arc::new(running)))
    }

    /// Carries out an order, at once. The event is the direct answer to [`Command::Open`] or
    /// [`Command::Close`]; the other orders have none. Orders on endpoints that are not open do
    /// nothing, but closing one is answered, with nothing counted.
    pub fn execute(&self, command: Command) -> Option<Event> {
        let running = &self.0;
        match command {
            Command::Open {
                endpoint,
                local,
                port,
            } => {
                return Some(match running.open(endpoint, local, port) {
                    Ok(located) => Event::Opened {
                        endpoint,
                        rtp: located.address,
                    },
                    Err(reason) => Event::Refused { endpoint, reason },
                });
            }
            Command::Close { endpoint } => {
                let statistics = running.close(endpoint);
                return Some(Event::Closed {
                    endpoint,
                    statistics,
                });
            }
            Command::Offered { endpoint, offer } => running.expect(endpoint, offer.as_deref()),
            Command::Remote { endpoint, remote } => running.set_remote(endpoint, &remote),
            Command::Candidates {
                endpoint,
                candidates,
            } => running.add_candidates(endpoint, &candidates),
            Command::Bundle { carrier, riders } => running.bundle(carrier, &riders),
            Command::Bridge { a, b } => running.bridge(a, b),
            Command::Echo { endpoint } => running.set_way(endpoint, Way::Echo),
            Command::Play {
                endpoint,
                announcement,
                codec,
                payload_type,
            } => {
                running.play(endpoint, announcement, codec, payload_type);
            }
        }
        None
    }

    /// The figures of an open endpoint so far.
    pub fn statistics(&self, endpoint: EndpointId) -> Option<Statistics> {
        let located = self.0.shared.locate(endpoint)?;
        with_endpoint(&located, endpoint, |endpoint| endpoint.statistics())
    }

    /// How much is in use.
    pub fn usage(&self) -> Usage {
        let (ready_pairs, resting_pairs) = self.0.shared.idle_pairs();
        Usage {
            endpoints: self.0.shared.open_endpoints(),
            ready_pairs,
            resting_pairs,
        }
    }
}

impl Running {
    fn start_threads(&mut self) -> Result<(), StartError> {
        for number in 0..self.shared.stations.len() {
            let worker = Worker::new(self.shared.clone(), number);
            let thread = thread::Builder::new()
                .name(format!("media-{number}"))
                .spawn(move || worker.run())
                .map_err(|source| StartError::System {
                    action: "start a thread",
                    source,
                })?;
            self.threads.push(thread);
        }
        Ok(())
    }

    fn open(
        &self,
        id: EndpointId,
        local: std::net::IpAddr,
        port: Option<u16>,
    ) -> Result<Located, Refusal> {
        if let Some(located) = self.shared.locate(id) {
            return Ok(located);
        }
        if port.is_some_and(|port| port == 0 || port % 2 == 1) {
            return Err(Refusal::CannotBind);
        }
        self.shared.admit_endpoint()?;
        let located = match self.shared.take_pair(local, port) {
            Ok(located) => located,
            Err(reason) => {
                self.shared.release_endpoint();
                match port {
                    // A call of before the restart is lost by it, which somebody should know.
                    Some(port) => tracing::warn!(
                        %local, port, %reason,
                        "the media ports of a call cannot be taken up again"
                    ),
                    None => tracing::debug!(%local, %reason, "no media ports for a call"),
                }
                return Err(reason);
            }
        };
        let echo_mask = self.shared.random.next() as u32;
        let endpoint = Endpoint::new(id, self.shared.config.packets_per_second, echo_mask);
        {
            let mut place = located.slot.lock();
            if let Some(sockets) = &mut place.sockets {
                sockets.connect(None);
                sockets.drain(MAX_DRAINED);
            }
            place.endpoint = Some(Box::new(endpoint));
        }
        self.shared.enter(id, located.clone());
        Ok(located)
    }

    fn close(&self, id: EndpointId) -> Statistics {
        let Some(located) = self.shared.remove(id) else {
            return Statistics::default();
        };
        let endpoint = located.slot.lock().endpoint.take();
        let Some(endpoint) = endpoint else {
            return Statistics::default();
        };
        self.unlink(endpoint.way, id);
        for rider in endpoint.riders() {
            self.with(rider.endpoint, |endpoint| endpoint.carrier = None);
        }
        self.shared
            .give_back_pair(&located, endpoint.has_arrivals());
        self.shared.release_endpoint();
        endpoint.statistics()
    }

    fn expect(&self, id: EndpointId, offer: Option<&Offer>) {
        self.set_up(id, |endpoint, outside, _| endpoint.expect(offer, outside));
    }

    fn set_remote(&self, id: EndpointId, remote: &Remote) {
        let carrier = self.set_up(id, |endpoint, outside, outbox| {
            endpoint.set_remote(remote, outside, outbox);
            endpoint.carrier
        });
        let (Some(carrier), Some(rider)) = (carrier.flatten(), self.link(id)) else {
            return;
        };
        self.with(carrier.endpoint, |endpoint| {
            endpoint.describe_rider(rider, remote);
        });
    }

    fn add_candidates(&self, id: EndpointId, candidates: &[IceCandidate]) {
        self.set_up(id, |endpoint, outside, outbox| {
            endpoint.add_candidates(candidates, outside, outbox);
        });
    }

    /// Lets endpoints share the ports of one, and those that did before use their own again.
    fn bundle(&self, carrier: EndpointId, riders: &[EndpointId]) {
        let Some(link) = self.link(carrier) else {
            return;
        };
        let others = riders.iter().filter(|rider| **rider != carrier);
        let riders: Vec<Link> = others.filter_map(|rider| self.link(*rider)).collect();
        let bundle = (!riders.is_empty()).then(|| Bundle::new(link, riders.iter().copied()));
        let carried = bundle.iter().flat_map(Bundle::riders).collect::<Vec<_>>();
        let before = self.with(carrier, |endpoint| {
            let before = endpoint.riders();
            endpoint.carry(bundle);
            before
        });
        let over = before.unwrap_or_default().into_iter();
        for rider in over.filter(|rider| !carried.contains(rider)) {
            self.with(rider.endpoint, |endpoint| endpoint.carrier = None);
        }
        for rider in carried {
            self.with(rider.endpoint, |endpoint| endpoint.carrier = Some(link));
        }
    }

    fn link(&self, id: EndpointId) -> Option<Link> {
        let located = self.shared.locate(id)?;
        Some(Link {
            slot: located.number,
            endpoint: id,
        })
    }

    /// Changes how an endpoint comes to its way and its keys, and sends and tells what follows.
    fn set_up<T>(
        &self,
        id: EndpointId,
        work: impl FnOnce(&mut Endpoint, &Outside<'_>, &mut Outbox<'_>) -> T,
    ) -> Option<T> {
        let located = self.shared.locate(id)?;
        let mut events = Vec::new();
        let result = {
            let mut place = located.slot.lock();
            let Place { sockets, endpoint } = &mut *place;
            let (sockets, endpoint) = (sockets.as_mut()?, endpoint.as_deref_mut()?);
            if endpoint.id != id {
                return None;
            }
            // Orders may be about another place of the party.
            sockets.connect(None);
            let result = set_up(&self.shared, sockets, &mut events, |outside, outbox| {
                work(endpoint, outside, outbox)
            });
            self.shared.schedule(endpoint, located.number);
            result
        };
        for event in events {
            (self.shared.sink)(event);
        }
        Some(result)
    }

    fn bridge(&self, a: EndpointId, b: EndpointId) {
        if a == b {
            return;
        }
        let (Some(one), Some(other)) = (self.shared.locate(a), self.shared.locate(b)) else {
            return;
        };
        self.set_way(
            a,
            Way::Bridge(Link {
                slot: other.number,
                endpoint: b,
            }),
        );
        self.set_way(
            b,
            Way::Bridge(Link {
                slot: one.number,
                endpoint: a,
            }),
        );
    }

    /// Gives an endpoint another way. It ends what is played there, and the bridge it was part of.
    fn set_way(&self, id: EndpointId, way: Way) {
        let before = self.with(id, |endpoint| {
            endpoint.playing = None;
            core::mem::replace(&mut endpoint.way, way)
        });
        if let Some(before) = before
            && before != way
        {
            self.unlink(before, id);
        }
    }

    /// Ends the other half of a bridge, unless that goes elsewhere already.
    fn unlink(&self, way: Way, from: EndpointId) {
        let Way::Bridge(link) = way else { return };
        self.with(link.endpoint, |endpoint| {
            if matches!(endpoint.way, Way::Bridge(back) if back.endpoint == from) {
                endpoint.way = Way::Nowhere;
            }
        });
    }

    fn play(&self, id: EndpointId, announcement: Announcement, codec: Codec, payload_type: u8) {
        let Some(located) = self.shared.locate(id) else {
            return;
        };
        let octets = self.shared.announcements.octets(announcement, codec);
        let (serial, random) = (self.shared.random.next(), self.shared.random.next());
        let outgoing = Outgoing::new(self.shared.random.next(), random as u32);
        with_endpoint(&located, id, |endpoint| {
            endpoint.playing = Some(Playing::new(serial, octets, payload_type));
            endpoint.outgoing.get_or_insert(outgoing);
        });
        if let Some(station) = self.shared.station(located.number) {
            station.add_player(Player {
                slot: located.number,
                endpoint: id,
                serial,
            });
        }
    }

    fn with<T>(&self, id: EndpointId, work: impl FnOnce(&mut Endpoint) -> T) -> Option<T> {
        with_endpoint(&self.shared.locate(id)?, id, work)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::Release);
        self.shared.stations.iter().for_each(Station::wake);
        for thread in self.threads.drain(..) {
            // The sink may hold the last handle, and a thread cannot wait for itself.
            if thread.thread().id() != thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

/// Works on an endpoint under its lock, when it is still there.
fn with_endpoint<T>(
    located: &Located,
    id: EndpointId,
    work: impl FnOnce(&mut Endpoint) -> T,
) -> Option<T> {
    let mut place = located.slot.lock();
    let endpoint = place
        .endpoint
        .as_deref_mut()
        .filter(|endpoint| endpoint.id == id)?;
    Some(work(endpoint))
}

fn raise_open_files(config: &PlaneConfig) {
    let pairs = config.endpoints.saturating_add(config.idle_pairs);
    let wanted = OTHER_FILES.saturating_add(2 * pairs as u64);
    let limit = socket::raise_open_files(wanted);
    if limit < wanted {
        tracing::info!(
            limit,
            wanted,
            "the limit of open files allows fewer media endpoints than configured; raise it \
             (LimitNOFILE= of the service, or ulimit -n)"
        );
    }
}
