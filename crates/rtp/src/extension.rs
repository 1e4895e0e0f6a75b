//! Elements of a header extension (RFC 8285): reading them, putting one into a packet, and taking an
//! extension off; which identifier means what is negotiated elsewhere.

use core::ops::RangeInclusive;

use crate::bytes::{u8_at, u16_at};
use crate::packet::{Extension, HEADER_BYTES, Packet, VERSION, header_bytes};

/// The profile of elements with headers of one byte (RFC 8285 section 4.2).
pub const ONE_BYTE_PROFILE: u16 = 0xbede;

/// The profile of elements with headers of two bytes, without its lower four bits (RFC 8285
/// section 4.3).
pub const TWO_BYTE_PROFILE: u16 = 0x1000;

/// The identifier in headers of one byte at which reading ends (RFC 8285 section 4.2).
const LAST_ID: u8 = 15;

/// The identifiers that an element with a header of one byte can have.
const ONE_BYTE_IDS: RangeInclusive<u8> = 1..=14;

/// What an element with a header of one byte can say, in bytes.
const ONE_BYTE_DATA: RangeInclusive<usize> = 1..=16;

/// How much longer a packet is after [`put_element`], at most.
pub const MAX_ELEMENT_GROWTH: usize = 4 + 20;

/// The bit in the first byte of a packet that says that there is an extension.
const HAS_EXTENSION: u8 = 0x10;

/// One element, such as the identification of a media section (`urn:ietf:params:rtp-hdrext:sdes:mid`,
/// RFC 8843).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Element<'a> {
    /// What `a=extmap` gives a meaning to; 1 to 14, or to 255 with headers of two bytes.
    pub id: u8,
    /// Up to 16 bytes, or up to 255 with headers of two bytes.
    pub data: &'a [u8],
}

impl<'a> Extension<'a> {
    /// The elements, without padding. There are none when the profile is not that of RFC 8285. When
    /// one of them is longer than the extension, or has the length of a padding, it is the end.
    pub const fn elements(&self) -> Elements<'a> {
        let header_bytes = match self.profile {
            ONE_BYTE_PROFILE => 1,
            profile if profile & 0xfff0 == TWO_BYTE_PROFILE => 2,
            _ => 0,
        };
        Elements {
            rest: self.data,
            header_bytes,
        }
    }

    /// What the element with this identifier says; of several, the first.
    #[inline]
    pub fn element(&self, id: u8) -> Option<&'a [u8]> {
        self.elements()
            .find(|element| element.id == id)
            .map(|element| element.data)
    }
}

impl<'a> Packet<'a> {
    /// What the element with this identifier says, without reading anything behind the extension: in
    /// SRTP too, where the payload is not readable.
    #[inline]
    pub fn peek_element(bytes: &'a [u8], id: u8) -> Option<&'a [u8]> {
        let first = u8_at(bytes, 0)?;
        if first & 0x10 == 0 {
            return None;
        }
        let at = HEADER_BYTES + usize::from(first & 0x0f) * 4;
        let end = header_bytes(bytes)?;
        let extension = Extension {
            profile: u16_at(bytes, at)?,
            data: bytes.get(at + 4..end)?,
        };
        extension.element(id)
    }
}

/// Goes through the elements of an extension.
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    rest: &'a [u8],
    /// 0 when there is nothing that can be read.
    header_bytes: u8,
}

impl<'a> Elements<'a> {
    /// Identifier, length, and what follows them.
    fn split_header(&self, first: u8, rest: &'a [u8]) -> Option<(u8, usize, &'a [u8])> {
        match self.header_bytes {
            1 => Some((first >> 4, usize::from(first & 0x0f) + 1, rest)),
            _ => {
                let (&length, rest) = rest.split_first()?;
                Some((first, usize::from(length), rest))
            }
        }
    }

    fn step(&mut self) -> Option<Element<'a>> {
        if self.header_bytes == 0 {
            return None;
        }
        loop {
            let (&first, rest) = self.rest.split_first()?;
            if first == 0 {
                // One byte of padding.
                self.rest = rest;
                continue;
            }
            let (id, length, rest) = self.split_header(first, rest)?;
            // Padding has no length (section 4.1.2).
            if id == 0 || (self.header_bytes == 1 && id == LAST_ID) {
                return None;
            }
            let (data, rest) = rest.split_at_checked(length)?;
            self.rest = rest;
            return Some(Element { id, data });
        }
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Element<'a>> {
        let element = self.step();
        if element.is_none() {
            self.rest = &[];
        }
        element
    }
}

/// Puts an element with a header of one byte (RFC 8285 section 4.2) into the packet that `room` begins
/// with, in place and before the other elements. An extension of another kind, or one in which the
/// identifier is in use, goes. Returns how long the packet is then; `None` when its header does not
/// fit, when there is not enough room, and for what such an element cannot be: then the packet is of no
/// use any more.
pub fn put_element(room: &mut [u8], length: usize, id: u8, data: &[u8]) -> Option<usize> {
    if !ONE_BYTE_IDS.contains(&id) || !ONE_BYTE_DATA.contains(&data.len()) {
        return None;
    }
    let length = without_unfit_extension(room.get_mut(..length)?, id)?;
    let first = u8_at(room, 0)?;
    let has_extension = first & HAS_EXTENSION != 0;
    let head = HEADER_BYTES + usize::from(first & 0x0f) * 4;
    // Padding, which is zero, may stand between elements.
    let element = (1 + data.len()).next_multiple_of(4);
    let (from, words) = match has_extension {
        true => (head + 4, u16_at(room, head + 2)?),
        false => (head, 0),
    };
    let begin = head + 4;
    let grown = length + (begin - from) + element;
    let words = words.checked_add(u16::try_from(element / 4).ok()?)?;
    let [profile, words] = [ONE_BYTE_PROFILE, words].map(u16::to_be_bytes);
    let said = u8::try_from(data.len() - 1).ok()?;
    room.get(..grown)?;
    room.copy_within(from..length, begin + element);
    *room.first_mut()? |= HAS_EXTENSION;
    let written = profile
        .into_iter()
        .chain(words)
        .chain([id << 4 | said])
        .chain(data.iter().copied())
        .chain(core::iter::repeat(0));
    let places = room.get_mut(head..begin + element)?;
    for (place, byte) in places.iter_mut().zip(written) {
        *place = byte;
    }
    Some(grown)
}

/// Takes the extension off a packet that has one which no element with this identifier can be put
/// into: its length then.
fn without_unfit_extension(packet: &mut [u8], id: u8) -> Option<usize> {
    let first = u8_at(packet, 0)?;
    if first & HAS_EXTENSION == 0 {
        header_bytes(packet)?;
        return Some(packet.len());
    }
    let profile = u16_at(packet, HEADER_BYTES + usize::from(first & 0x0f) * 4)?;
    match profile == ONE_BYTE_PROFILE && Packet::peek_element(packet, id).is_none() {
        true => header_bytes(packet).map(|_| packet.len()),
        false => remove_extension(packet),
    }
}

/// Takes the extension off a packet in place, for a side that negotiated none: old adapters play it as
/// voice. Returns how long the packet is then; `None` when its header does not fit.
pub fn remove_extension(packet: &mut [u8]) -> Option<usize> {
    let end = header_bytes(packet)?;
    let length = packet.len();
    let first = packet.first_mut()?;
    if *first & 0x10 == 0 {
        return Some(length);
    }
    *first &= (VERSION << 6) | 0x2f;
    let begin = HEADER_BYTES + usize::from(*first & 0x0f) * 4;
    packet.copy_within(end.., begin);
    Some(length - (end - begin))
}
