//! A media section (RFC 8866 section 5.14): its m-line and the lines that follow it.

use std::net::SocketAddr;

use crate::attribute::{Attribute, Attributes, Direction, RtcpAttribute, direction_of};
use crate::description::Connection;
use crate::format::{Explained, Format, RtpMap};
use crate::line::{Line, Lines};
use crate::{MAX_FORMATS, ParseError};

/// What a section carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MediaKind<'a> {
    /// Voice.
    Audio,
    /// Moving pictures.
    Video,
    /// Fax (T.38).
    Image,
    /// Data, for example floor control.
    Application,
    /// Session messages (RFC 4975).
    Message,
    /// Something else.
    Other(&'a str),
}

impl<'a> MediaKind<'a> {
    fn from_text(text: &'a str) -> MediaKind<'a> {
        match text {
            "audio" => MediaKind::Audio,
            "video" => MediaKind::Video,
            "image" => MediaKind::Image,
            "application" => MediaKind::Application,
            "message" => MediaKind::Message,
            other => MediaKind::Other(other),
        }
    }

    /// As it stands in the m-line.
    pub const fn as_str(&self) -> &'a str {
        match self {
            MediaKind::Audio => "audio",
            MediaKind::Video => "video",
            MediaKind::Image => "image",
            MediaKind::Application => "application",
            MediaKind::Message => "message",
            MediaKind::Other(other) => other,
        }
    }
}

/// How a section is carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol<'a> {
    /// `RTP/AVP`.
    RtpAvp,
    /// `RTP/AVPF` (RFC 4585).
    RtpAvpf,
    /// `RTP/SAVP` (RFC 3711).
    RtpSavp,
    /// `RTP/SAVPF` (RFC 5124).
    RtpSavpf,
    /// `UDP/TLS/RTP/SAVP` (RFC 5764).
    UdpTlsRtpSavp,
    /// `UDP/TLS/RTP/SAVPF` (RFC 5764).
    UdpTlsRtpSavpf,
    /// `udptl` (T.38).
    Udptl,
    /// Something else.
    Other(&'a str),
}

impl<'a> Protocol<'a> {
    fn from_text(text: &'a str) -> Protocol<'a> {
        match text {
            "RTP/AVP" => Protocol::RtpAvp,
            "RTP/AVPF" => Protocol::RtpAvpf,
            "RTP/SAVP" => Protocol::RtpSavp,
            "RTP/SAVPF" => Protocol::RtpSavpf,
            "UDP/TLS/RTP/SAVP" => Protocol::UdpTlsRtpSavp,
            "UDP/TLS/RTP/SAVPF" => Protocol::UdpTlsRtpSavpf,
            _ if text.eq_ignore_ascii_case("udptl") => Protocol::Udptl,
            other => Protocol::Other(other),
        }
    }

    /// The name as it is registered.
    pub const fn as_str(&self) -> &'a str {
        match self {
            Protocol::RtpAvp => "RTP/AVP",
            Protocol::RtpAvpf => "RTP/AVPF",
            Protocol::RtpSavp => "RTP/SAVP",
            Protocol::RtpSavpf => "RTP/SAVPF",
            Protocol::UdpTlsRtpSavp => "UDP/TLS/RTP/SAVP",
            Protocol::UdpTlsRtpSavpf => "UDP/TLS/RTP/SAVPF",
            Protocol::Udptl => "udptl",
            Protocol::Other(other) => other,
        }
    }

    /// Whether formats are RTP payload types.
    pub const fn is_rtp(&self) -> bool {
        !matches!(self, Protocol::Udptl | Protocol::Other(_))
    }

    /// Whether the media are encrypted.
    pub const fn is_secure(&self) -> bool {
        self.is_rtp() && !matches!(self, Protocol::RtpAvp | Protocol::RtpAvpf)
    }
}

/// Where nothing is sent to (RFC 863).
const DISCARD_PORT: u16 = 9;

