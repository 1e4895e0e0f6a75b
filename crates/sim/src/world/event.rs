//! What is going to happen, in the order of time; at the same time in the order in which it was put
//! in.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use fernamt_exchange::interface::{Answer, QuestionId, Ticket};
use fernamt_exchange::media;
use fernamt_sip::time::Time;
use fernamt_sip::transport::{ConnectionId, Flow};

use crate::phone::Action;
use crate::scenario::Incident;

/// Something that happens. What is for an exchange names its life, and is lost with it.
#[derive(Debug)]
pub(super) enum Event {
    /// A message of a phone arrives at the exchange.
    ToExchange {
        phone: usize,
        flow: Flow,
        bytes: Arc<[u8]>,
    },
    /// A message arrives at a phone.
    ToPhone {
        phone: usize,
        flow: Flow,
        bytes: Arc<[u8]>,
    },
    /// A phone learns that a connection is gone.
    Disconnected {
        phone: usize,
        connection: ConnectionId,
    },
    SendFailed {
        epoch: u64,
        shard: usize,
        flow: Flow,
    },
    Answer {
        epoch: u64,
        shard: usize,
        question: QuestionId,
        answer: Answer,
    },
    Media {
        epoch: u64,
        shard: usize,
        event: media::Event,
    },
    /// What waits is written to disk.
    Flush {
        epoch: u64,
    },
    Committed {
        epoch: u64,
        shard: usize,
        ticket: Ticket,
        done: bool,
    },
    /// Changed bindings are written to disk.
    SaveBindings {
        epoch: u64,
    },
    Phone {
        phone: usize,
        action: Action,
    },
    Incident(Incident),
    /// The end of something that went wrong for a while.
    Over(Incident),
    /// The exchange is stopped after it has been told to drain.
    Stop {
        epoch: u64,
    },
    /// The exchange is started again.
    Start,
    /// Every phone in a call sends a packet.
    Traffic,
}

/// The queue.
#[derive(Debug, Default)]
pub(super) struct Queue {
    events: BTreeMap<(Time, u64), Event>,
    pushed: u64,
}

impl Queue {
    pub(super) fn push(&mut self, at: Time, event: Event) {
        self.pushed += 1;
        self.events.insert((at, self.pushed), event);
    }

    pub(super) fn next_time(&self) -> Option<Time> {
        self.events.first_key_value().map(|((at, _), _)| *at)
    }

    pub(super) fn pop_due(&mut self, now: Time) -> Option<Event> {
        let first = self
            .events
            .first_entry()
            .filter(|first| first.key().0 <= now)?;
        Some(first.remove())
    }
}

/// Where a phone's port is.
pub(super) fn at_port(address: SocketAddr, port: u16) -> SocketAddr {
    SocketAddr::new(address.ip(), port)
}
