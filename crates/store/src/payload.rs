//! The stored forms of values: a version byte and postcard. In which files they stand is not known
//! here.

use fernamt_exchange::journal::{Entry, Journal};
use fernamt_exchange::packed;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The version that is written. A change of a stored type makes a new one, and the old one stays
/// readable.
const VERSION: u8 = 1;

/// The version of the course of a call that is written: a journal as it was in the call. In version 1
/// it was a list of entries.
const COURSE_VERSION: u8 = 2;

/// Why bytes are not a stored value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Undecodable {
    /// There is nothing, or not enough.
    #[error("it is too short")]
    Short,
    /// A newer program wrote it.
    #[error("it has version {0}, which this program does not know")]
    Version(u8),
    /// It is damaged, or not what it should be.
    #[error("{0}")]
    Postcard(#[from] postcard::Error),
}

/// Puts the stored form behind what is in the buffer.
///
/// # Errors
/// The value has no such form (a map of unknown length); none of ours is like that.
pub(crate) fn encode<T: Serialize + ?Sized>(
    value: &T,
    buffer: &mut Vec<u8>,
) -> Result<(), postcard::Error> {
    buffer.push(VERSION);
    packed::append(value, buffer)
}

/// Reads a stored form that ends where the bytes end.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Undecodable> {
    match bytes.split_first() {
        Some((&VERSION, bytes)) => Ok(postcard::from_bytes(bytes)?),
        Some((&version, _)) => Err(Undecodable::Version(version)),
        None => Err(Undecodable::Short),
    }
}

/// Puts the course of a call behind what is in the buffer.
///
/// # Errors
/// As [`encode`].
pub(crate) fn encode_course(course: &Journal, buffer: &mut Vec<u8>) -> Result<(), postcard::Error> {
    buffer.push(COURSE_VERSION);
    packed::append(course, buffer)
}

/// Reads the course of a call.
pub(crate) fn decode_entries(bytes: &[u8]) -> Result<Vec<Entry>, Undecodable> {
    match bytes.split_first() {
        Some((&COURSE_VERSION, bytes)) => Ok(postcard::from_bytes::<Journal>(bytes)?.entries()),
        _ => decode(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{course, entries};

    #[test]
    fn the_course_of_a_call_is_read_in_both_versions() {
        let mut old = Vec::new();
        encode(&entries(), &mut old).unwrap();
        assert_eq!(old[0], 1);
        assert_eq!(decode_entries(&old), Ok(entries()));
        let mut new = Vec::new();
        encode_course(&course(), &mut new).unwrap();
        assert_eq!(new[0], 2);
        assert_eq!(decode_entries(&new), Ok(entries()));
    }

    #[test]
    fn a_form_of_a_newer_version_is_refused_and_named() {
        let mut bytes = Vec::new();
        encode_course(&course(), &mut bytes).unwrap();
        bytes[0] = COURSE_VERSION + 1;
        assert_eq!(
            decode_entries(&bytes),
            Err(Undecodable::Version(COURSE_VERSION + 1))
        );
        assert_eq!(decode_entries(&[]), Err(Undecodable::Short));
    }
}
