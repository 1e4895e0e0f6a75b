//! How one record stands in a segment, and finding it again where bytes around it are damaged. No
//! file is touched here, and what a record means is not known.
//!
//! ```text
//! marker   4 bytes   from the segment's salt
//! length   4 bytes   of the payload, little endian
//! check    4 bytes   CRC-32 of salt, length and payload
//! payload
//! ```
//!
//! A payload may hold bytes that a peer has chosen. The salt, random for each segment, is what keeps
//! such bytes from passing for a record when a damaged place is searched for the next one.

/// The largest payload, in bytes. The state of a call has about two thousand.
pub(super) const MAX_PAYLOAD_BYTES: usize = 1024 * 1024;

/// What stands before each payload, in bytes.
pub(super) const HEAD_BYTES: usize = 12;

const MARKER_BYTES: usize = 4;

/// The largest record, in bytes.
pub(super) const MAX_FRAME_BYTES: usize = HEAD_BYTES + MAX_PAYLOAD_BYTES;

/// What is random about a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Salt(pub(super) u64);

impl Salt {
    fn marker(self) -> [u8; MARKER_BYTES] {
        let [a, b, c, d, ..] = self.0.to_le_bytes();
        [a, b, c, d]
    }

    fn check(self, payload: &[u8]) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&self.0.to_le_bytes());
        hasher.update(&(payload.len() as u64).to_le_bytes());
        hasher.update(payload);
        hasher.finalize()
    }
}

/// The payload is larger than [`MAX_PAYLOAD_BYTES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLarge;

/// Puts a record behind what is in the buffer; `write` puts the payload behind its head. When it is
/// refused, the buffer is as it was.
pub(super) fn push(
    buffer: &mut Vec<u8>,
    salt: Salt,
    write: impl FnOnce(&mut Vec<u8>),
) -> Result<(), TooLarge> {
    let start = buffer.len();
    buffer.extend_from_slice(&[0; HEAD_BYTES]);
    write(buffer);
    let payload = buffer.get(start + HEAD_BYTES..).unwrap_or_default();
    if payload.len() > MAX_PAYLOAD_BYTES {
        buffer.truncate(start);
        return Err(TooLarge);
    }
    let (length, check) = (payload.len() as u32, salt.check(payload));
    let head = [salt.marker(), length.to_le_bytes(), check.to_le_bytes()];
    if let Some(place) = buffer.get_mut(start..start + HEAD_BYTES) {
        place.copy_from_slice(head.as_flattened());
    }
    Ok(())
}

/// What stands at the beginning of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found<'a> {
    /// A whole record; the next begins [`HEAD_BYTES`] and its length further on.
    Record(&'a [u8]),
    /// The beginning of something that may be a record, if more bytes follow.
    Unfinished,
    /// No record.
    Nothing,
}

/// Looks whether a record begins where `bytes` begin.
pub(super) fn read(bytes: &[u8], salt: Salt) -> Found<'_> {
    let marker = salt.marker();
    let Some((head, rest)) = bytes.split_first_chunk::<HEAD_BYTES>() else {
        let given = bytes.len().min(marker.len());
        let possible = bytes.get(..given) == marker.get(..given);
        return if possible {
            Found::Unfinished
        } else {
            Found::Nothing
        };
    };
    let [a, b, c, d, l0, l1, l2, l3, k0, k1, k2, k3] = *head;
    let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    if [a, b, c, d] != marker || length > MAX_PAYLOAD_BYTES {
        return Found::Nothing;
    }
    match rest.get(..length) {
        None => Found::Unfinished,
        Some(payload) if salt.check(payload) == u32::from_le_bytes([k0, k1, k2, k3]) => {
            Found::Record(payload)
        }
        Some(_) => Found::Nothing,
    }
}

/// How far it is to the next place behind the beginning where a record may begin; `None`: there is
/// none in these bytes but, perhaps, across their end.
pub(super) fn distance_to_marker(bytes: &[u8], salt: Salt) -> Option<usize> {
    let marker = salt.marker();
    let behind = bytes.get(1..)?;
    behind
        .windows(MARKER_BYTES)
        .position(|window| window == marker)
        .map(|distance| distance + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT: Salt = Salt(0x1122_3344_5566_7788);

    fn framed(payload: &[u8]) -> Vec<u8> {
        let mut buffer = Vec::new();
        push(&mut buffer, SALT, |buffer| {
            buffer.extend_from_slice(payload)
        })
        .unwrap();
        buffer
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let bytes = [framed(b"one"), framed(b"")].concat();
        assert_eq!(read(&bytes, SALT), Found::Record(b"one"));
        assert_eq!(read(&bytes[HEAD_BYTES + 3..], SALT), Found::Record(b""));
    }

    #[test]
    fn a_record_of_another_segment_is_none() {
        assert_eq!(read(&framed(b"one"), Salt(1)), Found::Nothing);
        // The same marker, but another salt behind it.
        let other = Salt(SALT.0 ^ (1 << 63));
        assert_eq!(read(&framed(b"one"), other), Found::Nothing);
    }

    #[test]
    fn a_payload_of_one_byte_more_than_the_limit_is_refused() {
        let mut buffer = b"before".to_vec();
        let size = |size: usize| move |buffer: &mut Vec<u8>| buffer.resize(buffer.len() + size, 7);
        assert_eq!(
            push(&mut buffer, SALT, size(MAX_PAYLOAD_BYTES + 1)),
            Err(TooLarge)
        );
        assert_eq!(buffer, b"before");
        assert_eq!(push(&mut buffer, SALT, size(MAX_PAYLOAD_BYTES)), Ok(()));
        assert!(matches!(read(&buffer[6..], SALT), Found::Record(_)));
    }

    #[test]
    fn every_beginning_of_a_record_is_unfinished() {
        let bytes = framed(b"payload");
        for length in 0..bytes.len() {
            assert_eq!(read(&bytes[..length], SALT), Found::Unfinished, "{length}");
        }
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let bytes = framed(b"payload");
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(
                !matches!(read(&flipped, SALT), Found::Record(_)),
                "bit {bit}"
            );
        }
    }
}
