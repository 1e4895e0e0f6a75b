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

/// Whether the two match in this way. `number_of` gives the offered number that a number of the
/// answer stands for.
pub(super) fn same_codec(
    kind: Match,
    offered: &Format<'_>,
    answered: &Format<'_>,
    number_of: &dyn Fn(u8) -> Option<u8>,
) -> bool {
    let same_number = offered.payload_type == answered.payload_type;
    match kind {
        Match::OtherClock => offered.is_telephone_event() && answered.is_telephone_event(),
        _ if offered.map != answered.map => false,
        Match::SameNumber => same_number && same_stream(offered, answered, number_of),
        Match::Same => same_stream(offered, answered, number_of),
        Match::Nearly => same_number && !refers(answered),
    }
}

/// Whether `fmtp` names other formats: retransmission (RFC 4588) and redundancy (RFC 2198).
pub(super) fn refers(format: &Format<'_>) -> bool {
    is(format, "rtx") || is(format, "red")
}

fn is(format: &Format<'_>, name: &str) -> bool {
    format.map.encoding.eq_ignore_ascii_case(name)
}

fn same_stream(
    offered: &Format<'_>,
    answered: &Format<'_>,
    number_of: &dyn Fn(u8) -> Option<u8>,
) -> bool {
    let same = |name, default| same_parameter(offered, answered, name, default);
    if is(offered, "rtx") {
        let original = |format| parameter(format, "apt").and_then(|apt| apt.parse::<u8>().ok());
        original(offered) == original(answered).and_then(number_of)
    } else if is(offered, "red") {
        same_redundancy(offered, answered, number_of)
    } else if is(offered, "H264") {
        h264_profile(offered) == h264_profile(answered) && same("packetization-mode", "0")
    } else if is(offered, "H265") {
        same("profile-id", "1") && same("tx-mode", "SRST")
    } else if is(offered, "VP9") {
        same("profile-id", "0")
    } else if is(offered, "AV1") {
        same("profile", "0")
    } else if is(offered, "AMR") || is(offered, "AMR-WB") {
        same("octet-align", "0")
    } else if is(offered, "G7221") {
        same("bitrate", "")
    } else if is(offered, "MP4A-LATM") || is(offered, "mpeg4-generic") {
        same("config", "")
    } else {
        true
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

fn same_parameter(offered: &Format<'_>, answered: &Format<'_>, name: &str, default: &str) -> bool {
    let value = |format| parameter(format, name).unwrap_or(default);
    value(offered).eq_ignore_ascii_case(value(answered))
}

/// Whether both name the same formats in the same order; without `fmtp`, whichever are there.
fn same_redundancy(
    offered: &Format<'_>,
    answered: &Format<'_>,
    number_of: &dyn Fn(u8) -> Option<u8>,
) -> bool {
    let (Some(offered), Some(answered)) = (offered.parameters, answered.parameters) else {
        return true;
    };
    let number = |text: &str| text.trim_ascii().parse::<u8>().ok();
    let offered = offered.split('/').map(number);
    let answered = answered
        .split('/')
        .map(|text| number(text).and_then(number_of));
    offered.eq(answered)
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
