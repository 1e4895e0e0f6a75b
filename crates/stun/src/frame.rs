//! What shares a TURN port: STUN messages and channel data (RFC 8656 section 12.4), told apart and
//! cut out of streams. Not what they mean.

use crate::message::HEADER_BYTES;

/// The header of channel data, in bytes.
pub const CHANNEL_HEADER_BYTES: usize = 4;

/// The longest frame: channel data with its header and padding, which is longer than any message.
pub const MAX_FRAME_BYTES: usize = CHANNEL_HEADER_BYTES + 65_536;

/// The channels that a client may choose (RFC 8656 section 12).
pub const CHANNELS: core::ops::RangeInclusive<u16> = 0x4000..=0x4fff;

/// The channels that a server takes: also those of RFC 5766 section 11, which older clients choose.
/// Nothing else that shares the server's port begins like them.
pub const CHANNELS_TAKEN: core::ops::RangeInclusive<u16> = 0x4000..=0x7fff;

/// What bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// What may be a STUN message.
    Stun(&'a [u8]),
    /// Data of a channel.
    Channel {
        /// Which.
        number: u16,
        /// What was sent, without padding.
        data: &'a [u8],
    },
}

/// Tells what a datagram or a frame of a stream is; `None` for what is neither.
pub fn classify(bytes: &[u8]) -> Option<Frame<'_>> {
    match bytes.first()? {
        0x00..=0x3f => Some(Frame::Stun(bytes)),
        0x40..=0x7f => {
            let (header, rest) = bytes.split_first_chunk::<CHANNEL_HEADER_BYTES>()?;
            let [n0, n1, l0, l1] = *header;
            // Padding may follow over UDP as well.
            let data = rest.get(..usize::from(u16::from_be_bytes([l0, l1])))?;
            let number = u16::from_be_bytes([n0, n1]);
            Some(Frame::Channel { number, data })
        }
        _ => None,
    }
}

/// Writes channel data; `None`, and nothing written, when it is too long for its length field.
pub fn write_channel(out: &mut Vec<u8>, number: u16, data: &[u8], is_stream: bool) -> Option<()> {
    let length = u16::try_from(data.len()).ok()?;
    out.extend_from_slice(&number.to_be_bytes());
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(data);
    if is_stream {
        // Only there it must (RFC 8656 section 12.5).
        let padding = [0; 3];
        let missing = data.len().next_multiple_of(4) - data.len();
        out.extend_from_slice(padding.get(..missing).unwrap_or_default());
    }
    Some(())
}

/// The stream is neither STUN nor channel data; there is no way to find the next frame in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stream is neither STUN nor channel data")]
pub struct BadStream;

/// The length of the frame at the beginning of a stream, with its padding; `None` while its header
/// has not arrived.
fn frame_bytes(stream: &[u8]) -> Result<Option<usize>, BadStream> {
    let Some(header) = stream.first_chunk::<4>() else {
        return match stream.first() {
            Some(0x80..) => Err(BadStream),
            _ => Ok(None),
        };
    };
    let [first, _, high, low] = *header;
    let length = usize::from(u16::from_be_bytes([high, low]));
    match first {
        0x00..=0x3f if length % 4 == 0 => Ok(Some(HEADER_BYTES + length)),
        0x40..=0x7f => Ok(Some(CHANNEL_HEADER_BYTES + length.next_multiple_of(4))),
        _ => Err(BadStream),
    }
}

/// Cuts a stream into frames. It holds one frame that is not complete, at most.
#[derive(Debug, Default)]
pub struct Framer {
    held: Vec<u8>,
    start: usize,
}

impl Framer {
    /// Takes what has arrived. [`Framer::next_frame`] must be called until there is none before more
    /// is put in.
    pub fn put(&mut self, bytes: &[u8]) {
        self.held.drain(..self.start);
        self.start = 0;
        self.held.extend_from_slice(bytes);
    }

    /// The next whole frame.
    ///
    /// # Errors
    /// [`BadStream`]: the connection must be closed.
    pub fn next_frame(&mut self) -> Result<Option<&[u8]>, BadStream> {
        let rest = self.held.get(self.start..).unwrap_or_default();
        let Some(length) = frame_bytes(rest)? else {
            return Ok(None);
        };
        let Some(frame) = rest.get(..length) else {
            return Ok(None);
        };
        self.start += length;
        Ok(Some(frame))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn channel(number: u16, data: &[u8], is_stream: bool) -> Vec<u8> {
        let mut out = Vec::new();
        write_channel(&mut out, number, data, is_stream).unwrap();
        out
    }

    #[test]
    fn channel_data_is_padded_on_streams_only() {
        assert_eq!(channel(0x4001, b"abcde", false).len(), 9);
        let padded = channel(0x4001, b"abcde", true);
        assert_eq!(padded.len(), 12);
        let number = 0x4001;
        let data = &b"abcde"[..];
        assert_eq!(classify(&padded), Some(Frame::Channel { number, data }));
        assert_eq!(channel(0x4001, b"abcd", true).len(), 8);
    }

    #[test]
    fn what_is_neither_stun_nor_a_channel_is_told_apart() {
        assert_eq!(classify(&[]), None);
        assert_eq!(classify(&[0x7f, 0xff, 0, 1]), None);
        assert_eq!(classify(&[0x80, 0, 0, 0]), None);
        assert_eq!(classify(&[0x40, 0, 0, 1]), None);
        assert_eq!(classify(&[0x40, 0]), None);
        assert_eq!(classify(&[0]), Some(Frame::Stun(&[0])));
    }

    #[test]
    fn data_has_a_longest_length() {
        let mut out = Vec::new();
        assert!(write_channel(&mut out, 0x4000, &[0; 65_535], true).is_some());
        assert_eq!(out.len(), MAX_FRAME_BYTES);
        out.clear();
        assert!(write_channel(&mut out, 0x4000, &[0; 65_536], true).is_none());
        assert!(out.is_empty());
    }

    #[test]
    fn a_stream_of_something_else_ends() {
        for bytes in [&[0x16, 3, 1, 2, 2][..], &[0x80], &[0xff], &[0, 1, 0, 1]] {
            let mut framer = Framer::default();
            framer.put(bytes);
            assert_eq!(framer.next_frame(), Err(BadStream), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn frames_are_found_wherever_a_stream_is_cut(
            frames in proptest::collection::vec(
                (0x4000_u16..0x8000, proptest::collection::vec(any::<u8>(), 0..30)), 1..10),
            cuts in proptest::collection::vec(1_usize..20, 1..40),
        ) {
            let stream: Vec<u8> = frames
                .iter()
                .flat_map(|(number, data)| channel(*number, data, true))
                .collect();
            let mut framer = Framer::default();
            let (mut rest, mut found) = (&stream[..], Vec::new());
            for cut in cuts.iter().cycle() {
                let (now, later) = rest.split_at((*cut).min(rest.len()));
                framer.put(now);
                while let Some(frame) = framer.next_frame().unwrap() {
                    if let Some(Frame::Channel { number, data }) = classify(frame) {
                        found.push((number, data.to_vec()));
                    }
                }
                rest = later;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(found, frames);
        }

        #[test]
        fn no_stream_panics(chunks in proptest::collection::vec(
            proptest::collection::vec(any::<u8>(), 0..60), 0..10)
        ) {
            let mut framer = Framer::default();
            for chunk in &chunks {
                framer.put(chunk);
                while let Ok(Some(frame)) = framer.next_frame() {
                    let _ = classify(frame);
                }
            }
        }
    }
}
