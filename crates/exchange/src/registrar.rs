//! Where devices are: bindings of addresses of record to contacts (RFC 3261 section 10), with
//! flows (RFC 5626), path (RFC 3327) and instance ids for GRUU (RFC 5627). Not who they are (the
//! directory), and no authentication.

mod contacts;
mod draft;
mod location;
mod nat;
mod request;

use core::time::Duration;
use std::sync::Arc;

use fernamt_sip::time::UnixTime;
use fernamt_sip::transport::{ConnectionId, Transport};
use serde::{Deserialize, Serialize};

pub use contacts::{ContactValue, write_contacts};
pub use location::{Location, LocationCounters, MAX_BINDINGS, MAX_BINDINGS_PER_DEVICE, Page};
pub use nat::Nat;
pub(crate) use nat::is_private;
pub(crate) use request::speaks_ice;
pub use request::{
    MAX_CONTACT_BYTES, MAX_CONTACTS, MAX_INSTANCE_BYTES, MAX_PATHS, MAX_USER_AGENT_BYTES,
    RegisterRejection, register_request,
};

/// One contact of a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// The contact URI exactly as registered.
    pub contact: Box<str>,
    /// Preference in thousandths, 0 to 1000 (`q=0.7` is 700).
    pub q: u16,
    /// When it ends, in civil time, so that it means the same after a restart.
    pub expires: UnixTime,
    /// Call-ID of the REGISTER.
    pub call_id: Box<str>,
    /// CSeq of the REGISTER.
    pub cseq: u32,
    /// `+sip.instance`, without the brackets and quotes.
    pub instance: Option<Box<str>>,
    /// `reg-id` (RFC 5626); 0: none.
    pub reg_id: u32,
    /// Path header values, top first.
    pub path: Vec<Box<str>>,
    /// User-Agent, bounded in length, control characters removed.
    pub user_agent: Option<Box<str>>,
    /// How the REGISTER came.
    pub transport: Transport,
    /// Our end of its flow.
    pub local: std::net::SocketAddr,
    /// Where it came from: the address behind which the device can be reached, whatever its contact
    /// says.
    pub received: std::net::SocketAddr,
    /// The phone says that it finds the way of its media by ICE: `+sip.ice` (RFC 5768).
    pub ice: bool,
    /// The connection it came on; it does not outlive the process.
    #[serde(skip)]
    pub connection: Option<ConnectionId>,
    /// What the REGISTER showed of the way; not kept through a restart. [`Binding::nat`] is for
    /// reading.
    #[serde(skip)]
    pub nat: Nat,
}

/// What a REGISTER wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegisterChange {
    /// Nothing but to know the bindings.
    Query,
    /// Remove every binding (`Contact: *`, `Expires: 0`).
    RemoveAll {
        /// Call-ID of the request.
        call_id: Box<str>,
        /// Its CSeq.
        cseq: u32,
    },
    /// Add, refresh or remove these contacts; all or none.
    Update(Vec<ContactChange>),
}

impl RegisterChange {
    /// Whether a contact registers a flow, so that the answer must say `Require: outbound` (RFC 5626
    /// section 6).
    pub fn uses_outbound(&self) -> bool {
        match self {
            RegisterChange::Update(contacts) => {
                contacts.iter().any(|contact| contact.binding.reg_id != 0)
            }
            RegisterChange::Query | RegisterChange::RemoveAll { .. } => false,
        }
    }
}

/// One contact of a REGISTER.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContactChange {
    /// The binding as it is to be; `expires` is not meaningful yet.
    pub binding: Binding,
    /// How long it is to last; zero removes it.
    pub lasts: Duration,
}

/// Why a change of bindings was refused; nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefusedChange {
    /// The same Call-ID with a CSeq that is not higher (RFC 3261 section 10.3 step 7).
    #[error("the REGISTER is older than the binding it wants to change")]
    OutOfOrder,
    /// The device would have too many bindings.
    #[error("too many bindings for one device")]
    TooMany,
    /// The whole table is full.
    #[error("the table of bindings is full")]
    Full,
}

impl RefusedChange {
    /// The status with which the REGISTER is answered.
    pub const fn status(self) -> u16 {
        match self {
            RefusedChange::OutOfOrder => 400,
            RefusedChange::TooMany => 403,
            RefusedChange::Full => 503,
        }
    }

    /// A reason phrase that tells the sender what to mend.
    pub const fn reason_phrase(self) -> &'static str {
        match self {
            RefusedChange::OutOfOrder => "CSeq Out Of Order",
            RefusedChange::TooMany => "Too Many Bindings",
            RefusedChange::Full => "Registrar Full",
        }
    }
}

/// A change of the table that must be written down so that a restart forgets nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BindingsOf {
    /// The device's user name.
    pub user: Box<str>,
    /// All its bindings now; none: forget it.
    pub bindings: Vec<Arc<Binding>>,
}

#[cfg(test)]
mod tests;
