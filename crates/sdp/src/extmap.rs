//! Header extensions of RTP and their numbers, `a=extmap` (RFC 8285). What they carry is not read.

use crate::attribute::{Attribute, Direction};

/// The extension with the `mid` of the section a packet belongs to (RFC 9143 section 15).
pub const MID_URI: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";

/// The largest number with a header of one byte (RFC 8285 section 4.2).
const MAX_ONE_BYTE_ID: u8 = 14;

/// A line `a=extmap` (RFC 8285 section 8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtMap<'a> {
    /// The number in packets.
    pub id: u16,
    /// Which way it is used, when that is not both.
    pub direction: Option<Direction>,
    /// What it is.
    pub uri: &'a str,
}

impl<'a> ExtMap<'a> {
    /// Reads `extmap:`.
    pub fn parse(attribute: &Attribute<'a>) -> Option<ExtMap<'a>> {
        if attribute.name != "extmap" {
            return None;
        }
        let (number, rest) = attribute.format_and_rest()?;
        let (id, direction) = match number.split_once('/') {
            Some((id, direction)) => (id, Some(Direction::from_name(direction)?)),
            None => (number, None),
        };
        Some(ExtMap {
            id: id.parse().ok()?,
            direction,
            uri: rest.split_ascii_whitespace().next()?,
        })
    }
}

/// Whether an attribute numbers the extension with the `mid`.
pub(crate) fn is_mid_extension(attribute: &Attribute<'_>) -> bool {
    ExtMap::parse(attribute).is_some_and(|extension| extension.uri == MID_URI)
}

/// The first number for an extension of our own that none of these attributes uses; `None` when
/// all that fit into a header of one byte are taken.
pub fn free_id<'a>(attributes: impl Iterator<Item = Attribute<'a>>) -> Option<u8> {
    let taken = attributes
        .filter_map(|attribute| ExtMap::parse(&attribute))
        .filter(|extension| extension.uri != MID_URI)
        .fold(0u16, |taken, extension| {
            taken | 1u16.checked_shl(u32::from(extension.id)).unwrap_or(0)
        });
    (1..=MAX_ONE_BYTE_ID).find(|id| taken & (1 << id) == 0)
}
