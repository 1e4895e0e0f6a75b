//! One RTP packet (RFC 3550 section 5): bytes to view and back; no encryption, no order.

use crate::bytes::{u8_at, u16_at, u32_at};

/// The fixed header (RFC 3550 section 5.1), in bytes.
pub const HEADER_BYTES: usize = 12;

/// The version of RTP there is.
pub const VERSION: u8 = 2;

/// What the fixed header says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// With voice: the first packet after silence (RFC 3551 section 4.1).
    pub marker: bool,
    /// 0 to 127.
    pub payload_type: u8,
    /// Counts packets, and wraps.
    pub sequence: u16,
    /// Counts ticks of the codec's clock, and wraps.
    pub timestamp: u32,
    /// The source.
    pub ssrc: u32,
}

/// The header extension (RFC 3550 section 5.3.1), not interpreted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extension<'a> {
    /// Which extension; `0xBEDE` is that of RFC 8285.
    pub profile: u16,
    /// Its words; the length is a multiple of four.
    pub data: &'a [u8],
}

/// A packet as it lies in the bytes that were received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// The fixed header.
    pub header: Header,
    /// Contributing sources as they stand, four bytes each.
    pub contributing: &'a [u8],
    /// The extension, when the X bit is set.
    pub extension: Option<Extension<'a>>,
    /// What the codec made, without padding.
    pub payload: &'a [u8],
    /// Bytes of padding behind the payload.
    pub padding: u8,
}

/// Why bytes are no RTP packet. The peer, or somebody who is none, broke a rule: the packet is
/// dropped and counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// The header, with what it announces, does not fit.
    #[error("the packet ends within its header")]
    Short,
    /// Not version 2.
    #[error("RTP version {0} instead of 2")]
    Version(u8),
    /// The padding is longer than the packet, or no length of padding at all.
    #[error("the padding does not fit into the packet")]
    Padding,
}

impl<'a> Packet<'a> {
    /// Reads one packet; every length in it is checked against the bytes there are.
    ///
    /// # Errors
    /// [`PacketError`] when they are no packet of RTP version 2.
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<Packet<'a>, PacketError> {
        let (fixed, rest) = bytes
            .split_first_chunk::<HEADER_BYTES>()
            .ok_or(PacketError::Short)?;
        let [first, second, sequence @ .., t0, t1, t2, t3, s0, s1, s2, s3] = *fixed;
        if first >> 6 != VERSION {
            return Err(PacketError::Version(first >> 6));
        }
        let header = Header {
            marker: second & 0x80 != 0,
            payload_type: second & 0x7f,
            sequence: u16::from_be_bytes(sequence),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([s0, s1, s2, s3]),
        };
        let contributing_bytes = usize::from(first & 0x0f) * 4;
        let (contributing, rest) = rest
            .split_at_checked(contributing_bytes)
            .ok_or(PacketError::Short)?;
        let (extension, rest) = if first & 0x10 == 0 {
            (None, rest)
        } else {
            let (extension, rest) = split_extension(rest).ok_or(PacketError::Short)?;
            (Some(extension), rest)
        };
        let padding = if first & 0x20 == 0 {
            0
        } else {
            padding_of(rest)?
        };
        let (payload, _) = rest
            .split_at_checked(rest.len().saturating_sub(usize::from(padding)))
            .ok_or(PacketError::Padding)?;
        Ok(Packet {
            header,
            contributing,
            extension,
            payload,
            padding,
        })
    }

    /// The contributing sources, at most fifteen.
    pub fn contributing_sources(&self) -> impl Iterator<Item = u32> + use<'a> {
        self.contributing
            .chunks_exact(4)
            .filter_map(|word| u32_at(word, 0))
    }
}

/// Bytes of the header with contributing sources and extension: where the payload begins. `None` when
/// the bytes are too few for what they announce, or of another version.
#[inline]
pub fn header_bytes(bytes: &[u8]) -> Option<usize> {
    let first = u8_at(bytes, 0)?;
    if first >> 6 != VERSION {
        return None;
    }
    let fixed = HEADER_BYTES + usize::from(first & 0x0f) * 4;
    let length = match first & 0x10 {
        0 => fixed,
        _ => fixed + 4 + usize::from(u16_at(bytes, fixed + 2)?) * 4,
    };
    (length <= bytes.len()).then_some(length)
}

fn split_extension(rest: &[u8]) -> Option<(Extension<'_>, &[u8])> {
    let profile = u16_at(rest, 0)?;
    let length = usize::from(u16_at(rest, 2)?) * 4;
    let (data, rest) = rest.get(4..)?.split_at_checked(length)?;
    Some((Extension { profile, data }, rest))
}

fn padding_of(rest: &[u8]) -> Result<u8, PacketError> {
    match rest.last() {
        Some(&padding) if padding != 0 && usize::from(padding) <= rest.len() => Ok(padding),
        _ => Err(PacketError::Padding),
    }
}

impl Header {
    /// Reads the fixed header only, for a relay that looks at nothing else; `None` when the bytes
    /// are too few or of another version.
    #[inline]
    pub fn peek(bytes: &[u8]) -> Option<Header> {
        if u8_at(bytes, 0)? >> 6 != VERSION {
            return None;
        }
        let second = u8_at(bytes, 1)?;
        Some(Header {
            marker: second & 0x80 != 0,
            payload_type: second & 0x7f,
            sequence: u16_at(bytes, 2)?,
            timestamp: u32_at(bytes, 4)?,
            ssrc: u32_at(bytes, 8)?,
        })
    }

    /// The fixed header as bytes, without padding, extension and contributing sources. Of the
    /// payload type only seven bits are written.
    #[inline]
    pub fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let [q0, q1] = self.sequence.to_be_bytes();
        let [t0, t1, t2, t3] = self.timestamp.to_be_bytes();
        let [s0, s1, s2, s3] = self.ssrc.to_be_bytes();
        let second = (u8::from(self.marker) << 7) | (self.payload_type & 0x7f);
        [VERSION << 6, second, q0, q1, t0, t1, t2, t3, s0, s1, s2, s3]
    }

    /// Writes a packet with `payload` into `buffer`; returns how many bytes it has, or `None` when
    /// the buffer is too small.
    #[inline]
    pub fn write(self, payload: &[u8], buffer: &mut [u8]) -> Option<usize> {
        let length = HEADER_BYTES + payload.len();
        let (head, body) = buffer
            .get_mut(..length)?
            .split_at_mut_checked(HEADER_BYTES)?;
        head.copy_from_slice(&self.to_bytes());
        body.copy_from_slice(payload);
        Some(length)
    }
}
