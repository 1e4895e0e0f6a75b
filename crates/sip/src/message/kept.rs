//! A message that is kept to be looked at again: its bytes, and where its parts lie in them. Looking at
//! it costs a small part of reading it from the start.

use std::sync::Arc;

use super::{Field, Message, Method, NO_FIELD, ParseError, Read, StartLine};
use crate::limits::MAX_HEADERS;

/// See the module.
#[derive(Clone)]
pub struct KeptMessage {
    bytes: Arc<[u8]>,
    head_bytes: usize,
    start_line: KeptStartLine,
    fields: Box<[Field]>,
}

/// The parts of the start line by their lengths; one space stands between two of them.
#[derive(Clone, Copy, Debug)]
enum KeptStartLine {
    Request {
        method_bytes: usize,
        uri_bytes: usize,
    },
    /// The phrase ends where the line does.
    Response {
        status: u16,
        phrase_start: usize,
        phrase_bytes: usize,
    },
}

impl KeptMessage {
    /// Keeps a message that has been read.
    pub fn new(message: &Message<'_>) -> KeptMessage {
        KeptMessage::with_bytes(message, message.bytes.into())
    }

    /// Reads a message and keeps it, without a copy of its bytes.
    ///
    /// # Errors
    /// As [`Message::parse`].
    pub fn parse(bytes: Arc<[u8]>) -> Result<KeptMessage, ParseError> {
        let message = Message::parse(&bytes)?;
        // Only line ends before a message are not part of it.
        let bytes = match message.bytes.len() == bytes.len() {
            true => Arc::clone(&bytes),
            false => message.bytes.into(),
        };
        Ok(KeptMessage::with_bytes(&message, bytes))
    }

    fn with_bytes(message: &Message<'_>, bytes: Arc<[u8]>) -> KeptMessage {
        let start_line = match message.start_line {
            StartLine::Request { method, uri } => KeptStartLine::Request {
                method_bytes: method.as_str().len(),
                uri_bytes: uri.len(),
            },
            StartLine::Response { status, reason } => KeptStartLine::Response {
                status,
                phrase_start: message.head.find("\r\n").unwrap_or(0) - reason.len(),
                phrase_bytes: reason.len(),
            },
        };
        KeptMessage {
            bytes,
            head_bytes: message.head.len(),
            start_line,
            fields: message.fields.get(..message.count).unwrap_or(&[]).into(),
        }
    }

    /// The bytes of the message.
    pub fn bytes(&self) -> &Arc<[u8]> {
        &self.bytes
    }

    /// A look at it.
    pub fn message(&self) -> Message<'_> {
        let (head, body) = self
            .bytes
            .split_at_checked(self.head_bytes)
            .unwrap_or_default();
        // It was text when it was read.
        let head = core::str::from_utf8(head).unwrap_or_default();
        let part = |start: usize, bytes: usize| head.get(start..start + bytes).unwrap_or_default();
        let start_line = match self.start_line {
            KeptStartLine::Request {
                method_bytes,
                uri_bytes,
            } => StartLine::Request {
                method: Method::from_name(part(0, method_bytes)),
                uri: part(method_bytes + 1, uri_bytes),
            },
            KeptStartLine::Response {
                status,
                phrase_start,
                phrase_bytes,
            } => StartLine::Response {
                status,
                reason: part(phrase_start, phrase_bytes),
            },
        };
        let mut fields = [NO_FIELD; MAX_HEADERS];
        let count = self.fields.len().min(MAX_HEADERS);
        for (place, field) in fields.iter_mut().zip(&self.fields) {
            *place = *field;
        }
        Message {
            bytes: &self.bytes,
            head,
            body,
            start_line,
            count,
            fields,
            read: Read::default(),
        }
    }
}

impl core::fmt::Debug for KeptMessage {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.message().fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Name;

    #[test]
    fn a_kept_message_looks_as_it_did() {
        for text in [
            "\r\nINVITE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP a\r\nl: 4\r\n\r\nbodyrest",
            "FOO tel:1 SIP/2.0\r\nSubject: folded\r\n twice\r\n\r\n",
            "SIP/2.0 200 Quite all right\r\nCSeq: 7 INVITE\r\n\r\n",
            "SIP/2.0 200\r\nCSeq: 7 INVITE\r\n\r\nbody",
            "SIP/2.0 200 \r\nCSeq: 7 INVITE\r\n\r\n",
        ] {
            let read = Message::parse(text.as_bytes()).unwrap();
            let parsed = KeptMessage::parse(text.as_bytes().into()).unwrap();
            for kept in [KeptMessage::new(&read), parsed] {
                let seen = kept.message();
                assert_eq!(seen.start_line(), read.start_line(), "{text}");
                assert_eq!(seen.bytes(), read.bytes());
                assert_eq!(seen.body(), read.body());
                assert!(seen.headers().eq(read.headers()));
                assert_eq!(seen.value(Name::CSeq), read.value(Name::CSeq));
                assert_eq!(kept.bytes()[..], *read.bytes());
            }
        }
    }
}
