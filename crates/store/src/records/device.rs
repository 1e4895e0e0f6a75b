//! Devices as values: what may stand in one, and how it is read from its rows. Nothing is written.

use core::fmt;
use std::collections::HashSet;

use fernamt_exchange::directory::Device;
use fernamt_exchange::encryption::{Encryption, MediaTransport};
use fernamt_numbering::E164;
use fernamt_sip::digest::Ha1;
use fernamt_sip::time::UnixTime;
use sqlx::Row;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use super::database::Failure;
use crate::error::{InvalidDevice, StoreError};

/// How long a user name, a name, a password or a realm may be, in bytes.
pub const MAX_TEXT_BYTES: usize = 255;

/// How many numbers one device may have.
pub const MAX_NUMBERS_PER_DEVICE: usize = 1_000;

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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDevice {
    /// User name; any text.
    pub user: Box<str>,
    /// Name for people.
    pub name: Option<Box<str>>,
    /// Numbers that reach it; the first is shown when it calls.
    pub numbers: Vec<E164>,
    /// Whether media may flow directly.
    pub direct_media: bool,
    /// Whether its media are encrypted.
    pub encryption: Encryption,
    /// How its media are carried.
    pub media_transport: MediaTransport,
    /// Its password.
    pub secret: Secret,
}

/// What to change of a device; `None` leaves as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceUpdate {
    /// Name for people; `Some(None)` removes it.
    pub name: Option<Option<Box<str>>>,
    /// All its numbers.
    pub numbers: Option<Vec<E164>>,
    /// Whether media may flow directly.
    pub direct_media: Option<bool>,
    /// Whether its media are encrypted.
    pub encryption: Option<Encryption>,
    /// How its media are carried.
    pub media_transport: Option<MediaTransport>,
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

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret")
    }
}

impl Secret {
    /// The hashes to keep under the realm of the exchange.
    pub(super) fn hashes(&self, user: &str, realm: &str) -> Result<Ha1, InvalidDevice> {
        match self {
            Secret::Password(password) => {
                check_text("password", password)?;
                Ok(Ha1::new(user, realm, password))
            }
            Secret::Hashes {
                realm: made_for,
                ha1,
            } if **made_for == *realm => Ok(ha1.clone()),
            Secret::Hashes {
                realm: made_for, ..
            } => Err(InvalidDevice::OtherRealm {
                found: made_for.clone(),
                expected: realm.into(),
            }),
        }
    }
}

/// Whether these may be the texts and numbers of a device.
pub(super) fn check_device(
    user: &str,
    name: Option<&str>,
    numbers: &[E164],
) -> Result<(), StoreError> {
    check_values(user, name, numbers).map_err(|reason| invalid(user, reason))
}

/// The error that names the device, with a user name that is safe to show.
pub(super) fn invalid(user: &str, reason: InvalidDevice) -> StoreError {
    let shown = user.chars().take(MAX_TEXT_BYTES).collect::<String>();
    StoreError::InvalidDevice {
        user: shown.into(),
        reason,
    }
}

fn check_values(user: &str, name: Option<&str>, numbers: &[E164]) -> Result<(), InvalidDevice> {
    check_text("user name", user)?;
    if let Some(name) = name {
        check_text("name", name)?;
    }
    if numbers.len() > MAX_NUMBERS_PER_DEVICE {
        return Err(InvalidDevice::TooManyNumbers {
            limit: MAX_NUMBERS_PER_DEVICE,
        });
    }
    let mut seen = HashSet::with_capacity(numbers.len());
    match numbers.iter().find(|number| !seen.insert(**number)) {
        Some(number) => Err(InvalidDevice::RepeatedNumber { number: *number }),
        None => Ok(()),
    }
}

/// Whether this may be a text of a device: not empty, not too long, no control characters, which
/// could break a header or a line of a log.
pub(super) fn check_text(field: &'static str, text: &str) -> Result<(), InvalidDevice> {
    if text.is_empty() {
        return Err(InvalidDevice::Empty { field });
    }
    if text.len() > MAX_TEXT_BYTES {
        return Err(InvalidDevice::TooLong {
            field,
            limit: MAX_TEXT_BYTES,
        });
    }
    if text.chars().any(char::is_control) {
        return Err(InvalidDevice::ControlCharacter { field });
    }
    Ok(())
}

/// What is selected of a device and its numbers: one row per number, or one without a number.
macro_rules! select_devices {
    ($devices:literal, $order:literal) => {
        concat!(
            "SELECT d.id, d.user_name, d.name, d.direct_media, d.realm, d.ha1_md5, d.ha1_sha256, \
             d.ha1_sha512_256, d.created, d.updated, d.revision, n.number, \
             d.encryption, d.media_transport FROM (",
            $devices,
            ") d LEFT JOIN number n ON n.device_id = d.id ORDER BY ",
            $order,
            ", n.position"
        )
    };
}

