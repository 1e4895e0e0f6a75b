//! The sources of one context and where each stands, up to a limit; no keys, no packets.

use super::position::{Position, has_moved};
use super::window::Window;

/// How many sources there is room for from the beginning: a call of voice and video has not more.
const USUAL_SOURCES: usize = 4;

/// One source.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source {
    ssrc: u32,
    /// What it is called in the packets that we send of it.
    pub(super) name: u32,
    pub(super) window: Window,
    /// What is added to its own sequence numbers.
    pub(super) shift: u16,
    /// That was changed, and no packet has come since.
    pub(super) is_shifted_anew: bool,
    /// The number of its own that would follow one that was too old.
    stray: Option<u16>,
    /// Where it stands was told by the caller, and no packet has come since.
    pub(super) is_resumed: bool,
    last_packet: u64,
}

impl Source {
    /// Notes a packet that is too old to be sent. Whether the source has begun anew with other numbers:
    /// it has when two packets in a row are too old, as in RFC 3550 appendix A.1.
    pub(super) const fn begins_anew(&mut self, sequence: u16) -> bool {
        let is_next = matches!(self.stray, Some(stray) if stray == sequence);
        self.stray = Some(sequence.wrapping_add(1));
        is_next
    }
}

/// At most `limit` sources. What they are found by is looked through from the beginning: there are
/// few of them.
pub(super) struct Sources {
    list: Vec<Source>,
    limit: usize,
    packets: u64,
    has_moved: bool,
}

impl Sources {
    pub(super) fn new(limit: usize) -> Sources {
        Sources {
            list: Vec::with_capacity(USUAL_SOURCES.min(limit)),
            limit,
            packets: 0,
            has_moved: false,
        }
    }

    #[inline]
    pub(super) fn get(&self, ssrc: u32) -> Option<&Source> {
        self.list.iter().find(|source| source.ssrc == ssrc)
    }

    #[inline]
    pub(super) fn has(&self, ssrc: u32) -> bool {
        self.get(ssrc).is_some()
    }

    #[inline]
    pub(super) fn get_mut(&mut self, ssrc: u32) -> Option<&mut Source> {
        self.list.iter_mut().find(|source| source.ssrc == ssrc)
    }

    pub(super) const fn is_full(&self) -> bool {
        self.list.len() >= self.limit
    }

    /// Notes a packet that was sent, or that was let in. For a source that is new when the table is
    /// full, the one that was heard the longest time ago goes.
    #[inline]
    pub(super) fn note(&mut self, ssrc: u32, index: u64) {
        self.packets += 1;
        let packets = self.packets;
        match self.list.iter_mut().find(|source| source.ssrc == ssrc) {
            Some(source) => {
                let before = source.window.highest();
                source.window.note(index);
                self.has_moved |= source.is_resumed
                    || source.is_shifted_anew
                    || has_moved(before, source.window.highest());
                (source.is_resumed, source.is_shifted_anew) = (false, false);
                source.stray = None;
                source.last_packet = packets;
            }
            None => {
                let mut window = Window::before(index);
                window.note(index);
                self.place(ssrc, ssrc, window);
            }
        }
    }

    /// Takes in a source under another name than its own, before its first packet. For one that is new
    /// when the table is full, the one that was sent the longest time ago goes.
    pub(super) fn rename(&mut self, ssrc: u32, name: u32, first_index: u64) {
        self.place(ssrc, name, Window::before(first_index));
    }

    /// Says where a source stands, without any packet of it.
    pub(super) fn resume(&mut self, ssrc: u32, window: Window, shift: u16) {
        if self.get(ssrc).is_none() {
            self.place(ssrc, ssrc, window);
        }
        if let Some(source) = self.get_mut(ssrc) {
            (source.window, source.shift, source.is_resumed) = (window, shift, true);
        }
        self.has_moved = true;
    }

    fn place(&mut self, ssrc: u32, name: u32, window: Window) {
        if self.is_full()
            && let Some(oldest) = self.oldest()
        {
            self.list.swap_remove(oldest);
        }
        self.has_moved = true;
        self.list.push(Source {
            ssrc,
            name,
            window,
            shift: 0,
            is_shifted_anew: false,
            stray: None,
            is_resumed: false,
            last_packet: self.packets,
        });
    }

    fn oldest(&self) -> Option<usize> {
        let sources = self.list.iter().enumerate();
        let (place, _) = sources.min_by_key(|(_, source)| source.last_packet)?;
        Some(place)
    }

    pub(super) fn positions(&self) -> impl Iterator<Item = Position> + use<'_> {
        self.list.iter().map(|source| Position {
            ssrc: source.ssrc,
            index: source.window.highest(),
            shift: source.shift,
        })
    }

    pub(super) const fn take_moved(&mut self) -> bool {
        core::mem::replace(&mut self.has_moved, false)
    }
}
