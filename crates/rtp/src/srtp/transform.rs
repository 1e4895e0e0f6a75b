//! Where cipher, tag, index and MKI stand in a packet (RFC 3711 sections 3.1 and 3.4, RFC 7714 sections 8
//! and 9); which index a packet has is decided elsewhere.

use super::aes_cm::AesCm;
use super::aes_gcm::{AesGcm, TAG_BYTES};
use super::derivation::SessionKeys;
use super::error::UnprotectError;
use super::suite::{INDEX_BYTES, Suite};

/// What of an RTCP packet is never encrypted (RFC 3711 section 3.4).
pub(super) const RTCP_CLEAR_BYTES: usize = 8;

/// Set in the SRTCP index of a packet that is encrypted.
const E_BIT: u32 = 0x8000_0000;

/// The session keys of one direction of RTP or RTCP.
pub(super) enum Transform {
    Cm(AesCm),
    Gcm(AesGcm),
}

/// Which packet it is, for cipher and tag.
#[derive(Clone, Copy)]
pub(super) struct Identity {
    pub(super) ssrc: u32,
    pub(super) index: u64,
}

/// Which index a packet may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Candidates {
    pub(super) first: u64,
    pub(super) second: Option<u64>,
}

/// The SRTCP index of a packet as it stands there.
#[derive(Clone, Copy)]
pub(super) struct RtcpIndex(pub(super) u32);

impl RtcpIndex {
    pub(super) fn index(self) -> u64 {
        u64::from(self.0 & !E_BIT)
    }

    const fn is_encrypted(self) -> bool {
        self.0 & E_BIT != 0
    }
}

const fn rollover_bytes(index: u64) -> [u8; 4] {
    ((index >> 16) as u32).to_be_bytes()
}

/// Writes `bytes` at `at`; returns where they end.
fn put(buffer: &mut [u8], at: usize, bytes: &[u8]) -> Option<usize> {
    let end = at + bytes.len();
    buffer.get_mut(at..end)?.copy_from_slice(bytes);
    Some(end)
}

/// Where the parts of a protected packet begin, from its end.
struct Trailer {
    tag: usize,
    index: usize,
    mki: usize,
}

impl Transform {
    pub(super) fn new(keys: &SessionKeys, suite: Suite, tag_bytes: usize) -> Transform {
        match suite.is_aead() {
            true => Transform::Gcm(AesGcm::new(keys, suite)),
            false => Transform::Cm(AesCm::new(keys, suite, tag_bytes)),
        }
    }

    /// Protects the packet that begins `buffer` with `length` bytes, `header` of them the header of
    /// RTP; returns how long it is then, or `None` when the buffer has no room.
    #[inline]
    pub(super) fn seal_rtp(
        &self,
        buffer: &mut [u8],
        header: usize,
        length: usize,
        id: Identity,
        mki: &[u8],
    ) -> Option<usize> {
        match self {
            Transform::Cm(cm) => {
                cm.crypt(id.ssrc, id.index, buffer.get_mut(header..length)?);
                let authenticator = cm.authenticate(buffer.get(..length)?);
                let at = put(buffer, length, mki)?;
                let end = at + cm.tag_bytes();
                authenticator.write(&rollover_bytes(id.index), buffer.get_mut(at..end)?);
                Some(end)
            }
            Transform::Gcm(gcm) => {
                let (packet, _) = buffer.split_at_mut_checked(length)?;
                let (header, data) = packet.split_at_mut_checked(header)?;
                let tag = gcm.seal(id.ssrc, id.index, header, data)?;
                let at = put(buffer, length, &tag)?;
                put(buffer, at, mki)
            }
        }
    }

    /// Verifies, then decrypts; returns how long the packet is then, and which index it has. On an
    /// error the datagram is as it came.
    #[inline]
    pub(super) fn open_rtp(
        &self,
        datagram: &mut [u8],
        header: usize,
        ssrc: u32,
        candidates: Candidates,
        mki: &[u8],
    ) -> Result<(usize, u64), UnprotectError> {
        let at = self.rtp_trailer(datagram.len(), mki);
        let at = at
            .filter(|at| at.mki.min(at.tag) >= header)
            .ok_or(UnprotectError::Malformed)?;
        check_mki(datagram, at.mki, mki)?;
        match self {
            Transform::Cm(cm) => {
                let length = at.mki;
                let index = cm.verify_rtp(datagram, length, at.tag, candidates);
                let index = index.ok_or(UnprotectError::Tag)?;
                let data = datagram.get_mut(header..length);
                cm.crypt(ssrc, index, data.ok_or(UnprotectError::Malformed)?);
                Ok((length, index))
            }
            Transform::Gcm(gcm) => {
                let index = gcm.open_rtp(datagram, header, at.tag, ssrc, candidates);
                Ok((at.tag, index.ok_or(UnprotectError::Tag)?))
            }
        }
    }