/// A device with its keys in the database.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) id: i64,
    pub(super) revision: i64,
    pub(super) stored: StoredDevice,
}

pub(super) async fn find(
    connection: &mut SqliteConnection,
    user: &str,
) -> Result<Option<Found>, Failure> {
    let sql = select_devices!("SELECT * FROM device WHERE user_name = $1", "d.id");
    let rows = sqlx::query(sql).bind(user).fetch_all(connection).await?;
    Ok(assemble(&rows)?.pop())
}

pub(super) async fn find_by_number(
    connection: &mut SqliteConnection,
    number: E164,
) -> Result<Option<Found>, Failure> {
    let sql = select_devices!(
        "SELECT * FROM device WHERE id = (SELECT device_id FROM number WHERE number = $1)",
        "d.id"
    );
    let rows = sqlx::query(sql)
        .bind(number_value(number))
        .fetch_all(connection)
        .await?;
    Ok(assemble(&rows)?.pop())
}

/// Devices in the order of their user names, those behind `after`.
pub(super) async fn page(
    connection: &mut SqliteConnection,
    after: Option<&str>,
    limit: i64,
) -> Result<Vec<Found>, Failure> {
    // No user name is empty, so that every one is behind the empty text.
    let sql = select_devices!(
        "SELECT * FROM device WHERE user_name > $1 ORDER BY user_name LIMIT $2",
        "d.user_name"
    );
    let query = sqlx::query(sql).bind(after.unwrap_or_default()).bind(limit);
    assemble(&query.fetch_all(connection).await?)
}

/// Devices in the order of their last change, those behind a revision and, within it, an id.
pub(super) async fn page_of_changes(
    connection: &mut SqliteConnection,
    (revision, id): (i64, i64),
    limit: i64,
) -> Result<Vec<Found>, Failure> {
    let sql = select_devices!(
        "SELECT * FROM device WHERE (revision, id) > ($1, $2) ORDER BY revision, id LIMIT $3",
        "d.revision, d.id"
    );
    let query = sqlx::query(sql).bind(revision).bind(id).bind(limit);
    assemble(&query.fetch_all(connection).await?)
}

/// How a number stands in the database.
pub(super) fn number_value(number: E164) -> i64 {
    // Fifteen digits at most.
    i64::try_from(number.as_u64()).unwrap_or(i64::MAX)
}

fn assemble(rows: &[SqliteRow]) -> Result<Vec<Found>, Failure> {
    let mut devices: Vec<Found> = Vec::with_capacity(rows.len());
    for row in rows {
        let id: i64 = row.try_get(0)?;
        if devices.last().is_none_or(|last| last.id != id) {
            devices.push(read_device(id, row)?);
        }
        if let (Some(number), Some(last)) = (row.try_get::<Option<i64>, _>(11)?, devices.last_mut())
        {
            last.stored.device.numbers.push(read_number(number)?);
        }
    }
    Ok(devices)
}

fn read_device(id: i64, row: &SqliteRow) -> Result<Found, Failure> {
    let user: Box<str> = row.try_get(1)?;
    let ha1 = Ha1 {
        md5: read_hash(row, 5, &user)?,
        sha256: read_hash(row, 6, &user)?,
        sha512_256: read_hash(row, 7, &user)?,
    };
    Ok(Found {
        id,
        revision: row.try_get(10)?,
        stored: StoredDevice {
            device: Device {
                user,
                name: row.try_get(2)?,
                numbers: Vec::new(),
                ha1,
                direct_media: row.try_get(3)?,
                encryption: read_word(row, 12, "encryption")?,
                media_transport: read_word(row, 13, "media transport")?,
            },
            realm: row.try_get(4)?,
            created: UnixTime::from_micros(row.try_get(8)?),
            updated: UnixTime::from_micros(row.try_get(9)?),
        },
    })
}

fn read_hash<const LENGTH: usize>(
    row: &SqliteRow,
    column: usize,
    user: &str,
) -> Result<[u8; LENGTH], Failure> {
    let bytes: &[u8] = row.try_get(column)?;
    bytes.try_into().map_err(|_| {
        let detail = format!("the one of device {user:?} has a wrong length").into();
        StoreError::Unreadable {
            what: "password hash",
            detail,
        }
        .into()
    })
}

/// A value that is kept as a word.
fn read_word<T: core::str::FromStr>(
    row: &SqliteRow,
    column: usize,
    what: &'static str,
) -> Result<T, Failure> {
    let word: &str = row.try_get(column)?;
    word.parse().map_err(|_| {
        let detail = format!("{word:?} is not known to this version").into();
        StoreError::Unreadable { what, detail }.into()
    })
}

fn read_number(value: i64) -> Result<E164, Failure> {
    u64::try_from(value)
        .ok()
        .and_then(E164::from_u64)
        .ok_or_else(|| {
            let detail = format!("{value} is none").into();
            StoreError::Unreadable {
                what: "telephone number",
                detail,
            }
            .into()
        })
}
