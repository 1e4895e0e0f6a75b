use fernamt_exchange::encryption::{Encryption, MediaTransport};
use proptest::prelude::*;

use crate::desired::{Change, Desired};
use crate::error::StoreError;
use crate::records::{NewDevice, Records, Secret};
use crate::samples::{device, folder};

fn toml(text: &str) -> Desired {
    Desired::from_toml(text).unwrap()
}

const OFFICE: &str = r#"
[settings]
realm = "office"

[[device]]
user = "anna"
name = "Kitchen"
numbers = ["+4930100", "+4930101"]
password = "one"

[[device]]
user = "bert"
direct_media = true
password = "two"
"#;

#[tokio::test]
async fn what_is_applied_twice_changes_nothing_the_second_time() {
    let (_outer, folder) = folder();
    let records = Records::open(&folder).await.unwrap();
    let changes = records.apply(&toml(OFFICE), false).await.unwrap();
    let shown: Vec<_> = changes.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [
            "set realm from \"fernamt\" to \"office\"",
            "add device \"anna\"",
            "add device \"bert\""
        ]
    );
    let revision = records.revision().await.unwrap();
    assert_eq!(records.apply(&toml(OFFICE), false).await.unwrap(), []);
    assert_eq!(records.revision().await.unwrap(), revision);
}

#[tokio::test]
async fn a_dry_run_says_the_same_and_changes_nothing() {
    let (_outer, folder) = folder();
    let records = Records::open(&folder).await.unwrap();
    let dry = records.apply(&toml(OFFICE), true).await.unwrap();
    assert_eq!(records.device_count().await.unwrap(), 0);
    assert_eq!(&*records.realm().await.unwrap(), "fernamt");
    assert_eq!(records.apply(&toml(OFFICE), false).await.unwrap(), dry);
}

#[tokio::test]
async fn differences_are_named_and_made() {
    let (_outer, folder) = folder();
    let records = Records::open(&folder).await.unwrap();
    records.apply(&toml(OFFICE), false).await.unwrap();
    let wanted = toml(
        r#"
        [[device]]
        user = "anna"
        numbers = ["+4930102"]
        password = "new"
        [[device]]
        user = "carl"
        numbers = ["+4930100"]
        password = "three"
        "#,
    );
    let changes = records.apply(&wanted, false).await.unwrap();
    let what = vec![
        "name \"Kitchen\" becomes (none)".into(),
        "numbers +4930100 +4930101 become +4930102".into(),
        "password changes".into(),
    ];
    assert_eq!(
        changes,
        [
            Change::Update {
                user: "anna".into(),
                what
            },
            Change::Add {
                user: "carl".into()
            },
            Change::Remove {
                user: "bert".into()
            },
        ]
    );
    assert_eq!(records.device("bert").await.unwrap(), None);
    let carl = records
        .device_by_number("+4930100".parse().unwrap())
        .await
        .unwrap();
    assert_eq!(carl.unwrap().device.user, "carl".into());
}

#[tokio::test]
async fn numbers_may_change_hands_in_a_circle() {
    let (_outer, folder) = folder();
    let records = Records::open(&folder).await.unwrap();
    records
        .add_device(device("anna", &["+4930100"]))
        .await
        .unwrap();
    records
        .add_device(device("bert", &["+4930101"]))
        .await
        .unwrap();
    let mut wanted = records.export().await.unwrap();
    if let Some([anna, bert]) = wanted.device.as_deref_mut() {
        std::mem::swap(&mut anna.numbers, &mut bert.numbers);
    }
    assert_eq!(records.apply(&wanted, false).await.unwrap().len(), 2);
    assert_eq!(records.export().await.unwrap(), wanted);
}

#[tokio::test]
async fn a_file_without_devices_leaves_them_alone_and_one_with_none_removes_all() {
    let (_outer, folder) = folder();
    let records = Records::open(&folder).await.unwrap();
    records.add_device(device("anna", &[])).await.unwrap();
    assert_eq!(records.apply(&toml(""), false).await.unwrap(), []);
    assert_eq!(records.device_count().await.unwrap(), 1);
    let changes = records.apply(&toml("device = []"), false).await.unwrap();
    assert_eq!(
        changes,
        [Change::Remove {
            user: "anna".into()
        }]
    );
    assert_eq!(records.device_count().await.unwrap(), 0);
}

