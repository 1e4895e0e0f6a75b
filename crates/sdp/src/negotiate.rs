//! Offer and answer (RFC 3264) for an end of our own with one audio stream; no media.

mod text;

use std::borrow::Cow;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use self::text::Content;
use crate::attribute::Direction;
use crate::description::SessionDescription;
use crate::error::NegotiationError;
use crate::format::{Format, RtpMap};
use crate::media::{Media, MediaKind, Protocol};
use crate::origin::SessionState;

/// A codec we have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Codec {
    /// The name in `rtpmap`; compared without regard to case.
    pub encoding: Cow<'static, str>,
    /// Ticks in a second.
    pub clock_rate: u32,
    /// Channels of sound.
    pub channels: u8,
    /// The number in our offers, unless the peer has used another before.
    pub payload_type: u8,
    /// The value of `fmtp`.
    pub parameters: Option<Cow<'static, str>>,
}

impl Codec {
    /// G.711 µ-law.
    pub const PCMU: Codec = Codec::static_type("PCMU", 0);

    /// G.711 A-law.
    pub const PCMA: Codec = Codec::static_type("PCMA", 8);

    const fn static_type(encoding: &'static str, payload_type: u8) -> Codec {
        Codec {
            encoding: Cow::Borrowed(encoding),
            clock_rate: 8_000,
            channels: 1,
            payload_type,
            parameters: None,
        }
    }

    fn map(&self) -> RtpMap<'_> {
        RtpMap {
            encoding: &self.encoding,
            clock_rate: self.clock_rate,
            channels: self.channels,
        }
    }
}

/// What an end of our own can do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// Best first.
    pub codecs: Vec<Codec>,
    /// Whether keys are understood as events (RFC 4733), and by which number in our offers.
    pub telephone_event: Option<u8>,
    /// Milliseconds of voice in the packets we like to get.
    pub ptime_milliseconds: u16,
    /// Whether RTCP may share the port of RTP (RFC 5761).
    pub rtcp_mux: bool,
}

impl Capabilities {
    /// G.711 with A-law first, keys as events, 20 ms.
    pub fn g711() -> Capabilities {
        Capabilities {
            codecs: vec![Codec::PCMA, Codec::PCMU],
            telephone_event: Some(101),
            ptime_milliseconds: 20,
            rtcp_mux: true,
        }
    }
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
    /// Which section it is.
    pub media_index: usize,
    /// Where our voice goes.
    pub remote: SocketAddr,
    /// Where our RTCP goes; `None` when the peer has no port for it.
    pub remote_rtcp: Option<SocketAddr>,
    /// The codec we send, an index into [`Capabilities::codecs`].
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

/// The shortest packet that is sent, in milliseconds.
pub const MIN_PTIME_MILLISECONDS: u16 = 10;

/// The longest packet that is sent, in milliseconds.
pub const MAX_PTIME_MILLISECONDS: u16 = 60;

/// The first number for codecs without one of their own (RFC 3551 section 6).
const FIRST_DYNAMIC: u8 = 96;

/// One end of a session. Part of a call's written state.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Endpoint {
    state: SessionState,
    local: SocketAddr,
    capabilities: Capabilities,
    direction: Direction,
    /// Our number of each codec, in their order.
    numbers: Vec<u8>,
    event_number: Option<u8>,
    /// The sections of the session so far; a later offer must have them all (RFC 3264 section 8).
    sections: Vec<OldSection>,
    audio_index: usize,
    offer_open: bool,
}

/// What has to be repeated of a section that is not used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct OldSection {
    kind: String,
    protocol: String,
    formats: String,
    mid: Option<String>,
}

impl OldSection {
    fn of(media: &Media<'_>) -> OldSection {
        OldSection {
            kind: media.kind.as_str().to_owned(),
            protocol: media.protocol_text.to_owned(),
            // An unused section may come without formats, but none may be written so.
            formats: if media.formats.is_empty() {
                "0"
            } else {
                media.formats
            }
            .to_owned(),
            mid: media.mid().filter(|mid| !mid.is_empty()).map(str::to_owned),
        }
    }

    /// The section of a session that begins with our offer.
    fn audio() -> OldSection {
        OldSection {
            kind: "audio".to_owned(),
            protocol: "RTP/AVP".to_owned(),
            formats: String::new(),
            mid: None,
        }
    }
}

impl Endpoint {
    /// An end that receives voice at `local`. The session id should be random.
    pub fn new(session_id: u64, local: SocketAddr, capabilities: Capabilities) -> Endpoint {
        Endpoint {
            state: SessionState::new(session_id),
            local,
            direction: Direction::SendRecv,
            numbers: capabilities
                .codecs
                .iter()
                .map(|codec| codec.payload_type)
                .collect(),
            event_number: capabilities.telephone_event,
            capabilities,
            sections: Vec::new(),
            audio_index: 0,
            offer_open: false,
        }
    }

