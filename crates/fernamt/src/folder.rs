//! Which data folder a command works in. Not what is inside: that is the store's.

use std::env;
use std::path::{Path, PathBuf};

use crate::exit::{Exit, Failure};

/// Where the data folder is said to be.
#[derive(Debug)]
pub(crate) struct Location {
    chosen: Option<PathBuf>,
}

impl Location {
    /// From the command line or the environment, where one of them says so.
    pub(crate) fn new(chosen: Option<PathBuf>) -> Location {
        Location { chosen }
    }

    /// The folder's path; it need not exist.
    ///
    /// # Errors
    /// When neither the line nor the environment leads to one.
    pub(crate) fn path(&self) -> Result<PathBuf, Failure> {
        if let Some(path) = &self.chosen {
            return Ok(path.clone());
        }
        // The XDG specification: a relative path in the variable is to be ignored.
        let data_home = env::var_os("XDG_DATA_HOME")
            .map(PathBuf::from)
            .filter(|p| p.is_absolute());
        let home = env::var_os("HOME")
            .map(PathBuf::from)
            .filter(|path| path.is_absolute());
        data_home
            .or_else(|| home.map(|home| home.join(".local/share")))
            .map(|base| base.join("fernamt"))
            .ok_or_else(|| {
                Failure::new(
                    Exit::Usage,
                    "which data folder? There is no home directory here; say it with --data DIR",
                )
            })
    }
}

/// A path as it is shown in a sentence.
pub(crate) fn shown(path: &Path) -> String {
    crate::output::safe(&path.to_string_lossy())
}
