//! The table of all bindings of all devices. A plain value: the shell owns it, and the shards share
//! it behind a lock.

use core::hash::BuildHasher;
use std::collections::BTreeSet;
use std::sync::Arc;

use fernamt_sip::time::UnixTime;
use fernamt_sip::transport::{ConnectionId, Transport};
use fernamt_sip::uri::Uri;
use hashbrown::{DefaultHashBuilder, HashTable};

use super::draft::{Done, Draft};
use super::{Binding, BindingsOf, RefusedChange, RegisterChange};

/// Most bindings of one device.
pub const MAX_BINDINGS_PER_DEVICE: usize = 16;

/// Most bindings in the table, unless [`Location::with_limit`] says otherwise.
pub const MAX_BINDINGS: usize = 4_000_000;

/// Most devices that one call of [`Location::expire`] looks at, so that the lock is held briefly.
const EXPIRE_BATCH: usize = 1_000;

/// Where all devices are.
#[derive(Debug)]
pub struct Location {
    limit: usize,
    hasher: DefaultHashBuilder,
    /// Slots by user name.
    index: HashTable<u32>,
    slots: Vec<Option<Entry>>,
    free: Vec<u32>,
    /// When a device must be looked at because a binding of its may have expired: never later than
    /// that, and at most one time a device. A refresh does not touch it; looking finds nothing then,
    /// and comes again.
    checks: BTreeSet<(UnixTime, u32)>,
    /// Who has bindings on which connection.
    connections: BTreeSet<(ConnectionId, u32)>,
    /// Devices that were changed since the last [`Location::drain_changes`], each once.
    changed: Vec<u32>,
    bindings: usize,
    counters: LocationCounters,
}

/// A device that has, or had until now, bindings.
#[derive(Debug)]
struct Entry {
    user: Box<str>,
    /// Highest q first.
    bindings: Box<[Arc<Binding>]>,
    check: Option<UnixTime>,
    is_changed: bool,
}

/// What has happened to bindings, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LocationCounters {
    /// Bindings that were new.
    pub added: u64,
    /// Bindings that were refreshed.
    pub refreshed: u64,
    /// Bindings that their device removed.
    pub removed: u64,
    /// Bindings removed because their phone has another address now.
    pub replaced: u64,
    /// Bindings whose time was over.
    pub expired: u64,
    /// Bindings that died with their connection.
    pub connection_lost: u64,
    /// Changes that were refused.
    pub refused: u64,
}

/// A piece of the table, for listings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Devices with their bindings, in no particular order.
    pub devices: Vec<BindingsOf>,
    /// Where the next page begins; `None`: this is the last one.
    pub next: Option<usize>,
}

impl Default for Location {
    fn default() -> Location {
        Location::with_limit(MAX_BINDINGS)
    }
}

impl Location {
    /// An empty table that takes at most so many bindings.
    pub fn with_limit(bindings: usize) -> Location {
        Location {
            limit: bindings.min(u32::MAX as usize),
            hasher: DefaultHashBuilder::default(),
            index: HashTable::new(),
            slots: Vec::new(),
            free: Vec::new(),
            checks: BTreeSet::new(),
            connections: BTreeSet::new(),
            changed: Vec::new(),
            bindings: 0,
            counters: LocationCounters::default(),
        }
    }

    /// Applies what a REGISTER wants to the bindings of a device, all of it or nothing (RFC 3261
    /// section 10.3), and gives back all its bindings, highest q first.
    ///
    /// # Errors
    /// [`RefusedChange`]; nothing was changed then.
    pub fn apply(
        &mut self,
        now: UnixTime,
        user: &str,
        change: RegisterChange,
    ) -> Result<Vec<Arc<Binding>>, RefusedChange> {
        let result = self.try_apply(now, user, change);
        if result.is_err() {
            self.counters.refused += 1;
        }
        result
    }

