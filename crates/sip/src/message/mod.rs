//! One SIP message as a view of the bytes it came in (RFC 3261 section 7); nothing is copied.
//!
//! [`Message::parse`] checks the lines and remembers where each header field lies. What a field
//! means is read when it is asked for, by the accessors in `typed`. What a message must have to be
//! worth processing is in [`validate`](crate::validate).

pub mod authorization;
mod error;
mod header;
mod kept;
pub(crate) mod lines;
mod list;
mod method;
mod name;
mod parse;
mod salvage;
mod typed;

use core::cell::OnceCell;
use core::fmt;

pub use error::{HeaderError, ParseError, ParseErrorKind};
pub use header::{Header, Headers};
pub use kept::KeptMessage;
pub use list::{Elements, List, Values};
pub use method::Method;
pub use name::Name;
pub use salvage::Salvage;

use crate::escape::Escaped;
use crate::header::{CSeq, NameAddr, Via};
use crate::limits::MAX_HEADERS;

/// The first line of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartLine<'a> {
    /// RFC 3261 section 7.1.
    Request {
        /// What is asked for.
        method: Method<'a>,
        /// Whom it is asked of; see [`Uri`](crate::uri::Uri).
        uri: &'a str,
    },
    /// RFC 3261 section 7.2.
    Response {
        /// From 100 to 699.
        status: u16,
        /// May be empty.
        reason: &'a str,
    },
}

/// Where one header field lies in the header section.
///
/// Sixteen bits reach everywhere in a message of [`crate::limits::MAX_MESSAGE_BYTES`].
#[derive(Clone, Copy, Debug)]
struct Field {
    name: Name,
    name_length: u8,
    start: u16,
    value_start: u16,
    value_end: u16,
}

const NO_FIELD: Field = Field {
    name: Name::Other,
    name_length: 0,
    start: 0,
    value_start: 0,
    value_end: 0,
};

/// A message, borrowed from the bytes it was read from.
#[derive(Clone)]
pub struct Message<'a> {
    bytes: &'a [u8],
    head: &'a str,
    body: &'a [u8],
    start_line: StartLine<'a>,
    count: usize,
    fields: [Field; MAX_HEADERS],
    read: Read<'a>,
}

/// The header fields that every layer asks for, kept once they have been read.
#[derive(Clone, Default)]
struct Read<'a> {
    top_via: OnceCell<Result<Via<'a>, HeaderError>>,
    from: OnceCell<Result<NameAddr<'a>, HeaderError>>,
    to: OnceCell<Result<NameAddr<'a>, HeaderError>>,
    cseq: OnceCell<Result<CSeq<'a>, HeaderError>>,
}

impl<'a> Message<'a> {
    /// Reads one whole message as it stands in a datagram.
    ///
    /// Line ends before the message are skipped. The body ends where Content-Length says or, when
    /// there is none, with the bytes; what follows it is ignored (RFC 3261 section 18.3).
    ///
    /// # Errors
    /// When the bytes are no message; [`ParseError::status`] tells how to answer then.
    pub fn parse(bytes: &'a [u8]) -> Result<Message<'a>, ParseError> {
        parse::parse(bytes)
    }

    /// The bytes of the message, without what stood before and after it.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The first line.
    pub fn start_line(&self) -> StartLine<'a> {
        self.start_line
    }

    /// Whether this is a request.
    pub fn is_request(&self) -> bool {
        matches!(self.start_line, StartLine::Request { .. })
    }

    /// The method of a request; for a response the one in its CSeq, `Method::Other("")` when that
    /// is missing or malformed.
    pub fn method(&self) -> Method<'a> {
        match self.start_line {
            StartLine::Request { method, .. } => method,
            StartLine::Response { .. } => self.cseq().map_or(Method::Other(""), |cseq| cseq.method),
        }
    }

    /// The request URI as it stands; `None` for a response.
    pub fn request_uri(&self) -> Option<&'a str> {
        match self.start_line {
            StartLine::Request { uri, .. } => Some(uri),
            StartLine::Response { .. } => None,
        }
    }

    /// The status code; `None` for a request.
    pub fn status(&self) -> Option<u16> {
        match self.start_line {
            StartLine::Request { .. } => None,
            StartLine::Response { status, .. } => Some(status),
        }
    }

    /// The reason phrase; `None` for a request.
    pub fn reason_phrase(&self) -> Option<&'a str> {
        match self.start_line {
            StartLine::Request { .. } => None,
            StartLine::Response { reason, .. } => Some(reason),
        }
    }

    /// All header fields, in order.
    pub fn headers(&self) -> Headers<'_, 'a> {
        Headers::new(self.head, self.fields.get(..self.count).unwrap_or(&[]))
    }

    /// The names of all header fields, in order, without a look at their text.
    pub(crate) fn names(&self) -> impl Iterator<Item = Name> + '_ {
        self.fields.iter().take(self.count).map(|field| field.name)
    }

    /// The value of the first header field called `name`, without white space around it.
    ///
    /// It may be folded over several lines; see [`Header::unfolded`].
    pub fn value(&self, name: Name) -> Option<&'a str> {
        self.values(name).next()
    }

    /// The values of all header fields called `name`, in order.
    pub fn values(&self, name: Name) -> Values<'_, 'a> {
        Values::new(self.headers(), name)
    }

    /// The comma-separated elements of all header fields called `name`, in order.
    ///
    /// Commas in quoted strings and in angle brackets separate nothing. An empty field has no
    /// element; two commas in a row have an empty element between them.
    pub fn list(&self, name: Name) -> List<'_, 'a> {
        List::new(self.values(name))
    }

    /// The value of the first header field that is called `name` and is not one of [`Name`].
    pub fn value_of(&self, name: &str) -> Option<&'a str> {
        self.headers()
            .find(|header| header.raw_name.eq_ignore_ascii_case(name))
            .map(|header| header.value)
    }

    /// The body; empty when there is none.
    pub fn body(&self) -> &'a [u8] {
        self.body
    }
}

impl fmt::Debug for Message<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Message")
            .field("head", &self.head)
            .field("body_bytes", &self.body.len())
            .finish()
    }
}

/// The start line, fit for a log: control characters and the like are escaped.
impl fmt::Display for Message<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.start_line {
            StartLine::Request { method, uri } => {
                write!(formatter, "{} {}", Escaped(method.as_str()), Escaped(uri))
            }
            StartLine::Response { status, reason } => {
                write!(formatter, "{status} {}", Escaped(reason))
            }
        }
    }
}
