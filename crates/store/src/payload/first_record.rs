//! Call records as version 1 of their stored form had them: nothing was known of the protection of
//! media. They are read and never written.

use core::time::Duration;

use fernamt_charging::{CallRecord, CallReference, LegRecord, LegRole, Releaser};
use fernamt_sip::time::UnixTime;
use serde::Deserialize;

/// A record of version 1.
#[derive(Debug, Deserialize)]
pub(super) struct FirstRecord {
    call: CallReference,
    caller: Option<Box<str>>,
    caller_number: Box<str>,
    dialled: Box<str>,
    callee: Option<Box<str>>,
    start: UnixTime,
    answer: Option<UnixTime>,
    end: UnixTime,
    duration: Duration,
    cause: u8,
    cause_text: Box<str>,
    status: Option<u16>,
    released_by: Releaser,
    codec: Option<Box<str>>,
    legs: Vec<FirstLeg>,
}

#[derive(Debug, Deserialize)]
struct FirstLeg {
    role: LegRole,
    call_id: Box<str>,
    user: Option<Box<str>>,
    peer: Box<str>,
}

impl From<FirstRecord> for CallRecord {
    fn from(first: FirstRecord) -> CallRecord {
        CallRecord {
            call: first.call,
            caller: first.caller,
            caller_number: first.caller_number,
            dialled: first.dialled,
            callee: first.callee,
            start: first.start,
            answer: first.answer,
            end: first.end,
            duration: first.duration,
            cause: first.cause,
            cause_text: first.cause_text,
            status: first.status,
            released_by: first.released_by,
            codec: first.codec,
            legs: first.legs.into_iter().map(LegRecord::from).collect(),
        }
    }
}

impl From<FirstLeg> for LegRecord {
    fn from(first: FirstLeg) -> LegRecord {
        LegRecord {
            role: first.role,
            call_id: first.call_id,
            user: first.user,
            peer: first.peer,
            protection: None,
        }
    }
}
