//! What the threads of a plane and those who order from it share: slots, ports, the register of
//! endpoints. Nothing here waits for a packet.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use fernamt_exchange::media::{EndpointId, Event, Refusal};
use rustix::event::epoll;
use rustix::io::Errno;

use crate::announcement::Announcements;
use crate::config::{MAX_LOCAL_ADDRESSES, PlaneConfig};
use crate::dtls::{Clock, Identity};
use crate::endpoint::{Endpoint, Outside};
use crate::ports::{Place, Ports, Rest};
use crate::random::Random;
use crate::slots::{Slot, Slots, lock, thread_of};
use crate::socket::{Channel, SocketPair};
use crate::timers::Timer;
use crate::worker::{Station, token};

/// Parts of the register of endpoints, so that shards do not wait for each other.
const REGISTER_PARTS: usize = 64;

/// Ports that are tried for one endpoint while other programs hold them.
const BIND_ATTEMPTS: usize = 64;

/// An endpoint's place.
#[derive(Clone, Debug)]
pub(crate) struct Located {
    pub(crate) number: u32,
    pub(crate) slot: Arc<Slot>,
    pub(crate) address: SocketAddr,
}

type Register = HashMap<EndpointId, Located>;

pub(crate) struct Shared {
    pub(crate) config: PlaneConfig,
    pub(crate) slots: Slots,
    pub(crate) random: Random,
    /// Our certificate on the media path; without one no keys are agreed there.
    pub(crate) identity: Option<Identity>,
    pub(crate) announcements: Announcements,
    pub(crate) stations: Vec<Station>,
    pub(crate) stopping: AtomicBool,
    pub(crate) sink: Box<dyn Fn(Event) + Send + Sync>,
    start: Instant,
    ports: Mutex<HashMap<IpAddr, Ports>>,
    register: [Mutex<Register>; REGISTER_PARTS],
    open: AtomicUsize,
}

impl Shared {
    pub(crate) fn new(
        config: PlaneConfig,
        stations: Vec<Station>,
        sink: Box<dyn Fn(Event) + Send + Sync>,
    ) -> Shared {
        Shared {
            slots: Slots::default(),
            random: Random::new(),
            identity: config.certificate.as_ref().and_then(Identity::new),
            announcements: Announcements::new(config.language),
            stations,
            stopping: AtomicBool::new(false),
            sink,
            start: Instant::now(),
            ports: Mutex::default(),
            register: core::array::from_fn(|_| Mutex::default()),
            open: AtomicUsize::new(0),
            config,
        }
    }

    /// Microseconds since the plane started.
    #[inline]
    pub(crate) fn now_micros(&self) -> u64 {
        self.start.elapsed().as_micros() as u64
    }

    /// When one tick from now is over.
    pub(crate) fn after_tick(&self) -> u64 {
        self.now_micros() + self.config.tick.as_micros() as u64
    }

    /// The clock, as checks and handshakes read it.
    pub(crate) fn clock(&self) -> Clock {
        Clock {
            start: self.start,
            now_micros: self.now_micros(),
        }
    }

