//! Asking for call records. Nothing is written.

use std::collections::HashMap;
use std::time::Duration;

use fernamt_charging::{CallRecord, CallReference, LegRecord, Listeners};
use fernamt_exchange::journal::Entry;
use fernamt_sip::time::UnixTime;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{QueryBuilder, Row, Sqlite};

use super::call::{Key, reference_value, releaser_of, role_of};
use super::database::Failure;
use super::protection;
use crate::error::StoreError;
use crate::payload;

/// How many call records one page has where nothing is said.
pub const DEFAULT_PAGE: usize = 100;

/// How many call records one page may have.
pub const MAX_PAGE: usize = 10_000;

/// How many calls' legs are fetched by one statement.
const LEGS_FETCH: usize = 500;

/// Which call records. All conditions must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallQuery {
    /// Calls that came in at this time or later.
    pub since: Option<UnixTime>,
    /// Calls that came in before this time.
    pub until: Option<UnixTime>,
    /// Calls in which a party has exactly this number, name or user name (shown, dialled or reached).
    pub number: Option<Box<str>>,
    /// The call with this Call-ID on any of its legs.
    pub sip_call_id: Option<Box<str>>,
    /// Calls with a leg to whose media so many could listen, or more. Legs of which it is not known
    /// do not count.
    pub listeners: Option<Listeners>,
    /// Only calls older than this place in the list.
    pub before: Option<CallCursor>,
    /// At most so many; `None`: [`DEFAULT_PAGE`]; never more than [`MAX_PAGE`].
    pub limit: Option<usize>,
}

/// A place in the list of call records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallCursor(i64);

/// A page of call records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallPage {
    /// The newest records that were asked for, newest last, in the order in which the calls ended.
    pub records: Vec<CallRecord>,
    /// Where the page before this one ends; `None`: there are no older ones.
    pub older: Option<CallCursor>,
}

const COLUMNS: &str = "c.id, c.reference, c.caller, c.caller_number, c.dialled, c.callee, \
                       c.start_time, c.answer_time, c.end_time, c.duration_micros, c.cause, \
                       c.cause_text, c.status, c.released_by, c.codec";

/// Must run in one snapshot.
pub(super) async fn page(
    connection: &mut SqliteConnection,
    query: &CallQuery,
) -> Result<CallPage, Failure> {
    let limit = query.limit.unwrap_or(DEFAULT_PAGE).min(MAX_PAGE);
    let mut select = match (&query.sip_call_id, &query.number) {
        (Some(id), _) => select_by_key(Key::SipCallId(id), query),
        (None, Some(number)) => select_by_key(Key::Party(number), query),
        (None, None) => select_by_time(query),
    };
    push_conditions(&mut select, query);
    // One more than wanted tells whether there are older ones.
    select
        .push(" ORDER BY b.bucket DESC, c.id DESC LIMIT ")
        .push_bind(limit as i64 + 1);
    let mut rows = select.build().fetch_all(&mut *connection).await?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    rows.reverse();
    let oldest = rows.first().map(|row| row.try_get(0)).transpose()?;
    let records = read_records(connection, &rows).await?;
    Ok(CallPage {
        records,
        older: oldest.filter(|_| more).map(CallCursor),
    })
}

/// Walks the buckets of the time that is asked for, from the newest, and in each the calls with this
/// key. `CROSS JOIN` keeps the order of the tables, in which nothing has to be sorted.
fn select_by_key(key: Key<'_>, query: &CallQuery) -> QueryBuilder<Sqlite> {
    let mut select = QueryBuilder::new("SELECT ");
    select.push(COLUMNS).push(
        " FROM call_bucket b CROSS JOIN call_key k CROSS JOIN call c \
          WHERE k.bucket = b.bucket AND c.id = k.call_id AND k.key = ",
    );
    select.push_bind(key.value());
    push_buckets(&mut select, query);
    select
}

/// Walks the buckets of the time that is asked for, from the newest, and in each all calls.
fn select_by_time(query: &CallQuery) -> QueryBuilder<Sqlite> {
    let mut select = QueryBuilder::new("SELECT ");
    select.push(COLUMNS).push(
        " FROM call_bucket b CROSS JOIN call c \
          WHERE c.id >= b.bucket * 16384 AND c.id < (b.bucket + 1) * 16384",
    );
    push_buckets(&mut select, query);
    select
}

fn push_buckets(select: &mut QueryBuilder<Sqlite>, query: &CallQuery) {
    if let Some(since) = query.since {
        select
            .push(" AND b.last_start >= ")
            .push_bind(since.as_micros());
    }
    if let Some(until) = query.until {
        select
            .push(" AND b.first_start < ")
            .push_bind(until.as_micros());
    }
}

fn push_conditions(select: &mut QueryBuilder<Sqlite>, query: &CallQuery) {
    if let Some(since) = query.since {
        select
            .push(" AND c.start_time >= ")
            .push_bind(since.as_micros());
    }
    if let Some(until) = query.until {
        select
            .push(" AND c.start_time < ")
            .push_bind(until.as_micros());
    }
    if let Some(CallCursor(before)) = query.before {
        select
            .push(" AND b.bucket <= ")
            .push_bind(before / super::call::CALLS_PER_BUCKET);
        select.push(" AND c.id < ").push_bind(before);
    }
    if let Some(number) = &query.number {
        for (link, column) in [
            (" AND (", "c.caller_number"),
            (" OR ", "c.dialled"),
            (" OR ", "c.caller"),
            (" OR ", "c.callee"),
        ] {
            select
                .push(link)
                .push(column)
                .push(" = ")
                .push_bind(&**number);
        }
        select.push(")");
    }
    if let Some(call_id) = &query.sip_call_id {
        select.push(
            " AND EXISTS (SELECT 1 FROM call_leg l WHERE l.call_id = c.id AND l.sip_call_id = ",
        );
        select.push_bind(&**call_id).push(")");
    }
    if let Some(listeners) = query.listeners {
        select
            .push(" AND EXISTS (SELECT 1 FROM call_leg l WHERE l.call_id = c.id AND ")
            .push(protection::condition(listeners))
            .push(")");
    }
}

