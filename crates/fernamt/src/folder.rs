//! Which data folder a command works in, and the way into it: the records, and the exchange that
//! runs beside. What is inside is the store's business.

use std::future::Future;
use std::path::{Path, PathBuf};

use fernamt_node::control::{Client, ControlError, Request, Response};
use fernamt_store::error::StoreError;
use fernamt_store::folder::FolderError;
use fernamt_store::journal::settle;
use fernamt_store::{DataFolder, Records};
use tokio::runtime::Runtime;

use crate::exit::{Exit, ExitWith as _, Failure};
use crate::output;

/// Where the data folder is said to be.
#[derive(Debug)]
pub(crate) struct Location {
    chosen: Option<PathBuf>,
}

/// An open data folder.
pub(crate) struct Office {
    runtime: Runtime,
    folder: DataFolder,
    records: Records,
}

impl Location {
    /// From the command line, where it says so.
    pub(crate) fn new(chosen: Option<PathBuf>) -> Location {
        Location { chosen }
    }

    /// The folder's path; it need not exist.
    ///
    /// # Errors
    /// When neither the line nor the surroundings lead to one.
    pub(crate) fn path(&self) -> Result<PathBuf, Failure> {
        match &self.chosen {
            Some(path) => Ok(path.clone()),
            None => DataFolder::default_location().exit_with(Exit::Usage),
        }
    }

    /// Opens the folder to read or to change what is there.
    ///
    /// # Errors
    /// There is none, or it cannot be used.
    pub(crate) fn open(&self) -> Result<Office, Failure> {
        let path = self.path()?;
        if !path.exists() {
            return Err(Failure::new(
                Exit::NotFound,
                format!(
                    "there is no data folder {}; `fernamt serve` and `fernamt device add` make \
                     one, or name another with --data",
                    shown(&path)
                ),
            ));
        }
        Office::open(path)
    }

    /// Opens the folder and creates it where it is missing.
    ///
    /// # Errors
    /// It cannot be made or used.
    pub(crate) fn open_or_create(&self) -> Result<Office, Failure> {
        Office::open(self.path()?)
    }

    /// The exchange that runs in the folder.
    ///
    /// # Errors
    /// [`Exit::NotRunning`] when there is none.
    pub(crate) fn exchange(&self) -> Result<Client, Failure> {
        Client::connect(&self.path()?).map_err(of_control)
    }

    /// The same; `None` when none is running.
    ///
    /// # Errors
    /// When it does not answer.
    pub(crate) fn exchange_if_running(&self) -> Result<Option<Client>, Failure> {
        match Client::connect(&self.path()?) {
            Ok(client) => Ok(Some(client)),
            Err(ControlError::NotRunning(_)) => Ok(None),
            Err(error) => Err(of_control(error)),
        }
    }
}

impl Office {
    fn open(path: PathBuf) -> Result<Office, Failure> {
        let folder = DataFolder::open(path).map_err(of_folder)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let records = runtime.block_on(Records::open(&folder)).map_err(of_store)?;
        Ok(Office {
            runtime,
            folder,
            records,
        })
    }

    /// The records, for one question or change.
    ///
    /// # Errors
    /// What the records say, with the exit code that belongs to it.
    pub(crate) fn ask<'a, T, F>(
        &'a self,
        question: impl FnOnce(&'a Records) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, StoreError>> + 'a,
    {
        self.runtime
            .block_on(question(&self.records))
            .map_err(of_store)
    }

    /// Brings the records of calls that are over into the database, so that all can be seen.
    ///
    /// # Errors
    /// The running exchange does not answer, or the journal cannot be read.
    pub(crate) fn settle_calls(&self) -> Result<(), Failure> {
        match Client::connect(self.folder.path()) {
            Ok(mut exchange) => exchange
                .order(&Request::Flush)
                .map(|_| ())
                .map_err(of_control),
            Err(ControlError::NotRunning(_)) => settle(&self.folder).map(|_| ()).map_err(of_store),
            Err(error) => Err(of_control(error)),
        }
    }

    /// Tells the running exchange that devices have changed; without one there is nobody to tell.
    pub(crate) fn tell_exchange(&self) {
        let told = Client::connect(self.folder.path())
            .and_then(|mut exchange| exchange.order(&Request::Reload));
        match told {
            Ok(_) | Err(ControlError::NotRunning(_)) => {}
            // It looks at the records by itself as well.
            Err(error) => output::remark(&format!("fernamt: the change is made, but {error}")),
        }
    }
}

/// All items of a listing of the running exchange.
///
/// # Errors
/// It refuses or does not answer.
pub(crate) fn list(exchange: &mut Client, request: &Request) -> Result<Vec<Response>, Failure> {
    exchange.list(request).map_err(of_control)
}

/// An error of the store, with its exit code.
pub(crate) fn of_store(error: StoreError) -> Failure {
    let exit = match &error {
        StoreError::DeviceExists { .. } | StoreError::NumberTaken { .. } => Exit::Taken,
        StoreError::NoSuchDevice { .. } => Exit::NotFound,
        StoreError::InvalidDevice { .. }
        | StoreError::InvalidSetting { .. }
        | StoreError::TooManyDevices { .. }
        | StoreError::Csv(_)
        | StoreError::Desired(_) => Exit::BadInput,
        StoreError::Folder(FolderError::InUse { .. }) => Exit::Taken,
        _ => Exit::Failed,
    };
    Failure::new(exit, error)
}

/// An error of the data folder, with its exit code.
pub(crate) fn of_folder(error: FolderError) -> Failure {
    of_store(StoreError::Folder(error))
}

/// An error of the control socket, with its exit code.
pub(crate) fn of_control(error: ControlError) -> Failure {
    let exit = match &error {
        ControlError::NotRunning(_) => Exit::NotRunning,
        _ => Exit::Failed,
    };
    Failure::new(exit, error)
}

/// A path as it is shown in a sentence.
pub(crate) fn shown(path: &Path) -> String {
    output::safe(&path.to_string_lossy())
}