    /// Where we receive voice.
    pub const fn local(&self) -> SocketAddr {
        self.local
    }

    /// What we can do.
    pub const fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Receives voice elsewhere from the next offer or answer on.
    pub const fn set_local(&mut self, local: SocketAddr) {
        self.local = local;
    }

    /// The direction we want from the next offer or answer on: hold is
    /// [`Direction::SendOnly`] or [`Direction::Inactive`], resume [`Direction::SendRecv`].
    pub const fn set_direction(&mut self, direction: Direction) {
        self.direction = direction;
    }

    /// The codec, an index into [`Capabilities::codecs`], of a payload type we receive.
    pub fn codec_of(&self, payload_type: u8) -> Option<usize> {
        self.numbers
            .iter()
            .position(|&number| number == payload_type)
    }

    /// Answers an offer (RFC 3264 section 6): the text of the answer, and the stream.
    ///
    /// The first audio section that can be had is taken with the offerer's first codec that is
    /// ours too; every other section is rejected in its place.
    ///
    /// # Errors
    /// [`NegotiationError`] when no stream comes about; then nothing has changed.
    pub fn answer(
        &mut self,
        offer: &SessionDescription<'_>,
    ) -> Result<(String, Negotiated), NegotiationError> {
        let (media_index, media, chosen) = self.choose(offer)?;
        let event = self.common_event(&media, chosen.map.clock_rate);
        let codec = self
            .index_of(&chosen)
            .ok_or(NegotiationError::NoCommonCodec)?;
        let direction = media.direction().reversed().and(self.direction);
        let rtcp_mux = self.capabilities.rtcp_mux && media.has("rtcp-mux");
        let same = |number| PayloadChoice {
            send: number,
            receive: number,
        };
        let negotiated = Negotiated {
            payload: same(chosen.payload_type),
            telephone_event: event.map(same),
            ..self.stream(media_index, &media, codec, direction, rtcp_mux)?
        };
        self.sections = offer.media().iter().map(OldSection::of).collect();
        self.audio_index = media_index;
        self.offer_open = false;
        self.adopt_numbers(&media);
        let text = self.versioned(&Content {
            settled: Some(&negotiated),
            timing: timing_of(offer),
            direction,
            rtcp_mux,
        });
        Ok((text, negotiated))
    }

    /// The text of an offer: all our codecs, and the session's other sections unused.
    pub fn offer(&mut self) -> String {
        if self.sections.is_empty() {
            self.sections.push(OldSection::audio());
        }
        self.offer_open = true;
        self.versioned(&Content {
            settled: None,
            timing: "0 0",
            direction: self.direction,
            rtcp_mux: self.capabilities.rtcp_mux,
        })
    }

    /// Forgets our open offer, which the peer refused: the session stays as it was (RFC 3264
    /// section 8).
    pub const fn withdraw(&mut self) {
        self.offer_open = false;
    }

    /// Takes the answer to our open offer (RFC 3264 section 7).
    ///
    /// # Errors
    /// [`NegotiationError`] when it does not fit the offer; the offer is closed all the same.
    pub fn accept(
        &mut self,
        answer: &SessionDescription<'_>,
    ) -> Result<Negotiated, NegotiationError> {
        if !core::mem::take(&mut self.offer_open) {
            return Err(NegotiationError::NoOffer);
        }
        let (offered, answered) = (self.sections.len(), answer.media().len());
        let media = answer.media().get(self.audio_index).copied();
        let Some(media) = media.filter(|_| offered == answered) else {
            return Err(NegotiationError::MediaCount { offered, answered });
        };
        if media.is_rejected() {
            return Err(NegotiationError::Rejected);
        }
        if !is_plain_audio(&media) {
            return Err(NegotiationError::NoAudio);
        }
        let (codec, format) = media
            .codecs()
            .find_map(|format| Some((self.index_of(&format)?, format)))
            .ok_or(NegotiationError::FormatNotOffered)?;
        let receive = self
            .numbers
            .get(codec)
            .copied()
            .unwrap_or(format.payload_type);
        let event = self.common_event(&media, format.map.clock_rate);
        let direction = media.direction().reversed().and(self.direction);
        let rtcp_mux = self.capabilities.rtcp_mux && media.has("rtcp-mux");
        Ok(Negotiated {
            payload: PayloadChoice {
                send: format.payload_type,
                receive,
            },
            telephone_event: event
                .zip(self.event_number)
                .map(|(send, receive)| PayloadChoice { send, receive }),
            ..self.stream(self.audio_index, &media, codec, direction, rtcp_mux)?
        })
    }

