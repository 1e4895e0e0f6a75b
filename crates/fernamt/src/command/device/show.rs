//! `fernamt device show`

use fernamt_store::StoreError;
use serde::Serialize;

use super::shown::{Shown, numbers};
use crate::command::Listing;
use crate::command::registrations::{Registered, registered, table};
use crate::exit::{Exit, Outcome};
use crate::folder::{Location, of_store};
use crate::output::{self, local, safe};

/// Show one device and where it is registered
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Its user name
    #[arg(value_name = "USER")]
    user: String,

    #[command(flatten)]
    listing: Listing,
}

/// Shows the device.
pub(crate) fn run(data: &Location, options: &Options) -> Outcome {
    let office = data.open()?;
    let found = office.ask(|records| records.device(&options.user))?;
    let stored = found.ok_or_else(|| {
        of_store(StoreError::NoSuchDevice {
            user: options.user.as_str().into(),
        })
    })?;
    let registrations = registered(data, Some(&options.user))?;
    if options.listing.json {
        output::json(&WithRegistrations {
            device: Shown::of(&stored),
            registrations,
        })?;
        return Ok(Exit::Done);
    }
    let device = &stored.device;
    for (title, value) in [
        ("user", safe(&device.user)),
        ("name", safe(device.name.as_deref().unwrap_or("-"))),
        ("numbers", numbers(device)),
        (
            "direct media",
            if device.direct_media { "yes" } else { "no" }.to_owned(),
        ),
        ("encryption", device.encryption.to_string()),
        ("media by", device.media_transport.to_string()),
        ("realm", safe(&stored.realm)),
        ("added", local(stored.created)),
        ("changed", local(stored.updated)),
    ] {
        output::line(&format!("{title:<13} {value}"))?;
    }
    output::raw(&format!(
        "\n{}",
        table(&registrations).to_text("Not registered.")
    ))?;
    Ok(Exit::Done)
}

#[derive(Serialize)]
struct WithRegistrations<'a> {
    #[serde(flatten)]
    device: Shown<'a>,
    registrations: Vec<Registered>,
}
