//! A call as a versioned value that is written to the journal of calls, so that it can be picked up
//! again: by the same exchange after a crash, by another node, by a newer version.

use std::net::SocketAddr;

use fernamt_charging::{CallReference, LegRole, MediaProtection};
use fernamt_sip::time::UnixTime;
use fernamt_sip::transport::{Flow, Transport};
use serde::{Deserialize, Serialize};

use super::bridge::Bridge;
use super::{Call, Stage};
use crate::interface::{Output, Write};
use crate::journal::Journal;
use crate::leg::sip::{Pending, PendingOf, SipLegState, SipLegStateOf};
use crate::packed::{self, Octets};
use crate::stack::Stack;

/// The first byte of every written state. A newer program reads older versions; an older program
/// refuses newer ones and says so.
pub(super) const VERSION: u8 = 3;

/// The version whose keys had no life of their own, whose legs knew nothing of what their media were
/// before, and which knew only whether a party has feedback.
pub(super) const SECOND_VERSION: u8 = 2;

/// The version whose media were in clear always.
pub(super) const FIRST_VERSION: u8 = 1;

/// What the state of an ordinary call takes, so that it is written into one piece of memory.
const USUAL_BYTES: usize = 3072;

/// What both kinds of state begin with. Its texts `T` and its journal `J` are borrowed while it is
/// written, and owned when it has been read.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Heading<T = Box<str>, J = Journal> {
    pub(super) reference: CallReference,
    pub(super) shard_key: u32,
    pub(super) caller: T,
    pub(super) caller_number: T,
    pub(super) caller_name: Option<T>,
    pub(super) dialled: T,
    pub(super) callee: Option<T>,
    pub(super) start: UnixTime,
    pub(super) codec: Option<T>,
    pub(super) journal: J,
}

/// A heading while it is written.
type HeadingOf<'c> = Heading<&'c str, &'c Journal>;

/// A call that nobody has answered: what must be said to whom when it cannot go on.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Ringing<H = Heading> {
    pub(super) heading: H,
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
    pub(super) farewell: Octets<Vec<u8>>,
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
pub(super) struct Answered<B, H = Heading, L = AnsweredLeg> {
    pub(super) heading: H,
    pub(super) answered: UnixTime,
    pub(super) legs: Vec<L>,
    pub(super) bridge: B,
}

/// A leg of a call that was answered: the caller's, and that of the party that answered.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct AnsweredLeg<T = Box<str>, S = SipLegState, P = Pending> {
    pub(super) role: LegRole,
    pub(super) user: Option<T>,
    pub(super) sip: S,
    pub(super) protection: Option<MediaProtection>,
    pub(super) pending: P,
}

/// The same as versions 1 and 2 have written it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SecondLeg {
    role: LegRole,
    user: Option<Box<str>>,
    sip: SipLegState,
}

impl From<SecondLeg> for AnsweredLeg {
    fn from(second: SecondLeg) -> AnsweredLeg {
        AnsweredLeg {
            role: second.role,
            user: second.user,
            sip: second.sip,
            // What is agreed on counts from now on.
            protection: None,
            pending: Pending::default(),
        }
    }
}

/// What is written down.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Written<B, H = Heading, L = AnsweredLeg> {
    Ringing(Ringing<H>),
    Answered(Answered<B, H, L>),
}

/// The state while it is written.
type WrittenOf<'c> =
    Written<&'c Bridge, HeadingOf<'c>, AnsweredLeg<&'c str, SipLegStateOf<'c>, PendingOf<'c>>>;

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
            user: leg.user.as_deref(),
            sip: leg.sip.state(),
            protection: leg.protection,
            pending: leg.sip.pending(),
        });
        let written: WrittenOf<'_> = Written::Answered(Answered {
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
                farewell: Octets(farewell),
            });
        }
        let written: WrittenOf<'_> = Written::Ringing(Ringing {
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

    fn heading(&self) -> HeadingOf<'_> {
        Heading {
            reference: self.reference,
            shard_key: self.shard_key,
            caller: &self.caller.user,
            caller_number: &self.caller.number,
            caller_name: self.caller.name.as_deref(),
            dialled: &self.dialled,
            callee: self.callee.as_deref(),
            start: self.start.unix,
            codec: self.codec.as_deref(),
            journal: &self.journal,
        }
    }
}

fn encode(written: &WrittenOf<'_>) -> Vec<u8> {
    let mut buffer = Vec::with_capacity(USUAL_BYTES);
    buffer.push(VERSION);
    if packed::append(written, &mut buffer).is_err() {
        // Writing to memory cannot fail; from an empty state nothing can be recovered, and the recovery
        // says so.
        buffer.clear();
    }
    buffer
}
