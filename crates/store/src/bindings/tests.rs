use std::time::Duration;

use fernamt_exchange::registrar::Binding;
use fernamt_sip::time::UnixTime;
use fernamt_sip::transport::{ConnectionId, Transport};

use super::backlog::{Backlog, Due};
use super::*;
use crate::clock;
use crate::samples::{at, folder};

fn binding(contact: &str, expires: UnixTime) -> Binding {
    Binding {
        contact: contact.into(),
        q: 1000,
        expires,
        call_id: "id@phone".into(),
        cseq: 1,
        instance: Some("urn:uuid:1".into()),
        reg_id: 1,
        path: vec!["<sip:edge.example.com;lr>".into()],
        user_agent: Some("Phone/1".into()),
        transport: Transport::Tcp,
        local: "192.0.2.1:5060".parse().unwrap(),
        received: "[2001:db8::7]:40000".parse().unwrap(),
        ice: true,
        connection: None,
        nat: Default::default(),
    }
}

fn of(user: &str, bindings: Vec<Binding>) -> BindingsOf {
    BindingsOf {
        user: user.into(),
        bindings: bindings.into_iter().map(Arc::new).collect(),
    }
}

fn one(user: &str, expires: UnixTime) -> BindingsOf {
    of(user, vec![binding("sip:phone", expires)])
}

fn users(due: &Due) -> Vec<&str> {
    due.changed.iter().map(|change| &*change.user).collect()
}

/// A backlog to which the database knows these.
fn knowing(loaded: &[BindingsOf]) -> Backlog {
    Backlog::new(loaded, at(0))
}

#[test]
fn a_new_contact_is_due_at_once_and_a_refresh_is_not() {
    let mut backlog = knowing(&[one("anna", at(3_600))]);
    backlog.add(one("anna", at(5_400)));
    backlog.add(one("bert", at(5_400)));
    let due = backlog.due(at(1), false);
    assert_eq!(users(&due), ["bert"]);
    backlog.wrote(&due.changed[0]);
    assert!(!backlog.is_empty());
    backlog.add(of("bert", vec![binding("sip:elsewhere", at(5_400))]));
    assert_eq!(users(&backlog.due(at(2), false)), ["bert"]);
}

#[test]
fn a_changed_address_is_no_refresh() {
    let mut backlog = knowing(&[one("anna", at(3_600))]);
    let moved = Binding {
        received: "192.0.2.9:5060".parse().unwrap(),
        ..binding("sip:phone", at(5_400))
    };
    backlog.add(of("anna", vec![moved]));
    assert_eq!(users(&backlog.due(at(1), false)), ["anna"]);
}

#[test]
fn a_refresh_is_written_before_the_expiry_that_the_database_knows() {
    let mut backlog = knowing(&[
        one("anna", at(50)),
        one("bert", at(40)),
        one("carl", at(50)),
    ]);
    for user in ["anna", "bert"] {
        backlog.add(one(user, at(90)));
    }
    assert_eq!(backlog.due(at(34), false), Due::default());
    assert_eq!(users(&backlog.due(at(35), false)), ["bert"]);
    assert_eq!(backlog.due(at(44), false), Due::default());
    assert_eq!(users(&backlog.due(at(45), false)), ["anna"]);
    assert!(backlog.is_empty());
}

#[test]
fn once_a_minute_all_refreshes_are_written_in_the_order_of_their_table() {
    let known = [
        one("anna", at(3_600)),
        one("bert", at(3_600)),
        one("carl", at(3_600)),
    ];
    let mut backlog = knowing(&known);
    for user in ["carl", "anna", "bert"] {
        backlog.add(one(user, at(5_400)));
    }
    assert_eq!(backlog.due(at(59), false), Due::default());
    let due = backlog.due(at(60), false);
    assert_eq!(
        (users(&due), due.sweep),
        (vec!["anna", "bert", "carl"], true)
    );
}

#[test]
fn only_the_last_change_of_a_user_counts() {
    let mut backlog = knowing(&[one("anna", at(3_600))]);
    backlog.add(of("anna", vec![binding("sip:elsewhere", at(3_600))]));
    backlog.add(one("anna", at(5_400)));
    backlog.add(of("bert", Vec::new()));
    backlog.add(one("bert", at(100)));
    backlog.add(one("carl", at(100)));
    backlog.add(of("carl", Vec::new()));
    let due = backlog.due(at(1), false);
    assert_eq!(users(&due), ["anna", "bert"]);
    assert_eq!(due.changed[0], one("anna", at(5_400)));
    assert_eq!(due.forgotten, ["carl".into()]);
}

#[test]
fn what_could_not_be_written_comes_again_unless_something_newer_has_come() {
    let mut backlog = knowing(&[]);
    backlog.add(one("anna", at(100)));
    backlog.add(one("bert", at(100)));
    backlog.add(of("carl", Vec::new()));
    let due = backlog.due(at(1), false);
    backlog.add(one("bert", at(200)));
    backlog.add(one("carl", at(200)));
    backlog.put_back(due);
    let due = backlog.due(at(2), false);
    assert_eq!(users(&due), ["anna", "bert", "carl"]);
    assert_eq!(due.changed[1], one("bert", at(200)));
    assert!(due.forgotten.is_empty());
}

#[test]
fn a_restart_forgets_no_live_binding_and_revives_no_dead_one() {
    let (_outer, folder) = folder();
    let now = clock::now();
    let (soon, gone) = (
        now + Duration::from_secs(600),
        now + Duration::from_millis(1),
    );
    let (journal, loaded) = BindingJournal::open(&folder).unwrap();
    assert_eq!(loaded, []);
    let two = of(
        "bert",
        vec![binding("sip:one", soon), binding("sip:two", gone)],
    );
    journal.write(one("anna", soon));
    journal.write(two);
    journal.write(one("carl", gone));
    journal.write(one("dora", soon));
    journal.flush().unwrap();
    journal.write(of("dora", Vec::new()));
    let later = soon + Duration::from_secs(600);
    journal.write(one("anna", later));
    drop(journal);
    std::thread::sleep(Duration::from_millis(2));
    let (_journal, loaded) = BindingJournal::open(&folder).unwrap();
    let expected = [
        one("anna", later),
        of("bert", vec![binding("sip:one", soon)]),
    ];
    assert_eq!(loaded, expected);
}

#[test]
fn a_connection_does_not_outlive_the_process() {
    let (_outer, folder) = folder();
    let soon = clock::now() + Duration::from_secs(600);
    let (journal, _) = BindingJournal::open(&folder).unwrap();
    let connected = Binding {
        connection: Some(ConnectionId(7)),
        nat: Default::default(),
        ..binding("sip:phone", soon)
    };
    journal.write(of("anna", vec![connected]));
    drop(journal);
    let (_journal, loaded) = BindingJournal::open(&folder).unwrap();
    assert_eq!(loaded, [one("anna", soon)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_in_the_database_within_seconds_without_a_flush() {
    let (_outer, folder) = folder();
    let records = crate::Records::open(&folder).await.unwrap();
    let soon = clock::now() + Duration::from_secs(600);
    let (journal, _) = BindingJournal::open(&folder).unwrap();
    journal.write(one("anna", soon));
    for _ in 0..100 {
        if !records.bindings().await.unwrap().is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(records.bindings().await.unwrap(), [one("anna", soon)]);
}
