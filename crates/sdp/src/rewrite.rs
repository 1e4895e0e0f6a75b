//! Changing chosen lines of a description and no other byte, for a back-to-back user agent.

use std::io::Write;
use std::net::{IpAddr, SocketAddr};

use crate::attribute::{Attribute, Direction};
use crate::description::{Connection, SessionDescription};
use crate::format::Format;
use crate::line::{Line, Lines};
use crate::media::Media;
use crate::origin::OwnOrigin;

/// What to change. What is not named here stays byte for byte and in its order.
#[derive(Clone, Default)]
pub struct Rewrite<'r> {
    /// Replaces the o-line.
    pub origin: Option<OwnOrigin<'r>>,
    /// Replaces the address in every c-line that no section replaces itself.
    pub connection: Option<IpAddr>,
    /// Takes out the attributes for which it says true, in the session and all sections.
    pub remove: Option<&'r dyn Fn(&Attribute<'_>) -> bool>,
    /// By section; sections beyond its end keep what they have.
    pub media: Vec<MediaRewrite<'r>>,
}

/// What to change in one media section.
#[derive(Clone, Default)]
pub struct MediaRewrite<'r> {
    /// Where media are to be sent from now on: the port of the m-line and the c-line. A section
    /// that is rejected keeps its port 0.
    pub address: Option<SocketAddr>,
    /// What happens to `a=rtcp` and `a=rtcp-mux`.
    pub rtcp: RtcpRewrite,
    /// Port 0: the section is refused (RFC 3264 section 6).
    pub reject: bool,
    /// Replaces the direction.
    pub direction: Option<Direction>,
    /// Keeps the RTP formats for which it says true, with their `rtpmap`, `fmtp` and `rtcp-fb`.
    /// A section without any left is rejected and keeps its formats, since an m-line must have
    /// one. A payload type that nothing explains is kept.
    pub keep_format: Option<&'r dyn Fn(&Format<'_>) -> bool>,
    /// Attributes added at the end of the section, without `a=`.
    pub append: &'r [&'r str],
}

/// What happens to the lines about RTCP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RtcpRewrite {
    /// They stay.
    #[default]
    Keep,
    /// `a=rtcp` and `a=rtcp-mux` go: RTCP is one port above RTP.
    NextPort,
    /// `a=rtcp` names this port (RFC 3605) and `a=rtcp-mux` goes.
    Port(u16),
    /// `a=rtcp-mux` stands there (RFC 5761) and `a=rtcp` goes.
    Multiplexed,
}

impl Rewrite<'_> {
    /// Writes the changed description to the end of `out`.
    ///
    /// A section held the old way, by an unspecified address (RFC 3264 section 8.4), that gets a
    /// real address here also gets the direction that the old address meant, so that it stays
    /// held.
    pub fn apply(&self, description: &SessionDescription<'_>, out: &mut Vec<u8>) {
        out.reserve(description.text().len() + ADDED_BYTES * (1 + description.media().len()));
        let unchanged = MediaRewrite::default();
        let end = line_end(description);
        self.session(description, out);
        for (index, media) in description.media().iter().enumerate() {
            let change = self.media.get(index).unwrap_or(&unchanged);
            Section::new(self, change, description, media, end).write(out);
        }
    }

    fn session(&self, description: &SessionDescription<'_>, out: &mut Vec<u8>) {
        for line in description.session_lines() {
            match (line.letter, self.origin, self.connection) {
                (b'o', Some(origin), _) => put(out, &line, format_args!("o={origin}")),
                (b'c', _, Some(address)) => put_connection(out, &line, address),
                (b'a', _, _) if self.removes(&line) => {}
                _ => out.extend_from_slice(line.raw),
            }
        }
    }

    fn removes(&self, line: &Line<'_>) -> bool {
        let attribute = line.text().map(Attribute::parse);
        self.remove
            .zip(attribute)
            .is_some_and(|(remove, attribute)| remove(&attribute))
    }
}

/// How much longer a section usually gets, for one allocation instead of several.
const ADDED_BYTES: usize = 96;

/// One media section while it is written.
struct Section<'s, 'r> {
    rewrite: &'s Rewrite<'r>,
    change: &'s MediaRewrite<'r>,
    media: &'s Media<'s>,
    /// The payload types that go.
    dropped: u128,
    rejected: bool,
    /// Where media go in the end, when that changes.
    address: Option<IpAddr>,
    /// What the session's c-line says in the end.
    session_address: Option<IpAddr>,
    direction: Option<Direction>,
    end: &'s [u8],
}

