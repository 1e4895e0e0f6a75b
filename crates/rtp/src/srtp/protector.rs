//! What we send with one master key (RFC 3711 section 3.3): in place, each index once; no socket.

use crate::bytes::{u8_at, u32_at};
use crate::packet::{HEADER_BYTES, Header, VERSION, header_bytes};

use super::derivation::SessionKeys;
use super::error::ProtectError;
use super::master_key::MasterKey;
use super::position::{Position, index_of, nearest};
use super::sources::{Source, Sources};
use super::suite::INDEX_BYTES;
use super::transform::{Identity, RTCP_CLEAR_BYTES, Transform};
use super::window::{Verdict, WINDOW_PACKETS, Window};
use super::{MAX_RTCP_PACKETS, MAX_RTP_PACKETS};

/// The most sources that one key is used for. None of them is ever forgotten: a source that came back
/// with numbers that were sent already would have its keystream used twice.
pub const MAX_SENT_SOURCES: usize = 64;

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
    packets: u64,
    next_rtcp: u32,
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
            packets: 0,
            next_rtcp: 0,
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
    /// that is late, and refused.
    ///
    /// # Errors
    /// [`ProtectError`]; the buffer is as it was, and nothing is to be sent.
    #[inline]
    pub fn protect_rtp(&mut self, buffer: &mut [u8], length: usize) -> Result<usize, ProtectError> {
        let packet = buffer.get(..length).ok_or(ProtectError::Room)?;
        let header = header_bytes(packet).ok_or(ProtectError::Malformed)?;
        let Header { ssrc, sequence, .. } = Header::peek(packet).ok_or(ProtectError::Malformed)?;
        if buffer.len() - length < self.rtp_overhead {
            return Err(ProtectError::Room);
        }
        let index = self.next_index(ssrc, sequence)?;
        if let Some([_, _, high, low, ..]) = buffer.first_chunk_mut::<HEADER_BYTES>() {
            [*high, *low] = (index as u16).to_be_bytes();
        }
        let id = Identity { ssrc, index };
        let sealed = self.rtp.seal_rtp(buffer, header, length, id, &self.mki);
        let length = sealed.ok_or(ProtectError::Room)?;
        self.sources.note(ssrc, index);
        self.packets += 1;
        Ok(length)
    }

    /// The index of a packet, when it may be sent.
    #[inline]
    fn next_index(&mut self, ssrc: u32, sequence: u16) -> Result<u64, ProtectError> {
        if self.is_expired() {
            return Err(ProtectError::KeyExpired);
        }
        let is_full = self.sources.is_full();
        let Some(source) = self.sources.get_mut(ssrc) else {
            return match is_full {
                true => Err(ProtectError::TooManySources),
                false => Ok(index_of(0, sequence)),
            };
        };
        match index_after(source, sequence.wrapping_add(source.shift)) {
            Err(ProtectError::Old) if source.begins_anew(sequence) => {
                let index = source.window.highest() + 1;
                if index >= MAX_RTP_PACKETS {
                    return Err(ProtectError::KeyExpired);
                }
                source.shift = (index as u16).wrapping_sub(sequence);
                self.sources.set_moved();
                Ok(index)
            }
            index => index,
        }
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
        if self.is_expired() {
            return Err(ProtectError::KeyExpired);
        }
        let index = u64::from(self.next_rtcp);
        let id = Identity { ssrc, index };
        let sealed = self.rtcp.seal_rtcp(buffer, length, id, &self.mki);
        let length = sealed.ok_or(ProtectError::Room)?;
        self.rtcp_has_moved |= self.next_rtcp.is_multiple_of(RTCP_INDEX_STEP);
        self.next_rtcp += 1;
        Ok(length)
    }

    /// Whichever of RTP and RTCP comes to its end first, the key is at its end for both (RFC 3711
    /// section 9.2).
    const fn is_expired(&self) -> bool {
        self.packets >= MAX_RTP_PACKETS || self.next_rtcp >= MAX_RTCP_PACKETS
    }

    /// The rollover counter of a source that has sent.
    pub fn rollover(&self, ssrc: u32) -> Option<u32> {
        self.sources.rollover(ssrc)
    }

    /// Says what the rollover counter of a source's next packet is. It must never be one that was
    /// used with the same sequence number.
    pub fn set_rollover(&mut self, ssrc: u32, rollover: u32) {
        self.take_up(ssrc, Window::before(index_of(rollover, 0)), 0);
    }

    /// Where every source stands, to be written down.
    pub fn positions(&self) -> impl Iterator<Item = Position> + use<'_> {
        self.sources.positions()
    }

    /// Takes a source up again where it stood when that was written down. Its next packet has the
    /// first index after that with its sequence number. More than [`MAX_SENT_SOURCES`], which are
    /// never written down, are not taken up.
    pub fn resume(&mut self, position: Position) {
        let Position { ssrc, index, shift } = position;
        self.take_up(ssrc, Window::after(index), shift);
    }

    fn take_up(&mut self, ssrc: u32, window: Window, shift: u16) {
        if self.sources.is_full() && self.sources.get(ssrc).is_none() {
            return;
        }
        let counted = self.sources.get(ssrc).map(|source| source.window.highest());
        let more = window.highest().saturating_sub(counted.unwrap_or(0));
        self.packets = self.packets.saturating_add(more);
        self.sources.resume(ssrc, window, shift);
    }

    /// The SRTCP index of the next datagram, to be written down.
    pub const fn rtcp_index(&self) -> u32 {
        self.next_rtcp
    }

    /// Goes on with SRTCP indexes that are surely unused, after `written` was written down.
    pub fn resume_rtcp(&mut self, written: u32) {
        let next = written.saturating_add(2 * RTCP_INDEX_STEP);
        self.next_rtcp = next.clamp(self.next_rtcp, MAX_RTCP_PACKETS);
    }

    /// Whether positions or the SRTCP index have moved so far, since this was asked last, that they
    /// should be written down: a source is new, it has sent another 2^15 packets, or
    /// [`RTCP_INDEX_STEP`] datagrams of RTCP were sent. What was written is good for twice as much.
    pub const fn take_moved(&mut self) -> bool {
        let rtcp = core::mem::replace(&mut self.rtcp_has_moved, false);
        self.sources.take_moved() || rtcp
    }
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

/// Who sent a datagram of RTCP.
pub(super) fn rtcp_ssrc(datagram: &[u8]) -> Option<u32> {
    if u8_at(datagram, 0)? >> 6 != VERSION || datagram.len() < RTCP_CLEAR_BYTES {
        return None;
    }
    u32_at(datagram, 4)
}
