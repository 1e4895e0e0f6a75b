//! One run: an exchange and its phones under virtual time. What happens is decided by the seed
//! alone, so that a run that broke a promise can be watched again.

mod check;
mod event;
mod journal;
mod machine;
mod media;
mod network;
mod observer;
mod traffic;
mod wire;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use core::time::Duration;

use fernamt_exchange::Exchange;
use fernamt_exchange::config::Config;
use fernamt_exchange::directory::{Device, Directory};
use fernamt_exchange::encryption::{Encryption, MediaTransport};
use fernamt_exchange::media::Fingerprint;
use fernamt_exchange::registrar::{BindingsOf, Location};
use fernamt_sip::digest::Ha1;
use fernamt_sip::time::{Now, Time, UnixTime};
use fernamt_sip::transport::Transport;

use crate::phone::{Action, MediaKind, Phone};
use crate::random::Random;
use crate::scenario::{PhonePlan, Scenario, USERS};
use event::{Event, Queue};
use journal::Journal;
use media::Media;
use network::Network;
use observer::Observer;

/// Where the exchange listens.
const EXCHANGE: &str = "192.0.2.1:5060";

/// When the phones stop beginning anything.
const QUIET_AT: Duration = Duration::from_secs(420);

/// How long after that everything must be over, besides a session interval.
const SETTLING: Duration = Duration::from_secs(400);

/// Breaches that are noted in one run; a run that breaks more is broken enough.
const MAX_BREACHES: usize = 20;

/// Things that may happen in one run.
const MAX_STEPS: u64 = 2_000_000;

/// How a run is made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Whether every message is noted, to be shown.
    pub trace: bool,
    /// What is done wrong on purpose, to see that it is found.
    pub sabotage: Option<Sabotage>,
}

/// Something that is done wrong on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// Records of calls do not reach the disk.
    LoseRecords,
    /// Each record reaches the disk twice.
    RepeatRecords,
    /// Records say that a call was five seconds longer.
    StretchRecords,
    /// Records say that nothing was encrypted.
    ClearRecords,
    /// States of calls that are answered do not reach the disk.
    LoseStates,
    /// Endpoints that are closed go on.
    KeepEndpoints,
    /// What is heard on one endpoint goes out of the next one.
    CrossWires,
    /// Responses that refuse a call do not reach the caller.
    SwallowRefusals,
    /// BYE does not reach the phones.
    SwallowByes,
}

/// What came of a run.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// Which promises were broken, in words; none in a good run.
    pub breaches: Vec<String>,
    /// What happened, line by line, where that was wanted.
    pub trace: Vec<String>,
    /// A hash over all messages and their times: equal runs have equal ones.
    pub digest: u64,
    /// What was done, for statistics.
    pub counts: Counts,
}

/// How much happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages that the exchange was given.
    pub messages: u64,
    /// Calls with a record.
    pub records: u64,
    /// Of those, calls that were answered.
    pub answered: u64,
    /// Times that the exchange was killed or restarted.
    pub restarts: u64,
    /// Media packets that reached the right phone.
    pub packets: u64,
    /// Calls that were given up (CANCEL).
    pub cancels: u64,
    /// Changes of a call that crossed (491).
    pub glares: u64,
    /// Reliable provisional responses that were acknowledged (PRACK).
    pub pracks: u64,
    /// Changes and refreshes (re-INVITE and UPDATE).
    pub changes: u64,
    /// Redirections (302).
    pub redirects: u64,
}

impl Counts {
    /// Adds those of another run.
    pub fn add(&mut self, other: Counts) {
        self.messages += other.messages;
        self.records += other.records;
        self.answered += other.answered;
        self.restarts += other.restarts;
        self.packets += other.packets;
        self.cancels += other.cancels;
        self.glares += other.glares;
        self.pracks += other.pracks;
        self.changes += other.changes;
        self.redirects += other.redirects;
    }
}

