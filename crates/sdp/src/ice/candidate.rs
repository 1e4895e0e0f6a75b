//! A place where a party may be reached, `a=candidate` (RFC 8839 section 5.1).

use core::fmt;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::is_ice_char;
use crate::attribute::Attribute;

/// The longest value of `a=candidate` that is read.
pub const MAX_CANDIDATE_BYTES: usize = 1_024;

/// The longest foundation.
const MAX_FOUNDATION_BYTES: usize = 32;

/// The longest name of a host (RFC 1035 section 3.1).
const MAX_NAME_BYTES: usize = 253;

/// What a candidate is reached by.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CandidateTransport {
    /// `UDP`.
    Udp,
    /// `TCP` (RFC 6544).
    Tcp,
    /// Something else.
    Other(Box<str>),
}

/// An IP address, or a name that stands for it or hides it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CandidateAddress {
    /// An address.
    Ip(IpAddr),
    /// A name; one that ends in `.local` is known by multicast DNS only.
    Name(Box<str>),
}

impl CandidateAddress {
    /// Whether this is a name of multicast DNS, which hides an address from us.
    pub fn is_multicast_name(&self) -> bool {
        match self {
            CandidateAddress::Ip(_) => false,
            CandidateAddress::Name(name) => {
                let suffix = name.len().checked_sub(LOCAL.len());
                suffix.is_some_and(|start| {
                    name.get(start..)
                        .is_some_and(|end| end.eq_ignore_ascii_case(LOCAL))
                })
            }
        }
    }

    fn parse(text: &str) -> Option<CandidateAddress> {
        if let Ok(ip) = text.parse() {
            return Some(CandidateAddress::Ip(ip));
        }
        let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        let lettered = text.bytes().any(|byte| byte.is_ascii_alphabetic());
        let fits = text.len() <= MAX_NAME_BYTES && lettered && text.bytes().all(known);
        fits.then(|| CandidateAddress::Name(text.into()))
    }
}

const LOCAL: &str = ".local";

impl fmt::Display for CandidateAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CandidateAddress::Ip(ip) => write!(formatter, "{ip}"),
            CandidateAddress::Name(name) => formatter.write_str(name),
        }
    }
}

/// How a candidate was found (RFC 8445 section 5.1.1).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CandidateKind {
    /// `host`: an address of the party itself.
    Host,
    /// `srflx`: what a STUN server saw.
    ServerReflexive,
    /// `prflx`: what a check saw.
    PeerReflexive,
    /// `relay`: a TURN server's.
    Relayed,
    /// Something else.
    Other(Box<str>),
}

impl CandidateKind {
    /// As it is written.
    pub const fn as_str(&self) -> &str {
        match self {
            CandidateKind::Host => "host",
            CandidateKind::ServerReflexive => "srflx",
            CandidateKind::PeerReflexive => "prflx",
            CandidateKind::Relayed => "relay",
            CandidateKind::Other(other) => other,
        }
    }

    fn from_text(text: &str) -> CandidateKind {
        match text {
            "host" => CandidateKind::Host,
            "srflx" => CandidateKind::ServerReflexive,
            "prflx" => CandidateKind::PeerReflexive,
            "relay" => CandidateKind::Relayed,
            other => CandidateKind::Other(other.into()),
        }
    }
}

/// Who connects to a TCP candidate (RFC 6544 section 4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TcpType {
    /// The writer connects.
    Active,
    /// The reader connects.
    Passive,
    /// Both connect at once.
    SimultaneousOpen,
}

/// A place where the writer may be reached.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Candidate {
    /// The same for candidates of the same kind, base and server.
    pub foundation: Box<str>,
    /// 1 is RTP, 2 is RTCP; at most 256.
    pub component: u16,
    /// What it is reached by.
    pub transport: CandidateTransport,
    /// The higher, the sooner it is tried.
    pub priority: u32,
    /// Where.
    pub address: CandidateAddress,
    /// The port.
    pub port: u16,
    /// How it was found.
    pub kind: CandidateKind,
    /// The address behind it, `raddr` and `rport`.
    pub related: Option<(CandidateAddress, u16)>,
    /// What else is said, names and values in turn, with one space between them; empty: nothing.
    pub extensions: Box<str>,
}

