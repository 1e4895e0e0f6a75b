//! Call records in the database: the shape of their rows, and adding them. Asking for them stands in
//! `query`.
//!
//! Adding must cost little, since it happens for every call, and so nothing is inserted at a random
//! place: rows go to the ends of their tables, and the keys by which calls are found go into the
//! newest bucket of `call_key` (see the schema).

use fernamt_charging::{CallRecord, CallReference, LegRecord, LegRole, Releaser};
use sqlx::Arguments;
use sqlx::error::BoxDynError;
use sqlx::sqlite::{SqliteArguments, SqliteConnection};

use super::bulk::Bulk;
use super::database::Failure;
use super::protection;

/// How many calls that follow each other make one bucket.
pub(super) const CALLS_PER_BUCKET: i64 = 1 << 14;

/// What a key stands for, so that a number never finds a Call-ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key<'a> {
    Reference(CallReference),
    Party(&'a str),
    SipCallId(&'a str),
}

impl Key<'_> {
    /// The value in the database: the same for ever, and not unique.
    pub(super) fn value(self) -> i64 {
        let reference;
        let (kind, bytes) = match self {
            Key::Reference(CallReference(value)) => {
                reference = value.to_le_bytes();
                (b'r', &reference[..])
            }
            Key::Party(text) => (b'p', text.as_bytes()),
            Key::SipCallId(text) => (b'c', text.as_bytes()),
        };
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&[kind]);
        hasher.update(bytes);
        i64::from(hasher.finalize())
    }
}

/// A call that is over: its record and its course, as a version byte and postcard.
#[derive(Debug)]
pub(crate) struct ClosedCall {
    pub(crate) record: CallRecord,
    pub(crate) entries: Vec<u8>,
}

/// The statements by which calls are added; made once, used for every batch.
#[derive(Debug)]
pub(crate) struct CallTables {
    calls: Bulk,
    legs: Bulk,
    journals: Bulk,
    keys: Bulk,
}

impl CallTables {
    pub(crate) fn new() -> CallTables {
        let calls = "INSERT INTO call (id, reference, caller, caller_number, dialled, callee, \
                     start_time, answer_time, end_time, duration_micros, cause, cause_text, \
                     status, released_by, codec)";
        let legs = "INSERT INTO call_leg (call_id, position, role, sip_call_id, user_name, peer, \
                    protection, suite, signalling_encrypted)";
        CallTables {
            calls: Bulk::new(calls, 15, ""),
            legs: Bulk::new(legs, 9, ""),
            journals: Bulk::new("INSERT INTO call_journal (call_id, entries)", 2, ""),
            keys: Bulk::new("INSERT INTO call_key (bucket, key, call_id)", 3, ""),
        }
    }

    /// Adds calls in the order in which they ended, inside the transaction of the caller.
    pub(crate) async fn add(
        &self,
        connection: &mut SqliteConnection,
        mut calls: Vec<ClosedCall>,
    ) -> Result<(), Failure> {
        let sql = "SELECT COALESCE(MAX(id), 0) + 1 FROM call";
        let first_id: i64 = sqlx::query_scalar(sql).fetch_one(&mut *connection).await?;
        note_spans(connection, first_id, &calls).await?;
        let keys = keys(first_id, &calls);
        self.keys.insert(connection, keys, bind_key).await?;
        let ids = first_id..;
        let legs = ids.clone().zip(&mut calls).flat_map(|(id, call)| {
            let legs = std::mem::take(&mut call.record.legs);
            (0..)
                .zip(legs)
                .map(move |(position, leg)| (id, position, leg))
        });
        let legs = legs.collect();
        self.legs.insert(connection, legs, bind_leg).await?;
        let journals = ids.clone().zip(&mut calls);
        let journals = journals
            .map(|(id, call)| (id, std::mem::take(&mut call.entries)))
            .collect();
        self.journals
            .insert(connection, journals, bind_journal)
            .await?;
        let records = ids.zip(calls).map(|(id, call)| (id, call.record)).collect();
        self.calls.insert(connection, records, bind_record).await?;
        Ok(())
    }
}

