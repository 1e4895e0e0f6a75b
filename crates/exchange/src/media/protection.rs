//! How the packets of an endpoint are protected and how the way to its party is found, as plain
//! values between the exchange and the media plane. No cipher, no handshake, no check is made here.

use core::fmt;
use core::net::{IpAddr, SocketAddr};

use fernamt_sdp::CryptoSuite;
use serde::{Deserialize, Serialize};

/// How the packets to and from a party are protected.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Protection {
    /// Not at all: RTP and RTCP in clear.
    #[default]
    None,
    /// SRTP with keys that crossed in the session descriptions (RFC 4568).
    Sdes(SrtpKeys),
    /// SRTP with keys agreed on the media path itself (RFC 5763, RFC 5764).
    Dtls(Dtls),
}

/// A pair of master keys of SRTP (RFC 3711): one for each direction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SrtpKeys {
    /// What we send is protected with this one.
    pub ours: SrtpKey,
    /// What the party sends is protected with this one.
    pub theirs: SrtpKey,
}

/// A master key with its salt, and what is done with it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SrtpKey {
    /// Cipher and authentication.
    pub suite: CryptoSuite,
    /// Key and salt, one behind the other, as long as the suite says.
    pub key_and_salt: Box<[u8]>,
    /// The master key identifier that goes with every packet (RFC 3711 section 3.1); empty: none.
    pub identifier: Box<[u8]>,
    /// For how many packets of RTP, and of RTCP, it is good (RFC 4568 section 6.1); `None`: as many as
    /// SRTP allows.
    pub lifetime_packets: Option<u64>,
}

impl SrtpKey {
    /// Whether streams under the other one go on under this: it is the same key, for as many packets or
    /// not.
    pub fn continues(&self, other: &SrtpKey) -> bool {
        self.suite == other.suite
            && self.key_and_salt == other.key_and_salt
            && self.identifier == other.identifier
    }
}

impl fmt::Debug for SrtpKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SrtpKey({:?}, not shown)", self.suite)
    }
}

/// How far streams have come, so that they go on after a restart: the rollover counter cannot be
/// read from a packet (RFC 3711 section 3.3.1), and no number may be used for two packets of ours
/// under one key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollovers {
    /// Of what we send.
    pub ours: Vec<StreamPosition>,
    /// Of what the party sends.
    pub theirs: Vec<StreamPosition>,
    /// The index of our RTCP (RFC 3711 section 3.4) from which on none has been used.
    pub rtcp: u32,
    /// How many packets of RTP our key has protected.
    pub sent_packets: u64,
    /// How many packets of RTP, and then of RTCP, the key of the party has proved.
    pub heard_packets: (u64, u64),
    /// Which names were made up for sources of ours, when there were more than are remembered.
    pub made_up_names: Option<MadeUpNames>,
    /// How far RTCP has come under keys of its own, where a handshake was made on its port.
    pub rtcp_alone: RtcpPosition,
}

/// How far RTCP has come under keys that protect nothing else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RtcpPosition {
    /// The index of ours (RFC 3711 section 3.4) from which on none has been used.
    pub sent: u32,
    /// How many packets the key of the party has proved.
    pub heard: u64,
}

/// Names (SSRC) that were made up for sources: none may be used again under the same key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeUpNames {
    /// The first one, from which the others follow.
    pub first: u32,
    /// How many there have been.
    pub count: u32,
}

/// How far one stream has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamPosition {
    /// Its source.
    pub ssrc: u32,
    /// The packet index: the rollover counter, and behind it the 16 bits of the sequence number.
    pub index: u64,
    /// What is added to the sequence numbers of what is sent: a source that begins its numbers anew
    /// goes on with others.
    pub shift: u16,
}

/// What a handshake on the media path needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dtls {
    /// Who says hello.
    pub role: DtlsRole,
    /// The certificate of the party must have one of these fingerprints (RFC 8122).
    pub fingerprints: Vec<Fingerprint>,
    /// Keys of a handshake that was made before a restart. A new handshake is accepted all the same.
    pub established: Option<SrtpKeys>,
    /// Those of the handshake on the port of RTCP, where there was one. Without the others they are
    /// nothing.
    pub established_rtcp: Option<SrtpKeys>,
}

/// Which of the two ports of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaPort {
    /// That of RTP, and of RTCP where both share it (RFC 5761).
    Rtp,
    /// That of RTCP alone.
    Rtcp,
}

/// The side that a DTLS end plays (RFC 5763 section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DtlsRole {
    /// We say hello: `a=setup:active` was ours.
    Client,
    /// We wait for it: `a=setup:passive` was ours.
    Server,
}

/// What a certificate must hash to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// The hash function, in lower case as SDP writes it: `sha-256`.
    pub function: Box<str>,
    /// The hash.
    pub hash: Box<[u8]>,
}

/// What is needed to find the way to a party by connectivity checks (RFC 8445).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ice {
    /// Our credentials, as our description gave them.
    pub local: IceCredentials,
    /// The credentials of the party. Others than before are a restart.
    pub remote: IceCredentials,
    /// Whether we lead: the full agent of a pair, otherwise the side that made the offer.
    pub controlling: bool,
    /// Whether we only answer checks (RFC 8445 section 2.5).
    pub lite: bool,
    /// Whether the party only answers checks.
    pub remote_lite: bool,
    /// Where the party may be. More may come with [`super::Command::Candidates`].
    pub candidates: Vec<IceCandidate>,
    /// The address that our description named besides the one that was bound: that of a router that
    /// forwards the ports.
    pub advertised: Option<core::net::IpAddr>,
}

/// What a party has been offered that it may act on before its answer is here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Where the signalling of the party comes from. What comes from there is kept whatever others
    /// send.
    pub signalling: IpAddr,
    /// We wait for a handshake: `a=setup:actpass` or `passive` was ours.
    pub dtls: bool,
    /// How checks are answered.
    pub ice: Option<IceOffer>,
}

/// Our side of connectivity checks while that of the party is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IceOffer {
    /// Our credentials, as the offer gave them.
    pub local: IceCredentials,
    /// Whether we only answer checks.
    pub lite: bool,
}

/// User name fragment and password of one side (RFC 8839 section 5.4).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IceCredentials {
    /// `a=ice-ufrag`.
    pub fragment: Box<str>,
    /// `a=ice-pwd`.
    pub password: Box<str>,
}

impl fmt::Debug for IceCredentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "IceCredentials({}, not shown)", self.fragment)
    }
}

/// An address at which a party may be (RFC 8839 section 5.1), over UDP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IceCandidate {
    /// 1: RTP, 2: RTCP.
    pub component: u8,
    /// Groups candidates of the same kind, base and server.
    pub foundation: Box<str>,
    /// The higher, the sooner.
    pub priority: u32,
    /// Where.
    pub address: SocketAddr,
    /// How it was found.
    pub kind: IceCandidateKind,
}

/// How a candidate was found (RFC 8445 section 5.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum IceCandidateKind {
    /// An address of the party itself.
    Host,
    /// What a STUN server saw.
    ServerReflexive,
    /// What a check saw.
    PeerReflexive,
    /// A TURN server's.
    Relayed,
}
