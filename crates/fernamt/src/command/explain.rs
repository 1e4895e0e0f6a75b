//! `fernamt explain`: the journal of one call, as text or as a ladder.

use std::path::{Path, PathBuf};

use fernamt_charging::{CallRecord, CallReference};
use fernamt_exchange::journal::{self, Entry};
use fernamt_store::records::CallQuery;
use serde::Serialize;
use serde_json::Value;

use super::{Listing, cdr};
use crate::exit::{Exit, Failure, Outcome};
use crate::folder::{Location, Office, shown};
use crate::output::{self, rfc3339, safe};

/// Explain one call: what happened, when, and why
///
/// Prints the call's journal: every message in and out, every decision with its reason, what the
/// media did, who ended it; then the same as a ladder diagram.
#[derive(Debug, clap::Args)]
#[command(after_long_help = AFTER_HELP)]
pub(crate) struct Options {
    /// The call's reference (16 hexadecimal digits, from `fernamt cdr`) or the SIP Call-ID of any
    /// of its legs, as a phone shows it
    #[arg(value_name = "CALL")]
    call: String,

    /// Write the ladder diagram into this SVG file
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,

    #[command(flatten)]
    listing: Listing,
}

const AFTER_HELP: &str = "\
EXAMPLES
    fernamt explain 4f1c2a9b8d7e6f50
    fernamt explain f81d4fae-7dec-11d0@192.0.2.7 --svg call.svg

EXIT CODES
    0  explained    3  there is no such call";

/// Explains the call.
pub(crate) fn run(data: &Location, options: &Options) -> Outcome {
    let office = data.open()?;
    office.settle_calls()?;
    let record = find(&office, &options.call)?.ok_or_else(|| {
        Failure::new(
            Exit::NotFound,
            format!(
                "there is no record of a call {}; `fernamt cdr` lists those that are over, \
                 `fernamt calls` those in progress",
                safe(&options.call)
            ),
        )
    })?;
    let call = record.call;
    let journal = office
        .ask(|records| records.call_journal(call))?
        .unwrap_or_default();
    if let Some(path) = &options.svg {
        write_picture(path, &journal)?;
    }
    if options.listing.json {
        output::json(&Explained::of(&record, &journal)?)?;
    } else if journal.is_empty() {
        output::line("The record of this call is there, but its journal is not.")?;
    } else {
        let (text, ladder) = (journal::text(&journal, &record), journal::ladder(&journal));
        output::raw(&format!("{}\n\n{}\n", text.trim_end(), ladder.trim_end()))?;
    }
    Ok(Exit::Done)
}

/// By reference, or by the Call-ID of any leg; of several calls with the same one, the last.
fn find(office: &Office, call: &str) -> Result<Option<CallRecord>, Failure> {
    if let Ok(reference) = call.parse::<CallReference>()
        && let Some(record) = office.ask(|records| records.call(reference))?
    {
        return Ok(Some(record));
    }
    let query = CallQuery {
        sip_call_id: Some(call.into()),
        limit: Some(1),
        ..CallQuery::default()
    };
    let page = office.ask(|records| async move { records.calls(&query).await })?;
    Ok(page.records.into_iter().next_back())
}

fn write_picture(path: &Path, journal: &[Entry]) -> Result<(), Failure> {
    std::fs::write(path, journal::svg(journal)).map_err(|error| {
        Failure::new(
            Exit::Failed,
            format!("cannot write {}: {error}", shown(path)),
        )
    })
}

/// A call with its course, for programs.
#[derive(Serialize)]
struct Explained<'a> {
    #[serde(flatten)]
    record: cdr::Shown<'a>,
    journal: Vec<Line>,
}

#[derive(Serialize)]
struct Line {
    at: String,
    event: Value,
}

impl<'a> Explained<'a> {
    fn of(record: &'a CallRecord, journal: &[Entry]) -> Result<Explained<'a>, Failure> {
        let mut lines = Vec::with_capacity(journal.len());
        for entry in journal {
            let event = serde_json::to_value(&entry.event)?;
            lines.push(Line {
                at: rfc3339(entry.at),
                event,
            });
        }
        Ok(Explained {
            record: cdr::Shown::of(record),
            journal: lines,
        })
    }
}