impl<'s, 'r> Section<'s, 'r> {
    fn new(
        rewrite: &'s Rewrite<'r>,
        change: &'s MediaRewrite<'r>,
        description: &'s SessionDescription<'s>,
        media: &'s Media<'s>,
        end: &'s [u8],
    ) -> Section<'s, 'r> {
        let (dropped, none_left) = dropped_formats(media, change);
        let address = change
            .address
            .map(|address| address.ip())
            .or(rewrite.connection);
        let inherited = description.connection().map(|_| rewrite.connection);
        let session_address = match inherited {
            Some(Some(replaced)) => Some(replaced),
            Some(None) => description.connection().and_then(Connection::ip),
            None => None,
        };
        let loses_hold =
            media.is_held_by_address() && address.is_some_and(|address| !address.is_unspecified());
        let direction = change.direction.or(loses_hold.then(|| media.direction()));
        Section {
            rewrite,
            change,
            media,
            dropped: if none_left { 0 } else { dropped },
            rejected: change.reject || none_left,
            address,
            session_address,
            direction,
            end,
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        let mut connection_due = self.needs_connection();
        let mut connection_done = false;
        for line in self.media.lines() {
            // The c-line stands behind the m-line and its i-line (RFC 8866 section 5).
            if connection_due && !matches!(line.letter, b'm' | b'i') {
                self.put_own_connection(out);
                connection_due = false;
            }
            match line.letter {
                b'm' => self.put_media_line(out, &line),
                b'c' => match self.address {
                    Some(address) if !connection_done => put_connection(out, &line, address),
                    // More c-lines are layers of a multicast, which one address replaces.
                    Some(_) => {}
                    None => out.extend_from_slice(line.raw),
                },
                b'a' if self.removes(&line) => {}
                _ => out.extend_from_slice(line.raw),
            }
            connection_done |= line.letter == b'c';
        }
        if connection_due {
            self.put_own_connection(out);
        }
        self.put_added(out);
    }

    /// Whether the section needs a c-line that it did not have.
    fn needs_connection(&self) -> bool {
        let own = self.change.address.map(|address| address.ip());
        self.media.own_connection().is_none() && own.is_some() && own != self.session_address
    }

    fn put_own_connection(&self, out: &mut Vec<u8>) {
        if let Some(address) = self.address {
            end_last_line(out, self.end);
            let _ = write!(out, "c={}", ConnectionValue(address));
            out.extend_from_slice(self.end);
        }
    }

    fn put_media_line(&self, out: &mut Vec<u8>, line: &Line<'_>) {
        let port = match self.change.address {
            _ if self.rejected => Some(0),
            Some(address) if !self.media.is_rejected() => Some(address.port()),
            _ => None,
        };
        if port.is_none() && self.dropped == 0 {
            out.extend_from_slice(line.raw);
            return;
        }
        let media = self.media;
        let _ = write!(
            out,
            "m={} {}",
            media.kind.as_str(),
            port.unwrap_or(media.port)
        );
        if port.is_none() && media.port_count != 1 {
            let _ = write!(out, "/{}", media.port_count);
        }
        let _ = write!(out, " {}", media.protocol_text);
        for format in media.formats().filter(|format| !self.is_dropped(format)) {
            let _ = write!(out, " {format}");
        }
        out.extend_from_slice(line.end());
    }

    fn is_dropped(&self, format: &str) -> bool {
        let payload_type = format.parse::<u8>().ok().filter(|&number| number < 128);
        payload_type.is_some_and(|payload_type| self.dropped & (1 << payload_type) != 0)
    }

    fn removes(&self, line: &Line<'_>) -> bool {
        let Some(attribute) = line.text().map(Attribute::parse) else {
            return false;
        };
        let for_format = matches!(attribute.name, "rtpmap" | "fmtp" | "rtcp-fb");
        match attribute.name {
            "rtcp" if self.change.rtcp != RtcpRewrite::Keep => return true,
            "rtcp-mux" if self.change.rtcp != RtcpRewrite::Keep => return true,
            name if self.direction.is_some() && Direction::from_name(name).is_some() => {
                return true;
            }
            _ => {}
        }
        let format = attribute.format_and_rest().map(|(format, _)| format);
        if for_format && format.is_some_and(|format| self.is_dropped(format)) {
            return true;
        }
        self.rewrite.remove.is_some_and(|remove| remove(&attribute))
    }

    fn put_added(&self, out: &mut Vec<u8>) {
        let mut add = |attribute: core::fmt::Arguments<'_>| {
            end_last_line(out, self.end);
            let _ = write!(out, "a={attribute}");
            out.extend_from_slice(self.end);
        };
        if let Some(direction) = self.direction {
            add(format_args!("{direction}"));
        }
        match self.change.rtcp {
            RtcpRewrite::Port(port) if !self.rejected => add(format_args!("rtcp:{port}")),
            RtcpRewrite::Multiplexed if !self.rejected => add(format_args!("rtcp-mux")),
            _ => {}
        }
        for attribute in self.change.append {
            add(format_args!("{attribute}"));
        }
    }
}

/// The payload types that a change drops, and whether none is left.
fn dropped_formats(media: &Media<'_>, change: &MediaRewrite<'_>) -> (u128, bool) {
    let Some(keep) = change.keep_format.filter(|_| media.protocol.is_rtp()) else {
        return (0, false);
    };
    let mut dropped = 0u128;
    for format in media.codecs().filter(|format| !keep(format)) {
        dropped |= 1 << format.payload_type;
    }
    let left = media.formats().any(|format| {
        let payload_type = format.parse::<u8>().ok().filter(|&number| number < 128);
        payload_type.is_none_or(|payload_type| dropped & (1 << payload_type) == 0)
    });
    (dropped, !left)
}

/// The value of a c-line.
struct ConnectionValue(IpAddr);

impl core::fmt::Display for ConnectionValue {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.0 {
            IpAddr::V4(address) => write!(formatter, "IN IP4 {address}"),
            IpAddr::V6(address) => write!(formatter, "IN IP6 {address}"),
        }
    }
}

fn put(out: &mut Vec<u8>, line: &Line<'_>, content: core::fmt::Arguments<'_>) {
    let _ = out.write_fmt(content);
    out.extend_from_slice(line.end());
}

fn put_connection(out: &mut Vec<u8>, line: &Line<'_>, address: IpAddr) {
    put(out, line, format_args!("c={}", ConnectionValue(address)));
}

/// The line end that the description uses.
fn line_end<'a>(description: &SessionDescription<'a>) -> &'a [u8] {
    match Lines::new(description.text()).next() {
        Some(line) if !line.end().is_empty() => line.end(),
        _ => b"\r\n",
    }
}

/// Ends the last line when the text did not.
fn end_last_line(out: &mut Vec<u8>, end: &[u8]) {
    if !out.ends_with(b"\n") {
        out.extend_from_slice(end);
    }
}
