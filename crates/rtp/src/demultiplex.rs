//! What a datagram on a media port is (RFC 7983, RFC 5761): by its first bytes, nothing more.

use crate::packet::HEADER_BYTES;

/// What a datagram on a media port looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Voice, or an event.
    Rtp,
    /// Control of the voice.
    Rtcp,
    /// Connectivity checks (RFC 8489).
    Stun,
    /// Key agreement (RFC 5764).
    Dtls,
    /// A relay's channel data (RFC 8656).
    TurnChannel,
    /// Anything else, too.
    Unknown,
}

/// Tells the kind by the first byte (RFC 7983 section 7) and RTCP from RTP by the second, where
/// RTCP has its packet types 192 to 223 (RFC 5761 section 4).
#[inline]
pub fn classify(bytes: &[u8]) -> Kind {
    let &[first, second, ..] = bytes else {
        return Kind::Unknown;
    };
    match first {
        0..=3 => Kind::Stun,
        20..=63 => Kind::Dtls,
        64..=79 => Kind::TurnChannel,
        128..=191 if (192..=223).contains(&second) => Kind::Rtcp,
        128..=191 if bytes.len() >= HEADER_BYTES => Kind::Rtp,
        _ => Kind::Unknown,
    }
}
