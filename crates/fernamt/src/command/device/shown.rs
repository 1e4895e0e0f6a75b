//! A device as it is shown. Its hashes never are.

use fernamt_exchange::directory::Device;
use fernamt_store::records::StoredDevice;
use serde::Serialize;

use crate::output::rfc3339;

/// A device for programs.
#[derive(Serialize)]
pub(super) struct Shown<'a> {
    user: &'a str,
    name: Option<&'a str>,
    numbers: Vec<String>,
    direct_media: bool,
    encryption: &'static str,
    media_transport: &'static str,
    realm: &'a str,
    created: String,
    updated: String,
}

impl<'a> Shown<'a> {
    pub(super) fn of(stored: &'a StoredDevice) -> Shown<'a> {
        let device = &stored.device;
        Shown {
            user: &device.user,
            name: device.name.as_deref(),
            numbers: device.numbers.iter().map(ToString::to_string).collect(),
            direct_media: device.direct_media,
            encryption: device.encryption.as_str(),
            media_transport: device.media_transport.as_str(),
            realm: &stored.realm,
            created: rfc3339(stored.created),
            updated: rfc3339(stored.updated),
        }
    }
}

/// The numbers of a device on one line.
pub(super) fn numbers(device: &Device) -> String {
    if device.numbers.is_empty() {
        return "-".to_owned();
    }
    device
        .numbers
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(" ")
}
