//! A request on its way, and when it is sent again (RFC 8489 section 6.2). What it asks for is only
//! carried.

use core::time::Duration;
use std::net::SocketAddr;

use crate::TransactionId;
use crate::time::{Micros, Now};

/// The first wait for an answer over UDP (RFC 8489 section 6.2.1: RTO).
pub(super) const FIRST_WAIT: Duration = Duration::from_millis(500);
/// How often a request is sent over UDP (Rc).
pub(super) const MOST_SENDINGS: u32 = 7;
/// The last wait, in first waits (Rm).
pub(super) const LAST_WAIT_FACTOR: u32 = 16;
/// How long an answer may take over a stream (RFC 8489 section 6.2.2: Ti).
pub(super) const STREAM_WAIT: Duration = Duration::from_millis(39_500);
/// How often the same thing is asked for with new credentials.
pub const MOST_ATTEMPTS: u32 = 4;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// A relay.
    Allocate,
    /// That the relay lasts.
    Refresh,
    /// That it ends.
    Release,
    /// That a peer may send.
    Permit(SocketAddr),
    /// A channel to a peer.
    Bind(u16, SocketAddr),
}

#[derive(Debug)]
pub(super) struct Transaction {
    pub(super) id: TransactionId,
    pub(super) wish: Wish,
    /// How often this was asked for, with other credentials each time.
    pub(super) attempt: u32,
    /// Whether it had credentials; then the answer must be protected by them.
    pub(super) authenticated: bool,
    pub(super) bytes: Vec<u8>,
    sendings: u32,
    wait: Duration,
    pub(super) due: Micros,
}

/// What is to be done when the time of a transaction has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    SendAgain,
    GiveUp,
}

impl Transaction {
    pub(super) fn new(
        now: Now,
        id: TransactionId,
        wish: Wish,
        attempt: u32,
        authenticated: bool,
        bytes: Vec<u8>,
        is_stream: bool,
    ) -> Transaction {
        let (sendings, wait) = if is_stream {
            (MOST_SENDINGS, STREAM_WAIT)
        } else {
            (1, FIRST_WAIT)
        };
        Transaction {
            id,
            wish,
            attempt,
            authenticated,
            bytes,
            sendings,
            wait,
            due: now.after(wait),
        }
    }

    pub(super) fn act(&mut self, now: Now) -> Due {
        if self.sendings >= MOST_SENDINGS {
            return Due::GiveUp;
        }
        self.sendings += 1;
        self.wait *= 2;
        if self.sendings == MOST_SENDINGS {
            self.wait = FIRST_WAIT * LAST_WAIT_FACTOR;
        }
        self.due = now.after(self.wait);
        Due::SendAgain
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The times that RFC 8489 section 6.2.1 gives for an RTO of 500 ms.
    #[test]
    fn a_request_is_sent_when_the_rfc_says() {
        let mut now = Now::default();
        let id = TransactionId([0; 12]);
        let mut it = Transaction::new(now, id, Wish::Allocate, 1, false, Vec::new(), false);
        let mut sent = vec![0];
        loop {
            now.micros = it.due;
            match it.act(now) {
                Due::SendAgain => sent.push(now.micros / 1000),
                Due::GiveUp => break,
            }
        }
        assert_eq!(sent, [0, 500, 1500, 3500, 7500, 15_500, 31_500]);
        assert_eq!(now.micros / 1000, 39_500);
    }

    #[test]
    fn over_a_stream_it_is_sent_once() {
        let mut now = Now::default();
        let id = TransactionId([0; 12]);
        let mut it = Transaction::new(now, id, Wish::Allocate, 1, false, Vec::new(), true);
        now.micros = it.due;
        assert_eq!(now.micros / 1000, 39_500);
        assert_eq!(it.act(now), Due::GiveUp);
    }
}
