//! The SQLite file behind the records: opening it, its schema, its failures in our words. No tables.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{Connection, Sqlite};

use crate::error::StoreError;
use crate::folder::{DataFolder, FolderError};

static SCHEMA: Migrator = sqlx::migrate!("migrations/sqlite");

/// How every SQLite database begins.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// How many connections a process keeps for its records at most.
const MAX_CONNECTIONS: u32 = 4;

/// How long a writer waits for another one. Transactions take a fraction of a second.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Pages in the write-ahead log after which they are copied into the database (16 MiB): rare enough
/// that the pages that every batch touches are copied once for many batches.
const CHECKPOINT_PAGES: &str = "4096";

/// What a thread that only writes keeps of the database in memory (16 MiB): all pages that one batch
/// touches.
const WRITER_CACHE: &str = "-16384";

/// Databases up to this size are checked as a whole at start, larger ones in the tables without which
/// nothing works: reading tens of gigabytes would keep the telephones silent for minutes.
const MAX_WHOLE_CHECK_BYTES: u64 = 64 * 1024 * 1024;

/// The tables that are always checked.
const VITAL_CHECKS: [&str; 6] = [
    "PRAGMA quick_check(device)",
    "PRAGMA quick_check(number)",
    "PRAGMA quick_check(setting)",
    "PRAGMA quick_check(revision)",
    "PRAGMA quick_check(binding)",
    "PRAGMA quick_check(journal_position)",
];

/// A failure before it is known which file it is about.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The database says no.
    Sql(sqlx::Error),
    /// We say no.
    Store(StoreError),
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Failure {
        Failure::Sql(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        Failure::Store(error)
    }
}

/// The database of one folder.
#[derive(Clone, Debug)]
pub(crate) struct Database {
    pool: SqlitePool,
    file: Arc<Path>,
}

impl Database {
    pub(crate) async fn open(folder: &DataFolder) -> Result<Database, StoreError> {
        let file: Arc<Path> = folder.database().into();
        prepare(folder).await?;
        let pool = SqlitePoolOptions::new()
            .max_connections(MAX_CONNECTIONS)
            .connect_lazy_with(options(&file));
        Ok(Database { pool, file })
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }

    /// A connection for reading one thing.
    pub(crate) async fn connection(&self) -> Result<PoolConnection<Sqlite>, StoreError> {
        self.pool
            .acquire()
            .await
            .map_err(|error| self.named(error.into()))
    }

    /// A transaction that sees one state throughout.
    pub(crate) async fn snapshot(&self) -> Result<Transaction, StoreError> {
        self.begin("BEGIN").await
    }

    /// A transaction that writes; the only one at a time.
    pub(crate) async fn change(&self) -> Result<Transaction, StoreError> {
        self.begin("BEGIN IMMEDIATE").await
    }

    async fn begin(&self, statement: &'static str) -> Result<Transaction, StoreError> {
        let connection = self.connection().await?;
        let mut transaction = Transaction {
            connection,
            finished: false,
        };
        let begun = sqlx::query(statement).execute(&mut *transaction).await;
        begun.map_err(|error| self.named(error.into()))?;
        Ok(transaction)
    }

    /// Ends the transaction: with success, what it did is on disk; with a failure, undone.
    pub(crate) async fn finish<T>(
        &self,
        mut transaction: Transaction,
        done: Result<T, Failure>,
    ) -> Result<T, StoreError> {
        let value = done.map_err(|failure| self.named(failure))?;
        let committed = sqlx::query("COMMIT").execute(&mut *transaction).await;
        committed.map_err(|error| self.named(error.into()))?;
        transaction.finished = true;
        Ok(value)
    }

    pub(crate) fn named(&self, failure: Failure) -> StoreError {
        named(&self.file, failure)
    }

    pub(crate) async fn check(&self) -> Result<(), StoreError> {
        let mut connection = self.connection().await?;
        check(&mut connection, &self.file)
            .await
            .map_err(|failure| self.named(failure))
    }
}

