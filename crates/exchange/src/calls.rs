//! The table of the calls of a shard: places that are used again, with generations that make old
//! names harmless.

use crate::call::Call;
use crate::leg::CallSlot;

#[derive(Debug)]
enum Place {
    Free,
    /// Kept for an INVITE whose sender is being found out.
    Reserved,
    Taken(Box<Call>),
}

/// The calls of a shard.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    places: Vec<(u32, Place)>,
    free: Vec<u32>,
    used: usize,
}

impl Calls {
    /// Keeps a place for a call.
    pub(crate) fn reserve(&mut self) -> CallSlot {
        self.used += 1;
        if let Some(index) = self.free.pop()
            && let Some((generation, place)) = self.places.get_mut(index as usize)
        {
            *place = Place::Reserved;
            return CallSlot {
                index,
                generation: *generation,
            };
        }
        let index = u32::try_from(self.places.len()).unwrap_or(u32::MAX);
        self.places.push((1, Place::Reserved));
        CallSlot {
            index,
            generation: 1,
        }
    }

    /// Puts a call into the place that was kept for it.
    pub(crate) fn fill(&mut self, slot: CallSlot, call: Call) {
        if let Some(place @ Place::Reserved) = self.place_mut(slot) {
            *place = Place::Taken(Box::new(call));
        }
    }

    /// Frees a place.
    pub(crate) fn release(&mut self, slot: CallSlot) {
        let Some((generation, place)) = self.places.get_mut(slot.index as usize) else {
            return;
        };
        if *generation != slot.generation || matches!(place, Place::Free) {
            return;
        }
        *place = Place::Free;
        *generation = generation.wrapping_add(1);
        self.free.push(slot.index);
        self.used = self.used.saturating_sub(1);
    }

    fn place_mut(&mut self, slot: CallSlot) -> Option<&mut Place> {
        let (generation, place) = self.places.get_mut(slot.index as usize)?;
        (*generation == slot.generation).then_some(place)
    }

    pub(crate) fn get_mut(&mut self, slot: CallSlot) -> Option<&mut Call> {
        match self.place_mut(slot)? {
            Place::Taken(call) => Some(call),
            _ => None,
        }
    }

    /// How many places are taken or kept.
    pub(crate) fn len(&self) -> usize {
        self.used
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Call> {
        self.places.iter().filter_map(|(_, place)| match place {
            Place::Taken(call) => Some(&**call),
            _ => None,
        })
    }
}
