//! Networks that exist only for a test: network namespaces joined by virtual cables, with a router
//! between them that translates addresses. They need rights that not every machine gives.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// The address of the exchange.
pub const EXCHANGE: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
/// The address of a phone that is not behind the router.
pub const OUTSIDE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 3);
/// The router's outer address: everybody behind it seems to be there.
pub const ROUTER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 2);
/// The address of a phone behind the router. Nobody outside can send to it.
pub const INSIDE: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 10);

/// How long connecting may take.
const CONNECT_TIME: Duration = Duration::from_secs(1);

/// The machine of the exchange, one phone beside it, and one behind a router that translates
/// addresses. Each is a namespace.
#[derive(Debug)]
pub struct Nat {
    /// The machine of the exchange.
    pub exchange: String,
    /// The machine of the phone outside.
    pub outside: String,
    router: String,
    /// The machine of the phone behind the router.
    pub inside: String,
}

impl Nat {
    /// Builds the networks; an error says why this machine does not allow it.
    ///
    /// # Errors
    /// The command that failed, and what it said.
    pub fn build() -> Result<Nat, String> {
        let name = |part: &str| format!("fernamt-{}-{part}", std::process::id());
        let nat = Nat {
            exchange: name("exchange"),
            outside: name("outside"),
            router: name("router"),
            inside: name("inside"),
        };
        nat.lay_cables()?;
        nat.translate()?;
        Ok(nat)
    }

    fn lay_cables(&self) -> Result<(), String> {
        let Nat {
            exchange,
            outside,
            router,
            inside,
        } = self;
        for namespace in [exchange, outside, router, inside] {
            make_namespace(namespace)?;
        }
        for (one, its_end, address, other, other_end, other_address) in [
            (
                exchange,
                "left",
                "198.51.100.1",
                router,
                "wan",
                "198.51.100.2",
            ),
            (
                exchange,
                "right",
                "203.0.113.1",
                outside,
                "wire",
                "203.0.113.3",
            ),
            (
                router,
                "lan",
                "192.168.77.1",
                inside,
                "wire",
                "192.168.77.10",
            ),
        ] {
            lay_cable((one, its_end, address), (other, other_end, other_address))?;
        }
        for line in [
            format!("ip -n {outside} route add default via 203.0.113.1"),
            format!("ip -n {inside} route add default via 192.168.77.1"),
        ] {
            system(&line)?;
        }
        forward(router)
    }

    fn translate(&self) -> Result<(), String> {
        translate(&self.router)
    }

    /// From now on loses every sixth RTP packet of this payload type on its way to and from the phone
    /// outside.
    ///
    /// # Errors
    /// The command that failed, and what it said.
    pub fn lose_packets(&self, payload_type: u8) -> Result<(), String> {
        let outside = &self.outside;
        for hook in ["input", "output"] {
            // The second byte behind the eight of the UDP header, without the marker.
            let nft = format!(
                "ip netns exec {outside} nft 'add table ip loss; \
                 add chain ip loss {hook} {{ type filter hook {hook} priority 0; }}; \
                 add rule ip loss {hook} meta l4proto udp @th,72,8 & 0x7f == {payload_type} \
                 numgen inc mod 6 == 0 drop'"
            );
            let iptables = format!(
                "ip netns exec {outside} iptables -A {} -p udp \
                 -m u32 --u32 '0>>22&0x3C@8>>16&0x7F={payload_type}' \
                 -m statistic --mode nth --every 6 --packet 0 -j DROP",
                hook.to_uppercase()
            );
            system(&nft).or_else(|_| system(&iptables))?;
        }
        Ok(())
    }

    /// Loses nothing any more.
    ///
    /// # Errors
    /// The command that failed, and what it said.
    pub fn lose_nothing(&self) -> Result<(), String> {
        let outside = &self.outside;
        let nft = format!("ip netns exec {outside} nft delete table ip loss");
        system(&nft).or_else(|_| system(&format!("ip netns exec {outside} iptables -F")))
    }
}

/// The machine of the exchange, and two phones, each behind a router of its own that translates
/// addresses. The machine forwards nothing, so that no packet of one phone reaches the other.
#[derive(Debug)]
pub struct TwoNats {
    /// The machine of the exchange, at [`EXCHANGE`].
    pub exchange: String,
    /// The machines of the phones, at [`INSIDE`] and [`INSIDE_OTHER`].
    pub phones: [String; 2],
    routers: [String; 2],
}

/// The address of the phone behind the other router.
pub const INSIDE_OTHER: Ipv4Addr = Ipv4Addr::new(192, 168, 88, 10);

