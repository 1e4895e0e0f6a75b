//! Is the sender of a message welcome? Asked before anything of the message is read; knows sources
//! and rates, and nothing of SIP.
//!
//! A source is an IPv4 address or an IPv6 network of 64 bits, which is what one customer gets and
//! what one attacker has 2⁶⁴ addresses in. Everything that is remembered of sources has its place
//! in a table of fixed size: whoever was seen longest ago goes, and nothing grows.

mod access;
mod bans;
mod sources;

use core::net::IpAddr;
use core::time::Duration;

use fernamt_sip::time::Time;

use crate::config::{Config, GuardConfig};
use access::Networks;
use bans::Bans;
use sources::Sources;

pub use access::Source;
pub use bans::Ban;

/// Sources whose rate is kept at the same time.
pub const MAX_SOURCES: usize = 65_536;

/// Sources whose failed authentications are counted at the same time.
pub const MAX_FAILING_SOURCES: usize = 16_384;

/// Sources that are banned at the same time.
pub const MAX_BANS: usize = 16_384;

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is read.
    Admit,
    /// It is dropped unread, and nothing is answered.
    Drop(DropReason),
}

/// Why a message is dropped unread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DropReason {
    /// The source is on the list of denied sources. A connection can be closed.
    Denied,
    /// The source is banned for a time. A connection can be closed.
    Banned,
    /// The source sends more than its share. A connection can be read more slowly instead.
    RateLimited,
}

impl DropReason {
    /// In words.
    pub const fn text(self) -> &'static str {
        match self {
            DropReason::Denied => "the source is on the list of denied sources",
            DropReason::Banned => "the source is banned for failed authentications",
            DropReason::RateLimited => "the source sends more messages than the rate limit allows",
        }
    }
}

/// What the guard has done, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GuardCounters {
    /// Messages let in.
    pub admitted: u64,
    /// Messages of denied sources.
    pub denied: u64,
    /// Messages of banned sources.
    pub banned: u64,
    /// Messages above the rate.
    pub rate_limited: u64,
    /// Bans that began.
    pub bans: u64,
}

/// The guard of one shard.
#[derive(Debug)]
pub struct Guard {
    trusted: Networks,
    denied: Networks,
    limits: GuardConfig,
    rates: Sources<(Source, Channel), Bucket>,
    failures: Sources<Source, Failures>,
    bans: Bans,
    counters: GuardCounters,
}

/// Datagrams and streams of one source are counted apart: the sender of a datagram can be forged,
/// and a flood under the name of a customer must not slow down the customer's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Channel {
    Datagrams,
    Streams,
}

/// A token bucket in millionths of a message.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    level_millionths: u64,
    filled: Time,
}

const MESSAGE: u64 = 1_000_000;

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    since: Time,
}

impl Guard {
    /// A guard with these settings that has not seen anybody.
    pub fn new(config: &Config) -> Guard {
        Guard {
            trusted: Networks::new(&config.trusted_sources),
            denied: Networks::new(&config.denied_sources),
            limits: config.guard,
            rates: Sources::new(MAX_SOURCES),
            failures: Sources::new(MAX_FAILING_SOURCES),
            bans: Bans::new(MAX_BANS),
            counters: GuardCounters::default(),
        }
    }

    /// Takes new settings; what is known of sources stays.
    pub fn configure(&mut self, config: &Config) {
        self.trusted = Networks::new(&config.trusted_sources);
        self.denied = Networks::new(&config.denied_sources);
        self.limits = config.guard;
    }

