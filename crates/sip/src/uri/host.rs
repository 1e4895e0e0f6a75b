//! The host of a URI or a Via: a name or an address (RFC 3261 section 25.1, RFC 5954).

use core::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::text;

/// A host as it stands in a message.
#[derive(Clone, Copy, Debug, Eq)]
pub enum Host<'a> {
    /// To be looked up.
    Name(&'a str),
    /// Four numbers.
    V4(Ipv4Addr),
    /// In brackets.
    V6(Ipv6Addr),
}

impl<'a> Host<'a> {
    /// Reads a host; an IPv6 address stands in brackets.
    ///
    /// A zone index (`%eth0`) belongs to one machine only and is refused.
    pub fn parse(text: &'a str) -> Option<Host<'a>> {
        if let Some(inner) = text.strip_prefix('[') {
            return parse_v6(inner.strip_suffix(']')?).map(Host::V6);
        }
        if !text::is_host_name(text) {
            return None;
        }
        if text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.')
        {
            return text.parse().ok().map(Host::V4);
        }
        Some(Host::Name(text))
    }

    /// The address, when it is one.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Host::Name(_) => None,
            Host::V4(address) => Some(IpAddr::V4(*address)),
            Host::V6(address) => Some(IpAddr::V6(*address)),
        }
    }

    /// The name, when it is one.
    pub fn name(&self) -> Option<&'a str> {
        match self {
            Host::Name(name) => Some(name),
            Host::V4(_) | Host::V6(_) => None,
        }
    }
}

/// The grammar of RFC 3261 makes three colons before an embedded IPv4 address, and they must be
/// read as the two that were meant (RFC 5118 section 4.10).
fn parse_v6(text: &str) -> Option<Ipv6Addr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    let (groups, embedded) = text.split_once(":::")?;
    let embedded: Ipv4Addr = embedded.parse().ok()?;
    format!("{groups}::{embedded}").parse().ok()
}

impl From<IpAddr> for Host<'static> {
    fn from(address: IpAddr) -> Host<'static> {
        match address {
            IpAddr::V4(address) => Host::V4(address),
            IpAddr::V6(address) => Host::V6(address),
        }
    }
}

/// Names without regard to case and to a dot at their end; addresses by their value.
impl<'b> PartialEq<Host<'b>> for Host<'_> {
    fn eq(&self, other: &Host<'b>) -> bool {
        match (self, other) {
            (Host::Name(one), Host::Name(other)) => {
                let rooted = |name: &str| name.strip_suffix('.').unwrap_or(name).len();
                let (one, _) = text::split_at(one, rooted(one));
                let (other, _) = text::split_at(other, rooted(other));
                one.eq_ignore_ascii_case(other)
            }
            (Host::V4(one), Host::V4(other)) => one == other,
            (Host::V6(one), Host::V6(other)) => one == other,
            _ => false,
        }
    }
}

impl fmt::Display for Host<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => formatter.write_str(name),
            Host::V4(address) => write!(formatter, "{address}"),
            Host::V6(address) => write!(formatter, "[{address}]"),
        }
    }
}

/// Splits `host` or `host:port`; white space around the colon is allowed, as Via has it.
pub(crate) fn split_host_port(text: &str) -> Option<(Host<'_>, Option<u16>)> {
    let host_end = if text.starts_with('[') {
        memchr::memchr(b']', text.as_bytes())? + 1
    } else {
        memchr::memchr(b':', text.as_bytes()).unwrap_or(text.len())
    };
    let (host, rest) = text::split_at(text, host_end);
    let host = Host::parse(text::trim(host))?;
    let rest = text::trim(rest);
    if rest.is_empty() {
        return Some((host, None));
    }
    let port = text::number(text::trim(rest.strip_prefix(':')?))?;
    Some((host, Some(port)))
}
