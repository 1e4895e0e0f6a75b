//! Attributes as they stand in a message (RFC 8489 section 14): a type and bytes, and the list of
//! types. What the bytes mean is read elsewhere.

use super::address::u16_at;

/// MAPPED-ADDRESS (RFC 8489 section 14.1), which servers from before RFC 5389 send.
pub const MAPPED_ADDRESS: u16 = 0x0001;
/// USERNAME (RFC 8489 section 14.3).
pub const USERNAME: u16 = 0x0006;
/// MESSAGE-INTEGRITY (RFC 8489 section 14.5).
pub const MESSAGE_INTEGRITY: u16 = 0x0008;
/// ERROR-CODE (RFC 8489 section 14.8).
pub const ERROR_CODE: u16 = 0x0009;
/// UNKNOWN-ATTRIBUTES (RFC 8489 section 14.13).
pub const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
/// CHANNEL-NUMBER (RFC 8656 section 18.1).
pub const CHANNEL_NUMBER: u16 = 0x000c;
/// LIFETIME (RFC 8656 section 18.2).
pub const LIFETIME: u16 = 0x000d;
/// XOR-PEER-ADDRESS (RFC 8656 section 18.3).
pub const XOR_PEER_ADDRESS: u16 = 0x0012;
/// DATA (RFC 8656 section 18.4).
pub const DATA: u16 = 0x0013;
/// REALM (RFC 8489 section 14.9).
pub const REALM: u16 = 0x0014;
/// NONCE (RFC 8489 section 14.10).
pub const NONCE: u16 = 0x0015;
/// XOR-RELAYED-ADDRESS (RFC 8656 section 18.5).
pub const XOR_RELAYED_ADDRESS: u16 = 0x0016;
/// REQUESTED-ADDRESS-FAMILY (RFC 8656 section 18.6).
pub const REQUESTED_ADDRESS_FAMILY: u16 = 0x0017;
/// EVEN-PORT (RFC 8656 section 18.7).
pub const EVEN_PORT: u16 = 0x0018;
/// REQUESTED-TRANSPORT (RFC 8656 section 18.8).
pub const REQUESTED_TRANSPORT: u16 = 0x0019;
/// DONT-FRAGMENT (RFC 8656 section 18.9).
pub const DONT_FRAGMENT: u16 = 0x001a;
/// MESSAGE-INTEGRITY-SHA256 (RFC 8489 section 14.6).
pub const MESSAGE_INTEGRITY_SHA256: u16 = 0x001c;
/// PASSWORD-ALGORITHM (RFC 8489 section 14.12).
pub const PASSWORD_ALGORITHM: u16 = 0x001d;
/// USERHASH (RFC 8489 section 14.4).
pub const USERHASH: u16 = 0x001e;
/// XOR-MAPPED-ADDRESS (RFC 8489 section 14.2).
pub const XOR_MAPPED_ADDRESS: u16 = 0x0020;
/// RESERVATION-TOKEN (RFC 8656 section 18.10).
pub const RESERVATION_TOKEN: u16 = 0x0022;
/// ADDITIONAL-ADDRESS-FAMILY (RFC 8656 section 18.11).
pub const ADDITIONAL_ADDRESS_FAMILY: u16 = 0x8000;
/// ADDRESS-ERROR-CODE (RFC 8656 section 18.12).
pub const ADDRESS_ERROR_CODE: u16 = 0x8001;
/// PASSWORD-ALGORITHMS (RFC 8489 section 14.11).
pub const PASSWORD_ALGORITHMS: u16 = 0x8002;
/// SOFTWARE (RFC 8489 section 14.14).
pub const SOFTWARE: u16 = 0x8022;
/// ALTERNATE-SERVER (RFC 8489 section 14.15).
pub const ALTERNATE_SERVER: u16 = 0x8023;
/// FINGERPRINT (RFC 8489 section 14.7).
pub const FINGERPRINT: u16 = 0x8028;

/// Whether a receiver that does not know the attribute must refuse the message.
pub const fn is_comprehension_required(kind: u16) -> bool {
    kind < 0x8000
}

/// One attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// Its type.
    pub kind: u16,
    /// Its value, without padding.
    pub value: &'a [u8],
    /// Where it begins, counted from the first byte of the message.
    pub(super) offset: usize,
}

/// The bytes that a value of this length takes with its padding (RFC 8489 section 14).
pub(super) const fn padded(length: usize) -> usize {
    (length + 3) & !3
}

/// All attributes in their order, also those that do not count.
#[derive(Clone, Debug)]
pub(super) struct RawAttributes<'a> {
    pub(super) message: &'a [u8],
    pub(super) offset: usize,
}

impl<'a> Iterator for RawAttributes<'a> {
    type Item = Attribute<'a>;

    fn next(&mut self) -> Option<Attribute<'a>> {
        let offset = self.offset;
        let kind = u16_at(self.message, offset)?;
        let length = usize::from(u16_at(self.message, offset + 2)?);
        let value = self.message.get(offset + 4..offset + 4 + length)?;
        self.offset = offset + 4 + padded(length);
        Some(Attribute {
            kind,
            value,
            offset,
        })
    }
}

/// The attributes that count: what follows the first MESSAGE-INTEGRITY or MESSAGE-INTEGRITY-SHA256
/// is not protected by it and must be ignored, except for the attributes that protect
/// (RFC 8489 section 9).
#[derive(Clone, Debug)]
pub struct Attributes<'a> {
    pub(super) raw: RawAttributes<'a>,
    pub(super) is_over: bool,
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Attribute<'a>;

    fn next(&mut self) -> Option<Attribute<'a>> {
        loop {
            let attribute = self.raw.next()?;
            let is_protection = matches!(
                attribute.kind,
                MESSAGE_INTEGRITY | MESSAGE_INTEGRITY_SHA256 | FINGERPRINT
            );
            let counts = is_protection || !self.is_over;
            self.is_over |= is_protection;
            if counts {
                return Some(attribute);
            }
        }
    }
}
