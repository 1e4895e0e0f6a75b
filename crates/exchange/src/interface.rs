//! What goes into an exchange and what comes out of it. Values only; nothing happens here.

use core::net::SocketAddr;
use std::sync::Arc;

use fernamt_charging::{CallRecord, CallReference};
use fernamt_sip::transport::{ConnectionId, Flow, Transport};

use crate::directory::Device;
use crate::journal::Journal;
use crate::media;
use crate::registrar::{Binding, RefusedChange, RegisterChange};

/// Something that has happened. One input, then drain [`Output`]s until there are none.
#[derive(Debug)]
pub enum Input<'a> {
    /// One whole SIP message has arrived (streams are framed by the shell).
    Message {
        /// Where it came from, and on which connection.
        flow: Flow,
        /// The message, from its first line to the end of its body.
        bytes: &'a [u8],
    },
    /// A connection is gone, whoever closed it.
    ConnectionClosed {
        /// Which one.
        connection: ConnectionId,
    },
    /// What was to be sent on this flow could not be: no route, refused, no connection.
    SendFailed {
        /// The flow as it stood in [`Output::Send`].
        flow: Flow,
    },
    /// The answer to an [`Output::Ask`].
    Answer {
        /// Which question.
        question: QuestionId,
        /// The answer.
        answer: Answer,
    },
    /// The media plane reports.
    Media(media::Event),
    /// The write with this ticket is on disk.
    Committed(Ticket),
    /// The write with this ticket cannot be made (the disk is full, say).
    CommitFailed(Ticket),
    /// Nothing but time has passed. Timers are run on every input; this one is for the deadline.
    Timer,
    /// A person or the shell wants something.
    Command(Command),
}

/// What the shell is to do.
#[derive(Debug)]
pub enum Output {
    /// Send a message.
    Send {
        /// Along this flow. A stream flow without a connection: use an open connection to the same
        /// address (and name) or open one.
        flow: Flow,
        /// The name that the TLS certificate of the peer must carry, where we connect by name.
        server_name: Option<Arc<str>>,
        /// The message.
        bytes: Arc<[u8]>,
    },
    /// Close a connection that has broken the protocol.
    CloseConnection(ConnectionId),
    /// Find something out and come back with [`Input::Answer`], now or later.
    Ask {
        /// To be given back with the answer.
        question: QuestionId,
        /// What is asked.
        ask: Question,
    },
    /// An order to the media plane.
    Media(media::Command),
    /// Write to the journal of calls.
    Write(Write),
    /// Tell whoever listens (log, metrics, other shards).
    Publish(Event),
}

/// Names a question until it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct QuestionId(pub u64);

/// Names a write that somebody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticket(pub u64);

/// What an exchange wants to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// The device with this user name. Answered by [`Answer::Device`].
    Device {
        /// The user name, unescaped.
        user: Box<str>,
    },
    /// Who is behind this user name or number, and where are they? Answered by
    /// [`Answer::Destination`].
    Destination {
        /// The user part that was dialled, unescaped.
        dialled: Box<str>,
    },
    /// Change the bindings of a device. Answered by [`Answer::Bindings`].
    Register {
        /// The device's user name.
        user: Box<str>,
        /// The change.
        change: Box<RegisterChange>,
    },
    /// Where does this host take requests (RFC 3263)? Answered by [`Answer::Targets`].
    Resolve(HostQuery),
}

/// A host to be found by RFC 3263.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostQuery {
    /// A name; addresses are not asked about.
    pub host: Box<str>,
    /// The port, where the URI gave one: then there is no NAPTR and no SRV look-up.
    pub port: Option<u16>,
    /// The transport, where the URI gave one.
    pub transport: Option<Transport>,
    /// Whether the URI was `sips`.
    pub secure: bool,
}

/// One place to try, best first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// How.
    pub transport: Transport,
    /// Where.
    pub address: SocketAddr,
    /// The name that a TLS certificate must carry.
    pub server_name: Option<Arc<str>>,
}

/// What the shell found out.
#[derive(Clone, Debug)]
pub enum Answer {
    /// To [`Question::Device`]; `None`: there is no such device.
    Device(Option<Arc<Device>>),
    /// To [`Question::Destination`]; `None`: nobody has this name or number.
    Destination(Option<Destination>),
    /// To [`Question::Register`].
    Bindings(Result<Vec<Arc<Binding>>, RefusedChange>),
    /// To [`Question::Resolve`], in the order to try; empty: the name leads nowhere.
    Targets(Vec<Target>),
    /// To any question: it could not be found out now (the directory or the DNS is down).
    Unavailable,
}

/// A device that was dialled, and where it is at the moment.
#[derive(Clone, Debug)]
pub struct Destination {
    /// The device.
    pub device: Arc<Device>,
    /// Its bindings that have not expired, highest q first.
    pub bindings: Vec<Arc<Binding>>,
}

/// A write to the journal of calls in progress.
#[derive(Clone, Debug)]
pub enum Write {
    /// The state of a call that is answered: written down so that it can be picked up again.
    /// Replaces what was written for this call before.
    State {
        /// The call.
        call: CallReference,
        /// The call as a versioned value; opaque to the store.
        state: Vec<u8>,
        /// Whoever waits for it to be on disk.
        ticket: Option<Ticket>,
    },
    /// The call is over. Exactly one for every call.
    Closed {
        /// The record.
        record: Box<CallRecord>,
        /// The course of the call.
        journal: Journal,
        /// Whoever waits for it to be on disk.
        ticket: Option<Ticket>,
    },
}

impl Write {
    /// Whoever waits for it to be on disk.
    pub const fn ticket(&self) -> Option<Ticket> {
        match self {
            Write::State { ticket, .. } | Write::Closed { ticket, .. } => *ticket,
        }
    }
}

/// News for whoever listens.
#[derive(Clone, Debug)]
pub enum Event {
    /// A source has failed to authenticate too often and is banned; tell the other shards.
    Banned {
        /// The source.
        source: core::net::IpAddr,
        /// Until when, in civil time.
        until: fernamt_sip::time::UnixTime,
    },
    /// Somebody failed to authenticate.
    AuthenticationFailed {
        /// The source.
        source: core::net::IpAddr,
    },
    /// A message was refused before or by the parser.
    Malformed {
        /// The source.
        source: SocketAddr,
        /// Why, as a sentence without any text of the message.
        reason: &'static str,
    },
    /// A call was answered, in its shard.
    CallAnswered(CallReference),
    /// A call that was in progress cannot be picked up. Its record is not written; the journal of
    /// calls keeps its state.
    NotRecovered {
        /// Why.
        error: crate::call::RecoverError,
    },
    /// The last call has ended after [`Command::Drain`].
    Drained,
}

/// What a person or the shell wants.
#[derive(Clone, Debug)]
pub enum Command {
    /// Release a call.
    Release(CallReference),
    /// Take no new calls (503 with Retry-After), let those in progress go on.
    Drain,
    /// A source is banned by another shard.
    Ban {
        /// The source.
        source: core::net::IpAddr,
        /// Until when.
        until: fernamt_sip::time::UnixTime,
    },
    /// Pick up a call that was in progress when the exchange stopped.
    Recover {
        /// What [`Write::State`] had written.
        state: Vec<u8>,
    },
    /// All calls have been picked up; release what could not be.
    Recovered,
}
