//! `fernamt apply`: makes the records as a file says.

use std::path::PathBuf;

use fernamt_store::Desired;
use fernamt_store::desired::MAX_DESIRED_BYTES;

use super::{Listing, read_file};
use crate::exit::{Exit, Failure, Outcome};
use crate::folder::{Location, shown};
use crate::output;

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
    let named = |exit, error: &dyn std::fmt::Display| {
        Failure::new(exit, format!("{}: {error}", shown(&options.file)))
    };
    let bytes = read_file(&options.file, MAX_DESIRED_BYTES)?;
    let text = String::from_utf8(bytes)
        .map_err(|_| named(Exit::BadInput, &"the file is not UTF-8 text"))?;
    let desired = Desired::from_toml(&text).map_err(|error| named(Exit::BadInput, &error))?;
    let office = data.open_or_create()?;
    let changes = office
        .ask(|records| records.apply(&desired, options.dry_run))
        .map_err(|failure| named(failure.exit(), &failure))?;
    if !options.dry_run && !changes.is_empty() {
        office.tell_exchange();
    }
    if options.listing.json {
        output::json(&changes)?;
        return Ok(Exit::Done);
    }
    for change in &changes {
        output::line(&output::safe(&change.to_string()))?;
    }
    output::line(&match (changes.len(), options.dry_run) {
        (0, _) => "nothing to change".to_owned(),
        (count, true) => format!("{count} changes would be made; nothing was changed"),
        (count, false) => format!("{count} changes made"),
    })?;
    Ok(Exit::Done)
}
