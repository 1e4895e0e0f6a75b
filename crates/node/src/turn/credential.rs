//! Time-limited credentials of this node, and where they can be used (RFC 7065). How they are made
//! and verified is in `fernamt_stun::credential`.

use std::net::{IpAddr, SocketAddr};

use fernamt_exchange::config::Config;
use fernamt_sip::time::UnixTime;
use fernamt_sip::transport::Transport;
use fernamt_stun::credential::Credentials;

use super::Turn;
use super::settings::secrets;
use crate::control::TurnCredential;

impl Turn {
    /// A credential for a device, good until `expires`.
    pub(crate) fn credential(
        &self,
        config: &Config,
        user: &str,
        expires: UnixTime,
    ) -> TurnCredential {
        let [_, secret] = secrets(&config.secret);
        let seconds = u64::try_from(expires.as_seconds()).unwrap_or(0);
        let made = Credentials::new(&secret).issue(user, seconds);
        TurnCredential {
            uris: uris(self.addresses(), config.advertised, &config.addresses),
            username: made.username,
            password: made.password,
            realm: config.realm.to_string(),
            expires,
        }
    }
}

/// Where TURN can be reached: by the address that others see, where there is one; of the machine's
/// own, loopback only where nothing else is listened on.
fn uris(
    listeners: &[(Transport, SocketAddr)],
    advertised: Option<IpAddr>,
    machine: &[IpAddr],
) -> Vec<String> {
    let mut found = Vec::new();
    for (transport, listener) in listeners {
        let own = [listener.ip()];
        let reachable = if listener.ip().is_unspecified() {
            machine
        } else {
            &own
        };
        for ip in reachable {
            let shown = match advertised {
                Some(advertised) if advertised.is_ipv4() == ip.is_ipv4() && !ip.is_loopback() => {
                    advertised
                }
                _ => *ip,
            };
            if ip.is_ipv4() == listener.is_ipv4() && !is_link_local(shown) {
                let at = SocketAddr::new(shown, listener.port());
                found.push((shown, uri(*transport, at)));
            }
        }
    }
    if found.iter().any(|(ip, _)| !ip.is_loopback()) {
        found.retain(|(ip, _)| !ip.is_loopback());
    }
    let mut uris: Vec<String> = Vec::new();
    for (_, uri) in found {
        if !uris.contains(&uri) {
            uris.push(uri);
        }
    }
    uris
}

fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

fn uri(transport: Transport, at: SocketAddr) -> String {
    match transport {
        Transport::Udp => format!("turn:{at}?transport=udp"),
        Transport::Tls => format!("turns:{at}?transport=tcp"),
        _ => format!("turn:{at}?transport=tcp"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listener(transport: Transport, text: &str) -> (Transport, SocketAddr) {
        (transport, text.parse().unwrap())
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn every_way_has_a_uri() {
        let listeners = [
            listener(Transport::Udp, "0.0.0.0:3478"),
            listener(Transport::Udp, "[::]:3478"),
            listener(Transport::Tcp, "0.0.0.0:3478"),
            listener(Transport::Tls, "192.0.2.7:5349"),
        ];
        let machine = [
            ip("192.0.2.7"),
            ip("2001:db8::7"),
            ip("fe80::1"),
            ip("127.0.0.1"),
        ];
        assert_eq!(
            uris(&listeners, None, &machine),
            [
                "turn:192.0.2.7:3478?transport=udp",
                "turn:[2001:db8::7]:3478?transport=udp",
                "turn:192.0.2.7:3478?transport=tcp",
                "turns:192.0.2.7:5349?transport=tcp",
            ]
        );
    }

    #[test]
    fn the_address_that_others_see_stands_for_the_own_ones() {
        let listeners = [listener(Transport::Udp, "0.0.0.0:3478")];
        let machine = [ip("192.168.1.5"), ip("192.168.2.5"), ip("127.0.0.1")];
        assert_eq!(
            uris(&listeners, Some(ip("203.0.113.7")), &machine),
            ["turn:203.0.113.7:3478?transport=udp"]
        );
    }

    #[test]
    fn loopback_is_named_where_there_is_nothing_else() {
        let listeners = [listener(Transport::Tcp, "127.0.0.1:3478")];
        assert_eq!(
            uris(&listeners, None, &[ip("127.0.0.1")]),
            ["turn:127.0.0.1:3478?transport=tcp"]
        );
    }
}
