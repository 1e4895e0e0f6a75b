//! Which bindings are to be written when. Values only: no clock, no thread, no database.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use fernamt_exchange::registrar::{Binding, BindingsOf};
use fernamt_sip::time::UnixTime;

/// How long before the expiry that the database knows a refresh is written at the latest. Longer than
/// the writer sleeps and than a slow disk needs.
const MARGIN: Duration = Duration::from_secs(5);

/// How often all refreshes that wait are written together, and rows that have ended removed.
const SWEEP: Duration = Duration::from_secs(60);

/// What the database knows of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Written {
    /// Everything about the bindings but their expiry and CSeq.
    fingerprint: u64,
    /// When the first of them ends.
    first_end: UnixTime,
    /// When the last of them ends.
    last_end: UnixTime,
}

impl Written {
    fn of(bindings: &[Arc<Binding>]) -> Written {
        let ends = || bindings.iter().map(|binding| binding.expires);
        Written {
            fingerprint: fingerprint(bindings),
            first_end: ends().min().unwrap_or_default(),
            last_end: ends().max().unwrap_or_default(),
        }
    }
}

/// What is to be written now.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Due {
    /// Bindings to be written, by user name so that neighbours in the table come together.
    pub(super) changed: Vec<BindingsOf>,
    /// Users without bindings.
    pub(super) forgotten: Vec<Box<str>>,
    /// Rows that have ended are to be removed too.
    pub(super) sweep: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    written: HashMap<Box<str>, Written>,
    /// Refreshes that may wait.
    refreshed: HashMap<Box<str>, BindingsOf>,
    /// Changes that may not.
    changed: HashMap<Box<str>, BindingsOf>,
    forgotten: HashSet<Box<str>>,
    /// When the first refresh must be written.
    first_due: Option<UnixTime>,
    last_sweep: UnixTime,
}

impl Backlog {
    /// Begins with what the database knows.
    pub(super) fn new(loaded: &[BindingsOf], now: UnixTime) -> Backlog {
        let written = loaded
            .iter()
            .map(|of| (of.user.clone(), Written::of(&of.bindings)));
        Backlog {
            written: written.collect(),
            last_sweep: now,
            ..Backlog::default()
        }
    }

    /// Whether something waits.
    pub(super) fn is_empty(&self) -> bool {
        self.refreshed.is_empty() && self.changed.is_empty() && self.forgotten.is_empty()
    }

    /// Takes a change.
    pub(super) fn add(&mut self, change: BindingsOf) {
        let user = change.user.clone();
        if change.bindings.is_empty() {
            self.refreshed.remove(&user);
            self.changed.remove(&user);
            self.forgotten.insert(user);
            return;
        }
        self.forgotten.remove(&user);
        let known = self
            .written
            .get(&user)
            .filter(|_| !self.changed.contains_key(&user));
        match known.filter(|known| known.fingerprint == fingerprint(&change.bindings)) {
            Some(known) => {
                let end = known.first_end;
                self.first_due = Some(self.first_due.map_or(end, |first| first.min(end)));
                self.refreshed.insert(user, change);
            }
            None => {
                self.refreshed.remove(&user);
                self.changed.insert(user, change);
            }
        }
    }

    /// Takes out what must be written at this time, or everything.
    pub(super) fn due(&mut self, now: UnixTime, everything: bool) -> Due {
        let sweep = now.since(self.last_sweep) >= SWEEP;
        let mut changed: Vec<_> = self.changed.drain().map(|(_, change)| change).collect();
        if sweep || everything {
            changed.extend(self.refreshed.drain().map(|(_, change)| change));
            self.first_due = None;
        } else if self.first_due.is_some_and(|first| first <= now + MARGIN) {
            changed.extend(self.take_due_refreshes(now));
        }
        if sweep {
            self.last_sweep = now;
            self.written.retain(|_, written| written.last_end > now);
        }
        changed.sort_unstable_by(|a, b| a.user.cmp(&b.user));
        Due {
            changed,
            forgotten: self.forgotten.drain().collect(),
            sweep,
        }
    }

    fn take_due_refreshes(&mut self, now: UnixTime) -> Vec<BindingsOf> {
        let Backlog {
            written, refreshed, ..
        } = self;
        let end = |user: &str| written.get(user).map_or(now, |written| written.first_end);
        let due = refreshed
            .extract_if(|user, _| end(user) <= now + MARGIN)
            .map(|(_, change)| change)
            .collect();
        self.first_due = refreshed.keys().map(|user| end(user)).min();
        due
    }

    /// These are in the database now.
    pub(super) fn wrote(&mut self, change: &BindingsOf) {
        self.written
            .insert(change.user.clone(), Written::of(&change.bindings));
    }

    /// This user is not in the database any more.
    pub(super) fn forgot(&mut self, user: &str) {
        self.written.remove(user);
    }

    /// These could not be written. What has come since is newer.
    pub(super) fn put_back(&mut self, due: Due) {
        let newer = |backlog: &Backlog, user: &str| {
            backlog.changed.contains_key(user)
                || backlog.refreshed.contains_key(user)
                || backlog.forgotten.contains(user)
        };
        for change in due.changed {
            if !newer(self, &change.user) {
                self.changed.insert(change.user.clone(), change);
            }
        }
        for user in due.forgotten {
            if !newer(self, &user) {
                self.forgotten.insert(user);
            }
        }
    }
}

/// Tells whether two lists of bindings differ in more than expiry and CSeq. Compared within one
/// process only.
fn fingerprint(bindings: &[Arc<Binding>]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for binding in bindings {
        let Binding {
            contact,
            q,
            call_id,
            instance,
            reg_id,
            path,
            user_agent,
            ..
        } = &**binding;
        (contact, q, call_id, instance, reg_id, path, user_agent).hash(&mut hasher);
        (binding.transport, binding.local, binding.received).hash(&mut hasher);
    }
    hasher.finish()
}
