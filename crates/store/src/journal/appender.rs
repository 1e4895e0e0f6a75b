//! Appending to the newest segment, all or nothing: bytes are on disk when it succeeds, and are not in
//! the file when it fails. What they mean is not known here.

use std::io;
use std::path::{Path, PathBuf};

use super::disk::{Disk, SegmentFile};
use super::segment::SegmentId;

/// See the module.
pub(super) struct Appender {
    folder: PathBuf,
    disk: Box<dyn Disk>,
    current: Option<Current>,
    next_number: u64,
    segment_bytes: u64,
}

struct Current {
    id: SegmentId,
    file: Box<dyn SegmentFile>,
    /// What of it is on disk, in bytes.
    length: u64,
    condition: Condition,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Condition {
    Sound,
    /// A write stopped half way.
    Torn,
    /// A sync failed: what the file holds now may differ from what a reader sees. It is cut and left.
    Unsure,
}

/// Where the next bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) id: SegmentId,
    /// How long the segment is; nothing: its header is the first thing to be appended.
    pub(super) length: u64,
}

impl Appender {
    /// Begins with a new segment, made when there is something to write. A segment that has reached
    /// `segment_bytes` gets a successor.
    pub(super) fn new(
        folder: PathBuf,
        disk: Box<dyn Disk>,
        next_number: u64,
        segment_bytes: u64,
    ) -> Appender {
        Appender {
            folder,
            disk,
            current: None,
            next_number,
            segment_bytes,
        }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where [`Appender::append`] will write. Brings in order what a failure has left behind.
    pub(super) fn target(&mut self) -> io::Result<Target> {
        if let Some(current) = self.current.as_mut()
            && current.condition != Condition::Sound
        {
            current.file.truncate(current.length)?;
            if current.condition == Condition::Unsure {
                self.current = None;
            } else {
                current.condition = Condition::Sound;
            }
        }
        let segment_bytes = self.segment_bytes;
        match self
            .current
            .take_if(|current| current.length < segment_bytes)
        {
            Some(current) => Ok(self.current.insert(current).target()),
            None => {
                let id = SegmentId::new(self.next_number)?;
                // Its name is never used again, even if it is only half made.
                self.next_number += 1;
                let file = self.disk.create(&id.path(&self.folder))?;
                let new = Current {
                    id,
                    file,
                    length: 0,
                    condition: Condition::Sound,
                };
                Ok(self.current.insert(new).target())
            }
        }
    }

    /// Appends to the target of just now; gives back the length of its segment.
    pub(super) fn append(&mut self, bytes: &[u8]) -> io::Result<u64> {
        let Some(current) = self.current.as_mut() else {
            return Err(io::Error::other("there is no segment to append to"));
        };
        current.condition = Condition::Torn;
        current.file.write_at(bytes, current.length)?;
        current.condition = Condition::Unsure;
        current.file.sync()?;
        current.condition = Condition::Sound;
        current.length += bytes.len() as u64;
        Ok(current.length)
    }
}

impl Current {
    fn target(&self) -> Target {
        Target {
            id: self.id,
            length: self.length,
        }
    }
}
