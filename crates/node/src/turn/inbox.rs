//! What connections have for the thread of the TURN server. Bounded: a connection waits until what
//! it brought is taken.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

use fernamt_stun::server::Flow;
use rustix::event::{EventfdFlags, eventfd};
use tokio::sync::Semaphore;

use super::outlet::Outlet;

/// What all connections together have waiting for the thread, in units of [`UNIT_BYTES`]: 16 MiB.
pub(super) const MAX_WAITING_UNITS: usize = 16_384;

/// A frame counts as one unit for each of these that it begins.
const UNIT_BYTES: usize = 1024;

/// How many units a frame takes.
fn units(frame: &[u8]) -> u32 {
    // The longest frame has 64 KiB.
    u32::try_from(frame.len() / UNIT_BYTES + 1).unwrap_or(u32::MAX)
}

/// Something for the thread.
pub(super) enum Item {
    /// A connection is there; what is for it goes here.
    Opened(Flow, Outlet),
    /// A frame has come.
    Frame(Flow, Box<[u8]>),
    /// A connection has ended.
    Closed(Flow),
    /// The failures of a source are forgotten.
    Forgiven(IpAddr),
    /// End the thread.
    Stop,
}

pub(super) struct Inbox {
    queue: Mutex<Vec<Item>>,
    room: Arc<Semaphore>,
    wake: OwnedFd,
}

impl Inbox {
    pub(super) fn new() -> io::Result<Inbox> {
        Ok(Inbox {
            queue: Mutex::new(Vec::new()),
            room: Arc::new(Semaphore::new(MAX_WAITING_UNITS)),
            wake: eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?,
        })
    }

    /// Puts in what must not wait. There is at most one such thing for each connection and way.
    pub(super) fn push(&self, item: Item) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let was_empty = queue.is_empty();
        queue.push(item);
        drop(queue);
        if was_empty {
            // A full counter wakes as well as a new one, so nothing can fail here that matters.
            let _ = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
        }
    }

    /// Puts in a frame, as soon as there is room.
    pub(super) async fn push_frame(&self, flow: Flow, frame: Box<[u8]>) {
        if let Ok(place) = self.room.acquire_many(units(&frame)).await {
            place.forget();
            self.push(Item::Frame(flow, frame));
        }
    }

    /// Takes all that is there into an empty list.
    pub(super) fn take(&self, items: &mut Vec<Item>) {
        let mut counter = [0; 8];
        let _ = rustix::io::read(&self.wake, &mut counter);
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        core::mem::swap(&mut *queue, items);
        drop(queue);
        let taken = items.iter().map(|item| match item {
            Item::Frame(_, frame) => units(frame) as usize,
            _ => 0,
        });
        self.room.add_permits(taken.sum());
    }

    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow() -> Flow {
        Flow {
            connection: Some(1),
            local: ([127, 0, 0, 1], 3478).into(),
            remote: ([127, 0, 0, 1], 9).into(),
        }
    }

    #[tokio::test]
    async fn a_connection_waits_when_as_much_waits_as_the_limit() {
        let inbox = Inbox::new().unwrap();
        let frame: Box<[u8]> = vec![0; 15 * UNIT_BYTES + 1].into();
        for _ in 0..MAX_WAITING_UNITS / 16 {
            inbox.push_frame(flow(), frame.clone()).await;
        }
        let one_more = inbox.push_frame(flow(), Box::new([1]));
        tokio::pin!(one_more);
        tokio::select! {
            biased;
            () = &mut one_more => panic!("there is no room"),
            () = tokio::task::yield_now() => {}
        }
        let mut items = Vec::new();
        inbox.take(&mut items);
        assert_eq!(items.len(), MAX_WAITING_UNITS / 16);
        one_more.await;
    }
}
