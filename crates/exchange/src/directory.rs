//! Who has which name and which number: devices as the exchange sees them. Not where they are at
//! the moment (that is the registrar) and not how they are stored.

use std::sync::Arc;

use fernamt_numbering::E164;
use fernamt_sip::digest::Ha1;
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use crate::encryption::{Encryption, MediaTransport};
use crate::routing::{Dialled, MAX_DIALLED_BYTES};

/// Something that registers and is called: a phone, an adapter, a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// The user name in its address of record and in its credentials. Any text.
    pub user: Box<str>,
    /// What is shown to people, for example `Kitchen`.
    pub name: Option<Box<str>>,
    /// Numbers that reach it; the first is shown to others when it calls.
    pub numbers: Vec<E164>,
    /// Its password as digest hashes under the exchange's realm.
    pub ha1: Ha1,
    /// Whether its media may flow directly to and from a peer that also allows it.
    pub direct_media: bool,
    /// Whether its media are encrypted.
    pub encryption: Encryption,
    /// How its media are carried.
    pub media_transport: MediaTransport,
}

/// All devices, for look-ups. Built as a whole from the records or changed device by device.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    devices: HashMap<Box<str>, Arc<Device>>,
    numbers: HashMap<E164, Arc<Device>>,
}

impl Directory {
    /// Adds a device or replaces the one of the same user name.
    pub fn insert(&mut self, device: Device) {
        self.remove(&device.user);
        let device = Arc::new(device);
        for number in &device.numbers {
            self.numbers.insert(*number, Arc::clone(&device));
        }
        self.devices.insert(device.user.clone(), device);
    }

    /// Removes a device; gives it back where there was one.
    pub fn remove(&mut self, user: &str) -> Option<Arc<Device>> {
        let device = self.devices.remove(user)?;
        for number in &device.numbers {
            if self
                .numbers
                .get(number)
                .is_some_and(|holder| holder.user == device.user)
            {
                self.numbers.remove(number);
            }
        }
        Some(device)
    }

    /// The device with this user name.
    pub fn device(&self, user: &str) -> Option<&Arc<Device>> {
        self.devices.get(user)
    }

    /// The device that this number reaches.
    pub fn by_number(&self, number: &E164) -> Option<&Arc<Device>> {
        self.numbers.get(number)
    }

    /// The device that is meant by what was dialled, the user part of a URI, unescaped, or a whole
    /// `tel` URI: the one with exactly this user name, otherwise the one with this number, read as
    /// dialled in the country with this code.
    pub fn destination(&self, dialled: &str, country_code: Option<&str>) -> Option<Arc<Device>> {
        if dialled.len() > MAX_DIALLED_BYTES {
            return None;
        }
        let device = self
            .device(dialled)
            .or_else(|| match Dialled::of(dialled, country_code) {
                Dialled::Number(number) => self.by_number(&number),
                Dialled::National | Dialled::Name => None,
            });
        device.cloned()
    }

    /// All devices, in no particular order.
    pub fn devices(&self) -> impl Iterator<Item = &Arc<Device>> {
        self.devices.values()
    }

    /// How many devices there are.
    pub fn len(&self) -> usize {
        self.devices.len()
    }

    /// Whether there is no device at all.
    pub fn is_empty(&self) -> bool {
        self.devices.is_empty()
    }
}
