use std::fs;
use std::path::PathBuf;

use proptest::prelude::*;

use super::*;
use crate::error::StoreError;
use crate::journal::frame::{HEAD_BYTES, Salt};
use crate::journal::record;
use crate::journal::segment::{HEADER_BYTES, Item, SegmentId, SegmentReader};
use crate::journal::{Settled, settle};
use crate::samples::{closed, folder, state};

const ID: SegmentId = SegmentId {
    number: 1,
    salt: Salt(0x0102_0304_0506_0708),
};

/// A segment with a state of each call; where each record begins, and its end.
fn segment(states: &[Vec<u8>]) -> (Vec<u8>, Vec<usize>) {
    let mut bytes = ID.header().to_vec();
    let mut starts = Vec::new();
    for (call, state) in (0..).zip(states) {
        starts.push(bytes.len());
        super::super::frame::push(&mut bytes, ID.salt, |buffer| {
            record::push_state(reference(call), state, buffer);
        })
        .unwrap();
    }
    starts.push(bytes.len());
    (bytes, starts)
}

fn in_folder(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let outer = tempfile::tempdir().unwrap();
    fs::write(ID.path(outer.path()), bytes).unwrap();
    let path = outer.path().to_owned();
    (outer, path)
}

fn any_states() -> impl Strategy<Value = Vec<Vec<u8>>> {
    proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..60), 1..12)
}

proptest! {
    #[test]
    fn a_torn_end_loses_only_the_record_that_is_torn(states in any_states(), cut in any::<prop::sample::Index>()) {
        let (bytes, starts) = segment(&states);
        let cut = cut.index(bytes.len() + 1);
        let (_outer, path) = in_folder(&bytes[..cut]);
        let scan = scan(&path);
        let whole = starts.iter().skip(1).filter(|end| **end <= cut).count();
        prop_assert_eq!(scan.open.len(), whole);
        prop_assert_eq!(scan.damaged_bytes, 0);
        for (call, state) in (0..).zip(states.iter().take(whole)) {
            prop_assert_eq!(&scan.open[&reference(call)], state);
        }
    }

    #[test]
    fn a_flipped_bit_costs_only_the_record_it_is_in(states in any_states(), bit in any::<prop::sample::Index>()) {
        let (mut bytes, starts) = segment(&states);
        let bit = bit.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        let (_outer, path) = in_folder(&bytes);
        let scan = scan(&path);
        for (call, (state, range)) in (0..).zip(states.iter().zip(starts.windows(2))) {
            let hit = (range[0]..range[1]).contains(&(bit / 8));
            prop_assert_eq!(scan.open.get(&reference(call)), (!hit).then_some(state));
        }
    }

    #[test]
    fn noise_never_makes_a_record_and_never_a_panic(
        states in any_states(), noise in proptest::collection::vec(any::<u8>(), 0..300),
        at in any::<prop::sample::Index>(),
    ) {
        let (mut bytes, _) = segment(&states);
        let at = at.index(bytes.len() + 1);
        bytes.splice(at..at, noise.iter().copied());
        let (_outer, path) = in_folder(&bytes);
        let scan = scan(&path);
        for (call, state) in &scan.open {
            prop_assert_eq!(&states[call.0 as usize], state);
        }
    }
}

#[test]
fn records_around_a_damaged_place_larger_than_a_window_are_read() {
    let (mut bytes, starts) = segment(&[b"first".to_vec(), b"last".to_vec()]);
    bytes.splice(starts[1]..starts[1], std::iter::repeat_n(0xEE, 9_000_000));
    let (_outer, path) = in_folder(&bytes);
    let scan = scan(&path);
    assert_eq!((scan.open.len(), scan.damaged_bytes), (2, 9_000_000));
}

#[test]
fn the_largest_records_are_read_across_windows() {
    let large = |fill: u8| vec![fill; 1024 * 1024 - 9];
    let states: Vec<_> = (0..11).map(large).collect();
    let (bytes, _) = segment(&states);
    let (_outer, path) = in_folder(&bytes);
    let scan = scan(&path);
    assert_eq!((scan.open.len(), scan.damaged_bytes), (11, 0));
    assert!(
        scan.open
            .iter()
            .all(|(call, state)| states[call.0 as usize] == *state)
    );
}

#[test]
fn a_state_that_looks_like_a_record_of_another_segment_is_not_taken_for_one() {
    // What a peer can put into a call, knowing everything but the salt of the segment.
    let other = SegmentId {
        salt: Salt(99),
        ..ID
    };
    let mut forged = Vec::new();
    super::super::frame::push(&mut forged, other.salt, |buffer| {
        record::push_state(reference(666), b"forged", buffer);
    })
    .unwrap();
    let (mut bytes, starts) = segment(&[forged, b"good".to_vec()]);
    bytes[starts[0] + HEAD_BYTES] ^= 1;
    let (_outer, path) = in_folder(&bytes);
    let scan = scan(&path);
    assert_eq!(scan.open.keys().collect::<Vec<_>>(), [&reference(1)]);
    assert!(scan.damaged_bytes > 0);
}

