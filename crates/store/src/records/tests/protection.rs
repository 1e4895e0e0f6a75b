use fernamt_charging::{CallRecord, CallReference, LegRecord, Listeners, MediaProtection};
use fernamt_sdp::CryptoSuite;

use super::calls::{found, with_calls};
use crate::error::StoreError;
use crate::records::database::{connect, make_old};
use crate::records::{CallQuery, Records};
use crate::samples::{folder, record};

const fn sdes(signalling_encrypted: bool) -> MediaProtection {
    MediaProtection::Sdes {
        suite: CryptoSuite::AeadAes256Gcm,
        signalling_encrypted,
    }
}

const fn dtls(suite: Option<CryptoSuite>) -> MediaProtection {
    MediaProtection::Dtls {
        suite,
        signalling_encrypted: false,
    }
}

/// A record whose legs were protected like this.
fn protected(call: u64, legs: [Option<MediaProtection>; 2]) -> CallRecord {
    let record = record(call, call as i64);
    let legs = record.legs.into_iter().zip(legs);
    let legs = legs.map(|(leg, protection)| LegRecord { protection, ..leg });
    CallRecord {
        legs: legs.collect(),
        ..record
    }
}

#[tokio::test]
async fn the_protection_of_every_leg_comes_back_as_it_was_written() {
    let mut ways = vec![None, Some(MediaProtection::Clear), Some(dtls(None))];
    ways.extend([true, false].map(|encrypted| Some(sdes(encrypted))));
    ways.extend(CryptoSuite::ALL.map(|suite| Some(dtls(Some(suite)))));
    let calls = (1..).zip(ways.windows(2));
    let calls = calls.map(|(call, ways)| protected(call, [ways[0], ways[1]]));
    let calls: Vec<CallRecord> = calls.collect();
    let (_outer, records) = with_calls(calls.clone()).await;
    let page = records.calls(&CallQuery::default()).await.unwrap();
    assert_eq!(page.records, calls);
}

#[tokio::test]
async fn calls_are_found_by_who_could_listen_to_one_of_their_legs() {
    const CLEAR: Option<MediaProtection> = Some(MediaProtection::Clear);
    let calls = vec![
        protected(1, [CLEAR, CLEAR]),
        protected(2, [Some(sdes(true)), CLEAR]),
        protected(3, [Some(sdes(false)), Some(dtls(None))]),
        protected(4, [Some(sdes(true)), Some(dtls(None))]),
        protected(5, [None, None]),
        protected(6, [None, Some(sdes(false))]),
    ];
    let (_outer, records) = with_calls(calls).await;
    for (listeners, calls) in [
        (None, &[1, 2, 3, 4, 5, 6][..]),
        (Some(Listeners::Everybody), &[1, 2]),
        (Some(Listeners::ReadersOfSignalling), &[1, 2, 3, 6]),
        (Some(Listeners::Nobody), &[1, 2, 3, 4, 6]),
    ] {
        let by_time = CallQuery {
            listeners,
            ..CallQuery::default()
        };
        assert_eq!(found(&records, by_time.clone()).await, calls);
        let by_number = CallQuery {
            number: Some("anna".into()),
            ..by_time
        };
        assert_eq!(found(&records, by_number).await, calls);
    }
}

#[tokio::test]
async fn rows_of_a_database_without_protection_say_that_it_is_not_known() {
    let (_outer, folder) = folder();
    let mut old = make_old(&folder, 3).await;
    for statement in [
        "INSERT INTO call VALUES (1, 7, 'anna', '+4930100', 'bert', 'bert', 7000000, 9000000, \
         19000000, 10000000, 16, 'normal call clearing', NULL, 1, 'PCMA/8000')",
        "INSERT INTO call_bucket VALUES (0, 7000000, 7000000)",
        "INSERT INTO call_leg VALUES (1, 0, 0, 'anna-7@192.0.2.1', 'anna', 'UDP 192.0.2.7:5060'), \
         (1, 1, 1, 'bert-7@192.0.2.1', 'bert', 'UDP 192.0.2.7:5060')",
    ] {
        sqlx::query(statement).execute(&mut old).await.unwrap();
    }
    sqlx::Connection::close(old).await.unwrap();
    let records = Records::open(&folder).await.unwrap();
    let page = records.calls(&CallQuery::default()).await.unwrap();
    assert_eq!(page.records, [protected(7, [None, None])]);
    let query = CallQuery {
        listeners: Some(Listeners::Nobody),
        ..CallQuery::default()
    };
    assert_eq!(found(&records, query).await, []);
}

#[tokio::test]
async fn a_protection_that_nobody_knows_is_named_and_not_passed_off_as_none() {
    for change in [
        "protection = 9",
        "suite = 'ROT13'",
        "protection = 1, suite = NULL",
        "protection = 2, signalling_encrypted = NULL",
    ] {
        let (outer, records) = with_calls(vec![record(7, 7)]).await;
        let file = outer.path().join("data").join("fernamt.db");
        let mut connection = connect(&file).await.unwrap();
        let statement = format!("UPDATE call_leg SET {change} WHERE position = 0");
        let done = sqlx::query(sqlx::AssertSqlSafe(statement));
        done.execute(&mut connection).await.unwrap();
        let error = records.call(CallReference(7)).await.unwrap_err();
        let named = matches!(&error, StoreError::Unreadable { .. });
        assert!(named && error.to_string().contains("protection"), "{error}");
    }
}