/// Everything that exists in one run.
pub(crate) struct World {
    scenario: Scenario,
    now: Now,
    random: Random,
    queue: Queue,
    phones: Vec<Phone>,
    network: Network,
    shards: Vec<Exchange>,
    /// Counts the lives of the exchange: what was meant for an earlier one is lost.
    epoch: u64,
    outputs: u64,
    started_at: Time,
    directory: Directory,
    location: Location,
    /// The bindings that are on disk.
    saved: BTreeMap<Box<str>, BindingsOf>,
    media: Media,
    journal: Journal,
    flushing: bool,
    observer: Observer,
    directory_down: bool,
    gone_at: BTreeMap<usize, Time>,
    /// When the disk, the directory or the media plane had a bad time last.
    trouble: bool,
    /// The disk has been full.
    disk_trouble: bool,
    /// When the exchange was killed.
    killed_at: Vec<Time>,
    /// Neither the network nor the machine has faults in this run.
    is_foreseen_fair: bool,
    ticking: bool,
    options: Options,
    report: Report,
}

/// Runs the world of a seed to its end.
pub fn run(seed: u64, options: Options) -> Report {
    let mut world = World::new(seed, options);
    world.go();
    world.check_end();
    world.report
}

impl World {
    fn new(seed: u64, options: Options) -> World {
        let scenario = Scenario::of(seed);
        let exchange: SocketAddr = EXCHANGE.parse().expect("an address");
        let phones: Vec<Phone> = scenario
            .phones
            .iter()
            .enumerate()
            .map(|(index, plan)| {
                let random = Random::new(seed, 100 + index as u64);
                let (address, public) = addresses(index, plan, 0);
                Phone::new(index, plan.clone(), address, public, exchange, random)
            })
            .collect();
        let network = Network::new(scenario.network.clone(), Random::new(seed, 2));
        let mut world = World {
            directory: directory(&scenario.phones),
            now: Now {
                time: Time::from_micros(1_000_000),
                unix: UnixTime::from_micros(1_800_000_000_000_000),
            },
            random: Random::new(seed, 3),
            queue: Queue::default(),
            phones,
            network,
            shards: Vec::new(),
            epoch: 0,
            outputs: 0,
            started_at: Time::ZERO,
            location: Location::default(),
            saved: BTreeMap::new(),
            media: Media::default(),
            journal: Journal::default(),
            flushing: false,
            observer: Observer::default(),
            directory_down: false,
            gone_at: BTreeMap::new(),
            trouble: false,
            disk_trouble: false,
            killed_at: Vec::new(),
            is_foreseen_fair: scenario.is_network_fair() && !scenario.has_crash(),
            ticking: false,
            options,
            scenario,
            report: Report {
                seed,
                digest: 0xcbf2_9ce4_8422_2325,
                ..Report::default()
            },
        };
        world.plan();
        world.start_exchange();
        world
    }

    /// Puts what the scenario says into the queue.
    fn plan(&mut self) {
        for phone in 0..self.phones.len() {
            self.phones[phone].switch_on();
            self.drain_phone(phone);
        }
        let start = self.now.time;
        for attempt in self.scenario.attempts.clone() {
            let crate::scenario::Attempt {
                at,
                phone,
                dialled,
                text,
                patience,
            } = attempt;
            let action = match text {
                true => Action::Text { dialled },
                false => Action::Call { dialled, patience },
            };
            self.queue.push(start + at, Event::Phone { phone, action });
        }
        for (at, incident) in self.scenario.incidents.clone() {
            self.queue.push(start + at, Event::Incident(incident));
        }
        for phone in 0..self.phones.len() {
            self.queue.push(
                start + QUIET_AT,
                Event::Phone {
                    phone,
                    action: Action::GoQuiet,
                },
            );
        }
    }

    fn config(&self) -> Config {
        let listen = EXCHANGE.parse().expect("an address");
        Config {
            listeners: vec![(Transport::Udp, listen), (Transport::Tcp, listen)],
            addresses: vec![listen.ip()],
            secret: [7; 32],
            fingerprint: Some(Fingerprint {
                function: "sha-256".into(),
                hash: [7; 32].into(),
            }),
            country_code: Some("49".into()),
            session_interval: Duration::from_secs(self.scenario.session_seconds),
            session_minimum: Duration::from_secs(90),
            ring_time: Duration::from_secs(self.scenario.ring_seconds),
            media_silence: self.scenario.silence_seconds.map(Duration::from_secs),
            ..Config::default()
        }
    }

