use std::fs;
use std::io;
use std::time::Duration;

use super::*;
use crate::error::StoreError;
use crate::journal::disk::{Disk, SegmentFile};
use crate::samples::{awaited, closed, folder, state};

/// What is wrong with the disk at the moment.
#[derive(Debug, Default)]
struct Faults {
    /// How many bytes can still be written; `None`: as many as one likes.
    space: Option<u64>,
    create_fails: bool,
    sync_fails: bool,
    truncate_fails: bool,
}

#[derive(Clone, Default)]
struct FaultyDisk(Arc<Mutex<Faults>>);

struct FaultyFile(Box<dyn SegmentFile>, FaultyDisk);

impl FaultyDisk {
    fn set(&self, faults: Faults) {
        *self.0.lock().unwrap() = faults;
    }

    fn fails(&self, which: impl Fn(&Faults) -> bool) -> io::Result<()> {
        if which(&self.0.lock().unwrap()) {
            Err(io::Error::other("broken"))
        } else {
            Ok(())
        }
    }
}

impl Disk for FaultyDisk {
    fn create(&mut self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        self.fails(|faults| faults.create_fails)?;
        Ok(Box::new(FaultyFile(RealDisk.create(path)?, self.clone())))
    }
}

impl SegmentFile for FaultyFile {
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut faults = self.1.0.lock().unwrap();
        let Some(space) = faults.space.as_mut() else {
            return self.0.write_at(bytes, offset);
        };
        let fitting = (bytes.len() as u64).min(*space);
        *space -= fitting;
        self.0.write_at(&bytes[..fitting as usize], offset)?;
        if fitting < bytes.len() as u64 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.1.fails(|faults| faults.sync_fails)?;
        self.0.sync()
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.1.fails(|faults| faults.truncate_fails)?;
        self.0.truncate(length)
    }
}

fn open_faulty(folder: &DataFolder) -> (CallJournal, FaultyDisk, Told) {
    let (disk, told) = (FaultyDisk::default(), Told::default());
    let (journal, _) = CallJournal::open_with(
        folder,
        Box::new(told.clone()),
        Box::new(disk.clone()),
        Sizes::default(),
    )
    .unwrap();
    (journal, disk, told)
}

/// A trouble: calls are refused, ends of calls are kept, nothing arrives twice.
fn goes_through(faults: Faults) {
    let (_outer, folder) = folder();
    let (journal, disk, told) = open_faulty(&folder);
    journal
        .append(0, state(1, b"answered before", Some(1)))
        .unwrap();
    journal
        .append(0, state(2, b"answered before", Some(2)))
        .unwrap();
    journal.append(0, closed(50)).unwrap();
    journal.flush().unwrap();
    told.take();
    disk.set(faults);
    journal
        .append(0, state(3, b"to be answered", Some(3)))
        .unwrap();
    journal.append(0, awaited(1, Some(6))).unwrap();
    journal.append(0, state(2, b"held", None)).unwrap();
    let error = journal.flush().unwrap_err();
    assert!(matches!(error, StoreError::NotYetWritten { .. }), "{error}");
    assert_eq!(told.take(), [(false, 0, Ticket(3)), (false, 0, Ticket(6))]);
    // Still the same, at once and after another attempt.
    journal
        .append(1, state(4, b"to be answered", Some(4)))
        .unwrap();
    journal.append(0, closed(51)).unwrap();
    journal.flush().unwrap_err();
    assert_eq!(told.take(), [(false, 1, Ticket(4))]);
    assert_eq!(calls(&folder), [50]);
    disk.set(Faults::default());
    journal
        .append(0, state(5, b"answered after", Some(5)))
        .unwrap();
    journal.flush().unwrap();
    assert_eq!(told.take(), [(true, 0, Ticket(5))]);
    assert_eq!(calls(&folder), [50, 1, 51]);
    drop(journal);
    let (_journal, recovered) = open(&folder);
    let expected = [(2, b"held".to_vec()), (5, b"answered after".to_vec())];
    assert_eq!(sorted(&recovered), expected);
    assert_eq!(recovered.damaged_bytes, 0);
    assert_eq!(calls(&folder), [50, 1, 51]);
}

#[test]
fn on_a_full_disk_calls_are_refused_and_no_record_is_lost() {
    goes_through(Faults {
        space: Some(0),
        ..Faults::default()
    });
}

#[test]
fn a_disk_that_fills_in_the_middle_of_a_write_leaves_no_half_record() {
    goes_through(Faults {
        space: Some(100),
        ..Faults::default()
    });
}

#[test]
fn a_sync_that_fails_is_a_write_that_failed() {
    goes_through(Faults {
        sync_fails: true,
        ..Faults::default()
    });
}

#[test]
fn nothing_is_written_behind_a_torn_end_that_cannot_be_cut() {
    goes_through(Faults {
        space: Some(100),
        truncate_fails: true,
        ..Faults::default()
    });
}

#[test]
fn a_segment_that_cannot_be_created_is_tried_again() {
    let (_outer, folder) = folder();
    let (journal, disk, told) = open_faulty(&folder);
    disk.set(Faults {
        create_fails: true,
        ..Faults::default()
    });
    journal.append(0, state(1, b"", Some(1))).unwrap();
    journal.append(0, closed(2)).unwrap();
    journal.flush().unwrap_err();
    disk.set(Faults::default());
    // Without anybody asking.
    for _ in 0..100 {
        if !calls(&folder).is_empty() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(calls(&folder), [2]);
    assert_eq!(told.take(), [(false, 0, Ticket(1))]);
}

#[test]
fn a_database_that_cannot_be_written_leaves_calls_in_the_journal_until_it_can() {
    let (_outer, folder) = folder();
    let (journal, _) = open(&folder);
    journal.append(0, closed(1)).unwrap();
    journal.flush().unwrap();
    let database = fs::read(folder.database()).unwrap();
    fs::write(folder.database(), vec![0; database.len()]).unwrap();
    drop(journal);
    // The new process refuses the database and touches nothing.
    let error = CallJournal::open(&folder, Told::default()).unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
    for suffix in ["-wal", "-shm"] {
        let _ = fs::remove_file(folder.path().join(format!("fernamt.db{suffix}")));
    }
    fs::write(folder.database(), b"").unwrap();
    let (journal, recovered) = open(&folder);
    assert_eq!(recovered.closed_not_moved, 1);
    journal.flush().unwrap();
    assert_eq!(calls(&folder), [1]);
}
