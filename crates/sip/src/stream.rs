//! Messages out of a stream of bytes (RFC 3261 section 18.3, RFC 5626 section 4.4.1): TCP and TLS.
//!
//! A WebSocket needs none of this: one of its messages is one SIP message (RFC 7118 section 5).

use crate::limits::{
    MAX_HEADER_SECTION_BYTES, MAX_MESSAGE_BYTES, MAX_STREAM_BUFFER_BYTES, MAX_URI_BYTES,
};
use crate::message::Name;
use crate::message::lines::Lines;
use crate::text;

/// Memory that an idle connection keeps, in bytes.
const IDLE_BUFFER_BYTES: usize = 4_096;

/// What comes out of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// The bytes of one message, for [`Message::parse`](crate::message::Message::parse).
    Message(&'a [u8]),
    /// The other side asks whether we are there: answer with [`PONG`].
    Ping,
}

/// The question of a keep-alive (RFC 5626 section 3.5.1).
pub const PING: &[u8] = b"\r\n\r\n";

/// The answer to a keep-alive (RFC 5626 section 3.5.1).
pub const PONG: &[u8] = b"\r\n";

/// Why nothing more can be read from a stream: nobody knows where the next message starts, so the
/// connection must be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The bytes do not start like SIP.
    #[error("not SIP; close the connection")]
    NotSip,
    /// More than [`MAX_HEADER_SECTION_BYTES`] without an empty line.
    #[error("header section too large; close the connection")]
    HeaderSectionTooLarge,
    /// No Content-Length, which a stream cannot do without.
    #[error("no Content-Length on a stream; close the connection")]
    MissingContentLength,
    /// Content-Length is no number, or is given twice with different numbers.
    #[error("malformed Content-Length; close the connection")]
    MalformedContentLength,
    /// The message would be larger than [`MAX_MESSAGE_BYTES`].
    #[error("message too large; close the connection")]
    MessageTooLarge,
    /// More bytes were pushed than were ever taken out.
    #[error("too many bytes at once; close the connection")]
    Overflow,
}

impl FrameError {
    /// The status to answer with before closing, when [`Salvage`](crate::message::Salvage) finds
    /// something to answer in [`Framer::pending`].
    pub const fn status(self) -> Option<u16> {
        match self {
            FrameError::NotSip | FrameError::Overflow => None,
            FrameError::MissingContentLength | FrameError::MalformedContentLength => Some(400),
            FrameError::HeaderSectionTooLarge | FrameError::MessageTooLarge => Some(513),
        }
    }
}

/// Collects the bytes of one connection and cuts them into messages.
///
/// After each [`Framer::push`] call [`Framer::next_frame`] until there is none. An idle connection
/// holds little memory, a busy one never more than [`MAX_STREAM_BUFFER_BYTES`].
#[derive(Debug, Default)]
pub struct Framer {
    buffer: Vec<u8>,
    /// Where the next frame starts in the buffer.
    start: usize,
    /// How far from `start` the end of the header section has been looked for.
    searched: usize,
    /// The length of the message at `start`, once its header section is whole.
    message_length: Option<usize>,
    failure: Option<FrameError>,
}

impl Framer {
    /// For a new connection; takes no memory yet.
    pub fn new() -> Framer {
        Framer::default()
    }

