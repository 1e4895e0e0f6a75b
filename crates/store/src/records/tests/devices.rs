use fernamt_exchange::encryption::{Encryption, MediaTransport};
use fernamt_sip::digest::Ha1;

use crate::error::{InvalidDevice, StoreError};
use crate::records::edit::Edit;
use crate::records::{
    DEFAULT_REALM, DeviceUpdate, MAX_NUMBERS_PER_DEVICE, MAX_TEXT_BYTES, NewDevice, Records,
    Revision, Secret, Setting,
};
use crate::samples::{at, device, folder};

async fn records() -> (tempfile::TempDir, Records) {
    let (outer, folder) = folder();
    (outer, Records::open(&folder).await.unwrap())
}

async fn users(records: &Records) -> Vec<String> {
    let devices = records.devices(None, 100).await.unwrap();
    devices
        .into_iter()
        .map(|stored| stored.device.user.into())
        .collect()
}

#[tokio::test]
async fn a_device_is_found_as_it_was_added_by_user_and_by_number() {
    let (_outer, records) = records().await;
    let new = NewDevice {
        name: Some("Kitchen".into()),
        direct_media: true,
        encryption: Encryption::Required,
        media_transport: MediaTransport::WebRtc,
        ..device("anna: with a long/odd name?", &["+4930200", "+4930100"])
    };
    let stored = records.add_device(new.clone()).await.unwrap();
    assert_eq!(stored.device.user, new.user);
    assert_eq!(stored.device.name, new.name);
    assert_eq!(stored.device.numbers, new.numbers);
    assert!(stored.device.direct_media);
    assert_eq!(stored.device.encryption, Encryption::Required);
    assert_eq!(stored.device.media_transport, MediaTransport::WebRtc);
    assert_eq!(
        stored.device.ha1,
        Ha1::new(&new.user, DEFAULT_REALM, "secret")
    );
    assert_eq!(
        records.device(&new.user).await.unwrap().as_ref(),
        Some(&stored)
    );
    let by_number = records
        .device_by_number("+4930100".parse().unwrap())
        .await
        .unwrap();
    assert_eq!(by_number.as_ref(), Some(&stored));
    assert_eq!(records.device("bert").await.unwrap(), None);
    assert_eq!(
        records
            .device_by_number("+4930300".parse().unwrap())
            .await
            .unwrap(),
        None
    );
}

#[tokio::test]
async fn a_device_is_changed_only_in_what_is_said() {
    let (_outer, records) = records().await;
    let before = records
        .add_device(device("anna", &["+4930100"]))
        .await
        .unwrap();
    let name = DeviceUpdate {
        name: Some(Some("Hall".into())),
        ..DeviceUpdate::default()
    };
    let after = records.update_device("anna", name).await.unwrap();
    assert_eq!(after.device.name.as_deref(), Some("Hall"));
    assert_eq!(after.device.numbers, before.device.numbers);
    assert_eq!(after.device.ha1, before.device.ha1);
    let more = DeviceUpdate {
        numbers: Some(vec![
            "+4930101".parse().unwrap(),
            "+4930100".parse().unwrap(),
        ]),
        secret: Some(Secret::Password("other".into())),
        ..DeviceUpdate::default()
    };
    let after = records.update_device("anna", more.clone()).await.unwrap();
    assert_eq!(Some(after.device.numbers), more.numbers);
    assert_ne!(after.device.ha1, before.device.ha1);
    let error = records.update_device("bert", more).await.unwrap_err();
    assert!(matches!(error, StoreError::NoSuchDevice { .. }), "{error}");
}

