//! What waits to be written on one connection: bounded, and empty of memory while nothing waits.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fernamt_sip::transport::Flow;
use tokio::sync::Notify;

/// Messages that may wait on one connection. A peer that lets more come together does not read.
pub(crate) const MAX_QUEUED_MESSAGES: usize = 2048;
/// Bytes that may wait on one connection.
pub(crate) const MAX_QUEUED_BYTES: usize = 2 << 20;

/// A message for a connection, with what is needed to say that it could not be sent.
#[derive(Debug)]
pub(crate) struct Outbound {
    /// Whose message it is.
    pub(crate) shard: u16,
    /// The flow as the exchange gave it.
    pub(crate) flow: Flow,
    pub(crate) bytes: Arc<[u8]>,
}

/// Why a message was not taken.
#[derive(Debug)]
pub(super) enum NotTaken {
    /// The connection is gone.
    Closed(Outbound),
    /// The peer does not read.
    Full(Outbound),
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Outbound>,
    bytes: usize,
    closed: bool,
}

/// The write queue of one connection, shared by its task and everyone who sends on it.
#[derive(Debug, Default)]
pub(super) struct Outlet {
    state: Mutex<State>,
    changed: Notify,
    ended: Notify,
}

impl Outlet {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a message.
    pub(super) fn put(&self, outbound: Outbound) -> Result<(), NotTaken> {
        let mut state = self.lock();
        if state.closed {
            return Err(NotTaken::Closed(outbound));
        }
        let bytes = state.bytes.saturating_add(outbound.bytes.len());
        if state.queue.len() >= MAX_QUEUED_MESSAGES || bytes > MAX_QUEUED_BYTES {
            return Err(NotTaken::Full(outbound));
        }
        state.bytes = bytes;
        state.queue.push_back(outbound);
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    /// The next message to write.
    pub(super) fn take(&self) -> Option<Outbound> {
        let mut state = self.lock();
        let outbound = state.queue.pop_front();
        match &outbound {
            Some(outbound) => state.bytes = state.bytes.saturating_sub(outbound.bytes.len()),
            // Memory of a burst is given back.
            None => state.queue = VecDeque::new(),
        }
        outbound
    }

    /// Takes no more messages, and wakes the task so that it ends.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_one();
        self.ended.notify_waiters();
    }

    /// Waits for the end only.
    pub(super) async fn closed(&self) {
        loop {
            let ended = self.ended.notified();
            if self.is_closed() {
                return;
            }
            ended.await;
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Closes, and gives back what was not written.
    pub(super) fn drain(&self) -> VecDeque<Outbound> {
        let mut state = self.lock();
        state.closed = true;
        state.bytes = 0;
        std::mem::take(&mut state.queue)
    }

    /// Waits until something was put in or the outlet was closed since the last call.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use fernamt_sip::transport::Transport;

    use super::*;

    fn outbound(bytes: usize) -> Outbound {
        let address = SocketAddr::from(([127, 0, 0, 1], 5060));
        let flow = Flow {
            transport: Transport::Tcp,
            local: address,
            remote: address,
            connection: None,
        };
        Outbound {
            shard: 0,
            flow,
            bytes: vec![0; bytes].into(),
        }
    }

    #[test]
    fn one_message_more_than_the_limit_is_not_taken() {
        let outlet = Outlet::default();
        for _ in 0..MAX_QUEUED_MESSAGES {
            outlet.put(outbound(1)).unwrap();
        }
        assert!(matches!(outlet.put(outbound(1)), Err(NotTaken::Full(_))));
        assert!(outlet.take().is_some());
        outlet.put(outbound(1)).unwrap();
    }

    #[test]
    fn one_byte_more_than_the_limit_is_not_taken() {
        let outlet = Outlet::default();
        outlet.put(outbound(MAX_QUEUED_BYTES)).unwrap();
        assert!(matches!(outlet.put(outbound(1)), Err(NotTaken::Full(_))));
        outlet.take();
        outlet.put(outbound(MAX_QUEUED_BYTES)).unwrap();
    }

    #[test]
    fn a_closed_outlet_takes_nothing_and_gives_back_the_rest() {
        let outlet = Outlet::default();
        outlet.put(outbound(1)).unwrap();
        assert_eq!(outlet.drain().len(), 1);
        assert!(matches!(outlet.put(outbound(1)), Err(NotTaken::Closed(_))));
        assert!(outlet.is_closed());
    }
}
