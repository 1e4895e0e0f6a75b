//! `fernamt explain`: the journal of one call, as text or as a ladder.

use std::path::PathBuf;

use super::Listing;
use crate::exit::Outcome;
use crate::folder::Location;

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
    let _ = (data, &options.call, &options.svg, options.listing.json);
    Ok(crate::exit::Exit::Done)
}