#[tokio::test]
async fn devices_are_listed_in_pages_by_user_name() {
    let (_outer, records) = records().await;
    for user in ["c", "a", "d", "b"] {
        records.add_device(device(user, &[])).await.unwrap();
    }
    assert_eq!(records.device_count().await.unwrap(), 4);
    let page = records.devices(Some("a"), 2).await.unwrap();
    let page: Vec<_> = page.iter().map(|stored| &*stored.device.user).collect();
    assert_eq!(page, ["b", "c"]);
    assert!(records.devices(Some("d"), 2).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_conflict_names_who_is_in_the_way_and_changes_nothing() {
    let (_outer, records) = records().await;
    records
        .add_device(device("anna", &["+4930100"]))
        .await
        .unwrap();
    let revision = records.revision().await.unwrap();
    let error = records.add_device(device("anna", &[])).await.unwrap_err();
    assert!(
        matches!(&error, StoreError::DeviceExists { user } if **user == *"anna"),
        "{error}"
    );
    let error = records
        .add_device(device("bert", &["+4930100"]))
        .await
        .unwrap_err();
    assert!(
        matches!(&error, StoreError::NumberTaken { holder, .. } if **holder == *"anna"),
        "{error}"
    );
    assert_eq!(users(&records).await, ["anna"]);
    assert_eq!(records.revision().await.unwrap(), revision);
}

#[tokio::test]
async fn values_are_accepted_at_the_limit_and_refused_one_above() {
    let (_outer, records) = records().await;
    let long = "u".repeat(MAX_TEXT_BYTES);
    records.add_device(device(&long, &[])).await.unwrap();
    let refused = async |new: NewDevice| match records.add_device(new).await.unwrap_err() {
        StoreError::InvalidDevice { reason, .. } => reason,
        other => panic!("{other}"),
    };
    let reason = refused(device(&format!("{long}u"), &[])).await;
    assert_eq!(
        reason,
        InvalidDevice::TooLong {
            field: "user name",
            limit: MAX_TEXT_BYTES
        }
    );
    let reason = refused(device("an\nna", &[])).await;
    assert_eq!(
        reason,
        InvalidDevice::ControlCharacter { field: "user name" }
    );
    assert_eq!(
        refused(device("", &[])).await,
        InvalidDevice::Empty { field: "user name" }
    );
    let secret = Secret::Password("p".repeat(MAX_TEXT_BYTES + 1).into());
    let reason = refused(NewDevice {
        secret,
        ..device("anna", &[])
    })
    .await;
    assert_eq!(
        reason,
        InvalidDevice::TooLong {
            field: "password",
            limit: MAX_TEXT_BYTES
        }
    );
    let reason = refused(device("anna", &["+4930100", "+4930100"])).await;
    assert!(matches!(reason, InvalidDevice::RepeatedNumber { .. }));
    let numbers = |count: usize| {
        (0..count)
            .map(|n| format!("+49{:07}", 1_000_000 + n).parse().unwrap())
            .collect::<Vec<_>>()
    };
    let many = |count| NewDevice {
        numbers: numbers(count),
        ..device("many", &[])
    };
    let reason = refused(many(MAX_NUMBERS_PER_DEVICE + 1)).await;
    assert_eq!(
        reason,
        InvalidDevice::TooManyNumbers {
            limit: MAX_NUMBERS_PER_DEVICE
        }
    );
    records
        .add_device(many(MAX_NUMBERS_PER_DEVICE))
        .await
        .unwrap();
}

#[tokio::test]
async fn one_device_more_than_the_limit_is_refused() {
    let (_outer, records) = records().await;
    let devices = |names: &[&str]| {
        names
            .iter()
            .map(|user| device(user, &[]))
            .collect::<Vec<_>>()
    };
    records
        .import_at_most(3, &devices(&["a", "b"]), |_| ())
        .await
        .unwrap();
    let error = records
        .import_at_most(3, &devices(&["c", "d"]), |_| ())
        .await
        .unwrap_err();
    assert!(
        matches!(error, StoreError::TooManyDevices { limit: 3 }),
        "{error}"
    );
    records
        .import_at_most(3, &devices(&["c"]), |_| ())
        .await
        .unwrap();
}

#[tokio::test]
async fn an_import_is_all_or_nothing_and_its_error_names_the_line() {
    let (_outer, records) = records().await;
    records
        .add_device(device("zoe", &["+4930999"]))
        .await
        .unwrap();
    let line_of = async |text: &str| match records.import_csv(text.as_bytes(), |_| ()).await {
        Err(StoreError::Csv(error)) => error.line,
        other => panic!("{other:?}"),
    };
    assert_eq!(line_of("user,password\na,1\nb,2\nzoe,3\nc,4\n").await, 4);
    assert_eq!(line_of("user,password\na,1\nb,2\na,3\n").await, 4);
    assert_eq!(
        line_of("user,password,number\na,1,+4930998\n\nb,2,+4930999\n").await,
        4
    );
    assert_eq!(
        line_of("user,password,number\na,1,+4930998\nb,2,+4930998\n").await,
        3
    );
    assert_eq!(line_of("user,password\na,1\n\"b\nb\",1\n").await, 3);
    assert_eq!(users(&records).await, ["zoe"]);
    let mut told = Vec::new();
    let text = "password,user,name,number\npw,anna,Kitchen,+4930100 +4930101\npw,bert,,\n";
    let count = records
        .import_csv(text.as_bytes(), |done| told.push(done))
        .await
        .unwrap();
    assert_eq!((count, told), (2, vec![2]));
    let anna = records.device("anna").await.unwrap().unwrap().device;
    assert_eq!(
        (anna.name.as_deref(), anna.numbers.len()),
        (Some("Kitchen"), 2)
    );
    assert_eq!(anna.ha1, Ha1::new("anna", DEFAULT_REALM, "pw"));
}

#[tokio::test]
async fn a_large_import_arrives_whole() {
    let (_outer, records) = records().await;
    let new = |n: u32| device(&format!("user{n}"), &[&format!("+4930{:07}", n)]);
    records
        .import((0..12_345).map(new).collect(), |_| ())
        .await
        .unwrap();
    assert_eq!(records.device_count().await.unwrap(), 12_345);
    let changes = records.devices_changed_since(Revision(0)).await.unwrap();
    assert_eq!(changes.changed.len(), 12_345);
    let found = records
        .device_by_number("+49300012000".parse().unwrap())
        .await
        .unwrap();
    assert_eq!(&*found.unwrap().device.user, "user12000");
}

#[tokio::test]
async fn a_running_exchange_learns_what_has_changed_and_nothing_else() {
    let (_outer, records) = records().await;
    for user in ["anna", "bert", "carl"] {
        records.add_device(device(user, &[])).await.unwrap();
    }
    let all = records.devices_changed_since(Revision(0)).await.unwrap();
    assert!(all.complete);
    assert_eq!(all.changed.len(), 3);
    let none = records.devices_changed_since(all.revision).await.unwrap();
    assert!(!none.complete && none.changed.is_empty() && none.removed.is_empty());
    let direct = DeviceUpdate {
        direct_media: Some(true),
        ..DeviceUpdate::default()
    };
    records.update_device("bert", direct).await.unwrap();
    records.remove_device("carl").await.unwrap();
    records.remove_device("anna").await.unwrap();
    records
        .add_device(device("anna", &["+4930100"]))
        .await
        .unwrap();
    assert!(records.revision().await.unwrap() > all.revision);
    let some = records.devices_changed_since(all.revision).await.unwrap();
    let changed: Vec<_> = some
        .changed
        .iter()
        .map(|stored| &*stored.device.user)
        .collect();
    assert_eq!((some.complete, changed), (false, vec!["bert", "anna"]));
    assert_eq!(some.removed, ["carl".into()]);
    assert_eq!(some.revision, records.revision().await.unwrap());
}

#[tokio::test]
async fn an_exchange_from_another_database_reads_everything_again() {
    let (_outer, records) = records().await;
    records.add_device(device("anna", &[])).await.unwrap();
    let changes = records
        .devices_changed_since(Revision(1_000))
        .await
        .unwrap();
    assert!(changes.complete);
    assert_eq!(changes.changed.len(), 1);
}

#[tokio::test]
async fn the_realm_cannot_change_under_devices_that_have_hashes_of_the_old_one() {
    let (_outer, records) = records().await;
    assert_eq!(&*records.realm().await.unwrap(), DEFAULT_REALM);
    records.set(Setting::Realm, "example.com").await.unwrap();
    let stored = records.add_device(device("anna", &[])).await.unwrap();
    assert_eq!(&*stored.realm, "example.com");
    assert_eq!(stored.device.ha1, Ha1::new("anna", "example.com", "secret"));
    let error = records.set(Setting::Realm, "other").await.unwrap_err();
    assert!(
        matches!(error, StoreError::InvalidSetting { key: "realm", .. }),
        "{error}"
    );
    assert_eq!(&*records.realm().await.unwrap(), "example.com");
    let error = records.set(Setting::Realm, "").await.unwrap_err();
    assert!(
        matches!(error, StoreError::InvalidSetting { key: "realm", .. }),
        "{error}"
    );
    let settings = records.settings().await.unwrap();
    assert_eq!(
        settings.into_iter().collect::<Vec<_>>(),
        [(Setting::Realm, "example.com".into())]
    );
}

#[tokio::test]
async fn hashes_of_another_realm_are_refused() {
    let (_outer, records) = records().await;
    let ha1 = Ha1::new("anna", "elsewhere", "secret");
    let secret = Secret::Hashes {
        realm: "elsewhere".into(),
        ha1,
    };
    let error = records
        .add_device(NewDevice {
            secret,
            ..device("anna", &[])
        })
        .await
        .unwrap_err();
    assert!(error.to_string().contains("elsewhere"), "{error}");
}

#[tokio::test]
async fn of_removals_beyond_the_limit_the_oldest_are_forgotten_and_everything_is_read_again() {
    let (_outer, records) = records().await;
    let mut before = Vec::new();
    for user in ["a", "b", "c", "d"] {
        records.add_device(device(user, &[])).await.unwrap();
    }
    for user in ["a", "b", "c"] {
        before.push(records.revision().await.unwrap());
        records.remove_device(user).await.unwrap();
    }
    let mut change = records.database.change().await.unwrap();
    let forgotten = async {
        let mut edit = Edit::begin(&mut change, at(0)).await?;
        edit.forget_removals_beyond(3).await?;
        edit.forget_removals_beyond(2).await
    };
    let forgotten = forgotten.await;
    records.database.finish(change, forgotten).await.unwrap();
    let changes = async |since: usize| records.devices_changed_since(before[since]).await.unwrap();
    assert!(changes(0).await.complete);
    assert_eq!(changes(0).await.changed.len(), 1);
    let later = changes(1).await;
    assert_eq!(
        (later.complete, later.removed),
        (false, vec!["b".into(), "c".into()])
    );
}
