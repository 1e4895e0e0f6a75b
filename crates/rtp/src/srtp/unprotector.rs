//! What we receive with one master key (RFC 3711 section 3.3): in place, verified before anything
//! changes; no socket.

use crate::packet::{Header, header_bytes};

use super::MAX_RTP_PACKETS;
use super::derivation::SessionKeys;
use super::error::UnprotectError;
use super::life::Life;
use super::master_key::MasterKey;
use super::position::{Position, index_of, nearest};
use super::protector::rtcp_ssrc;
use super::sources::{Source, Sources};
use super::transform::{Candidates, Transform};
use super::window::{Verdict, Window};

/// The most sources that are heard with one key, of RTP and of RTCP each. For another one, whose
/// packet has proved that it knows the key, the one that was heard the longest time ago goes.
pub const MAX_HEARD_SOURCES: usize = 16;

/// So many packets of RTP, and of RTCP, are let in after the end of the life that the other side gave its
/// key (RFC 4568 section 6.1): its counting is not ours, and it is late by as long as agreeing on another
/// key takes. RFC 4568 wants none to be let in then, and after these none is.
pub const LIFETIME_GRACE_PACKETS: u64 = 1 << 12;

/// One turn of the sequence numbers.
const TURN: u64 = 1 << 16;

/// Lets in the packets of all sources that use one master key.
///
/// A packet that is refused changes nothing, and its datagram is left as it came.
pub struct Unprotector {
    rtp: Transform,
    rtcp: Transform,
    mki: Box<[u8]>,
    sources: Sources,
    rtcp_sources: Sources,
    life: Life,
}

impl Unprotector {
    /// Derives the session keys.
    pub fn new(master: &MasterKey) -> Unprotector {
        let (rtp, rtcp) = (SessionKeys::rtp(master), SessionKeys::rtcp(master));
        Unprotector::with_session_keys(master, &rtp, &rtcp)
    }

    pub(super) fn with_session_keys(
        master: &MasterKey,
        rtp: &SessionKeys,
        rtcp: &SessionKeys,
    ) -> Unprotector {
        let suite = master.suite();
        Unprotector {
            rtp: Transform::new(rtp, suite, suite.rtp_tag_bytes()),
            rtcp: Transform::new(rtcp, suite, suite.rtcp_tag_bytes()),
            mki: master.mki().into(),
            sources: Sources::new(MAX_HEARD_SOURCES),
            rtcp_sources: Sources::new(MAX_HEARD_SOURCES),
            life: Life::new(master),
        }
    }

    /// Verifies and decrypts a datagram of SRTP in place; returns how long the packet in it is then.
    ///
    /// A source that is new may have begun at the end of its sequence numbers, with the first packets
    /// lost: a low number is tried with the rollover counter 0, then with 1. One whose position was
    /// told is tried with its rollover counter and the next. One that seems to be older than
    /// the window is tried one turn later: it may have been away for so long. So at most two tags are
    /// computed for a packet. A source that was never heard and has come further is not found: with keys
    /// from descriptions every source begins with the rollover counter 0, and whoever has the key hears
    /// it from the beginning (RFC 4568 section 6.4).
    ///
    /// # Errors
    /// [`UnprotectError`]; the datagram and the context are as they were.
    #[inline]
    pub fn unprotect_rtp(&mut self, datagram: &mut [u8]) -> Result<usize, UnprotectError> {
        let header = header_bytes(datagram).ok_or(UnprotectError::Malformed)?;
        let Header { ssrc, sequence, .. } =
            Header::peek(datagram).ok_or(UnprotectError::Malformed)?;
        if self.life.is_over(LIFETIME_GRACE_PACKETS) {
            return Err(UnprotectError::KeyExpired);
        }
        let guess = Guess::of(self.sources.get(ssrc), sequence)?;
        let opened = self
            .rtp
            .open_rtp(datagram, header, ssrc, guess.candidates, &self.mki);
        let (length, index) = opened.map_err(|error| guess.blame(error))?;
        self.sources.note(ssrc, index);
        self.life.packets += 1;
        Ok(length)
    }

    /// Verifies and decrypts a datagram of SRTCP in place; returns how long the RTCP in it is then.
    /// One that is authentic, but was not encrypted (its E bit is clear), is let in too.
    ///
    /// # Errors
    /// [`UnprotectError`]; the datagram and the context are as they were.
    pub fn unprotect_rtcp(&mut self, datagram: &mut [u8]) -> Result<usize, UnprotectError> {
        let ssrc = rtcp_ssrc(datagram).ok_or(UnprotectError::Malformed)?;
        if self.life.is_over(LIFETIME_GRACE_PACKETS) {
            return Err(UnprotectError::KeyExpired);
        }
        let word = self.rtcp.rtcp_index(datagram, &self.mki)?;
        let source = self.rtcp_sources.get(ssrc);
        match source.map_or(Verdict::New, |source| source.window.check(word.index())) {
            Verdict::New => {}
            Verdict::Repeated => return Err(UnprotectError::Repeated),
            Verdict::Old => return Err(UnprotectError::Old),
        }
        let length = self.rtcp.open_rtcp(datagram, ssrc, word, &self.mki)?;
        self.rtcp_sources.note(ssrc, word.index());
        self.life.rtcp_packets += 1;
        Ok(length)
    }