impl Candidate {
    /// An address of our own for UDP.
    pub fn host(foundation: &str, component: u16, priority: u32, address: SocketAddr) -> Candidate {
        Candidate {
            foundation: foundation.into(),
            component,
            transport: CandidateTransport::Udp,
            priority,
            address: CandidateAddress::Ip(address.ip()),
            port: address.port(),
            kind: CandidateKind::Host,
            related: None,
            extensions: Box::default(),
        }
    }

    /// Reads `candidate:`.
    pub fn parse(attribute: &Attribute<'_>) -> Option<Candidate> {
        let value = Some(attribute.value_text()).filter(|_| attribute.name == "candidate");
        value.and_then(Candidate::from_text)
    }

    /// Reads the value of the attribute.
    fn from_text(text: &str) -> Option<Candidate> {
        if text.len() > MAX_CANDIDATE_BYTES {
            return None;
        }
        let mut words = text.split_ascii_whitespace();
        let mut candidate = Candidate {
            foundation: words.next().filter(|word| is_foundation(word))?.into(),
            component: words.next()?.parse().ok().filter(|&c| is_component(c))?,
            transport: transport_of(words.next()?),
            priority: words.next()?.parse().ok()?,
            address: CandidateAddress::parse(words.next()?)?,
            port: words.next()?.parse().ok()?,
            kind: match words.next()? {
                "typ" => CandidateKind::from_text(words.next()?),
                _ => return None,
            },
            related: None,
            extensions: Box::default(),
        };
        candidate.take_extensions(words)?;
        Some(candidate)
    }

    fn take_extensions<'t>(&mut self, mut words: impl Iterator<Item = &'t str>) -> Option<()> {
        let (mut address, mut port) = (None, None);
        let mut extensions = String::new();
        // The value of the last extension may be empty, and then says nothing.
        while let (Some(name), Some(value)) = (words.next(), words.next()) {
            match name {
                "raddr" => address = Some(CandidateAddress::parse(value)?),
                "rport" => port = Some(value.parse().ok()?),
                _ => {
                    let separator = if extensions.is_empty() { "" } else { " " };
                    extensions.extend([separator, name, " ", value]);
                }
            }
        }
        self.related = address.zip(port);
        self.extensions = extensions.into_boxed_str();
        Some(())
    }

    /// Where it is, unless that is a name.
    pub const fn socket_address(&self) -> Option<SocketAddr> {
        match &self.address {
            CandidateAddress::Ip(ip) => Some(SocketAddr::new(*ip, self.port)),
            CandidateAddress::Name(_) => None,
        }
    }

    /// The value of an extension.
    pub fn extension(&self, name: &str) -> Option<&str> {
        let mut words = self.extensions.split_ascii_whitespace();
        while let (Some(known), Some(value)) = (words.next(), words.next()) {
            if known == name {
                return Some(value);
            }
        }
        None
    }

    /// `tcptype`.
    pub fn tcp_type(&self) -> Option<TcpType> {
        match self.extension("tcptype")? {
            "active" => Some(TcpType::Active),
            "passive" => Some(TcpType::Passive),
            "so" => Some(TcpType::SimultaneousOpen),
            _ => None,
        }
    }

    /// `generation`: rises with every restart; browsers write it.
    pub fn generation(&self) -> Option<u32> {
        self.extension("generation")?.parse().ok()
    }
}

/// The value of the attribute.
impl fmt::Display for Candidate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let transport = match &self.transport {
            CandidateTransport::Udp => "UDP",
            CandidateTransport::Tcp => "TCP",
            CandidateTransport::Other(other) => other,
        };
        write!(
            formatter,
            "{} {} {transport} {} {} {} typ {}",
            self.foundation,
            self.component,
            self.priority,
            self.address,
            self.port,
            self.kind.as_str()
        )?;
        if let Some((address, port)) = &self.related {
            write!(formatter, " raddr {address} rport {port}")?;
        }
        match &*self.extensions {
            "" => Ok(()),
            extensions => write!(formatter, " {extensions}"),
        }
    }
}

fn is_foundation(text: &str) -> bool {
    text.len() <= MAX_FOUNDATION_BYTES && text.bytes().all(is_ice_char)
}

fn is_component(number: u16) -> bool {
    (1..=256).contains(&number)
}

fn transport_of(text: &str) -> CandidateTransport {
    if text.eq_ignore_ascii_case("udp") {
        CandidateTransport::Udp
    } else if text.eq_ignore_ascii_case("tcp") {
        CandidateTransport::Tcp
    } else {
        CandidateTransport::Other(text.into())
    }
}
