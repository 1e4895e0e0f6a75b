//! A store of equal things under small numbers that are used again, and names that are not.

/// Where no slot is.
const NONE: u32 = u32::MAX;
/// Memory is given back when the store runs empty and had more slots than this.
const KEPT_SLOTS: usize = 1024;

/// Names a thing for as long as it is stored, and nothing after that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key {
    pub(super) index: u32,
    generation: u32,
}

struct Slot<T> {
    generation: u32,
    next_free: u32,
    value: Option<T>,
}

pub(super) struct Slab<T> {
    slots: Vec<Slot<T>>,
    first_free: u32,
    next_generation: u32,
    count: usize,
}

impl<T> Slab<T> {
    pub(super) fn new() -> Slab<T> {
        Slab {
            slots: Vec::new(),
            first_free: NONE,
            next_generation: 0,
            count: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn insert(&mut self, value: T) -> Key {
        let generation = self.next_generation;
        self.next_generation = generation.wrapping_add(1);
        self.count += 1;
        let index = self.first_free;
        if let Some(slot) = self.slots.get_mut(index as usize) {
            self.first_free = slot.next_free;
            *slot = Slot {
                generation,
                next_free: NONE,
                value: Some(value),
            };
            return Key { index, generation };
        }
        // The limits of the settings end long before numbers do.
        let index = u32::try_from(self.slots.len()).unwrap_or(NONE);
        self.slots.push(Slot {
            generation,
            next_free: NONE,
            value: Some(value),
        });
        Key { index, generation }
    }

    pub(super) fn get(&self, index: u32) -> Option<&T> {
        self.slots.get(index as usize)?.value.as_ref()
    }

    pub(super) fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        self.slots.get_mut(index as usize)?.value.as_mut()
    }

    /// The thing that `key` names, when it is still there.
    pub(super) fn find_mut(&mut self, key: Key) -> Option<&mut T> {
        let slot = self.slots.get_mut(key.index as usize)?;
        if slot.generation == key.generation {
            slot.value.as_mut()
        } else {
            None
        }
    }

    /// The name of the thing at `index`.
    pub(super) fn key_at(&self, index: u32) -> Option<Key> {
        let slot = self.slots.get(index as usize)?;
        slot.value.as_ref().map(|_| Key {
            index,
            generation: slot.generation,
        })
    }

    pub(super) fn remove(&mut self, index: u32) -> Option<T> {
        let slot = self.slots.get_mut(index as usize)?;
        let value = slot.value.take()?;
        slot.next_free = self.first_free;
        self.first_free = index;
        self.count -= 1;
        if self.count == 0 && self.slots.len() > KEPT_SLOTS {
            self.slots = Vec::new();
            self.first_free = NONE;
        }
        Some(value)
    }

    /// The size of one slot, in bytes.
    #[cfg(test)]
    pub(super) const SLOT_BYTES: usize = size_of::<Slot<T>>();

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.slots.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_used_again_under_other_names() {
        let mut slab = Slab::new();
        let first = slab.insert("a");
        assert_eq!(slab.remove(first.index), Some("a"));
        assert_eq!(slab.remove(first.index), None);
        let second = slab.insert("b");
        assert_eq!(first.index, second.index);
        assert_eq!(slab.find_mut(first), None);
        assert_eq!(slab.find_mut(second), Some(&mut "b"));
        assert_eq!(slab.key_at(second.index), Some(second));
        assert_eq!(slab.len(), 1);
    }

    #[test]
    fn an_empty_store_gives_its_memory_back_and_forgets_old_names() {
        let mut slab = Slab::new();
        let keys: Vec<_> = (0..5000).map(|number| slab.insert(number)).collect();
        for key in &keys {
            slab.remove(key.index);
        }
        assert_eq!((slab.len(), slab.capacity()), (0, 0));
        slab.insert(1);
        assert_eq!(slab.find_mut(keys[0]), None);
    }
}
