//! A media thread: waits for packets, for the next frame to play and for the next look around. What
//! becomes of a packet is said in `relay`.

use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fernamt_exchange::media::{EndpointId, Event};
use rustix::event::{EventfdFlags, epoll, eventfd};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

use crate::endpoint::Endpoint;
use crate::play::FRAME_MICROS;
use crate::shared::Shared;
use crate::slots::{KnownSlots, Place, lock};
use crate::socket::{Channel, Room};
use crate::timers::{Timer, Timers};

/// Sockets of which epoll tells at once.
const EVENTS: usize = 512;

/// Token of the timer that paces what is played.
const TIMER_TOKEN: u64 = u64::MAX;

/// Token of the wish that the thread looks up.
const WAKE_TOKEN: u64 = u64::MAX - 1;

/// Frames that are sent late, after the thread was held up, instead of being left out.
const MAX_LATE_FRAMES: u64 = 10;

/// What epoll says of a socket.
pub(crate) fn token(number: u32, channel: Channel) -> u64 {
    u64::from(number) << 1 | u64::from(channel == Channel::Rtcp)
}

fn of_token(token: u64) -> (u32, Channel) {
    let channel = if token & 1 == 1 {
        Channel::Rtcp
    } else {
        Channel::Rtp
    };
    ((token >> 1) as u32, channel)
}

/// What others need of a thread.
#[derive(Debug)]
pub(crate) struct Station {
    pub(crate) epoll: OwnedFd,
    timer: OwnedFd,
    wake: OwnedFd,
    players: Mutex<Vec<Player>>,
    timers: Timers,
}

/// Something that is played by a thread: by which order on which endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Player {
    pub(crate) slot: u32,
    pub(crate) endpoint: EndpointId,
    pub(crate) serial: u64,
}

impl Station {
    pub(crate) fn new() -> rustix::io::Result<Station> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        for (source, token) in [(&timer, TIMER_TOKEN), (&wake, WAKE_TOKEN)] {
            epoll::add(
                &epoll,
                source,
                epoll::EventData::new_u64(token),
                epoll::EventFlags::IN,
            )?;
        }
        Ok(Station {
            epoll,
            timer,
            wake,
            players: Mutex::default(),
            timers: Timers::default(),
        })
    }

    /// Has something played, from the next beat of 20 ms on.
    pub(crate) fn add_player(&self, player: Player) {
        let mut players = lock(&self.players);
        players.push(player);
        if players.len() == 1 {
            self.set_beat(Duration::from_micros(FRAME_MICROS));
        }
    }

    /// Has the thread look after an endpoint at this time.
    pub(crate) fn add_timer(&self, timer: Timer) {
        if self.timers.add(timer) {
            self.wake();
        }
    }

    /// Has the thread look up.
    pub(crate) fn wake(&self) {
        // Only an overflow could refuse it, and then it is awake.
        let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
    }

    /// Takes note of the wish.
    fn take_wake(&self) {
        let _ = rustix::io::read(&self.wake, &mut [0; 8]);
    }

    fn set_beat(&self, beat: Duration) {
        let beat = Timespec {
            tv_sec: 0,
            tv_nsec: i64::from(beat.subsec_nanos()),
        };
        let timer = Itimerspec {
            it_interval: beat,
            it_value: beat,
        };
        // It can only be refused for a wrong descriptor or a wrong time.
        let _ = timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &timer);
    }

    /// The beats since the last question.
    fn beats(&self) -> u64 {
        let mut count = [0; 8];
        match rustix::io::read(&self.timer, &mut count) {
            Ok(8) => u64::from_ne_bytes(count),
            _ => 0,
        }
    }
}

/// The thread's own things.
pub(crate) struct Worker {
    pub(crate) shared: Arc<Shared>,
    pub(crate) known: KnownSlots,
    pub(crate) room: Room,
    /// Reports that wait until no lock is held.
    pub(crate) events: Vec<Event>,
    number: usize,
    next_tick_micros: u64,
}

impl Worker {
    pub(crate) fn new(shared: Arc<Shared>, number: usize) -> Worker {
        let next_tick_micros = shared.after_tick();
        Worker {
            shared,
            known: KnownSlots::default(),
            room: Room::new(),
            events: Vec::new(),
            number,
            next_tick_micros,
        }
    }

