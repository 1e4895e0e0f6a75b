//! The state that is wanted, as a TOML file: what `fernamt apply` reads and `fernamt export` writes.

use fernamt_numbering::E164;
use serde::{Deserialize, Serialize};

/// The largest description that is read, in bytes.
pub const MAX_DESIRED_BYTES: usize = 256 * 1024 * 1024;

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
#[serde(deny_unknown_fields)]
pub struct DesiredSettings {
    /// The digest realm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub realm: Option<Box<str>>,
}

/// A device as it is to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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
}

/// What is wrong with a description, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct DesiredError {
    /// The line, counted from 1; 0 when the whole file is meant.
    pub line: usize,
    /// What is wrong, naming the key.
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
        from: Option<Box<str>>,
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

impl Desired {
    /// Reads the TOML form.
    ///
    /// # Errors
    /// The first thing that is wrong, with its line and key.
    pub fn from_toml(text: &str) -> Result<Desired, DesiredError> {
        let _ = text;
        todo!()
    }

    /// The TOML form. It holds the hashes of passwords: keep it as secret as the data folder.
    pub fn to_toml(&self) -> String {
        todo!()
    }
}
