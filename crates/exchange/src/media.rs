//! The words between the exchange and the media plane: orders and reports as plain values, so that
//! the plane can be a set of threads, a process or another host. No socket and no packet here.
//!
//! An *endpoint* is one pair of ports (RTP, and RTCP on the next port) that faces one party for one
//! media section. Two endpoints are *bridged*: what is accepted on one is sent out of the other.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use fernamt_sdp::FeedbackSet;
use serde::{Deserialize, Serialize};

mod protection;

pub use protection::{
    Dtls, DtlsRole, Fingerprint, Ice, IceCandidate, IceCandidateKind, IceCredentials, IceOffer,
    MadeUpNames, MediaPort, Offer, Protection, Rollovers, RtcpPosition, SrtpKey, SrtpKeys,
    StreamPosition,
};

/// Names an endpoint, for ever; chosen by the exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EndpointId(pub u64);

/// An order. Orders on one endpoint are carried out in the order given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Open an endpoint. Answered by [`Event::Opened`] or [`Event::Refused`]. Opening one that is open
    /// is answered with its address again.
    Open {
        /// The new endpoint.
        endpoint: EndpointId,
        /// The local address to bind.
        local: IpAddr,
        /// The RTP port, where a call is picked up again after a restart; otherwise the plane chooses
        /// one that nobody can guess.
        port: Option<u16>,
    },
    /// The party has been made an offer, and what it sends in answer may be here before its answer
    /// (RFC 5763 section 5, RFC 8445 section 7.3): checks are answered, the beginnings of handshakes are
    /// kept, and all of it is looked at with each [`Command::Remote`] that follows. Until the first of
    /// them no handshake is begun. `None`: nobody is going to answer any more, and what is kept is
    /// forgotten.
    Offered {
        /// The endpoint.
        endpoint: EndpointId,
        /// What was offered.
        offer: Option<Box<Offer>>,
    },
    /// Say where the party is and what is accepted from it. Nothing is accepted and nothing is sent
    /// before the first one, but answers to authentic checks. May come again at any time (re-INVITE); the latch opens again only when
    /// the remote address differs from the last one given.
    Remote {
        /// The endpoint.
        endpoint: EndpointId,
        /// Where the party is and how it may be found.
        remote: Box<Remote>,
    },
    /// The party has found more addresses at which it may be (trickle ICE, RFC 8838).
    Candidates {
        /// The endpoint.
        endpoint: EndpointId,
        /// The addresses.
        candidates: Vec<IceCandidate>,
    },
    /// The party carries the streams of several endpoints on the ports of one (RFC 8843): what is for
    /// a rider arrives at the carrier, where it is told apart by [`Remote::mid`] or by payload type,
    /// and leaves from there. The rider's own ports are not used any more; protection, ICE and latch
    /// are the carrier's. Given before the [`Command::Remote`] of the riders that follows from the
    /// same description.
    Bundle {
        /// The endpoint whose ports are used.
        carrier: EndpointId,
        /// Those that share them.
        riders: Vec<EndpointId>,
    },
    /// Send what is accepted on one of these out of the other, both ways, until it is changed. A bridge
    /// that either was part of ends, and so does what is played on them.
    Bridge {
        /// One side.
        a: EndpointId,
        /// The other side.
        b: EndpointId,
    },
    /// Send back to the party what it sends, under another SSRC: a party that hears its own takes it
    /// for a loop (RFC 3550 section 8.2).
    Echo {
        /// The endpoint.
        endpoint: EndpointId,
    },
    /// Play to the party, from the beginning. Meanwhile it hears neither the other side of its bridge
    /// nor its echo. Reported by [`Event::Played`] when it has been played to its end, and not when
    /// another order ended it before. The time passes even while the party does not receive.
    Play {
        /// The endpoint.
        endpoint: EndpointId,
        /// What.
        announcement: Announcement,
        /// As which codec.
        codec: Codec,
        /// Under which payload type.
        payload_type: u8,
    },
    /// Close an endpoint: from now on not one packet is taken in or sent. Answered by
    /// [`Event::Closed`], with nothing counted when it was not open. The bridge it was part of ends. A
    /// report about it that was under way may still come after that.
    Close {
        /// The endpoint.
        endpoint: EndpointId,
    },
}

