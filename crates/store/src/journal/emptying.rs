//! Emptying the oldest segment: the states in it that still count are written anew, a piece with each
//! commit, so that no commit waits long.

use std::path::Path;

use fernamt_charging::CallReference;

use super::ledger::{Extent, Ledger};
use super::record::{self, Record};
use super::segment::{Item, Position, SegmentId, SegmentReader, Unreadable};

/// How much of the old segment is looked through with each commit, in bytes.
const PIECE_BYTES: u64 = 512 * 1024;

/// A segment that is being emptied.
pub(super) struct Emptying {
    id: SegmentId,
    reader: SegmentReader,
}

impl Emptying {
    pub(super) fn begin(folder: &Path, extent: Extent) -> Result<Emptying, Unreadable> {
        let reader = SegmentReader::open(folder, extent.id, 0, extent.length)?;
        Ok(Emptying {
            id: extent.id,
            reader,
        })
    }

    /// Gives the payloads of the next piece that still count to `push`. `false`: that was the last.
    pub(super) fn next_piece(
        &mut self,
        ledger: &Ledger,
        mut push: impl FnMut(CallReference, &[u8]),
    ) -> std::io::Result<bool> {
        let end = self.reader.place() + PIECE_BYTES;
        while self.reader.place() < end {
            match self.reader.next_item()? {
                Some(Item::Record { offset, payload }) => {
                    let position = Position {
                        segment: self.id.number,
                        offset,
                    };
                    if let Some(Record::State { call, .. }) = record::read(payload)
                        && ledger.is_live(call, position)
                    {
                        push(call, payload);
                    }
                }
                Some(Item::Damaged { .. }) => {}
                None => return Ok(false),
            }
        }
        Ok(true)
    }
}