    fn try_apply(
        &mut self,
        now: UnixTime,
        user: &str,
        change: RegisterChange,
    ) -> Result<Vec<Arc<Binding>>, RefusedChange> {
        let slot = self.find(user);
        let before = self.entry(slot).map_or(&[][..], |entry| &entry.bindings);
        let count_before = before.len();
        let mut draft = Draft::new(now, before);
        let count_alive = draft.len();
        match change {
            RegisterChange::Query => return Ok(draft.finish().into_vec()),
            RegisterChange::RemoveAll { call_id, cseq } => draft.remove_all(&call_id, cseq)?,
            RegisterChange::Update(contacts) => {
                for contact in contacts {
                    draft.change(now, contact)?;
                    if draft.len() > MAX_BINDINGS_PER_DEVICE {
                        return Err(RefusedChange::TooMany);
                    }
                }
            }
        }
        if draft.len() > count_before && self.bindings - count_before + draft.len() > self.limit {
            return Err(RefusedChange::Full);
        }
        self.count(draft.done, count_before - count_alive);
        let bindings = draft.finish();
        let all = bindings.to_vec();
        match slot {
            Some(slot) => self.set(slot, bindings),
            None if bindings.is_empty() => {}
            None => {
                let slot = self.add(user);
                self.set(slot, bindings);
            }
        }
        Ok(all)
    }

    fn count(&mut self, done: Done, expired: usize) {
        self.counters.added += done.added;
        self.counters.refreshed += done.refreshed;
        self.counters.removed += done.removed;
        self.counters.replaced += done.replaced;
        self.counters.expired += expired as u64;
    }

    /// The bindings of a device that have not expired, highest q first.
    pub fn bindings(&self, now: UnixTime, user: &str) -> Vec<Arc<Binding>> {
        let all = self
            .entry(self.find(user))
            .map_or(&[][..], |entry| &entry.bindings);
        all.iter()
            .filter(|binding| binding.expires > now)
            .cloned()
            .collect()
    }

    /// A connection is gone: bindings whose device can only be reached through it are gone, too.
    /// Gives back how many there were.
    ///
    /// Not to be called for connections that the exchange closes because it stops: their devices
    /// come back, and the bindings should be there then.
    pub fn connection_closed(&mut self, connection: ConnectionId) -> usize {
        let range = (connection, 0)..=(connection, u32::MAX);
        let slots: Vec<u32> = self
            .connections
            .range(range)
            .map(|(_, slot)| *slot)
            .collect();
        let mut lost = 0;
        for slot in slots {
            let Some(entry) = self.entry(Some(slot)) else {
                continue;
            };
            let mut left = Vec::with_capacity(entry.bindings.len());
            for binding in &entry.bindings {
                if binding.connection != Some(connection) {
                    left.push(Arc::clone(binding));
                } else if listens_itself(binding) {
                    left.push(Arc::new(Binding {
                        connection: None,
                        ..Binding::clone(binding)
                    }));
                } else {
                    lost += 1;
                }
            }
            self.set(slot, left.into_boxed_slice());
        }
        self.counters.connection_lost += lost as u64;
        lost
    }

    /// Forgets bindings whose time is over, and gives back how many. Looks only at devices that may
    /// have some, and at most at a thousand: while [`Location::next_expiry`] is not later than now,
    /// there are more.
    pub fn expire(&mut self, now: UnixTime) -> usize {
        let mut expired = 0;
        for _ in 0..EXPIRE_BATCH {
            match self.checks.first() {
                Some(&(due, slot)) if due <= now => expired += self.check(now, slot),
                _ => break,
            }
        }
        self.counters.expired += expired as u64;
        expired
    }

    fn check(&mut self, now: UnixTime, slot: u32) -> usize {
        let Some(entry) = self.entry(Some(slot)) else {
            return 0;
        };
        let count = entry.bindings.len();
        let alive: Box<[Arc<Binding>]> = entry
            .bindings
            .iter()
            .filter(|binding| binding.expires > now)
            .cloned()
            .collect();
        let expired = count - alive.len();
        if expired > 0 {
            self.set(slot, alive);
        } else {
            self.schedule(slot, true);
        }
        expired
    }

