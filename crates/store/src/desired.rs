//! The state that is wanted, as a TOML file: what `fernamt apply` reads and `fernamt export` writes.
//! How it becomes the state that is stands in the records.

use core::fmt;

use fernamt_exchange::encryption::{Encryption, MediaTransport};
use fernamt_numbering::E164;
use fernamt_sip::digest::Ha1;
use serde::{Deserialize, Serialize};

use crate::error::InvalidDevice;
use crate::records::{Secret, StoredDevice};

mod hashes;
#[cfg(test)]
mod tests;

pub use hashes::DesiredHashes;

/// The largest description that is read, in bytes.
pub const MAX_DESIRED_BYTES: usize = 64 * 1024 * 1024;

/// Settings and devices as they are to be.
///
/// Where `device` is present at all, it is the whole list: devices that are not in it are removed.
/// Settings that are not named stay as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Desired {
    /// Settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<DesiredSettings>,
    /// All devices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<Vec<DesiredDevice>>,
}

/// Settings as they are to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table [settings]")]
pub struct DesiredSettings {
    /// The digest realm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub realm: Option<Box<str>>,
}

/// A device as it is to be. What is not said has its default value, but the password: a device that
/// exists keeps its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table [[device]]")]
pub struct DesiredDevice {
    /// User name.
    pub user: Box<str>,
    /// Name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Box<str>>,
    /// Numbers that reach it, the one it shows first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub numbers: Vec<E164>,
    /// Whether media may flow directly.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub direct_media: bool,
    /// Whether its media are encrypted.
    #[serde(default, skip_serializing_if = "is_default")]
    pub encryption: Encryption,
    /// How its media are carried.
    #[serde(default, skip_serializing_if = "is_default")]
    pub media_transport: MediaTransport,
    /// Its password; read, never written.
    #[serde(default, skip_serializing)]
    pub password: Option<Password>,
    /// The hashes of its password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ha1: Option<DesiredHashes>,
}

/// A password that no log and no error shows.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Password(pub Box<str>);

impl fmt::Debug for Password {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Password")
    }
}

/// What is wrong with a description, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct DesiredError {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong, naming the key. Never a value that could be secret.
    pub reason: Box<str>,
}

/// One difference between the state that is wanted and the state that is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// A setting gets another value.
    Setting {
        /// Which.
        key: &'static str,
        /// Its value before.
        from: Box<str>,
        /// Its value after.
        to: Box<str>,
    },
    /// A device is added.
    Add {
        /// Its user name.
        user: Box<str>,
    },
    /// A device is changed.
    Update {
        /// Its user name.
        user: Box<str>,
        /// What is changed, in words, for example `name "Kitchen" becomes "Hall"`.
        what: Vec<Box<str>>,
    },
    /// A device is removed.
    Remove {
        /// Its user name.
        user: Box<str>,
    },
}

impl fmt::Display for Change {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::Setting { key, from, to } => {
                write!(formatter, "set {key} from {from:?} to {to:?}")
            }
            Change::Add { user } => write!(formatter, "add device {user:?}"),
            Change::Update { user, what } => {
                write!(formatter, "change device {user:?}: {}", what.join(", "))
            }
            Change::Remove { user } => write!(formatter, "remove device {user:?}"),
        }
    }
}

impl Desired {
    /// Reads the TOML form.
    ///
    /// # Errors
    /// The first thing that is wrong, with its line and key.
    pub fn from_toml(text: &str) -> Result<Desired, DesiredError> {
        if text.len() > MAX_DESIRED_BYTES {
            let reason = format!("the file is larger than {MAX_DESIRED_BYTES} bytes").into();
            return Err(DesiredError { line: 1, reason });
        }
        toml::from_str(text).map_err(|error| readable(text, &error))
    }

    /// The TOML form. It holds the hashes of passwords: keep it as secret as the data folder.
    ///
    /// # Errors
    /// A value has no TOML form; none that the records give out has.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string(self)
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// The error without the line that it is about, which may hold a password.
fn readable(text: &str, error: &toml::de::Error) -> DesiredError {
    let start = error.span().map_or(0, |span| span.start);
    let before = text.get(..start).unwrap_or_default();
    let line = 1 + before.bytes().filter(|byte| *byte == b'\n').count();
    let message = error.message();
    // "invalid type: string "secret", expected a boolean": what was found stays untold.
    let told = match message.split_once(", expected ") {
        Some((found, expected)) if found.starts_with("invalid") => format!("expected {expected}"),
        _ => message.to_owned(),
    };
    let on_line = before.rsplit('\n').next().unwrap_or_default();
    let reason = match on_line.split_once('=') {
        Some((key, _)) => format!("{}: {told}", key.trim()),
        None => told,
    };
    DesiredError {
        line,
        reason: reason.into(),
    }
}

impl DesiredDevice {
    /// How it is to prove who it is; `None`: as before.
    pub(crate) fn secret(&self) -> Result<Option<Secret>, InvalidDevice> {
        match (&self.password, &self.ha1) {
            (Some(_), Some(_)) => Err(InvalidDevice::TwoSecrets),
            (Some(password), None) => Ok(Some(Secret::Password(password.0.clone()))),
            (None, Some(hashes)) => Ok(Some(Secret::Hashes {
                realm: hashes.realm.clone(),
                ha1: Ha1::from(hashes),
            })),
            (None, None) => Ok(None),
        }
    }
}

impl From<StoredDevice> for DesiredDevice {
    fn from(stored: StoredDevice) -> DesiredDevice {
        let device = stored.device;
        DesiredDevice {
            user: device.user,
            name: device.name,
            numbers: device.numbers,
            direct_media: device.direct_media,
            encryption: device.encryption,
            media_transport: device.media_transport,
            password: None,
            ha1: Some(DesiredHashes::new(stored.realm, &device.ha1)),
        }
    }
}
