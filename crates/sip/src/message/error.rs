//! Why bytes are no SIP message, and why a header field is not what it should be.

use super::Name;

/// Why bytes could not be read as a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} (at byte {offset})")]
pub struct ParseError {
    /// What is wrong.
    pub kind: ParseErrorKind,
    /// Where in the bytes it was noticed.
    pub offset: usize,
    /// Whether the message set out to be a response: those are never answered.
    pub in_response: bool,
}

/// What is wrong with bytes that are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseErrorKind {
    /// Nothing but line ends: a keep-alive, not a message (RFC 5626 section 3.5.1).
    #[error("no message, only a keep-alive")]
    Empty,
    /// More than [`MAX_MESSAGE_BYTES`](crate::limits::MAX_MESSAGE_BYTES).
    #[error("message too large")]
    MessageTooLarge,
    /// The first line is neither a request line nor a status line.
    #[error("malformed start line")]
    StartLine,
    /// The request URI holds a character that no URI has.
    #[error("malformed request URI")]
    RequestUri,
    /// The request URI is longer than [`MAX_URI_BYTES`](crate::limits::MAX_URI_BYTES).
    #[error("request URI too long")]
    UriTooLong,
    /// The protocol is SIP, but not version 2.0.
    #[error("SIP version not supported")]
    Version,
    /// The status code is not a number from 100 to 699.
    #[error("malformed status code")]
    StatusCode,
    /// A line of the header section has no name or no colon.
    #[error("malformed header field")]
    HeaderField,
    /// The name of a header field is longer than
    /// [`MAX_HEADER_NAME_BYTES`](crate::limits::MAX_HEADER_NAME_BYTES).
    #[error("header field name too long")]
    HeaderNameTooLong,
    /// A header field is longer than [`MAX_HEADER_BYTES`](crate::limits::MAX_HEADER_BYTES).
    #[error("header field too long")]
    HeaderTooLong,
    /// More than [`MAX_HEADERS`](crate::limits::MAX_HEADERS) header fields.
    #[error("too many header fields")]
    TooManyHeaders,
    /// A control character, a lone CR or a lone LF in the header section.
    #[error("control character in the header section")]
    ControlCharacter,
    /// The header section is not UTF-8 (RFC 3261 section 7).
    #[error("header section is not UTF-8")]
    NotUtf8,
    /// No empty line ends the header section.
    #[error("header section does not end")]
    Unterminated,
    /// Content-Length is no number, or is given twice with different numbers.
    #[error("malformed Content-Length")]
    ContentLength,
    /// Content-Length promises more bytes than there are.
    #[error("body shorter than Content-Length")]
    BodyTruncated,
}

impl ParseErrorKind {
    /// The status with which a request that is wrong in this way is refused, or `None` where it is
    /// dropped in silence.
    pub const fn status(self) -> Option<u16> {
        match self {
            ParseErrorKind::Empty | ParseErrorKind::StatusCode => None,
            ParseErrorKind::MessageTooLarge
            | ParseErrorKind::HeaderTooLong
            | ParseErrorKind::HeaderNameTooLong
            | ParseErrorKind::TooManyHeaders => Some(513),
            ParseErrorKind::Version => Some(505),
            ParseErrorKind::UriTooLong => Some(414),
            ParseErrorKind::StartLine
            | ParseErrorKind::RequestUri
            | ParseErrorKind::HeaderField
            | ParseErrorKind::ControlCharacter
            | ParseErrorKind::NotUtf8
            | ParseErrorKind::Unterminated
            | ParseErrorKind::ContentLength
            | ParseErrorKind::BodyTruncated => Some(400),
        }
    }

    /// A reason phrase that tells the sender what to mend.
    pub const fn reason_phrase(self) -> &'static str {
        match self {
            ParseErrorKind::Empty => "Empty Message",
            ParseErrorKind::MessageTooLarge => "Message Too Large",
            ParseErrorKind::StartLine => "Malformed Request Line",
            ParseErrorKind::RequestUri => "Malformed Request-URI",
            ParseErrorKind::UriTooLong => "Request-URI Too Long",
            ParseErrorKind::Version => "Version Not Supported",
            ParseErrorKind::StatusCode => "Malformed Status Code",
            ParseErrorKind::HeaderField => "Malformed Header Field",
            ParseErrorKind::HeaderNameTooLong => "Header Field Name Too Long",
            ParseErrorKind::HeaderTooLong => "Header Field Too Long",
            ParseErrorKind::TooManyHeaders => "Too Many Header Fields",
            ParseErrorKind::ControlCharacter => "Control Character In Header",
            ParseErrorKind::NotUtf8 => "Header Is Not UTF-8",
            ParseErrorKind::Unterminated => "Header Section Does Not End",
            ParseErrorKind::ContentLength => "Malformed Content-Length",
            ParseErrorKind::BodyTruncated => "Body Shorter Than Content-Length",
        }
    }
}

impl ParseError {
    /// The status to answer with, when the broken message is a request that can be answered at all
    /// (see [`Salvage`](super::Salvage)).
    pub const fn status(&self) -> Option<u16> {
        if self.in_response {
            None
        } else {
            self.kind.status()
        }
    }
}

/// Why a header field cannot be used as what its name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum HeaderError {
    /// The message has no such field.
    #[error("header field {0} is missing")]
    Missing(Name),
    /// The value does not follow the grammar of the field.
    #[error("header field {0} is malformed")]
    Malformed(Name),
    /// The field must stand once and stands several times.
    #[error("header field {0} is repeated")]
    Repeated(Name),
}

impl HeaderError {
    /// The field that is at fault.
    pub const fn name(&self) -> Name {
        match self {
            HeaderError::Missing(name)
            | HeaderError::Malformed(name)
            | HeaderError::Repeated(name) => *name,
        }
    }
}
