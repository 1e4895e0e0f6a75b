//! What server and client transactions share: settings, timers and the way out.

use core::time::Duration;
use std::collections::VecDeque;
use std::sync::Arc;

use super::fingerprint::Fingerprints;
use super::output::Output;
use super::settings::TransactionSettings;
use crate::time::Time;
use crate::timer::{TimerId, TimerQueue};
use crate::transport::Flow;

/// Which timer of a server transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ServerTimer {
    /// The automatic 100, a reliable provisional response, timer G, or a 2xx once more.
    Retransmit,
    /// The end of the state: timers H, I, J and L, and the limits where RFC 3261 has none.
    End,
}

/// Which timer of a client transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClientTimer {
    /// Timers A and E.
    Retransmit,
    /// The end of the state: timers B, D, F, K and M, and that of a cancelled INVITE.
    End,
    /// Timer C.
    Overdue,
}

/// What is due. A timer never outlives its transaction, so that an index is name enough.
#[derive(Clone, Copy, Debug)]
pub(super) enum Due {
    Server(u32, ServerTimer),
    Client(u32, ClientTimer),
}

pub(super) struct Core<U> {
    pub(super) settings: TransactionSettings,
    pub(super) fingerprints: Fingerprints,
    pub(super) timers: TimerQueue<Due>,
    pub(super) outputs: VecDeque<Output<U>>,
    /// Where our own messages are written before they are shared.
    pub(super) scratch: Vec<u8>,
}

impl<U> Core<U> {
    pub(super) fn new(settings: TransactionSettings) -> Core<U> {
        Core {
            fingerprints: Fingerprints::new(settings.hash_seed),
            settings,
            timers: TimerQueue::new(),
            outputs: VecDeque::new(),
            scratch: Vec::new(),
        }
    }

    pub(super) fn send(&mut self, flow: Flow, bytes: &Arc<[u8]>) {
        self.outputs.push_back(Output::Send {
            flow,
            bytes: Arc::clone(bytes),
        });
    }

    /// Sets `timer`, whether or not it is running.
    pub(super) fn set(&mut self, timer: &mut Option<TimerId>, at: Time, due: Due) {
        self.stop(timer);
        *timer = Some(self.timers.insert(at, due));
    }

    pub(super) fn stop(&mut self, timer: &mut Option<TimerId>) {
        if let Some(timer) = timer.take() {
            self.timers.cancel(timer);
        }
    }
}

/// An interval as it is kept in a transaction: microseconds in half the space.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Interval(u32);

impl Interval {
    pub(super) fn get(self) -> Duration {
        Duration::from_micros(u64::from(self.0))
    }
}

impl From<Duration> for Interval {
    fn from(duration: Duration) -> Interval {
        Interval(u32::try_from(duration.as_micros()).unwrap_or(u32::MAX))
    }
}