/// A transaction, undone when dropped before [`Database::finish`].
///
/// Undoing is closing the connection. After some failures (a full disk, say) SQLite has undone the
/// transaction by itself, after others not, and a connection of which that is not known must not come
/// back into the pool.
#[derive(Debug)]
pub(crate) struct Transaction {
    connection: PoolConnection<Sqlite>,
    finished: bool,
}

impl Deref for Transaction {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.connection
    }
}

impl DerefMut for Transaction {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if !self.finished {
            self.connection.close_on_drop();
        }
    }
}

/// One connection of its own, for a thread that does nothing else. The schema must be up to date.
pub(crate) async fn connect(file: &Path) -> Result<SqliteConnection, StoreError> {
    let options = options(file).pragma("cache_size", WRITER_CACHE);
    let connected = SqliteConnection::connect_with(&options).await;
    connected.map_err(|error| named(file, error.into()))
}

/// Brings the folder's database up to date, where it is not.
///
/// # Errors
/// It is damaged, newer than the program, not writable, or the disk is full.
pub(crate) async fn prepare(folder: &DataFolder) -> Result<(), StoreError> {
    let file = folder.database();
    check_header(&file)?;
    let mut connection = connect(&file).await?;
    let version = applied_version(&mut connection, &file).await?;
    connection
        .close()
        .await
        .map_err(|error| named(&file, error.into()))?;
    if version == newest_version() {
        Ok(())
    } else {
        migrate_apart(folder).await
    }
}

/// Migrates on a thread of its own: it waits for a lock that another task of the same runtime may
/// hold, which must be able to go on.
async fn migrate_apart(folder: &DataFolder) -> Result<(), StoreError> {
    let failed = |source| StoreError::System {
        what: "changing the schema".into(),
        source,
    };
    let (tell, told) = tokio::sync::oneshot::channel();
    let folder = folder.clone();
    let work = move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        let done = runtime
            .map_err(failed)
            .and_then(|runtime| runtime.block_on(migrate(&folder)));
        // Whoever asked may have been cancelled; the schema is up to date all the same.
        drop(tell.send(done));
    };
    thread::Builder::new()
        .name("schema".to_owned())
        .spawn(work)
        .map_err(failed)?;
    told.await
        .unwrap_or_else(|_| Err(failed(io::Error::other("its thread has panicked"))))
}

async fn migrate(folder: &DataFolder) -> Result<(), StoreError> {
    let file = folder.database();
    // Two programs may start on a new folder at the same time; the second waits for the first.
    let _guard = lock_folder(folder)?;
    let mut connection = connect(&file).await?;
    let run = SCHEMA.run(&mut connection).await;
    run.map_err(|error| named(&file, migration_failure(error)))?;
    connection
        .close()
        .await
        .map_err(|error| named(&file, error.into()))
}

/// Makes the database as a program made it whose newest migration was this one.
#[cfg(test)]
pub(super) async fn make_old(folder: &DataFolder, version: i64) -> SqliteConnection {
    let known = SCHEMA
        .iter()
        .filter(|migration| migration.version <= version);
    let old = Migrator {
        migrations: known.cloned().collect::<Vec<_>>().into(),
        ..Migrator::DEFAULT
    };
    let mut connection = connect(&folder.database()).await.unwrap();
    old.run(&mut connection).await.unwrap();
    connection
}

fn options(file: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(file)
        .journal_mode(SqliteJournalMode::Wal)
        // A change that a person made, and a call record, must survive a power cut.
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
        .pragma("temp_store", "memory")
}

fn newest_version() -> i64 {
    SCHEMA
        .iter()
        .map(|migration| migration.version)
        .max()
        .unwrap_or(0)
}

async fn applied_version(
    connection: &mut SqliteConnection,
    file: &Path,
) -> Result<i64, StoreError> {
    let known = newest_version();
    let found = read_version(connection)
        .await
        .map_err(|failure| named(file, failure))?;
    if found > known {
        return Err(StoreError::NewerSchema {
            file: file.to_owned(),
            found,
            known,
        });
    }
    Ok(found)
}