/// A media section.
#[derive(Clone, Copy, Debug)]
pub struct Media<'a> {
    /// What it carries.
    pub kind: MediaKind<'a>,
    /// Where to send it; 0 means that the section is rejected or not used (RFC 3264 section 6).
    pub port: u16,
    /// How many ports there are; 1 unless written.
    pub port_count: u16,
    /// How it is carried.
    pub protocol: Protocol<'a>,
    /// The protocol as it is written: `udptl` comes in both cases.
    pub(crate) protocol_text: &'a str,
    pub(crate) formats: &'a str,
    pub(crate) section: &'a [u8],
    pub(crate) connection: Option<Connection<'a>>,
    session_connection: Option<Connection<'a>>,
    session_direction: Option<Direction>,
    session_defers_address: bool,
}

impl<'a> Media<'a> {
    pub(crate) fn parse(number: usize, line: &Line<'a>) -> Result<Media<'a>, ParseError> {
        let text = line.text().ok_or(ParseError::Media { line: number })?;
        let media = Media::from_line(text).ok_or(ParseError::Media { line: number })?;
        if media.formats().count() > MAX_FORMATS {
            return Err(ParseError::TooManyFormats { line: number });
        }
        Ok(media)
    }

    fn from_line(text: &'a str) -> Option<Media<'a>> {
        let (kind, rest) = next_word(text)?;
        let (port, rest) = next_word(rest)?;
        let (protocol, formats) = next_word(rest)?;
        let (port, port_count) = match port.split_once('/') {
            Some((port, count)) => (port.parse().ok()?, count.parse().ok()?),
            None => (port.parse().ok()?, 1),
        };
        // A section that is not used may come without formats.
        (port == 0 || !formats.is_empty()).then_some(Media {
            kind: MediaKind::from_text(kind),
            port,
            port_count,
            protocol: Protocol::from_text(protocol),
            protocol_text: protocol,
            formats,
            section: b"",
            connection: None,
            session_connection: None,
            session_direction: None,
            session_defers_address: false,
        })
    }

    pub(crate) fn inherit(
        &mut self,
        connection: Option<Connection<'a>>,
        direction: Option<Direction>,
        defers_address: bool,
    ) {
        self.session_defers_address = defers_address;
        self.session_connection = connection;
        self.session_direction = direction;
    }

    /// Whether the section is rejected or not used (RFC 3264 section 6). A port 0 with
    /// `a=bundle-only` is an offer to share another section's port (RFC 9143 section 6) and no
    /// rejection.
    pub fn is_rejected(&self) -> bool {
        self.port == 0 && !self.has("bundle-only")
    }

    /// The formats in the order of preference, as text; with RTP, payload types.
    pub fn formats(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.formats.split_ascii_whitespace()
    }

    /// The formats that are RTP payload types, with their codecs, in the order of preference.
    ///
    /// A payload type that stands twice counts once, a dynamic one without `rtpmap` not at all.
    pub fn codecs(&self) -> impl Iterator<Item = Format<'a>> + use<'a> {
        let is_rtp = self.protocol.is_rtp();
        let explained = Explained::of(if is_rtp { self.section } else { b"" });
        let mut seen = 0u128;
        self.formats().filter_map(move |format| {
            let payload_type: u8 = format.parse().ok().filter(|&number| number < 128)?;
            if !is_rtp || seen & (1 << payload_type) != 0 {
                return None;
            }
            seen |= 1 << payload_type;
            let map = explained
                .map(payload_type)
                .or_else(|| RtpMap::of_static(payload_type))?;
            let parameters = explained.parameters(payload_type);
            Some(Format {
                payload_type,
                map,
                parameters,
            })
        })
    }

    /// The lines of the section, the m-line first.
    pub const fn lines(&self) -> Lines<'a> {
        Lines::new(self.section)
    }

    /// The attributes of the section.
    pub const fn attributes(&self) -> Attributes<'a> {
        Attributes::new(self.section)
    }

