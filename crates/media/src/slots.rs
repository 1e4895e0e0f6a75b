//! The slots: places for a pair of sockets and the endpoint that uses it at the moment. A slot keeps
//! its number for ever, which is how epoll names it; it belongs to the thread `number % threads`.

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
        self.0
            .iter()
            .skip(thread)
            .step_by(threads.max(1))
            .map(Arc::as_ref)
    }
}
