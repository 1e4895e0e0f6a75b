//! What can be wrong with a description or a negotiation, and whose fault it is.

use crate::{MAX_BYTES, MAX_FORMATS, MAX_LINES, MAX_MEDIA};

/// Who is to act on an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Blame {
    /// The peer broke a rule: 400 Bad Request.
    Peer,
    /// The peer asks for what is not supported here: 488 Not Acceptable Here.
    Unsupported,
}

/// Why a text is no description. `line` counts from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum ParseError {
    /// More than [`MAX_BYTES`].
    #[error("the session description has {bytes} bytes; at most {MAX_BYTES} are read")]
    TooLong {
        /// How many there are.
        bytes: usize,
    },
    /// More than [`MAX_LINES`].
    #[error("the session description has more than {MAX_LINES} lines")]
    TooManyLines,
    /// More than [`MAX_MEDIA`] media sections.
    #[error("line {line}: the session description has more than {MAX_MEDIA} media sections")]
    TooManyMedia {
        /// The first m-line too many.
        line: usize,
    },
    /// More than [`MAX_FORMATS`] formats.
    #[error("line {line}: the media section has more than {MAX_FORMATS} formats")]
    TooManyFormats {
        /// The m-line.
        line: usize,
    },
    /// It does not begin with `v=0`.
    #[error("line {line}: a session description begins with v=0")]
    Version {
        /// The first line that is not empty.
        line: usize,
    },
    /// A line that is not a letter, `=` and a value.
    #[error("line {line}: a line is a letter, an equals sign and a value")]
    Line {
        /// The line.
        line: usize,
    },
    /// A NUL, or a carriage return that ends no line.
    #[error("line {line}: a control character that must not stand there")]
    Control {
        /// The line.
        line: usize,
    },
    /// The o-line is missing.
    #[error("the o-line is missing")]
    NoOrigin,
    /// The o-line is not `username id version nettype addrtype address`.
    #[error("line {line}: the o-line is not six words of text")]
    Origin {
        /// The o-line.
        line: usize,
    },
    /// A c-line is not `nettype addrtype address`.
    #[error("line {line}: the c-line is not three words, or its IP address is none")]
    Connection {
        /// The c-line.
        line: usize,
    },
    /// An m-line is not `media port protocol formats`.
    #[error("line {line}: the m-line is not media, port, protocol and formats")]
    Media {
        /// The m-line.
        line: usize,
    },
    /// A line that may stand once stands twice.
    #[error("line {line}: {letter}= stands there for the second time")]
    Repeated {
        /// The second one.
        line: usize,
        /// Its letter.
        letter: char,
    },
}

impl ParseError {
    /// Limits are ours, everything else is a rule that was broken.
    pub const fn blame(self) -> Blame {
        match self {
            ParseError::TooLong { .. }
            | ParseError::TooManyLines
            | ParseError::TooManyMedia { .. }
            | ParseError::TooManyFormats { .. } => Blame::Unsupported,
            _ => Blame::Peer,
        }
    }
}

/// Why an offer or an answer leads to no session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum NegotiationError {
    /// No audio section has a codec that both sides have.
    #[error("no codec in common; offer one of those that are supported here")]
    NoCommonCodec,
    /// There is no audio section over plain RTP.
    #[error("the offer has no audio section over RTP")]
    NoAudio,
    /// The audio section has no address, or one that is no IP address.
    #[error("the audio section has no IP address to send to")]
    NoAddress,
    /// The answer has another number or order of media sections than the offer (RFC 3264
    /// section 6).
    #[error("the answer has {answered} media sections where the offer had {offered}")]
    MediaCount {
        /// Sections offered.
        offered: usize,
        /// Sections answered.
        answered: usize,
    },
    /// The answer names a format that was not offered.
    #[error("the answer has no format that was offered")]
    FormatNotOffered,
    /// The answer rejects the audio section.
    #[error("the peer rejected the audio section")]
    Rejected,
    /// An answer came for no offer.
    #[error("an answer came, but no offer is open")]
    NoOffer,
}

impl NegotiationError {
    /// What is answered to the peer.
    pub const fn blame(self) -> Blame {
        match self {
            NegotiationError::NoCommonCodec
            | NegotiationError::NoAudio
            | NegotiationError::Rejected => Blame::Unsupported,
            NegotiationError::NoAddress
            | NegotiationError::MediaCount { .. }
            | NegotiationError::FormatNotOffered
            | NegotiationError::NoOffer => Blame::Peer,
        }
    }
}
