//! `Via` (RFC 3261 section 20.42, RFC 3581).

use core::fmt;
use std::net::IpAddr;

use super::{Malformed, Params};
use crate::text;
use crate::transport::Transport;
use crate::uri::{Host, split_host_port};

/// What a branch of RFC 3261 starts with; others come from RFC 2543 (section 8.1.1.7).
pub const MAGIC_COOKIE: &str = "z9hG4bK";

/// One hop that a request took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Via<'a> {
    transport: &'a str,
    host: Host<'a>,
    sent_by: &'a str,
    port: Option<u16>,
    params: Params<'a>,
}

impl<'a> Via<'a> {
    /// Reads one element of a Via field.
    ///
    /// # Errors
    /// When it does not follow the grammar, or is not SIP 2.0.
    pub fn parse(element: &'a str) -> Result<Via<'a>, Malformed> {
        Self::parse_inner(element).ok_or(Malformed("Via"))
    }

    fn parse_inner(element: &'a str) -> Option<Via<'a>> {
        let (name, rest) = text::split_once(element, b'/')?;
        let (version, rest) = text::split_once(rest, b'/')?;
        if !text::trim(name).eq_ignore_ascii_case("SIP") || text::trim(version) != "2.0" {
            return None;
        }
        let rest = text::trim_start(rest);
        let transport_length = rest
            .bytes()
            .take_while(|byte| text::is_token_byte(*byte))
            .count();
        let (transport, rest) = text::split_at(rest, transport_length);
        if transport.is_empty() || !rest.bytes().next().is_some_and(text::is_white) {
            return None;
        }
        let rest = text::trim(rest);
        let (sent_by, params) = text::split_params(rest);
        let sent_by = text::trim(sent_by);
        let (host, port) = split_host_port(sent_by)?;
        let params = Params::new(params);
        if !params.are_well_formed() {
            return None;
        }
        Some(Via {
            transport,
            host,
            sent_by,
            port,
            params,
        })
    }

    /// The transport as it stands, for example `UDP` or `SCTP`.
    pub fn transport_name(&self) -> &'a str {
        self.transport
    }

    /// The transport, when it is one that is known here.
    pub fn transport(&self) -> Option<Transport> {
        self.transport.parse().ok()
    }

    /// Host and port as they stand.
    pub fn sent_by(&self) -> &'a str {
        self.sent_by
    }

    /// Where the sender says that it is.
    pub fn host(&self) -> Host<'a> {
        self.host
    }

    /// The port that the sender says it listens on.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// All parameters.
    pub fn params(&self) -> Params<'a> {
        self.params
    }

    /// Names the transaction (RFC 3261 section 8.1.1.7); empty text does not count.
    pub fn branch(&self) -> Option<&'a str> {
        self.params
            .get("branch")
            .filter(|branch| !branch.is_empty())
    }

    /// Whether the branch names the transaction alone, as RFC 3261 has it: it starts with the magic
    /// cookie and goes on after it.
    pub fn branch_is_unique(&self) -> bool {
        self.branch().is_some_and(|branch| {
            branch.len() > MAGIC_COOKIE.len()
                && branch
                    .get(..MAGIC_COOKIE.len())
                    .is_some_and(|start| start.eq_ignore_ascii_case(MAGIC_COOKIE))
        })
    }

    /// Where the message really came from (RFC 3261 section 18.2.1); brackets around an IPv6
    /// address are optional here (RFC 5118 section 4.5).
    pub fn received(&self) -> Option<IpAddr> {
        let address = self.params.get("received")?;
        let bare = address
            .strip_prefix('[')
            .and_then(|inner| inner.strip_suffix(']'));
        bare.unwrap_or(address).parse().ok()
    }

    /// Whether the response is asked for at the port that the request came from (RFC 3581).
    pub fn wants_rport(&self) -> bool {
        self.params.has("rport")
    }

    /// The port that the request came from, once the server has filled it in (RFC 3581).
    pub fn rport(&self) -> Option<u16> {
        text::number(self.params.get("rport")?)
    }

    /// Where responses must not go by address but by `maddr` (RFC 3261 section 18.1.1).
    pub fn maddr(&self) -> Option<&'a str> {
        self.params.get("maddr")
    }
}

impl fmt::Display for Via<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "SIP/2.0/{} {}{}",
            self.transport,
            self.sent_by,
            self.params.as_str()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_via_is_read_with_white_space_in_odd_places() {
        let via =
            Via::parse("SIP  / 2.0\r\n /UDP\r\n    192.0.2.2:5070 ; branch = z9hG4bKx;rport=9");
        let via = via.unwrap();
        assert_eq!(via.transport(), Some(Transport::Udp));
        assert_eq!(via.host().ip(), Some("192.0.2.2".parse().unwrap()));
        assert_eq!(
            (via.port(), via.branch(), via.rport()),
            (Some(5070), Some("z9hG4bKx"), Some(9))
        );
        assert!(via.branch_is_unique());
    }

    #[test]
    fn ipv6_is_read_with_and_without_brackets_in_received() {
        for received in ["[2001:db8::9:255]", "2001:db8::9:255"] {
            let text = format!("SIP/2.0/TCP [2001:db8::9:1]:6050;received={received}");
            let via = Via::parse(&text).unwrap();
            assert_eq!(via.host().ip(), Some("2001:db8::9:1".parse().unwrap()));
            assert_eq!(via.received(), Some("2001:db8::9:255".parse().unwrap()));
            assert_eq!(via.to_string(), text);
        }
    }

    #[test]
    fn via_uri_crash() {
        for text in [
            "",
            "/",
            "//",
            "SIP/2.0/",
            "SIP/2.0/UDP",
            "SIP/2.0/UDP ",
            "SIP/2.0/UDP ;x",
            "SIP/2.0/UDP :5060",
            "SIP/2.0/UDP a:b",
            "SIP/2.0/UDP a:65536",
            "SIP/2.0/UDP [::1",
            "SIP/2.0/UDP ]",
            "SIP/3.0/UDP a",
            "SIP/2.0/UDP a;;",
            "SIP/2.0/UDP a;branch=\"",
            "SIP/2.0/UDPa",
            "SIP/2.0/UDP a b",
            "SIP/2.0/UDP []:1",
            "SIP/2.0/UDP \u{e9}",
        ] {
            assert_eq!(Via::parse(text), Err(Malformed("Via")), "{text}");
        }
    }

    #[test]
    fn a_branch_of_the_cookie_alone_is_not_unique() {
        assert!(
            !Via::parse("SIP/2.0/UDP a;branch=z9hG4bK")
                .unwrap()
                .branch_is_unique()
        );
        assert!(
            !Via::parse("SIP/2.0/UDP a;branch=1")
                .unwrap()
                .branch_is_unique()
        );
        assert!(!Via::parse("SIP/2.0/UDP a").unwrap().branch_is_unique());
    }
}