/// Where a party is said to be by its session description, and how far to trust it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remote {
    /// Where its RTP is to go.
    pub rtp: SocketAddr,
    /// Where its RTCP is to go; `None`: none is sent (`a=rtcp-mux` goes to the RTP address).
    pub rtcp: Option<SocketAddr>,
    /// An address from which media is accepted besides the one above: where the signalling came
    /// from. A party behind a NAT writes an address into its description that nobody can reach; its
    /// packets come from the address of the NAT. The latch takes the first valid packets from either
    /// address and then closes: nobody else gets in, and nobody else gets media.
    pub signalling: IpAddr,
    /// Whether the party may send to us (its description says `sendrecv` or `sendonly`).
    pub sends: bool,
    /// Whether the party wants to receive.
    pub receives: bool,
    /// Payload types that were negotiated; packets with others are dropped. Empty: any.
    pub payload_types: Vec<u8>,
    /// Report [`Event::Silent`] when nothing valid, neither RTP nor RTCP, has arrived for this long
    /// while the party may send; `None`: never.
    pub silence: Option<Duration>,
    /// What the datagrams are.
    pub format: Format,
    /// The feedback messages that the party takes (RFC 4585). All others are taken out of its RTCP.
    pub feedback: FeedbackSet,
    /// Whether it takes RTCP that begins with no report (RFC 5506). One that does not gets a report
    /// before it. Not written down: the exchange says it anew with what both have agreed on.
    #[serde(skip)]
    pub reduced_size: bool,
    /// How packets to and from the party are protected. What is not protected as it says is dropped.
    pub protection: Protection,
    /// How far protected streams had come before a restart.
    pub rollovers: Rollovers,
    /// The way to the party is found by connectivity checks; nothing is accepted or sent on any other.
    pub ice: Option<Ice>,
    /// The identification tag of this stream in its packets (RFC 9143 section 15): identifier of the
    /// header extension (RFC 8285), and the tag. Packets for the party are given it.
    pub mid: Option<(u8, Box<str>)>,
    /// What the party's packets are called on the other side of the bridge, where that is different.
    pub translations: Vec<Translation>,
    /// The clocks of payload types that the party may send: what jitter is measured with. It is measured
    /// for static payload types (RFC 3551) and for these. Not written down; after a restart it follows
    /// from what the party was last told.
    #[serde(skip)]
    pub clock_rates: Vec<ClockRate>,
}

/// The clock of a payload type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockRate {
    /// The payload type.
    pub payload_type: u8,
    /// How many ticks of the timestamp are a second.
    pub hertz: u32,
}

impl Remote {
    /// A party that speaks plain RTP, both ways, in any payload type, with RTCP on the next port, and
    /// whose signalling comes from where its media are.
    pub fn plain(rtp: SocketAddr) -> Remote {
        Remote {
            rtp,
            rtcp: rtp
                .port()
                .checked_add(1)
                .map(|port| SocketAddr::new(rtp.ip(), port)),
            signalling: rtp.ip(),
            sends: true,
            receives: true,
            payload_types: Vec::new(),
            silence: None,
            format: Format::Rtp,
            feedback: FeedbackSet::NONE,
            reduced_size: false,
            protection: Protection::None,
            rollovers: Rollovers::default(),
            ice: None,
            mid: None,
            translations: Vec::new(),
            clock_rates: Vec::new(),
        }
    }
}

/// What the datagrams of an endpoint are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Format {
    /// RTP and RTCP.
    #[default]
    Rtp,
    /// UDPTL (ITU-T T.38): passed on as it is, by source only.
    Udptl,
}

/// Packets of one payload type go on under another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Translation {
    /// The payload type that the party sends.
    pub from: u8,
    /// The payload type that the other side is given.
    pub to: u8,
    /// The payload is a telephone event (RFC 4733) whose duration is rescaled from the first clock rate
    /// to the second, in Hz.
    pub event_clocks: Option<(u32, u32)>,
}

/// A spoken announcement that comes with the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Announcement {
    /// "The number you have dialled is not known."
    NumberNotKnown,
}

/// A codec that the media plane encodes itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Codec {
    /// G.711 A-law, `PCMA/8000`.
    Pcma,
    /// G.711 µ-law, `PCMU/8000`.
    Pcmu,
}

