//! What we send with one master key (RFC 3711 section 3.3): in place, each index once; no socket.

use crate::bytes::{u8_at, u32_at};
use crate::packet::{HEADER_BYTES, Header, VERSION, header_bytes};

use super::derivation::SessionKeys;
use super::error::ProtectError;
use super::life::Life;
use super::master_key::MasterKey;
use super::position::{Position, index_of, nearest};
use super::sources::{Source, Sources};
use super::substitutes::Substitutes;
use super::suite::INDEX_BYTES;
use super::transform::{Identity, RTCP_CLEAR_BYTES, Transform};
use super::window::{Verdict, WINDOW_PACKETS, Window};
use super::{MAX_RTCP_PACKETS, MAX_RTP_PACKETS};

/// The most sources that are sent under their own names with one key. None of them is ever forgotten: a
/// source that came back with numbers that were sent already would have its keystream used twice.
pub const MAX_SENT_SOURCES: usize = 64;

/// The most sources beyond [`MAX_SENT_SOURCES`] that are known at once. Each has a name that is made up
/// and never used again ([`Substitutes`]), so that one that was forgotten for another one, and comes back,
/// gets another name: no receiver could follow it under the old one, whose rollover counter it would
/// have to guess.
pub const MAX_RENAMED_SOURCES: usize = 16;

/// After a restart so many packets count as sent that perhaps were not: a position is written down for
/// each 2^15.
const UNWRITTEN_PACKETS: u64 = 1 << 16;

/// A written SRTCP index may be this many packets behind; after a restart twice as many are left out.
pub const RTCP_INDEX_STEP: u32 = 64;

/// Protects the packets of all sources that we send with one master key.
///
/// The rollover counter of a source follows the sequence numbers of what is sent, which may be
/// somewhat out of order, as what a relay passes on is.
pub struct Protector {
    rtp: Transform,
    rtcp: Transform,
    mki: Box<[u8]>,
    rtp_overhead: usize,
    rtcp_overhead: usize,
    sources: Sources,
    renamed: Sources,
    substitutes: Option<Substitutes>,
    life: Life,
    rtcp_has_moved: bool,
}

impl Protector {
    /// Derives the session keys.
    pub fn new(master: &MasterKey) -> Protector {
        let (rtp, rtcp) = (SessionKeys::rtp(master), SessionKeys::rtcp(master));
        Protector::with_session_keys(master, &rtp, &rtcp)
    }

    pub(super) fn with_session_keys(
        master: &MasterKey,
        rtp: &SessionKeys,
        rtcp: &SessionKeys,
    ) -> Protector {
        let suite = master.suite();
        let (rtp_tag, rtcp_tag) = (suite.rtp_tag_bytes(), suite.rtcp_tag_bytes());
        Protector {
            rtp: Transform::new(rtp, suite, rtp_tag),
            rtcp: Transform::new(rtcp, suite, rtcp_tag),
            mki: master.mki().into(),
            rtp_overhead: rtp_tag + master.mki().len(),
            rtcp_overhead: rtcp_tag + INDEX_BYTES + master.mki().len(),
            sources: Sources::new(MAX_SENT_SOURCES),
            renamed: Sources::new(MAX_RENAMED_SOURCES),
            substitutes: None,
            life: Life::new(master),
            rtcp_has_moved: false,
        }
    }

    /// How many bytes longer a packet of RTP becomes.
    pub const fn rtp_overhead(&self) -> usize {
        self.rtp_overhead
    }

    /// How many bytes longer a datagram of RTCP becomes.
    pub const fn rtcp_overhead(&self) -> usize {
        self.rtcp_overhead
    }

