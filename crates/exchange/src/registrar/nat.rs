//! What lies between a phone and us, as far as its requests show it: what the phone writes about
//! itself, against where its message came from. It is told to people; nothing depends on it.

use core::fmt;
use core::net::{IpAddr, SocketAddr};

use fernamt_sip::header::Via;
use fernamt_sip::message::{Message, Name};
use fernamt_sip::transport::{Flow, Transport};
use fernamt_sip::uri::{Host, Uri};

use super::Binding;

/// The verdict on the way between a phone and us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Nat {
    /// Nothing was seen that tells it.
    #[default]
    Unknown,
    /// The phone is where it says.
    None,
    /// The phone is where it says, over IPv6.
    Ipv6,
    /// Behind a NAT that kept its port.
    KeptPort,
    /// Behind a NAT that gave it another port.
    ChangedPort,
    /// Behind a NAT; of a connection the port says nothing.
    Connection,
    /// What the phone says of itself was changed on the way (by an application level gateway), or the
    /// phone has asked somebody for its outside address: Via and Contact name different places.
    Rewritten,
    /// Behind a proxy, through which nothing is seen of the way.
    Proxy,
}

impl Nat {
    /// The verdict on the way of a request, whose sender names this contact.
    pub(crate) fn of_request(message: &Message<'_>, contact: &str, flow: &Flow) -> Nat {
        let mut vias = message.list(Name::Via);
        let via = vias.next().and_then(|via| Via::parse(via).ok());
        if vias.next().is_some() || message.paths().next().is_some() {
            return Nat::Proxy;
        }
        let sent_by = via.and_then(|via| via.host().ip());
        Nat::judge(contact, sent_by, flow.remote, flow.transport)
    }

    /// The verdict on a contact. `sent_by`: the host of the Via that the phone wrote. Without it there
    /// may be a proxy, and only what is certain is told.
    pub(crate) fn judge(
        contact: &str,
        sent_by: Option<IpAddr>,
        received: SocketAddr,
        transport: Transport,
    ) -> Nat {
        let Ok(uri) = Uri::parse(contact) else {
            return Nat::Unknown;
        };
        let ip: IpAddr = match uri.host() {
            Host::V4(ip) => ip.into(),
            Host::V6(ip) => ip.into(),
            // A browser cannot know its address and writes a name that nobody can look up.
            Host::Name(_) => return Nat::Unknown,
        };
        if let Some(sent_ip) = sent_by.filter(|sent_ip| *sent_ip != ip) {
            let one_is_the_source = sent_ip == received.ip() || ip == received.ip();
            if one_is_the_source && sent_ip.is_ipv4() == ip.is_ipv4() {
                return Nat::Rewritten;
            }
        }
        if ip == received.ip() {
            return match received.is_ipv6() {
                true => Nat::Ipv6,
                false => Nat::None,
            };
        }
        let is_hidden = is_private(ip) && !is_private(received.ip());
        if sent_by.is_none() && !is_hidden {
            return Nat::Unknown;
        }
        if transport.is_reliable() {
            return Nat::Connection;
        }
        match uri.port().unwrap_or(transport.default_port()) == received.port() {
            true => Nat::KeptPort,
            false => Nat::ChangedPort,
        }
    }

    /// For programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Nat::Unknown => "unknown",
            Nat::None => "none",
            Nat::Ipv6 => "ipv6",
            Nat::KeptPort => "nat_kept_port",
            Nat::ChangedPort => "nat_changed_port",
            Nat::Connection => "nat",
            Nat::Rewritten => "rewritten",
            Nat::Proxy => "proxy",
        }
    }
}

impl fmt::Display for Nat {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Nat::Unknown => "not known",
            Nat::None => "no NAT",
            Nat::Ipv6 => "no NAT (IPv6)",
            Nat::KeptPort => "behind a NAT that kept the port",
            Nat::ChangedPort => "behind a NAT that changed the port",
            Nat::Connection => "behind a NAT",
            Nat::Rewritten => "address rewritten on the way (ALG) or by STUN",
            Nat::Proxy => "through a proxy, behind which nothing is seen",
        })
    }
}

/// Whether an address means something only within a network of its own (RFC 1918, RFC 6598, RFC 3927,
/// RFC 4193).
pub(crate) fn is_private(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let [first, second, ..] = ip.octets();
            let is_shared = first == 100 && (64..128).contains(&second);
            ip.is_private() || ip.is_link_local() || ip.is_loopback() || is_shared
        }
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local() || ip.is_loopback(),
    }
}

