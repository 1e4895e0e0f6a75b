//! Segments: the files of the journal. Their names, their heads, and reading the records in them one
//! after the other, past damaged places. Writing stands in `writer`.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::frame::{self, Found, HEAD_BYTES, MAX_FRAME_BYTES, Salt};

/// What stands before the records, in bytes: magic, version, CRC-32.
pub(super) const HEADER_BYTES: usize = 16;

const MAGIC: [u8; 8] = *b"FNMTCALL";
const VERSION: u32 = 1;

const SUFFIX: &str = ".calls";

/// Behind the name of a segment that was damaged and is kept for a person to look at.
const DAMAGED_SUFFIX: &str = ".damaged";

/// How much is read from a file at a time, in bytes; several of the largest records.
const WINDOW_BYTES: usize = 4 * MAX_FRAME_BYTES;

/// A place in the journal: behind it stands what was written later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    pub(super) segment: u64,
    pub(super) offset: u64,
}

/// Which segment; both values stand in the name of the file, so that they survive a damaged head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentId {
    pub(super) number: u64,
    pub(super) salt: Salt,
}

impl SegmentId {
    /// A segment that does not exist yet.
    pub(super) fn new(number: u64) -> io::Result<SegmentId> {
        let mut salt = [0; 8];
        File::open("/dev/urandom")?.read_exact(&mut salt)?;
        Ok(SegmentId {
            number,
            salt: Salt(u64::from_le_bytes(salt)),
        })
    }

    pub(super) fn path(self, folder: &Path) -> PathBuf {
        folder.join(format!("{:016x}-{:016x}{SUFFIX}", self.number, self.salt.0))
    }

    fn from_name(name: &str) -> Option<SegmentId> {
        let (number, salt) = name.strip_suffix(SUFFIX)?.split_once('-')?;
        let digits = |text: &str| {
            (text.len() == 16)
                .then(|| u64::from_str_radix(text, 16).ok())
                .flatten()
        };
        Some(SegmentId {
            number: digits(number)?,
            salt: Salt(digits(salt)?),
        })
    }

    /// What stands at the beginning of the file.
    pub(super) fn header(self) -> [u8; HEADER_BYTES] {
        let mut header = [0; HEADER_BYTES];
        let parts = [
            &MAGIC[..],
            &VERSION.to_le_bytes(),
            &self.header_check(VERSION).to_le_bytes(),
        ];
        let bytes = parts.into_iter().flatten();
        header
            .iter_mut()
            .zip(bytes)
            .for_each(|(place, byte)| *place = *byte);
        header
    }

    fn header_check(self, version: u32) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&MAGIC);
        hasher.update(&version.to_le_bytes());
        hasher.update(&self.number.to_le_bytes());
        hasher.update(&self.salt.0.to_le_bytes());
        hasher.finalize()
    }

    /// The version of a head that is sound; `None`: it is damaged.
    fn version_of(self, header: &[u8]) -> Option<u32> {
        let (magic, rest) = header.split_first_chunk::<8>()?;
        let (version, rest) = rest.split_first_chunk::<4>()?;
        let (check, _) = rest.split_first_chunk::<4>()?;
        let version = u32::from_le_bytes(*version);
        let sound = *magic == MAGIC && u32::from_le_bytes(*check) == self.header_check(version);
        sound.then_some(version)
    }

    /// Removes the file; one that was damaged only loses its name.
    pub(super) fn remove(self, folder: &Path, damaged: bool) -> io::Result<()> {
        let path = self.path(folder);
        if damaged {
            let mut kept = path.clone().into_os_string();
            kept.push(DAMAGED_SUFFIX);
            fs::rename(&path, kept)?;
        } else {
            fs::remove_file(&path)?;
        }
        // The next one must not be gone before this one is, whenever the power goes.
        File::open(folder)?.sync_all()
    }
}

/// The segments of a journal, oldest first.
pub(super) fn list(folder: &Path) -> io::Result<Vec<SegmentId>> {
    let mut segments = Vec::new();
    for file in fs::read_dir(folder)? {
        segments.extend(file?.file_name().to_str().and_then(SegmentId::from_name));
    }
    segments.sort_unstable_by_key(|id| id.number);
    Ok(segments)
}

