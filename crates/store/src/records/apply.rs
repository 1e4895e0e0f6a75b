//! Making the state what is wanted, and telling what is different. Inside one transaction.

use std::collections::{BTreeMap, HashSet};

use fernamt_numbering::E164;
use sqlx::sqlite::SqliteConnection;

use super::database::Failure;
use super::device::{self, DeviceUpdate, Found, NewDevice, StoredDevice, invalid};
use super::edit::{Edit, MAX_DEVICES};
use super::setting::{self, Setting};
use crate::desired::{Change, Desired, DesiredDevice, DesiredSettings};
use crate::error::{InvalidDevice, StoreError};

/// How many devices are fetched at a time.
const FETCH: i64 = 5_000;

/// Makes every change and says what it was. The caller commits, or does not.
pub(super) async fn apply(edit: &mut Edit<'_>, desired: &Desired) -> Result<Vec<Change>, Failure> {
    let mut changes = Vec::new();
    if let Some(settings) = &desired.settings {
        apply_settings(edit, settings, &mut changes).await?;
    }
    if let Some(devices) = &desired.device {
        apply_devices(edit, devices, &mut changes).await?;
    }
    edit.check_realm().await?;
    Ok(changes)
}

async fn apply_settings(
    edit: &mut Edit<'_>,
    desired: &DesiredSettings,
    changes: &mut Vec<Change>,
) -> Result<(), Failure> {
    let present = setting::all(edit.connection).await?;
    for (setting, wanted) in [(Setting::Realm, &desired.realm)] {
        let from = present
            .get(&setting)
            .map_or(setting.default_value(), |value| value);
        let Some(to) = wanted.as_ref().filter(|wanted| ***wanted != *from) else {
            continue;
        };
        edit.set(setting, to).await?;
        changes.push(Change::Setting {
            key: setting.name(),
            from: from.into(),
            to: to.clone(),
        });
    }
    Ok(())
}

/// What is to be done with devices, worked out before anything is done.
#[derive(Default)]
struct Plan {
    add: Vec<NewDevice>,
    update: Vec<(Found, DeviceUpdate)>,
    remove: Vec<Found>,
}

async fn apply_devices(
    edit: &mut Edit<'_>,
    desired: &[DesiredDevice],
    changes: &mut Vec<Change>,
) -> Result<(), Failure> {
    let plan = plan(edit, desired, changes).await?;
    for found in &plan.remove {
        edit.remove(&found.stored.device.user).await?;
    }
    edit.forget_old_removals().await?;
    // Numbers may change hands in a circle: all are put down before any is picked up.
    for (found, _) in plan
        .update
        .iter()
        .filter(|(_, update)| update.numbers.is_some())
    {
        edit.drop_numbers(found.id).await?;
    }
    for (found, update) in &plan.update {
        edit.update(&found.stored.device.user, update).await?;
    }
    edit.import(&plan.add, MAX_DEVICES, |_| ()).await
}

async fn plan(
    edit: &mut Edit<'_>,
    desired: &[DesiredDevice],
    changes: &mut Vec<Change>,
) -> Result<Plan, Failure> {
    let mut plan = Plan::default();
    let mut seen = HashSet::with_capacity(desired.len());
    let mut present = all(edit.connection).await?;
    for wanted in desired {
        if !seen.insert(&wanted.user) {
            return Err(invalid(&wanted.user, InvalidDevice::Repeated).into());
        }
        match present.remove(&wanted.user) {
            Some(found) => plan_update(edit, wanted, found, &mut plan, changes)?,
            None => {
                plan.add.push(new_device(wanted)?);
                changes.push(Change::Add {
                    user: wanted.user.clone(),
                });
            }
        }
    }
    let gone = present
        .keys()
        .map(|user| Change::Remove { user: user.clone() });
    changes.extend(gone);
    plan.remove.extend(present.into_values());
    Ok(plan)
}

