//! Whom to call and through which server, as a person writes it. No name is looked up here.

use core::fmt;
use core::fmt::Write as _;
use core::str::FromStr;
use std::net::IpAddr;

use fernamt_sip::transport::Transport;
use fernamt_sip::uri::{Scheme, Uri};

/// Where requests are sent: the exchange, or the other phone itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerAddress {
    /// A name, or an address without brackets.
    pub host: Box<str>,
    /// `None`: the usual one of the transport.
    pub port: Option<u16>,
    /// How.
    pub transport: Transport,
}

/// Who is called, and where the request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The request URI.
    pub uri: Box<str>,
    /// Where it is sent.
    pub server: ServerAddress,
}

/// The text does not say whom to call or where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not a SIP URI.
    #[error("`{text}` is no SIP address ({reason}); write it like sip:anna@192.0.2.10")]
    NotAUri {
        /// What was given, safe to show.
        text: String,
        /// What the grammar says.
        reason: String,
    },
    /// Not a server.
    #[error(
        "`{text}` is no server address; write ADDR, ADDR:PORT or NAME, with `;transport=tcp` or \
         `;transport=tls` where it is not UDP; an IPv6 address in brackets"
    )]
    NotAServer {
        /// What was given, safe to show.
        text: String,
    },
    /// A transport that the phone has not.
    #[error("the phone speaks udp, tcp and tls, not `{name}`")]
    Transport {
        /// Its name, safe to show.
        name: String,
    },
    /// Only a name or number, and no server.
    #[error("`{text}` is only a name or number; say with --server which exchange knows it")]
    NoServer {
        /// What was given, safe to show.
        text: String,
    },
}

impl ServerAddress {
    /// The host as it stands in a URI: an IPv6 address in brackets.
    pub fn uri_host(&self) -> String {
        match self.host.parse::<IpAddr>() {
            Ok(IpAddr::V6(address)) => format!("[{address}]"),
            _ => self.host.to_string(),
        }
    }

    /// The port that is meant.
    pub fn effective_port(&self) -> u16 {
        self.port.unwrap_or(self.transport.default_port())
    }

    /// The URI of this server, or of a user at it where there is one.
    ///
    /// The user may be any text; what may not stand in a URI is escaped.
    pub fn uri(&self, user: Option<&str>) -> String {
        let mut uri = String::from("sip:");
        if let Some(user) = user {
            push_escaped_user(&mut uri, user);
            uri.push('@');
        }
        uri.push_str(&self.uri_host());
        if let Some(port) = self.port {
            // Writing to a string does not fail.
            let _ = write!(uri, ":{port}");
        }
        uri
    }

    fn of_uri(uri: &Uri<'_>) -> Result<ServerAddress, AddressError> {
        let host = match uri.host().ip() {
            Some(address) => address.to_string(),
            None => uri.host().name().unwrap_or("").to_owned(),
        };
        let transport = match uri.param("transport") {
            Some(name) => known_transport(name)?,
            None if uri.scheme() == Scheme::Sips => Transport::Tls,
            None => Transport::Udp,
        };
        Ok(ServerAddress {
            host: host.into(),
            port: uri.port(),
            transport,
        })
    }
}

impl FromStr for ServerAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<ServerAddress, AddressError> {
        let shown = || AddressError::NotAServer { text: safe(text) };
        let has_scheme = text.starts_with("sip:") || text.starts_with("sips:");
        let written = if has_scheme {
            text.to_owned()
        } else if text.parse::<std::net::Ipv6Addr>().is_ok() {
            format!("sip:[{text}]")
        } else {
            format!("sip:{text}")
        };
        let uri = Uri::parse(&written).map_err(|_| shown())?;
        if uri.user().is_some() || !uri.is_sip() {
            return Err(shown());
        }
        ServerAddress::of_uri(&uri)
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}:{} ({})",
            self.uri_host(),
            self.effective_port(),
            self.transport
        )
    }
}

