//! What has changed since a revision, so that a running exchange reloads only that.

use sqlx::sqlite::SqliteConnection;

use super::database::Failure;
use super::device::{self, StoredDevice};

/// How many devices are fetched at a time.
const FETCH: i64 = 5_000;

/// Counts changes of devices, numbers and settings; never goes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

/// What has become of devices since a revision.
#[derive(Clone, Debug, Default)]
pub struct DeviceChanges {
    /// Where the records are now; ask from here the next time.
    pub revision: Revision,
    /// These are all the devices there are: forget every other. Otherwise only what has changed.
    pub complete: bool,
    /// Devices added or changed.
    pub changed: Vec<StoredDevice>,
    /// User names of devices removed.
    pub removed: Vec<Box<str>>,
}

pub(super) async fn revision(connection: &mut SqliteConnection) -> Result<Revision, Failure> {
    let (value, _) = revision_row(connection).await?;
    Ok(Revision(value.unsigned_abs()))
}

async fn revision_row(connection: &mut SqliteConnection) -> Result<(i64, i64), Failure> {
    let sql = "SELECT value, forgotten FROM revision WHERE id = 1";
    Ok(sqlx::query_as(sql).fetch_one(connection).await?)
}

/// Must run in one snapshot.
pub(super) async fn since(
    connection: &mut SqliteConnection,
    since: Revision,
) -> Result<DeviceChanges, Failure> {
    let (value, forgotten) = revision_row(connection).await?;
    let since = i64::try_from(since.0).unwrap_or(i64::MAX);
    // From nothing, from before what is remembered, or from another database: everything.
    let complete = since == 0 || since < forgotten || since > value;
    let since = if complete { 0 } else { since };
    let removed = if complete {
        Vec::new()
    } else {
        removed_since(connection, since).await?
    };
    let changed = changed_since(connection, since).await?;
    Ok(DeviceChanges {
        revision: Revision(value.unsigned_abs()),
        complete,
        changed,
        removed,
    })
}

async fn changed_since(
    connection: &mut SqliteConnection,
    since: i64,
) -> Result<Vec<StoredDevice>, Failure> {
    let mut changed = Vec::new();
    let mut place = (since, i64::MAX);
    loop {
        let page = device::page_of_changes(connection, place, FETCH).await?;
        let Some(last) = page.last() else {
            return Ok(changed);
        };
        place = (last.revision, last.id);
        changed.extend(page.into_iter().map(|found| found.stored));
    }
}

async fn removed_since(
    connection: &mut SqliteConnection,
    since: i64,
) -> Result<Vec<Box<str>>, Failure> {
    // A device may have been added again under the name of a removed one.
    let sql = "SELECT user_name FROM removed_device r WHERE revision > $1 AND NOT EXISTS \
               (SELECT 1 FROM device d WHERE d.user_name = r.user_name)";
    Ok(sqlx::query_scalar(sql)
        .bind(since)
        .fetch_all(connection)
        .await?)
}