async fn read_version(connection: &mut SqliteConnection) -> Result<i64, Failure> {
    let tables: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = '_sqlx_migrations'",
    )
    .fetch_one(&mut *connection)
    .await?;
    if tables == 0 {
        return Ok(0);
    }
    let version: Option<i64> = sqlx::query_scalar("SELECT MAX(version) FROM _sqlx_migrations")
        .fetch_one(connection)
        .await?;
    Ok(version.unwrap_or(0))
}

fn migration_failure(error: MigrateError) -> Failure {
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error.into(),
        other => sqlx::Error::from(other).into(),
    }
}

fn lock_folder(folder: &DataFolder) -> Result<File, StoreError> {
    let failed = |error| FolderError::from_io(folder.path(), error);
    let guard = File::open(folder.path()).map_err(failed)?;
    flock(&guard, FlockOperation::LockExclusive).map_err(|error| failed(error.into()))?;
    Ok(guard)
}

fn check_header(file: &Path) -> Result<(), StoreError> {
    let mut header = [0; MAGIC.len()];
    let read = File::open(file).and_then(|mut opened| {
        let length = opened.metadata()?.len();
        if length > 0 {
            opened.read_exact(&mut header).map(|()| length)
        } else {
            Ok(0)
        }
    });
    match read {
        Ok(0) => Ok(()),
        Ok(_) if header == *MAGIC => Ok(()),
        Err(error) if error.kind() != ErrorKind::UnexpectedEof => {
            Err(FolderError::from_io(file, error).into())
        }
        _ => Err(corrupt(file, "it does not begin like a database")),
    }
}

pub(crate) async fn check(connection: &mut SqliteConnection, file: &Path) -> Result<(), Failure> {
    let size = file.metadata().map_or(0, |metadata| metadata.len());
    let checks: &[&'static str] = if size <= MAX_WHOLE_CHECK_BYTES {
        &["PRAGMA quick_check(1)"]
    } else {
        &VITAL_CHECKS
    };
    for check in checks {
        let found: String = sqlx::query_scalar(*check)
            .fetch_one(&mut *connection)
            .await?;
        if found != "ok" {
            return Err(corrupt(file, &found).into());
        }
    }
    Ok(())
}

fn corrupt(file: &Path, detail: &str) -> StoreError {
    StoreError::Corrupt {
        file: file.to_owned(),
        detail: detail.into(),
    }
}

/// The failure in our words, about this file.
pub(crate) fn named(file: &Path, failure: Failure) -> StoreError {
    let error = match failure {
        Failure::Store(error) => return error,
        Failure::Sql(error) => error,
    };
    let file = || PathBuf::from(file);
    match result_code(&error) {
        Some(code::CORRUPT | code::NOT_A_DATABASE) => {
            let detail = error.to_string().into();
            StoreError::Corrupt {
                file: file(),
                detail,
            }
        }
        Some(code::FULL | code::NO_SHARED_MEMORY) => StoreError::DiskFull { file: file() },
        Some(code::BUSY | code::LOCKED) => StoreError::Busy { file: file() },
        Some(code::NO_PERMISSION | code::READ_ONLY | code::CANNOT_OPEN) => {
            StoreError::NotWritable { file: file() }
        }
        _ => StoreError::Database {
            file: file(),
            source: Box::new(error),
        },
    }
}

/// Result codes of SQLite (<https://www.sqlite.org/rescode.html>).
mod code {
    pub(super) const NO_PERMISSION: i32 = 3;
    pub(super) const BUSY: i32 = 5;
    pub(super) const LOCKED: i32 = 6;
    pub(super) const READ_ONLY: i32 = 8;
    pub(super) const CORRUPT: i32 = 11;
    pub(super) const FULL: i32 = 13;
    pub(super) const CANNOT_OPEN: i32 = 14;
    pub(super) const NOT_A_DATABASE: i32 = 26;
    /// The file that the processes share beside the write-ahead log cannot grow.
    pub(super) const NO_SHARED_MEMORY: i32 = 4874;
}

fn result_code(error: &sqlx::Error) -> Option<i32> {
    let extended: i32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(if extended == code::NO_SHARED_MEMORY {
        extended
    } else {
        extended & 0xff
    })
}
