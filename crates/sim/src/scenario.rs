//! What a seed stands for: who is there, who calls whom and when, and what goes wrong. A plain
//! value; nothing happens here.

use core::time::Duration;

use fernamt_sip::transport::Transport;

use crate::phone::MediaKind;
use crate::random::Random;

/// When the last call of a run is begun.
const LAST_CALL: u64 = 120_000;

/// What one run is about.
#[derive(Debug)]
pub(crate) struct Scenario {
    pub(crate) shards: u16,
    pub(crate) phones: Vec<PhonePlan>,
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) network: NetworkPlan,
    pub(crate) incidents: Vec<(Duration, Incident)>,
    /// The exchange is killed after so many outputs since its start; once for each.
    pub(crate) crashes: Vec<u64>,
    /// How long the directory takes at most, in milliseconds.
    pub(crate) directory_millis: u64,
    /// How long a group commit waits at most, in milliseconds.
    pub(crate) commit_millis: u64,
    /// How long the media plane takes at most, in milliseconds.
    pub(crate) media_millis: u64,
    pub(crate) session_seconds: u64,
    pub(crate) ring_seconds: u64,
    pub(crate) silence_seconds: Option<u64>,
}

/// One phone.
#[derive(Clone, Debug)]
pub(crate) struct PhonePlan {
    /// The device that it is; several phones may be the same device.
    pub(crate) user: &'static str,
    pub(crate) transport: Transport,
    /// It writes an address into its messages that nobody can reach.
    pub(crate) behind_nat: bool,
    /// Its preference in thousandths.
    pub(crate) q: Option<u16>,
    pub(crate) wrong_password: bool,
    pub(crate) direct_media: bool,
    pub(crate) media: MediaKind,
    pub(crate) character: Character,
}

/// How a phone behaves.
#[derive(Clone, Debug, Default)]
pub(crate) struct Character {
    /// Reliable provisional responses (RFC 3262).
    pub(crate) reliable: bool,
    /// UPDATE (RFC 3311).
    pub(crate) update: bool,
    /// Session timers (RFC 4028), with this interval.
    pub(crate) timer_seconds: Option<u32>,
    /// As of RFC 2543: no `rport`, no unique branch, no tags in provisional responses, no Allow.
    pub(crate) old_fashioned: bool,
    /// Sends a description before it answers.
    pub(crate) early_media: bool,
    /// Calls without an offer so many times of a hundred.
    pub(crate) late_offer_percent: u64,
    /// Its offers are so large that they do not fit into a datagram.
    pub(crate) large: bool,
    /// It takes connections at its contact address.
    pub(crate) listens_on_tcp: bool,
    /// Redirects, rejects, ignores and lets ring; otherwise it answers every call.
    pub(crate) moody: bool,
    /// Does more than talk: hold, resume, UPDATE, INFO and so on.
    pub(crate) lively: bool,
    /// Uses the last nonce for the next request instead of waiting for a challenge.
    pub(crate) hasty_credentials: bool,
}

/// Somebody wants to call, or to send a text.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) at: Duration,
    pub(crate) phone: usize,
    pub(crate) dialled: &'static str,
    /// A MESSAGE instead of a call.
    pub(crate) text: bool,
    /// Gives up after this, if nobody has answered.
    pub(crate) patience: Duration,
}

/// How the network behaves.
#[derive(Clone, Debug, Default)]
pub(crate) struct NetworkPlan {
    pub(crate) delay_millis: (u64, u64),
    pub(crate) loss_per_mille: u64,
    pub(crate) duplicate_per_mille: u64,
}

