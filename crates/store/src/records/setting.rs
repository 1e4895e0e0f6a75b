//! Settings: what can be set, and how it is kept. What a setting means is decided elsewhere.

use std::collections::BTreeMap;

use sqlx::sqlite::SqliteConnection;

use super::database::Failure;
use super::device::check_text;
use crate::error::StoreError;

/// The digest realm where the setting is not made.
pub const DEFAULT_REALM: &str = "fernamt";

/// What can be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Setting {
    /// The digest realm. Cannot be changed while devices have hashes of the old one.
    Realm,
}

impl Setting {
    /// Every setting.
    pub const ALL: [Setting; 1] = [Setting::Realm];

    /// Its key in files and in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Setting::Realm => "realm",
        }
    }

    /// What it is where it is not made.
    pub const fn default_value(self) -> &'static str {
        match self {
            Setting::Realm => DEFAULT_REALM,
        }
    }
}

pub(super) async fn realm(connection: &mut SqliteConnection) -> Result<Box<str>, Failure> {
    let sql = "SELECT value FROM setting WHERE key = $1";
    let query = sqlx::query_scalar(sql).bind(Setting::Realm.name());
    let set: Option<Box<str>> = query.fetch_optional(connection).await?;
    Ok(set.unwrap_or_else(|| DEFAULT_REALM.into()))
}

pub(super) async fn all(
    connection: &mut SqliteConnection,
) -> Result<BTreeMap<Setting, Box<str>>, Failure> {
    let rows: Vec<(String, Box<str>)> = sqlx::query_as("SELECT key, value FROM setting")
        .fetch_all(connection)
        .await?;
    let known = |key: &str| {
        Setting::ALL
            .into_iter()
            .find(|setting| setting.name() == key)
    };
    Ok(rows
        .into_iter()
        .filter_map(|(key, value)| Some((known(&key)?, value)))
        .collect())
}

pub(super) async fn write(
    connection: &mut SqliteConnection,
    setting: Setting,
    value: &str,
) -> Result<(), Failure> {
    check_text("value", value).map_err(|reason| StoreError::InvalidSetting {
        key: setting.name(),
        reason: reason.to_string().into(),
    })?;
    sqlx::query(
        "INSERT INTO setting (key, value) VALUES ($1, $2) \
         ON CONFLICT (key) DO UPDATE SET value = excluded.value",
    )
    .bind(setting.name())
    .bind(value)
    .execute(connection)
    .await?;
    Ok(())
}
