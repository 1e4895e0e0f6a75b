//! `fernamt cdr`: the records of calls that are over.

use fernamt_charging::{CallRecord, LegRecord};
use fernamt_store::records::{CallQuery, MAX_PAGE};
use serde::Serialize;

use super::Listing;
use crate::exit::{Exit, Failure, Outcome};
use crate::folder::{Location, Office};
use crate::output::{self, Since, Table, local, rfc3339, safe, seconds, talk_time};

/// List call records: who, whom, when, how long, how it ended
///
/// Oldest first. Works beside a running exchange and without one.
#[derive(Debug, clap::Args)]
#[command(after_long_help = AFTER_HELP)]
pub(crate) struct Options {
    /// Only calls that came in at this time or later
    #[arg(long, value_name = "T")]
    since: Option<Since>,

    /// Only calls from or to this number or user name
    #[arg(long, value_name = "N")]
    number: Option<String>,

    #[command(flatten)]
    listing: Listing,
}

const AFTER_HELP: &str = "\
TIMES
    --since takes 2026-11-22T14:00:00Z, 2026-11-22 (midnight here), or how long ago: 90s, 30m, 2h,
    1d, 2w.

JSON
    One array. Each record: call (its reference), start, answer and end (RFC 3339, UTC, with
    microseconds; answer is null for a call that nobody answered), duration (seconds as a decimal
    number), cause and cause_text (ITU-T Q.850), status (the SIP status the caller was given, null
    for an answered call), released_by (caller, callee, exchange), codec, caller, caller_number,
    dialled, callee, and legs: role, call_id (the SIP Call-ID as the peer saw it), user, peer.

EXAMPLES
    fernamt cdr --since 1d
    fernamt cdr --number +493012345 --json | jq '.[].duration'";

/// Lists the records.
pub(crate) fn run(data: &Location, options: &Options) -> Outcome {
    let office = data.open()?;
    office.settle_calls()?;
    let query = CallQuery {
        since: options.since.map(|since| since.0),
        number: options.number.as_deref().map(Into::into),
        limit: Some(MAX_PAGE),
        ..CallQuery::default()
    };
    let records = all(&office, query)?;
    if options.listing.json {
        let shown: Vec<Shown<'_>> = records.iter().map(Shown::of).collect();
        output::json(&shown)?;
    } else {
        output::raw(&table(&records).to_text("No calls."))?;
    }
    Ok(Exit::Done)
}

/// All records that fit, oldest first; the pages come newest first.
fn all(office: &Office, mut query: CallQuery) -> Result<Vec<CallRecord>, Failure> {
    let mut pages = Vec::new();
    loop {
        let page = office.ask(|records| {
            let query = query.clone();
            async move { records.calls(&query).await }
        })?;
        pages.push(page.records);
        query.before = page.older;
        if query.before.is_none() {
            return Ok(pages.into_iter().rev().flatten().collect());
        }
    }
}

fn table(records: &[CallRecord]) -> Table {
    let mut table = Table::new(&[
        "CALL", "START", "FROM", "DIALLED", "TO", "TALK", "CODEC", "END", "BY",
    ]);
    for record in records {
        let from = record.caller.as_deref().unwrap_or(&record.caller_number);
        let talk = record.answer.map(|_| talk_time(record.duration));
        table.row([
            record.call.to_string(),
            local(record.start),
            safe(from),
            safe(&record.dialled),
            safe(record.callee.as_deref().unwrap_or("-")),
            talk.unwrap_or_else(|| "-".to_owned()),
            safe(record.codec.as_deref().unwrap_or("-")),
            format!("{} {}", record.cause, safe(&record.cause_text)),
            word_of(&record.released_by),
        ]);
    }
    table
}

/// The word that stands for a value in JSON.
fn word_of(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

/// A record for programs.
#[derive(Serialize)]
pub(crate) struct Shown<'a> {
    call: String,
    start: String,
    answer: Option<String>,
    end: String,
    duration: f64,
    cause: u8,
    cause_text: &'a str,
    status: Option<u16>,
    released_by: String,
    codec: Option<&'a str>,
    caller: Option<&'a str>,
    caller_number: &'a str,
    dialled: &'a str,
    callee: Option<&'a str>,
    legs: &'a [LegRecord],
}

impl<'a> Shown<'a> {
    pub(crate) fn of(record: &'a CallRecord) -> Shown<'a> {
        Shown {
            call: record.call.to_string(),
            start: rfc3339(record.start),
            answer: record.answer.map(rfc3339),
            end: rfc3339(record.end),
            duration: seconds(record.duration),
            cause: record.cause,
            cause_text: &record.cause_text,
            status: record.status,
            released_by: word_of(&record.released_by),
            codec: record.codec.as_deref(),
            caller: record.caller.as_deref(),
            caller_number: &record.caller_number,
            dialled: &record.dialled,
            callee: record.callee.as_deref(),
            legs: &record.legs,
        }
    }
}