impl Binding {
    /// What lies between the phone and us. After a restart, what its contact alone tells.
    pub fn nat(&self) -> Nat {
        match self.nat {
            Nat::Unknown if !self.path.is_empty() => Nat::Proxy,
            Nat::Unknown => Nat::judge(&self.contact, None, self.received, self.transport),
            known => known,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verdict_has_its_signs() {
        let judge = |contact: &str, via: Option<&str>, received: &str, transport| {
            let sent_by = via.map(|ip| ip.parse().unwrap());
            Nat::judge(contact, sent_by, received.parse().unwrap(), transport)
        };
        use Transport::{Tcp, Udp, Wss};
        for (contact, via, received, transport, verdict) in [
            (
                "sip:a@198.51.100.7:5060",
                Some("198.51.100.7"),
                "198.51.100.7:5060",
                Udp,
                Nat::None,
            ),
            (
                "sip:a@192.168.1.9:5060",
                Some("192.168.1.9"),
                "198.51.100.7:5060",
                Udp,
                Nat::KeptPort,
            ),
            (
                "sip:a@192.168.1.9",
                Some("192.168.1.9"),
                "198.51.100.7:5060",
                Udp,
                Nat::KeptPort,
            ),
            (
                "sip:a@192.168.1.9:5060",
                Some("192.168.1.9"),
                "198.51.100.7:1024",
                Udp,
                Nat::ChangedPort,
            ),
            (
                "sip:a@192.168.1.9:5060",
                Some("192.168.1.9"),
                "198.51.100.7:1024",
                Tcp,
                Nat::Connection,
            ),
            (
                "sip:a@198.51.100.7:5060",
                Some("192.168.1.9"),
                "198.51.100.7:5060",
                Udp,
                Nat::Rewritten,
            ),
            (
                "sip:a@192.168.1.9:5060",
                Some("198.51.100.7"),
                "198.51.100.7:5060",
                Udp,
                Nat::Rewritten,
            ),
            (
                "sip:a@[2001:db8::7]:5060",
                Some("2001:db8::7"),
                "[2001:db8::7]:5060",
                Udp,
                Nat::Ipv6,
            ),
            (
                "sip:a@x7f.invalid;transport=ws",
                None,
                "198.51.100.7:40000",
                Wss,
                Nat::Unknown,
            ),
            (
                "sip:a@192.168.1.9:5060",
                None,
                "198.51.100.7:1024",
                Udp,
                Nat::ChangedPort,
            ),
            // Where nothing is known but the contact, a proxy may be in between.
            (
                "sip:a@203.0.113.9:5060",
                None,
                "198.51.100.7:1024",
                Udp,
                Nat::Unknown,
            ),
            (
                "sip:a@192.168.1.9:5060",
                None,
                "192.168.1.1:5060",
                Udp,
                Nat::Unknown,
            ),
            ("no uri", None, "198.51.100.7:1024", Udp, Nat::Unknown),
        ] {
            assert_eq!(
                judge(contact, via, received, transport),
                verdict,
                "{contact}"
            );
            assert!(!verdict.to_string().is_empty() && !verdict.as_str().is_empty());
        }
    }

    #[test]
    fn through_a_proxy_nothing_is_seen() {
        let of = |more: &str| {
            let text = format!(
                "REGISTER sip:x SIP/2.0\r\nVia: SIP/2.0/UDP 192.168.1.9;branch=z9hG4bK1\r\n{more}\r\n"
            );
            let message = Message::parse(text.as_bytes()).unwrap();
            let flow = Flow {
                transport: Transport::Udp,
                local: "192.0.2.1:5060".parse().unwrap(),
                remote: "198.51.100.7:1024".parse().unwrap(),
                connection: None,
            };
            Nat::of_request(&message, "sip:a@192.168.1.9", &flow)
        };
        assert_eq!(of(""), Nat::ChangedPort);
        let behind = "Via: SIP/2.0/UDP 10.0.0.2;branch=z9hG4bK2\r\n";
        assert_eq!(of(behind), Nat::Proxy);
        assert_eq!(of("Path: <sip:proxy;lr>\r\n"), Nat::Proxy);
    }

    #[test]
    fn private_addresses_are_known() {
        for (ip, is_so) in [
            ("10.1.2.3", true),
            ("172.31.0.1", true),
            ("172.32.0.1", false),
            ("100.64.0.1", true),
            ("100.128.0.1", false),
            ("169.254.1.1", true),
            ("::ffff:192.168.1.1", true),
            ("fd00::1", true),
            ("fe80::1", true),
            ("2001:db8::1", false),
        ] {
            assert_eq!(is_private(ip.parse().unwrap()), is_so, "{ip}");
        }
    }
}
