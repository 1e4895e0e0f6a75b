//! A table of sources of fixed size, in the order in which they were seen last.

use core::hash::{BuildHasher, Hash};

use hashbrown::{DefaultHashBuilder, HashTable};

/// Marks the end of the chain.
const NONE: u32 = u32::MAX;

/// Remembers a value per source; when it is full, the source seen longest ago goes.
#[derive(Debug)]
pub(super) struct Sources<K, V> {
    capacity: usize,
    hasher: DefaultHashBuilder,
    index: HashTable<u32>,
    slots: Vec<Slot<K, V>>,
    free: Vec<u32>,
    newest: u32,
    oldest: u32,
}

#[derive(Debug)]
struct Slot<K, V> {
    key: K,
    value: V,
    newer: u32,
    older: u32,
}

impl<K: Copy + Eq + Hash, V: Copy> Sources<K, V> {
    pub(super) fn new(capacity: usize) -> Sources<K, V> {
        Sources {
            capacity: capacity.clamp(1, NONE as usize),
            hasher: DefaultHashBuilder::default(),
            index: HashTable::new(),
            slots: Vec::new(),
            free: Vec::new(),
            newest: NONE,
            oldest: NONE,
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    #[cfg(test)]
    pub(super) fn slots(&self) -> usize {
        self.slots.len()
    }

    /// The value of `key`, which is the one seen last from now on; a new one where there is none.
    pub(super) fn entry(&mut self, key: K, new: impl FnOnce() -> V) -> &mut V {
        let slot = match self.find(key) {
            Some(slot) => {
                if slot != self.newest {
                    self.unlink(slot);
                    self.link(slot);
                }
                slot
            }
            None => self.add(key, new()),
        };
        &mut self.slot(slot).value
    }

    /// Forgets a source.
    pub(super) fn remove(&mut self, key: K) {
        if let Some(slot) = self.find(key) {
            self.evict(slot);
            self.free.push(slot);
        }
    }

    fn find(&self, key: K) -> Option<u32> {
        let same = |slot: &u32| {
            self.slots
                .get(*slot as usize)
                .is_some_and(|slot| slot.key == key)
        };
        self.index.find(self.hasher.hash_one(key), same).copied()
    }

    fn add(&mut self, key: K, value: V) -> u32 {
        let new = Slot {
            key,
            value,
            newer: NONE,
            older: NONE,
        };
        let slot = if self.index.len() >= self.capacity {
            let oldest = self.oldest;
            self.evict(oldest);
            oldest
        } else {
            self.free.pop().unwrap_or(self.slots.len() as u32)
        };
        if slot as usize == self.slots.len() {
            self.slots.push(new);
        } else {
            *self.slot(slot) = new;
        }
        let (hasher, slots) = (&self.hasher, &self.slots);
        let hash_of = |slot: &u32| {
            slots
                .get(*slot as usize)
                .map_or(0, |slot| hasher.hash_one(slot.key))
        };
        self.index
            .insert_unique(hasher.hash_one(key), slot, hash_of);
        self.link(slot);
        slot
    }

    /// Takes a slot out of the index and the chain.
    fn evict(&mut self, slot: u32) {
        let key = self.slot(slot).key;
        let hash = self.hasher.hash_one(key);
        if let Ok(entry) = self.index.find_entry(hash, |candidate| *candidate == slot) {
            entry.remove();
        }
        self.unlink(slot);
    }

    fn unlink(&mut self, slot: u32) {
        let Slot { newer, older, .. } = *self.slot(slot);
        if newer == NONE {
            self.newest = older;
        } else {
            self.slot(newer).older = older;
        }
        if older == NONE {
            self.oldest = newer;
        } else {
            self.slot(older).newer = newer;
        }
    }

    fn link(&mut self, slot: u32) {
        let second = self.newest;
        let entry = self.slot(slot);
        entry.newer = NONE;
        entry.older = second;
        if second == NONE {
            self.oldest = slot;
        } else {
            self.slot(second).newer = slot;
        }
        self.newest = slot;
    }

    #[allow(
        clippy::indexing_slicing,
        reason = "a slot number in index or chain is that of a slot"
    )]
    fn slot(&mut self, slot: u32) -> &mut Slot<K, V> {
        &mut self.slots[slot as usize]
    }
}
