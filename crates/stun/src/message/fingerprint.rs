//! FINGERPRINT (RFC 8489 section 14.7): a check sum that tells STUN from what shares its port.

const MASK: u32 = 0x5354_554e;

/// The value for a message whose attribute begins at `offset`; its length field must already
/// include the attribute.
pub(super) fn value(message: &[u8], offset: usize) -> Option<[u8; 4]> {
    let sum = crc32fast::hash(message.get(..offset)?);
    Some((sum ^ MASK).to_be_bytes())
}
