//! Picking a call up after a restart. An answered call goes on: same dialogs, same media ports. One
//! that was still ringing is ended properly on all sides. What is written is in `snapshot`.

use core::time::Duration;

use fernamt_charging::{CallRecord, CallReference, LegRecord, LegRole, Releaser};
use fernamt_sip::time::Now;
use serde::de::DeserializeOwned;

use super::bridge::{Bridge, FirstBridge, SecondBridge, Side};
use super::snapshot::{
    self, Answered as WrittenAnswered, FIRST_VERSION, Heading, RingingLeg, SECOND_VERSION,
    SecondLeg, VERSION, Written,
};
use super::{Answered, Call, Caller, Carry, Carrying, Leg, Stage};
use crate::cause::Cause;
use crate::interface::{Output, Write};
use crate::leg::sip::SipLeg;
use crate::leg::{CallSlot, LegId};
use crate::media;
use crate::stack::Stack;

/// Why a written call cannot be picked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecoverError {
    /// It was written by a newer version of the program.
    #[error("the call was written by a newer version of the program (format {0})")]
    Newer(u8),
    /// It cannot be read.
    #[error("the written call cannot be read")]
    Unreadable,
    /// One of its dialogs exists already.
    #[error("the call is in progress already")]
    Exists,
}

/// The reference and the shard key of a written call.
pub(crate) fn names_of(state: &[u8]) -> Result<(CallReference, u32), RecoverError> {
    let heading = match decode(state)? {
        Written::Ringing(ringing) => ringing.heading,
        Written::Answered(answered) => answered.heading,
    };
    Ok((heading.reference, heading.shard_key))
}

/// Picks a written call up. `None`: it was still ringing, and has been ended.
pub(crate) fn recover(
    stack: &mut Stack,
    slot: CallSlot,
    state: &[u8],
) -> Result<Option<Call>, RecoverError> {
    match decode(state)? {
        Written::Ringing(ringing) => {
            end_ringing(stack, ringing);
            Ok(None)
        }
        Written::Answered(answered) => resume(stack, slot, answered).map(Some),
    }
}

fn decode(state: &[u8]) -> Result<Written<Bridge>, RecoverError> {
    match state.split_first() {
        Some((&VERSION, rest)) => postcard::from_bytes(rest).map_err(|_| RecoverError::Unreadable),
        Some((&SECOND_VERSION, rest)) => decode_older::<SecondBridge>(rest),
        Some((&FIRST_VERSION, rest)) => decode_older::<FirstBridge>(rest),
        Some((&newer, _)) if newer > VERSION => Err(RecoverError::Newer(newer)),
        _ => Err(RecoverError::Unreadable),
    }
}

/// Reads what a version has written whose bridge was a `B`.
fn decode_older<B: DeserializeOwned + Into<Bridge>>(
    state: &[u8],
) -> Result<Written<Bridge>, RecoverError> {
    let written: Written<B, Heading, SecondLeg> =
        postcard::from_bytes(state).map_err(|_| RecoverError::Unreadable)?;
    Ok(match written {
        Written::Ringing(ringing) => Written::Ringing(ringing),
        Written::Answered(answered) => Written::Answered(WrittenAnswered {
            heading: answered.heading,
            answered: answered.answered,
            legs: answered.legs.into_iter().map(Into::into).collect(),
            bridge: answered.bridge.into(),
        }),
    })
}

fn end_ringing(stack: &mut Stack, ringing: snapshot::Ringing) {
    let snapshot::Ringing { heading, legs } = ringing;
    let cause = Cause::TEMPORARY_FAILURE;
    let mut journal = heading.journal;
    journal.recovered(stack.now.unix);
    let why = "the exchange was restarted before anybody had answered";
    journal.released(stack.now.unix, cause.0, why);
    let of_record = |leg: &RingingLeg| LegRecord {
        role: leg.role,
        call_id: leg.call_id.clone(),
        user: leg.user.clone(),
        peer: leg.flow().to_string().into(),
        protection: None,
    };
    let record = CallRecord {
        call: heading.reference,
        caller: Some(heading.caller),
        caller_number: heading.caller_number,
        dialled: heading.dialled,
        callee: heading.callee,
        start: heading.start,
        answer: None,
        end: stack.now.unix,
        duration: Duration::ZERO,
        cause: cause.0,
        cause_text: cause.text().into(),
        status: Some(503),
        released_by: Releaser::Exchange,
        codec: None,
        legs: legs.iter().map(of_record).collect(),
    };
    for leg in legs {
        let flow = leg.flow();
        stack.outputs.push_back(Output::Send {
            flow,
            server_name: None,
            bytes: leg.farewell.0.into(),
        });
    }
    let write = Write::Closed {
        record: Box::new(record),
        journal,
        ticket: None,
    };
    stack.outputs.push_back(Output::Write(write));
}

