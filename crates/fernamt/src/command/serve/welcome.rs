//! What `fernamt serve` says once it serves: where phones register and find their relay, and what to do next.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use fernamt_node::RunningNode;
use fernamt_sip::transport::Transport;

use crate::folder::shown;
use crate::output::safe;

/// A device that was made on the first start.
#[derive(Debug)]
pub(super) struct FirstDevice {
    /// Its user name.
    pub(super) user: String,
    /// Its password; shown once, and kept nowhere in clear.
    pub(super) password: String,
}

/// The whole text.
pub(super) fn text(
    node: &RunningNode,
    folder: &Path,
    echo_number: &str,
    made: &[FirstDevice],
) -> String {
    let relays = places(node.turn_addresses(), node.machine_addresses());
    let places = places(node.addresses(), node.machine_addresses());
    let mut text = String::from("\nFernamt is running. Phones register here:\n\n");
    for (address, ports) in &places {
        line(&mut text, "address", &address.to_string());
        line(&mut text, "", &ports.join(", "));
    }
    line(&mut text, "realm", &safe(node.realm()));
    for device in made {
        line(
            &mut text,
            "device",
            &format!("{}   password {}", device.user, device.password),
        );
    }
    if !made.is_empty() {
        line(&mut text, "", "These passwords are shown only now.");
    }
    let data = format!("--data {}", shown(folder));
    let server = places.first().map_or_else(String::new, |(address, _)| {
        let port = udp_port(node.addresses()).filter(|port| *port != 5060);
        let host = SocketAddr::new(*address, port.unwrap_or(0)).to_string();
        match port {
            Some(_) => host,
            None => host.trim_end_matches(":0").to_owned(),
        }
    });
    let (user, password) = made.first().map_or(("USER", "PASSWORD"), |device| {
        (&device.user, &device.password)
    });
    text.push('\n');
    relay(&mut text, &relays, user, &data);
    line(
        &mut text,
        "echo",
        &format!("call {} and hear yourself", safe(echo_number)),
    );
    let call = match made {
        [first, second, ..] => format!(
            "from {} dial {}, and the other way round",
            first.user, second.user
        ),
        _ => "dial the user name or the number of another device".to_owned(),
    };
    line(&mut text, "call", &call);
    line(&mut text, "add", &format!("fernamt device add anna {data}"));
    line(
        &mut text,
        "try",
        &format!(
            "fernamt call '{}' --as {user} --password {password} --server '{server}' --tone 700 --seconds 5",
            safe(echo_number)
        ),
    );
    line(
        &mut text,
        "look",
        &format!("fernamt registrations {data}; fernamt cdr {data}"),
    );
    line(
        &mut text,
        "stop",
        "Ctrl-C; calls in progress go on after the next start",
    );
    text.push('\n');
    text
}

/// Where TURN is served, and by what right a phone uses it; nothing where it is not.
fn relay(text: &mut String, places: &[(IpAddr, Vec<String>)], user: &str, data: &str) {
    for (index, (address, ports)) in places.iter().enumerate() {
        let title = if index == 0 { "turn" } else { "" };
        line(text, title, &address.to_string());
        line(text, "", &ports.join(", "));
    }
    if !places.is_empty() {
        let words = "For phones that no packet reaches directly, with the user name and password of a device,";
        line(text, "", words);
        line(
            text,
            "",
            "or, for a browser, with a credential that ends by itself:",
        );
        line(text, "", &format!("fernamt turn {user} {data}"));
        text.push('\n');
    }
}

fn line(text: &mut String, title: &str, words: &str) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "  {title:<8} {words}");
}

fn udp_port(listeners: &[(Transport, SocketAddr)]) -> Option<u16> {
    let udp = listeners
        .iter()
        .find(|(transport, _)| *transport == Transport::Udp);
    udp.or_else(|| listeners.first())
        .map(|(_, address)| address.port())
}

/// Where each transport can be reached, address by address: those of the machine in their order
/// for a listener on all of them. Loopback is named only where there is nothing else.
fn places(listeners: &[(Transport, SocketAddr)], machine: &[IpAddr]) -> Vec<(IpAddr, Vec<String>)> {
    let mut order: Vec<IpAddr> = Vec::new();
    let mut ports: BTreeMap<IpAddr, Vec<String>> = BTreeMap::new();
    for (transport, listener) in listeners {
        let own = [listener.ip()];
        let reachable = if listener.ip().is_unspecified() {
            machine
        } else {
            &own
        };
        for address in reachable
            .iter()
            .filter(|it| it.is_ipv4() == listener.is_ipv4())
        {
            if !order.contains(address) {
                order.push(*address);
            }
            let port = format!("{} {}", name(*transport), listener.port());
            ports.entry(*address).or_default().push(port);
        }
    }
    if order.iter().any(|address| !address.is_loopback()) {
        order.retain(|address| !address.is_loopback());
    }
    order
        .into_iter()
        .filter_map(|address| ports.remove(&address).map(|ports| (address, ports)))
        .collect()
}

fn name(transport: Transport) -> &'static str {
    match transport {
        Transport::Ws => "WebSocket",
        Transport::Wss => "secure WebSocket",
        other => other.via_name(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_relay_is_told_of_where_it_is_served_and_nowhere_else() {
        let listener = |transport, text: &str| (transport, text.parse().expect("an address"));
        let listeners = [
            listener(Transport::Udp, "0.0.0.0:3478"),
            listener(Transport::Tcp, "0.0.0.0:3478"),
            listener(Transport::Tls, "0.0.0.0:5349"),
        ];
        let machine = ["192.0.2.7".parse().expect("one")];
        let mut text = String::new();
        relay(
            &mut text,
            &places(&listeners, &machine),
            "anna",
            "--data /srv/f",
        );
        assert!(text.starts_with("  turn     192.0.2.7\n"), "{text}");
        for words in [
            "UDP 3478, TCP 3478, TLS 5349\n",
            "fernamt turn anna --data /srv/f\n",
        ] {
            assert!(text.contains(words), "{text}");
        }
        let mut text = String::new();
        relay(&mut text, &places(&[], &machine), "anna", "--data /srv/f");
        assert_eq!(text, "");
    }

    #[test]
    fn every_address_is_told_with_its_transports() {
        let listener = |transport, text: &str| (transport, text.parse().expect("an address"));
        let listeners = [
            listener(Transport::Udp, "0.0.0.0:5060"),
            listener(Transport::Tls, "0.0.0.0:5061"),
            listener(Transport::Udp, "[::1]:5060"),
        ];
        let machine: Vec<IpAddr> = ["127.0.0.1", "192.0.2.7"]
            .iter()
            .map(|it| it.parse().expect("one"))
            .collect();
        assert_eq!(
            places(&listeners, &machine),
            [(
                machine[1],
                vec!["UDP 5060".to_owned(), "TLS 5061".to_owned()]
            )]
        );
        let only = [listener(Transport::Tcp, "127.0.0.1:5070")];
        assert_eq!(
            places(&only, &machine),
            [(machine[0], vec!["TCP 5070".to_owned()])]
        );
    }
}
