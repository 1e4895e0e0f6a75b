//! Offer and answer (RFC 3264) for an end of our own with one audio stream.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::attribute::Direction;
use crate::description::SessionDescription;
use crate::error::NegotiationError;
use crate::origin::SessionState;

/// A codec we have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Codec {
    /// The name in `rtpmap`.
    pub encoding: Cow<'static, str>,
    /// Ticks in a second.
    pub clock_rate: u32,
    /// Channels.
    pub channels: u8,
    /// The number in our offers.
    pub payload_type: u8,
    /// The value of `fmtp`.
    pub parameters: Option<Cow<'static, str>>,
}

/// What an end of our own can do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// Best first.
    pub codecs: Vec<Codec>,
    /// Whether keys are sent and understood as events (RFC 4733), and by which number.
    pub telephone_event: Option<u8>,
    /// Milliseconds of voice in a packet.
    pub ptime_milliseconds: u16,
}

/// The number a codec goes by, each way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayloadChoice {
    /// In packets we send: the peer's number.
    pub send: u8,
    /// In packets we get: our number.
    pub receive: u8,
}

/// What came out: the stream both sides agreed on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Negotiated {
    /// Which section.
    pub media_index: usize,
    /// Where our voice goes.
    pub remote: SocketAddr,
    /// Where our RTCP goes.
    pub remote_rtcp: SocketAddr,
    /// The codec, an index into [`Capabilities::codecs`].
    pub codec: usize,
    /// Its numbers.
    pub payload: PayloadChoice,
    /// The numbers of telephone-event when both sides have it.
    pub telephone_event: Option<PayloadChoice>,
    /// Which way, seen from us.
    pub direction: Direction,
    /// Milliseconds of voice in the packets we send.
    pub ptime_milliseconds: u16,
    /// Whether RTCP shares the port of RTP.
    pub rtcp_mux: bool,
}

/// One end of a session.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Endpoint {
    state: SessionState,
    local: SocketAddr,
    capabilities: Capabilities,
    direction: Direction,
}

impl Endpoint {
    /// An end that receives voice at `local`.
    pub fn new(session_id: u64, local: SocketAddr, capabilities: Capabilities) -> Endpoint {
        let state = SessionState::new(session_id);
        Endpoint {
            state,
            local,
            capabilities,
            direction: Direction::SendRecv,
        }
    }

    /// Our address.
    pub const fn address(&self) -> IpAddr {
        self.local.ip()
    }

    /// Answers an offer: the text of the answer, and the stream.
    ///
    /// # Errors
    /// [`NegotiationError`] when no stream comes about.
    pub fn answer(
        &mut self,
        offer: &SessionDescription<'_>,
    ) -> Result<(String, Negotiated), NegotiationError> {
        let _ = (offer, &self.state, &self.capabilities);
        Err(NegotiationError::NoAudio)
    }

    /// The text of an offer.
    pub fn offer(&mut self) -> String {
        String::new()
    }

    /// Takes the answer to our last offer.
    ///
    /// # Errors
    /// [`NegotiationError`] when it does not fit the offer.
    pub fn accept(
        &mut self,
        answer: &SessionDescription<'_>,
    ) -> Result<Negotiated, NegotiationError> {
        let _ = answer;
        Err(NegotiationError::NoOffer)
    }

    /// The direction we want from the next offer or answer on; hold is
    /// [`Direction::SendOnly`] or [`Direction::Inactive`].
    pub const fn set_direction(&mut self, direction: Direction) {
        self.direction = direction;
    }
}
