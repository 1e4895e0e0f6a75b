//! The journal as a whole, against real files and a real database.

mod damage;
mod full_disk;
mod life;

use std::path::Path;
use std::sync::{Arc, Mutex};

use fernamt_charging::CallReference;
use fernamt_exchange::interface::Ticket;

use super::disk::RealDisk;
use super::recovery::Scan;
use super::segment::Position;
use super::{CallJournal, CommitSink, Recovered, Sizes};
use crate::folder::DataFolder;
use crate::records::{CallQuery, MAX_PAGE, Records};

/// Remembers what it is told.
#[derive(Clone, Default)]
pub(super) struct Told(Arc<Mutex<Vec<(bool, u16, Ticket)>>>);

impl CommitSink for Told {
    fn committed(&mut self, shard: u16, tickets: &[Ticket]) {
        self.0
            .lock()
            .unwrap()
            .extend(tickets.iter().map(|ticket| (true, shard, *ticket)));
    }

    fn failed(&mut self, shard: u16, tickets: &[Ticket]) {
        self.0
            .lock()
            .unwrap()
            .extend(tickets.iter().map(|ticket| (false, shard, *ticket)));
    }
}

impl Told {
    fn take(&self) -> Vec<(bool, u16, Ticket)> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

fn open(folder: &DataFolder) -> (CallJournal, Recovered) {
    CallJournal::open(folder, Told::default()).unwrap()
}

/// Everything is small, so that segments come and go.
fn open_small(folder: &DataFolder) -> (CallJournal, Recovered) {
    let sizes = Sizes {
        segment_bytes: 4_000,
        slack_bytes: 16_000,
    };
    CallJournal::open_with(folder, Box::new(Told::default()), Box::new(RealDisk), sizes).unwrap()
}

fn sorted(recovered: &Recovered) -> Vec<(u64, Vec<u8>)> {
    let mut open: Vec<_> = recovered
        .open
        .iter()
        .map(|(call, state)| (call.0, state.clone()))
        .collect();
    open.sort();
    open
}

/// The calls in the database, in their order there.
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
            let before: Vec<u64> = page.records.iter().map(|record| record.call.0).collect();
            calls = [before, calls].concat();
            match page.older {
                Some(older) => query.before = Some(older),
                None => return calls,
            }
        }
    })
}

fn scan(journal: &Path) -> Scan {
    Scan::read(journal, Position::default()).unwrap()
}

fn segments(folder: &DataFolder) -> Vec<std::path::PathBuf> {
    let files = std::fs::read_dir(folder.journal()).unwrap();
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    files
}

fn journal_bytes(folder: &DataFolder) -> u64 {
    segments(folder)
        .iter()
        .map(|path| path.metadata().unwrap().len())
        .sum()
}

const fn reference(call: u64) -> CallReference {
    CallReference(call)
}