    /// Protects the packet of RTP in the first `length` bytes of `buffer`; returns how long it is
    /// then, which is [`Protector::rtp_overhead`] more.
    ///
    /// A source whose own sequence numbers jump back, which no receiver of SRTP could follow, gets new
    /// ones that go on: the packet's number is changed then. Its first such packet is taken for one
    /// that is late, and refused. A source that comes when there have been [`MAX_SENT_SOURCES`] gets
    /// another name (SSRC) in its packets.
    ///
    /// # Errors
    /// [`ProtectError`]; nothing is to be sent, and no index was used.
    #[inline]
    pub fn protect_rtp(&mut self, buffer: &mut [u8], length: usize) -> Result<usize, ProtectError> {
        let packet = buffer.get(..length).ok_or(ProtectError::Room)?;
        let header = header_bytes(packet).ok_or(ProtectError::Malformed)?;
        let Header { ssrc, sequence, .. } = Header::peek(packet).ok_or(ProtectError::Malformed)?;
        if buffer.len() - length < self.rtp_overhead {
            return Err(ProtectError::Room);
        }
        if self.life.is_over(0) {
            return Err(ProtectError::KeyExpired);
        }
        let (id, is_renamed) = match self.sources.get_mut(ssrc) {
            Some(source) => (next_of(source, sequence)?, false),
            None => self.identify(ssrc, sequence)?,
        };
        if let Some([_, _, high, low, _, _, _, _, name @ ..]) =
            buffer.first_chunk_mut::<HEADER_BYTES>()
        {
            [*high, *low] = (id.index as u16).to_be_bytes();
            *name = id.ssrc.to_be_bytes();
        }
        let sealed = self.rtp.seal_rtp(buffer, header, length, id, &self.mki);
        let length = sealed.ok_or(ProtectError::Room)?;
        match is_renamed {
            false => self.sources.note(ssrc, id.index),
            true => self.renamed.note(ssrc, id.index),
        }
        self.life.packets += 1;
        Ok(length)
    }

    /// Name and index of a packet whose source is none of those with their own names so far, and whether
    /// it has another name than its own.
    #[inline(never)]
    fn identify(&mut self, ssrc: u32, sequence: u16) -> Result<(Identity, bool), ProtectError> {
        let index = index_of(0, sequence);
        if !self.sources.is_full() && self.substitutes.is_none() {
            return Ok((Identity { ssrc, index }, false));
        }
        if let Some(source) = self.renamed.get_mut(ssrc) {
            return Ok((next_of(source, sequence)?, true));
        }
        let sources = &self.sources;
        let substitutes = self.substitutes.get_or_insert(Substitutes::new(ssrc));
        let name = substitutes.draw(|name| sources.has(name));
        let name = name.ok_or(ProtectError::KeyExpired)?;
        self.renamed.rename(ssrc, name, index);
        Ok((Identity { ssrc: name, index }, true))
    }

    /// Protects the RTCP in the first `length` bytes of `buffer`, encrypted always; returns how long
    /// it is then, which is [`Protector::rtcp_overhead`] more.
    ///
    /// # Errors
    /// [`ProtectError`]; the buffer and the context are as they were.
    pub fn protect_rtcp(
        &mut self,
        buffer: &mut [u8],
        length: usize,
    ) -> Result<usize, ProtectError> {
        let packet = buffer.get(..length).ok_or(ProtectError::Room)?;
        let ssrc = rtcp_ssrc(packet).ok_or(ProtectError::Malformed)?;
        if buffer.len() - length < self.rtcp_overhead {
            return Err(ProtectError::Room);
        }
        if self.life.is_over(0) {
            return Err(ProtectError::KeyExpired);
        }
        if self.substitutes.is_some() {
            rename_reports(buffer.get_mut(..length).unwrap_or_default(), &self.renamed);
        }
        let ssrc = rtcp_ssrc(buffer).unwrap_or(ssrc);
        let index = u64::from(self.rtcp_index());
        let id = Identity { ssrc, index };
        let sealed = self.rtcp.seal_rtcp(buffer, length, id, &self.mki);
        let length = sealed.ok_or(ProtectError::Room)?;
        self.rtcp_has_moved |= self.rtcp_index().is_multiple_of(RTCP_INDEX_STEP);
        self.life.rtcp_packets += 1;
        Ok(length)
    }

