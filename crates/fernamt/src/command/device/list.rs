//! `fernamt device list`

use fernamt_store::records::{MAX_DEVICE_PAGE, StoredDevice};

use super::shown::{Shown, numbers};
use crate::command::Listing;
use crate::exit::{Exit, Failure, Outcome};
use crate::folder::{Location, Office};
use crate::output::{self, Table, safe};

/// List all devices
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    listing: Listing,
}

/// Lists the devices.
pub(crate) fn run(data: &Location, options: &Options) -> Outcome {
    let devices = all(&data.open()?)?;
    if options.listing.json {
        let shown: Vec<Shown<'_>> = devices.iter().map(Shown::of).collect();
        output::json(&shown)?;
        return Ok(Exit::Done);
    }
    let mut table = Table::new(&["USER", "NAME", "NUMBERS", "DIRECT MEDIA", "ENCRYPTION"]);
    for StoredDevice { device, .. } in &devices {
        table.row([
            safe(&device.user),
            safe(device.name.as_deref().unwrap_or("-")),
            numbers(device),
            if device.direct_media { "yes" } else { "no" }.to_owned(),
            device.encryption.to_string(),
        ]);
    }
    output::raw(&table.to_text("No devices yet; add one with: fernamt device add USER"))?;
    Ok(Exit::Done)
}

/// All devices in the order of their user names.
fn all(office: &Office) -> Result<Vec<StoredDevice>, Failure> {
    let mut devices: Vec<StoredDevice> = Vec::new();
    loop {
        let after = devices.last().map(|last| last.device.user.clone());
        let page = office.ask(|records| async move {
            records.devices(after.as_deref(), MAX_DEVICE_PAGE).await
        })?;
        if page.is_empty() {
            return Ok(devices);
        }
        devices.extend(page);
    }
}
