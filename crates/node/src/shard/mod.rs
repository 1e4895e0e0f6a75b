//! Shards: a thread for every two cores that owns one exchange, its UDP sockets and its deadlines. A shard
//! moves values between the operating system and the exchange and decides nothing.

mod inbox;
mod outbox;
mod turn;

use std::net::IpAddr;

use fernamt_exchange::Exchange;
use fernamt_exchange::exchange::CallSummary;
use fernamt_exchange::interface::{Answer, Event, Input, Output, Question, QuestionId, Write};
use fernamt_exchange::media;
use fernamt_sip::time::{Now, Time};
use fernamt_sip::transport::ConnectionId;

pub(crate) use self::inbox::{Inboxes, Item};
#[cfg(test)]
pub(crate) use self::turn::MAX_BATCHES;
pub(crate) use self::turn::{Counters, Parts, Shard};

/// What a shard drives: the exchange, or a small double in tests of the transports.
pub(crate) trait Core: Send {
    /// Takes one input.
    fn handle(&mut self, now: Now, input: Input<'_>);
    /// Gives the next output until there is none.
    fn poll(&mut self) -> Option<Output>;
    /// When the next timer is due.
    fn next_deadline(&self) -> Option<Time>;
    /// Calls in progress.
    fn calls(&self) -> Vec<CallSummary>;
    /// How many there are.
    fn call_count(&self) -> usize;
    /// Ends the ban of a source.
    fn lift_ban(&mut self, source: IpAddr);
    /// The shard that a message belongs to.
    fn shard_of(message: &[u8], shards: u16) -> u16
    where
        Self: Sized;
}

impl Core for Exchange {
    fn handle(&mut self, now: Now, input: Input<'_>) {
        Exchange::handle(self, now, input);
    }

    fn poll(&mut self) -> Option<Output> {
        Exchange::poll(self)
    }

    fn next_deadline(&self) -> Option<Time> {
        Exchange::next_deadline(self)
    }

    fn calls(&self) -> Vec<CallSummary> {
        Exchange::calls(self)
    }

    fn call_count(&self) -> usize {
        Exchange::call_count(self)
    }

    fn lift_ban(&mut self, source: IpAddr) {
        Exchange::lift_ban(self, source);
    }

    fn shard_of(message: &[u8], shards: u16) -> u16 {
        Exchange::shard_of(message, shards)
    }
}

/// What a shard asks of the rest of the node. Called on the shard's thread, so nothing here may wait
/// for a disk or a network.
pub(crate) trait Services: Send + Sync {
    /// Answers a question now, or gives `None` and puts the answer into the shard's inbox later.
    fn ask(&self, now: Now, shard: u16, question: QuestionId, ask: Question) -> Option<Answer>;
    /// Carries out an order to the media plane; the report that comes at once, if one does.
    fn media(&self, shard: u16, command: media::Command) -> Option<media::Event>;
    /// Takes a write for the journal of calls.
    fn write(&self, shard: u16, write: Write);
    /// Takes news.
    fn publish(&self, shard: u16, event: Event);
    /// Takes note that a connection that had carried messages is gone.
    fn connection_closed(&self, connection: ConnectionId);
}
