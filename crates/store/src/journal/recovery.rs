//! Reading what a former process has left. Nothing is changed on disk.

use std::collections::HashMap;
use std::path::Path;

use fernamt_charging::CallReference;

use super::frame::HEAD_BYTES;
use super::ledger::{Extent, Ledger};
use super::progress::Readable;
use super::record::{self, Record};
use super::segment::{self, Item, Position, SegmentId, SegmentReader, Unreadable};
use crate::error::StoreError;

/// Everything that is in the journal.
#[derive(Debug, Default)]
pub(super) struct Scan {
    pub(super) ledger: Ledger,
    pub(super) segments: Vec<Readable>,
    pub(super) open: HashMap<CallReference, Vec<u8>>,
    /// Ends of calls that are not in the database.
    pub(super) unmoved: u64,
    /// Bytes of records in the middle that cannot be read.
    pub(super) damaged_bytes: u64,
}

impl Scan {
    /// Reads the whole journal; the database has the closed calls before `moved`.
    pub(super) fn read(folder: &Path, moved: Position) -> Result<Scan, StoreError> {
        let failed = |source| StoreError::System {
            what: format!("reading the journal in {}", folder.display()).into(),
            source,
        };
        let mut scan = Scan::default();
        for id in segment::list(folder).map_err(failed)? {
            scan.read_segment(folder, id, moved)
                .map_err(|error| match error {
                    Unreadable::Io(source) => failed(source),
                    Unreadable::Newer(version) => StoreError::NewerJournal {
                        file: id.path(folder),
                        version,
                    },
                })?;
        }
        Ok(scan)
    }

    /// The number of the newest segment, 0 without one.
    pub(super) fn last_number(&self) -> u64 {
        self.segments.last().map_or(0, |last| last.id.number)
    }

    fn read_segment(
        &mut self,
        folder: &Path,
        id: SegmentId,
        moved: Position,
    ) -> Result<(), Unreadable> {
        let mut reader = SegmentReader::open(folder, id, 0, u64::MAX)?;
        self.ledger.add(Extent::new(id, 0));
        let mut damaged_bytes = 0;
        loop {
            match reader.next_item()? {
                Some(Item::Record { offset, payload }) => {
                    let position = Position {
                        segment: id.number,
                        offset,
                    };
                    if !self.note(position, payload, moved) {
                        damaged_bytes += payload.len() as u64;
                    }
                }
                Some(Item::Damaged { bytes }) => damaged_bytes += bytes,
                None => break,
            }
        }
        let file = id.path(folder);
        if damaged_bytes > 0 {
            tracing::error!(
                file = %file.display(), damaged_bytes,
                "the journal of calls is damaged; records around it were read, and the file is kept"
            );
        }
        if reader.torn_bytes() > 0 {
            tracing::warn!(
                file = %file.display(), bytes = reader.torn_bytes(), offset = reader.place(),
                "the journal of calls ends with a record that is not whole; it is left out"
            );
        }
        self.damaged_bytes += damaged_bytes;
        self.ledger.written(id, reader.place());
        let readable = Readable {
            id,
            length: reader.place(),
            damaged: damaged_bytes > 0,
        };
        self.segments.push(readable);
        Ok(())
    }

    /// Says whether the record could be understood.
    fn note(&mut self, position: Position, payload: &[u8], moved: Position) -> bool {
        match record::read(payload) {
            Some(Record::State { call, state }) => {
                let length = (HEAD_BYTES + payload.len()) as u32;
                self.ledger.state(call, position, length);
                self.open.insert(call, state.to_vec());
                true
            }
            Some(Record::Closed { call, .. }) => {
                self.ledger.release(call);
                self.open.remove(&call);
                self.unmoved += u64::from(position >= moved);
                true
            }
            None => false,
        }
    }
}