    /// Whether a message from `source` may be read; `stream` tells a connection from datagrams.
    ///
    /// Denied sources are refused even where they are trusted, too. Trusted ones are exempt from
    /// everything else. Takes constant time and, once the source is known, no memory.
    pub fn admit(&mut self, now: Time, source: IpAddr, stream: bool) -> Verdict {
        let verdict = self.judge(now, source, stream);
        let counter = match verdict {
            Verdict::Admit => &mut self.counters.admitted,
            Verdict::Drop(DropReason::Denied) => &mut self.counters.denied,
            Verdict::Drop(DropReason::Banned) => &mut self.counters.banned,
            Verdict::Drop(DropReason::RateLimited) => &mut self.counters.rate_limited,
        };
        *counter += 1;
        verdict
    }

    fn judge(&mut self, now: Time, source: IpAddr, stream: bool) -> Verdict {
        if self.denied.contain(source) {
            return Verdict::Drop(DropReason::Denied);
        }
        if self.trusted.contain(source) {
            return Verdict::Admit;
        }
        let source = Source::of(source);
        if self.bans.holds(now, source) {
            return Verdict::Drop(DropReason::Banned);
        }
        let channel = if stream {
            Channel::Streams
        } else {
            Channel::Datagrams
        };
        let burst = u64::from(self.limits.burst.max(1)) * MESSAGE;
        let full = || Bucket {
            level_millionths: burst,
            filled: now,
        };
        let bucket = self.rates.entry((source, channel), full);
        if bucket.take(now, self.limits.messages_per_second, burst) {
            Verdict::Admit
        } else {
            Verdict::Drop(DropReason::RateLimited)
        }
    }

    /// Counts a failed authentication, and bans the source when it was one too many.
    ///
    /// Only an answer to a challenge of ours counts: a sender that was forged never saw the nonce,
    /// so nobody can be banned by somebody else's datagrams. Trusted sources are not counted.
    pub fn authentication_failed(&mut self, now: Time, source: IpAddr) -> Option<Ban> {
        if self.trusted.contain(source) {
            return None;
        }
        let key = Source::of(source);
        let failures = self.failures.entry(key, || Failures {
            count: 0,
            since: now,
        });
        if now.since(failures.since) > self.limits.failure_window {
            *failures = Failures {
                count: 0,
                since: now,
            };
        }
        failures.count += 1;
        if failures.count < self.limits.failures_before_ban.max(1) {
            return None;
        }
        self.failures.remove(key);
        self.ban(now, source, now + self.limits.ban)
    }

    /// Bans a source until then, whoever found out; a longer ban that holds already stays. `None`
    /// for a trusted source, which is not banned, and for a time that is over.
    pub fn ban(&mut self, now: Time, source: IpAddr, until: Time) -> Option<Ban> {
        if self.trusted.contain(source) || until <= now {
            return None;
        }
        self.counters.bans += 1;
        Some(self.bans.insert(now, Source::of(source), until))
    }

    /// Ends the ban of a source, and forgets its failures; says whether it was banned.
    pub fn lift(&mut self, now: Time, source: IpAddr) -> bool {
        let source = Source::of(source);
        self.failures.remove(source);
        let held = self.bans.holds(now, source);
        self.bans.remove(source);
        held
    }

    /// The bans that hold, the one that ends first in front.
    pub fn banned(&self, now: Time) -> impl Iterator<Item = Ban> {
        self.bans.iter(now)
    }

    /// What was done so far.
    pub fn counters(&self) -> GuardCounters {
        self.counters
    }
}

impl Bucket {
    /// Takes one message out, if there is one in it.
    fn take(&mut self, now: Time, messages_per_second: u32, burst: u64) -> bool {
        // A second has a million microseconds: messages per second are millionths per microsecond.
        let passed = now
            .since(self.filled)
            .min(Duration::from_secs(86_400))
            .as_micros();
        let gained = u64::try_from(passed).unwrap_or(u64::MAX);
        let gained = gained.saturating_mul(u64::from(messages_per_second));
        self.level_millionths = self.level_millionths.saturating_add(gained).min(burst);
        self.filled = now;
        match self.level_millionths.checked_sub(MESSAGE) {
            Some(rest) => {
                self.level_millionths = rest;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests;
