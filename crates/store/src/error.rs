//! What can go wrong with records, by whose turn it is to act. No error carries a secret.

use std::path::PathBuf;

use fernamt_numbering::E164;

use crate::csv::CsvError;
use crate::desired::DesiredError;
use crate::folder::FolderError;

/// Why the store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A device with this user name exists already.
    #[error("there is already a device {user:?}; change it, or choose another user name")]
    DeviceExists {
        /// The user name.
        user: Box<str>,
    },
    /// No device has this user name.
    #[error("there is no device {user:?}; `fernamt device list` shows all")]
    NoSuchDevice {
        /// The user name.
        user: Box<str>,
    },
    /// A number belongs to another device.
    #[error("the number {number} already belongs to device {holder:?}; take it from there first")]
    NumberTaken {
        /// The number.
        number: E164,
        /// User name of the device that has it.
        holder: Box<str>,
    },
    /// A value that is no sensible one.
    #[error("device {user:?}: {reason}")]
    InvalidDevice {
        /// The user name as given, cut at the limit.
        user: Box<str>,
        /// What is wrong with it.
        reason: InvalidDevice,
    },
    /// A setting cannot have this value.
    #[error("setting {key}: {reason}")]
    InvalidSetting {
        /// The setting.
        key: &'static str,
        /// What is wrong with the value.
        reason: Box<str>,
    },
    /// The table of devices is full.
    #[error("there may be at most {limit} devices")]
    TooManyDevices {
        /// The limit.
        limit: u64,
    },
    /// A list of devices in CSV form is wrong.
    #[error(transparent)]
    Csv(#[from] CsvError),
    /// A description of the desired state is wrong.
    #[error(transparent)]
    Desired(#[from] DesiredError),
    /// The data folder is not usable.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The database file is damaged.
    #[error(
        "the database {} is damaged ({detail}). It has been left as it is. Keep a copy of the \
         folder, then either put a backup of the file in its place, or recover what can be read \
         with `sqlite3 {} .recover | sqlite3 recovered.db` and put that in its place",
        file.display(), file.display()
    )]
    Corrupt {
        /// The file.
        file: PathBuf,
        /// What was found.
        detail: Box<str>,
    },
    /// The database was written by a newer program.
    #[error(
        "the database {} has schema version {found}, but this program knows only up to {known}: \
         a newer fernamt has used it. Run that version again, or a newer one",
        file.display()
    )]
    NewerSchema {
        /// The file.
        file: PathBuf,
        /// Version of the file.
        found: i64,
        /// Newest version that this program knows.
        known: i64,
    },
    /// The journal of calls was written by a newer program.
    #[error(
        "{} has version {version}, which this program does not know: a newer fernamt has written \
         it. Run that version again, or a newer one",
        file.display()
    )]
    NewerJournal {
        /// The file.
        file: PathBuf,
        /// Its version.
        version: u32,
    },
    /// Something could not be written and is kept until it can.
    #[error("not everything could be written yet: {reason}; it is kept and tried again")]
    NotYetWritten {
        /// Why.
        reason: Box<str>,
    },
    /// There is no space left.
    #[error("no space is left for {}; free some on that file system", file.display())]
    DiskFull {
        /// The file that could not grow.
        file: PathBuf,
    },
    /// Another program holds the database for too long.
    #[error("the database {} is held by another program; try again", file.display())]
    Busy {
        /// The file.
        file: PathBuf,
    },
    /// The file may be read but not written, or not even read.
    #[error("the database {} cannot be opened for writing; check owner and permissions", file.display())]
    NotWritable {
        /// The file.
        file: PathBuf,
    },
    /// A value in the database is not what this program has written.
    #[error("the database holds a {what} that cannot be read: {detail}")]
    Unreadable {
        /// What kind of value.
        what: &'static str,
        /// Which one and why.
        detail: Box<str>,
    },
    /// Anything else the database says.
    #[error("the database {}: {source}", file.display())]
    Database {
        /// The file.
        file: PathBuf,
        /// What it says.
        source: Box<sqlx::Error>,
    },
    /// A thread could not be started or a file not be read.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: Box<str>,
        /// Why it failed.
        source: std::io::Error,
    },
}

/// What is wrong with a device.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDevice {
    /// The text is empty.
    #[error("the {field} is empty")]
    Empty {
        /// Which text.
        field: &'static str,
    },
    /// The text is too long.
    #[error("the {field} is longer than {limit} bytes")]
    TooLong {
        /// Which text.
        field: &'static str,
        /// How long it may be, in bytes.
        limit: usize,
    },
    /// A control character (line feed, NUL, …) stands in the text.
    #[error("the {field} contains a control character")]
    ControlCharacter {
        /// Which text.
        field: &'static str,
    },
    /// Too many numbers.
    #[error("it has more than {limit} numbers")]
    TooManyNumbers {
        /// How many are allowed.
        limit: usize,
    },
    /// The same number twice.
    #[error("the number {number} is given twice")]
    RepeatedNumber {
        /// The number.
        number: E164,
    },
    /// The same user name twice in one description.
    #[error("it is described twice")]
    Repeated,
    /// A new device without a password.
    #[error("it is new and needs a password")]
    NoSecret,
    /// A password and hashes of one.
    #[error("it has a password and hashes (ha1); give one of them")]
    TwoSecrets,
    /// Hashes that were made for another realm.
    #[error(
        "its hashes are for the realm {found:?}, but the realm is {expected:?}; give a password"
    )]
    OtherRealm {
        /// The realm of the hashes.
        found: Box<str>,
        /// The realm setting.
        expected: Box<str>,
    },
}
