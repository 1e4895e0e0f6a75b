use fernamt_charging::{CallRecord, CallReference};

use crate::folder::DataFolder;
use crate::payload;
use crate::records::call::{CALLS_PER_BUCKET, CallTables, ClosedCall, Key};
use crate::records::database::connect;
use crate::records::{CallQuery, MAX_PAGE, Records};
use crate::samples::{at, course, entries, folder, record};

async fn add(folder: &DataFolder, records: Vec<CallRecord>) {
    let mut encoded = Vec::new();
    payload::encode_course(&course(), &mut encoded).unwrap();
    let calls = records.into_iter().map(|record| ClosedCall {
        record,
        entries: encoded.clone(),
    });
    let mut connection = connect(&folder.database()).await.unwrap();
    let mut transaction = sqlx::Connection::begin(&mut connection).await.unwrap();
    CallTables::new()
        .add(&mut transaction, calls.collect())
        .await
        .unwrap();
    transaction.commit().await.unwrap();
}

pub(super) async fn with_calls(calls: Vec<CallRecord>) -> (tempfile::TempDir, Records) {
    let (outer, folder) = folder();
    let records = Records::open(&folder).await.unwrap();
    add(&folder, calls).await;
    (outer, records)
}

pub(super) async fn found(records: &Records, query: CallQuery) -> Vec<u64> {
    let page = records.calls(&query).await.unwrap();
    page.records.iter().map(|record| record.call.0).collect()
}

fn named(caller: &str, shown: &str, dialled: &str, callee: &str) -> impl Fn(u64) -> CallRecord {
    let some = |text: &str| Some(text).filter(|text| !text.is_empty()).map(Box::from);
    let (caller, callee) = (some(caller), some(callee));
    let (caller_number, dialled): (Box<str>, Box<str>) = (shown.into(), dialled.into());
    move |call| CallRecord {
        caller: caller.clone(),
        callee: callee.clone(),
        caller_number: caller_number.clone(),
        dialled: dialled.clone(),
        ..record(call, 100)
    }
}

#[tokio::test]
async fn a_record_comes_back_as_it_was_written() {
    let full = record(u64::MAX, 1_000);
    let bare = CallRecord {
        caller: None,
        callee: None,
        answer: None,
        status: Some(486),
        codec: None,
        legs: Vec::new(),
        ..record(7, 1_001)
    };
    let (_outer, records) = with_calls(vec![full.clone(), bare.clone()]).await;
    assert_eq!(records.call(full.call).await.unwrap(), Some(full.clone()));
    assert_eq!(records.call(bare.call).await.unwrap(), Some(bare.clone()));
    assert_eq!(records.call(CallReference(8)).await.unwrap(), None);
    let page = records.calls(&CallQuery::default()).await.unwrap();
    assert_eq!((page.records, page.older), (vec![full.clone(), bare], None));
    assert_eq!(
        records.call_journal(full.call).await.unwrap(),
        Some(entries())
    );
    assert_eq!(records.call_journal(CallReference(8)).await.unwrap(), None);
}

#[tokio::test]
async fn calls_are_found_by_every_party_and_by_the_call_id_of_every_leg() {
    let calls = vec![
        named("anna", "+4930100", "bert", "bert")(1),
        named("bert", "+4930200", "+4930100", "anna")(2),
        named("", "anonymous", "0900", "")(3),
    ];
    let (_outer, records) = with_calls(calls).await;
    let by_number = async |number: &str| {
        found(
            &records,
            CallQuery {
                number: Some(number.into()),
                ..CallQuery::default()
            },
        )
        .await
    };
    assert_eq!(by_number("anna").await, [1, 2]);
    assert_eq!(by_number("+4930100").await, [1, 2]);
    assert_eq!(by_number("+4930200").await, [2]);
    assert_eq!(by_number("0900").await, [3]);
    assert_eq!(by_number("nobody").await, []);
    let by_id = async |id: &str| {
        found(
            &records,
            CallQuery {
                sip_call_id: Some(id.into()),
                ..CallQuery::default()
            },
        )
        .await
    };
    assert_eq!(by_id("anna-2@192.0.2.1").await, [2]);
    assert_eq!(by_id("bert-3@192.0.2.1").await, [3]);
    assert_eq!(by_id("anna").await, []);
}