const BY_REFERENCE: &str = " FROM call_bucket b CROSS JOIN call_key k CROSS JOIN call c \
     WHERE k.bucket = b.bucket AND c.id = k.call_id AND k.key = $1 AND c.reference = $2 \
     ORDER BY b.bucket DESC LIMIT 1";

/// Must run in one snapshot.
pub(super) async fn record(
    connection: &mut SqliteConnection,
    call: CallReference,
) -> Result<Option<CallRecord>, Failure> {
    let mut select = QueryBuilder::<Sqlite>::new("SELECT ");
    select.push(COLUMNS).push(BY_REFERENCE);
    let query = sqlx::query(select.into_sql());
    let query = query
        .bind(Key::Reference(call).value())
        .bind(reference_value(call));
    let rows = query.fetch_all(&mut *connection).await?;
    Ok(read_records(connection, &rows).await?.pop())
}

/// Must run in one snapshot.
pub(super) async fn journal(
    connection: &mut SqliteConnection,
    call: CallReference,
) -> Result<Option<Vec<Entry>>, Failure> {
    let mut select = QueryBuilder::<Sqlite>::new("SELECT c.id");
    select.push(BY_REFERENCE);
    let query = sqlx::query_scalar(select.into_sql());
    let query = query
        .bind(Key::Reference(call).value())
        .bind(reference_value(call));
    let Some(id) = query.fetch_optional(&mut *connection).await? else {
        return Ok(None);
    };
    let id: i64 = id;
    let sql = "SELECT entries FROM call_journal WHERE call_id = $1";
    let entries: Option<Vec<u8>> = sqlx::query_scalar(sql)
        .bind(id)
        .fetch_optional(connection)
        .await?;
    let decoded = entries
        .map(|entries| payload::decode_entries(&entries))
        .transpose();
    decoded.map_err(|error| {
        let detail = format!("the one of call {call}: {error}").into();
        StoreError::Unreadable {
            what: "journal of a call",
            detail,
        }
        .into()
    })
}

async fn read_records(
    connection: &mut SqliteConnection,
    rows: &[SqliteRow],
) -> Result<Vec<CallRecord>, Failure> {
    let mut records = Vec::with_capacity(rows.len());
    for chunk in rows.chunks(LEGS_FETCH) {
        let ids = chunk
            .iter()
            .map(|row| row.try_get(0))
            .collect::<Result<Vec<i64>, _>>()?;
        let mut legs = read_legs(connection, &ids).await?;
        for (id, row) in ids.iter().zip(chunk) {
            records.push(read_record(row, legs.remove(id).unwrap_or_default())?);
        }
    }
    Ok(records)
}

async fn read_legs(
    connection: &mut SqliteConnection,
    ids: &[i64],
) -> Result<HashMap<i64, Vec<LegRecord>>, Failure> {
    let mut select = QueryBuilder::<Sqlite>::new(
        "SELECT call_id, role, sip_call_id, user_name, peer, protection, suite, \
         signalling_encrypted FROM call_leg WHERE call_id IN (",
    );
    let mut list = select.separated(", ");
    for id in ids {
        list.push_bind(*id);
    }
    select.push(") ORDER BY call_id, position");
    let rows = select.build().fetch_all(connection).await?;
    let mut legs: HashMap<i64, Vec<LegRecord>> = HashMap::with_capacity(ids.len());
    for row in &rows {
        legs.entry(row.try_get(0)?).or_default().push(LegRecord {
            role: role_of(row.try_get(1)?),
            call_id: row.try_get(2)?,
            user: row.try_get(3)?,
            peer: row.try_get(4)?,
            protection: protection::from_columns((
                row.try_get(5)?,
                row.try_get(6)?,
                row.try_get(7)?,
            ))?,
        });
    }
    Ok(legs)
}

fn read_record(row: &SqliteRow, legs: Vec<LegRecord>) -> Result<CallRecord, Failure> {
    let reference: i64 = row.try_get(1)?;
    let duration: i64 = row.try_get(9)?;
    Ok(CallRecord {
        call: CallReference(reference.cast_unsigned()),
        caller: row.try_get(2)?,
        caller_number: row.try_get(3)?,
        dialled: row.try_get(4)?,
        callee: row.try_get(5)?,
        start: UnixTime::from_micros(row.try_get(6)?),
        answer: row.try_get::<Option<i64>, _>(7)?.map(UnixTime::from_micros),
        end: UnixTime::from_micros(row.try_get(8)?),
        duration: Duration::from_micros(duration.unsigned_abs()),
        cause: row.try_get(10)?,
        cause_text: row.try_get(11)?,
        status: row.try_get(12)?,
        released_by: releaser_of(row.try_get(13)?),
        codec: row.try_get(14)?,
        legs,
    })
}