fn new_device(wanted: &DesiredDevice) -> Result<NewDevice, StoreError> {
    let refused = |reason| invalid(&wanted.user, reason);
    let secret = wanted.secret().map_err(refused)?;
    Ok(NewDevice {
        user: wanted.user.clone(),
        name: wanted.name.clone(),
        numbers: wanted.numbers.clone(),
        direct_media: wanted.direct_media,
        encryption: wanted.encryption,
        media_transport: wanted.media_transport,
        secret: secret.ok_or_else(|| refused(InvalidDevice::NoSecret))?,
    })
}

fn plan_update(
    edit: &Edit<'_>,
    wanted: &DesiredDevice,
    found: Found,
    plan: &mut Plan,
    changes: &mut Vec<Change>,
) -> Result<(), Failure> {
    let mut update = DeviceUpdate::default();
    let mut what: Vec<Box<str>> = Vec::new();
    let StoredDevice { device, realm, .. } = &found.stored;
    if wanted.name != device.name {
        what.push(
            format!(
                "name {} becomes {}",
                shown(&device.name),
                shown(&wanted.name)
            )
            .into(),
        );
        update.name = Some(wanted.name.clone());
    }
    if wanted.numbers != device.numbers {
        let (from, to) = (list(&device.numbers), list(&wanted.numbers));
        what.push(format!("numbers {from} become {to}").into());
        update.numbers = Some(wanted.numbers.clone());
    }
    if wanted.direct_media != device.direct_media {
        what.push(
            if wanted.direct_media {
                "media may flow directly"
            } else {
                "media is relayed"
            }
            .into(),
        );
        update.direct_media = Some(wanted.direct_media);
    }
    if wanted.encryption != device.encryption {
        let (from, to) = (device.encryption, wanted.encryption);
        what.push(format!("encryption {from} becomes {to}").into());
        update.encryption = Some(to);
    }
    if wanted.media_transport != device.media_transport {
        let (from, to) = (device.media_transport, wanted.media_transport);
        what.push(format!("media transport {from} becomes {to}").into());
        update.media_transport = Some(to);
    }
    let secret = wanted
        .secret()
        .map_err(|reason| invalid(&wanted.user, reason))?;
    if let Some(secret) = secret
        && (edit.hashes(&wanted.user, &secret)? != device.ha1 || *realm != edit.realm)
    {
        what.push("password changes".into());
        update.secret = Some(secret);
    }
    if !what.is_empty() {
        changes.push(Change::Update {
            user: wanted.user.clone(),
            what,
        });
        plan.update.push((found, update));
    }
    Ok(())
}

fn shown(name: &Option<Box<str>>) -> String {
    name.as_ref()
        .map_or_else(|| "(none)".to_owned(), |name| format!("{name:?}"))
}

fn list(numbers: &[E164]) -> String {
    if numbers.is_empty() {
        return "(none)".to_owned();
    }
    numbers
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Every device, by user name.
async fn all(connection: &mut SqliteConnection) -> Result<BTreeMap<Box<str>, Found>, Failure> {
    let mut devices = BTreeMap::new();
    let mut after: Option<Box<str>> = None;
    loop {
        let page = device::page(connection, after.as_deref(), FETCH).await?;
        let Some(last) = page.last() else {
            return Ok(devices);
        };
        after = Some(last.stored.device.user.clone());
        devices.extend(
            page.into_iter()
                .map(|found| (found.stored.device.user.clone(), found)),
        );
    }
}

/// The state as [`apply`] takes it. Must run in one snapshot.
pub(super) async fn export(connection: &mut SqliteConnection) -> Result<Desired, Failure> {
    let realm = setting::realm(connection).await?;
    let devices = all(connection).await?;
    Ok(Desired {
        settings: Some(DesiredSettings { realm: Some(realm) }),
        device: Some(
            devices
                .into_values()
                .map(|found| found.stored.into())
                .collect(),
        ),
    })
}