    /// The first audio section with a codec of ours, and the codec.
    fn choose<'o>(
        &self,
        offer: &SessionDescription<'o>,
    ) -> Result<(usize, Media<'o>, Format<'o>), NegotiationError> {
        let mut error = NegotiationError::NoAudio;
        for (index, media) in offer.media().iter().enumerate() {
            if media.port == 0 || !is_plain_audio(media) {
                continue;
            }
            match media
                .codecs()
                .find(|format| self.index_of(format).is_some())
            {
                Some(format) => return Ok((index, *media, format)),
                None => error = NegotiationError::NoCommonCodec,
            }
        }
        Err(error)
    }

    fn index_of(&self, format: &Format<'_>) -> Option<usize> {
        self.capabilities
            .codecs
            .iter()
            .position(|codec| codec.map() == format.map)
    }

    /// The peer's number for telephone events at the rate of the voice (RFC 4733 section 2.1).
    fn common_event(&self, media: &Media<'_>, clock_rate: u32) -> Option<u8> {
        self.event_number?;
        media
            .codecs()
            .find(|format| format.is_telephone_event() && format.map.clock_rate == clock_rate)
            .map(|format| format.payload_type)
    }

    fn stream(
        &self,
        media_index: usize,
        media: &Media<'_>,
        codec: usize,
        direction: Direction,
        rtcp_mux: bool,
    ) -> Result<Negotiated, NegotiationError> {
        let remote = media.address().ok_or(NegotiationError::NoAddress)?;
        let wanted = media
            .ptime_milliseconds()
            .unwrap_or(self.capabilities.ptime_milliseconds);
        let longest = media
            .maxptime_milliseconds()
            .unwrap_or(MAX_PTIME_MILLISECONDS);
        let ptime = wanted
            .min(longest)
            .clamp(MIN_PTIME_MILLISECONDS, MAX_PTIME_MILLISECONDS);
        Ok(Negotiated {
            media_index,
            remote,
            remote_rtcp: if rtcp_mux {
                Some(remote)
            } else {
                media.rtcp_address()
            },
            codec,
            payload: PayloadChoice {
                send: 0,
                receive: 0,
            },
            telephone_event: None,
            direction,
            ptime_milliseconds: ptime,
            rtcp_mux,
        })
    }

    /// Takes over the numbers the peer uses, since a number keeps its meaning for the whole
    /// session (RFC 3264 section 8.3.2), and moves ours out of the way.
    fn adopt_numbers(&mut self, media: &Media<'_>) {
        let mut taken = 0u128;
        for format in media
            .formats()
            .filter_map(|format| format.parse::<u8>().ok())
        {
            taken |= 1u128.checked_shl(u32::from(format)).unwrap_or(0);
        }
        for (codec, number) in self.capabilities.codecs.iter().zip(&mut self.numbers) {
            let theirs = media.codecs().find(|format| codec.map() == format.map);
            *number = match theirs {
                Some(format) => format.payload_type,
                None => free_number(*number, &mut taken),
            };
        }
        let event = media.codecs().find(Format::is_telephone_event);
        self.event_number = self.event_number.map(|number| match event {
            Some(format) => format.payload_type,
            None => free_number(number, &mut taken),
        });
    }

    /// Writes a text; when it differs from the last one, once more with the next version.
    fn versioned(&mut self, content: &Content<'_>) -> String {
        let text = text::write(self, content);
        if self.state.advance(text.as_bytes()) {
            text::write(self, content)
        } else {
            text
        }
    }
}

/// `number` when nobody has it, else the first dynamic one that is free.
fn free_number(number: u8, taken: &mut u128) -> u8 {
    let is_free = |&candidate: &u8| *taken & (1 << (candidate & 0x7f)) == 0;
    let chosen = core::iter::once(number)
        .chain(FIRST_DYNAMIC..128)
        .find(is_free);
    let chosen = chosen.unwrap_or(number);
    *taken |= 1 << (chosen & 0x7f);
    chosen
}

fn is_plain_audio(media: &Media<'_>) -> bool {
    media.kind == MediaKind::Audio && matches!(media.protocol, Protocol::RtpAvp | Protocol::RtpAvpf)
}

/// The t-line of an answer is that of the offer (RFC 3264 section 6).
fn timing_of<'o>(offer: &SessionDescription<'o>) -> &'o str {
    let line = offer.session_lines().find(|line| line.letter == b't');
    line.and_then(|line| line.text()).unwrap_or("0 0")
}
