//! Registrations in the database: what the write-behind thread writes and what is read at start.

use fernamt_exchange::registrar::{Binding, BindingsOf};
use fernamt_sip::time::UnixTime;
use sqlx::Arguments;
use sqlx::sqlite::SqliteConnection;
use std::sync::Arc;

use super::bulk::Bulk;
use super::database::Failure;
use crate::payload;

/// The bindings of one device as they are written.
#[derive(Debug)]
pub(crate) struct BindingRow {
    pub(crate) user: Box<str>,
    /// When the last one ends.
    pub(crate) expires: UnixTime,
    pub(crate) encoded: Vec<u8>,
}

/// The statements by which bindings are written; made once, used for every batch.
#[derive(Debug)]
pub(crate) struct BindingTable {
    rows: Bulk,
}

impl BindingTable {
    pub(crate) fn new() -> BindingTable {
        let head = "INSERT INTO binding (user_name, expires, bindings)";
        let tail = " ON CONFLICT (user_name) DO UPDATE SET expires = excluded.expires, \
                    bindings = excluded.bindings";
        BindingTable {
            rows: Bulk::new(head, 3, tail),
        }
    }

    /// Writes rows, in the order of their users so that neighbours share a page.
    pub(crate) async fn write(
        &self,
        connection: &mut SqliteConnection,
        rows: Vec<BindingRow>,
    ) -> Result<(), Failure> {
        self.rows
            .insert(connection, rows, |arguments, row| {
                arguments.add(String::from(row.user))?;
                arguments.add(row.expires.as_micros())?;
                arguments.add(row.encoded)
            })
            .await?;
        Ok(())
    }
}

pub(crate) async fn forget(connection: &mut SqliteConnection, user: &str) -> Result<(), Failure> {
    let delete = sqlx::query("DELETE FROM binding WHERE user_name = $1").bind(user);
    delete.execute(connection).await?;
    Ok(())
}

/// Removes rows of which every binding has ended.
pub(crate) async fn forget_ended(
    connection: &mut SqliteConnection,
    now: UnixTime,
) -> Result<(), Failure> {
    let delete = sqlx::query("DELETE FROM binding WHERE expires <= $1").bind(now.as_micros());
    delete.execute(connection).await?;
    Ok(())
}

/// The bindings that have not ended.
pub(crate) async fn all(
    connection: &mut SqliteConnection,
    now: UnixTime,
) -> Result<Vec<BindingsOf>, Failure> {
    let sql = "SELECT user_name, bindings FROM binding WHERE expires > $1 ORDER BY user_name";
    let rows: Vec<(Box<str>, Vec<u8>)> = sqlx::query_as(sql)
        .bind(now.as_micros())
        .fetch_all(connection)
        .await?;
    Ok(rows
        .into_iter()
        .filter_map(|(user, encoded)| decoded(user, &encoded, now))
        .collect())
}

/// A registration that cannot be read is worth a line in the log, not a telephone system that does
/// not start: its phone registers again.
fn decoded(user: Box<str>, encoded: &[u8], now: UnixTime) -> Option<BindingsOf> {
    let bindings: Vec<Arc<Binding>> = match payload::decode_bindings(encoded) {
        Ok(bindings) => bindings,
        Err(error) => {
            tracing::warn!(%user, %error, "a stored registration cannot be read; it is left out");
            return None;
        }
    };
    let bindings: Vec<_> = bindings
        .into_iter()
        .filter(|binding| binding.expires > now)
        .collect();
    (!bindings.is_empty()).then_some(BindingsOf { user, bindings })
}