    /// Adds what was read from the connection, at most [`MAX_MESSAGE_BYTES`] at once.
    ///
    /// # Errors
    /// When the connection has failed before, or more is waiting than a message can have.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), FrameError> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        self.forget_taken();
        if self.buffer.len() + bytes.len() > MAX_STREAM_BUFFER_BYTES {
            return Err(self.fail(FrameError::Overflow));
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    /// The next whole message or keep-alive; `None` until more bytes come.
    ///
    /// # Errors
    /// When the stream cannot be read any further; then it stays so.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, FrameError> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        if self.message_length.is_none() {
            if self.take_ping() {
                return Ok(Some(Frame::Ping));
            }
            self.message_length = self.measure().map_err(|failure| self.fail(failure))?;
        }
        let Some(length) = self
            .message_length
            .filter(|length| *length <= self.pending().len())
        else {
            return Ok(None);
        };
        self.message_length = None;
        self.searched = 0;
        let start = self.start;
        self.start += length;
        Ok(self.buffer.get(start..self.start).map(Frame::Message))
    }

    /// What has come and is not taken out yet.
    pub fn pending(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or(&[])
    }

    /// Whether the connection is between two messages.
    pub fn is_idle(&self) -> bool {
        self.pending().is_empty()
    }

    fn fail(&mut self, failure: FrameError) -> FrameError {
        self.failure = Some(failure);
        failure
    }

    fn forget_taken(&mut self) {
        if self.start == 0 {
            return;
        }
        self.buffer.drain(..self.start.min(self.buffer.len()));
        self.start = 0;
        if self.buffer.is_empty() {
            self.buffer.shrink_to(IDLE_BUFFER_BYTES);
        }
    }

    /// Takes line ends before a message: two are a ping, a single one means nothing once something
    /// else follows it (RFC 3261 section 7.5).
    fn take_ping(&mut self) -> bool {
        loop {
            let waiting = self.pending();
            if waiting.starts_with(PING) {
                self.start += PING.len();
                return true;
            }
            let is_single = waiting.starts_with(PONG)
                && waiting.get(PONG.len()).is_some_and(|byte| *byte != b'\r');
            if !is_single {
                return false;
            }
            self.start += PONG.len();
        }
    }

    /// The length of the message that starts here, or `None` while its header section is not whole.
    fn measure(&mut self) -> Result<Option<usize>, FrameError> {
        let waiting = self.buffer.get(self.start..).unwrap_or(&[]);
        check_start(waiting)?;
        let from = self.searched.saturating_sub(3);
        let tail = waiting.get(from..).unwrap_or(&[]);
        let head_length = memchr::memmem::find(tail, b"\r\n\r\n").map(|end| from + end + 4);
        self.searched = waiting.len();
        let head_length = match head_length {
            Some(length) if length <= MAX_HEADER_SECTION_BYTES => length,
            None if waiting.len() < MAX_HEADER_SECTION_BYTES => return Ok(None),
            _ => return Err(FrameError::HeaderSectionTooLarge),
        };
        let body_length = content_length(waiting.get(..head_length).unwrap_or(&[]))?;
        match head_length.checked_add(body_length) {
            Some(length) if length <= MAX_MESSAGE_BYTES => Ok(Some(length)),
            _ => Err(FrameError::MessageTooLarge),
        }
    }
}

/// Notices what is no SIP before memory is spent on it: TLS or HTTP on the wrong port, garbage.
fn check_start(waiting: &[u8]) -> Result<(), FrameError> {
    /// A method, a space and a URI fit in; no line end before that means that none will come.
    const FIRST_LINE_LIMIT: usize = MAX_URI_BYTES * 2;
    // A CR can still become an empty line.
    let starts_right = match waiting {
        [] | [b'\r'] | [b'\r', b'\n'] | [b'\r', b'\n', b'\r'] => true,
        [first, ..] => text::is_token_byte(*first),
    };
    let first_line = waiting.get(..FIRST_LINE_LIMIT);
    let is_endless = first_line.is_some_and(|line| memchr::memchr(b'\n', line).is_none());
    if starts_right && !is_endless {
        Ok(())
    } else {
        Err(FrameError::NotSip)
    }
}

fn content_length(head: &[u8]) -> Result<usize, FrameError> {
    let mut known = None;
    for line in Lines::new(head).skip(1) {
        let Some(colon) = memchr::memchr(b':', line) else {
            continue;
        };
        let (name, value) = line.split_at_checked(colon).unwrap_or((line, &[]));
        let (Ok(name), Ok(value)) = (core::str::from_utf8(name), core::str::from_utf8(value))
        else {
            continue;
        };
        if Name::from_text(name.trim_end_matches([' ', '\t'])) != Name::ContentLength {
            continue;
        }
        let length = text::number::<usize>(text::trim(text::after_first(value)))
            .ok_or(FrameError::MalformedContentLength)?;
        if known.is_some_and(|known| known != length) {
            return Err(FrameError::MalformedContentLength);
        }
        known = Some(length);
    }
    known.ok_or(FrameError::MissingContentLength)
}

#[cfg(test)]
mod tests;
