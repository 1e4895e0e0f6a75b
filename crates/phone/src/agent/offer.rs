//! The phone's end of the voice negotiation (RFC 3264) in one call: descriptions in and out of
//! messages. The rules themselves are `sdp`'s.

use fernamt_sdp::{Blame, Direction, Endpoint, NegotiationError, SessionDescription};
use fernamt_sip::message::Message;
use fernamt_sip::transport::Flow;

use super::stack::Stack;
use crate::media::{MediaPlan, Voice, capabilities};

/// The type of a body that describes a session.
pub(super) const SDP: &str = "application/sdp";

/// Our end of one session.
#[derive(Clone)]
pub(super) struct Session {
    endpoint: Endpoint,
    voices: Vec<Voice>,
}

/// Why a description leads to no voice, in words and as a status.
#[derive(Clone, Debug)]
pub(super) struct NoSession {
    pub(super) status: u16,
    pub(super) reason: String,
}

impl Session {
    pub(super) fn new(stack: &mut Stack, flow: Flow) -> Session {
        let voices = stack.settings.voices.clone();
        let id = stack.random.number() >> 2;
        let endpoint = Endpoint::new(id, stack.media_address(flow), capabilities(&voices));
        Session { endpoint, voices }
    }

    /// An offer of ours.
    pub(super) fn offer(&mut self) -> String {
        self.endpoint.offer()
    }

    /// Our offer was refused; everything stays as it was.
    pub(super) fn withdraw(&mut self) {
        self.endpoint.withdraw();
    }

    /// The direction of what we offer and answer from now on.
    pub(super) fn set_hold(&mut self, hold: bool) {
        let direction = if hold {
            Direction::SendOnly
        } else {
            Direction::SendRecv
        };
        self.endpoint.set_direction(direction);
    }

    /// Answers the offer of the other side.
    pub(super) fn answer(&mut self, offer: &[u8]) -> Result<(String, MediaPlan), NoSession> {
        let offer = parse(offer)?;
        let (text, negotiated) = self.endpoint.answer(&offer).map_err(negotiation)?;
        let plan = MediaPlan::of(&negotiated, &self.endpoint, &self.voices).ok_or_else(unknown)?;
        Ok((text, plan))
    }

    /// Takes the answer to our offer.
    pub(super) fn accept(&mut self, answer: &[u8]) -> Result<MediaPlan, NoSession> {
        let answer = parse(answer)?;
        let negotiated = self.endpoint.accept(&answer).map_err(negotiation)?;
        MediaPlan::of(&negotiated, &self.endpoint, &self.voices).ok_or_else(unknown)
    }
}

/// The description in a message; an empty body is none.
pub(super) fn description<'a>(message: &Message<'a>) -> Option<&'a [u8]> {
    message.body_of_type(SDP).filter(|body| !body.is_empty())
}

fn parse(text: &[u8]) -> Result<SessionDescription<'_>, NoSession> {
    SessionDescription::parse(text).map_err(|error| NoSession {
        status: status(error.blame()),
        reason: error.to_string(),
    })
}

fn negotiation(error: NegotiationError) -> NoSession {
    NoSession {
        status: status(error.blame()),
        reason: error.to_string(),
    }
}

fn unknown() -> NoSession {
    NoSession {
        status: 488,
        reason: "no codec in common".to_owned(),
    }
}

fn status(blame: Blame) -> u16 {
    match blame {
        Blame::Peer => 400,
        Blame::Unsupported => 488,
    }
}