impl Target {
    /// Reads a SIP URI, or only a name or number where a server is known.
    ///
    /// # Errors
    /// [`AddressError`] says what is wrong with it.
    pub fn parse(text: &str, server: Option<&ServerAddress>) -> Result<Target, AddressError> {
        let has_scheme = ["sip:", "sips:"].iter().any(|scheme| {
            text.get(..scheme.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
        });
        let written = match server {
            _ if has_scheme => text.to_owned(),
            _ if text.contains('@') => format!("sip:{text}"),
            Some(server) if !text.is_empty() => server.uri(Some(text)),
            _ => return Err(AddressError::NoServer { text: safe(text) }),
        };
        let uri = Uri::parse(&written).map_err(|error| AddressError::NotAUri {
            text: safe(text),
            reason: error.to_string(),
        })?;
        let server = match server {
            Some(server) => server.clone(),
            None => ServerAddress::of_uri(&uri)?,
        };
        Ok(Target {
            uri: written.into(),
            server,
        })
    }
}

fn known_transport(name: &str) -> Result<Transport, AddressError> {
    match name.parse() {
        Ok(transport @ (Transport::Udp | Transport::Tcp | Transport::Tls)) => Ok(transport),
        _ => Err(AddressError::Transport { name: safe(name) }),
    }
}

/// RFC 3261 section 25.1: unreserved and user-unreserved characters stay, all others are escaped.
fn push_escaped_user(uri: &mut String, user: &str) {
    for byte in user.bytes() {
        let plain = byte.is_ascii_alphanumeric()
            || matches!(
                byte,
                b'-' | b'_'
                    | b'.'
                    | b'!'
                    | b'~'
                    | b'*'
                    | b'\''
                    | b'('
                    | b')'
                    | b'&'
                    | b'='
                    | b'+'
                    | b'$'
                    | b','
                    | b';'
                    | b'?'
                    | b'/'
            );
        if plain {
            uri.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(uri, "%{byte:02X}");
        }
    }
}

fn safe(text: &str) -> String {
    fernamt_sip::escape::Escaped(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(text: &str) -> ServerAddress {
        text.parse()
            .unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn a_server_is_read_in_every_form_people_write() {
        let plain = server("192.0.2.10");
        assert_eq!(
            (&*plain.host, plain.port, plain.transport),
            ("192.0.2.10", None, Transport::Udp)
        );
        assert_eq!(plain.effective_port(), 5060);
        let tls = server("example.org;transport=tls");
        assert_eq!(
            (&*tls.host, tls.effective_port(), tls.transport),
            ("example.org", 5061, Transport::Tls)
        );
        assert_eq!(server("sips:example.org:5071").transport, Transport::Tls);
        for text in ["[::1]:5080", "sip:[::1]:5080"] {
            assert_eq!(
                (&*server(text).host, server(text).port),
                ("::1", Some(5080)),
                "{text}"
            );
        }
        assert_eq!(server("::1").uri(Some("anna")), "sip:anna@[::1]");
    }

    #[test]
    fn what_is_no_server_is_refused_with_a_hint() {
        for text in [
            "",
            "a b",
            "anna@host",
            "host:99999",
            "host:port",
            "[::1",
            "tel:+49301",
        ] {
            assert!(text.parse::<ServerAddress>().is_err(), "{text}");
        }
        let error = "host;transport=sctp"
            .parse::<ServerAddress>()
            .expect_err("unknown transport");
        assert_eq!(
            error.to_string(),
            "the phone speaks udp, tcp and tls, not `sctp`"
        );
    }

    #[test]
    fn a_target_is_a_uri_or_a_name_at_the_server() {
        let exchange = server("[::1]:5070");
        let called = Target::parse("*43", Some(&exchange)).expect("a number");
        assert_eq!(&*called.uri, "sip:*43@[::1]:5070");
        let called = Target::parse("anna#1 \u{e4}", Some(&exchange)).expect("any text");
        assert_eq!(&*called.uri, "sip:anna%231%20%C3%A4@[::1]:5070");
        let called = Target::parse("sip:x@127.0.0.1:5071;transport=tcp", None).expect("a URI");
        assert_eq!(called.server.effective_port(), 5071);
        assert_eq!(called.server.transport, Transport::Tcp);
        let called = Target::parse("sip:x@example.org", Some(&exchange)).expect("a URI");
        assert_eq!(called.server, exchange);
        let called = Target::parse("anna@192.0.2.1", None).expect("a URI without its scheme");
        assert_eq!(&*called.uri, "sip:anna@192.0.2.1");
    }

    #[test]
    fn what_is_no_target_is_refused() {
        assert!(matches!(
            Target::parse("anna", None),
            Err(AddressError::NoServer { .. })
        ));
        assert!(matches!(
            Target::parse("", Some(&server("h"))),
            Err(AddressError::NoServer { .. })
        ));
        assert!(matches!(
            Target::parse("sip:@", None),
            Err(AddressError::NotAUri { .. })
        ));
    }
}