    /// Works until the plane stops.
    pub(crate) fn run(mut self) {
        let nothing = epoll::Event {
            flags: epoll::EventFlags::empty(),
            data: epoll::EventData::new_u64(WAKE_TOKEN),
        };
        let mut ready = [nothing; EVENTS];
        while !self.shared.stopping.load(Ordering::Acquire) {
            let count = self.wait(&mut ready);
            // All that is ready now has arrived by now.
            let arrived_micros = self.shared.now_micros();
            for event in ready.iter().take(count) {
                match event.data.u64() {
                    WAKE_TOKEN => self.take_wake(),
                    TIMER_TOKEN => self.play(),
                    token => {
                        let (number, channel) = of_token(token);
                        self.serve(number, channel, arrived_micros);
                    }
                }
            }
            let now_micros = self.shared.now_micros();
            if now_micros >= self.timer_micros() {
                self.look_after(now_micros);
            }
            if now_micros >= self.next_tick_micros {
                self.tick();
            }
            self.report();
        }
    }

    /// Waits for something to do, until the next tick at the longest.
    fn wait(&self, ready: &mut [epoll::Event]) -> usize {
        let Some(station) = self.shared.stations.get(self.number) else {
            return 0;
        };
        let now_micros = self.shared.now_micros();
        let next_micros = self.next_tick_micros.min(station.timers.next_micros());
        let micros = next_micros.saturating_sub(now_micros);
        // Whole milliseconds, rounded up: less would be waiting with open eyes.
        let millis = micros.div_ceil(1_000);
        let timeout = Timespec {
            tv_sec: (millis / 1_000) as i64,
            tv_nsec: (millis % 1_000 * 1_000_000) as i64,
        };
        epoll::wait(&station.epoll, ready, Some(&timeout)).unwrap_or(0)
    }

    #[cold]
    fn take_wake(&self) {
        if let Some(station) = self.shared.stations.get(self.number) {
            station.take_wake();
        }
    }

    fn timer_micros(&self) -> u64 {
        let station = self.shared.stations.get(self.number);
        station.map_or(u64::MAX, |station| station.timers.next_micros())
    }

    /// Looks after the endpoints whose time it is.
    fn look_after(&mut self, now_micros: u64) {
        let shared = self.shared.clone();
        let Some(station) = shared.stations.get(self.number) else {
            return;
        };
        while let Some(timer) = station.timers.take_due(now_micros) {
            self.advance(&timer);
        }
    }

    /// Looks for parties that have settled or fallen silent, for protected streams that have come far, and puts
    /// idle pairs in order.
    fn tick(&mut self) {
        let now_micros = self.shared.now_micros();
        self.next_tick_micros = self.shared.after_tick();
        let threads = self.shared.stations.len();
        for slot in self
            .known
            .of_thread(&self.shared.slots, self.number, threads)
        {
            let mut place = slot.lock();
            let Place { sockets, endpoint } = &mut *place;
            if let (Some(sockets), Some(endpoint)) = (sockets, endpoint) {
                sockets.connect(endpoint.settled_at(now_micros));
                look_at(endpoint, now_micros, &mut self.events);
            }
        }
        if self.number == 0 {
            self.shared.unbind_surplus();
        }
    }

    /// Sends the next frame of everything that is played, one for each beat.
    fn play(&mut self) {
        let shared = self.shared.clone();
        let Some(station) = shared.stations.get(self.number) else {
            return;
        };
        let beats = station.beats().min(MAX_LATE_FRAMES);
        let mut players = core::mem::take(&mut *lock(&station.players));
        players.retain(|player| (0..beats).all(|_| self.play_frame(player)));
        let mut waiting = lock(&station.players);
        waiting.append(&mut players);
        if waiting.is_empty() {
            station.set_beat(Duration::ZERO);
        }
    }

    /// Tells what happened, now that no lock is held.
    fn report(&mut self) {
        for event in self.events.drain(..) {
            (self.shared.sink)(event);
        }
    }
}

/// Tells what has become of an endpoint with time.
fn look_at(endpoint: &mut Endpoint, now_micros: u64, events: &mut Vec<Event>) {
    let id = endpoint.id;
    if endpoint.falls_silent(now_micros) {
        events.push(Event::Silent { endpoint: id });
    }
    if let Some(rollovers) = endpoint.take_moved() {
        events.push(Event::RolledOver {
            endpoint: id,
            rollovers,
        });
    }
    if endpoint.take_old_key() {
        events.push(Event::KeyOld { endpoint: id });
    }
    if let Some(reason) = endpoint.take_failure() {
        events.push(Event::Unprotected {
            endpoint: id,
            reason,
        });
    }
}
