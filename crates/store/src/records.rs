//! Records: devices, numbers, settings and call records in the database. What stands behind these
//! methods is SQLite; no caller sees that.

use std::collections::BTreeMap;

use fernamt_charging::{CallRecord, CallReference};
use fernamt_exchange::directory::Device;
use fernamt_exchange::journal::Entry;
use fernamt_exchange::registrar::BindingsOf;
use fernamt_numbering::E164;
use fernamt_sip::digest::Ha1;
use fernamt_sip::time::UnixTime;

use crate::desired::{Change, Desired};
use crate::error::StoreError;
use crate::folder::DataFolder;

/// The digest realm where the setting is not made.
pub const DEFAULT_REALM: &str = "fernamt";

/// The records of one installation. Cheap to clone; many processes may have one at a time.
#[derive(Clone, Debug)]
pub struct Records {}

/// Counts changes of devices, numbers and settings; never goes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

/// What can be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Setting {
    /// The digest realm. Cannot be changed while devices have hashes of the old one.
    Realm,
}

/// How a device proves who it is.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// A password, of which only hashes are kept.
    Password(Box<str>),
    /// The hashes themselves.
    Hashes {
        /// The realm they were made for.
        realm: Box<str>,
        /// The hashes.
        ha1: Ha1,
    },
}

/// A device to be added.
#[derive(Clone, Debug)]
pub struct NewDevice {
    /// User name; any text.
    pub user: Box<str>,
    /// Name for people.
    pub name: Option<Box<str>>,
    /// Numbers that reach it; the first is shown when it calls.
    pub numbers: Vec<E164>,
    /// Whether media may flow directly.
    pub direct_media: bool,
    /// Its password.
    pub secret: Secret,
}

/// What to change of a device; `None` leaves as it is.
#[derive(Clone, Debug, Default)]
pub struct DeviceUpdate {
    /// Name for people; `Some(None)` removes it.
    pub name: Option<Option<Box<str>>>,
    /// All its numbers.
    pub numbers: Option<Vec<E164>>,
    /// Whether media may flow directly.
    pub direct_media: Option<bool>,
    /// Its password.
    pub secret: Option<Secret>,
}

/// A device as it is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredDevice {
    /// The device as the exchange sees it.
    pub device: Device,
    /// The realm for which its hashes were made.
    pub realm: Box<str>,
    /// When it was added.
    pub created: UnixTime,
    /// When it was last changed.
    pub updated: UnixTime,
}

/// What has become of devices since a revision.
#[derive(Clone, Debug, Default)]
pub struct DeviceChanges {
    /// Where the records are now; ask from here the next time.
    pub revision: Revision,
    /// These are all the devices there are: forget every other. Otherwise only what has changed.
    pub complete: bool,
    /// Devices added or changed.
    pub changed: Vec<StoredDevice>,
    /// User names of devices removed.
    pub removed: Vec<Box<str>>,
}

/// Which call records. All conditions must hold.
#[derive(Clone, Debug, Default)]
pub struct CallQuery {
    /// Calls that came in at this time or later.
    pub since: Option<UnixTime>,
    /// Calls that came in before this time.
    pub until: Option<UnixTime>,
    /// Calls in which a party has exactly this number, name or user name (shown, dialled or reached).
    pub number: Option<Box<str>>,
    /// The call with this Call-ID on any of its legs.
    pub sip_call_id: Option<Box<str>>,
    /// Only calls older than this place in the list.
    pub before: Option<CallCursor>,
    /// At most so many; `None`: [`DEFAULT_PAGE`], at most [`MAX_PAGE`].
    pub limit: Option<usize>,
}

/// How many call records one page has where nothing is said.
pub const DEFAULT_PAGE: usize = 100;
/// How many call records one page may have.
pub const MAX_PAGE: usize = 10_000;

/// A place in the list of call records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallCursor(pub(crate) i64);

/// A page of call records.
#[derive(Clone, Debug, Default)]
pub struct CallPage {
    /// The newest records that were asked for, newest last, in the order in which the calls ended.
    pub records: Vec<CallRecord>,
    /// Where the page before this one ends; `None`: there are no older ones.
    pub older: Option<CallCursor>,
}

