//! Where the data folder is when nobody names one (XDG base directories, systemd). No file is made.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::FolderError;

/// The folder of the installed service.
const SERVICE_FOLDER: &str = "/var/lib/fernamt";

/// What the location depends on.
#[derive(Debug, Default)]
pub(super) struct Surroundings {
    /// `$FERNAMT_DATA`.
    pub(super) named: Option<OsString>,
    /// `$STATE_DIRECTORY`, set by systemd for a unit with `StateDirectory=`.
    pub(super) state_directory: Option<OsString>,
    /// Whether root runs the program on a machine where the service's folder exists.
    pub(super) root_of_a_service: bool,
    /// `$XDG_DATA_HOME`.
    pub(super) xdg_data_home: Option<OsString>,
    /// `$HOME`.
    pub(super) home: Option<OsString>,
}

impl Surroundings {
    pub(super) fn of_this_process() -> Surroundings {
        let variable = |name| env::var_os(name).filter(|value| !value.is_empty());
        Surroundings {
            named: variable("FERNAMT_DATA"),
            state_directory: variable("STATE_DIRECTORY"),
            root_of_a_service: rustix::process::geteuid().is_root()
                && Path::new(SERVICE_FOLDER).is_dir(),
            xdg_data_home: variable("XDG_DATA_HOME"),
            home: variable("HOME"),
        }
    }

    pub(super) fn data_folder(self) -> Result<PathBuf, FolderError> {
        if let Some(named) = self.named {
            return Ok(named.into());
        }
        // Several folders may stand there, with colons between; the first is the main one.
        if let Some(first) = self
            .state_directory
            .as_ref()
            .and_then(|all| env::split_paths(all).next())
        {
            return Ok(first);
        }
        if self.root_of_a_service {
            return Ok(SERVICE_FOLDER.into());
        }
        // The XDG specification has relative paths ignored.
        let xdg = self
            .xdg_data_home
            .map(PathBuf::from)
            .filter(|path| path.is_absolute());
        let base = match xdg {
            Some(base) => base,
            None => PathBuf::from(self.home.ok_or(FolderError::NoLocation)?).join(".local/share"),
        };
        Ok(base.join("fernamt"))
    }
}
