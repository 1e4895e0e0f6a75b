//! Adding devices, one or a hundred thousand, to a transaction: with few statements, and with errors
//! that name who is in the way.

use std::collections::{HashMap, HashSet};

use fernamt_numbering::E164;
use fernamt_sip::digest::Ha1;
use sqlx::Arguments;
use sqlx::sqlite::SqliteConnection;

use super::bulk::Bulk;
use super::database::Failure;
use super::device::{NewDevice, check_device, number_value};
use super::edit::Edit;
use crate::error::StoreError;

/// How many devices an import does between two words about its progress.
const STEP: usize = 1_000;

/// The account to which devices belong as long as there is one.
const DEFAULT_ACCOUNT: i64 = 1;

/// Rows that are in the way are left alone; that fewer went in than were given tells of them.
const LEAVE_CONFLICTS: &str = " ON CONFLICT DO NOTHING";

impl Edit<'_> {
    /// Adds all devices, or fails and leaves a transaction that must not be committed.
    pub(super) async fn import(
        &mut self,
        devices: &[NewDevice],
        limit: u64,
        mut progress: impl FnMut(usize),
    ) -> Result<(), Failure> {
        check_list(devices)?;
        let present = count(self.connection).await?;
        if present.saturating_add(devices.len() as u64) > limit {
            return Err(StoreError::TooManyDevices { limit }.into());
        }
        let tables = (Devices::new(), Numbers::new());
        let mut first_id = next_id(self.connection).await?;
        let mut done = 0;
        for chunk in devices.chunks(STEP) {
            self.import_chunk(&tables, chunk, first_id).await?;
            first_id += chunk.len() as i64;
            done += chunk.len();
            progress(done);
        }
        Ok(())
    }

    async fn import_chunk(
        &mut self,
        (devices, numbers): &(Devices, Numbers),
        chunk: &[NewDevice],
        first_id: i64,
    ) -> Result<(), Failure> {
        let mut device_rows = Vec::with_capacity(chunk.len());
        let mut number_rows = Vec::new();
        for (id, new) in (first_id..).zip(chunk) {
            let ha1 = self.hashes(&new.user, &new.secret)?;
            device_rows.push(DeviceRow { id, new, ha1 });
            let places = (0..).zip(&new.numbers);
            number_rows.extend(places.map(|(place, number)| (*number, id, place)));
        }
        devices.insert(self, &device_rows).await?;
        numbers.insert(self.connection, &number_rows).await
    }
}

/// What can be wrong with a list without a look at the database.
fn check_list(devices: &[NewDevice]) -> Result<(), StoreError> {
    let mut users = HashSet::with_capacity(devices.len());
    let mut holders = HashMap::with_capacity(devices.len());
    for new in devices {
        check_device(&new.user, new.name.as_deref(), &new.numbers)?;
        if !users.insert(&*new.user) {
            return Err(StoreError::DeviceExists {
                user: new.user.clone(),
            });
        }
        for number in &new.numbers {
            if let Some(holder) = holders.insert(*number, &*new.user) {
                return Err(StoreError::NumberTaken {
                    number: *number,
                    holder: holder.into(),
                });
            }
        }
    }
    Ok(())
}

/// Which device of the list an error is about: of two that contradict each other the later one.
pub(super) fn culprit(devices: &[NewDevice], error: &StoreError) -> Option<usize> {
    devices.iter().rposition(|new| match error {
        StoreError::DeviceExists { user } | StoreError::InvalidDevice { user, .. } => {
            new.user == *user
        }
        StoreError::NumberTaken { number, .. } => new.numbers.contains(number),
        _ => false,
    })
}

pub(super) async fn count(connection: &mut SqliteConnection) -> Result<u64, Failure> {
    let sql = "SELECT COUNT(*) FROM device";
    let count: i64 = sqlx::query_scalar(sql).fetch_one(connection).await?;
    Ok(count.unsigned_abs())
}

async fn next_id(connection: &mut SqliteConnection) -> Result<i64, Failure> {
    let sql = "SELECT COALESCE(MAX(id), 0) + 1 FROM device";
    Ok(sqlx::query_scalar(sql).fetch_one(connection).await?)
}

struct DeviceRow<'a> {
    id: i64,
    new: &'a NewDevice,
    ha1: Ha1,
}

/// The table of devices, for inserting.
struct Devices(Bulk);

impl Devices {
    fn new() -> Devices {
        let head = "INSERT INTO device (id, account_id, user_name, name, direct_media, realm, \
                    ha1_md5, ha1_sha256, ha1_sha512_256, created, updated, revision, encryption, \
                    media_transport)";
        Devices(Bulk::new(head, 14, LEAVE_CONFLICTS))
    }

    async fn insert(&self, edit: &mut Edit<'_>, rows: &[DeviceRow<'_>]) -> Result<(), Failure> {
        let (now, revision) = (edit.now.as_micros(), edit.revision);
        let realm = &*edit.realm;
        let inserted = self
            .0
            .insert(
                edit.connection,
                rows.iter().collect(),
                |arguments, row: &DeviceRow<'_>| {
                    arguments.add(row.id)?;
                    arguments.add(DEFAULT_ACCOUNT)?;
                    arguments.add(&*row.new.user)?;
                    arguments.add(row.new.name.as_deref())?;
                    arguments.add(row.new.direct_media)?;
                    arguments.add(realm)?;
                    arguments.add(&row.ha1.md5[..])?;
                    arguments.add(&row.ha1.sha256[..])?;
                    arguments.add(&row.ha1.sha512_256[..])?;
                    arguments.add(now)?;
                    arguments.add(now)?;
                    arguments.add(revision)?;
                    arguments.add(row.new.encryption.as_str())?;
                    arguments.add(row.new.media_transport.as_str())
                },
            )
            .await?;
        if inserted == rows.len() as u64 {
            return Ok(());
        }
        for row in rows {
            let sql = "SELECT id FROM device WHERE user_name = $1";
            let query = sqlx::query_scalar(sql).bind(&*row.new.user);
            if query.fetch_optional(&mut *edit.connection).await? != Some(row.id) {
                return Err(StoreError::DeviceExists {
                    user: row.new.user.clone(),
                }
                .into());
            }
        }
        Ok(())
    }
}

/// The table of numbers, for inserting.
pub(super) struct Numbers(Bulk);

impl Numbers {
    pub(super) fn new() -> Numbers {
        let head = "INSERT INTO number (number, device_id, position)";
        Numbers(Bulk::new(head, 3, LEAVE_CONFLICTS))
    }

    /// Inserts (number, id of its device, its place among the numbers of that device).
    pub(super) async fn insert(
        &self,
        connection: &mut SqliteConnection,
        rows: &[(E164, i64, i32)],
    ) -> Result<(), Failure> {
        let inserted = self
            .0
            .insert(
                connection,
                rows.to_vec(),
                |arguments, (number, device, position)| {
                    arguments.add(number_value(number))?;
                    arguments.add(device)?;
                    arguments.add(position)
                },
            )
            .await?;
        if inserted == rows.len() as u64 {
            return Ok(());
        }
        for (number, device, _) in rows {
            let sql = "SELECT d.id, d.user_name FROM number n JOIN device d ON d.id = n.device_id \
                       WHERE n.number = $1";
            let query = sqlx::query_as(sql).bind(number_value(*number));
            let holder: Option<(i64, Box<str>)> = query.fetch_optional(&mut *connection).await?;
            if let Some((id, holder)) = holder
                && id != *device
            {
                return Err(StoreError::NumberTaken {
                    number: *number,
                    holder,
                }
                .into());
            }
        }
        Ok(())
    }
}
