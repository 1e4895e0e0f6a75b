//! Who the sources of RTCP are (RFC 3550 section 6.5); not what they send.

use crate::bytes::{u8_at, u32_at};

/// The item that names a source for good.
pub const CNAME: u8 = 1;

/// The chunks of a source description (RFC 3550 section 6.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceDescription<'a> {
    chunks: &'a [u8],
    count: u8,
}

/// One item about a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item<'a> {
    /// The source.
    pub ssrc: u32,
    /// Which item; [`CNAME`] is 1.
    pub kind: u8,
    /// The text, in UTF-8 perhaps.
    pub text: &'a [u8],
}

impl<'a> SourceDescription<'a> {
    pub(super) fn check(chunks: &'a [u8], count: u8) -> Option<SourceDescription<'a>> {
        let mut rest = chunks;
        for _ in 0..count {
            rest = each_item(rest, |_| {})?;
        }
        Some(SourceDescription { chunks, count })
    }

    /// Calls `take` with every item of every source.
    pub fn for_each(&self, mut take: impl FnMut(Item<'a>)) {
        let mut rest = self.chunks;
        for _ in 0..self.count {
            match each_item(rest, &mut take) {
                Some(behind) => rest = behind,
                None => return,
            }
        }
    }

    /// The canonical name of a source.
    pub fn cname(&self, ssrc: u32) -> Option<&'a [u8]> {
        let mut name = None;
        self.for_each(|item| {
            if item.ssrc == ssrc && item.kind == CNAME && name.is_none() {
                name = Some(item.text);
            }
        });
        name
    }
}

/// Goes through one chunk; returns what follows it.
fn each_item<'a>(chunk: &'a [u8], mut take: impl FnMut(Item<'a>)) -> Option<&'a [u8]> {
    let ssrc = u32_at(chunk, 0)?;
    let mut at = 4;
    loop {
        let kind = u8_at(chunk, at)?;
        if kind == 0 {
            // The list ends with at least one zero, up to the next word.
            return chunk.get((at / 4 + 1) * 4..);
        }
        let length = usize::from(u8_at(chunk, at + 1)?);
        let text = chunk.get(at + 2..)?.get(..length)?;
        take(Item { ssrc, kind, text });
        at += 2 + length;
    }
}
