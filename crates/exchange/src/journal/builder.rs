//! The journal while its call goes on: entries packed into one piece of memory.
//!
//! An entry is written down as the time since the one before and the event, in the bytes of
//! `postcard`; an ordinary call takes about a kilobyte. The journal is part of a call's state, so it
//! is itself a plain value.

use std::collections::VecDeque;

use fernamt_sip::time::UnixTime;
use serde::{Deserialize, Serialize};

use super::{Entry, Event, Party};
use crate::packed::{self, Octets};

/// Most entries of one journal, the note about those left out not counted.
pub const MAX_ENTRIES: usize = 200;

/// Longest text of one entry, in bytes; what is longer is cut.
pub const MAX_TEXT_BYTES: usize = 240;

/// How many of the last entries are kept once the journal is full: how a call ended matters as much
/// as how it began.
const LAST_ENTRIES: usize = 40;

/// What the entries of an ordinary call take, so that they are kept in one piece.
const USUAL_BYTES: usize = 1024;

const FIRST_ENTRIES: usize = MAX_ENTRIES - LAST_ENTRIES;

/// The journal of a call in progress.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journal {
    start: UnixTime,
    last: UnixTime,
    first_entries: u16,
    packed: Octets<Vec<u8>>,
    /// The last entries, once the first ones are full; each with its time since the start.
    tail: VecDeque<Octets<Box<[u8]>>>,
    left_out: u64,
}

/// An [`Event`] whose texts are borrowed. The order of the variants is that of [`Event`], so that
/// what is written as one is read as the other.
#[derive(Serialize)]
enum Borrowed<'a> {
    Party {
        party: Party,
        name: &'a str,
        address: &'a str,
    },
    Received {
        party: Party,
        message: &'a str,
        body: &'a str,
    },
    Sent {
        party: Party,
        message: &'a str,
        body: &'a str,
    },
    Decided {
        why: &'a str,
    },
    Media {
        party: Party,
        what: &'a str,
    },
    Recovered,
    Released {
        cause: u8,
        why: &'a str,
    },
}

impl Journal {
    /// The journal of a call that starts now.
    pub fn new(start: UnixTime) -> Journal {
        Journal {
            start,
            last: start,
            first_entries: 0,
            packed: Octets(Vec::with_capacity(USUAL_BYTES)),
            tail: VecDeque::new(),
            left_out: 0,
        }
    }

    /// A party entered the call; see [`Event::Party`].
    pub fn party(&mut self, at: UnixTime, party: Party, name: &str, address: &str) {
        self.push(
            at,
            Borrowed::Party {
                party,
                name: cut(name),
                address: cut(address),
            },
        );
    }

    /// A message came from a party; `body` says in short what was in it, see [`super::body_summary`].
    pub fn received(&mut self, at: UnixTime, party: Party, message: &str, body: &str) {
        self.push(
            at,
            Borrowed::Received {
                party,
                message: cut(message),
                body: cut(body),
            },
        );
    }

    /// A message was sent to a party.
    pub fn sent(&mut self, at: UnixTime, party: Party, message: &str, body: &str) {
        self.push(
            at,
            Borrowed::Sent {
                party,
                message: cut(message),
                body: cut(body),
            },
        );
    }

    /// Something was decided, for this reason.
    pub fn decided(&mut self, at: UnixTime, why: &str) {
        self.push(at, Borrowed::Decided { why: cut(why) });
    }

    /// The media plane did or saw something on the side of a party.
    pub fn media(&mut self, at: UnixTime, party: Party, what: &str) {
        self.push(
            at,
            Borrowed::Media {
                party,
                what: cut(what),
            },
        );
    }

    /// The exchange was restarted and picked the call up again.
    pub fn recovered(&mut self, at: UnixTime) {
        self.push(at, Borrowed::Recovered);
    }

    /// The call ended, with a Q.850 cause and who ended it in words.
    pub fn released(&mut self, at: UnixTime, cause: u8, why: &str) {
        self.push(
            at,
            Borrowed::Released {
                cause,
                why: cut(why),
            },
        );
    }

    /// How many entries there are, those left out not counted.
    pub fn len(&self) -> usize {
        usize::from(self.first_entries) + self.tail.len()
    }

    /// Whether nothing has happened yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes of memory that the journal takes besides itself.
    pub fn memory_bytes(&self) -> usize {
        let each = size_of::<Box<[u8]>>();
        let tail: usize = self.tail.iter().map(|packed| packed.0.len()).sum();
        self.packed.0.capacity() + self.tail.capacity() * each + tail
    }

    /// The entries, in order. Where some were left out, a note stands in their place.
    pub fn entries(&self) -> Vec<Entry> {
        let mut entries = Vec::with_capacity(self.len() + 1);
        let mut at = self.start;
        let mut rest = self.packed.0.as_slice();
        while let Some((entry, behind)) = unpack(at, rest) {
            at = entry.at;
            rest = behind;
            entries.push(entry);
        }
        if self.left_out > 0 {
            let count = self.left_out;
            let were = if count == 1 {
                "entry was"
            } else {
                "entries were"
            };
            let why = format!("{count} {were} left out here: the journal was full.");
            entries.push(Entry {
                at,
                event: Event::Decided { why: why.into() },
            });
        }
        let tail = self
            .tail
            .iter()
            .filter_map(|packed| unpack(self.start, &packed.0));
        entries.extend(tail.map(|(entry, _)| entry));
        entries
    }

    fn push(&mut self, at: UnixTime, event: Borrowed<'_>) {
        if usize::from(self.first_entries) < FIRST_ENTRIES {
            let since = at.as_micros().saturating_sub(self.last.as_micros());
            // Writing to memory fails for no value there is; and a journal never fails its call.
            if packed::append(&(since, event), &mut self.packed.0).is_ok() {
                self.first_entries += 1;
                self.last = at;
            }
            return;
        }
        let since = at.as_micros().saturating_sub(self.start.as_micros());
        let mut packed = Vec::new();
        if packed::append(&(since, event), &mut packed).is_err() {
            return;
        }
        if self.tail.len() >= LAST_ENTRIES {
            self.tail.pop_front();
            self.left_out += 1;
        }
        self.tail.push_back(Octets(packed.into_boxed_slice()));
    }
}

/// One entry, and what stands behind it.
fn unpack(before: UnixTime, packed: &[u8]) -> Option<(Entry, &[u8])> {
    if packed.is_empty() {
        return None;
    }
    let ((since, event), rest): ((i64, Event), _) = postcard::take_from_bytes(packed).ok()?;
    let at = UnixTime::from_micros(before.as_micros().saturating_add(since));
    Some((Entry { at, event }, rest))
}

/// The text up to the limit, and no half character.
fn cut(text: &str) -> &str {
    let mut end = MAX_TEXT_BYTES.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}
