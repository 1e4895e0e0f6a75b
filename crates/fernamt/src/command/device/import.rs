//! `fernamt device import`

use std::io::IsTerminal as _;
use std::path::PathBuf;

use fernamt_store::csv::MAX_CSV_BYTES;
use indicatif::{ProgressBar, ProgressStyle};

use crate::command::{Listing, read_file};
use crate::exit::{Exit, Failure, Outcome};
use crate::folder::{Location, shown};
use crate::output;

/// Add many devices from a CSV file, all or none
#[derive(Debug, clap::Args)]
#[command(after_long_help = AFTER_HELP)]
pub(crate) struct Options {
    /// The file
    #[arg(value_name = "FILE.csv")]
    file: PathBuf,

    #[command(flatten)]
    listing: Listing,
}

const AFTER_HELP: &str = "\
THE FILE
    UTF-8 text with a header line and the columns user, password and, where wanted, name and number,
    in any order, separated by commas. A value with commas, quotes or line ends stands in double
    quotes, with quotes doubled. Several numbers of a device stand in one value with blanks
    between.

        user,password,name,number
        anna,correct-horse-battery,\"Kitchen, ground floor\",+493012345
        bert,staple-tacks-and-glue,,+493012346 +493012347

    If one line is wrong, its number and the reason are told, and no device is added.

EXIT CODES
    0  all added    1  the file cannot be read    6  a line is wrong; nothing was changed";

/// Imports the devices.
pub(crate) fn run(data: &Location, options: &Options) -> Outcome {
    let text = read_file(&options.file, MAX_CSV_BYTES)?;
    let office = data.open_or_create()?;
    let bar = progress_bar(&text);
    let imported =
        office.ask(|records| records.import_csv(&text, |done| bar.set_position(done as u64)));
    bar.finish_and_clear();
    let count = imported.map_err(|failure| {
        Failure::new(
            failure.exit(),
            format!("{}: {failure}", shown(&options.file)),
        )
    })?;
    office.tell_exchange();
    if options.listing.json {
        output::json(&serde_json::json!({ "added": count }))?;
    } else {
        output::line(&format!("added {count} devices"))?;
    }
    Ok(Exit::Done)
}

/// A bar on a terminal, and nothing elsewhere. A line is about one device.
fn progress_bar(text: &[u8]) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let lines = text.iter().filter(|byte| **byte == b'\n').count() as u64;
    let bar = ProgressBar::new(lines.saturating_sub(1));
    match ProgressStyle::with_template("{wide_bar} {pos} of {len} devices, {eta} left") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
