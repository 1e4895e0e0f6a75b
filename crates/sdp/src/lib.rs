//! Session descriptions (RFC 8866) and offer/answer (RFC 3264); no network
//!
//! [`SessionDescription`] is a view of the text as it came; nothing is copied and nothing is
//! lost. [`rewrite`] changes chosen lines and leaves every other byte as it is, for a back-to-back
//! user agent between two others. [`transport`] is how a section is transported, read from one party
//! and written for another; [`renumber`] is what payload types are called on both sides.
//! [`negotiate`] makes and answers offers for an end of our own.
//!
//! ```
//! use fernamt_sdp::{MediaRewrite, Rewrite, SessionDescription};
//!
//! let offer = b"v=0\r\no=- 1 1 IN IP4 10.0.0.5\r\ns=-\r\nc=IN IP4 10.0.0.5\r\nt=0 0\r\n\
//!     m=audio 7078 RTP/AVP 8\r\n";
//! let description = SessionDescription::parse(offer)?;
//! assert_eq!(description.media()[0].address(), Some("10.0.0.5:7078".parse()?));
//!
//! let relay = MediaRewrite { address: Some("203.0.113.1:30000".parse()?), ..Default::default() };
//! let rewrite = Rewrite { media: vec![relay], ..Default::default() };
//! let mut out = Vec::new();
//! rewrite.apply(&description, &mut out);
//! assert!(out.ends_with(b"m=audio 30000 RTP/AVP 8\r\nc=IN IP4 203.0.113.1\r\n"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

pub mod attribute;
pub mod bundle;
pub mod crypto;
pub mod description;
pub mod error;
pub mod extmap;
pub mod feedback;
pub mod fingerprint;
pub mod format;
pub mod ice;
pub mod line;
pub mod media;
pub mod negotiate;
pub mod origin;
pub mod renumber;
pub mod rewrite;
pub mod setup;
pub mod tls_id;
pub mod transport;

pub use attribute::{Attribute, Direction, Group, RtcpAttribute};
pub use bundle::Bundle;
pub use crypto::{Crypto, CryptoObjection, CryptoSuite, InlineKey, MasterKey, MasterKeyIdentifier};
pub use description::{Connection, Origin, SessionDescription};
pub use error::{Blame, NegotiationError, ParseError};
pub use extmap::ExtMap;
pub use feedback::{Feedback, FeedbackSet, RtcpFeedback};
pub use fingerprint::{Fingerprint, HashFunction};
pub use format::{Format, RtpMap};
pub use ice::{
    Candidate, CandidateAddress, CandidateKind, CandidateTransport, IceCredentials, IceDescription,
    IceOptions, RemoteCandidate, TcpType, TrickleFragment, TrickleSection,
};
pub use media::{Media, MediaKind, Protocol};
pub use negotiate::{Capabilities, Codec, Endpoint, Negotiated, PayloadChoice};
pub use origin::{OwnOrigin, SessionState};
pub use renumber::{PayloadMap, PayloadPair, PayloadTranslation, numbers_in_one_transport};
pub use rewrite::{MediaRewrite, Rewrite, RtcpRewrite};
pub use setup::Setup;
pub use tls_id::TlsId;
pub use transport::{
    AnswerPolicy, Encryption, Keying, Profile, Settled, SettledKeying, TransportAnswer,
    TransportDescription, TransportError,
};

/// The longest description that is read, in bytes.
pub const MAX_BYTES: usize = 65_536;

/// The most lines a description may have.
pub const MAX_LINES: usize = 2_048;

/// The most media sections (m-lines) a description may have.
pub const MAX_MEDIA: usize = 32;

/// The most formats one m-line may have: RTP has no more payload types.
pub const MAX_FORMATS: usize = 128;
