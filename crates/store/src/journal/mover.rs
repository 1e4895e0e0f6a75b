//! The mover: carries closed calls from the journal into the database, many at a time. One thread of
//! its own, apart from the writer, which must never wait for the database.
//!
//! It is a reader of the same files that a start after a crash reads, from the same position, which
//! the database keeps. That is why a call arrives exactly once: the position moves in the transaction
//! that adds the calls before it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;
use tokio::runtime::Runtime;

use super::progress::{Progress, Readable};
use super::record::{self, Record};
use super::segment::{HEADER_BYTES, Item, Position, SegmentReader, Unreadable};
use crate::error::StoreError;
use crate::folder::DataFolder;
use crate::records::call::{CallTables, ClosedCall};
use crate::records::database::{self, Failure};

/// How long the end of a call may wait for others, so that they share a transaction. It is safe in the
/// journal meanwhile, and who asks for call records has it moved at once. The keys of a call go to
/// random places of the newest bucket: a larger transaction writes each of these pages for more calls.
const DELAY: Duration = Duration::from_secs(4);

/// How long to wait after a failure.
const RETRY: Duration = Duration::from_secs(1);

/// How many calls go into one transaction at most.
const MAX_CALLS: usize = 4_096;

/// The database as the mover uses it.
#[derive(Debug)]
pub(super) struct Mover {
    runtime: Runtime,
    file: PathBuf,
    connection: Option<SqliteConnection>,
    tables: CallTables,
    /// The folder of the journal.
    folder: PathBuf,
    /// Whether the last attempt failed, so that a trouble is said once.
    in_trouble: bool,
}

