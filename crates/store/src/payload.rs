//! The stored forms of values: a version byte and postcard. In which files they stand is not known
//! here.

use fernamt_exchange::journal::Entry;
use postcard::ser_flavors::Flavor;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The version that is written. A change of a stored type makes a new one, and the old one stays
/// readable.
const VERSION: u8 = 1;

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
    postcard::serialize_with_flavor(value, Appending(buffer))
}

/// Reads a stored form that ends where the bytes end.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Undecodable> {
    match bytes.split_first() {
        Some((&VERSION, bytes)) => Ok(postcard::from_bytes(bytes)?),
        Some((&version, _)) => Err(Undecodable::Version(version)),
        None => Err(Undecodable::Short),
    }
}

pub(crate) fn decode_entries(bytes: &[u8]) -> Result<Vec<Entry>, Undecodable> {
    decode(bytes)
}

/// Lets postcard write behind what is already in a vector, whole slices at a time.
struct Appending<'a>(&'a mut Vec<u8>);

impl Flavor for Appending<'_> {
    type Output = ();

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_of_a_newer_version_is_refused_and_named() {
        let mut bytes = Vec::new();
        encode(&Vec::<Entry>::new(), &mut bytes).unwrap();
        assert_eq!(decode_entries(&bytes), Ok(Vec::new()));
        bytes[0] = VERSION + 1;
        assert_eq!(
            decode_entries(&bytes),
            Err(Undecodable::Version(VERSION + 1))
        );
        assert_eq!(decode_entries(&[]), Err(Undecodable::Short));
    }
}
