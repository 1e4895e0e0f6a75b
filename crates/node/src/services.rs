//! What the shards ask of the rest of the node: directory, registrar, name service, media plane,
//! journal of calls, and news for all.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use fernamt_exchange::config::Config;
use fernamt_exchange::directory::Directory;
use fernamt_exchange::interface::{
    Answer, Command, Destination, Event, Question, QuestionId, Ticket, Write,
};
use fernamt_exchange::media;
use fernamt_media::Plane;
use fernamt_sip::time::{Now, UnixTime};
use fernamt_sip::transport::ConnectionId;
use fernamt_store::{CallJournal, CommitSink};
use fernamt_stun::server::Keys;
use tokio::runtime::Handle;

use crate::location::Locations;
use crate::resolve::Resolver;
use crate::shard::{Inboxes, Item, Services};
use crate::transport::access::Access;
use crate::transport::stream::Streams;
use crate::turn::{self, TurnServices};

/// News that is counted.
#[derive(Debug, Default)]
pub(crate) struct NewsCounters {
    pub(crate) answered: AtomicU64,
    pub(crate) bans: AtomicU64,
    pub(crate) authentication_failures: AtomicU64,
    pub(crate) malformed: AtomicU64,
    pub(crate) not_recovered: AtomicU64,
    pub(crate) journal_refusals: AtomicU64,
    /// The second of the last log line about a single failure, and how many it has had.
    logged: Mutex<(i64, u32)>,
}

/// Log lines about single failures in a second. A flood must not fill the disk.
const MAX_FAILURE_LINES: u32 = 10;

impl NewsCounters {
    /// Whether one more single failure is logged in this second.
    fn may_log(&self, now: UnixTime) -> bool {
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        if logged.0 != now.as_seconds() {
            *logged = (now.as_seconds(), 0);
        }
        logged.1 += 1;
        logged.1 <= MAX_FAILURE_LINES
    }
}

/// Everything the shards share.
pub(crate) struct NodeServices {
    pub(crate) runtime: Handle,
    pub(crate) inboxes: Arc<Inboxes>,
    pub(crate) streams: Arc<Streams>,
    pub(crate) access: Arc<Access>,
    pub(crate) locations: Locations,
    pub(crate) resolver: Arc<Resolver>,
    pub(crate) plane: Plane,
    pub(crate) journal: CallJournal,
    /// As the shards have them.
    pub(crate) config: Config,
    /// Where media is opened, whatever address the signalling uses.
    pub(crate) media_address: Option<IpAddr>,
    pub(crate) directory: RwLock<Directory>,
    pub(crate) news: NewsCounters,
    pub(crate) draining: AtomicBool,
    /// The node ends: connections that close now take no bindings with them.
    pub(crate) stopping: AtomicBool,
}

impl NodeServices {
    pub(crate) fn directory(&self) -> RwLockReadGuard<'_, Directory> {
        self.directory
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn directory_mut(&self) -> RwLockWriteGuard<'_, Directory> {
        self.directory
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Who is behind a user name or number, and where they are.
    pub(crate) fn destination(&self, now: UnixTime, dialled: &str) -> Option<Destination> {
        let country_code = self.config.country_code.as_deref();
        let device = self.directory().destination(dialled, country_code)?;
        let bindings = self.locations.bindings(now, &device.user);
        Some(Destination { device, bindings })
    }

    /// Ends the ban of a source in every shard; whether there was one.
    pub(crate) fn lift_ban(&self, source: IpAddr, now: UnixTime) -> bool {
        self.inboxes.push_all(|| Item::LiftBan(source));
        self.access.lift(source, now)
    }

    /// Refuses new calls in every shard.
    pub(crate) fn drain(&self) {
        if !self.draining.swap(true, Ordering::Relaxed) {
            self.inboxes.push_all(|| Item::Command(Command::Drain));
        }
    }

    fn banned(&self, shard: u16, source: IpAddr, until: UnixTime) {
        let now = crate::clock::now().unix;
        if !self.access.ban(source, until, now) {
            return;
        }
        self.news.bans.fetch_add(1, Ordering::Relaxed);
        let seconds = until.since(now).as_secs();
        tracing::warn!(%source, seconds, "banned: failed to authenticate too often");
        for other in (0..self.inboxes.shards()).filter(|other| *other != shard) {
            self.inboxes
                .push(other, Item::Command(Command::Ban { source, until }));
        }
        self.streams.close_from(source);
    }
}