/// One thing in a segment.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Item<'a> {
    /// A record.
    Record {
        /// Where it begins.
        offset: u64,
        /// What it holds.
        payload: &'a [u8],
    },
    /// Bytes that are no record, with records behind them.
    Damaged {
        /// How many.
        bytes: u64,
    },
}

/// Why a segment cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("version {0}")]
    Newer(u32),
}

/// Reads the records of a segment, in their order.
#[derive(Debug)]
pub(super) struct SegmentReader {
    file: File,
    salt: Salt,
    /// Where reading ends: the end of what is sound, or of the file.
    end: u64,
    window: Vec<u8>,
    /// Where in the file the window begins.
    window_start: u64,
    /// Where in the file the next record is expected.
    place: u64,
}

impl SegmentReader {
    /// Begins at `from`, ends at `to` or at the end of the file.
    pub(super) fn open(
        folder: &Path,
        id: SegmentId,
        from: u64,
        to: u64,
    ) -> Result<SegmentReader, Unreadable> {
        let file = File::open(id.path(folder))?;
        let end = to.min(file.metadata()?.len());
        let mut header = [0; HEADER_BYTES];
        let whole = end >= HEADER_BYTES as u64;
        if whole {
            file.read_exact_at(&mut header, 0)?;
        }
        let first = match id.version_of(&header) {
            Some(VERSION) => HEADER_BYTES as u64,
            Some(newer) => return Err(Unreadable::Newer(newer)),
            // The head itself is then the first damaged place.
            None => 0,
        };
        let (window, place) = (Vec::new(), from.max(first));
        Ok(SegmentReader {
            file,
            salt: id.salt,
            end,
            window,
            window_start: place,
            place,
        })
    }

    /// Where the next record is expected: behind the last one that was found.
    pub(super) fn place(&self) -> u64 {
        self.place
    }

    /// How many bytes follow the last record without one among them: a torn end. To be asked when
    /// there are no more items.
    pub(super) fn torn_bytes(&self) -> u64 {
        self.end.saturating_sub(self.place)
    }

    /// The next thing; `None` when no record follows.
    pub(super) fn next_item(&mut self) -> io::Result<Option<Item<'_>>> {
        let mut ahead = 0;
        loop {
            let at = self.place + ahead;
            match frame::read(self.window_from(at), self.salt) {
                Found::Record(_) if ahead > 0 => {
                    self.place = at;
                    return Ok(Some(Item::Damaged { bytes: ahead }));
                }
                Found::Record(payload) => {
                    let length = payload.len();
                    self.place += (HEAD_BYTES + length) as u64;
                    // Looked up once more, since a record that is lent out ends the loop.
                    let bytes = self.window_from(at).get(HEAD_BYTES..HEAD_BYTES + length);
                    let payload = bytes.unwrap_or_default();
                    return Ok(Some(Item::Record {
                        offset: at,
                        payload,
                    }));
                }
                Found::Unfinished if self.can_see_more(at) => self.fill(at)?,
                Found::Unfinished | Found::Nothing => match self.skip(at) {
                    Some(distance) => ahead += distance,
                    None => return Ok(None),
                },
            }
        }
    }

    /// How far it is from `at` to the next place where a record may begin; at least one byte.
    fn skip(&self, at: u64) -> Option<u64> {
        let bytes = self.window_from(at);
        if let Some(distance) = frame::distance_to_marker(bytes, self.salt) {
            return Some(distance as u64);
        }
        // No marker in the window; one may begin with its last bytes.
        let seen = bytes.len().saturating_sub(3).max(1) as u64;
        (at + seen < self.end).then_some(seen)
    }

    fn window_from(&self, place: u64) -> &[u8] {
        let start = usize::try_from(place.saturating_sub(self.window_start)).unwrap_or(usize::MAX);
        self.window.get(start..).unwrap_or_default()
    }

    /// Whether the file has more behind `at` than the window shows, and a new one would show it.
    fn can_see_more(&self, at: u64) -> bool {
        let window_end = self.window_start + self.window.len() as u64;
        window_end < self.end && (self.window.is_empty() || self.window_start != at)
    }

    /// Moves the window. It is larger than any record, so that one that begins there is seen whole.
    fn fill(&mut self, place: u64) -> io::Result<()> {
        let length = self.end.saturating_sub(place).min(WINDOW_BYTES as u64) as usize;
        self.window.resize(length, 0);
        self.window_start = place;
        self.file.read_exact_at(&mut self.window, place)
    }
}
