//! What RTCP feedback a party takes, `a=rtcp-fb` (RFC 4585 section 4.2). No RTCP.

use serde::{Deserialize, Serialize};

use crate::attribute::Attribute;
use crate::media::Media;
use crate::transport::Profile;

/// A line `a=rtcp-fb`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtcpFeedback<'a> {
    /// The payload type it is for; `None` for `*`: all.
    pub payload_type: Option<u8>,
    /// `nack`, `ccm`, `transport-cc` and others.
    pub kind: &'a str,
    /// What follows, for example `pli`; empty: nothing.
    pub parameters: &'a str,
}

impl<'a> RtcpFeedback<'a> {
    /// Reads `rtcp-fb:`.
    pub fn parse(attribute: &Attribute<'a>) -> Option<RtcpFeedback<'a>> {
        if attribute.name != "rtcp-fb" {
            return None;
        }
        let (format, rest) = attribute.format_and_rest()?;
        let payload_type = match format {
            "*" => None,
            number => Some(number.parse().ok().filter(|&number| number < 128)?),
        };
        let (kind, parameters) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
        (!kind.is_empty()).then_some(RtcpFeedback {
            payload_type,
            kind,
            parameters: parameters.trim_ascii(),
        })
    }

    /// Which messages it allows; `None`: none, it says how often reports are sent.
    pub fn feedback(&self) -> Option<Feedback> {
        let mut parameters = self.parameters.split_ascii_whitespace();
        Some(match (self.kind, parameters.next()) {
            ("trr-int", _) => return None,
            ("nack", None) => Feedback::Nack,
            ("nack", Some("pli")) => Feedback::PictureLoss,
            ("nack", Some("sli")) => Feedback::SliceLoss,
            ("nack" | "ack", Some("rpsi")) => Feedback::ReferencePicture,
            ("ccm", Some("fir")) => Feedback::FullIntra,
            ("ccm", Some("tmmbr")) => Feedback::BitRate,
            ("ccm", Some("tstr")) => Feedback::Tradeoff,
            ("ccm", Some("vbcm")) => Feedback::VideoBackChannel,
            ("goog-remb", _) => Feedback::Remb,
            ("transport-cc", _) => Feedback::TransportWide,
            _ => Feedback::Other,
        })
    }
}

/// Messages that a line `a=rtcp-fb` allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Feedback {
    /// `nack pli`: a picture is lost (RFC 4585 section 6.3.1).
    PictureLoss,
    /// `ccm fir`: a whole picture is asked for (RFC 5104 section 4.3.1).
    FullIntra,
    /// `nack`: packets are missing (RFC 4585 section 6.2.1).
    Nack,
    /// `nack sli`: a slice is lost (RFC 4585 section 6.3.2).
    SliceLoss,
    /// `nack rpsi` and `ack rpsi`: which picture to refer to (RFC 4585 section 6.3.3).
    ReferencePicture,
    /// `ccm tmmbr`: a limit of the bit rate, and which holds (RFC 5104 section 4.2).
    BitRate,
    /// `ccm tstr`: sharp pictures or many of them (RFC 5104 section 4.3.2).
    Tradeoff,
    /// `ccm vbcm`: messages of H.271 (RFC 5104 section 4.3.4).
    VideoBackChannel,
    /// `goog-remb`: an estimate of the bit rate there is room for (draft-alvestrand-rmcat-remb).
    Remb,
    /// `transport-cc`: when each packet arrived (draft-holmer-rmcat-transport-wide-cc). The packets
    /// are numbered in a header extension.
    TransportWide,
    /// Something that is not known here.
    Other,
}

impl Feedback {
    /// What a line says for it behind the payload type, of those that need no header extension. The
    /// most wanted come first: there are phones that read nothing but the first line.
    pub(crate) const LINES: [(Feedback, &'static str); 9] = [
        (Feedback::PictureLoss, "nack pli"),
        (Feedback::FullIntra, "ccm fir"),
        (Feedback::Nack, "nack"),
        (Feedback::SliceLoss, "nack sli"),
        (Feedback::ReferencePicture, "nack rpsi"),
        (Feedback::BitRate, "ccm tmmbr"),
        (Feedback::Tradeoff, "ccm tstr"),
        (Feedback::VideoBackChannel, "ccm vbcm"),
        (Feedback::Remb, "goog-remb"),
    ];

    const fn bit(self) -> u16 {
        1 << (self as u16 + 1)
    }
}

/// The feedback messages that a party takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FeedbackSet(u16);

impl FeedbackSet {
    /// No message.
    pub const NONE: FeedbackSet = FeedbackSet(0);

    /// Every message, also of kinds that nobody has thought of yet. Written down it is what `true` is,
    /// as `NONE` is `false`: calls were written so when there was nothing between the two.
    pub const EVERY: FeedbackSet = FeedbackSet(1);

    /// What the writer of a section takes for any of its payload types: what its lines name, and
    /// without lines everything where its profile has feedback (RFC 4585 section 4.2).
    ///
    /// Lines count in a profile without feedback, too: most phones with video write them there.
    pub fn of(media: &Media<'_>) -> FeedbackSet {
        let formats = media.formats().filter_map(|format| format.parse().ok());
        let formats = formats.fold(0, |all, number: u8| all | bit_of(number));
        let mut has_lines = false;
        let mut named = FeedbackSet::NONE;
        for line in media.attributes().filter_map(|it| RtcpFeedback::parse(&it)) {
            has_lines = true;
            let is_of_section = line
                .payload_type
                .is_none_or(|number| formats & bit_of(number) != 0);
            if let Some(feedback) = line.feedback().filter(|_| is_of_section) {
                named = named.with(feedback);
            }
        }
        let profile = Profile::of(&media.protocol);
        match profile.is_some_and(Profile::has_feedback) && !has_lines {
            true => FeedbackSet::EVERY,
            false => named,
        }
    }

    /// These messages and those.
    #[must_use]
    pub const fn with(self, feedback: Feedback) -> FeedbackSet {
        FeedbackSet(self.0 | feedback.bit())
    }

    /// Whether the party takes such messages.
    #[inline]
    pub const fn contains(self, feedback: Feedback) -> bool {
        self.0 & (feedback.bit() | FeedbackSet::EVERY.0) != 0
    }

    /// What lines say that allow it for all payload types, but for what needs a header extension and
    /// what is not known. Nothing for a party that has named nothing and takes everything.
    pub(crate) fn lines(self) -> impl Iterator<Item = &'static str> {
        let lines = Feedback::LINES.into_iter();
        lines
            .filter(move |(feedback, _)| self.0 & feedback.bit() != 0)
            .map(|(_, line)| line)
    }
}

const fn bit_of(payload_type: u8) -> u128 {
    match payload_type {
        0..128 => 1 << payload_type,
        _ => 0,
    }
}
