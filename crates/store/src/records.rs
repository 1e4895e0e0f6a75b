//! Records: devices, numbers, settings and call records in the database. What stands behind these
//! methods is SQLite; no caller sees that.

use std::collections::BTreeMap;

use fernamt_charging::{CallRecord, CallReference};
use fernamt_exchange::journal::Entry;
use fernamt_exchange::registrar::BindingsOf;
use fernamt_numbering::E164;

use crate::clock;
use crate::csv::{self, CsvError, Row};
use crate::desired::{Change, Desired};
use crate::error::StoreError;
use crate::folder::DataFolder;

mod apply;
pub(crate) mod binding;
pub(crate) mod bulk;
pub(crate) mod call;
mod changes;
pub(crate) mod database;
mod device;
mod edit;
mod import;
mod protection;
mod query;
mod setting;
#[cfg(test)]
mod tests;

pub use changes::{DeviceChanges, Revision};
pub use device::{
    DeviceUpdate, MAX_NUMBERS_PER_DEVICE, MAX_TEXT_BYTES, NewDevice, Secret, StoredDevice,
};
pub use edit::MAX_DEVICES;
pub use query::{CallCursor, CallPage, CallQuery, DEFAULT_PAGE, MAX_PAGE};
pub use setting::{DEFAULT_REALM, Setting};

use database::{Database, Failure};
use edit::Edit;

/// How many devices one page may have.
pub const MAX_DEVICE_PAGE: usize = 10_000;

/// The records of one installation. Cheap to clone; many processes may have them open at a time.
#[derive(Clone, Debug)]
pub struct Records {
    database: Database,
}

impl Records {
    /// Opens the database of the folder; creates it and brings its schema up to date.
    ///
    /// # Errors
    /// It is damaged, newer than the program, not writable, or the disk is full.
    pub async fn open(folder: &DataFolder) -> Result<Records, StoreError> {
        Database::open(folder)
            .await
            .map(|database| Records { database })
    }

    /// Closes all connections, and waits for those that are in use. When nobody else has one, all is
    /// in the one file then. Nothing can be asked afterwards.
    pub async fn close(&self) {
        self.database.close().await;
    }

    /// Looks for damage: all of a small database, of a large one the tables without which nothing
    /// works.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`].
    pub async fn check(&self) -> Result<(), StoreError> {
        self.database.check().await
    }