/// A report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The endpoint is open.
    Opened {
        /// Which one.
        endpoint: EndpointId,
        /// Its RTP address; RTCP is on the next port.
        rtp: SocketAddr,
    },
    /// The endpoint could not be opened, and does not exist.
    Refused {
        /// Which one.
        endpoint: EndpointId,
        /// Why.
        reason: Refusal,
    },
    /// The announcement has been played to its end.
    Played {
        /// The endpoint.
        endpoint: EndpointId,
    },
    /// The latch has closed on this address.
    Latched {
        /// The endpoint.
        endpoint: EndpointId,
        /// Where the party's RTP really comes from.
        rtp: SocketAddr,
    },
    /// The keys have been agreed with the party by a handshake on the media path, whose certificate has
    /// the negotiated fingerprint. They are part of the call and survive a restart with it. Where RTCP has
    /// a port of its own, it is reported for each port, and for that of RTP first.
    Secured {
        /// The endpoint.
        endpoint: EndpointId,
        /// Where the handshake was made.
        port: MediaPort,
        /// The keys.
        keys: SrtpKeys,
    },
    /// Protected packets flow no more, or never did.
    Unprotected {
        /// The endpoint.
        endpoint: EndpointId,
        /// Why.
        reason: ProtectionFailure,
    },
    /// A protected stream has come so far that its position must be known after a restart: about every
    /// ten minutes of voice, and once soon after it has begun.
    RolledOver {
        /// The endpoint.
        endpoint: EndpointId,
        /// All of its positions.
        rollovers: Rollovers,
    },
    /// A key has been used for so many packets that others should be agreed on (RFC 3711 section 9.2, RFC
    /// 4568 section 6.1). Reported again as its end comes nearer; then [`Event::Unprotected`] follows.
    KeyOld {
        /// The endpoint.
        endpoint: EndpointId,
    },
    /// Connectivity checks have found the way to the party, or a better one.
    Connected {
        /// The endpoint.
        endpoint: EndpointId,
        /// Where its RTP goes and comes from.
        rtp: SocketAddr,
        /// How that address was found.
        kind: IceCandidateKind,
    },
    /// Connectivity checks have found no way, or the party has not renewed its consent to be sent to
    /// (RFC 7675). Nothing is sent to it until a way is found again.
    Disconnected {
        /// The endpoint.
        endpoint: EndpointId,
    },
    /// Nothing has been heard from the party for the time given. Reported once until it is heard again.
    Silent {
        /// The endpoint.
        endpoint: EndpointId,
    },
    /// The endpoint is closed.
    Closed {
        /// Which one.
        endpoint: EndpointId,
        /// What went through it.
        statistics: Statistics,
    },
}

impl Event {
    /// The endpoint that it is about.
    pub fn endpoint(&self) -> EndpointId {
        match self {
            Event::Opened { endpoint, .. }
            | Event::Refused { endpoint, .. }
            | Event::Played { endpoint }
            | Event::Latched { endpoint, .. }
            | Event::Secured { endpoint, .. }
            | Event::Unprotected { endpoint, .. }
            | Event::RolledOver { endpoint, .. }
            | Event::KeyOld { endpoint }
            | Event::Connected { endpoint, .. }
            | Event::Disconnected { endpoint }
            | Event::Silent { endpoint }
            | Event::Closed { endpoint, .. } => *endpoint,
        }
    }
}

/// Why packets are not protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtectionFailure {
    /// The certificate that the party showed is not the one that its description names.
    #[error("the certificate on the media path is not the one that the description names")]
    WrongFingerprint,
    /// The handshake failed: no common version, suite or protection profile, or broken messages.
    #[error("the handshake on the media path failed")]
    Handshake,
    /// Our key may not be used for more packets (RFC 3711 section 9.2), and nothing is sent.
    #[error("our key has been used for as many packets as it may, and there is no new one")]
    KeyExhausted,
    /// The key of the party may not be used for more packets than the party has said (RFC 4568 section
    /// 6.1), and nothing of it is let in.
    #[error(
        "the key of the party has been used for as many packets as it has said, and it has given no new one"
    )]
    PartyKeyExhausted,
    /// A key does not fit its suite.
    #[error("the key does not fit its suite")]
    Key,
}

/// Why an endpoint was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Every pair of ports of the range is in use.
    #[error(
        "every port of the media range is in use; widen it with --media or the setting media.ports"
    )]
    NoPort,
    /// The address is not one of this machine's, or the port is taken by another program.
    #[error("the address or port cannot be bound on this machine")]
    CannotBind,
    /// The limit of open endpoints is reached.
    #[error("the limit of open media endpoints is reached")]
    TooMany,
}

/// What went through an endpoint, as seen from its party.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statistics {
    /// RTP packets accepted from the party.
    pub packets_received: u64,
    /// Bytes of those, RTP headers included.
    pub bytes_received: u64,
    /// RTP packets sent to the party.
    pub packets_sent: u64,
    /// Packets of the other side that were not sent to the party, as it has not agreed to their payload
    /// type.
    pub packets_withheld: u64,
    /// Packets dropped because of who sent them (not the party), what they were (not valid, not
    /// negotiated) or how many.
    pub packets_dropped: u64,
    /// Of the dropped ones, those from where the party may be whose protection was wrong: not
    /// authentic, repeated, too late, or in clear.
    pub packets_unauthentic: u64,
    /// Packets that should have arrived and did not, by sequence numbers (RFC 3550 A.3).
    pub packets_lost: u64,
    /// Interarrival jitter of the party's stream (RFC 3550 A.8), in microseconds; `None`: it has sent
    /// nothing whose clock is known.
    pub jitter_micros: Option<u32>,
}