#[expect(clippy::unused_async, unused_variables, reason = "filled next")]
impl Records {
    /// Opens the database of the folder; creates it and brings its schema up to date.
    ///
    /// # Errors
    /// It is damaged, newer than the program, not writable, or the disk is full.
    pub async fn open(folder: &DataFolder) -> Result<Records, StoreError> {
        todo!()
    }

    /// Looks for damage: all of a small database, of a large one the tables without which nothing
    /// works.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`].
    pub async fn check(&self) -> Result<(), StoreError> {
        todo!()
    }

    /// Where the records are; cheap.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn revision(&self) -> Result<Revision, StoreError> {
        todo!()
    }

    /// The digest realm.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn realm(&self) -> Result<Box<str>, StoreError> {
        todo!()
    }

    /// All settings that were made.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn settings(&self) -> Result<BTreeMap<Setting, Box<str>>, StoreError> {
        todo!()
    }

    /// Makes a setting.
    ///
    /// # Errors
    /// [`StoreError::InvalidSetting`], or the database cannot be written.
    pub async fn set(&self, setting: Setting, value: &str) -> Result<(), StoreError> {
        todo!()
    }

    /// Adds a device.
    ///
    /// # Errors
    /// It exists, a number is taken, a value is wrong, or the database cannot be written.
    pub async fn add_device(&self, device: NewDevice) -> Result<StoredDevice, StoreError> {
        todo!()
    }

    /// Changes a device.
    ///
    /// # Errors
    /// There is none, a number is taken, a value is wrong, or the database cannot be written.
    pub async fn update_device(
        &self,
        user: &str,
        update: DeviceUpdate,
    ) -> Result<StoredDevice, StoreError> {
        todo!()
    }

    /// Removes a device with its numbers.
    ///
    /// # Errors
    /// There is none, or the database cannot be written.
    pub async fn remove_device(&self, user: &str) -> Result<(), StoreError> {
        todo!()
    }

    /// The device with this user name.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn device(&self, user: &str) -> Result<Option<StoredDevice>, StoreError> {
        todo!()
    }

    /// The device that this number reaches.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn device_by_number(&self, number: E164) -> Result<Option<StoredDevice>, StoreError> {
        todo!()
    }

    /// Devices by user name, at most `limit`, those behind `after`.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn devices(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<StoredDevice>, StoreError> {
        todo!()
    }

    /// How many devices there are.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn device_count(&self) -> Result<u64, StoreError> {
        todo!()
    }

    /// Adds many devices, all or none. `progress` is told how many are done.
    ///
    /// # Errors
    /// As [`Records::add_device`]; then nothing was added.
    pub async fn import(
        &self,
        devices: Vec<NewDevice>,
        progress: impl FnMut(usize) + Send,
    ) -> Result<(), StoreError> {
        todo!()
    }

    /// What has become of devices since `since`; everything for `Revision(0)`.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn devices_changed_since(
        &self,
        since: Revision,
    ) -> Result<DeviceChanges, StoreError> {
        todo!()
    }

    /// Call records.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn calls(&self, query: &CallQuery) -> Result<CallPage, StoreError> {
        todo!()
    }

    /// The record of one call.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn call(&self, call: CallReference) -> Result<Option<CallRecord>, StoreError> {
        todo!()
    }

    /// The course of one call.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn call_journal(
        &self,
        call: CallReference,
    ) -> Result<Option<Vec<Entry>>, StoreError> {
        todo!()
    }

    /// The bindings as last written; a running exchange knows newer ones.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn bindings(&self) -> Result<Vec<BindingsOf>, StoreError> {
        todo!()
    }

    /// Makes the state what is wanted, in one transaction, and says what it changed; with `dry_run`
    /// only says what it would change.
    ///
    /// # Errors
    /// Something wanted is not possible; then nothing was changed.
    pub async fn apply(&self, desired: &Desired, dry_run: bool) -> Result<Vec<Change>, StoreError> {
        todo!()
    }

    /// The state as [`Records::apply`] takes it.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn export(&self) -> Result<Desired, StoreError> {
        todo!()
    }
}

impl core::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.write_str("Secret(…)")
    }
}