    /// Lets everything happen, one thing after the other.
    fn go(&mut self) {
        let session = Duration::from_secs(self.scenario.session_seconds.max(1800));
        let end = self.now.time + QUIET_AT + SETTLING + session;
        let mut steps = 0_u64;
        while let Some(next) = self.next_time().filter(|next| *next <= end) {
            steps += 1;
            if steps > MAX_STEPS {
                return self.breach("it goes on for ever".to_owned());
            }
            self.advance(next);
            self.step();
            if self.report.breaches.len() >= MAX_BREACHES {
                return;
            }
        }
        self.advance(end);
    }

    fn next_time(&self) -> Option<Time> {
        let shards = self.shards.iter().filter_map(Exchange::next_deadline);
        let phones = self
            .phones
            .iter()
            .filter(|phone| !phone.gone)
            .filter_map(Phone::deadline);
        shards.chain(phones).chain(self.queue.next_time()).min()
    }

    fn advance(&mut self, to: Time) {
        let passed = to.since(self.now.time);
        self.now = Now {
            time: self.now.time + passed,
            unix: self.now.unix + passed,
        };
    }

    /// Does everything that is due, once.
    fn step(&mut self) {
        let now = self.now.time;
        if let Some(event) = self.queue.pop_due(now) {
            return self.happen(event);
        }
        for shard in 0..self.shards.len() {
            let due = self.shards.get(shard).and_then(Exchange::next_deadline);
            if due.is_some_and(|due| due <= now) {
                self.give(shard, fernamt_exchange::interface::Input::Timer);
            }
        }
        for phone in 0..self.phones.len() {
            let due = self.phones[phone].deadline();
            if !self.phones[phone].gone && due.is_some_and(|due| due <= now) {
                self.phones[phone].timer(now);
                self.drain_phone(phone);
            }
        }
    }

    /// A promise was broken.
    fn breach(&mut self, what: String) {
        self.trace(|| format!("!!! {what}"));
        if self.report.breaches.len() < MAX_BREACHES {
            let at = self.now.time;
            self.report.breaches.push(format!("{at}: {what}"));
        }
    }

    fn trace(&mut self, line: impl FnOnce() -> String) {
        if self.options.trace {
            let line = format!("{:>16}  {}", self.now.time.to_string(), line());
            self.report.trace.push(line);
        }
    }

    /// Whether the exchange was killed before a release at this time was on disk.
    fn is_release_forgotten(&self, released: Time) -> bool {
        // The record also waits a moment for the last figures of the media plane.
        let commit =
            Duration::from_millis(self.scenario.commit_millis + self.scenario.media_millis + 5);
        let forgotten = |killed: &Time| {
            *killed >= released && (self.disk_trouble || killed.since(released) <= commit)
        };
        self.killed_at.iter().any(forgotten)
    }

    /// Whether nothing goes wrong in this run but what people do.
    fn is_fair(&self) -> bool {
        self.is_foreseen_fair && !self.trouble
    }
}

/// The address that a phone believes to have, and the one that others see, after so many moves.
fn addresses(index: usize, plan: &PhonePlan, moves: u8) -> (SocketAddr, SocketAddr) {
    let number = 10 + index as u8;
    if plan.behind_nat {
        let private = SocketAddr::from(([10, 0, number, 2], 5060));
        (
            private,
            SocketAddr::from((
                [203, 0, 113, number + 40 * moves],
                30_000 + u16::from(number),
            )),
        )
    } else {
        let own = SocketAddr::from(([198, 51, 100, number + 40 * moves], 5060));
        (own, own)
    }
}

fn directory(phones: &[PhonePlan]) -> Directory {
    let mut directory = Directory::default();
    for (index, user) in USERS.into_iter().enumerate() {
        let direct = phones.iter().find(|plan| plan.user == user);
        let kind = direct.map(|plan| plan.media).unwrap_or_default();
        let number = format!("+4930123456{index}");
        directory.insert(Device {
            user: user.into(),
            name: (index != 1).then(|| format!("{user} at home").into()),
            numbers: number.parse().into_iter().collect(),
            ha1: Ha1::new(user, "fernamt", &format!("secret-{user}")),
            direct_media: direct.is_some_and(|plan| plan.direct_media),
            encryption: match kind {
                MediaKind::Plain => Encryption::Automatic,
                MediaKind::Keys => Encryption::Offered,
                MediaKind::Sdes | MediaKind::Browser => Encryption::Required,
            },
            media_transport: match kind {
                MediaKind::Browser => MediaTransport::WebRtc,
                _ => MediaTransport::Automatic,
            },
        });
    }
    directory
}
