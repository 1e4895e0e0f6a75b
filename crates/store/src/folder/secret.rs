//! The installation's random bytes on disk. What they are used for is decided elsewhere.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use super::FolderError;

/// How many bytes.
pub(super) const LENGTH: usize = 32;

pub(super) fn read_or_make(folder: &Path) -> Result<[u8; LENGTH], FolderError> {
    let path = folder.join("secret");
    loop {
        match File::open(&path) {
            Ok(file) => return read(&path, file),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                make(folder, &path).map_err(|error| FolderError::from_io(&path, error))?;
            }
            Err(error) => return Err(FolderError::from_io(&path, error)),
        }
    }
}

fn read(path: &Path, file: File) -> Result<[u8; LENGTH], FolderError> {
    let failed = |error| FolderError::from_io(path, error);
    let mode = file.metadata().map_err(failed)?.permissions().mode();
    if mode & 0o077 != 0 {
        tracing::warn!(file = %path.display(), "the secret was readable by others; now it is not");
        file.set_permissions(fs::Permissions::from_mode(0o600))
            .map_err(failed)?;
    }
    let mut bytes = Vec::with_capacity(LENGTH + 1);
    file.take(LENGTH as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    bytes.try_into().map_err(|_| FolderError::BadSecret {
        path: path.to_owned(),
    })
}

/// Makes the file whole before it gets its name, so that nobody ever sees half of it, and so that of
/// two programs that start together one wins and both read the same.
fn make(folder: &Path, path: &Path) -> io::Result<()> {
    let mut bytes = [0; LENGTH];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    let draft = folder.join(format!("secret.{}", std::process::id()));
    let written = write_draft(&draft, &bytes).and_then(|()| match fs::hard_link(&draft, path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    });
    let removed = fs::remove_file(&draft);
    written?;
    removed?;
    File::open(folder)?.sync_all()
}

fn write_draft(draft: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(draft)?;
    file.write_all(bytes)?;
    file.sync_all()
}
