//! What goes into the user agent and what comes out of it. Values only; nothing happens here.

use std::sync::Arc;

use fernamt_sdp::Encryption;
use fernamt_sip::dialog::session_timer::SessionTimerPolicy;
use fernamt_sip::transport::{ConnectionId, Flow};

use crate::address::ServerAddress;
use crate::media::{MediaPlan, Voice};

/// Who the phone is at an exchange.
#[derive(Clone)]
pub struct Identity {
    /// The device's user name; any text.
    pub user: Box<str>,
    /// Its password; without one, no challenge is answered.
    pub password: Option<Box<str>>,
}

/// The password is not shown.
impl core::fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter
            .debug_struct("Identity")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// The exchange of the phone.
#[derive(Clone, Debug)]
pub struct Home {
    /// Its name or address as a person has given it: the host in our address of record.
    pub server: ServerAddress,
    /// The way there.
    pub flow: Flow,
}

/// How a user agent behaves.
#[derive(Clone, Debug)]
pub struct AgentSettings {
    /// Who it is; without it, it is nobody's device.
    pub identity: Option<Identity>,
    /// Where requests go; without it, directly to the other phone.
    pub home: Option<Home>,
    /// Codecs, best first; at least one.
    pub voices: Vec<Voice>,
    /// The local port of RTP; the address is that of the signalling.
    pub media_port: u16,
    /// Whether the voice is encrypted (SDES, RFC 4568). Over TLS, [`Encryption::Offered`] offers
    /// nothing else; elsewhere it offers keys that the other side may pass over (RFC 8643).
    pub encryption: Encryption,
    /// Whether calls are taken at all; otherwise the phone is busy for everybody.
    pub accept_calls: bool,
    /// Whether a ringing call is told reliably (RFC 3262) to callers that support it.
    pub reliable_ringing: bool,
    /// Session timers (RFC 4028).
    pub session_timer: SessionTimerPolicy,
    /// How long a registration is to last.
    pub registration_seconds: u32,
}

impl Default for AgentSettings {
    fn default() -> AgentSettings {
        AgentSettings {
            identity: None,
            home: None,
            voices: vec![Voice::Pcma, Voice::Pcmu],
            media_port: 0,
            encryption: Encryption::default(),
            accept_calls: false,
            reliable_ringing: false,
            session_timer: SessionTimerPolicy::default(),
            registration_seconds: 600,
        }
    }
}

/// Something that has happened. One input, then drain the outputs.
#[derive(Debug)]
pub enum Input<'a> {
    /// A SIP message has arrived.
    Message {
        /// Its way.
        flow: Flow,
        /// The message.
        bytes: &'a [u8],
    },
    /// A connection is gone.
    ConnectionClosed(ConnectionId),
    /// A message could not be sent on this flow.
    SendFailed(Flow),
    /// Nothing but time has passed.
    Timer,
    /// The person wants something.
    Command(Command),
}

/// What the person wants.
#[derive(Clone, Debug)]
pub enum Command {
    /// Register, and stay registered.
    Register,
    /// Remove the registration.
    Unregister,
    /// Call somebody.
    Call {
        /// The request URI.
        uri: Box<str>,
        /// The way of the first request.
        flow: Flow,
    },
    /// Answer the call that rings.
    Answer,
    /// Refuse the call that rings, with this SIP status.
    Reject(u16),
    /// End the call, whatever its state.
    HangUp,
    /// Hold the other side, or take it back.
    Hold(bool),
}

/// What is to be done, and what the person should know.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Send a message.
    Send {
        /// The way.
        flow: Flow,
        /// The message.
        bytes: Arc<[u8]>,
    },
    /// Something that the person or the media should know.
    Event(Event),
}

/// What has become of registration and call.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The phone is registered.
    Registered {
        /// For so long, unless refreshed.
        expires_seconds: u32,
    },
    /// The registration failed or ended.
    RegistrationFailed(Refusal),
    /// The registration was removed as wanted.
    Unregistered,
    /// The call was sent out.
    Calling {
        /// The Call-ID of the call on this side.
        call_id: Box<str>,
    },
    /// The other side says how far the call is.
    Progress {
        /// From 100 to 199.
        status: u16,
        /// The reason phrase, safe to show.
        reason: Box<str>,
        /// Whether it was acknowledged with PRACK.
        reliable: bool,
    },
    /// Somebody calls; it rings.
    Incoming {
        /// Who, safe to show: name and URI.
        from: Box<str>,
        /// The Call-ID of the call on this side.
        call_id: Box<str>,
    },
    /// The conversation begins.
    Answered,
    /// The voice is agreed on, at first or anew.
    Media(Box<MediaPlan>),
    /// Our wish to hold or take back was refused.
    HoldRefused(Refusal),
    /// The call is over. Comes exactly once for each call.
    Ended(Ended),
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// What kind of end it is.
    pub kind: EndKind,
    /// Who ended it.
    pub by: Side,
    /// What the other side gave as its reason (RFC 3326), safe to show.
    pub reason: Option<Box<str>>,
}

/// Which side of the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// This phone.
    Here,
    /// The other one.
    There,
}

/// The kinds of ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndKind {
    /// It was answered, and then released.
    Released,
    /// It was answered, and the other side has vanished: no refresh of the session, no
    /// acknowledgement, no answer to a request within the call.
    Vanished(&'static str),
    /// The caller gave up before it was answered.
    Cancelled,
    /// It was refused before it was answered.
    Refused(Refusal),
    /// This phone has refused it.
    Rejected(u16),
    /// The other side answered something that cannot be followed; told in words.
    NotUnderstood(Box<str>),
}

/// A request was refused, or could not be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The final status; 408 when nobody answered, 503 when it could not be sent.
    pub status: u16,
    /// Its reason phrase, safe to show.
    pub reason: Box<str>,
    /// What it means for the person, where more is known than the status says.
    pub hint: Option<Hint>,
    /// Whether it rang before.
    pub rang: bool,
}

/// What can be said beyond the status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Hint {
    /// The server asks for credentials and the phone has none.
    #[error("the server wants a user name and password; give them with --as and --password")]
    CredentialsNeeded,
    /// The server does not take the credentials.
    #[error("the server does not accept this user name and password")]
    CredentialsRefused,
    /// Whoever asks for credentials is not the server of the account.
    #[error(
        "credentials were asked for by somebody who is not the server of this account; none were given"
    )]
    ForeignChallenge,
    /// The challenge cannot be answered.
    #[error("the server asks for credentials in a way that the phone does not know")]
    UnknownChallenge,
    /// No answer at all.
    #[error("no answer; nothing seems to listen there")]
    NoAnswer,
    /// The network refused.
    #[error("the request could not be sent")]
    NotSent,
}