impl Services for NodeServices {
    fn ask(&self, now: Now, shard: u16, question: QuestionId, ask: Question) -> Option<Answer> {
        Some(match ask {
            Question::Device { user } => Answer::Device(self.directory().device(&user).cloned()),
            Question::Destination { dialled } => {
                Answer::Destination(self.destination(now.unix, &dialled))
            }
            Question::Register { user, change } => {
                Answer::Bindings(self.locations.apply(now.unix, &user, *change))
            }
            Question::Resolve(query) => {
                let resolver = Arc::clone(&self.resolver);
                let inboxes = Arc::clone(&self.inboxes);
                self.runtime.spawn(async move {
                    let answer = resolver.resolve(&query).await;
                    inboxes.push(shard, Item::Answer(question, answer));
                });
                return None;
            }
        })
    }

    fn media(&self, _shard: u16, mut command: media::Command) -> Option<media::Event> {
        if let media::Command::Open {
            local, port: None, ..
        } = &mut command
            && let Some(address) = self.media_address
            && address.is_ipv4() == local.is_ipv4()
        {
            *local = address;
        }
        self.plane.execute(command)
    }

    fn write(&self, shard: u16, write: Write) {
        let Err(refused) = self.journal.append(shard, write) else {
            return;
        };
        self.news.journal_refusals.fetch_add(1, Ordering::Relaxed);
        match &refused.0 {
            Write::State { call, .. } => {
                tracing::error!(%call, "the journal of calls is too slow: a state was not written");
            }
            Write::Closed { record, .. } => {
                let call = record.call;
                tracing::error!(%call, "the journal of calls is too slow: a record is LOST");
            }
        }
        if let Some(ticket) = refused.0.ticket() {
            self.inboxes.push(shard, Item::CommitFailed(ticket));
        }
    }

    fn publish(&self, shard: u16, event: Event) {
        let counter = match event {
            Event::Banned { source, until } => return self.banned(shard, source, until),
            Event::AuthenticationFailed { source } => {
                if self.news.may_log(crate::clock::now().unix) {
                    tracing::info!(%source, "failed to authenticate");
                }
                &self.news.authentication_failures
            }
            Event::Malformed { source, reason } => {
                tracing::debug!(%source, reason, "message refused");
                &self.news.malformed
            }
            Event::CallAnswered(call) => {
                tracing::debug!(%call, "answered");
                &self.news.answered
            }
            Event::NotRecovered { error } => {
                tracing::error!(%error, "a call in progress cannot be picked up");
                &self.news.not_recovered
            }
            Event::Drained => {
                tracing::info!(shard, "no calls are left");
                return;
            }
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    fn connection_closed(&self, connection: ConnectionId) {
        if !self.stopping.load(Ordering::Relaxed) {
            self.locations.connection_closed(connection);
        }
    }
}

impl TurnServices for NodeServices {
    fn keys(&self, user: &str) -> Option<Keys> {
        turn::keys_of(&self.directory(), user)
    }

    fn authentication_failed(&self, source: SocketAddr) {
        let news = &self.news;
        news.authentication_failures.fetch_add(1, Ordering::Relaxed);
        if news.may_log(crate::clock::now().unix) {
            tracing::info!(%source, "failed to authenticate for TURN");
        }
    }

    fn ignored(&self, source: IpAddr) {
        let until = crate::clock::now().unix + self.config.guard.ban;
        // No shard knows of it yet.
        self.banned(u16::MAX, source, until);
    }
}

/// Brings word from the journal of calls to the shards.
pub(crate) struct Commits {
    inboxes: Arc<Inboxes>,
    items: Vec<Item>,
}

impl Commits {
    pub(crate) fn new(inboxes: Arc<Inboxes>) -> Commits {
        Commits {
            inboxes,
            items: Vec::new(),
        }
    }

    fn bring(&mut self, shard: u16, tickets: &[Ticket], item: impl Fn(Ticket) -> Item) {
        self.items
            .extend(tickets.iter().map(|ticket| item(*ticket)));
        if let Some(inbox) = self.inboxes.get(shard) {
            inbox.append(&mut self.items);
        }
        self.items.clear();
    }
}

impl CommitSink for Commits {
    fn committed(&mut self, shard: u16, tickets: &[Ticket]) {
        self.bring(shard, tickets, Item::Committed);
    }

    fn failed(&mut self, shard: u16, tickets: &[Ticket]) {
        tracing::error!(
            calls = tickets.len(),
            "the journal of calls cannot be written"
        );
        self.bring(shard, tickets, Item::CommitFailed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_failures_is_not_a_flood_of_lines() {
        let news = NewsCounters::default();
        let second = |number: i64| UnixTime::from_micros(number * 1_000_000);
        let lines = (0..1000).filter(|_| news.may_log(second(1))).count();
        assert_eq!(lines, usize::try_from(MAX_FAILURE_LINES).unwrap());
        assert!(news.may_log(second(2)));
    }
}
