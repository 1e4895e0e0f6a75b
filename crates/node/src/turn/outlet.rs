//! What waits for one client on its connection: bounded in frames and in bytes. A client that does not
//! read loses packets, as over UDP.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc::{self, Receiver, Sender};

/// Frames that wait for one client.
const MAX_WAITING_FRAMES: usize = 256;
/// Bytes that wait for one client, but for the last frame.
const MAX_WAITING_BYTES: usize = 256 << 10;

/// The end of the thread.
pub(super) struct Outlet {
    sender: Sender<Box<[u8]>>,
    waiting: Arc<AtomicUsize>,
}

/// The end of the connection.
pub(super) struct Outgoing {
    receiver: Receiver<Box<[u8]>>,
    waiting: Arc<AtomicUsize>,
}

/// Both ends.
pub(super) fn outlet() -> (Outlet, Outgoing) {
    let (sender, receiver) = mpsc::channel(MAX_WAITING_FRAMES);
    let waiting = Arc::new(AtomicUsize::new(0));
    let outgoing = Outgoing {
        receiver,
        waiting: Arc::clone(&waiting),
    };
    (Outlet { sender, waiting }, outgoing)
}

impl Outlet {
    /// Puts a frame in; false when there is no room.
    pub(super) fn put(&self, frame: &[u8]) -> bool {
        if self.waiting.load(Ordering::Relaxed) >= MAX_WAITING_BYTES {
            return false;
        }
        self.waiting.fetch_add(frame.len(), Ordering::Relaxed);
        let is_taken = self.sender.try_send(frame.into()).is_ok();
        if !is_taken {
            self.waiting.fetch_sub(frame.len(), Ordering::Relaxed);
        }
        is_taken
    }
}

impl Outgoing {
    /// Waits for frames, and puts them behind each other into `bytes`, as far as that is short. False
    /// when there will be no more.
    pub(super) async fn take(&mut self, bytes: &mut Vec<u8>, at_least: usize) -> bool {
        let Some(first) = self.receiver.recv().await else {
            return false;
        };
        bytes.extend_from_slice(&first);
        while bytes.len() < at_least
            && let Ok(frame) = self.receiver.try_recv()
        {
            bytes.extend_from_slice(&frame);
        }
        self.waiting.fetch_sub(bytes.len(), Ordering::Relaxed);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_frames_wait_as_the_limit_and_not_one_more() {
        let (outlet, _outgoing) = outlet();
        for _ in 0..MAX_WAITING_FRAMES {
            assert!(outlet.put(&[0; 100]));
        }
        assert!(!outlet.put(&[0; 100]));
    }

    #[tokio::test]
    async fn as_many_bytes_wait_as_the_limit_and_not_a_frame_more() {
        let (outlet, mut outgoing) = outlet();
        let frame = [0; 1 << 15];
        for _ in 0..MAX_WAITING_BYTES / frame.len() {
            assert!(outlet.put(&frame));
        }
        assert!(!outlet.put(&[0]));
        let mut bytes = Vec::new();
        assert!(outgoing.take(&mut bytes, 1).await);
        assert_eq!(bytes.len(), frame.len());
        assert!(outlet.put(&frame));
        assert!(!outlet.put(&[0]));
        drop(outlet);
        let mut taken = 0;
        while outgoing.take(&mut bytes, usize::MAX).await {
            taken += bytes.len();
            bytes.clear();
        }
        assert_eq!(taken, MAX_WAITING_BYTES + frame.len());
    }
}
