//! What RTCP feedback a party takes, `a=rtcp-fb` (RFC 4585 section 4.2). No RTCP.

use crate::attribute::Attribute;

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
}
