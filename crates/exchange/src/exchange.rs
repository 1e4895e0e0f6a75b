//! One shard of the switch: takes inputs, gives outputs. What it decides is decided in the rooms it
//! calls.

use fernamt_sip::time::{Now, Time};

use crate::config::Config;
use crate::interface::{Input, Output};

/// One shard of the exchange.
#[derive(Debug)]
pub struct Exchange {
    config: Config,
}

impl Exchange {
    /// A shard with the number `shard`, its settings, and a seed from a true random source.
    pub fn new(config: Config, shard: u16, seed: [u8; 32]) -> Exchange {
        let _ = (shard, seed);
        Exchange { config }
    }

    /// Takes one input. Then drain [`Exchange::poll`].
    pub fn handle(&mut self, now: Now, input: Input<'_>) {
        let _ = (now, input, &self.config);
    }

    /// The next thing to do, or `None` when all is done until the next input.
    pub fn poll(&mut self) -> Option<Output> {
        None
    }

    /// When [`Input::Timer`] is due at the latest.
    pub fn next_deadline(&self) -> Option<Time> {
        None
    }
}

/// A call in progress, for listings.
#[derive(Clone, Debug)]
pub struct CallSummary {
    /// Names the call.
    pub call: fernamt_charging::CallReference,
    /// Who calls, as shown to people.
    pub caller: Box<str>,
    /// What was dialled.
    pub dialled: Box<str>,
    /// `ringing`, `answered`, `held`, ….
    pub state: &'static str,
    /// When it came in.
    pub start: fernamt_sip::time::UnixTime,
    /// When it was answered.
    pub answer: Option<fernamt_sip::time::UnixTime>,
    /// The codec, once answered.
    pub codec: Option<Box<str>>,
}

impl Exchange {
    /// The calls in progress.
    pub fn calls(&self) -> Vec<CallSummary> {
        Vec::new()
    }

    /// The shard that a message belongs to, of `shards`; the same for every message of a call, on
    /// whichever transport and after whichever restart. Cheap: looks only for the Call-ID.
    pub fn shard_of(message: &[u8], shards: u16) -> u16 {
        let _ = message;
        0 % shards.max(1)
    }
}
