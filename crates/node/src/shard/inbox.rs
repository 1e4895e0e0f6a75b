//! What other threads have for a shard. One lock and at most one wake-up per batch; a shard that is
//! awake is not woken.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Barrier, Mutex, MutexGuard, PoisonError};

use fernamt_exchange::exchange::CallSummary;
use fernamt_exchange::interface::{Answer, Command, QuestionId, Ticket};
use fernamt_exchange::media;
use fernamt_sip::transport::{ConnectionId, Flow};
use rustix::event::{EventfdFlags, eventfd};

/// Messages that may wait for one shard. More are dropped when they are datagrams, and held back in
/// their connection when they are not.
pub(crate) const MAX_WAITING_MESSAGES: usize = 65_536;

/// Something for a shard.
pub(crate) enum Item {
    /// A message of another transport or one that another shard has received.
    Message {
        flow: Flow,
        bytes: Box<[u8]>,
    },
    ConnectionClosed(ConnectionId),
    SendFailed(Flow),
    /// The network reports that nobody can be reached there.
    Unreachable(SocketAddr),
    Answer(QuestionId, Answer),
    Media(media::Event),
    Committed(Ticket),
    CommitFailed(Ticket),
    Command(Command),
    /// End the ban of a source.
    LiftBan(IpAddr),
    /// Hand the calls in progress to this function.
    Calls(Box<dyn FnOnce(Vec<CallSummary>) + Send>),
    /// Call this when everything before it is done.
    Reached(Box<dyn FnOnce() + Send>),
    /// End the thread.
    Stop,
}

/// The inbox of one shard.
pub(crate) struct Inbox {
    queue: Mutex<Vec<Item>>,
    waiting: AtomicUsize,
    asleep: AtomicBool,
    wake: OwnedFd,
}

impl Inbox {
    pub(crate) fn new() -> io::Result<Inbox> {
        Ok(Inbox {
            queue: Mutex::new(Vec::new()),
            waiting: AtomicUsize::new(0),
            asleep: AtomicBool::new(false),
            wake: eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Item>> {
        // A panic elsewhere leaves the list whole: it is only pushed to and swapped.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether so much waits that no more messages should be put in.
    pub(crate) fn is_full(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) >= MAX_WAITING_MESSAGES
    }

    /// Puts one thing in.
    pub(crate) fn push(&self, item: Item) {
        let mut queue = self.lock();
        queue.push(item);
        self.waiting.store(queue.len(), Ordering::Relaxed);
        drop(queue);
        self.rouse();
    }

    /// Puts many things in, in order, and leaves the list empty. Messages for which there is no room
    /// are dropped; their number comes back.
    pub(crate) fn append(&self, items: &mut Vec<Item>) -> usize {
        if items.is_empty() {
            return 0;
        }
        let mut queue = self.lock();
        let mut dropped = 0;
        for item in items.drain(..) {
            if queue.len() >= MAX_WAITING_MESSAGES && matches!(item, Item::Message { .. }) {
                dropped += 1;
            } else {
                queue.push(item);
            }
        }
        self.waiting.store(queue.len(), Ordering::Relaxed);
        drop(queue);
        self.rouse();
        dropped
    }

    fn rouse(&self) {
        if self.asleep.swap(false, Ordering::SeqCst) {
            // A full counter wakes as well as a new one, so nothing can fail here that matters.
            let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
        }
    }

    /// Says that the owner is about to sleep; false when something waits and it must not.
    pub(super) fn fall_asleep(&self) -> bool {
        self.asleep.store(true, Ordering::SeqCst);
        // Whoever pushed before this store may not have seen it, but has pushed by now.
        let empty = self.lock().is_empty();
        if !empty {
            self.asleep.store(false, Ordering::SeqCst);
        }
        empty
    }

    /// Says that the owner is awake. After a wake-up by this inbox the event is taken back.
    pub(super) fn wake_up(&self, signalled: bool) {
        self.asleep.store(false, Ordering::SeqCst);
        if signalled {
            let _ = rustix::io::read(&self.wake, &mut [0u8; 8]);
        }
    }

    /// Takes everything that waits, by swapping it with an empty list.
    pub(super) fn take(&self, into: &mut Vec<Item>) {
        if self.waiting.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut queue = self.lock();
        std::mem::swap(&mut *queue, into);
        self.waiting.store(0, Ordering::Relaxed);
    }

    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}

/// The inboxes of all shards, by number.
pub(crate) struct Inboxes {
    inboxes: Vec<Inbox>,
    /// Where the shards meet before the first of them reads a socket.
    start: Barrier,
}

impl Inboxes {
    /// Makes `count` inboxes.
    pub(crate) fn new(count: u16) -> io::Result<Inboxes> {
        let inboxes = (0..count.max(1))
            .map(|_| Inbox::new())
            .collect::<io::Result<Vec<Inbox>>>()?;
        let start = Barrier::new(inboxes.len());
        Ok(Inboxes { inboxes, start })
    }

    /// How many shards there are.
    pub(crate) fn shards(&self) -> u16 {
        u16::try_from(self.inboxes.len()).unwrap_or(u16::MAX)
    }

    /// Waits until every shard has come here.
    pub(crate) fn wait_for_all(&self) {
        self.start.wait();
    }

    /// The inbox of a shard.
    pub(crate) fn get(&self, shard: u16) -> Option<&Inbox> {
        self.inboxes.get(usize::from(shard))
    }

    /// Puts one thing into the inbox of a shard.
    pub(crate) fn push(&self, shard: u16, item: Item) {
        if let Some(inbox) = self.get(shard) {
            inbox.push(item);
        }
    }

    /// Puts something into every inbox.
    pub(crate) fn push_all(&self, mut item: impl FnMut() -> Item) {
        for inbox in &self.inboxes {
            inbox.push(item());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sleeper_is_woken_once_and_one_that_is_awake_never() {
        let inbox = Inbox::new().unwrap();
        let signalled = || rustix::io::read(&inbox.wake, &mut [0u8; 8]).is_ok();
        inbox.push(Item::Stop);
        assert!(!signalled());
        assert!(!inbox.fall_asleep());
        inbox.take(&mut Vec::new());
        assert!(inbox.fall_asleep());
        inbox.push(Item::Stop);
        inbox.push(Item::Stop);
        assert!(signalled());
        let mut taken = Vec::new();
        inbox.take(&mut taken);
        assert_eq!(taken.len(), 2);
    }

    #[test]
    fn messages_beyond_the_limit_are_dropped_but_nothing_else_is() {
        let inbox = Inbox::new().unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], 5060));
        let flow = Flow {
            transport: fernamt_sip::transport::Transport::Udp,
            local: address,
            remote: address,
            connection: None,
        };
        let message = || Item::Message {
            flow,
            bytes: Box::default(),
        };
        let mut items: Vec<Item> = (0..MAX_WAITING_MESSAGES + 1).map(|_| message()).collect();
        items.push(Item::Committed(Ticket(1)));
        assert!(!inbox.is_full());
        assert_eq!(inbox.append(&mut items), 1);
        assert!(inbox.is_full());
        let mut taken = Vec::new();
        inbox.take(&mut taken);
        assert_eq!(taken.len(), MAX_WAITING_MESSAGES + 1);
        assert!(matches!(taken.last(), Some(Item::Committed(_))));
    }
}
