//! The directory that the shards look into, kept as the records say.

use std::path::Path;

use fernamt_exchange::directory::Directory;
use fernamt_store::StoreError;
use fernamt_store::records::{Records, Revision, Setting};

use crate::error::NodeError;
use crate::services::NodeServices;

/// The realm where neither the configuration nor the records name one.
const DEFAULT_REALM: &str = "fernamt";

/// The realm that holds: the one that is configured, which must fit the hashes of the records; or
/// else that of the records.
pub(crate) async fn realm(records: &Records, configured: &str) -> Result<Box<str>, StoreError> {
    let recorded = records.realm().await?;
    if configured == DEFAULT_REALM || configured == &*recorded {
        return Ok(recorded);
    }
    records.set(Setting::Realm, configured).await?;
    Ok(configured.into())
}

/// All devices.
pub(crate) async fn load(records: &Records) -> Result<(Directory, Revision), StoreError> {
    let changes = records.devices_changed_since(Revision::default()).await?;
    let mut directory = Directory::default();
    for stored in changes.changed {
        directory.insert(stored.device);
    }
    Ok((directory, changes.revision))
}

/// Takes over what has changed since `since`; the new revision and how many devices changed.
pub(crate) async fn reload(
    records: &Records,
    since: Revision,
    services: &NodeServices,
) -> Result<(Revision, u64), StoreError> {
    if records.revision().await? == since {
        return Ok((since, 0));
    }
    let changes = records.devices_changed_since(since).await?;
    let count = changes.changed.len() + changes.removed.len();
    let mut removed = changes.removed;
    if changes.complete {
        let mut directory = Directory::default();
        for stored in changes.changed {
            directory.insert(stored.device);
        }
        let before = std::mem::replace(&mut *services.directory_mut(), directory);
        let now = services.directory();
        let gone = before
            .devices()
            .filter(|device| now.device(&device.user).is_none());
        removed.extend(gone.map(|device| device.user.clone()));
    } else {
        // A lock for each: a shard never waits for a long import.
        for user in &removed {
            services.directory_mut().remove(user);
        }
        for stored in changes.changed {
            services.directory_mut().insert(stored.device);
        }
    }
    for user in &removed {
        services.locations.forget(user);
    }
    Ok((changes.revision, count as u64))
}

/// The error of a data folder that cannot be used.
pub(crate) fn data_error(folder: &Path, error: impl ToString) -> NodeError {
    NodeError::Data {
        folder: folder.to_path_buf(),
        problem: error.to_string(),
    }
}
