//! Changes of devices and settings inside one transaction. The caller begins and commits.

use fernamt_numbering::E164;
use fernamt_sip::digest::Ha1;
use fernamt_sip::time::UnixTime;
use sqlx::sqlite::SqliteConnection;

use super::database::Failure;
use super::device::{
    self, DeviceUpdate, Found, NewDevice, Secret, StoredDevice, check_device, invalid,
};
use super::import::Numbers;
use super::setting::{self, Setting};
use crate::error::StoreError;

/// How many devices there may be.
pub const MAX_DEVICES: u64 = 4_000_000;

/// How many removals are remembered, so that a running exchange can follow them one by one; one that
/// is further behind reads everything again.
const MAX_REMEMBERED_REMOVALS: i64 = 100_000;

/// A transaction that changes devices or settings, with what all its changes have in common.
#[derive(Debug)]
pub(super) struct Edit<'c> {
    pub(super) connection: &'c mut SqliteConnection,
    /// The revision that the transaction makes.
    pub(super) revision: i64,
    pub(super) realm: Box<str>,
    pub(super) now: UnixTime,
}

impl<'c> Edit<'c> {
    pub(super) async fn begin(
        connection: &'c mut SqliteConnection,
        now: UnixTime,
    ) -> Result<Edit<'c>, Failure> {
        // First of all: on every database the row then belongs to this transaction alone.
        let sql = "UPDATE revision SET value = value + 1 WHERE id = 1 RETURNING value";
        let revision = sqlx::query_scalar(sql).fetch_one(&mut *connection).await?;
        let realm = setting::realm(connection).await?;
        Ok(Edit {
            connection,
            revision,
            realm,
            now,
        })
    }

    pub(super) async fn add(&mut self, new: &NewDevice) -> Result<StoredDevice, Failure> {
        self.import(std::slice::from_ref(new), MAX_DEVICES, |_| ())
            .await?;
        self.expect(&new.user).await.map(|found| found.stored)
    }

    pub(super) async fn update(
        &mut self,
        user: &str,
        update: &DeviceUpdate,
    ) -> Result<StoredDevice, Failure> {
        let found = self.expect(user).await?;
        let device = &found.stored.device;
        let name = update.name.as_ref().unwrap_or(&device.name).as_deref();
        let numbers = update.numbers.as_ref().unwrap_or(&device.numbers);
        check_device(user, name, numbers)?;
        let (ha1, realm) = match &update.secret {
            Some(secret) => (self.hashes(user, secret)?, &self.realm),
            None => (device.ha1.clone(), &found.stored.realm),
        };
        sqlx::query(
            "UPDATE device SET name = $1, direct_media = $2, realm = $3, ha1_md5 = $4, \
             ha1_sha256 = $5, ha1_sha512_256 = $6, updated = $7, revision = $8, \
             encryption = $9, media_transport = $10 WHERE id = $11",
        )
        .bind(name)
        .bind(update.direct_media.unwrap_or(device.direct_media))
        .bind(&**realm)
        .bind(&ha1.md5[..])
        .bind(&ha1.sha256[..])
        .bind(&ha1.sha512_256[..])
        .bind(self.now.as_micros())
        .bind(self.revision)
        .bind(update.encryption.unwrap_or(device.encryption).as_str())
        .bind(
            update
                .media_transport
                .unwrap_or(device.media_transport)
                .as_str(),
        )
        .bind(found.id)
        .execute(&mut *self.connection)
        .await?;
        if *numbers != device.numbers {
            self.replace_numbers(found.id, numbers).await?;
        }
        self.expect(user).await.map(|found| found.stored)
    }

    async fn replace_numbers(&mut self, id: i64, numbers: &[E164]) -> Result<(), Failure> {
        self.drop_numbers(id).await?;
        let rows: Vec<_> = (0..)
            .zip(numbers)
            .map(|(place, number)| (*number, id, place))
            .collect();
        Numbers::new().insert(self.connection, &rows).await
    }

    /// Takes all numbers from a device, so that others in the same transaction can have them.
    pub(super) async fn drop_numbers(&mut self, id: i64) -> Result<(), Failure> {
        let delete = sqlx::query("DELETE FROM number WHERE device_id = $1").bind(id);
        delete.execute(&mut *self.connection).await?;
        Ok(())
    }

    pub(super) async fn remove(&mut self, user: &str) -> Result<(), Failure> {
        let found = self.expect(user).await?;
        self.drop_numbers(found.id).await?;
        let delete = sqlx::query("DELETE FROM device WHERE id = $1").bind(found.id);
        delete.execute(&mut *self.connection).await?;
        let remember = sqlx::query(
            "INSERT INTO removed_device (user_name, revision) VALUES ($1, $2) \
             ON CONFLICT (user_name) DO UPDATE SET revision = excluded.revision",
        );
        remember
            .bind(user)
            .bind(self.revision)
            .execute(&mut *self.connection)
            .await?;
        let forget = sqlx::query("DELETE FROM binding WHERE user_name = $1").bind(user);
        forget.execute(&mut *self.connection).await?;
        Ok(())
    }

    /// Forgets the oldest removals beyond the limit; to be called once after all removals.
    pub(super) async fn forget_old_removals(&mut self) -> Result<(), Failure> {
        self.forget_removals_beyond(MAX_REMEMBERED_REMOVALS).await
    }

    pub(super) async fn forget_removals_beyond(&mut self, limit: i64) -> Result<(), Failure> {
        let cut: Option<i64> = sqlx::query_scalar(
            "SELECT revision FROM removed_device ORDER BY revision DESC LIMIT 1 OFFSET $1",
        )
        .bind(limit)
        .fetch_optional(&mut *self.connection)
        .await?;
        let Some(cut) = cut else { return Ok(()) };
        let delete = sqlx::query("DELETE FROM removed_device WHERE revision <= $1").bind(cut);
        delete.execute(&mut *self.connection).await?;
        let mark = sqlx::query("UPDATE revision SET forgotten = $1 WHERE id = 1").bind(cut);
        mark.execute(&mut *self.connection).await?;
        Ok(())
    }

    pub(super) async fn set(&mut self, setting: Setting, value: &str) -> Result<(), Failure> {
        setting::write(self.connection, setting, value).await?;
        match setting {
            Setting::Realm => self.realm = value.into(),
        }
        Ok(())
    }

    /// Refuses a transaction after which devices would have hashes that fit no challenge.
    pub(super) async fn check_realm(&mut self) -> Result<(), Failure> {
        let sql = "SELECT COUNT(*) FROM device WHERE realm <> $1";
        let query = sqlx::query_scalar(sql).bind(&*self.realm);
        let others: i64 = query.fetch_one(&mut *self.connection).await?;
        if others == 0 {
            return Ok(());
        }
        let reason = format!(
            "{others} device(s) have passwords that were made for another realm and could not \
             register any more; give them new passwords in the same `fernamt apply`"
        );
        let reason = reason.into();
        Err(StoreError::InvalidSetting {
            key: Setting::Realm.name(),
            reason,
        }
        .into())
    }

    /// The hashes to keep of a secret.
    pub(super) fn hashes(&self, user: &str, secret: &Secret) -> Result<Ha1, Failure> {
        secret
            .hashes(user, &self.realm)
            .map_err(|reason| invalid(user, reason).into())
    }

    async fn expect(&mut self, user: &str) -> Result<Found, Failure> {
        match device::find(self.connection, user).await? {
            Some(found) => Ok(found),
            None => Err(StoreError::NoSuchDevice { user: user.into() }.into()),
        }
    }
}
