//! Attributes (RFC 8866 section 5.13) and those that are understood here, each by its own RFC.

use core::fmt;
use serde::{Deserialize, Serialize};

use crate::description::Connection;
use crate::line::Lines;

/// An a-line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// What stands before the colon, as it is written.
    pub name: &'a str,
    /// What stands behind it; `None` without a colon.
    pub value: Option<&'a str>,
}

impl<'a> Attribute<'a> {
    pub(crate) fn parse(text: &'a str) -> Attribute<'a> {
        match text.split_once(':') {
            Some((name, value)) => Attribute {
                name: name.trim_ascii(),
                value: Some(value),
            },
            None => Attribute {
                name: text.trim_ascii(),
                value: None,
            },
        }
    }

    /// The value with white space at its ends taken off; empty without one.
    pub fn value_text(&self) -> &'a str {
        self.value.unwrap_or_default().trim_ascii()
    }

    /// The payload type a value begins with, as in `rtpmap`, `fmtp` and `rtcp-fb`, and what
    /// follows; the type is text, since `*` stands there too.
    pub fn format_and_rest(&self) -> Option<(&'a str, &'a str)> {
        let value = self.value_text();
        let (format, rest) = value.split_once([' ', '\t']).unwrap_or((value, ""));
        (!format.is_empty()).then_some((format, rest.trim_ascii()))
    }

    /// Whether it belongs to connectivity establishment (RFC 8839): without its own party it has
    /// no use and tells addresses.
    pub fn is_ice(&self) -> bool {
        matches!(
            self.name,
            "candidate"
                | "remote-candidates"
                | "end-of-candidates"
                | "ice-ufrag"
                | "ice-pwd"
                | "ice-options"
                | "ice-lite"
                | "ice-mismatch"
                | "ice-pacing"
        )
    }

    /// Whether it makes sections share one port (RFC 9143), which a relay with a port for each
    /// section undoes.
    pub fn is_bundle(&self) -> bool {
        self.name == "bundle-only"
            || self.name == "group" && self.value_text().starts_with("BUNDLE")
    }

    /// Whether it is about keys of protected media (RFC 4567, RFC 4568, RFC 8122, RFC 8842).
    pub fn is_security(&self) -> bool {
        matches!(
            self.name,
            "crypto" | "fingerprint" | "setup" | "connection" | "tls-id" | "dtls-id" | "key-mgmt"
        )
    }
}

/// Goes through the attributes of a section. Lines that are not UTF-8 are passed over.
#[derive(Clone, Debug)]
pub struct Attributes<'a> {
    lines: Lines<'a>,
}

impl<'a> Attributes<'a> {
    pub(crate) const fn new(section: &'a [u8]) -> Attributes<'a> {
        Attributes {
            lines: Lines::new(section),
        }
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Attribute<'a>;

    fn next(&mut self) -> Option<Attribute<'a>> {
        self.lines
            .by_ref()
            .filter(|line| line.letter == b'a')
            .find_map(|line| line.text())
            .map(Attribute::parse)
    }
}

/// Which way media flow, seen from the one who wrote it (RFC 3264 section 5.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Direction {
    /// Both ways.
    #[default]
    SendRecv,
    /// The writer sends only.
    SendOnly,
    /// The writer receives only.
    RecvOnly,
    /// Neither way.
    Inactive,
}

impl Direction {
    /// From what each way is allowed to be.
    pub const fn new(sends: bool, receives: bool) -> Direction {
        match (sends, receives) {
            (true, true) => Direction::SendRecv,
            (true, false) => Direction::SendOnly,
            (false, true) => Direction::RecvOnly,
            (false, false) => Direction::Inactive,
        }
    }

    /// Whether the writer sends.
    pub const fn sends(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::SendOnly)
    }

    /// Whether the writer receives.
    pub const fn receives(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::RecvOnly)
    }

    /// The same seen from the other side.
    #[must_use]
    pub const fn reversed(self) -> Direction {
        Direction::new(self.receives(), self.sends())
    }

    /// What both allow.
    #[must_use]
    pub const fn and(self, other: Direction) -> Direction {
        Direction::new(
            self.sends() && other.sends(),
            self.receives() && other.receives(),
        )
    }

    /// The attribute's name.
    pub const fn name(self) -> &'static str {
        match self {
            Direction::SendRecv => "sendrecv",
            Direction::SendOnly => "sendonly",
            Direction::RecvOnly => "recvonly",
            Direction::Inactive => "inactive",
        }
    }

    /// The direction an attribute's name means.
    pub fn from_name(name: &str) -> Option<Direction> {
        match name {
            "sendrecv" => Some(Direction::SendRecv),
            "sendonly" => Some(Direction::SendOnly),
            "recvonly" => Some(Direction::RecvOnly),
            "inactive" => Some(Direction::Inactive),
            _ => None,
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

pub(crate) fn direction_of(attributes: Attributes<'_>) -> Option<Direction> {
    attributes
        .filter_map(|attribute| Direction::from_name(attribute.name))
        .next()
}

/// Where RTCP goes when not to the next port (RFC 3605).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtcpAttribute<'a> {
    /// The port.
    pub port: u16,
    /// The address, when it is another.
    pub connection: Option<Connection<'a>>,
}

impl<'a> RtcpAttribute<'a> {
    /// Reads `rtcp:`.
    pub fn parse(attribute: &Attribute<'a>) -> Option<RtcpAttribute<'a>> {
        if attribute.name != "rtcp" {
            return None;
        }
        let (port, rest) = attribute.format_and_rest()?;
        let connection = match rest {
            "" => None,
            rest => Some(Connection::parse(rest)?),
        };
        Some(RtcpAttribute {
            port: port.parse().ok()?,
            connection,
        })
    }
}

/// Media sections that belong together (RFC 5888 section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group<'a> {
    /// `BUNDLE`, `LS`, `FID`.
    pub semantics: &'a str,
    members: &'a str,
}

impl<'a> Group<'a> {
    /// Reads `group:`.
    pub fn parse(attribute: &Attribute<'a>) -> Option<Group<'a>> {
        if attribute.name != "group" {
            return None;
        }
        let (semantics, members) = attribute.format_and_rest()?;
        Some(Group { semantics, members })
    }

    /// The `mid` of each section in it.
    pub fn members(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.members.split_ascii_whitespace()
    }
}
