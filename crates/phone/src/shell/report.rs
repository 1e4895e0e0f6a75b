//! What a phone tells while it works and at the end. Values only.

use core::time::Duration;
use std::net::SocketAddr;
use std::path::PathBuf;

use fernamt_sip::time::UnixTime;

use crate::address::{ServerAddress, Target};
use crate::agent::{Encryption, Ended, Identity, Refusal};
use crate::audio::Sound;
use crate::media::{Figures, MediaPlan, Voice};
use crate::shell::Trust;

/// What a phone is to do.
#[derive(Clone, Debug)]
pub struct PhoneSettings {
    /// Place a call or answer one.
    pub task: Task,
    /// Who the phone is; `None`: nobody's device.
    pub identity: Option<Identity>,
    /// The exchange; `None`: other phones are called directly.
    pub server: Option<ServerAddress>,
    /// Whether it registers first. To be answered through an exchange it must.
    pub register: bool,
    /// Where it listens for SIP; `None`: the system chooses.
    pub listen: Option<SocketAddr>,
    /// What it plays.
    pub sound: Sound,
    /// Where it records what it hears.
    pub record: Option<PathBuf>,
    /// Codecs, best first.
    pub voices: Vec<Voice>,
    /// Whether the voice is encrypted.
    pub encryption: Encryption,
    /// When it hangs up, after the answer; `None`: when the other side does.
    pub talk: Option<Duration>,
    /// When it gives up without an answer, or without a call; `None`: never.
    pub wait: Option<Duration>,
    /// Whom it trusts by TLS.
    pub trust: Trust,
    /// Whether SIP messages are told, without credentials.
    pub trace: bool,
}

/// Place a call or answer one.
#[derive(Clone, Debug)]
pub enum Task {
    /// Place this call.
    Call(Target),
    /// Wait for a call.
    Answer {
        /// How long it rings.
        ring: Duration,
        /// Refuse it with this status instead of answering.
        reject: Option<u16>,
    },
}

/// Something that has happened.
#[derive(Clone, Debug)]
pub struct Happening {
    /// When, for people.
    pub unix: UnixTime,
    /// When, since the phone was started.
    pub since_start: Duration,
    /// What.
    pub what: What,
}

/// What has happened.
#[derive(Clone, Debug)]
pub enum What {
    /// The phone can be called.
    Listening(SocketAddr),
    /// It is registered at the exchange.
    Registered {
        /// For so long, unless refreshed.
        expires_seconds: u32,
    },
    /// The exchange refused to register it.
    RegistrationFailed(Refusal),
    /// The call was sent.
    Calling {
        /// The request URI.
        uri: Box<str>,
        /// Transport and address that it went to.
        to: String,
    },
    /// The other side tells how far the call is.
    Progress {
        /// 101 to 199.
        status: u16,
        /// The reason phrase, safe to show.
        reason: Box<str>,
        /// Whether it was acknowledged (RFC 3262).
        reliable: bool,
    },
    /// Somebody calls.
    Incoming {
        /// Who, safe to show.
        from: Box<str>,
    },
    /// The conversation begins.
    Answered {
        /// Since the call was sent or came in.
        setup: Duration,
    },
    /// The voice is agreed on.
    Media(Box<MediaPlan>),
    /// The other side pressed a key.
    Key(char),
    /// A connection broke or a message could not be sent.
    NetworkTrouble(String),
    /// The recording cannot be written any more.
    RecordingFailed(String),
    /// The person wants it to end.
    Interrupted,
    /// The call is over.
    Ended(Ended),
    /// A SIP message, without credentials.
    Trace {
        /// Whether it was sent, or received.
        sent: bool,
        /// Transport and address of the other side.
        peer: String,
        /// The message.
        text: String,
    },
}

/// How it went.
#[derive(Clone, Debug)]
pub struct Report {
    /// How it ended.
    pub outcome: Outcome,
    /// The Call-ID on this side.
    pub call_id: Option<Box<str>>,
    /// Who called, where somebody did.
    pub from: Option<Box<str>>,
    /// When the call was sent or came in.
    pub start: Option<UnixTime>,
    /// When it was answered.
    pub answer: Option<UnixTime>,
    /// When it ended.
    pub end: UnixTime,
    /// From the call to the first sign that it rings.
    pub ringing_after: Option<Duration>,
    /// From the call to the answer.
    pub setup: Option<Duration>,
    /// From the answer to the end.
    pub talk: Option<Duration>,
    /// The voice that was agreed on last.
    pub media: Option<MediaPlan>,
    /// What was counted and measured; `None` without any voice.
    pub figures: Option<Figures>,
    /// What was wrong with the network, in words.
    pub network_trouble: Option<String>,
    /// Why the recording is not whole.
    pub recording_error: Option<String>,
}

impl Report {
    /// Nothing has happened yet.
    pub(super) fn empty(now: UnixTime) -> Report {
        Report {
            outcome: Outcome::Interrupted,
            call_id: None,
            from: None,
            start: None,
            answer: None,
            end: now,
            ringing_after: None,
            setup: None,
            talk: None,
            media: None,
            figures: None,
            network_trouble: None,
            recording_error: None,
        }
    }
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The call ended; it says how.
    Ended(Ended),
    /// The exchange refused the registration.
    NotRegistered(Refusal),
    /// Nobody answered within the time that the person wanted to wait.
    NotAnswered {
        /// Whether it rang.
        rang: bool,
    },
    /// Nobody called within that time.
    NobodyCalled,
    /// The person ended it before there was a conversation.
    Interrupted,
}
