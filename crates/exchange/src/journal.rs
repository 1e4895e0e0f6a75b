//! The journal of one call: what happened, when and why, in a form that is small to keep and that
//! can be shown as text or as a ladder. Not the call record, and not a capture of packets.

mod body;
mod builder;
mod diagram;
mod ladder;
mod svg;
mod text;
mod words;

use fernamt_sip::time::UnixTime;
use serde::{Deserialize, Serialize};

pub use body::body_summary;
pub use builder::{Journal, MAX_ENTRIES, MAX_TEXT_BYTES};
pub use ladder::ladder;
pub use svg::svg;
pub use text::text;

/// One line of a journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When.
    pub at: UnixTime,
    /// What.
    pub event: Event,
}

/// Which party of the call a message went to or came from: 0 is the caller, 1 and up are the legs of
/// the called side in the order in which they were made.
pub type Party = u8;

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A party entered the call.
    Party {
        /// Which.
        party: Party,
        /// Its name for people, for example `anna` or `echo`.
        name: Box<str>,
        /// Transport and address, for example `UDP 192.0.2.7:5060`; empty inside the exchange.
        address: Box<str>,
    },
    /// A message came from a party.
    Received {
        /// Which.
        party: Party,
        /// `INVITE`, `180 Ringing`, ….
        message: Box<str>,
        /// What its body says in short, for example `offer PCMU PCMA`; empty without a body.
        body: Box<str>,
    },
    /// A message was sent to a party.
    Sent {
        /// Which.
        party: Party,
        /// `INVITE`, `180 Ringing`, ….
        message: Box<str>,
        /// What its body says in short.
        body: Box<str>,
    },
    /// Something was decided, with its reason, in one sentence.
    Decided {
        /// The sentence.
        why: Box<str>,
    },
    /// The media plane did or saw something, in one sentence.
    Media {
        /// Which party's side.
        party: Party,
        /// The sentence.
        what: Box<str>,
    },
    /// The exchange was restarted here and picked the call up again.
    Recovered,
    /// The call ended.
    Released {
        /// Q.850 cause value.
        cause: u8,
        /// In words, with who did it.
        why: Box<str>,
    },
}

#[cfg(test)]
mod tests;
