//! What single header fields mean, one noun of the RFCs a file; each is read from the text of one
//! element and borrows from it.

pub mod cseq;
pub mod event;
pub mod name_addr;
pub mod params;
pub mod rack;
pub mod reason;
pub mod replaces;
pub mod retry_after;
pub mod session_expires;
pub mod tokens;
pub mod via;

pub use cseq::CSeq;
pub use event::{Event, SubscriptionState};
pub use name_addr::NameAddr;
pub use params::{Param, Params};
pub use rack::RAck;
pub use reason::Reason;
pub use replaces::Replaces;
pub use retry_after::RetryAfter;
pub use session_expires::{Refresher, SessionExpires};
pub use tokens::Tokens;
pub use via::Via;

/// The text is not what the grammar of the header field allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("malformed {0}")]
pub struct Malformed(pub &'static str);
