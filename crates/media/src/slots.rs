//! The slots: places for a pair of sockets and the endpoint that uses it at the moment. A slot keeps
//! its number for ever, which is how epoll names it, and which thread it belongs to.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use crate::endpoint::Endpoint;
use crate::socket::SocketPair;

/// One place, under its own lock.
#[derive(Debug, Default)]
pub(crate) struct Slot(Mutex<Place>);

/// What is in a slot.
#[derive(Debug, Default)]
pub(crate) struct Place {
    pub(crate) sockets: Option<SocketPair>,
    /// Only with sockets.
    pub(crate) endpoint: Option<Box<Endpoint>>,
}

impl Slot {
    #[inline]
    pub(crate) fn lock(&self) -> MutexGuard<'_, Place> {
        lock(&self.0)
    }
}

/// Locks even what a panic left behind: there is none in this crate, and a call goes on better with
/// its last state than not at all.
#[inline]
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// All slots. They only become more.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    all: RwLock<Vec<Arc<Slot>>>,
    /// Numbers of slots without sockets.
    empty: Mutex<Vec<u32>>,
}

impl Slots {
    pub(crate) fn get(&self, number: u32) -> Option<Arc<Slot>> {
        let all = self.all.read().unwrap_or_else(PoisonError::into_inner);
        all.get(number as usize).cloned()
    }

    /// A slot without sockets.
    pub(crate) fn take_empty(&self) -> (u32, Arc<Slot>) {
        let empty = lock(&self.empty).pop();
        if let Some((number, slot)) = empty.and_then(|number| Some((number, self.get(number)?))) {
            return (number, slot);
        }
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        let slot = Arc::new(Slot::default());
        all.push(slot.clone());
        ((all.len() - 1) as u32, slot)
    }

    /// Gives back a slot whose sockets are closed.
    pub(crate) fn give_back_empty(&self, number: u32) {
        lock(&self.empty).push(number);
    }

    /// Appends the slots that `known`, a copy of the beginning, does not have yet.
    pub(crate) fn extend(&self, known: &mut Vec<Arc<Slot>>) {
        let all = self.all.read().unwrap_or_else(PoisonError::into_inner);
        known.extend(all.iter().skip(known.len()).cloned());
    }
}

/// A thread's own copy of the list of slots, so that no packet touches what threads share.
#[derive(Debug, Default)]
pub(crate) struct KnownSlots(Vec<Arc<Slot>>);

impl KnownSlots {
    #[inline]
    pub(crate) fn get(&mut self, slots: &Slots, number: u32) -> Option<&Slot> {
        if number as usize >= self.0.len() {
            slots.extend(&mut self.0);
        }
        self.0.get(number as usize).map(Arc::as_ref)
    }

    /// The slots of one thread.
    pub(crate) fn of_thread(
        &mut self,
        slots: &Slots,
        thread: usize,
        threads: usize,
    ) -> impl Iterator<Item = &Slot> {
        slots.extend(&mut self.0);
        let numbered = self.0.iter().zip(0_u32..);
        numbered
            .filter(move |&(_, number)| thread_of(number, threads) == thread)
            .map(|(slot, _)| slot.as_ref())
    }
}

/// Neighbouring slots that belong to one thread. Waking a thread costs as much as half a packet, so
/// that few calls are better served by one thread than by all.
const SLOTS_TOGETHER: usize = 1_024;

/// The thread that a slot belongs to.
pub(crate) fn thread_of(number: u32, threads: usize) -> usize {
    number as usize / SLOTS_TOGETHER % threads.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_calls_share_a_thread_and_many_use_all() {
        let used = |calls: u32| {
            let threads = (0..2 * calls).map(|number| thread_of(number, 4));
            threads.collect::<std::collections::HashSet<_>>().len()
        };
        assert_eq!([1, 512, 513, 2_048, 10_000].map(used), [1, 1, 2, 4, 4]);
        assert_eq!(thread_of(7, 0), 0);
    }

    #[test]
    fn every_slot_belongs_to_exactly_one_thread() {
        let slots = Slots::default();
        let taken = (0..3_000)
            .map(|_| slots.take_empty().0)
            .collect::<Vec<u32>>();
        assert_eq!(taken, (0..3_000).collect::<Vec<u32>>());
        let counts =
            [0, 1, 2].map(|thread| KnownSlots::default().of_thread(&slots, thread, 3).count());
        assert_eq!(counts.iter().sum::<usize>(), 3_000);
        slots.give_back_empty(5);
        assert_eq!(slots.take_empty().0, 5);
    }
}