    /// Protects the RTCP that begins `buffer` with `length` bytes; returns how long it is then.
    pub(super) fn seal_rtcp(
        &self,
        buffer: &mut [u8],
        length: usize,
        id: Identity,
        mki: &[u8],
    ) -> Option<usize> {
        let word = (id.index as u32 | E_BIT).to_be_bytes();
        match self {
            Transform::Cm(cm) => {
                cm.crypt(id.ssrc, id.index, buffer.get_mut(RTCP_CLEAR_BYTES..length)?);
                let at = put(buffer, length, &word)?;
                let authenticator = cm.authenticate(buffer.get(..at)?);
                let at = put(buffer, at, mki)?;
                let end = at + cm.tag_bytes();
                authenticator.write(&[], buffer.get_mut(at..end)?);
                Some(end)
            }
            Transform::Gcm(gcm) => {
                let (packet, _) = buffer.split_at_mut_checked(length)?;
                let (clear, data) = packet.split_first_chunk_mut::<RTCP_CLEAR_BYTES>()?;
                let tag = gcm.seal(id.ssrc, id.index, &rtcp_associated(clear, word), data)?;
                let at = put(buffer, length, &tag)?;
                let at = put(buffer, at, &word)?;
                put(buffer, at, mki)
            }
        }
    }

    /// The SRTCP index of a datagram, not authenticated yet.
    pub(super) fn rtcp_index(
        &self,
        datagram: &[u8],
        mki: &[u8],
    ) -> Result<RtcpIndex, UnprotectError> {
        let at = self.rtcp_trailer(datagram.len(), mki);
        let at = at.ok_or(UnprotectError::Malformed)?;
        check_mki(datagram, at.mki, mki)?;
        let word = crate::bytes::u32_at(datagram, at.index).ok_or(UnprotectError::Malformed)?;
        Ok(RtcpIndex(word))
    }

    /// Verifies, then decrypts unless the E bit says that nothing is encrypted; returns how long
    /// the packet is then. On an error the datagram is as it came.
    pub(super) fn open_rtcp(
        &self,
        datagram: &mut [u8],
        ssrc: u32,
        index: RtcpIndex,
        mki: &[u8],
    ) -> Result<usize, UnprotectError> {
        let at = self.rtcp_trailer(datagram.len(), mki);
        let at = at.ok_or(UnprotectError::Malformed)?;
        let is_authentic = match self {
            Transform::Cm(cm) => cm.open_rtcp(datagram, &at, ssrc, index),
            Transform::Gcm(gcm) if index.is_encrypted() => {
                gcm.open_rtcp(datagram, &at, ssrc, index)
            }
            Transform::Gcm(gcm) => gcm.open_clear_rtcp(datagram, &at, ssrc, index),
        };
        match is_authentic {
            Some(true) => Ok(at.tag.min(at.index)),
            Some(false) => Err(UnprotectError::Tag),
            None => Err(UnprotectError::Malformed),
        }
    }

    /// The MKI stands before the tag of HMAC-SHA1, and behind that of AEAD (RFC 7714 section 8.2).
    fn rtp_trailer(&self, length: usize, mki: &[u8]) -> Option<Trailer> {
        let (tag, mki) = match self {
            Transform::Cm(cm) => {
                let tag = length.checked_sub(cm.tag_bytes())?;
                (tag, tag.checked_sub(mki.len())?)
            }
            Transform::Gcm(_) => {
                let mki = length.checked_sub(mki.len())?;
                (mki.checked_sub(TAG_BYTES)?, mki)
            }
        };
        Some(Trailer { tag, index: 0, mki })
    }

    /// The index stands before the MKI and the tag of HMAC-SHA1; with AEAD, the tag comes first
    /// (RFC 7714 section 9.2).
    fn rtcp_trailer(&self, length: usize, mki: &[u8]) -> Option<Trailer> {
        let trailer = match self {
            Transform::Cm(cm) => {
                let tag = length.checked_sub(cm.tag_bytes())?;
                let mki = tag.checked_sub(mki.len())?;
                let index = mki.checked_sub(INDEX_BYTES)?;
                Trailer { tag, index, mki }
            }
            Transform::Gcm(_) => {
                let mki = length.checked_sub(mki.len())?;
                let index = mki.checked_sub(INDEX_BYTES)?;
                let tag = index.checked_sub(TAG_BYTES)?;
                Trailer { tag, index, mki }
            }
        };
        (trailer.tag.min(trailer.index) >= RTCP_CLEAR_BYTES).then_some(trailer)
    }
}