/// Something that goes wrong.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Incident {
    /// A phone is cut off for a while.
    Partition { phone: usize, lasts: Duration },
    /// A phone has another address from now on.
    Move { phone: usize },
    /// A phone loses its connection.
    Disconnect { phone: usize },
    /// A phone is gone for good, without a word.
    Vanish { phone: usize },
    /// A phone removes its registration.
    Unregister { phone: usize },
    /// Nothing can be written for a while.
    DiskFull { lasts: Duration },
    /// The directory does not answer for a while.
    DirectoryDown { lasts: Duration },
    /// No media endpoint can be opened for a while.
    MediaFull { lasts: Duration },
    /// The exchange is killed.
    Crash,
    /// The exchange takes no new calls, and is stopped and started again a little later.
    Restart,
    /// Somebody releases a call by command.
    Release,
}

/// The devices there are.
pub(crate) const USERS: [&str; 5] = ["anna", "bert", "carla", "dora", "emil"];

/// Runs without faults of the network and the machine: here everything must go right.
pub(crate) const FAIR_OF_FOUR: u64 = 1;

impl Scenario {
    /// What this seed stands for.
    pub(crate) fn of(seed: u64) -> Scenario {
        let mut random = Random::new(seed, 1);
        let fair = seed % 4 < FAIR_OF_FOUR;
        // Every eighth is the simplest of all: two good phones.
        let simple = seed.is_multiple_of(8);
        let phones = phones(&mut random, simple);
        let attempts = attempts(&mut random, &phones, simple);
        let incidents = if simple {
            Vec::new()
        } else {
            incidents(&mut random, &phones, fair)
        };
        let crashes = match !fair && random.percent(40) {
            true => (0..random.between(1, 3))
                .map(|_| random.between(1, 300))
                .collect(),
            false => Vec::new(),
        };
        let slow = random.percent(30);
        Scenario {
            shards: *random.pick(&[1, 1, 2, 3]),
            phones,
            attempts,
            network: network(&mut random, fair),
            incidents,
            crashes,
            directory_millis: if slow { random.between(1, 3000) } else { 0 },
            commit_millis: if slow {
                random.between(1, 2000)
            } else {
                random.between(0, 5)
            },
            media_millis: if slow { random.between(0, 500) } else { 0 },
            session_seconds: *random.pick(&[90, 120, 200, 1800]),
            ring_seconds: *random.pick(&[20, 60, 120]),
            silence_seconds: *random.pick(&[None, Some(30), Some(60)]),
        }
    }

    /// Whether nothing that was sent may get lost or come late.
    pub(crate) fn is_network_fair(&self) -> bool {
        self.network.loss_per_mille == 0
    }

    /// Whether the exchange is never stopped.
    pub(crate) fn has_crash(&self) -> bool {
        !self.crashes.is_empty()
            || self
                .incidents
                .iter()
                .any(|(_, incident)| matches!(incident, Incident::Crash | Incident::Restart))
    }
}

fn phones(random: &mut Random, simple: bool) -> Vec<PhonePlan> {
    let count = if simple {
        2
    } else {
        random.between(2, 7) as usize
    };
    let mut phones = Vec::with_capacity(count);
    // The first two are always there.
    let first = USERS.iter().take(2).copied().map(Some);
    for first in first.chain(std::iter::repeat(None)).take(count) {
        let index = phones.len();
        let somebody = *random.pick(&USERS);
        let user = first.unwrap_or(somebody);
        let transport = match !simple && random.percent(30) {
            true => Transport::Tcp,
            false => Transport::Udp,
        };
        let media = match phones.iter().find(|plan: &&PhonePlan| plan.user == user) {
            Some(same) => same.media,
            None => media_kind(random, simple),
        };
        phones.push(PhonePlan {
            user,
            transport,
            behind_nat: !simple && random.percent(25),
            q: random.percent(40).then(|| random.below(11) as u16 * 100),
            wrong_password: !simple && index > 1 && random.percent(10),
            direct_media: !simple && random.percent(15) && media == MediaKind::Plain,
            media,
            character: character(random, simple),
        });
    }
    phones
}

/// All phones of a device are of one kind: what its record demands must be possible to each.
fn media_kind(random: &mut Random, simple: bool) -> MediaKind {
    match random.below(10) {
        _ if simple => MediaKind::Plain,
        0 | 1 => MediaKind::Sdes,
        2 | 3 => MediaKind::Browser,
        4 | 5 => MediaKind::Keys,
        _ => MediaKind::Plain,
    }
}

