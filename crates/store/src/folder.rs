//! The data folder: where everything that must outlive the process is. Not what is in the files.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, FlockOperation, access, flock};

mod location;
mod secret;
#[cfg(test)]
mod tests;

/// Why the data folder cannot be used. The person who started the program is to act.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Something else has the folder's name.
    #[error("{} is not a folder; choose another with --data, or move it away", path.display())]
    NotADirectory {
        /// Which path.
        path: PathBuf,
    },
    /// It may not be written.
    #[error("{} cannot be written by this user; change its owner, or choose another folder with --data", path.display())]
    NotWritable {
        /// Which path.
        path: PathBuf,
    },
    /// The file system is full.
    #[error("no space is left for {}; free some on that file system, or choose another folder with --data", path.display())]
    DiskFull {
        /// Which path.
        path: PathBuf,
    },
    /// An exchange already works on it.
    #[error("an exchange already runs on {} (process {}); stop it, or choose another folder with --data", path.display(), pid_text(.pid))]
    InUse {
        /// The folder.
        path: PathBuf,
        /// Its process, where known.
        pid: Option<u32>,
    },
    /// No folder was named and none can be derived.
    #[error("no data folder is known: neither FERNAMT_DATA nor HOME is set; name one with --data")]
    NoLocation,
    /// The file `secret` is not what was written into it.
    #[error("{} is damaged; delete it and a new one is made (phones will be asked for their password once more)", path.display())]
    BadSecret {
        /// The file.
        path: PathBuf,
    },
    /// Anything else the system says.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which path.
        path: PathBuf,
        /// What it says.
        source: std::io::Error,
    },
}

fn pid_text(pid: &Option<u32>) -> String {
    pid.map_or_else(|| "unknown".to_owned(), |pid| pid.to_string())
}

impl FolderError {
    /// The error for what the system said about `path`.
    pub(crate) fn from_io(path: &Path, source: io::Error) -> FolderError {
        let path = path.to_owned();
        match source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => FolderError::DiskFull { path },
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                FolderError::NotWritable { path }
            }
            ErrorKind::NotADirectory => FolderError::NotADirectory { path },
            _ => FolderError::Io { path, source },
        }
    }
}

/// A data folder that exists, is private to its owner and can be written.
#[derive(Clone, Debug)]
pub struct DataFolder {
    path: PathBuf,
}

/// Held by the one exchange that works on a folder; given up when dropped or when the process ends.
#[derive(Debug)]
pub struct ExchangeLock {
    /// The lock is the operating system's and hangs on this open file.
    _file: File,
}

impl DataFolder {
    /// Opens the folder; creates it, private to its owner (0700), with what belongs into it.
    ///
    /// # Errors
    /// [`FolderError`] says what is in the way.
    pub fn open(path: impl Into<PathBuf>) -> Result<DataFolder, FolderError> {
        let folder = DataFolder { path: path.into() };
        create_private(&folder.path)?;
        access(
            &folder.path,
            Access::WRITE_OK | Access::READ_OK | Access::EXEC_OK,
        )
        .map_err(|error| FolderError::from_io(&folder.path, error.into()))?;
        create_private(&folder.journal())?;
        create_private(&folder.tls())?;
        create_file(&folder.database())?;
        folder.secret()?;
        Ok(folder)
    }

    /// The folder when none is named: `$FERNAMT_DATA`; the folder that systemd gives
    /// (`$STATE_DIRECTORY`); for root `/var/lib/fernamt` where it exists;
    /// `$XDG_DATA_HOME/fernamt`; `~/.local/share/fernamt`.
    ///
    /// # Errors
    /// [`FolderError::NoLocation`].
    pub fn default_location() -> Result<PathBuf, FolderError> {
        location::Surroundings::of_this_process().data_folder()
    }

    /// Makes this process the one exchange of the folder.
    ///
    /// # Errors
    /// [`FolderError::InUse`] names the process that is it.
    pub fn lock(&self) -> Result<ExchangeLock, FolderError> {
        let path = self.path.join("lock");
        let mut file = create_file(&path)?;
        if let Err(error) = flock(&file, FlockOperation::NonBlockingLockExclusive) {
            if error != rustix::io::Errno::WOULDBLOCK {
                return Err(FolderError::from_io(&path, error.into()));
            }
            return Err(FolderError::InUse {
                path: self.path.clone(),
                pid: holder(&mut file),
            });
        }
        write_holder(&mut file).map_err(|error| FolderError::from_io(&path, error))?;
        Ok(ExchangeLock { _file: file })
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The database.
    pub fn database(&self) -> PathBuf {
        self.path.join("fernamt.db")
    }

    /// The folder of the journal of calls.
    pub fn journal(&self) -> PathBuf {
        self.path.join("journal")
    }

    /// The folder of certificates and keys.
    pub fn tls(&self) -> PathBuf {
        self.path.join("tls")
    }

    /// The socket by which commands reach the running exchange.
    pub fn control_socket(&self) -> PathBuf {
        self.path.join("control.sock")
    }

    /// 32 random bytes that belong to this installation, made at first start: key material for
    /// nonces and the like.
    ///
    /// # Errors
    /// The file cannot be read or is damaged.
    pub fn secret(&self) -> Result<[u8; secret::LENGTH], FolderError> {
        secret::read_or_make(&self.path)
    }
}

/// Creates a folder that only its owner can enter; leaves one that exists as it is.
fn create_private(path: &Path) -> Result<(), FolderError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => FolderError::NotADirectory {
                path: path.to_owned(),
            },
            _ => FolderError::from_io(path, error),
        })
}

/// Opens a file, creating it readable by its owner only. SQLite gives the files beside its database
/// the permissions of the database, so that creating this one privately covers all.
fn create_file(path: &Path) -> Result<File, FolderError> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(|error| FolderError::from_io(path, error))
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn write_holder(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}