    /// When [`Location::expire`] may find something.
    pub fn next_expiry(&self) -> Option<UnixTime> {
        self.checks.first().map(|(due, _)| *due)
    }

    /// Forgets all bindings of a device that is no more; says whether there were any.
    pub fn forget(&mut self, user: &str) -> bool {
        let Some(slot) = self.find(user) else {
            return false;
        };
        let had = self
            .entry(Some(slot))
            .map_or(0, |entry| entry.bindings.len());
        self.counters.removed += had as u64;
        self.set(slot, Box::default());
        had > 0
    }

    /// Takes back what was written down before a restart, and gives back how many bindings. What has
    /// expired in the meantime, and what is beyond the limits, is left out.
    ///
    /// Connections do not outlive a restart: a binding on one can be reached again when its device
    /// has come back, or listens itself.
    pub fn restore(&mut self, now: UnixTime, saved: impl IntoIterator<Item = BindingsOf>) -> usize {
        let mut restored = 0;
        for BindingsOf { user, bindings } in saved {
            let mut alive: Vec<Arc<Binding>> = bindings
                .into_iter()
                .filter(|binding| binding.expires > now)
                .collect();
            alive.truncate(MAX_BINDINGS_PER_DEVICE);
            alive.sort_by_key(|binding| core::cmp::Reverse(binding.q));
            let slot = self.find(&user);
            let before = self.entry(slot).map_or(0, |entry| entry.bindings.len());
            if self.bindings - before + alive.len() > self.limit
                || (alive.is_empty() && before == 0)
            {
                continue;
            }
            restored += alive.len();
            let slot = slot.unwrap_or_else(|| self.add(&user));
            self.set(slot, alive.into_boxed_slice());
        }
        self.drop_changes();
        restored
    }

    /// What has changed since the last time, for the store. After it, what the table knows is what
    /// was written down.
    pub fn drain_changes(&mut self) -> Vec<BindingsOf> {
        let changed = core::mem::take(&mut self.changed);
        let mut changes = Vec::with_capacity(changed.len());
        for slot in changed {
            let Some(entry) = self.entry_mut(slot) else {
                continue;
            };
            entry.is_changed = false;
            let bindings = entry.bindings.to_vec();
            if bindings.is_empty() {
                changes.extend(self.take(slot).map(|entry| BindingsOf {
                    user: entry.user,
                    bindings,
                }));
            } else {
                let user = entry.user.clone();
                changes.push(BindingsOf { user, bindings });
            }
        }
        changes
    }

    fn drop_changes(&mut self) {
        for slot in core::mem::take(&mut self.changed) {
            let Some(entry) = self.entry_mut(slot) else {
                continue;
            };
            entry.is_changed = false;
            if entry.bindings.is_empty() {
                self.take(slot);
            }
        }
    }

    /// Devices with their bindings, at most `devices` of them, from where the last page ended; the
    /// first page begins at 0. A device that registers in between may be missed.
    pub fn page(&self, now: UnixTime, from: usize, devices: usize) -> Page {
        let mut page = Page {
            devices: Vec::new(),
            next: None,
        };
        for (slot, entry) in self.slots.iter().enumerate().skip(from) {
            if page.devices.len() >= devices {
                page.next = Some(slot);
                break;
            }
            let Some(entry) = entry else { continue };
            let alive = entry
                .bindings
                .iter()
                .filter(|binding| binding.expires > now);
            let bindings: Vec<Arc<Binding>> = alive.cloned().collect();
            if !bindings.is_empty() {
                page.devices.push(BindingsOf {
                    user: entry.user.clone(),
                    bindings,
                });
            }
        }
        page
    }

    /// How many bindings there are.
    pub fn len(&self) -> usize {
        self.bindings
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.bindings == 0
    }

    /// What was done so far.
    pub fn counters(&self) -> LocationCounters {
        self.counters
    }

