//! A process that is killed while it writes, again and again: what it was told to be on disk is there
//! afterwards, and every call that has ended is in the database exactly once.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::time::Duration;

use fernamt_charging::{CallRecord, CallReference, Releaser};
use fernamt_exchange::interface::{Ticket, Write};
use fernamt_exchange::journal::Journal;
use fernamt_sip::time::UnixTime;
use fernamt_store::records::{CallQuery, MAX_PAGE};
use fernamt_store::{CallJournal, CommitSink, DataFolder, Records};

/// Where the child works; set only for the child.
const CHILD: &str = "FERNAMT_TEST_KILL";
/// The first call of the child.
const FIRST: &str = "FERNAMT_TEST_FIRST";

/// Tells the parent what is on disk, one line each.
struct Lines;

impl CommitSink for Lines {
    fn committed(&mut self, _: u16, tickets: &[Ticket]) {
        let mut out = std::io::stdout().lock();
        for ticket in tickets {
            writeln!(out, "answered {}", ticket.0).unwrap();
        }
        out.flush().unwrap();
    }

    fn failed(&mut self, _: u16, _: &[Ticket]) {}
}

fn record(call: u64) -> CallRecord {
    CallRecord {
        call: CallReference(call),
        caller: None,
        caller_number: "anna".into(),
        dialled: "bert".into(),
        callee: None,
        start: UnixTime::from_micros(1),
        answer: Some(UnixTime::from_micros(2)),
        end: UnixTime::from_micros(3),
        duration: Duration::from_micros(1),
        cause: 16,
        cause_text: "normal call clearing".into(),
        status: None,
        released_by: Releaser::Caller,
        codec: None,
        legs: Vec::new(),
    }
}

/// Answers calls and ends every other one, until it is killed. Does nothing when run as a test.
#[test]
fn child() {
    let Ok(path) = std::env::var(CHILD) else {
        return;
    };
    let mut call: u64 = std::env::var(FIRST).unwrap().parse().unwrap();
    let folder = DataFolder::open(path).unwrap();
    let _lock = folder.lock().unwrap();
    let (journal, recovered) = CallJournal::open(&folder, Lines).unwrap();
    // What a restarted exchange cannot pick up, it releases; here: every third.
    for (open, _) in recovered.open.iter().filter(|(open, _)| open.0 % 3 == 0) {
        end(&journal, open.0);
    }
    loop {
        let (state, ticket) = (call.to_le_bytes().repeat(40), Some(Ticket(call)));
        journal
            .append(
                0,
                Write::State {
                    call: CallReference(call),
                    state,
                    ticket,
                },
            )
            .unwrap();
        if call.is_multiple_of(2) {
            end(&journal, call);
        }
        call += 1;
        std::thread::sleep(Duration::from_micros(300));
    }
}

fn end(journal: &CallJournal, call: u64) {
    let record = Box::new(record(call));
    journal
        .append(
            0,
            Write::Closed {
                record,
                journal: Journal::default(),
                ticket: None,
            },
        )
        .unwrap();
}

#[test]
fn whatever_was_committed_survives_any_number_of_kills_and_arrives_once() {
    let outer = tempfile::tempdir().unwrap();
    let path = outer.path().join("data");
    let mut answered = BTreeSet::new();
    for round in 0..8_u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["child", "--exact", "--nocapture", "--test-threads", "1"])
            .env(CHILD, &path)
            .env(FIRST, (round * 1_000_000).to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap())
            .lines()
            .map_while(Result::ok);
        let enough = 150 + round * 137;
        let mut told = 0;
        for line in lines {
            let Some(call) = line.split("answered ").nth(1) else {
                continue;
            };
            answered.insert(call.parse::<u64>().unwrap());
            told += 1;
            if told == enough {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(
            told >= enough,
            "the child stopped by itself after {told} calls"
        );
    }
    let folder = DataFolder::open(&path).unwrap();
    let (journal, recovered) = CallJournal::open(&folder, Lines).unwrap();
    journal.flush().unwrap();
    let open: BTreeMap<u64, Vec<u8>> = recovered
        .open
        .into_iter()
        .map(|(call, state)| (call.0, state))
        .collect();
    assert!(
        open.iter()
            .all(|(call, state)| *state == call.to_le_bytes().repeat(40))
    );
    let closed = calls(&folder);
    let distinct: BTreeSet<u64> = closed.iter().copied().collect();
    assert_eq!(
        distinct.len(),
        closed.len(),
        "a call is in the database twice"
    );
    assert!(
        distinct.iter().all(|call| !open.contains_key(call)),
        "an ended call is open"
    );
    let lost: Vec<_> = answered
        .iter()
        .filter(|call| !open.contains_key(call) && !distinct.contains(call))
        .collect();
    assert!(lost.is_empty(), "answered and lost: {lost:?}");
    assert_eq!(recovered.damaged_bytes, 0);
}

fn calls(folder: &DataFolder) -> Vec<u64> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let records = Records::open(folder).await.unwrap();
        let mut query = CallQuery {
            limit: Some(MAX_PAGE),
            ..CallQuery::default()
        };
        let mut calls = Vec::new();
        loop {
            let page = records.calls(&query).await.unwrap();
            calls.extend(page.records.iter().map(|record| record.call.0));
            match page.older {
                Some(older) => query.before = Some(older),
                None => return calls,
            }
        }
    })
}
