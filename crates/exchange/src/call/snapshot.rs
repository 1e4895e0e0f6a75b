//! A call as a versioned value that is written to the journal of calls, so that it can be picked up
//! again: by the same exchange after a crash, by another node, by a newer version.

use std::net::SocketAddr;

use fernamt_charging::{CallReference, LegRole};
use fernamt_sip::time::UnixTime;
use fernamt_sip::transport::{Flow, Transport};
use serde::{Deserialize, Serialize};

use super::bridge::Bridge;
use super::{Call, Stage};
use crate::interface::{Output, Write};
use crate::journal::Journal;
use crate::leg::sip::SipLegState;
use crate::stack::Stack;

/// The first byte of every written state. A newer program reads older versions; an older program
/// refuses newer ones and says so.
pub(super) const VERSION: u8 = 2;

/// The version whose media were in clear always.
pub(super) const FIRST_VERSION: u8 = 1;

/// What both kinds of state begin with.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Heading {
    pub(super) reference: CallReference,
    pub(super) shard_key: u32,
    pub(super) caller: Box<str>,
    pub(super) caller_number: Box<str>,
    pub(super) caller_name: Option<Box<str>>,
    pub(super) dialled: Box<str>,
    pub(super) callee: Option<Box<str>>,
    pub(super) start: UnixTime,
    pub(super) codec: Option<Box<str>>,
    pub(super) journal: Journal,
}

/// A call that nobody has answered: what must be said to whom when it cannot go on.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Ringing {
    pub(super) heading: Heading,
    pub(super) legs: Vec<RingingLeg>,
}

/// A leg of a call that nobody has answered.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct RingingLeg {
    pub(super) role: LegRole,
    pub(super) user: Option<Box<str>>,
    pub(super) call_id: Box<str>,
    transport: Transport,
    local: SocketAddr,
    remote: SocketAddr,
    /// The message that ends the leg: a final response, or a CANCEL.
    pub(super) farewell: Vec<u8>,
}

impl RingingLeg {
    pub(super) fn flow(&self) -> Flow {
        Flow {
            transport: self.transport,
            local: self.local,
            remote: self.remote,
            connection: None,
        }
    }
}

/// A call that was answered.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Answered<B> {
    pub(super) heading: Heading,
    pub(super) answered: UnixTime,
    pub(super) legs: Vec<AnsweredLeg>,
    pub(super) bridge: B,
}

/// A leg of a call that was answered: the caller's, and that of the party that answered.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct AnsweredLeg {
    pub(super) role: LegRole,
    pub(super) user: Option<Box<str>>,
    pub(super) sip: SipLegState,
}

/// What is written down.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Written<B> {
    Ringing(Ringing),
    Answered(Answered<B>),
}

impl Call {
    /// The state of the answered call, to be written down.
    pub(super) fn write_down(&self) -> Vec<u8> {
        let answered = self
            .answered
            .map_or(self.start.unix, |answered| answered.unix);
        let partner = self.partner_of(0);
        let takes_part =
            |index: usize| index == 0 || partner.is_some_and(|leg| usize::from(leg) == index);
        let legs = self
            .legs
            .iter()
            .enumerate()
            .filter(|(index, _)| takes_part(*index));
        let legs = legs.map(|(_, leg)| AnsweredLeg {
            role: leg.role,
            user: leg.user.clone(),
            sip: leg.sip.state(),
        });
        let written: Written<&Bridge> = Written::Answered(Answered {
            heading: self.heading(),
            answered,
            legs: legs.collect(),
            bridge: &self.bridge,
        });
        encode(&written)
    }

    /// Writes down what must be said when a call that rings cannot go on. Nobody waits for it.
    pub(super) fn write_ringing(&mut self, stack: &mut Stack) {
        if !matches!(self.stage, Stage::Seeking(_)) {
            return;
        }
        let mut legs = Vec::with_capacity(self.legs.len());
        for leg in &self.legs {
            let Some(farewell) = leg.sip.farewell() else {
                continue;
            };
            let flow = leg.sip.flow();
            legs.push(RingingLeg {
                role: leg.role,
                user: leg.user.clone(),
                call_id: leg.sip.call_id().into(),
                transport: flow.transport,
                local: flow.local,
                remote: flow.remote,
                farewell,
            });
        }
        let written: Written<&Bridge> = Written::Ringing(Ringing {
            heading: self.heading(),
            legs,
        });
        let state = encode(&written);
        let write = Write::State {
            call: self.reference,
            state,
            ticket: None,
        };
        stack.outputs.push_back(Output::Write(write));
    }

    fn heading(&self) -> Heading {
        Heading {
            reference: self.reference,
            shard_key: self.shard_key,
            caller: self.caller.user.clone(),
            caller_number: self.caller.number.clone(),
            caller_name: self.caller.name.clone(),
            dialled: self.dialled.clone(),
            callee: self.callee.clone(),
            start: self.start.unix,
            codec: self.codec.clone(),
            journal: self.journal.clone(),
        }
    }
}

fn encode(written: &Written<&Bridge>) -> Vec<u8> {
    let buffer = Vec::with_capacity(2048);
    let mut buffer = buffer;
    buffer.push(VERSION);
    // Writing to memory cannot fail; a state that could not be encoded would be an empty one, which
    // nothing can be recovered from, and the recovery says so.
    postcard::to_extend(written, buffer).unwrap_or_default()
}
