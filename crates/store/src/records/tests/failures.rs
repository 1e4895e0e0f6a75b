use std::fs;
use std::os::unix::fs::FileExt;

use crate::bindings::BindingJournal;
use crate::error::StoreError;
use crate::folder::DataFolder;
use crate::journal::{CallJournal, CommitSink};
use crate::records::Records;
use crate::records::database::connect;
use crate::samples::{device, folder};
use fernamt_exchange::interface::Ticket;

struct Nobody;

impl CommitSink for Nobody {
    fn committed(&mut self, _: u16, _: &[Ticket]) {}
    fn failed(&mut self, _: u16, _: &[Ticket]) {}
}

/// Everything that opens the database says the same, and the file stays as it is.
async fn all_refuse(folder: &DataFolder, is_right: impl Fn(&StoreError) -> bool) {
    let before = fs::read(folder.database()).unwrap();
    let errors = [
        Records::open(folder).await.unwrap_err(),
        CallJournal::open(folder, Nobody).unwrap_err(),
        BindingJournal::open(folder).unwrap_err(),
    ];
    for error in errors {
        assert!(is_right(&error), "{error:?}");
        assert!(error.to_string().contains("fernamt.db"), "{error}");
    }
    assert_eq!(fs::read(folder.database()).unwrap(), before);
}

#[tokio::test]
async fn a_file_that_is_no_database_is_named_and_left_alone() {
    let (_outer, folder) = folder();
    fs::write(folder.database(), "Dear diary, today I was overwritten.").unwrap();
    all_refuse(&folder, |error| matches!(error, StoreError::Corrupt { .. })).await;
    fs::write(folder.database(), "SQLite").unwrap();
    all_refuse(&folder, |error| matches!(error, StoreError::Corrupt { .. })).await;
}

#[tokio::test]
async fn a_damaged_page_is_found_by_the_check_at_start() {
    let (_outer, folder) = folder();
    let records = Records::open(&folder).await.unwrap();
    let new = |n: u32| device(&format!("user{n}"), &[]);
    records
        .import((0..2_000).map(new).collect(), |_| ())
        .await
        .unwrap();
    records.check().await.unwrap();
    drop(records);
    // Everything into the one file, then noise into the middle of it.
    let mut connection = connect(&folder.database()).await.unwrap();
    let checkpoint = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)");
    checkpoint.execute(&mut connection).await.unwrap();
    sqlx::Connection::close(connection).await.unwrap();
    let file = fs::OpenOptions::new()
        .write(true)
        .open(folder.database())
        .unwrap();
    let length = file.metadata().unwrap().len();
    file.write_all_at(&[0xA5; 64 * 1024], length / 2).unwrap();
    let records = Records::open(&folder).await.unwrap();
    let error = records.check().await.unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
    let error = CallJournal::open(&folder, Nobody).unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
}

#[tokio::test]
async fn a_database_of_a_newer_program_is_refused_and_left_alone() {
    let (_outer, folder) = folder();
    drop(Records::open(&folder).await.unwrap());
    let mut connection = connect(&folder.database()).await.unwrap();
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (4711, 'from the future', TRUE, x'00', 0)",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    sqlx::Connection::close(connection).await.unwrap();
    all_refuse(&folder, |error| {
        matches!(error, StoreError::NewerSchema { found: 4711, .. })
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn programs_that_start_together_on_a_new_folder_do_not_disturb_each_other() {
    let (_outer, folder) = folder();
    let opened: Vec<_> = (0..8)
        .map(|_| {
            let folder = folder.clone();
            tokio::spawn(async move { Records::open(&folder).await })
        })
        .collect();
    for opened in opened {
        opened.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_full_disk_is_named_and_everything_works_again_when_there_is_space() {
    let Some(disk) = SmallDisk::mount("4m") else {
        return;
    };
    let folder = DataFolder::open(disk.path().join("data")).unwrap();
    let records = Records::open(&folder).await.unwrap();
    records.add_device(device("before", &[])).await.unwrap();
    let filling = disk.fill();
    let new = |n: u32| device(&format!("user{n}"), &[]);
    let error = records
        .import((0..20_000).map(new).collect(), |_| ())
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::DiskFull { .. }), "{error:?}");
    assert!(error.to_string().contains("fernamt.db"), "{error}");
    fs::remove_file(filling).unwrap();
    records.check().await.unwrap();
    assert_eq!(records.device_count().await.unwrap(), 1);
    records.add_device(device("after", &[])).await.unwrap();
}

#[tokio::test]
async fn a_full_disk_at_first_start_is_named() {
    let Some(disk) = SmallDisk::mount("64k") else {
        return;
    };
    disk.fill();
    let error = match DataFolder::open(disk.path().join("data")) {
        Err(error) => StoreError::from(error),
        Ok(folder) => Records::open(&folder).await.unwrap_err(),
    };
    assert!(error.to_string().contains("no space is left"), "{error}");
}

/// A file system in memory that is soon full.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(size: &str) -> Option<SmallDisk> {
        let outer = tempfile::tempdir().unwrap();
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(outer.path())
            .output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(SmallDisk(outer));
        }
        println!("SKIPPED: a full disk cannot be tried, since nothing may be mounted here");
        None
    }

    fn path(&self) -> &std::path::Path {
        self.0.path()
    }

    fn fill(&self) -> std::path::PathBuf {
        let path = self.path().join("filling");
        let mut file = fs::File::create(&path).unwrap();
        for size in [1 << 16, 1 << 12, 1] {
            while std::io::Write::write(&mut file, &vec![0; size]).is_ok() {}
        }
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = std::process::Command::new("umount")
            .arg("-l")
            .arg(self.path())
            .status();
        drop(unmounted);
    }
}
