//! The phone's end of the voice negotiation (RFC 3264) in one call: descriptions in and out of
//! messages. The rules themselves are `sdp`'s; keys are in `keys`.
//!
//! [`Endpoint`] speaks of codecs and addresses and knows RTP/AVP only. What the other side offers in
//! another profile is shown to it in that one, and what it writes gets the profile and the keys.

use fernamt_sdp::{
    Blame, Direction, Endpoint, MediaKind, MediaRewrite, NegotiationError, Profile, Rewrite,
    SessionDescription, SessionState, TransportAnswer, TransportDescription, TransportError,
};
use fernamt_sip::message::Message;
use fernamt_sip::name_addr::Quoted;
use fernamt_sip::transport::Flow;

use super::keys::Keys;
use super::stack::Stack;
use crate::media::{MediaPlan, Voice, capabilities};

/// The type of a body that describes a session.
pub(super) const SDP: &str = "application/sdp";

/// Our end of one session.
#[derive(Clone)]
pub(super) struct Session {
    endpoint: Endpoint,
    voices: Vec<Voice>,
    keys: Keys,
    /// The o-line of what is sent: of the descriptions with their keys.
    state: SessionState,
    /// The profile of each voice section, as the other side has offered it last.
    profiles: Vec<Option<Profile>>,
    /// Which section is the voice.
    section: usize,
}

/// Why a description leads to no voice, in words and as a status.
#[derive(Clone, Debug)]
pub(super) struct NoSession {
    pub(super) status: u16,
    pub(super) reason: String,
}

impl NoSession {
    /// The same for the other side (RFC 3261 section 20.43).
    pub(super) fn warning(&self) -> String {
        const MISCELLANEOUS: u16 = 399;
        format!("{MISCELLANEOUS} phone {}", Quoted(&self.reason))
    }
}

impl Session {
    pub(super) fn new(stack: &mut Stack, flow: Flow) -> Session {
        let voices = stack.settings.voices.clone();
        let id = stack.random.number() >> 2;
        let endpoint = Endpoint::new(id, stack.media_address(flow), capabilities(&voices));
        let keys = Keys::new(stack.settings.encryption, flow.transport, &mut stack.random);
        Session {
            endpoint,
            voices,
            keys,
            state: SessionState::new(id),
            profiles: Vec::new(),
            section: 0,
        }
    }

    /// An offer of ours.
    pub(super) fn offer(&mut self) -> String {
        let text = self.endpoint.offer();
        self.written(text)
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
        let judged = Judged::of(&offer, &self.keys);
        let shown = judged.shown(&offer);
        let mut endpoint = self.endpoint.clone();
        let (text, negotiated) = endpoint
            .answer(&parse(&shown)?)
            .map_err(|error| judged.refusal(error))?;
        let section = negotiated.media_index;
        let (theirs, answer) = judged.answerable(section).ok_or_else(unknown)?;
        let plan = MediaPlan::of(&negotiated, &endpoint, &self.voices).ok_or_else(unknown)?;
        let protection = self.keys.answer(theirs, answer).map_err(transport)?;
        self.endpoint = endpoint;
        self.section = section;
        self.profiles = judged.profiles();
        Ok((self.written(text), MediaPlan { protection, ..plan }))
    }

    /// Takes the answer to our offer.
    pub(super) fn accept(&mut self, answer: &[u8]) -> Result<MediaPlan, NoSession> {
        let answer = parse(answer)?;
        let theirs = TransportDescription::of(&answer, self.section);
        let shown = shown(&answer, |place| place == self.section, |_| false);
        let negotiated = self.endpoint.accept(&parse(&shown)?).map_err(negotiation)?;
        let plan = MediaPlan::of(&negotiated, &self.endpoint, &self.voices).ok_or_else(unknown)?;
        let theirs = theirs.as_ref().ok_or_else(unknown)?;
        let protection = self.keys.settle(theirs).map_err(transport)?;
        Ok(MediaPlan { protection, ..plan })
    }

