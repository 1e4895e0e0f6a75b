//! `fernamt device remove`

use crate::exit::{Exit, Outcome};
use crate::folder::Location;
use crate::output;

/// Remove a device; it can neither register nor call from now on
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Its user name
    #[arg(value_name = "USER")]
    user: String,
}

/// Removes the device.
pub(crate) fn run(data: &Location, options: &Options) -> Outcome {
    let office = data.open()?;
    office.ask(|records| records.remove_device(&options.user))?;
    office.tell_exchange();
    output::line(&format!("removed device {}", output::safe(&options.user)))?;
    Ok(Exit::Done)
}
