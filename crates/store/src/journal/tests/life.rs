use super::*;
use crate::journal::{Settled, settle};
use crate::samples::{awaited, closed, entries, folder, record, state};

#[test]
fn every_ticket_comes_back_to_its_shard_in_order() {
    let (_outer, folder) = folder();
    let told = Told::default();
    let (journal, recovered) = CallJournal::open(&folder, told.clone()).unwrap();
    assert_eq!(recovered, Recovered::default());
    for ticket in 0..100 {
        let write = match ticket % 5 {
            0 => awaited(ticket, Some(ticket)),
            _ => state(ticket, b"state", Some(ticket)),
        };
        journal.append((ticket % 2) as u16, write).unwrap();
    }
    journal.flush().unwrap();
    let told = told.take();
    for shard in [0, 1] {
        let of_shard = told.iter().filter(|(_, of, _)| *of == shard);
        let tickets: Vec<_> = of_shard
            .map(|(committed, _, ticket)| (*committed, ticket.0))
            .collect();
        let expected = (0..100).filter(|ticket| ticket % 2 == u64::from(shard));
        assert_eq!(
            tickets,
            expected.map(|ticket| (true, ticket)).collect::<Vec<_>>()
        );
    }
}

#[test]
fn calls_in_progress_are_found_with_their_last_state_and_closed_ones_are_not() {
    let (_outer, folder) = folder();
    let (journal, _) = open(&folder);
    for write in [
        state(1, b"one", Some(1)),
        state(2, b"two", Some(2)),
        state(3, b"three", None),
        state(2, b"two, held", None),
        closed(1),
        closed(4),
    ] {
        journal.append(0, write).unwrap();
    }
    drop(journal);
    let expected = vec![(2, b"two, held".to_vec()), (3, b"three".to_vec())];
    for _ in 0..3 {
        let (_journal, recovered) = open(&folder);
        assert_eq!(sorted(&recovered), expected);
        assert_eq!(recovered.closed_not_moved, 0);
    }
    assert_eq!(calls(&folder), [1, 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flushed_call_is_in_the_database_with_its_course() {
    let (_outer, folder) = folder();
    let (journal, _) = open(&folder);
    journal.append(0, state(7, b"seven", None)).unwrap();
    journal.append(0, closed(7)).unwrap();
    journal.flush().unwrap();
    let records = Records::open(&folder).await.unwrap();
    assert_eq!(
        records.call(reference(7)).await.unwrap(),
        Some(record(7, 7))
    );
    assert_eq!(
        records.call_journal(reference(7)).await.unwrap(),
        Some(entries())
    );
}

#[test]
fn a_call_arrives_in_the_database_once_however_often_the_journal_is_opened() {
    let (_outer, folder) = folder();
    for round in 0..4 {
        let (journal, _) = open(&folder);
        for call in 0..50 {
            journal.append(0, closed(round * 50 + call)).unwrap();
        }
        if round % 2 == 0 {
            journal.flush().unwrap();
        }
    }
    assert_eq!(calls(&folder), (0..200).collect::<Vec<_>>());
    assert_eq!(settle(&folder).unwrap(), Settled::Moved(0));
    assert_eq!(calls(&folder).len(), 200);
}

#[test]
fn a_crash_before_the_move_loses_nothing_and_a_crash_after_it_repeats_nothing() {
    let (_outer, folder) = folder();
    let (journal, _) = open(&folder);
    (0..20).for_each(|call| journal.append(0, closed(call)).unwrap());
    journal.append(0, state(99, b"open", None)).unwrap();
    journal.flush().unwrap();
    // The folder as a crash would leave it: the journal whole, the database from before or after.
    let before = tempfile::tempdir().unwrap();
    let crashed = DataFolder::open(before.path()).unwrap();
    for segment in segments(&folder) {
        let name = segment.file_name().unwrap();
        std::fs::copy(&segment, crashed.journal().join(name)).unwrap();
    }
    drop(journal);
    assert_eq!(settle(&crashed).unwrap(), Settled::Moved(20));
    assert_eq!(settle(&crashed).unwrap(), Settled::Moved(0));
    let (_journal, recovered) = open(&crashed);
    assert_eq!(sorted(&recovered), [(99, b"open".to_vec())]);
    assert_eq!(calls(&crashed), (0..20).collect::<Vec<_>>());
}

#[test]
fn nothing_is_settled_beside_a_running_exchange() {
    let (_outer, folder) = folder();
    let lock = folder.lock().unwrap();
    assert_eq!(settle(&folder).unwrap(), Settled::ExchangeRuns);
    drop(lock);
    assert_eq!(settle(&folder).unwrap(), Settled::Moved(0));
}

#[test]
fn the_journal_stays_small_and_forgets_no_call_in_progress() {
    let (_outer, folder) = folder();
    let (journal, _) = open_small(&folder);
    for long in 0..5 {
        journal
            .append(0, state(1_000_000 + long, b"goes on for long", None))
            .unwrap();
    }
    let mut largest = 0;
    for round in 0..150 {
        for call in round * 10..round * 10 + 10 {
            journal.append(0, state(call, &[7; 100], None)).unwrap();
            journal.append(0, closed(call)).unwrap();
        }
        journal.flush().unwrap();
        largest = largest.max(journal_bytes(&folder));
    }
    // Thirty times as much was written.
    assert!(largest < 40_000, "{largest}");
    drop(journal);
    let (_journal, recovered) = open_small(&folder);
    let expected: Vec<_> = (0..5)
        .map(|n| (1_000_000 + n, b"goes on for long".to_vec()))
        .collect();
    assert_eq!(sorted(&recovered), expected);
    assert_eq!(calls(&folder), (0..1_500).collect::<Vec<_>>());
}

#[test]
fn the_journal_stays_small_when_no_call_ends() {
    let (_outer, folder) = folder();
    let (journal, _) = open_small(&folder);
    for round in 0..200_u64 {
        for call in 0..10 {
            let text = format!("{call} in round {round}");
            journal
                .append(0, state(call, text.as_bytes(), None))
                .unwrap();
        }
        journal.flush().unwrap();
    }
    let size = journal_bytes(&folder);
    assert!(size < 40_000, "{size}");
    drop(journal);
    let (_journal, recovered) = open_small(&folder);
    let expected: Vec<_> = (0..10)
        .map(|call| (call, format!("{call} in round 199").into_bytes()))
        .collect();
    assert_eq!(sorted(&recovered), expected);
}

#[test]
fn a_state_that_is_too_large_is_refused_and_the_others_are_written() {
    let (_outer, folder) = folder();
    let told = Told::default();
    let (journal, _) = CallJournal::open(&folder, told.clone()).unwrap();
    journal
        .append(3, state(1, &vec![0; 1024 * 1024], Some(1)))
        .unwrap();
    journal.append(3, state(2, b"small", Some(2))).unwrap();
    journal.flush().unwrap();
    let mut told = told.take();
    told.sort_by_key(|(_, _, ticket)| ticket.0);
    assert_eq!(told, [(false, 3, Ticket(1)), (true, 3, Ticket(2))]);
}