    /// The text of the endpoint with our profile, our keys and an o-line that counts them too.
    fn written(&mut self, text: String) -> String {
        let Ok(description) = SessionDescription::parse(text.as_bytes()) else {
            return text;
        };
        let own: Vec<_> = (0..description.media().len())
            .map(|place| self.transport_of(&description, place))
            .collect();
        let differs = |(place, own): (usize, &Option<TransportDescription>)| {
            let plain = TransportDescription::of(&description, place);
            *own != plain
        };
        let mut rewrite = Rewrite::default();
        if own.iter().enumerate().any(differs) {
            let sections = description.media().iter().zip(&own);
            rewrite.media = sections
                .map(|(media, own)| MediaRewrite {
                    transport: own.as_ref(),
                    reject: media.port == 0,
                    ..MediaRewrite::default()
                })
                .collect();
        }
        let mut out = Vec::with_capacity(text.len());
        let address = self.endpoint.local().ip();
        self.state.write(&description, &rewrite, address, &mut out);
        String::from_utf8(out).unwrap_or(text)
    }

    /// How we transport a section of a text of the endpoint.
    fn transport_of(
        &self,
        description: &SessionDescription<'_>,
        place: usize,
    ) -> Option<TransportDescription> {
        let mut own = TransportDescription::of(description, place)?;
        if place == self.section {
            own.profile = self.keys.ours().profile;
            own.cryptos.clone_from(&self.keys.ours().cryptos);
        } else if let Some(profile) = self.profiles.get(place).copied().flatten() {
            own.profile = profile;
        }
        Some(own)
    }
}

/// How each voice section of an offer is transported, and whether it can be answered so; `None` for
/// anything else.
struct Judged(
    Vec<
        Option<(
            TransportDescription,
            Result<TransportAnswer, TransportError>,
        )>,
    >,
);

impl Judged {
    fn of(offer: &SessionDescription<'_>, keys: &Keys) -> Judged {
        let sections = (0..).zip(offer.media()).map(|(place, media)| {
            let theirs = TransportDescription::of(offer, place)?;
            let theirs = (media.kind == MediaKind::Audio).then_some(theirs)?;
            let answer = keys.judge(&theirs);
            Some((theirs, answer))
        });
        Judged(sections.collect())
    }

    fn profiles(&self) -> Vec<Option<Profile>> {
        let profile = |(theirs, _): &(TransportDescription, _)| theirs.profile;
        self.0
            .iter()
            .map(|section| section.as_ref().map(profile))
            .collect()
    }

    /// The offer as the endpoint is to see it: without profiles that it does not know, and without
    /// voice that cannot be answered.
    fn shown(&self, offer: &SessionDescription<'_>) -> Vec<u8> {
        shown(
            offer,
            |place| self.answerable(place).is_some(),
            |place| matches!(self.0.get(place), Some(Some((_, Err(_))))),
        )
    }

    fn answerable(&self, place: usize) -> Option<(&TransportDescription, &TransportAnswer)> {
        let (theirs, answer) = self.0.get(place)?.as_ref()?;
        Some((theirs, answer.as_ref().ok()?))
    }

    /// Why there is no voice: by the keys, where they are the reason.
    fn refusal(&self, error: NegotiationError) -> NoSession {
        let by_keys = self.0.iter().flatten().find_map(|(_, answer)| answer.err());
        match (error, by_keys) {
            (NegotiationError::NoAudio, Some(by_keys)) => transport(by_keys),
            (error, _) => negotiation(error),
        }
    }
}

/// A description with RTP/AVP where `plain` says so of a place in a protected profile, and with port
/// 0 where `refused` does; otherwise as it is.
fn shown(
    description: &SessionDescription<'_>,
    plain: impl Fn(usize) -> bool,
    refused: impl Fn(usize) -> bool,
) -> Vec<u8> {
    let sections = description.media();
    let own: Vec<_> = (0..sections.len())
        .map(|place| {
            let mut own = TransportDescription::of(description, place)?;
            if own.profile.is_secure() && plain(place) {
                own.profile = Profile::Avp;
            }
            Some(own)
        })
        .collect();
    let is_as_shown = (0..).zip(sections).zip(&own).all(|((place, media), own)| {
        let same = own
            .as_ref()
            .is_none_or(|own| Profile::of(&media.protocol) == Some(own.profile));
        same && !refused(place)
    });
    if is_as_shown {
        return description.text().to_vec();
    }
    let media = (0..).zip(&own).map(|(place, own)| MediaRewrite {
        transport: own.as_ref(),
        reject: refused(place),
        ..MediaRewrite::default()
    });
    let rewrite = Rewrite {
        media: media.collect(),
        ..Rewrite::default()
    };
    let mut text = Vec::new();
    rewrite.apply(description, &mut text);
    text
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

fn transport(error: TransportError) -> NoSession {
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
