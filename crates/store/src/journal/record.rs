//! What a record of the journal of calls means: the state of a call, or its end.

use fernamt_charging::{CallRecord, CallReference};
use fernamt_exchange::interface::Ticket;
use fernamt_exchange::journal::Journal;

use crate::payload::{self, Undecodable};
use crate::records::call::ClosedCall;

/// The first byte of a payload.
const STATE: u8 = 1;
const CLOSED: u8 = 2;

/// The stored form of a course of which nothing is known any more: version and an empty list.
const NO_ENTRIES: [u8; 2] = [1, 0];

/// A record, as far as everybody needs to look into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Record<'a> {
    /// What is known of a call that is in progress; replaces what was known before.
    State {
        call: CallReference,
        state: &'a [u8],
    },
    /// A call is over.
    Closed { call: CallReference, body: &'a [u8] },
}

/// What it has for consequences that a record is written, or cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The state of a call; a shard may wait for it.
    State { waits: Option<(u16, Ticket)> },
    /// A call is over; a shard may wait for that, too.
    Closed {
        answered: bool,
        waits: Option<(u16, Ticket)>,
    },
}

impl Meaning {
    /// Whoever waits for it to be on disk.
    pub(super) const fn waits(self) -> Option<(u16, Ticket)> {
        match self {
            Meaning::State { waits } | Meaning::Closed { waits, .. } => waits,
        }
    }
}

/// Puts the state of a call behind what is in the buffer.
pub(super) fn push_state(call: CallReference, state: &[u8], buffer: &mut Vec<u8>) {
    buffer.push(STATE);
    buffer.extend_from_slice(&call.0.to_le_bytes());
    buffer.extend_from_slice(state);
}

/// Puts the end of a call behind what is in the buffer; without its course when that does not fit
/// into `limit` bytes.
pub(super) fn push_closed(
    record: &CallRecord,
    course: &Journal,
    limit: usize,
    buffer: &mut Vec<u8>,
) {
    let start = buffer.len();
    buffer.push(CLOSED);
    buffer.extend_from_slice(&record.call.0.to_le_bytes());
    let length_at = buffer.len();
    buffer.extend_from_slice(&[0; 4]);
    if let Err(error) = payload::encode_record(record, buffer) {
        // Reading it will name the call; there is no such value.
        tracing::error!(call = %record.call, %error, "the record of a call has no stored form");
    }
    let length = buffer.len() - length_at - 4;
    if let Some(place) = buffer.get_mut(length_at..length_at + 4) {
        place.copy_from_slice(&(length as u32).to_le_bytes());
    }
    let entries_at = buffer.len();
    let encoded = payload::encode_course(course, buffer);
    if encoded.is_err() || buffer.len() - start > limit {
        tracing::warn!(call = %record.call, entries = course.len(), "the course of a call is too long to be kept");
        buffer.truncate(entries_at);
        buffer.extend_from_slice(&NO_ENTRIES);
    }
}

/// Reads as much as is needed to sort records; `None`: a newer program wrote it.
pub(super) fn read(bytes: &[u8]) -> Option<Record<'_>> {
    let (kind, rest) = bytes.split_first()?;
    let (call, rest) = rest.split_first_chunk::<8>()?;
    let call = CallReference(u64::from_le_bytes(*call));
    match *kind {
        STATE => Some(Record::State { call, state: rest }),
        CLOSED => Some(Record::Closed { call, body: rest }),
        _ => None,
    }
}

/// Reads the body of [`Record::Closed`]. The entries stay as they are: nobody looks into them before
/// a person asks.
pub(super) fn read_closed(body: &[u8]) -> Result<ClosedCall, Undecodable> {
    let (length, rest) = body.split_first_chunk::<4>().ok_or(Undecodable::Short)?;
    let length = u32::from_le_bytes(*length) as usize;
    let (record, entries) = rest.split_at_checked(length).ok_or(Undecodable::Short)?;
    Ok(ClosedCall {
        record: payload::decode_record(record)?,
        entries: entries.to_vec(),
    })
}
