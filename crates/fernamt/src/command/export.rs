//! `fernamt export`: the records as a file for `fernamt apply`.

use crate::exit::{Exit, Outcome};
use crate::folder::Location;
use crate::output;

/// Print devices and numbers as the TOML file that `fernamt apply` reads
///
/// Passwords are not known to the exchange, only their digest hashes; those are in the file, and
/// whoever has them can register. Keep the file as you would keep passwords.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {}

/// Prints the file.
pub(crate) fn run(data: &Location, _options: &Options) -> Outcome {
    let desired = data.open()?.ask(|records| records.export())?;
    output::raw(&desired.to_toml()?)?;
    Ok(Exit::Done)
}