    /// Where every source stands, to be written down.
    pub fn positions(&self) -> impl Iterator<Item = Position> + use<'_> {
        self.sources.positions()
    }

    /// Takes a source up again where it stood when that was written down. Its next packet has the
    /// first index after that with its sequence number. More than [`MAX_SENT_SOURCES`], which are
    /// never written down, are not taken up. Its packets count as sent until
    /// [`Protector::resume_packets`] knows better.
    pub fn resume(&mut self, position: Position) {
        let Position { ssrc, index, shift } = position;
        if self.sources.is_full() && !self.sources.has(ssrc) {
            return;
        }
        let counted = self.sources.get(ssrc).map(|source| source.window.highest());
        let more = index.saturating_sub(counted.unwrap_or(0));
        self.life.packets = self.life.packets.saturating_add(more);
        self.sources.resume(ssrc, Window::after(index), shift);
    }

    /// How many packets of RTP were sent with the key, to be written down.
    pub const fn packets(&self) -> u64 {
        self.life.packets
    }

    /// Goes on counting after `written` was written down, and somewhat more: rather too many packets
    /// count than too few.
    pub const fn resume_packets(&mut self, written: u64) {
        self.life.packets = written.saturating_add(UNWRITTEN_PACKETS);
    }

    /// Which names were made up for sources, to be written down; `None`: none so far.
    pub const fn substitutes(&self) -> Option<Substitutes> {
        self.substitutes
    }

    /// Goes on with names that were surely not made up before, after `written` was written down. Sources
    /// that had one get another.
    pub fn resume_substitutes(&mut self, written: Substitutes) {
        self.substitutes = Some(written.after_restart());
    }

    /// Whether the key is so near to the end of its life that another one should be agreed on, and that
    /// was not told yet. It is told again as the end comes nearer.
    pub fn take_old(&mut self) -> bool {
        self.life.take_old()
    }

    /// The SRTCP index of the next datagram, to be written down.
    pub const fn rtcp_index(&self) -> u32 {
        // Never more than 2^31.
        self.life.rtcp_packets as u32
    }

    /// Goes on with SRTCP indexes that are surely unused, after `written` was written down.
    pub fn resume_rtcp(&mut self, written: u32) {
        let next = written.saturating_add(2 * RTCP_INDEX_STEP);
        self.life.rtcp_packets = next.clamp(self.rtcp_index(), MAX_RTCP_PACKETS).into();
    }

    /// Whether positions or the SRTCP index have moved so far, since this was asked last, that they
    /// should be written down: a source is new, it has sent another 2^15 packets, or
    /// [`RTCP_INDEX_STEP`] datagrams of RTCP were sent. What was written is good for twice as much.
    pub const fn take_moved(&mut self) -> bool {
        let rtcp = core::mem::replace(&mut self.rtcp_has_moved, false);
        let renamed = self.renamed.take_moved();
        self.sources.take_moved() || renamed || rtcp
    }
}

/// Name and index of the next packet of a source, when it may be sent.
#[inline]
fn next_of(source: &mut Source, sequence: u16) -> Result<Identity, ProtectError> {
    let index = match index_after(source, sequence.wrapping_add(source.shift)) {
        Err(ProtectError::Old) if source.begins_anew(sequence) => {
            let index = source.window.highest() + 1;
            if index >= MAX_RTP_PACKETS {
                return Err(ProtectError::KeyExpired);
            }
            source.shift = (index as u16).wrapping_sub(sequence);
            source.is_shifted_anew = true;
            index
        }
        index => index?,
    };
    let ssrc = source.name;
    Ok(Identity { ssrc, index })
}

/// The index of the next packet of a source that has sent, or was resumed.
#[inline]
fn index_after(source: &Source, sequence: u16) -> Result<u64, ProtectError> {
    let window = &source.window;
    let index = match source.is_resumed {
        true => first_after(window.highest(), sequence),
        false => {
            let nearest = nearest(window.highest(), sequence);
            u64::try_from(nearest).map_err(|_| ProtectError::Old)?
        }
    };
    match window.check(index) {
        Verdict::New if index >= MAX_RTP_PACKETS => Err(ProtectError::KeyExpired),
        Verdict::New => Ok(index),
        Verdict::Repeated => Err(ProtectError::Repeated),
        Verdict::Old => Err(ProtectError::Old),
    }
}

/// The first index with this sequence number that is not before the window of `highest`.
const fn first_after(highest: u64, sequence: u16) -> u64 {
    let here = index_of((highest >> 16) as u32, sequence);
    match here + WINDOW_PACKETS <= highest {
        true => here + (1 << 16),
        false => here,
    }
}

/// Gives those sources other names in their reports that have others in their packets.
fn rename_reports(mut datagram: &mut [u8], renamed: &Sources) {
    // RFC 3550 section 6.4: what a packet is about stands behind its first word, and its length in
    // words less one in the first.
    while let Some((&mut [_, _, high, low, ref mut ssrc @ ..], _)) =
        datagram.split_first_chunk_mut::<RTCP_CLEAR_BYTES>()
    {
        if let Some(source) = renamed.get(u32::from_be_bytes(*ssrc)) {
            *ssrc = source.name.to_be_bytes();
        }
        let bytes = (usize::from(u16::from_be_bytes([high, low])) + 1) * 4;
        let (_, rest) = datagram.split_at_mut(bytes.min(datagram.len()));
        datagram = rest;
    }
}

/// Who sent a datagram of RTCP.
pub(super) fn rtcp_ssrc(datagram: &[u8]) -> Option<u32> {
    if u8_at(datagram, 0)? >> 6 != VERSION || datagram.len() < RTCP_CLEAR_BYTES {
        return None;
    }
    u32_at(datagram, 4)
}