impl TwoNats {
    /// Builds the networks; an error says why this machine does not allow it.
    ///
    /// # Errors
    /// The command that failed, and what it said.
    pub fn build() -> Result<TwoNats, String> {
        let name = |part: &str| format!("fernamt-{}-{part}", std::process::id());
        let nats = TwoNats {
            exchange: name("exchange"),
            phones: [name("phone-one"), name("phone-two")],
            routers: [name("router-one"), name("router-two")],
        };
        let TwoNats {
            exchange,
            phones,
            routers,
        } = &nats;
        make_namespace(exchange)?;
        let nets = [("198.51.100", "192.168.77"), ("203.0.113", "192.168.88")];
        let ends = ["left", "right"];
        for (((phone, router), (outer, inner)), end) in
            phones.iter().zip(routers).zip(nets).zip(ends)
        {
            make_namespace(phone)?;
            make_namespace(router)?;
            let (ours, theirs) = (format!("{outer}.1"), format!("{outer}.2"));
            lay_cable((exchange, end, &ours), (router, "wan", &theirs))?;
            let (gate, place) = (format!("{inner}.1"), format!("{inner}.10"));
            lay_cable((router, "lan", &gate), (phone, "wire", &place))?;
            system(&format!("ip -n {router} route add default via {ours}"))?;
            system(&format!("ip -n {phone} route add default via {gate}"))?;
            forward(router)?;
            translate(router)?;
        }
        Ok(nats)
    }
}

impl TwoNats {
    /// Lets no datagram of the phones out but those to these ports, as strict firewalls do.
    ///
    /// # Errors
    /// The command that failed, and what it said.
    pub fn close_all_ports_but(&self, ports: [u16; 2]) -> Result<(), String> {
        let [one, other] = ports;
        for router in &self.routers {
            let nft = format!(
                "ip netns exec {router} nft 'add table ip wall; \
                 add chain ip wall through {{ type filter hook forward priority 0; }}; \
                 add rule ip wall through iifname \"lan\" udp dport != {{ {one}, {other} }} drop'"
            );
            let rule =
                format!("-A FORWARD -i lan -p udp -m multiport ! --dports {one},{other} -j DROP");
            let iptables = format!("ip netns exec {router} iptables {rule}");
            system(&nft).or_else(|_| system(&iptables))?;
        }
        Ok(())
    }
}

impl Drop for TwoNats {
    fn drop(&mut self) {
        let others = self.phones.iter().chain(&self.routers);
        for namespace in others.chain([&self.exchange]) {
            let _ = system(&format!("ip netns delete {namespace}"));
        }
    }
}

fn make_namespace(namespace: &str) -> Result<(), String> {
    system(&format!("ip netns add {namespace}"))?;
    system(&format!("ip -n {namespace} link set lo up"))
}

/// Joins two namespaces; each end is given with the name and the address of its interface.
fn lay_cable(one: (&str, &str, &str), other: (&str, &str, &str)) -> Result<(), String> {
    system(&format!(
        "ip -n {} link add {} type veth peer name {} netns {}",
        one.0, one.1, other.1, other.0
    ))?;
    for (namespace, interface, address) in [one, other] {
        system(&format!(
            "ip -n {namespace} address add {address}/24 dev {interface}"
        ))?;
        system(&format!("ip -n {namespace} link set {interface} up"))?;
    }
    Ok(())
}

fn forward(router: &str) -> Result<(), String> {
    system(&format!(
        "ip netns exec {router} sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'"
    ))
}

/// Every inner address and port gets a port of the router that is not its own, and another one for
/// every place that it sends to.
fn translate(router: &str) -> Result<(), String> {
    let iptables = ["udp", "tcp"].map(|protocol| {
        format!(
            "ip netns exec {router} iptables -t nat -A POSTROUTING -o wan -p {protocol} \
             -j MASQUERADE --to-ports 40000-50000 --random-fully"
        )
    });
    let nft = format!(
        "ip netns exec {router} nft 'add table ip nat; \
             add chain ip nat out {{ type nat hook postrouting priority 100; }}; \
             add rule ip nat out oifname \"wan\" meta l4proto {{ tcp, udp }} \
             masquerade to :40000-50000 random,fully-random'"
    );
    system(&nft).or_else(|_| iptables.iter().try_for_each(|rule| system(rule)))
}

impl Drop for Nat {
    fn drop(&mut self) {
        for namespace in [&self.exchange, &self.outside, &self.router, &self.inside] {
            let _ = system(&format!("ip netns delete {namespace}"));
        }
    }
}

/// Runs a line of shell.
fn system(line: &str) -> Result<(), String> {
    let output = Command::new("sh")
        .args(["-c", line])
        .env("PATH", search_path())
        .stdin(Stdio::null())
        .output()
        .map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("`{line}`: {}", said.trim()))
}

fn search_path() -> String {
    let path = std::env::var("PATH").unwrap_or_default();
    format!("{path}:/usr/sbin:/sbin")
}

/// What stands before a command that is to run in a namespace.
pub fn prefix(namespace: &str) -> Vec<String> {
    ["ip", "netns", "exec", namespace]
        .map(str::to_owned)
        .to_vec()
}

/// Opens a TCP connection from within a namespace.
///
/// # Errors
/// As those of connecting.
pub fn connect_in(namespace: Option<&str>, address: SocketAddr) -> io::Result<TcpStream> {
    let Some(namespace) = namespace else {
        return TcpStream::connect_timeout(&address, CONNECT_TIME);
    };
    let place = File::open(format!("/run/netns/{namespace}"))?;
    // Only this thread moves there, and it ends at once; the connection stays where it was made.
    let connecting = thread::spawn(move || {
        move_into_link_name_space(
            std::os::fd::AsFd::as_fd(&place),
            Some(LinkNameSpaceType::Network),
        )?;
        TcpStream::connect_timeout(&address, CONNECT_TIME)
    });
    connecting
        .join()
        .unwrap_or_else(|_| Err(io::Error::other("the connecting thread has ended")))
}