    /// What an endpoint at this address needs from outside.
    pub(crate) fn outside(&self, local: IpAddr) -> Outside<'_> {
        Outside {
            clock: self.clock(),
            random: &self.random,
            identity: self.identity.as_ref(),
            local,
        }
    }

    /// Has the thread of an endpoint look after it when it is time.
    pub(crate) fn schedule(&self, endpoint: &mut Endpoint, number: u32) {
        if let (Some(micros), Some(station)) = (endpoint.take_deadline(), self.station(number)) {
            station.add_timer(Timer {
                micros,
                slot: number,
                endpoint: endpoint.id,
            });
        }
    }

    /// The thread that a slot belongs to.
    pub(crate) fn station(&self, number: u32) -> Option<&Station> {
        self.stations.get(thread_of(number, self.stations.len()))
    }

    pub(crate) fn locate(&self, endpoint: EndpointId) -> Option<Located> {
        self.register_of(endpoint).get(&endpoint).cloned()
    }

    pub(crate) fn enter(&self, endpoint: EndpointId, located: Located) {
        self.register_of(endpoint).insert(endpoint, located);
    }

    pub(crate) fn remove(&self, endpoint: EndpointId) -> Option<Located> {
        self.register_of(endpoint).remove(&endpoint)
    }

    fn register_of(&self, endpoint: EndpointId) -> MutexGuard<'_, Register> {
        // By the shard, which stands in the upper 16 bits.
        let part = (endpoint.0 >> 48) as usize % REGISTER_PARTS;
        let [first, ..] = &self.register;
        lock(self.register.get(part).unwrap_or(first))
    }

    /// Counts one endpoint more.
    pub(crate) fn admit_endpoint(&self) -> Result<(), Refusal> {
        if self.open.fetch_add(1, Ordering::Relaxed) >= self.config.endpoints {
            self.release_endpoint();
            return Err(Refusal::TooMany);
        }
        Ok(())
    }

    /// Counts one endpoint less.
    pub(crate) fn release_endpoint(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn open_endpoints(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Pairs that lie ready and pairs that rest, on all addresses.
    pub(crate) fn idle_pairs(&self) -> (usize, usize) {
        let ports = lock(&self.ports);
        ports
            .values()
            .map(Ports::idle)
            .fold((0, 0), |sum, idle| (sum.0 + idle.0, sum.1 + idle.1))
    }

    /// Finds a bound pair for an endpoint; nobody else has its slot until it is given back.
    pub(crate) fn take_pair(&self, local: IpAddr, port: Option<u16>) -> Result<Located, Refusal> {
        let place = self.with_ports(local, |ports| match port {
            Some(port) => ports.take_exactly(port).ok_or(Refusal::CannotBind),
            None => ports
                .take_any(&self.random, self.now_micros())
                .ok_or(Refusal::NoPort),
        })??;
        let mut place = match (place, port) {
            (Place::Ready { slot }, _) => return self.ready(slot),
            (Place::Bind { port }, Some(_)) => return self.bind(local, port),
            (place, None) => Some(place),
        };
        for _ in 0..BIND_ATTEMPTS {
            let Some(Place::Bind { port }) = place else {
                break;
            };
            if let Some(located) = self.bind_unless_taken(local, port)? {
                return Ok(located);
            }
            place = self.with_ports(local, |ports| ports.take_unbound(&self.random))?;
        }
        Err(Refusal::NoPort)
    }

    fn ready(&self, number: u32) -> Result<Located, Refusal> {
        let slot = self.slots.get(number).ok_or(Refusal::CannotBind)?;
        let address = slot.lock().sockets.as_ref().map(SocketPair::address);
        let address = address.ok_or(Refusal::CannotBind)?;
        Ok(Located {
            number,
            slot,
            address,
        })
    }

    /// Binds a port; another program's is an error.
    fn bind(&self, local: IpAddr, port: u16) -> Result<Located, Refusal> {
        self.bind_unless_taken(local, port)?
            .ok_or(Refusal::CannotBind)
    }

    /// Binds a port and puts the sockets into a slot; `None` when another program has the port.
    fn bind_unless_taken(&self, local: IpAddr, port: u16) -> Result<Option<Located>, Refusal> {
        let error = match SocketPair::bind(local, port, self.config.traffic_class()) {
            Ok(pair) => match self.install(pair) {
                Ok(located) => {
                    self.with_ports(local, |ports| ports.set_bound(port, located.number))?;
                    return Ok(Some(located));
                }
                Err(error) => error,
            },
            Err(error) => error,
        };
        let is_taken = error == Errno::ADDRINUSE;
        tracing::debug!(%local, port, %error, "cannot bind a pair of media ports");
        self.with_ports(local, |ports| match (self.is_of_range(port), is_taken) {
            (true, true) => ports.give_back_taken(port, self.now_micros()),
            (true, false) => ports.give_back_unbound(port),
            (false, _) => ports.forget(port),
        })?;
        match error {
            Errno::ADDRINUSE => Ok(None),
            // Only the limit of open files stands in the way; it is the limit of endpoints, then.
            Errno::MFILE | Errno::NFILE => Err(Refusal::TooMany),
            _ => Err(Refusal::CannotBind),
        }
    }

    /// Puts sockets into a slot and has its thread wait for them.
    fn install(&self, pair: SocketPair) -> rustix::io::Result<Located> {
        let address = pair.address();
        let (number, slot) = self.slots.take_empty();
        // Under its lock, so that the thread does not look for the sockets before they are there.
        let mut place = slot.lock();
        let [rtp, rtcp] = [Channel::Rtp, Channel::Rtcp].map(|channel| data(number, channel));
        let watched = self.station(number).map_or(Ok(()), |station| {
            epoll::add(&station.epoll, pair.socket(Channel::Rtp), rtp, ARRIVALS)?;
            epoll::add(&station.epoll, pair.socket(Channel::Rtcp), rtcp, ARRIVALS)
        });
        if let Err(error) = watched {
            drop(place);
            self.slots.give_back_empty(number);
            return Err(error);
        }
        place.sockets = Some(pair);
        drop(place);
        Ok(Located {
            number,
            slot,
            address,
        })
    }

    /// Gives back a pair after its use. It rests before it is used again: longer when packets arrived
    /// at it, because more may follow.
    pub(crate) fn give_back_pair(&self, located: &Located, has_arrivals: bool) {
        let (local, port) = (located.address.ip(), located.address.port());
        if !self.is_of_range(port) {
            self.unbind(local, located.number);
            return;
        }
        let (rest, duration) = match has_arrivals {
            true => (Rest::Long, self.config.quarantine),
            false => (Rest::Short, self.config.quarantine / 4),
        };
        let until_micros = self.now_micros() + duration.as_micros() as u64;
        // The address has a table, since the pair came out of it.
        let _ = self.with_ports(local, |ports| {
            ports.give_back_used(located.number, rest, until_micros)
        });
    }

    /// Binds pairs in advance.
    pub(crate) fn prepare(&self, local: IpAddr) -> Result<(), Refusal> {
        for _ in 0..self.config.prepared_pairs {
            let Some(Place::Bind { port }) =
                self.with_ports(local, |ports| ports.take_unbound(&self.random))?
            else {
                return Ok(());
            };
            if let Some(located) = self.bind_unless_taken(local, port)? {
                self.with_ports(local, |ports| ports.give_back_ready(located.number))?;
            }
        }
        Ok(())
    }

    /// Unbinds pairs above those that may lie ready.
    pub(crate) fn unbind_surplus(&self) {
        let now_micros = self.now_micros();
        let mut surplus = Vec::new();
        for (&local, ports) in lock(&self.ports).iter_mut() {
            while let Some(number) = ports.take_surplus(self.config.idle_pairs, now_micros) {
                surplus.push((local, number));
            }
        }
        for (local, number) in surplus {
            self.unbind(local, number);
        }
    }

    fn unbind(&self, local: IpAddr, number: u32) {
        let Some(slot) = self.slots.get(number) else {
            return;
        };
        let Some(pair) = slot.lock().sockets.take() else {
            return;
        };
        let port = pair.address().port();
        // Closed before anybody can be told that the port is free.
        drop(pair);
        self.slots.give_back_empty(number);
        let _ = self.with_ports(local, |ports| match self.is_of_range(port) {
            true => ports.give_back_unbound(port),
            false => ports.forget(port),
        });
    }

    fn is_of_range(&self, port: u16) -> bool {
        port.is_multiple_of(2)
            && self.config.ports.contains(&port)
            && port < *self.config.ports.end()
    }

    /// Works on the ports of a local address, which is new or known.
    fn with_ports<T>(
        &self,
        local: IpAddr,
        work: impl FnOnce(&mut Ports) -> T,
    ) -> Result<T, Refusal> {
        let mut all = lock(&self.ports);
        if let Some(ports) = all.get_mut(&local) {
            return Ok(work(ports));
        }
        if all.len() >= MAX_LOCAL_ADDRESSES {
            return Err(Refusal::CannotBind);
        }
        let ports = all
            .entry(local)
            .or_insert_with(|| Ports::new(self.config.even_ports()));
        Ok(work(ports))
    }
}

/// What epoll tells of: as long as there is something to be received.
const ARRIVALS: epoll::EventFlags = epoll::EventFlags::IN;

fn data(number: u32, channel: Channel) -> epoll::EventData {
    epoll::EventData::new_u64(token(number, channel))
}