    /// Where the records are; cheap.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn revision(&self) -> Result<Revision, StoreError> {
        let mut connection = self.database.connection().await?;
        let found = changes::revision(&mut connection).await;
        self.named(found)
    }

    /// The digest realm.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn realm(&self) -> Result<Box<str>, StoreError> {
        let mut connection = self.database.connection().await?;
        let found = setting::realm(&mut connection).await;
        self.named(found)
    }

    /// All settings that were made.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn settings(&self) -> Result<BTreeMap<Setting, Box<str>>, StoreError> {
        let mut connection = self.database.connection().await?;
        let found = setting::all(&mut connection).await;
        self.named(found)
    }

    /// Makes a setting.
    ///
    /// # Errors
    /// [`StoreError::InvalidSetting`], or the database cannot be written.
    pub async fn set(&self, setting: Setting, value: &str) -> Result<(), StoreError> {
        let mut change = self.database.change().await?;
        let done = async {
            let mut edit = Edit::begin(&mut change, clock::now()).await?;
            edit.set(setting, value).await?;
            edit.check_realm().await
        };
        let done = done.await;
        self.database.finish(change, done).await
    }

    /// Adds a device.
    ///
    /// # Errors
    /// It exists, a number is taken, a value is wrong, or the database cannot be written.
    pub async fn add_device(&self, device: NewDevice) -> Result<StoredDevice, StoreError> {
        let mut change = self.database.change().await?;
        let done = async {
            Edit::begin(&mut change, clock::now())
                .await?
                .add(&device)
                .await
        };
        let done = done.await;
        self.database.finish(change, done).await
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
        let mut change = self.database.change().await?;
        let done = async {
            Edit::begin(&mut change, clock::now())
                .await?
                .update(user, &update)
                .await
        };
        let done = done.await;
        self.database.finish(change, done).await
    }

    /// Removes a device with its numbers.
    ///
    /// # Errors
    /// There is none, or the database cannot be written.
    pub async fn remove_device(&self, user: &str) -> Result<(), StoreError> {
        let mut change = self.database.change().await?;
        let done = async {
            let mut edit = Edit::begin(&mut change, clock::now()).await?;
            edit.remove(user).await?;
            edit.forget_old_removals().await
        };
        let done = done.await;
        self.database.finish(change, done).await
    }

    /// The device with this user name.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn device(&self, user: &str) -> Result<Option<StoredDevice>, StoreError> {
        let mut connection = self.database.connection().await?;
        let found = device::find(&mut connection, user).await;
        Ok(self.named(found)?.map(|found| found.stored))
    }

    /// The device that this number reaches.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn device_by_number(&self, number: E164) -> Result<Option<StoredDevice>, StoreError> {
        let mut connection = self.database.connection().await?;
        let found = device::find_by_number(&mut connection, number).await;
        Ok(self.named(found)?.map(|found| found.stored))
    }

    /// Devices in the order of their user names, those behind `after`; at most `limit`, never more
    /// than [`MAX_DEVICE_PAGE`].
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn devices(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<StoredDevice>, StoreError> {
        let limit = limit.min(MAX_DEVICE_PAGE) as i64;
        let mut connection = self.database.connection().await?;
        let found = device::page(&mut connection, after, limit).await;
        Ok(self
            .named(found)?
            .into_iter()
            .map(|found| found.stored)
            .collect())
    }

    /// How many devices there are.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn device_count(&self) -> Result<u64, StoreError> {
        let mut connection = self.database.connection().await?;
        let found = import::count(&mut connection).await;
        self.named(found)
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
        self.import_at_most(MAX_DEVICES, &devices, progress).await
    }

    /// Adds the devices of a list in CSV form (see [`crate::csv`]), all or none; says how many.
    ///
    /// # Errors
    /// [`StoreError::Csv`] names the line that is wrong; then nothing was added.
    pub async fn import_csv(
        &self,
        text: &[u8],
        progress: impl FnMut(usize) + Send,
    ) -> Result<usize, StoreError> {
        let rows = csv::parse(text)?;
        let (lines, devices): (Vec<u64>, Vec<NewDevice>) = rows
            .into_iter()
            .map(|Row { line, device }| (line, device))
            .unzip();
        match self.import_at_most(MAX_DEVICES, &devices, progress).await {
            Ok(()) => Ok(devices.len()),
            Err(error) => Err(
                match import::culprit(&devices, &error).and_then(|at| lines.get(at)) {
                    Some(line) => CsvError::new(*line, error.to_string()).into(),
                    None => error,
                },
            ),
        }
    }

    async fn import_at_most(
        &self,
        limit: u64,
        devices: &[NewDevice],
        progress: impl FnMut(usize) + Send,
    ) -> Result<(), StoreError> {
        let mut change = self.database.change().await?;
        let done = async {
            let mut edit = Edit::begin(&mut change, clock::now()).await?;
            edit.import(devices, limit, progress).await
        };
        let done = done.await;
        self.database.finish(change, done).await
    }

    /// What has become of devices since `since`; everything for `Revision(0)`.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn devices_changed_since(
        &self,
        since: Revision,
    ) -> Result<DeviceChanges, StoreError> {
        let mut snapshot = self.database.snapshot().await?;
        let found = changes::since(&mut snapshot, since).await;
        self.database.finish(snapshot, found).await
    }

    /// Call records.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn calls(&self, query: &CallQuery) -> Result<CallPage, StoreError> {
        let mut snapshot = self.database.snapshot().await?;
        let found = query::page(&mut snapshot, query).await;
        self.database.finish(snapshot, found).await
    }

    /// The record of one call.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn call(&self, call: CallReference) -> Result<Option<CallRecord>, StoreError> {
        let mut snapshot = self.database.snapshot().await?;
        let found = query::record(&mut snapshot, call).await;
        self.database.finish(snapshot, found).await
    }

    /// The course of one call.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn call_journal(
        &self,
        call: CallReference,
    ) -> Result<Option<Vec<Entry>>, StoreError> {
        let mut snapshot = self.database.snapshot().await?;
        let found = query::journal(&mut snapshot, call).await;
        self.database.finish(snapshot, found).await
    }

    /// The bindings as last written; a running exchange knows newer ones.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn bindings(&self) -> Result<Vec<BindingsOf>, StoreError> {
        let mut connection = self.database.connection().await?;
        let found = binding::all(&mut connection, clock::now()).await;
        self.named(found)
    }

    /// Makes the state what is wanted, in one transaction, and says what it changed; with `dry_run`
    /// only says what it would change.
    ///
    /// # Errors
    /// Something wanted is not possible; then nothing was changed.
    pub async fn apply(&self, desired: &Desired, dry_run: bool) -> Result<Vec<Change>, StoreError> {
        let mut change = self.database.change().await?;
        let done = async {
            let mut edit = Edit::begin(&mut change, clock::now()).await?;
            apply::apply(&mut edit, desired).await
        };
        let done = done.await;
        // Nothing to change is no change: a running exchange need not look.
        if dry_run || done.as_ref().is_ok_and(Vec::is_empty) {
            return self.named(done);
        }
        self.database.finish(change, done).await
    }

    /// The state as [`Records::apply`] takes it.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn export(&self) -> Result<Desired, StoreError> {
        let mut snapshot = self.database.snapshot().await?;
        let found = apply::export(&mut snapshot).await;
        self.database.finish(snapshot, found).await
    }

    fn named<T>(&self, result: Result<T, Failure>) -> Result<T, StoreError> {
        result.map_err(|failure| self.database.named(failure))
    }
}
