//! What lies between a phone and us, as far as a REGISTER shows it: what the phone writes about
//! itself, against where its message came from. It is told to people; nothing depends on it.

use core::fmt;
use core::net::{IpAddr, SocketAddr};

use fernamt_sip::transport::Transport;
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
}

impl Nat {
    /// The verdict on a binding. `sent_by`: host and port of the Via that the phone wrote.
    pub fn judge(
        contact: &str,
        sent_by: Option<(IpAddr, Option<u16>)>,
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
        if let Some((sent_ip, _)) = sent_by.filter(|(sent_ip, _)| *sent_ip != ip) {
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
        })
    }
}

impl Binding {
    /// What lies between the phone and us. After a restart, what its contact alone tells.
    pub fn nat(&self) -> Nat {
        match self.nat {
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
            let sent_by = via.map(|ip| (ip.parse().unwrap(), None));
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
}