fn resume(
    stack: &mut Stack,
    slot: CallSlot,
    written: snapshot::Answered<Bridge>,
) -> Result<Call, RecoverError> {
    let snapshot::Answered {
        heading,
        answered,
        legs,
        mut bridge,
    } = written;
    let mut resumed = Vec::with_capacity(legs.len());
    for (index, leg) in legs.into_iter().enumerate() {
        let number = u8::try_from(index).map_err(|_| RecoverError::Unreadable)?;
        let id = LegId {
            call: slot,
            leg: number,
        };
        let talked = stack.now.unix.since(answered);
        let sip = SipLeg::resume(stack, id, leg.sip, leg.pending, talked);
        let sip = sip.ok_or(RecoverError::Exists)?;
        resumed.push(Leg {
            sip,
            role: leg.role,
            user: leg.user,
            wishes: None,
            ice: false,
            against_direct: None,
            protection: leg.protection,
            over: false,
        });
    }
    let partner = resumed.iter().position(|leg| leg.role == LegRole::Callee);
    let partner = partner.and_then(|partner| u8::try_from(partner).ok());
    let mut journal = heading.journal;
    journal.recovered(stack.now.unix);
    bridge.number_callee(partner.unwrap_or(1));
    bridge.reopen(stack, slot);
    if let Some(offer) = resumed.first().and_then(|leg| unanswered(&leg.sip)) {
        bridge.offered_before(Side::Caller, offer);
    }
    let at = |unix| Now {
        time: stack.now.time_at(unix),
        unix,
    };
    Ok(Call {
        slot,
        reference: heading.reference,
        shard_key: heading.shard_key,
        caller: Caller {
            user: heading.caller,
            number: heading.caller_number,
            name: heading.caller_name,
            device: None,
        },
        dialled: heading.dialled,
        foreign: None,
        callee: heading.callee,
        start: at(heading.start),
        answered: Some(Answered {
            time: at(answered).time,
            unix: answered,
        }),
        legs: resumed,
        stage: Stage::Conversing { partner },
        bridge,
        negotiation: None,
        carrying: Some(Carrying {
            from: Side::Caller,
            description: Box::default(),
            then: Carry::Resume,
        }),
        journal,
        ending: None,
        recording: false,
        codec: heading.codec,
        reach: None,
        warning: None,
    })
}

/// What a caller was offered that has not answered it.
fn unanswered(caller: &SipLeg) -> Option<&[u8]> {
    caller.described().filter(|_| caller.awaits_answer())
}

impl Call {
    /// What the media plane measures with is not written down, and follows from what parties were told.
    fn know_clock_rates_again(&mut self) {
        let partner = self.partner_of(0).map(|leg| (leg, Side::Callee(leg)));
        for (leg, side) in [Some((0, Side::Caller)), partner].into_iter().flatten() {
            let found = self.legs.get(usize::from(leg));
            if let Some(described) = found.and_then(|leg| leg.sip.described()) {
                self.bridge.know_clock_rates(side, described);
            }
        }
    }

    /// After a restart the endpoints are open again: media flow as before.
    pub(super) fn resume_media(&mut self, stack: &mut Stack) {
        if self.legs.first().is_some_and(|leg| leg.sip.awaits_answer()) {
            // Nothing is agreed on before the caller has answered.
            return self.bridge.expect_answer(stack, Side::Caller);
        }
        self.know_clock_rates_again();
        if self.partner_of(0).is_some() {
            if self.bridge.is_direct() {
                self.agree_directly_again();
            }
            self.connect_again(stack);
        } else {
            self.connect_caller(stack);
            if let Some((endpoint, _)) = self.bridge.first_open(Side::Caller) {
                let echo = media::Command::Echo { endpoint };
                stack.outputs.push_back(Output::Media(echo));
            }
        }
    }

    /// The call is in its place: writes it down, and goes on where there is no endpoint to wait for.
    pub(crate) fn resume(&mut self, stack: &mut Stack) {
        // Once more, so that the next restart does not number requests as this one does.
        self.write_change(stack);
        if self.bridge.is_ready() {
            self.carry_on(stack);
        }
    }
}
