//! Values as bytes (postcard), written behind what a buffer holds already, whole slices at a time.
//! What is written and where it goes is not known here.

use postcard::ser_flavors::Flavor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Writes a value behind what is in the buffer.
///
/// # Errors
/// The value has no such form (a map of unknown length); none of ours is like that.
pub fn append<T: Serialize + ?Sized>(value: &T, buffer: &mut Vec<u8>) -> postcard::Result<()> {
    postcard::serialize_with_flavor(value, Appending(buffer))
}

/// Where postcard writes to.
struct Appending<'a>(&'a mut Vec<u8>);

impl Flavor for Appending<'_> {
    type Output = ();

    #[inline]
    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    #[inline]
    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

/// Bytes in one piece: a `Vec<u8>`, a `Box<[u8]>` or a slice. Derived code would write them one by
/// one, which takes a hundred times as long and looks the same in the end, so that either reads the
/// other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Octets<B>(pub B);

impl<B: AsRef<[u8]>> Serialize for Octets<B> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0.as_ref())
    }
}

impl<'de, B: From<Vec<u8>>> Deserialize<'de> for Octets<B> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Octets<B>, D::Error> {
        let bytes = Vec::<u8>::deserialize(deserializer)?;
        Ok(Octets(B::from(bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_in_one_piece_look_as_they_do_one_by_one() {
        let content: Box<[u8]> = (0..=255).collect();
        let mut whole = b"before".to_vec();
        append(&(Octets(&content), 300_u16), &mut whole).unwrap();
        let one_by_one = postcard::to_allocvec(&(&content, 300_u16)).unwrap();
        assert_eq!(whole.strip_prefix(b"before"), Some(&one_by_one[..]));
        let read: (Octets<Box<[u8]>>, u16) = postcard::from_bytes(&one_by_one).unwrap();
        assert_eq!(read, (Octets(content), 300));
    }
}