#[tokio::test]
async fn what_is_not_possible_is_refused_as_a_whole() {
    let (_outer, folder) = folder();
    let records = Records::open(&folder).await.unwrap();
    records.add_device(device("anna", &[])).await.unwrap();
    let before = records.export().await.unwrap();
    for (text, part) in [
        ("[[device]]\nuser = \"new\"", "needs a password"),
        (
            "[[device]]\nuser = \"anna\"\n[[device]]\nuser = \"anna\"",
            "twice",
        ),
        ("[settings]\nrealm = \"other\"", "another realm"),
        (
            "[[device]]\nuser = \"b\"\npassword = \"b\"\nnumbers = [\"+4930100\"]\n\
             [[device]]\nuser = \"c\"\npassword = \"c\"\nnumbers = [\"+4930100\"]",
            "already belongs",
        ),
    ] {
        let error = records.apply(&toml(text), false).await.unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
        assert_eq!(records.export().await.unwrap(), before);
    }
    let both = toml(OFFICE);
    let mut both = Desired {
        settings: None,
        ..both
    };
    if let Some(devices) = both.device.as_mut() {
        devices[0].ha1 = before
            .device
            .as_ref()
            .and_then(|devices| devices[0].ha1.clone());
    }
    let error = records.apply(&both, false).await.unwrap_err();
    assert!(matches!(error, StoreError::InvalidDevice { .. }), "{error}");
}

#[tokio::test]
async fn the_realm_changes_together_with_all_passwords() {
    let (_outer, folder) = folder();
    let records = Records::open(&folder).await.unwrap();
    records.add_device(device("anna", &[])).await.unwrap();
    let wanted = "[settings]\nrealm = \"new\"\n[[device]]\nuser = \"anna\"\npassword = \"secret\"";
    assert_eq!(records.apply(&toml(wanted), false).await.unwrap().len(), 2);
    assert_eq!(
        &*records.device("anna").await.unwrap().unwrap().realm,
        "new"
    );
}

fn any_text() -> impl Strategy<Value = Box<str>> {
    "[ -~äöüß€\u{1f4de}]{1,12}".prop_map(Box::from)
}

fn any_devices() -> impl Strategy<Value = Vec<NewDevice>> {
    let fields = (
        any_text(),
        proptest::option::of(any_text()),
        any_text(),
        any::<bool>(),
        0..3_u64,
    );
    let devices = proptest::collection::btree_map(any_text(), fields, 0..8);
    devices.prop_map(|devices| {
        let mut next = 4_930_100_u64;
        let mut number = || {
            next += 1;
            format!("+{next}").parse().unwrap()
        };
        let new = |(user, (_, name, password, direct_media, numbers))| NewDevice {
            user,
            name,
            numbers: (0..numbers).map(|_| number()).collect(),
            direct_media,
            encryption: if direct_media {
                Encryption::Required
            } else {
                Encryption::Automatic
            },
            media_transport: MediaTransport::default(),
            secret: Secret::Password(password),
        };
        devices.into_iter().map(new).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_is_exported_can_be_applied_elsewhere_without_knowing_a_password(devices in any_devices()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let ((_outer, one), (_other, two)) = (folder(), folder());
            let (one, two) = (Records::open(&one).await.unwrap(), Records::open(&two).await.unwrap());
            let (users, count): (Vec<_>, _) =
                (devices.iter().map(|new| new.user.clone()).collect(), devices.len());
            one.import(devices, |_| ()).await.unwrap();
            let text = one.export().await.unwrap().to_toml().unwrap();
            let wanted = Desired::from_toml(&text).unwrap();
            assert_eq!(one.apply(&wanted, false).await.unwrap(), []);
            assert_eq!(two.apply(&wanted, false).await.unwrap().len(), count);
            for user in &users {
                let (a, b) = (one.device(user).await.unwrap(), two.device(user).await.unwrap());
                assert_eq!(a.unwrap().device, b.unwrap().device);
            }
        });
    }
}