impl Mover {
    pub(super) fn new(file: PathBuf, folder: PathBuf) -> Result<Mover, StoreError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .map_err(|source| StoreError::System {
                what: "starting the mover".into(),
                source,
            })?;
        let tables = CallTables::new();
        Ok(Mover {
            runtime,
            file,
            connection: None,
            tables,
            folder,
            in_trouble: false,
        })
    }

    /// Brings the schema of the database up to date.
    pub(super) fn prepare(&self, folder: &DataFolder) -> Result<(), StoreError> {
        self.runtime.block_on(database::prepare(folder))
    }

    /// Looks for damage in the database.
    pub(super) fn check(&mut self) -> Result<(), StoreError> {
        let Mover {
            runtime,
            connection,
            file,
            ..
        } = self;
        runtime.block_on(async {
            let connection = connected(connection, file).await?;
            let checked = database::check(connection, file).await;
            checked.map_err(|failure| database::named(file, failure))
        })
    }

    /// Up to where closed calls have been moved.
    pub(super) fn position(&mut self) -> Result<Position, StoreError> {
        let Mover {
            runtime,
            connection,
            file,
            ..
        } = self;
        runtime.block_on(async {
            let connection = connected(connection, file).await?;
            let position = read_position(connection).await;
            position.map_err(|failure| database::named(file, failure))
        })
    }

    /// Works until the writer says stop and everything is moved that can be.
    pub(super) fn run(mut self, progress: &Progress) {
        let mut delay = DELAY;
        loop {
            let errand = progress.wait_for_work(delay);
            let result = self.move_all(progress);
            let reply = result
                .as_ref()
                .map(|_| ())
                .map_err(|error| error.to_string().into());
            for flush in errand.flushes {
                // Whoever asked may have gone.
                let _ = flush.send(reply.clone());
            }
            delay = if result.is_ok() { DELAY } else { RETRY };
            self.tell(result);
            if errand.stop {
                self.close();
                return;
            }
        }
    }

    fn tell(&mut self, result: Result<u64, StoreError>) {
        match result {
            Ok(_) if self.in_trouble => {
                tracing::info!("call records go into the database again");
                self.in_trouble = false;
            }
            Ok(_) => {}
            Err(error) if !self.in_trouble => {
                tracing::error!(%error, "call records cannot go into the database; they stay in the journal");
                self.in_trouble = true;
            }
            Err(_) => {}
        }
    }

    /// Moves everything that is on disk; says how many calls.
    pub(super) fn move_all(&mut self, progress: &Progress) -> Result<u64, StoreError> {
        let mut calls = 0;
        while let (from, Some(segment), next) = progress.next_segment() {
            let from = if from.segment == segment.id.number {
                from.offset
            } else {
                0
            };
            let found = self.collect(progress, segment, from)?;
            let end = match next {
                // Nothing more will be written into this one.
                Some(next) if found.at_end => Position {
                    segment: next.id.number,
                    offset: 0,
                },
                _ => Position {
                    segment: segment.id.number,
                    offset: found.offset,
                },
            };
            if !found.calls.is_empty() {
                self.add(found.calls, end)?;
            }
            calls += found.count;
            progress.moved(end, found.count);
            if found.at_end && next.is_none() {
                break;
            }
        }
        Ok(calls)
    }

    fn collect(
        &self,
        progress: &Progress,
        segment: Readable,
        from: u64,
    ) -> Result<Collected, StoreError> {
        let path = segment.id.path(&self.folder);
        let failed = |source| StoreError::System {
            what: format!("reading {}", path.display()).into(),
            source,
        };
        // Behind the last record there is nothing to open the file for.
        if from.max(HEADER_BYTES as u64) >= segment.length {
            return Ok(Collected {
                calls: Vec::new(),
                count: 0,
                offset: from,
                at_end: true,
            });
        }
        let mut reader = SegmentReader::open(&self.folder, segment.id, from, segment.length)
            .map_err(|error| match error {
                Unreadable::Io(source) => failed(source),
                Unreadable::Newer(version) => StoreError::NewerJournal {
                    file: path.clone(),
                    version,
                },
            })?;
        let mut found = Collected::default();
        while found.calls.len() < MAX_CALLS {
            match reader.next_item().map_err(failed)? {
                Some(Item::Record { payload, .. }) => {
                    if let Some(Record::Closed { call, body }) = record::read(payload) {
                        found.count += 1;
                        match record::read_closed(body) {
                            Ok(closed) => found.calls.push(closed),
                            Err(error) => {
                                tracing::error!(
                                    %call, %error, file = %path.display(),
                                    "the record of a call cannot be read; the file is kept"
                                );
                                progress.mark_damaged(segment.id);
                            }
                        }
                    }
                }
                Some(Item::Damaged { .. }) => {}
                None => {
                    found.at_end = true;
                    break;
                }
            }
        }
        found.offset = reader.place();
        Ok(found)
    }

    fn add(&mut self, calls: Vec<ClosedCall>, end: Position) -> Result<(), StoreError> {
        let Mover {
            runtime,
            connection,
            file,
            tables,
            ..
        } = self;
        let result = runtime.block_on(async {
            let connection = connected(connection, file).await?;
            let added = add(connection, tables, calls, end).await;
            added.map_err(|failure| database::named(file, failure))
        });
        if result.is_err() {
            // Whatever state it is in, the next attempt begins with a new one.
            self.close();
        }
        result
    }

    pub(super) fn close(&mut self) {
        if let Some(connection) = self.connection.take() {
            // What was committed is on disk, whether this succeeds or not.
            let _ = self.runtime.block_on(connection.close());
        }
    }
}

#[derive(Debug, Default)]
struct Collected {
    calls: Vec<ClosedCall>,
    /// With those that cannot be read.
    count: u64,
    /// Where to go on.
    offset: u64,
    /// There is nothing more in the segment at the moment.
    at_end: bool,
}

async fn connected<'a>(
    connection: &'a mut Option<SqliteConnection>,
    file: &Path,
) -> Result<&'a mut SqliteConnection, StoreError> {
    match connection.take() {
        Some(present) => Ok(connection.insert(present)),
        None => Ok(connection.insert(database::connect(file).await?)),
    }
}

async fn add(
    connection: &mut SqliteConnection,
    tables: &CallTables,
    calls: Vec<ClosedCall>,
    end: Position,
) -> Result<(), Failure> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    tables.add(&mut transaction, calls).await?;
    sqlx::query("UPDATE journal_position SET segment = $1, offset_bytes = $2 WHERE id = 1")
        .bind(end.segment.cast_signed())
        .bind(end.offset.cast_signed())
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(())
}

async fn read_position(connection: &mut SqliteConnection) -> Result<Position, Failure> {
    let sql = "SELECT segment, offset_bytes FROM journal_position WHERE id = 1";
    let (segment, offset): (i64, i64) = sqlx::query_as(sql).fetch_one(connection).await?;
    Ok(Position {
        segment: segment.cast_unsigned(),
        offset: offset.cast_unsigned(),
    })
}
