//! `fernamt turn`: a credential for the relay, good for a limited time.

use fernamt_node::control::{Request, Response};
use serde_json::json;

use super::Listing;
use crate::exit::{Exit, Failure, Outcome};
use crate::folder::{Location, of_control};
use crate::output::{self, safe};

/// The longest life of a credential, in hours: thirty days.
const MAX_HOURS: u64 = 720;

/// Make a credential for the relay (TURN) that a device can use for a limited time
///
/// A device can also use its own user name and password there. A credential is for what should not
/// know that password, such as a browser. It ends by itself, or when the device is removed.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
EXAMPLES
    fernamt turn anna
    fernamt turn anna --hours 1 --json

EXIT CODES
    0  made    3  there is no such device    4  the exchange is not running in this data folder")]
pub(crate) struct Options {
    /// The device's user name
    #[arg(value_name = "USER")]
    user: String,

    /// For how many hours, up to 720
    #[arg(long, value_name = "N", default_value_t = 24,
        value_parser = clap::value_parser!(u64).range(1..=MAX_HOURS))]
    hours: u64,

    #[command(flatten)]
    listing: Listing,
}

/// Makes the credential.
pub(crate) fn run(data: &Location, options: &Options) -> Outcome {
    let request = Request::Turn {
        user: options.user.clone(),
        seconds: options.hours * 3600,
    };
    let answer = data.exchange()?.ask(&request, |_| {}).map_err(of_control)?;
    let made = match answer {
        Response::Turn(made) => made,
        Response::Done { .. } => {
            return Err(Failure::new(
                Exit::NotFound,
                format!("there is no device {}", safe(&options.user)),
            ));
        }
        _ => {
            return Err(Failure::new(
                Exit::Failed,
                "the exchange gave an answer to another question",
            ));
        }
    };
    if options.listing.json {
        output::json(&json!({
            "uris": made.uris,
            "username": made.username,
            "password": made.password,
            "realm": made.realm,
            "expires": made.expires.as_seconds(),
        }))?;
        return Ok(Exit::Done);
    }
    for (index, uri) in made.uris.iter().enumerate() {
        let title = if index == 0 { "server" } else { "" };
        output::line(&format!("{title:<10} {uri}"))?;
    }
    output::line(&format!("{:<10} {}", "user", safe(&made.username)))?;
    output::line(&format!("{:<10} {}", "password", made.password))?;
    output::line(&format!("{:<10} in {} hours", "ends", options.hours))?;
    Ok(Exit::Done)
}
