//! The view of a whole description: session lines, then media sections.

use core::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::attribute::{Attribute, Attributes, Direction, Group, direction_of};
use crate::line::{Line, Lines};
use crate::media::Media;
use crate::{MAX_BYTES, MAX_LINES, MAX_MEDIA, ParseError};

/// Who made the description (RFC 8866 section 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin<'a> {
    /// The user's name on the host, or `-`.
    pub username: &'a str,
    /// With the rest of the line unique in the world; a number, but some write more digits than
    /// a number of 64 bits has.
    pub session_id: &'a str,
    /// Rises by one when the description changes (RFC 3264 section 8).
    pub session_version: &'a str,
    /// `IN`.
    pub network: &'a str,
    /// `IP4` or `IP6`.
    pub address_type: &'a str,
    /// An address or a name.
    pub address: &'a str,
}

impl<'a> Origin<'a> {
    pub(crate) fn parse(text: &'a str) -> Option<Origin<'a>> {
        let mut words = text.split_ascii_whitespace();
        let origin = Origin {
            username: words.next()?,
            session_id: words.next()?,
            session_version: words.next()?,
            network: words.next()?,
            address_type: words.next()?,
            address: words.next()?,
        };
        words.next().is_none().then_some(origin)
    }

    /// The version as a number, when it is one of 64 bits.
    pub fn version(&self) -> Option<u64> {
        self.session_version.parse().ok()
    }
}

impl fmt::Display for Origin<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} {} {} {} {} {}",
            self.username,
            self.session_id,
            self.session_version,
            self.network,
            self.address_type,
            self.address
        )
    }
}

/// Where media are to be sent (RFC 8866 section 5.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connection<'a> {
    /// `IN`.
    pub network: &'a str,
    /// `IP4` or `IP6`.
    pub address_type: &'a str,
    /// An address, perhaps with the TTL of a multicast behind a slash, or a name.
    pub address: &'a str,
}

impl<'a> Connection<'a> {
    /// The value of a c-line.
    ///
    /// An address that begins like a number but is none is no connection; a name is kept.
    pub(crate) fn parse(text: &'a str) -> Option<Connection<'a>> {
        let mut words = text.split_ascii_whitespace();
        let connection = Connection {
            network: words.next()?,
            address_type: words.next()?,
            address: words.next()?,
        };
        let whole = words.next().is_none();
        let numeric = match connection.address_type {
            "IP4" => connection
                .host()
                .bytes()
                .all(|b| b.is_ascii_digit() || b == b'.'),
            "IP6" => connection.host().contains(':'),
            _ => false,
        };
        (whole && (!numeric || connection.ip().is_some())).then_some(connection)
    }

    /// The address without what stands behind a slash.
    fn host(&self) -> &'a str {
        self.address.split('/').next().unwrap_or(self.address)
    }

    /// The IP address, unless a name or another network is written there.
    pub fn ip(&self) -> Option<IpAddr> {
        match self.address_type {
            "IP4" => self.host().parse::<Ipv4Addr>().ok().map(IpAddr::V4),
            "IP6" => self.host().parse::<Ipv6Addr>().ok().map(IpAddr::V6),
            _ => None,
        }
    }

    /// Whether this is `0.0.0.0` or `::`: hold as RFC 2543 had it (RFC 3264 section 8.4).
    pub fn is_unspecified(&self) -> bool {
        self.ip().is_some_and(|ip| ip.is_unspecified())
    }
}

/// A description as it came, seen through its structure.
#[derive(Clone, Debug)]
pub struct SessionDescription<'a> {
    text: &'a [u8],
    session: &'a [u8],
    origin: Origin<'a>,
    connection: Option<Connection<'a>>,
    media: Vec<Media<'a>>,
}

impl<'a> SessionDescription<'a> {
    /// Reads a description.
    ///
    /// Lenient where phones are known to differ: line ends may be LF alone, `s=` and `t=` may be
    /// missing, unknown lines and empty lines are kept. Strict about what is acted on: version,
    /// origin, connections, m-lines.
    ///
    /// # Errors
    /// [`ParseError`] with the line and the reason.
    pub fn parse(text: &'a [u8]) -> Result<SessionDescription<'a>, ParseError> {
        if text.len() > MAX_BYTES {
            return Err(ParseError::TooLong { bytes: text.len() });
        }
        let mut parser = Parser::new(text);
        while let Some((number, line)) = parser.next_line()? {
            parser.take(number, line)?;
        }
        parser.finish()
    }

    /// The whole text.
    pub const fn text(&self) -> &'a [u8] {
        self.text
    }