#[test]
fn a_kill_at_any_byte_leaves_every_committed_call_in_the_database_once() {
    let (_outer, folder) = folder();
    let (journal, _) = open(&folder);
    for call in 0..3 {
        journal
            .append(0, state(call, b"answered", Some(call)))
            .unwrap();
        journal.append(0, closed(call)).unwrap();
        journal.flush().unwrap();
    }
    let file = segments(&folder).pop().unwrap();
    let (bytes, name) = (
        fs::read(&file).unwrap(),
        file.file_name().unwrap().to_owned(),
    );
    drop(journal);
    // Where each end of a call is complete.
    let (id, mut ends, mut states) = (
        scan(&folder.journal()).segments[0].id,
        Vec::new(),
        Vec::new(),
    );
    let mut reader = SegmentReader::open(&folder.journal(), id, 0, u64::MAX).unwrap();
    while let Some(Item::Record { payload, offset }) = reader.next_item().unwrap() {
        let end = offset + (HEAD_BYTES + payload.len()) as u64;
        match record::read(payload).unwrap() {
            record::Record::State { .. } => states.push(end),
            record::Record::Closed { .. } => ends.push(end),
        }
    }
    let count = |ends: &[u64], cut: usize| ends.iter().filter(|end| **end <= cut as u64).count();
    // Every byte would be thousands of databases; every seventh, and all around the borders.
    let borders: Vec<usize> = ends
        .iter()
        .chain(&states)
        .flat_map(|end| *end as usize - 1..=*end as usize + 1)
        .collect();
    for cut in (0..bytes.len()).filter(|cut| cut % 97 == 0 || borders.contains(cut)) {
        let outer = tempfile::tempdir().unwrap();
        let crashed = DataFolder::open(outer.path()).unwrap();
        fs::write(crashed.journal().join(&name), &bytes[..cut]).unwrap();
        let (whole, begun) = (count(&ends, cut), count(&states, cut));
        assert_eq!(
            settle(&crashed).unwrap(),
            Settled::Moved(whole as u64),
            "{cut}"
        );
        let (_journal, recovered) = open(&crashed);
        assert_eq!(recovered.open.len(), begun - whole, "{cut}");
        assert_eq!(
            calls(&crashed),
            (0..whole as u64).collect::<Vec<_>>(),
            "{cut}"
        );
    }
}

#[test]
fn a_damaged_segment_is_read_around_and_kept_when_its_time_comes() {
    let (_outer, folder) = folder();
    let (journal, _) = open(&folder);
    (0..10).for_each(|call| journal.append(0, closed(call)).unwrap());
    journal.flush().unwrap();
    drop(journal);
    let file = segments(&folder).pop().unwrap();
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xFF;
    fs::write(&file, bytes).unwrap();
    // As if nothing had been moved.
    fs::remove_file(folder.database()).unwrap();
    for suffix in ["-wal", "-shm"] {
        let _ = fs::remove_file(folder.path().join(format!("fernamt.db{suffix}")));
    }
    let folder = DataFolder::open(folder.path()).unwrap();
    let (journal, recovered) = open_small(&folder);
    assert!(recovered.damaged_bytes > 0);
    assert_eq!(recovered.closed_not_moved, 9);
    for call in 100..140 {
        journal.append(0, closed(call)).unwrap();
        journal.flush().unwrap();
    }
    assert_eq!(calls(&folder).len(), 49);
    let kept = segments(&folder)
        .into_iter()
        .filter(|path| path.to_string_lossy().ends_with(".damaged"));
    assert_eq!(kept.count(), 1);
    assert!(!file.exists());
}

#[test]
fn a_segment_without_its_head_is_still_read() {
    let (mut bytes, _) = segment(&[b"state".to_vec()]);
    bytes[..HEADER_BYTES].fill(0);
    let (_outer, path) = in_folder(&bytes);
    let scan = scan(&path);
    assert_eq!(
        (scan.open.len(), scan.damaged_bytes),
        (1, HEADER_BYTES as u64)
    );
}

#[test]
fn a_segment_of_a_newer_program_is_refused_and_named() {
    let (_outer, folder) = folder();
    let mut header = ID.header();
    header[8] = 2;
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&header[..12]);
    hasher.update(&ID.number.to_le_bytes());
    hasher.update(&ID.salt.0.to_le_bytes());
    header[12..].copy_from_slice(&hasher.finalize().to_le_bytes());
    fs::write(ID.path(&folder.journal()), header).unwrap();
    let error = CallJournal::open(&folder, Told::default()).unwrap_err();
    assert!(
        matches!(error, StoreError::NewerJournal { version: 2, .. }),
        "{error}"
    );
}

#[test]
fn files_that_are_no_segments_are_left_alone() {
    let (_outer, folder) = folder();
    let other = folder.journal().join("notes.txt");
    fs::write(&other, "mine").unwrap();
    drop(open(&folder));
    assert_eq!(fs::read(other).unwrap(), b"mine");
}
