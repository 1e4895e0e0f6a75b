//! Changing chosen lines of a description and no other byte, for a back-to-back user agent.

mod section;

use std::io::Write;
use std::net::{IpAddr, SocketAddr};

use self::section::Section;
use crate::attribute::{Attribute, Direction, Group};
use crate::bundle::names;
use crate::description::SessionDescription;
use crate::extmap::is_mid_extension;
use crate::format::Format;
use crate::line::{Line, Lines};
use crate::origin::OwnOrigin;
use crate::renumber::PayloadMap;
use crate::transport::{TransportDescription, is_of_browsers, is_transport, put_session};

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
    /// What happens to `a=rtcp` and `a=rtcp-mux`, without [`MediaRewrite::transport`].
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
    /// How the section is transported between us and the reader, instead of how its writer does it.
    ///
    /// With one in any section, all that the writer says about its transport goes from the session
    /// and from every section: keys (also the old `k=` line), ICE, bundle, `mid`, RTCP, and the
    /// capability negotiation that offers more of it. `rtcp-fb` stays for a reader whose profile has feedback; for any other one
    /// its lines become one for each kind, with `*`, which phones read beside a profile without it.
    /// Lines about sources and header extensions, and feedback that needs one (`transport-cc`), stay
    /// for a reader that [is WebRTC](TransportDescription::is_webrtc), but for the extension with the
    /// `mid`. The m-line gets the profile, and the section and the
    /// session get the lines, of this one. In a section that is rejected only `mid` is written.
    /// [`MediaRewrite::rtcp`] has no effect beside it.
    pub transport: Option<&'r TransportDescription>,
    /// Turns the numbers of an answer into those of the offer, wherever they stand; formats that the
    /// offerer has no number for go. When none is left, the section is rejected.
    pub renumber: Option<&'r PayloadMap>,
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
        self.session(description, end, out);
        for (index, media) in description.media().iter().enumerate() {
            let change = self.media.get(index).unwrap_or(&unchanged);
            Section::new(self, change, description, media, end).write(out);
        }
    }

    fn session(&self, description: &SessionDescription<'_>, end: &[u8], out: &mut Vec<u8>) {
        let replaced = self.replaces_transports().then(|| names(description));
        for line in description.session_lines() {
            match (line.letter, self.origin, self.connection) {
                (b'o', Some(origin), _) => put(out, &line, format_args!("o={origin}")),
                (b'c', _, Some(address)) => put_connection(out, &line, address),
                (b'k', _, _) if replaced.is_some() => {}
                (b'a', _, _) if self.removes(&line) => {}
                (b'a', _, _) if replaced.is_some_and(|names| self.ends(&line, &names)) => {}
                _ => out.extend_from_slice(line.raw),
            }
        }
        if replaced.is_some() {
            let sections: Vec<_> = (0..description.media().len())
                .map(|place| self.media.get(place).filter(|change| !change.reject))
                .map(|change| change.and_then(|change| change.transport))
                .collect();
            put_session(&sections, &mut |attribute| put_added(out, end, attribute));
        }
    }

    /// Whether what the writer says about its transports is replaced.
    fn replaces_transports(&self) -> bool {
        self.media.iter().any(|change| change.transport.is_some())
    }

    /// Whether a line of the session ends with the transports of its writer.
    fn ends(&self, line: &Line<'_>, names: &[Option<&str>]) -> bool {
        let Some(attribute) = line.text().map(Attribute::parse) else {
            return false;
        };
        let mut own = self.media.iter().filter_map(|change| change.transport);
        is_transport(&attribute)
            || is_mid_extension(&attribute)
            || is_of_browsers(&attribute) && !own.any(TransportDescription::is_webrtc)
            || Group::parse(&attribute).is_some_and(|group| !self.names_stay(&group, names))
    }

    /// Whether the sections of a group have the same names for the reader.
    fn names_stay(&self, group: &Group<'_>, names: &[Option<&str>]) -> bool {
        group.members().all(|member| {
            let place = names.iter().position(|name| *name == Some(member));
            let change = place.and_then(|place| self.media.get(place));
            let own = change.and_then(|change| change.transport);
            own.is_some_and(|own| own.mid.as_deref() == Some(member))
        })
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

/// Adds an attribute behind the last line.
fn put_added(out: &mut Vec<u8>, end: &[u8], attribute: core::fmt::Arguments<'_>) {
    end_last_line(out, end);
    let _ = write!(out, "a={attribute}");
    out.extend_from_slice(end);
}
