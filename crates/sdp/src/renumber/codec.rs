//! When two formats are the same kind of stream: the rules of `fmtp` by codec. What is only a wish or
//! a limit does not count.

use crate::format::Format;

/// How closely two formats are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Match {
    /// Codec, kind of stream and number.
    SameNumber,
    /// Codec and kind of stream.
    Same,
    /// Codec and number; the kind of stream differs by the letter.
    Nearly,
    /// Telephone events, but another clock rate.
    OtherClock,
}

impl Match {
    /// The closest first.
    pub(super) const ALL: [Match; 4] = [
        Match::SameNumber,
        Match::Same,
        Match::Nearly,
        Match::OtherClock,
    ];
}

/// The most formats in a redundant packet that are compared.
const MAX_REDUNDANT: usize = 16;

/// A format with what `fmtp` says of the kind of stream, read once.
pub(super) struct Stream<'a> {
    format: Format<'a>,
    kind: Kind<'a>,
}

/// The kind of a stream beyond the name of its codec.
enum Kind<'a> {
    /// By parameters, in lower or upper case.
    Parameters([&'a str; 2]),
    /// H.264 (RFC 6184): profile and packetization mode.
    H264(Option<(u8, u8)>, &'a str),
    /// Retransmission (RFC 4588) of another format.
    Retransmission(Option<u8>),
    /// Redundancy (RFC 2198): the numbers of other formats; without, whichever are there.
    Redundancy(Option<&'a str>),
}

impl<'a> Stream<'a> {
    pub(super) fn of(format: Format<'a>) -> Stream<'a> {
        let kind = Kind::of(&format);
        Stream { format, kind }
    }

    pub(super) const fn number(&self) -> u8 {
        self.format.payload_type
    }

    pub(super) const fn clock_rate(&self) -> u32 {
        self.format.map.clock_rate
    }

    /// Whether it names other formats by their numbers.
    pub(super) const fn refers(&self) -> bool {
        matches!(self.kind, Kind::Retransmission(_) | Kind::Redundancy(_))
    }
}

impl<'a> Kind<'a> {
    fn of(format: &Format<'a>) -> Kind<'a> {
        let is = |name: &str| format.map.encoding.eq_ignore_ascii_case(name);
        let value = |name, default| parameter(format, name).unwrap_or(default);
        if is("rtx") {
            let original = parameter(format, "apt").and_then(|apt| apt.parse().ok());
            Kind::Retransmission(original)
        } else if is("red") {
            Kind::Redundancy(format.parameters)
        } else if is("H264") {
            Kind::H264(h264_profile(format), value("packetization-mode", "0"))
        } else if is("H265") {
            Kind::Parameters([value("profile-id", "1"), value("tx-mode", "SRST")])
        } else if is("VP9") {
            Kind::Parameters([value("profile-id", "0"), ""])
        } else if is("AV1") {
            Kind::Parameters([value("profile", "0"), ""])
        } else if is("AMR") || is("AMR-WB") {
            Kind::Parameters([value("octet-align", "0"), ""])
        } else if is("G7221") {
            Kind::Parameters([value("bitrate", ""), ""])
        } else if is("MP4A-LATM") || is("mpeg4-generic") {
            Kind::Parameters([value("config", ""), ""])
        } else {
            Kind::Parameters(["", ""])
        }
    }

    /// Whether an answer of that kind is of this one.
    fn is_same(&self, answered: &Kind<'_>, number_of: &dyn Fn(u8) -> Option<u8>) -> bool {
        match (self, answered) {
            (Kind::Parameters(offered), Kind::Parameters(answered)) => {
                let mut both = offered.iter().zip(answered);
                both.all(|(offered, answered)| offered.eq_ignore_ascii_case(answered))
            }
            (Kind::H264(profile, mode), Kind::H264(other, answered)) => {
                profile == other && mode == answered
            }
            (Kind::Retransmission(offered), Kind::Retransmission(answered)) => {
                *offered == answered.and_then(number_of)
            }
            (Kind::Redundancy(Some(offered)), Kind::Redundancy(Some(answered))) => {
                let number = |text: &str| text.trim_ascii().parse::<u8>().ok();
                let offered = offered.split('/').take(MAX_REDUNDANT).map(number);
                let answered = answered.split('/').take(MAX_REDUNDANT);
                offered.eq(answered.map(|text| number(text).and_then(number_of)))
            }
            (Kind::Redundancy(_), Kind::Redundancy(_)) => true,
            _ => false,
        }
    }
}

/// Whether the two match in this way. `number_of` gives the offered number that a number of the
/// answer stands for.
pub(super) fn same_codec(
    kind: Match,
    offered: &Stream<'_>,
    answered: &Stream<'_>,
    number_of: &dyn Fn(u8) -> Option<u8>,
) -> bool {
    let same_number = offered.number() == answered.number();
    let same_stream = || offered.kind.is_same(&answered.kind, number_of);
    match kind {
        Match::OtherClock => {
            offered.format.is_telephone_event() && answered.format.is_telephone_event()
        }
        _ if offered.format.map != answered.format.map => false,
        Match::SameNumber => same_number && same_stream(),
        Match::Same => same_stream(),
        Match::Nearly => same_number && !answered.refers(),
    }
}

/// A parameter of `fmtp`.
fn parameter<'a>(format: &Format<'a>, name: &str) -> Option<&'a str> {
    let parameters = format.parameters?.split(';');
    parameters
        .filter_map(|parameter| parameter.split_once('='))
        .find(|(known, _)| known.trim_ascii().eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim_ascii())
}

/// The profile of H.264 (RFC 6184 section 8.1, table 5): several values mean the same one.
fn h264_profile(format: &Format<'_>) -> Option<(u8, u8)> {
    /// Baseline, when nothing is said.
    const DEFAULT: &str = "420010";
    let text = parameter(format, "profile-level-id").unwrap_or(DEFAULT);
    let number = u32::from_str_radix(text, 16)
        .ok()
        .filter(|_| text.len() == 6)?;
    let [_, profile, constraints, _] = number.to_be_bytes();
    let set = |mask: u8| constraints & mask == mask;
    Some(match profile {
        0x42 if set(0x40) => CONSTRAINED_BASELINE,
        0x4d if set(0x80) => CONSTRAINED_BASELINE,
        0x58 if set(0xc0) => CONSTRAINED_BASELINE,
        0x42 => BASELINE,
        0x58 if set(0x80) => BASELINE,
        0x4d => (0x4d, 0),
        other => (other, constraints),
    })
}

const CONSTRAINED_BASELINE: (u8, u8) = (0x42, 0x40);
const BASELINE: (u8, u8) = (0x42, 0);