    /// Where every source of RTP stands, to be written down.
    pub fn positions(&self) -> impl Iterator<Item = Position> + use<'_> {
        self.sources.positions()
    }

    /// Takes a source up again where it stood when that was written down. Nothing up to there is let
    /// in again; what came between writing and the restart could be replayed until the source is
    /// heard. Of SRTCP nothing is written down: an old report could be replayed until a new one comes.
    pub fn resume(&mut self, position: Position) {
        self.sources
            .resume(position.ssrc, Window::after(position.index), 0);
    }

    /// How many packets of RTP and of RTCP were let in, to be written down.
    pub const fn packets(&self) -> (u64, u64) {
        (self.life.packets, self.life.rtcp_packets)
    }

    /// Goes on counting from there.
    pub const fn resume_packets(&mut self, (rtp, rtcp): (u64, u64)) {
        (self.life.packets, self.life.rtcp_packets) = (rtp, rtcp);
    }

    /// The key is good for so many packets.
    pub(super) fn set_lifetime(&mut self, packets: u64) {
        self.life.set_limit(packets);
    }

    /// Whether the key is so near to the end of its life that another one should be agreed on, and that
    /// was not told yet. It is told again as the end comes nearer.
    pub fn take_old(&mut self) -> bool {
        self.life.take_old()
    }

    /// Whether its life, and the grace after it, are over: nothing is let in any more.
    pub const fn is_expired(&self) -> bool {
        self.life.is_over(LIFETIME_GRACE_PACKETS)
    }

    /// Whether a source is new or has sent another 2^15 packets since this was asked last, so that
    /// positions should be written down. What was written is good for twice as much.
    pub const fn take_moved(&mut self) -> bool {
        self.sources.take_moved()
    }
}

/// Which indexes a packet is tried with.
#[derive(Clone, Copy, Debug)]
struct Guess {
    candidates: Candidates,
    /// What it seems to be when none of them is right.
    otherwise: UnprotectError,
}

impl Guess {
    #[inline]
    fn of(source: Option<&Source>, sequence: u16) -> Result<Guess, UnprotectError> {
        let Some(source) = source else {
            return Ok(Guess::two(index_of(0, sequence), sequence < 0x8000));
        };
        let window = &source.window;
        let highest = window.highest();
        if source.is_resumed {
            let here = index_of((highest >> 16) as u32, sequence);
            return match window.check(here) {
                Verdict::New => Guess::two(here, true).within_lifetime(),
                _ => Guess::one(here + TURN).within_lifetime(),
            };
        }
        let index = nearest(highest, sequence);
        match u64::try_from(index).map(|index| (window.check(index), index)) {
            Ok((Verdict::New, index)) => Guess::one(index).within_lifetime(),
            Ok((Verdict::Repeated, _)) => Err(UnprotectError::Repeated),
            Ok((Verdict::Old, _)) | Err(_) => {
                let turn_later = u64::try_from(index.saturating_add_unsigned(TURN));
                Guess::late(turn_later.unwrap_or_default()).within_lifetime()
            }
        }
    }

    const fn one(index: u64) -> Guess {
        Guess {
            candidates: Candidates {
                first: index,
                second: None,
            },
            otherwise: UnprotectError::Tag,
        }
    }

    fn two(index: u64, has_second: bool) -> Guess {
        let mut guess = Guess::one(index);
        guess.candidates.second = has_second
            .then_some(index + TURN)
            .filter(|second| *second < MAX_RTP_PACKETS);
        guess
    }

    fn late(index: u64) -> Guess {
        Guess {
            otherwise: UnprotectError::Old,
            ..Guess::one(index)
        }
    }

    fn within_lifetime(self) -> Result<Guess, UnprotectError> {
        match self.candidates.first < MAX_RTP_PACKETS {
            true => Ok(self),
            false if self.otherwise == UnprotectError::Old => Err(UnprotectError::Old),
            false => Err(UnprotectError::KeyExpired),
        }
    }

    fn blame(self, error: UnprotectError) -> UnprotectError {
        match error {
            UnprotectError::Tag => self.otherwise,
            error => error,
        }
    }
}