    fn find(&self, user: &str) -> Option<u32> {
        let same = |slot: &u32| {
            self.entry(Some(*slot))
                .is_some_and(|entry| *entry.user == *user)
        };
        self.index.find(self.hasher.hash_one(user), same).copied()
    }

    fn entry(&self, slot: Option<u32>) -> Option<&Entry> {
        self.slots.get(slot? as usize)?.as_ref()
    }

    fn entry_mut(&mut self, slot: u32) -> Option<&mut Entry> {
        self.slots.get_mut(slot as usize)?.as_mut()
    }

    fn add(&mut self, user: &str) -> u32 {
        let entry = Entry {
            user: user.into(),
            bindings: Box::default(),
            check: None,
            is_changed: false,
        };
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                self.slots.push(None);
                (self.slots.len() - 1) as u32
            }
        };
        if let Some(place) = self.slots.get_mut(slot as usize) {
            *place = Some(entry);
        }
        let (hasher, slots) = (&self.hasher, &self.slots);
        let hash_of = |slot: &u32| {
            let entry = slots.get(*slot as usize).and_then(Option::as_ref);
            entry.map_or(0, |entry| hasher.hash_one(&*entry.user))
        };
        self.index
            .insert_unique(hasher.hash_one(user), slot, hash_of);
        slot
    }

    /// Takes a device without bindings out of the table.
    fn take(&mut self, slot: u32) -> Option<Entry> {
        let entry = self.slots.get_mut(slot as usize)?.take()?;
        let hash = self.hasher.hash_one(&*entry.user);
        if let Ok(found) = self.index.find_entry(hash, |candidate| *candidate == slot) {
            found.remove();
        }
        self.free.push(slot);
        Some(entry)
    }

    /// Gives a device these bindings, and keeps everything that depends on them right.
    fn set(&mut self, slot: u32, bindings: Box<[Arc<Binding>]>) {
        let Some(entry) = self.slots.get_mut(slot as usize).and_then(Option::as_mut) else {
            return;
        };
        let before = core::mem::replace(&mut entry.bindings, bindings);
        self.bindings = self.bindings - before.len() + entry.bindings.len();
        for connection in before.iter().filter_map(|binding| binding.connection) {
            self.connections.remove(&(connection, slot));
        }
        for connection in entry
            .bindings
            .iter()
            .filter_map(|binding| binding.connection)
        {
            self.connections.insert((connection, slot));
        }
        if !entry.is_changed {
            entry.is_changed = true;
            self.changed.push(slot);
        }
        self.schedule(slot, false);
    }

    /// Sees to it that the device is looked at when its next binding expires. A look that comes too
    /// early is left where it is, unless it is `due` just now.
    fn schedule(&mut self, slot: u32, due: bool) {
        let Some(entry) = self.slots.get_mut(slot as usize).and_then(Option::as_mut) else {
            return;
        };
        let next = entry.bindings.iter().map(|binding| binding.expires).min();
        let keeps = match (entry.check, next) {
            (Some(check), Some(next)) => !due && check <= next,
            (None, None) => true,
            _ => false,
        };
        if keeps {
            return;
        }
        if let Some(check) = entry.check {
            self.checks.remove(&(check, slot));
        }
        entry.check = next;
        if let Some(next) = next {
            self.checks.insert((next, slot));
        }
    }
}

/// Whether a device can be reached without the connection that it registered on: it listens on the
/// address that it came from, but on another port than that of the connection.
fn listens_itself(binding: &Binding) -> bool {
    if binding.reg_id != 0 || !matches!(binding.transport, Transport::Tcp | Transport::Tls) {
        return false;
    }
    let Ok(contact) = Uri::parse(&binding.contact) else {
        return false;
    };
    let own = contact.host().ip().map(|address| address.to_canonical());
    let port = contact.port().unwrap_or(binding.transport.default_port());
    own == Some(binding.received.ip().to_canonical()) && port != binding.received.port()
}
