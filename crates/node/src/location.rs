//! The registrar's table, shared by all shards: parts with a lock each, a user always in the same.

use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fernamt_exchange::registrar::{
    Binding, BindingsOf, Location, MAX_BINDINGS, RefusedChange, RegisterChange,
};
use fernamt_sip::time::UnixTime;
use fernamt_sip::transport::ConnectionId;
use hashbrown::DefaultHashBuilder;

/// Parts of the table. More than there are shards, so that two of them seldom meet.
const PARTS: usize = 16;

/// Users of one page of a listing.
pub(crate) const PAGE_USERS: usize = 1000;

/// Where a listing goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    part: usize,
    from: usize,
}

/// The table.
pub(crate) struct Locations {
    parts: Vec<Mutex<Location>>,
    hasher: DefaultHashBuilder,
}

impl Locations {
    pub(crate) fn new() -> Locations {
        let part = || Mutex::new(Location::with_limit(MAX_BINDINGS / PARTS));
        Locations {
            parts: (0..PARTS).map(|_| part()).collect(),
            hasher: DefaultHashBuilder::default(),
        }
    }

    fn part(&self, user: &str) -> Option<MutexGuard<'_, Location>> {
        let hash = self.hasher.hash_one(user);
        let index = usize::try_from(hash % (PARTS as u64)).unwrap_or(0);
        self.parts.get(index).map(lock)
    }

    fn each(&self) -> impl Iterator<Item = MutexGuard<'_, Location>> {
        self.parts.iter().map(lock)
    }

    pub(crate) fn apply(
        &self,
        now: UnixTime,
        user: &str,
        change: RegisterChange,
    ) -> Result<Vec<Arc<Binding>>, RefusedChange> {
        let Some(mut part) = self.part(user) else {
            return Err(RefusedChange::Full);
        };
        part.apply(now, user, change)
    }

    pub(crate) fn bindings(&self, now: UnixTime, user: &str) -> Vec<Arc<Binding>> {
        self.part(user)
            .map(|part| part.bindings(now, user))
            .unwrap_or_default()
    }

    pub(crate) fn connection_closed(&self, connection: ConnectionId) {
        for mut part in self.each() {
            part.connection_closed(connection);
        }
    }

    /// Forgets what has expired.
    pub(crate) fn expire(&self, now: UnixTime) {
        for mut part in self.each() {
            while part.next_expiry().is_some_and(|due| due <= now) {
                part.expire(now);
            }
        }
    }

    pub(crate) fn forget(&self, user: &str) {
        if let Some(mut part) = self.part(user) {
            part.forget(user);
        }
    }

    /// Takes back what was written down; how many bindings.
    pub(crate) fn restore(&self, now: UnixTime, saved: Vec<BindingsOf>) -> usize {
        let mut sorted: Vec<Vec<BindingsOf>> = (0..PARTS).map(|_| Vec::new()).collect();
        for bindings in saved {
            let hash = self.hasher.hash_one(&*bindings.user);
            let index = usize::try_from(hash % (PARTS as u64)).unwrap_or(0);
            if let Some(part) = sorted.get_mut(index) {
                part.push(bindings);
            }
        }
        self.each()
            .zip(sorted)
            .map(|(mut part, saved)| part.restore(now, saved))
            .sum()
    }

    /// What has changed since the last time.
    pub(crate) fn drain_changes(&self, mut write: impl FnMut(BindingsOf)) {
        for part in &self.parts {
            let changes = lock(part).drain_changes();
            changes.into_iter().for_each(&mut write);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.each().map(|part| part.len()).sum()
    }

    /// A page of a listing, and where the next one begins.
    pub(crate) fn page(&self, now: UnixTime, place: Place) -> (Vec<BindingsOf>, Option<Place>) {
        let Some(part) = self.parts.get(place.part) else {
            return (Vec::new(), None);
        };
        let page = lock(part).page(now, place.from, PAGE_USERS);
        let next = match page.next {
            Some(from) => Some(Place { from, ..place }),
            None => Some(Place {
                part: place.part + 1,
                from: 0,
            })
            .filter(|next| next.part < PARTS),
        };
        (page.devices, next)
    }
}

fn lock(part: &Mutex<Location>) -> MutexGuard<'_, Location> {
    part.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use fernamt_sip::transport::Transport;

    use super::*;

    fn saved(user: &str) -> BindingsOf {
        let address = SocketAddr::from(([192, 0, 2, 1], 5060));
        let binding = Binding {
            contact: "sip:x@192.0.2.1".into(),
            q: 1000,
            expires: UnixTime::from_micros(1_000_000_000),
            call_id: "1".into(),
            cseq: 1,
            instance: None,
            reg_id: 0,
            path: Vec::new(),
            user_agent: None,
            transport: Transport::Udp,
            local: address,
            received: address,
            ice: false,
            connection: None,
            nat: Default::default(),
        };
        BindingsOf {
            user: user.into(),
            bindings: vec![Arc::new(binding)],
        }
    }

    #[test]
    fn a_listing_goes_through_all_parts_page_by_page() {
        let locations = Locations::new();
        let users: Vec<String> = (0..20_000).map(|number| format!("user{number}")).collect();
        let now = UnixTime::from_micros(1);
        let restored = locations.restore(now, users.iter().map(|user| saved(user)).collect());
        assert_eq!((restored, locations.len()), (20_000, 20_000));
        let mut seen = Vec::new();
        let mut place = Some(Place::default());
        while let Some(at) = place {
            let (page, next) = locations.page(now, at);
            assert!(page.len() <= PAGE_USERS);
            seen.extend(page.into_iter().map(|of| of.user));
            place = next;
        }
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 20_000);
        assert_eq!(locations.bindings(now, "user7").len(), 1);
        locations.expire(UnixTime::from_micros(2_000_000_000));
        assert_eq!(locations.len(), 0);
    }
}
