//! `fernamt device add`

use fernamt_exchange::encryption::{Encryption, MediaTransport};
use fernamt_numbering::E164;
use fernamt_store::records::{NewDevice, Secret};
use serde::Serialize;

use super::shown::Shown;
use crate::command::Listing;
use crate::exit::{Exit, Failure, Outcome};
use crate::folder::Location;
use crate::{output, password};

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

    /// Whether its speech is encrypted: automatic, never, offered or required; automatic: required
    /// where it registers over TLS or secure WebSocket, offered elsewhere
    #[arg(long, value_name = "WHETHER", default_value_t)]
    encryption: Encryption,

    /// How its speech is carried: automatic, sdes, dtls, webrtc or feedback (sdes as RTP/AVPF);
    /// automatic: webrtc over WebSocket, sdes elsewhere
    #[arg(long, value_name = "HOW", default_value_t)]
    media_transport: MediaTransport,

    #[command(flatten)]
    listing: Listing,
}

const AFTER_HELP: &str = "\
EXAMPLES
    fernamt device add 10
    fernamt device add 11 --encryption required
    fernamt device add anna --name Kitchen --number +493012345 --number +493012346
    pwgen 20 1 | fernamt device add bert --password -

EXIT CODES
    0  added    5  the user name or a number is taken    6  bad user name, password or number";

/// Adds the device.
pub(crate) fn run(data: &Location, options: Options) -> Outcome {
    let (password, is_made_up) = match options.password {
        Some(dash) if dash == "-" => (password::from_standard_input()?, false),
        Some(password) => (password, false),
        None => (password::made_up()?, true),
    };
    let numbers = options
        .numbers
        .iter()
        .map(|number| parse_number(number))
        .collect::<Result<_, _>>()?;
    let office = data.open_or_create()?;
    let added = office.ask(|records| {
        records.add_device(NewDevice {
            user: options.user.as_str().into(),
            name: options.name.as_deref().map(Into::into),
            numbers,
            direct_media: options.direct_media,
            encryption: options.encryption,
            media_transport: options.media_transport,
            secret: Secret::Password(password.as_str().into()),
        })
    })?;
    office.tell_exchange();
    if options.listing.json {
        let shown = is_made_up.then_some(password.as_str());
        output::json(&Added {
            device: Shown::of(&added),
            password: shown,
        })?;
    } else {
        let user = output::safe(&options.user);
        let secret = if is_made_up {
            format!(", password {password}")
        } else {
            String::new()
        };
        output::line(&format!("added device {user}{secret}"))?;
    }
    Ok(Exit::Done)
}

/// Reads a number as people write it, in international form.
fn parse_number(text: &str) -> Result<E164, Failure> {
    E164::parse(text).map_err(|error| {
        let shown = output::safe(text);
        Failure::new(
            Exit::BadInput,
            format!("`{shown}` is no telephone number in international form: {error}"),
        )
    })
}

#[derive(Serialize)]
struct Added<'a> {
    #[serde(flatten)]
    device: Shown<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<&'a str>,
}