fn check_mki(datagram: &[u8], at: usize, mki: &[u8]) -> Result<(), UnprotectError> {
    match datagram.get(at..at + mki.len()) {
        Some(found) if found == mki => Ok(()),
        Some(_) => Err(UnprotectError::Mki),
        None => Err(UnprotectError::Malformed),
    }
}

/// What AEAD authenticates without encrypting it (RFC 7714 section 9.2).
fn rtcp_associated(
    clear: &[u8; RTCP_CLEAR_BYTES],
    word: [u8; INDEX_BYTES],
) -> [u8; RTCP_CLEAR_BYTES + INDEX_BYTES] {
    let [a, b, c, d, e, f, g, h] = *clear;
    let [i, j, k, l] = word;
    [a, b, c, d, e, f, g, h, i, j, k, l]
}

impl AesCm {
    #[inline]
    fn verify_rtp(
        &self,
        datagram: &[u8],
        length: usize,
        tag: usize,
        candidates: Candidates,
    ) -> Option<u64> {
        let tag = datagram.get(tag..)?;
        let authenticator = self.authenticate(datagram.get(..length)?);
        let Candidates { first, second } = candidates;
        let Some(second) = second else {
            return authenticator
                .verify(&rollover_bytes(first), tag)
                .then_some(first);
        };
        if authenticator.clone().verify(&rollover_bytes(first), tag) {
            return Some(first);
        }
        authenticator
            .verify(&rollover_bytes(second), tag)
            .then_some(second)
    }

    /// `None` when a part is not there.
    fn open_rtcp(
        &self,
        datagram: &mut [u8],
        at: &Trailer,
        ssrc: u32,
        index: RtcpIndex,
    ) -> Option<bool> {
        let authenticator = self.authenticate(datagram.get(..at.index + INDEX_BYTES)?);
        if !authenticator.verify(&[], datagram.get(at.tag..)?) {
            return Some(false);
        }
        if index.is_encrypted() {
            let data = datagram.get_mut(RTCP_CLEAR_BYTES..at.index)?;
            self.crypt(ssrc, index.index(), data);
        }
        Some(true)
    }
}

impl AesGcm {
    #[inline]
    fn open_rtp(
        &self,
        datagram: &mut [u8],
        header: usize,
        tag: usize,
        ssrc: u32,
        candidates: Candidates,
    ) -> Option<u64> {
        let (packet, trailer) = datagram.split_at_mut_checked(tag)?;
        let tag = trailer.first_chunk::<TAG_BYTES>()?;
        let (header, data) = packet.split_at_mut_checked(header)?;
        if self.open(ssrc, candidates.first, header, data, tag) {
            return Some(candidates.first);
        }
        let second = candidates.second?;
        self.open(ssrc, second, header, data, tag).then_some(second)
    }

    fn open_rtcp(
        &self,
        datagram: &mut [u8],
        at: &Trailer,
        ssrc: u32,
        index: RtcpIndex,
    ) -> Option<bool> {
        let (packet, trailer) = datagram.split_at_mut_checked(at.tag)?;
        let tag = trailer.first_chunk::<TAG_BYTES>()?;
        let (clear, data) = packet.split_first_chunk_mut::<RTCP_CLEAR_BYTES>()?;
        let associated = rtcp_associated(clear, index.0.to_be_bytes());
        Some(self.open(ssrc, index.index(), &associated, data, tag))
    }

    /// With the E bit clear, everything up to the tag, and the index behind it, is authenticated
    /// and nothing encrypted (RFC 7714 section 9.3). The index takes the place of the tag meanwhile.
    fn open_clear_rtcp(
        &self,
        datagram: &mut [u8],
        at: &Trailer,
        ssrc: u32,
        index: RtcpIndex,
    ) -> Option<bool> {
        let tag = *datagram.get(at.tag..)?.first_chunk::<TAG_BYTES>()?;
        let end = put(datagram, at.tag, &index.0.to_be_bytes())?;
        let associated = datagram.get(..end)?;
        let is_authentic = self.open(ssrc, index.index(), associated, &mut [], &tag);
        put(datagram, at.tag, &tag)?;
        Some(is_authentic)
    }
}