    /// The o-line.
    pub const fn origin(&self) -> &Origin<'a> {
        &self.origin
    }

    /// The c-line of the session.
    pub const fn connection(&self) -> Option<&Connection<'a>> {
        self.connection.as_ref()
    }

    /// The media sections in their order.
    pub fn media(&self) -> &[Media<'a>] {
        &self.media
    }

    /// The lines before the first m-line.
    pub const fn session_lines(&self) -> Lines<'a> {
        Lines::new(self.session)
    }

    /// The session name; `None` when the s-line is missing or not UTF-8.
    pub fn session_name(&self) -> Option<&'a str> {
        self.session_lines()
            .find(|line| line.letter == b's')
            .and_then(|line| line.text())
    }

    /// The attributes of the session.
    pub const fn attributes(&self) -> Attributes<'a> {
        Attributes::new(self.session)
    }

    /// The first attribute of the session with this name.
    pub fn attribute(&self, name: &str) -> Option<Attribute<'a>> {
        self.attributes().find(|attribute| attribute.name == name)
    }

    /// The direction that holds where a media section has none.
    pub fn direction(&self) -> Option<Direction> {
        direction_of(self.attributes())
    }

    /// Groups of media sections (RFC 5888).
    pub fn groups(&self) -> impl Iterator<Item = Group<'a>> + use<'a> {
        self.attributes()
            .filter_map(|attribute| Group::parse(&attribute))
    }
}

/// What has been read of a description so far.
struct Parser<'a> {
    text: &'a [u8],
    lines: Lines<'a>,
    number: usize,
    session: Option<&'a [u8]>,
    begun: bool,
    origin: Option<Origin<'a>>,
    connection: Option<Connection<'a>>,
    media: Vec<Media<'a>>,
    section_start: usize,
}

impl<'a> Parser<'a> {
    fn new(text: &'a [u8]) -> Parser<'a> {
        Parser {
            text,
            lines: Lines::new(text),
            number: 0,
            session: None,
            begun: false,
            origin: None,
            connection: None,
            media: Vec::new(),
            section_start: 0,
        }
    }

    fn next_line(&mut self) -> Result<Option<(usize, Line<'a>)>, ParseError> {
        let number = self.number + 1;
        let Some(line) = self.lines.next_checked(number) else {
            return Ok(None);
        };
        if number > MAX_LINES {
            return Err(ParseError::TooManyLines);
        }
        self.number = number;
        Ok(Some((number, line?)))
    }

    fn take(&mut self, number: usize, line: Line<'a>) -> Result<(), ParseError> {
        match line.letter {
            0 => {}
            _ if !self.begun => {
                if line.letter != b'v' || line.value.trim_ascii() != b"0" {
                    return Err(ParseError::Version { line: number });
                }
                self.begun = true;
            }
            b'o' if self.media.is_empty() => {
                if self.origin.is_some() {
                    return Err(ParseError::Repeated {
                        line: number,
                        letter: 'o',
                    });
                }
                let origin = line.text().and_then(Origin::parse);
                self.origin = Some(origin.ok_or(ParseError::Origin { line: number })?);
            }
            b'c' => self.take_connection(number, line)?,
            b'm' => self.begin_media(number, line)?,
            _ => {}
        }
        Ok(())
    }

    fn take_connection(&mut self, number: usize, line: Line<'a>) -> Result<(), ParseError> {
        let connection = line
            .text()
            .and_then(Connection::parse)
            .ok_or(ParseError::Connection { line: number })?;
        match self.media.last_mut() {
            // A section may have several c-lines (multicast layers); the first one counts.
            Some(media) => media.connection = media.connection.or(Some(connection)),
            None if self.connection.is_some() => {
                return Err(ParseError::Repeated {
                    line: number,
                    letter: 'c',
                });
            }
            None => self.connection = Some(connection),
        }
        Ok(())
    }

    fn begin_media(&mut self, number: usize, line: Line<'a>) -> Result<(), ParseError> {
        if self.media.len() == MAX_MEDIA {
            return Err(ParseError::TooManyMedia { line: number });
        }
        let end = self.text.len() - self.lines.rest().len();
        self.close_section(end - line.raw.len());
        self.section_start = end - line.raw.len();
        let media = Media::parse(number, &line)?;
        self.media.push(media);
        Ok(())
    }

    /// Gives the section that ends before byte `end` its text.
    fn close_section(&mut self, end: usize) {
        let section = self.text.get(self.section_start..end).unwrap_or_default();
        match self.media.last_mut() {
            Some(media) => media.section = section,
            None => self.session = Some(section),
        }
    }

    fn finish(mut self) -> Result<SessionDescription<'a>, ParseError> {
        if !self.begun {
            return Err(ParseError::Version { line: 1 });
        }
        self.close_section(self.text.len());
        let attributes = Attributes::new(self.session.unwrap_or_default());
        let defers_address = attributes
            .clone()
            .any(|attribute| attribute.name == "ice-ufrag" || attribute.is_bundle());
        let direction = direction_of(attributes);
        for media in &mut self.media {
            media.inherit(self.connection, direction, defers_address);
        }
        Ok(SessionDescription {
            text: self.text,
            session: self.session.unwrap_or_default(),
            origin: self.origin.ok_or(ParseError::NoOrigin)?,
            connection: self.connection,
            media: self.media,
        })
    }
}
