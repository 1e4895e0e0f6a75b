//! What signalling has agreed about the voice of a call: values only.

use std::net::SocketAddr;

use fernamt_codec::g711::Law;
use fernamt_rtp::srtp::MasterKey;
use fernamt_sdp::{Capabilities, Codec, Direction, Endpoint, Negotiated, PayloadChoice};

/// The highest payload type there is (RFC 3550 section 5.1).
const PAYLOAD_TYPE_MAX: u8 = 127;

/// A codec the phone speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voice {
    /// G.711 A-law.
    Pcma,
    /// G.711 µ-law.
    Pcmu,
}

impl Voice {
    /// The name and clock rate as in `rtpmap`.
    pub const fn name(self) -> &'static str {
        match self {
            Voice::Pcma => "PCMA/8000",
            Voice::Pcmu => "PCMU/8000",
        }
    }

    pub(crate) const fn law(self) -> Law {
        match self {
            Voice::Pcma => Law::A,
            Voice::Pcmu => Law::Mu,
        }
    }

    const fn description(self) -> Codec {
        match self {
            Voice::Pcma => Codec::PCMA,
            Voice::Pcmu => Codec::PCMU,
        }
    }
}

/// What the phone offers: these codecs in this order, and keys as events.
pub(crate) fn capabilities(voices: &[Voice]) -> Capabilities {
    Capabilities {
        codecs: voices.iter().map(|voice| voice.description()).collect(),
        ..Capabilities::g711()
    }
}

/// The keys of both directions, for SRTP and SRTCP. `Debug` shows suites only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protection {
    /// Of what this phone sends.
    pub ours: MasterKey,
    /// Of what the other side sends.
    pub theirs: MasterKey,
}

impl Protection {
    /// The name of the suite (RFC 4568 section 6.2); it is one for both directions.
    pub const fn suite(&self) -> &'static str {
        self.ours.suite().name()
    }
}

/// Voice as it was negotiated, seen from this phone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaPlan {
    /// What is sent.
    pub voice: Voice,
    /// The payload type it is sent under.
    pub payload_type: u8,
    /// What is understood when it comes, by payload type: every codec of ours that was agreed on.
    pub accepted: Vec<(u8, Voice)>,
    /// The payload types of telephone events, where both sides have them.
    pub telephone_event: Option<PayloadChoice>,
    /// Where the other side receives voice.
    pub remote: SocketAddr,
    /// Where it receives RTCP.
    pub remote_rtcp: Option<SocketAddr>,
    /// Whether RTCP shares the port of RTP.
    pub rtcp_mux: bool,
    /// Which way voice flows.
    pub direction: Direction,
    /// Milliseconds of voice in a packet that is sent.
    pub ptime_milliseconds: u16,
    /// How packets are protected; `None`: they go in clear.
    pub protection: Option<Protection>,
}

impl MediaPlan {
    /// In clear, from what the negotiation says; `None` when it has chosen a codec that was never offered.
    pub(crate) fn of(
        negotiated: &Negotiated,
        endpoint: &Endpoint,
        voices: &[Voice],
    ) -> Option<MediaPlan> {
        let voice_of = |number| {
            voices
                .get(endpoint.codec_of(number)?)
                .map(|voice| (number, *voice))
        };
        Some(MediaPlan {
            voice: *voices.get(negotiated.codec)?,
            payload_type: negotiated.payload.send,
            accepted: (0..=PAYLOAD_TYPE_MAX).filter_map(voice_of).collect(),
            telephone_event: negotiated.telephone_event,
            remote: negotiated.remote,
            remote_rtcp: negotiated.remote_rtcp,
            rtcp_mux: negotiated.rtcp_mux,
            direction: negotiated.direction,
            ptime_milliseconds: negotiated.ptime_milliseconds,
            protection: None,
        })
    }

    /// Whether the phone may send voice: not while the other side holds the call, or gave no
    /// address (RFC 3264 section 8.4).
    pub fn sends(&self) -> bool {
        self.direction.sends() && !self.remote.ip().is_unspecified() && self.remote.port() != 0
    }
}
