//! Payload types and what they mean: `rtpmap`, `fmtp` (RFC 8866 section 6.6, 6.15) and the static
//! table of RFC 3551; no codec.

use core::fmt;

use crate::MAX_FORMATS;
use crate::attribute::Attributes;

/// What `rtpmap` and `fmtp` of a section say, found in one pass: their payload types and values.
pub(crate) struct Explained<'a> {
    maps: Vec<(u8, &'a str)>,
    parameters: Vec<(u8, &'a str)>,
}

impl<'a> Explained<'a> {
    pub(crate) fn of(section: &'a [u8]) -> Explained<'a> {
        let mut explained = Explained {
            maps: Vec::new(),
            parameters: Vec::new(),
        };
        for attribute in Attributes::new(section) {
            let list = match attribute.name {
                "rtpmap" => &mut explained.maps,
                "fmtp" => &mut explained.parameters,
                _ => continue,
            };
            let Some((format, value)) = attribute.format_and_rest() else {
                continue;
            };
            if let Ok(payload_type) = format.parse()
                && list.len() < MAX_FORMATS
            {
                list.push((payload_type, value));
            }
        }
        explained
    }

    /// The first that can be read.
    pub(crate) fn map(&self, payload_type: u8) -> Option<RtpMap<'a>> {
        let of_type = self
            .maps
            .iter()
            .filter(|(number, _)| *number == payload_type);
        of_type.filter_map(|(_, value)| RtpMap::parse(value)).next()
    }

    pub(crate) fn parameters(&self, payload_type: u8) -> Option<&'a str> {
        let mut all = self.parameters.iter();
        all.find(|(number, _)| *number == payload_type)
            .map(|(_, value)| *value)
    }
}

/// A payload type with what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format<'a> {
    /// 0 to 127.
    pub payload_type: u8,
    /// The codec.
    pub map: RtpMap<'a>,
    /// The value of `fmtp`.
    pub parameters: Option<&'a str>,
}

impl Format<'_> {
    /// Whether these are telephone events (RFC 4733).
    pub fn is_telephone_event(&self) -> bool {
        self.map.encoding.eq_ignore_ascii_case("telephone-event")
    }
}

/// A codec as `rtpmap` names it (RFC 8866 section 6.6).
#[derive(Clone, Copy, Debug)]
pub struct RtpMap<'a> {
    /// The name; compared without regard to case.
    pub encoding: &'a str,
    /// Ticks of the timestamp in a second.
    pub clock_rate: u32,
    /// Channels of sound; 1 unless written.
    pub channels: u8,
}

impl PartialEq for RtpMap<'_> {
    fn eq(&self, other: &RtpMap<'_>) -> bool {
        self.encoding.eq_ignore_ascii_case(other.encoding)
            && self.clock_rate == other.clock_rate
            && self.channels == other.channels
    }
}

impl Eq for RtpMap<'_> {}

impl<'a> RtpMap<'a> {
    fn parse(text: &'a str) -> Option<RtpMap<'a>> {
        let mut parts = text.split('/');
        let encoding = parts.next().filter(|name| !name.is_empty())?.trim_ascii();
        let clock_rate = parts
            .next()?
            .trim_ascii()
            .parse()
            .ok()
            .filter(|&rate| rate > 0)?;
        let channels = match parts.next() {
            Some(channels) => channels.trim_ascii().parse().ok()?,
            None => 1,
        };
        Some(RtpMap {
            encoding,
            clock_rate,
            channels,
        })
    }

    /// The codec of a static payload type (RFC 3551 tables 4 and 5).
    pub const fn of_static(payload_type: u8) -> Option<RtpMap<'static>> {
        let (encoding, clock_rate, channels) = match payload_type {
            0 => ("PCMU", 8_000, 1),
            3 => ("GSM", 8_000, 1),
            4 => ("G723", 8_000, 1),
            5 => ("DVI4", 8_000, 1),
            6 => ("DVI4", 16_000, 1),
            7 => ("LPC", 8_000, 1),
            8 => ("PCMA", 8_000, 1),
            // G.722 has 16,000 samples a second; its clock rate is 8,000 by an old mistake that
            // RFC 3551 section 4.5.2 keeps.
            9 => ("G722", 8_000, 1),
            10 => ("L16", 44_100, 2),
            11 => ("L16", 44_100, 1),
            12 => ("QCELP", 8_000, 1),
            13 => ("CN", 8_000, 1),
            14 => ("MPA", 90_000, 1),
            15 => ("G728", 8_000, 1),
            16 => ("DVI4", 11_025, 1),
            17 => ("DVI4", 22_050, 1),
            18 => ("G729", 8_000, 1),
            25 => ("CelB", 90_000, 1),
            26 => ("JPEG", 90_000, 1),
            28 => ("nv", 90_000, 1),
            31 => ("H261", 90_000, 1),
            32 => ("MPV", 90_000, 1),
            33 => ("MP2T", 90_000, 1),
            34 => ("H263", 90_000, 1),
            _ => return None,
        };
        Some(RtpMap {
            encoding,
            clock_rate,
            channels,
        })
    }
}

impl fmt::Display for RtpMap<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.encoding, self.clock_rate)?;
        match self.channels {
            1 => Ok(()),
            channels => write!(formatter, "/{channels}"),
        }
    }
}