fn character(random: &mut Random, simple: bool) -> Character {
    if simple {
        return Character {
            update: true,
            ..Character::default()
        };
    }
    let old_fashioned = random.percent(12);
    let mut modern = |percent| !old_fashioned && random.percent(percent);
    let (reliable, update, timer) = (modern(40), modern(60), modern(50));
    Character {
        reliable,
        update,
        timer_seconds: timer.then(|| *random.pick(&[90, 120, 1800])),
        old_fashioned,
        early_media: random.percent(30),
        late_offer_percent: *random.pick(&[0, 0, 30]),
        large: random.percent(10),
        listens_on_tcp: random.percent(50),
        moody: random.percent(50),
        lively: random.percent(60),
        hasty_credentials: random.percent(50),
    }
}

fn attempts(random: &mut Random, phones: &[PhonePlan], simple: bool) -> Vec<Attempt> {
    let count = if simple { 2 } else { random.between(2, 16) };
    let mut attempts = Vec::new();
    for _ in 0..count {
        let phone = random.below(phones.len() as u64) as usize;
        let own = |user: &str| user == phones[phone].user;
        // Who is there, the caller itself only now and then.
        let mut somebody = random.pick(phones).user;
        if own(somebody) && !random.percent(5) {
            somebody = phones
                .iter()
                .map(|plan| plan.user)
                .find(|user| !own(user))
                .unwrap_or("dora");
        }
        let dialled = match random.below(20) {
            0 if !simple => "nobody",
            1 => "*43",
            2 if !simple => "+4930123456",
            3 if !simple => random.pick(&USERS),
            _ => somebody,
        };
        // Some want something at the very same moment.
        let step = *random.pick(&[1, 1000]);
        let at = random.between(3_000, LAST_CALL) / step * step;
        let hasty = !simple && random.percent(30);
        let patience = if hasty {
            random.millis(0, 4_000)
        } else {
            random.millis(20_000, 170_000)
        };
        attempts.push(Attempt {
            at: Duration::from_millis(at),
            phone,
            dialled,
            text: !simple && random.percent(10),
            patience,
        });
    }
    attempts.sort_by_key(|attempt| attempt.at);
    attempts
}

fn network(random: &mut Random, fair: bool) -> NetworkPlan {
    let delay_millis = *random.pick(&[(1, 1), (5, 40), (20, 300), (1, 900)]);
    if fair {
        return NetworkPlan {
            delay_millis: delay_millis.min((20, 300)),
            ..NetworkPlan::default()
        };
    }
    NetworkPlan {
        delay_millis,
        loss_per_mille: *random.pick(&[0, 0, 10, 50, 200]),
        duplicate_per_mille: *random.pick(&[0, 0, 20, 200]),
    }
}

fn incidents(random: &mut Random, phones: &[PhonePlan], fair: bool) -> Vec<(Duration, Incident)> {
    let count = random.below(6);
    let mut incidents = Vec::new();
    for _ in 0..count {
        let at = random.millis(2_000, LAST_CALL + 30_000);
        let phone = random.below(phones.len() as u64) as usize;
        let lasts = random.millis(500, 45_000);
        let incident = match random.below(if fair { 2 } else { 14 }) {
            0 => Incident::Unregister { phone },
            1 => Incident::Release,
            2 | 3 => Incident::Partition { phone, lasts },
            4 => Incident::Move { phone },
            5 => Incident::Disconnect { phone },
            6 | 7 => Incident::Vanish { phone },
            8 => Incident::DiskFull { lasts },
            9 => Incident::DirectoryDown { lasts },
            10 => Incident::MediaFull { lasts },
            11 | 12 => Incident::Crash,
            _ => Incident::Restart,
        };
        incidents.push((at, incident));
    }
    incidents
}