    /// The first attribute with this name.
    pub fn attribute(&self, name: &str) -> Option<Attribute<'a>> {
        self.attributes().find(|attribute| attribute.name == name)
    }

    /// Whether there is an attribute with this name.
    pub fn has(&self, name: &str) -> bool {
        self.attribute(name).is_some()
    }

    /// The c-line that holds: that of the section, else that of the session.
    pub fn connection(&self) -> Option<Connection<'a>> {
        self.connection.or(self.session_connection)
    }

    /// The c-line of the section itself.
    pub const fn own_connection(&self) -> Option<Connection<'a>> {
        self.connection
    }

    /// Where to send the media: address and port; `None` without an IP address.
    pub fn address(&self) -> Option<SocketAddr> {
        let ip = self.connection()?.ip()?;
        Some(SocketAddr::new(ip, self.port))
    }

    /// Where to send RTCP: the RTP port with `rtcp-mux` (RFC 5761), else what `a=rtcp` says
    /// (RFC 3605), else the port above that of RTP. `None` without an IP address or such a port.
    pub fn rtcp_address(&self) -> Option<SocketAddr> {
        let rtp = self.address()?;
        if self.has("rtcp-mux") {
            return Some(rtp);
        }
        match self.rtcp() {
            Some(rtcp) => {
                let ip = match rtcp.connection {
                    Some(connection) => connection.ip()?,
                    None => rtp.ip(),
                };
                Some(SocketAddr::new(ip, rtcp.port))
            }
            None => Some(SocketAddr::new(rtp.ip(), rtp.port().checked_add(1)?)),
        }
    }

    /// The direction that holds: that of the section, of the session, else both ways; an
    /// unspecified address (`c=0.0.0.0`) means that the writer receives nothing (RFC 3264
    /// section 8.4).
    pub fn direction(&self) -> Direction {
        let written = direction_of(self.attributes())
            .or(self.session_direction)
            .unwrap_or_default();
        if self.is_held_by_address() {
            return Direction::new(written.sends(), false);
        }
        written
    }

    /// Whether the section is held the old way, by an unspecified address. With the discard port and
    /// ICE, such an address only says that candidates are still to come (RFC 8840), and in a bundle
    /// that the address is that of another section (RFC 9143).
    pub fn is_held_by_address(&self) -> bool {
        let unspecified = self
            .connection()
            .is_some_and(|connection| connection.is_unspecified());
        unspecified && !self.defers_address()
    }

    fn defers_address(&self) -> bool {
        self.port == DISCARD_PORT && (self.session_defers_address || self.has("ice-ufrag"))
            || self.has("bundle-only")
    }

    /// The codec of a payload type: by `rtpmap`, else by the static table of RFC 3551.
    pub fn rtpmap(&self, payload_type: u8) -> Option<RtpMap<'a>> {
        let explained = Explained::of(self.section);
        explained
            .map(payload_type)
            .or_else(|| RtpMap::of_static(payload_type))
    }

    /// The parameters of a payload type.
    pub fn fmtp(&self, payload_type: u8) -> Option<&'a str> {
        Explained::of(self.section).parameters(payload_type)
    }

    /// Milliseconds of media the writer wants in a packet.
    pub fn ptime_milliseconds(&self) -> Option<u16> {
        self.milliseconds("ptime")
    }

    /// The most milliseconds of media the writer takes in a packet.
    pub fn maxptime_milliseconds(&self) -> Option<u16> {
        self.milliseconds("maxptime")
    }

    fn milliseconds(&self, name: &str) -> Option<u16> {
        // Some write fractions, as in `ptime:20.0`.
        let whole = self.attribute(name)?.value_text().split('.').next()?;
        whole.parse().ok().filter(|&milliseconds| milliseconds > 0)
    }

    /// `a=rtcp` (RFC 3605).
    pub fn rtcp(&self) -> Option<RtcpAttribute<'a>> {
        self.attributes()
            .find_map(|attribute| RtcpAttribute::parse(&attribute))
    }

    /// The name of the section in groups (RFC 5888).
    pub fn mid(&self) -> Option<&'a str> {
        self.attribute("mid")
            .map(|attribute| attribute.value_text())
    }
}

fn next_word(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_ascii_start();
    let (word, rest) = text.split_once([' ', '\t']).unwrap_or((text, ""));
    (!word.is_empty()).then_some((word, rest.trim_ascii()))
}