/// Writes down in which span of time the calls of each bucket came in.
async fn note_spans(
    connection: &mut SqliteConnection,
    first_id: i64,
    calls: &[ClosedCall],
) -> Result<(), Failure> {
    let mut spans: Vec<(i64, i64, i64)> = Vec::new();
    for (id, call) in (first_id..).zip(calls) {
        let (bucket, start) = (id / CALLS_PER_BUCKET, call.record.start.as_micros());
        match spans.last_mut() {
            Some((last, from, to)) if *last == bucket => {
                (*from, *to) = (start.min(*from), start.max(*to));
            }
            _ => spans.push((bucket, start, start)),
        }
    }
    for (bucket, from, to) in spans {
        sqlx::query(
            "INSERT INTO call_bucket (bucket, first_start, last_start) VALUES ($1, $2, $3) \
             ON CONFLICT (bucket) DO UPDATE SET \
             first_start = CASE WHEN excluded.first_start < call_bucket.first_start \
                THEN excluded.first_start ELSE call_bucket.first_start END, \
             last_start = CASE WHEN excluded.last_start > call_bucket.last_start \
                THEN excluded.last_start ELSE call_bucket.last_start END",
        )
        .bind(bucket)
        .bind(from)
        .bind(to)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// All keys in the order of their table, so that inserting walks through it once.
fn keys(first_id: i64, calls: &[ClosedCall]) -> Vec<(i64, i64, i64)> {
    let mut keys = Vec::with_capacity(calls.len() * 6);
    for (id, ClosedCall { record, .. }) in (first_id..).zip(calls) {
        let mut add = |key: Key<'_>| keys.push((id / CALLS_PER_BUCKET, key.value(), id));
        add(Key::Reference(record.call));
        let parties = [Some(&record.caller_number), Some(&record.dialled)];
        let parties = parties
            .into_iter()
            .chain([record.caller.as_ref(), record.callee.as_ref()]);
        parties.flatten().for_each(|party| add(Key::Party(party)));
        let call_ids = record.legs.iter().map(|leg| &leg.call_id);
        call_ids
            .filter(|id| !id.is_empty())
            .for_each(|id| add(Key::SipCallId(id)));
    }
    keys.sort_unstable();
    // The shown number may be the user name, and two legs may have one Call-ID.
    keys.dedup();
    keys
}

type Bound = Result<(), BoxDynError>;

fn bind_key(arguments: &mut SqliteArguments, (bucket, key, id): (i64, i64, i64)) -> Bound {
    arguments.add(bucket)?;
    arguments.add(key)?;
    arguments.add(id)
}

fn bind_leg(arguments: &mut SqliteArguments, (id, position, leg): (i64, i32, LegRecord)) -> Bound {
    arguments.add(id)?;
    arguments.add(position)?;
    arguments.add(role_value(leg.role))?;
    arguments.add(String::from(leg.call_id))?;
    arguments.add(leg.user.map(String::from))?;
    arguments.add(String::from(leg.peer))?;
    let (protection, suite, signalling_encrypted) = protection::columns(leg.protection);
    arguments.add(protection)?;
    arguments.add(suite)?;
    arguments.add(signalling_encrypted)
}

fn bind_journal(arguments: &mut SqliteArguments, (id, entries): (i64, Vec<u8>)) -> Bound {
    arguments.add(id)?;
    arguments.add(entries)
}

fn bind_record(arguments: &mut SqliteArguments, (id, record): (i64, CallRecord)) -> Bound {
    arguments.add(id)?;
    arguments.add(reference_value(record.call))?;
    arguments.add(record.caller.map(String::from))?;
    arguments.add(String::from(record.caller_number))?;
    arguments.add(String::from(record.dialled))?;
    arguments.add(record.callee.map(String::from))?;
    arguments.add(record.start.as_micros())?;
    arguments.add(record.answer.map(|answer| answer.as_micros()))?;
    arguments.add(record.end.as_micros())?;
    arguments.add(i64::try_from(record.duration.as_micros()).unwrap_or(i64::MAX))?;
    arguments.add(i32::from(record.cause))?;
    arguments.add(String::from(record.cause_text))?;
    arguments.add(record.status.map(i32::from))?;
    arguments.add(releaser_value(record.released_by))?;
    arguments.add(record.codec.map(String::from))
}

/// How a reference stands in the database: the same 64 bits, signed.
pub(super) fn reference_value(call: CallReference) -> i64 {
    call.0.cast_signed()
}

fn role_value(role: LegRole) -> i32 {
    match role {
        LegRole::Caller => 0,
        LegRole::Callee => 1,
    }
}

pub(super) fn role_of(value: i32) -> LegRole {
    if value == 0 {
        LegRole::Caller
    } else {
        LegRole::Callee
    }
}

fn releaser_value(releaser: Releaser) -> i32 {
    match releaser {
        Releaser::Caller => 0,
        Releaser::Callee => 1,
        Releaser::Exchange => 2,
    }
}

pub(super) fn releaser_of(value: i32) -> Releaser {
    match value {
        0 => Releaser::Caller,
        1 => Releaser::Callee,
        _ => Releaser::Exchange,
    }
}
