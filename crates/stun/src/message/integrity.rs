//! MESSAGE-INTEGRITY and MESSAGE-INTEGRITY-SHA256 (RFC 8489 sections 14.5 and 14.6): HMAC over what
//! stands before the attribute. Whose key it is is not known here.

use hmac::digest::KeyInit;
use hmac::{Hmac, Mac};
use sha1::{Digest, Sha1};
use sha2::Sha256;

use super::{HEADER_BYTES, Key};

/// Bytes of an HMAC-SHA1.
pub const SHA1_BYTES: usize = 20;
/// Bytes of an HMAC-SHA256 that was not truncated.
pub const SHA256_BYTES: usize = 32;
/// The least that may be left of an HMAC-SHA256 (RFC 8489 section 14.6).
pub const MIN_SHA256_BYTES: usize = 16;

/// The block size of both hashes, to which HMAC fills up its key (RFC 2104 section 2).
const BLOCK_BYTES: usize = 64;

/// Which of the two attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Integrity {
    /// MESSAGE-INTEGRITY.
    Sha1,
    /// MESSAGE-INTEGRITY-SHA256.
    Sha256,
}

/// The key in a block; a longer one is hashed first.
fn block<D: Digest>(key: &Key) -> [u8; BLOCK_BYTES] {
    let mut block = [0; BLOCK_BYTES];
    let mut put = |bytes: &[u8]| {
        for (target, byte) in block.iter_mut().zip(bytes) {
            *target = *byte;
        }
    };
    match key.as_slice() {
        short if short.len() <= BLOCK_BYTES => put(short),
        long => put(&D::digest(long)),
    }
    block
}

/// Hashes the message up to the attribute, with the length that it has with the attribute at its
/// end.
fn feed<M: Mac>(mut state: M, message: &[u8], offset: usize, value_bytes: usize) -> Option<M> {
    let length = (offset + 4 + value_bytes).checked_sub(HEADER_BYTES)?;
    state.update(message.get(..2)?);
    state.update(&u16::try_from(length).ok()?.to_be_bytes());
    state.update(message.get(4..offset)?);
    Some(state)
}

/// The HMAC-SHA1 of a message whose attribute begins at `offset`.
pub(super) fn sha1(key: &Key, message: &[u8], offset: usize) -> Option<[u8; SHA1_BYTES]> {
    let state = Hmac::<Sha1>::new(&block::<Sha1>(key).into());
    let state = feed(state, message, offset, SHA1_BYTES)?;
    Some(state.finalize().into_bytes().into())
}

/// The HMAC-SHA256 of a message whose attribute begins at `offset` and has `value_bytes`.
pub(super) fn sha256(
    key: &Key,
    message: &[u8],
    offset: usize,
    value_bytes: usize,
) -> Option<[u8; SHA256_BYTES]> {
    let state = Hmac::<Sha256>::new(&block::<Sha256>(key).into());
    let state = feed(state, message, offset, value_bytes)?;
    Some(state.finalize().into_bytes().into())
}

/// Whether two values are the same, without telling by the time where they differ.
pub(crate) fn equal_in_constant_time(one: &[u8], other: &[u8]) -> bool {
    let difference = one
        .iter()
        .zip(other)
        .fold(0_u8, |sum, (a, b)| core::hint::black_box(sum | (a ^ b)));
    one.len() == other.len() && difference == 0
}