#[tokio::test]
async fn keys_of_equal_value_are_told_apart_by_what_they_stand_for() {
    // Two texts with the same CRC-32.
    let (one, two) = ("plumless", "buckeroo");
    assert_eq!(Key::Party(one).value(), Key::Party(two).value());
    let calls = vec![named(one, "1", "2", "")(1), named(two, "1", "2", "")(2)];
    let (_outer, records) = with_calls(calls).await;
    for (number, call) in [(one, 1), (two, 2)] {
        let query = CallQuery {
            number: Some(number.into()),
            ..CallQuery::default()
        };
        assert_eq!(found(&records, query).await, [call]);
    }
}

#[tokio::test]
async fn time_and_number_must_both_fit() {
    let calls = (0..10).map(|n| record(n, 100 + n as i64)).collect();
    let (_outer, records) = with_calls(calls).await;
    let query = CallQuery {
        since: Some(at(103)),
        until: Some(at(106)),
        ..CallQuery::default()
    };
    assert_eq!(found(&records, query.clone()).await, [3, 4, 5]);
    let query = CallQuery {
        number: Some("anna".into()),
        ..query
    };
    assert_eq!(found(&records, query.clone()).await, [3, 4, 5]);
    let query = CallQuery {
        number: Some("carl".into()),
        ..query
    };
    assert_eq!(found(&records, query).await, []);
    let query = CallQuery {
        since: Some(at(1_000)),
        ..CallQuery::default()
    };
    assert_eq!(found(&records, query).await, []);
}

#[tokio::test]
async fn pages_lead_from_the_newest_to_the_oldest_call() {
    let calls = (0..7).map(|n| record(n, 100 + n as i64)).collect();
    let (_outer, records) = with_calls(calls).await;
    for number in [None, Some("anna".into())] {
        let mut query = CallQuery {
            number,
            limit: Some(3),
            ..CallQuery::default()
        };
        let mut pages = Vec::new();
        loop {
            let page = records.calls(&query).await.unwrap();
            pages.push(
                page.records
                    .iter()
                    .map(|record| record.call.0)
                    .collect::<Vec<_>>(),
            );
            match page.older {
                Some(older) => query.before = Some(older),
                None => break,
            }
        }
        assert_eq!(pages, [vec![4, 5, 6], vec![1, 2, 3], vec![0]]);
    }
}

#[tokio::test]
async fn calls_are_found_across_buckets_and_a_page_has_at_most_its_limit() {
    let (outer, folder) = folder();
    let records = Records::open(&folder).await.unwrap();
    let last = CALLS_PER_BUCKET as u64 + 500;
    for first in (1..=last).step_by(5_000) {
        let calls = first..=last.min(first + 4_999);
        add(&folder, calls.map(|n| record(n, n as i64)).collect()).await;
    }
    for call in [1, 500, last - 501, last - 500, last - 499, last] {
        assert_eq!(
            records.call(CallReference(call)).await.unwrap(),
            Some(record(call, call as i64))
        );
    }
    let edge = CALLS_PER_BUCKET;
    let query = CallQuery {
        since: Some(at(edge - 2)),
        until: Some(at(edge + 2)),
        ..CallQuery::default()
    };
    let around: Vec<u64> = (edge as u64 - 2..edge as u64 + 2).collect();
    assert_eq!(found(&records, query.clone()).await, around);
    let query = CallQuery {
        number: Some("bert".into()),
        ..query
    };
    assert_eq!(found(&records, query).await, around);
    let query = CallQuery {
        limit: Some(MAX_PAGE + 1),
        ..CallQuery::default()
    };
    let page = records.calls(&query).await.unwrap();
    assert_eq!(page.records.len(), MAX_PAGE);
    assert_eq!(page.records.last().map(|record| record.call.0), Some(last));
    assert!(page.older.is_some());
    drop(outer);
}
