//! Writing bindings to the database, on a thread of its own. What is due is decided in `backlog`.

use std::collections::HashMap;
use std::path::PathBuf;

use fernamt_exchange::registrar::BindingsOf;
use fernamt_sip::time::UnixTime;
use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;
use tokio::runtime::Runtime;

use super::backlog::{Backlog, Due};
use crate::clock;
use crate::error::StoreError;
use crate::folder::DataFolder;
use crate::payload;
use crate::records::binding::{self, BindingRow, BindingTable};
use crate::records::database::{self, Failure};

/// How many rows go into one transaction, so that nobody else waits long for the database.
const MAX_ROWS: usize = 5_000;

/// The database as the writer uses it.
#[derive(Debug)]
pub(super) struct Writer {
    runtime: Runtime,
    file: PathBuf,
    connection: Option<SqliteConnection>,
    table: BindingTable,
    backlog: Backlog,
    in_trouble: bool,
}

impl Writer {
    pub(super) fn open(folder: &DataFolder) -> Result<(Writer, Vec<BindingsOf>), StoreError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .map_err(|source| StoreError::System {
                what: "starting a thread".into(),
                source,
            })?;
        let (file, now) = (folder.database(), clock::now());
        let (connection, loaded) = runtime.block_on(async {
            database::prepare(folder).await?;
            let mut connection = database::connect(&file).await?;
            let loaded = binding::all(&mut connection, now).await;
            Ok::<_, StoreError>((
                connection,
                loaded.map_err(|error| database::named(&file, error))?,
            ))
        })?;
        let backlog = Backlog::new(&loaded, now);
        let (connection, table) = (Some(connection), BindingTable::new());
        Ok((
            Writer {
                runtime,
                file,
                connection,
                table,
                backlog,
                in_trouble: false,
            },
            loaded,
        ))
    }

    pub(super) fn has_backlog(&self) -> bool {
        !self.backlog.is_empty()
    }

    /// Takes changes and writes what is due, or everything.
    pub(super) fn write(
        &mut self,
        changes: HashMap<Box<str>, BindingsOf>,
        everything: bool,
    ) -> Result<(), StoreError> {
        changes
            .into_values()
            .for_each(|change| self.backlog.add(change));
        let now = clock::now();
        let due = self.backlog.due(now, everything);
        if due == Due::default() {
            return Ok(());
        }
        let Writer {
            runtime,
            connection,
            file,
            table,
            ..
        } = self;
        let result = runtime.block_on(async {
            let connection = match connection.take() {
                Some(present) => connection.insert(present),
                None => connection.insert(database::connect(file).await?),
            };
            let written = write_due(connection, table, &due, now).await;
            written.map_err(|failure| database::named(file, failure))
        });
        match result {
            Ok(()) => {
                due.changed
                    .iter()
                    .for_each(|change| self.backlog.wrote(change));
                due.forgotten
                    .iter()
                    .for_each(|user| self.backlog.forgot(user));
                Ok(())
            }
            Err(error) => {
                self.backlog.put_back(due);
                // Whatever state it is in, the next attempt begins with a new one.
                self.close();
                Err(error)
            }
        }
    }

    /// Says a trouble once, and its end.
    pub(super) fn tell(&mut self, result: Result<(), StoreError>) {
        match result {
            Ok(()) if self.in_trouble => {
                tracing::info!("registrations go into the database again");
                self.in_trouble = false;
            }
            Err(error) if !self.in_trouble => {
                tracing::error!(%error, "registrations cannot go into the database; a restart now would forget some");
                self.in_trouble = true;
            }
            _ => {}
        }
    }

    pub(super) fn close(&mut self) {
        if let Some(connection) = self.connection.take() {
            // What was committed is on disk, whether this succeeds or not.
            let _ = self.runtime.block_on(connection.close());
        }
    }
}

async fn write_due(
    connection: &mut SqliteConnection,
    table: &BindingTable,
    due: &Due,
    now: UnixTime,
) -> Result<(), Failure> {
    for chunk in due.changed.chunks(MAX_ROWS) {
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        table
            .write(&mut transaction, chunk.iter().filter_map(row).collect())
            .await?;
        transaction.commit().await?;
    }
    if due.sweep || !due.forgotten.is_empty() {
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        for user in &due.forgotten {
            binding::forget(&mut transaction, user).await?;
        }
        if due.sweep {
            binding::forget_ended(&mut transaction, now).await?;
        }
        transaction.commit().await?;
    }
    Ok(())
}

fn row(change: &BindingsOf) -> Option<BindingRow> {
    let mut encoded = Vec::with_capacity(256);
    if let Err(error) = payload::encode_bindings(&change.bindings, &mut encoded) {
        // There is no such value.
        tracing::error!(user = %change.user, %error, "a registration has no stored form");
        return None;
    }
    let expires = change
        .bindings
        .iter()
        .map(|binding| binding.expires)
        .max()?;
    Some(BindingRow {
        user: change.user.clone(),
        expires,
        encoded,
    })
}
