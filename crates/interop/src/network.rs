//! Networks that exist only for a test: network namespaces joined by virtual cables, with a router
//! between them that translates addresses. They need rights that not every machine gives.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// The address of the exchange in the outer network.
pub const EXCHANGE: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
/// The address of a phone in the outer network.
pub const OUTSIDE: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 3);
/// The router's outer address: everybody behind it seems to be there.
pub const ROUTER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 2);
/// The address of a phone behind the router. Nobody outside can send to it.
pub const INSIDE: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 10);

/// How long connecting may take.
const CONNECT_TIME: Duration = Duration::from_secs(1);

/// An outer network, a router that translates addresses, and a network behind it.
#[derive(Debug)]
pub struct Nat {
    /// The namespace of the outer network.
    pub outer: String,
    router: String,
    /// The namespace behind the router.
    pub inner: String,
}

impl Nat {
    /// Builds the networks; an error says why this machine does not allow it.
    ///
    /// # Errors
    /// The command that failed, and what it said.
    pub fn build() -> Result<Nat, String> {
        let name = |part: &str| format!("fernamt-{}-{part}", std::process::id());
        let nat = Nat {
            outer: name("outer"),
            router: name("router"),
            inner: name("inner"),
        };
        nat.lay_cables()?;
        nat.translate()?;
        Ok(nat)
    }

    fn lay_cables(&self) -> Result<(), String> {
        let Nat {
            outer,
            router,
            inner,
        } = self;
        for namespace in [outer, router, inner] {
            system(&format!("ip netns add {namespace}"))?;
            system(&format!("ip -n {namespace} link set lo up"))?;
        }
        for line in [
            format!("ip -n {outer} link add wire type veth peer name wan netns {router}"),
            format!("ip -n {inner} link add wire type veth peer name lan netns {router}"),
            format!("ip -n {outer} address add {EXCHANGE}/24 dev wire"),
            format!("ip -n {outer} address add {OUTSIDE}/24 dev wire"),
            format!("ip -n {router} address add {ROUTER}/24 dev wan"),
            format!("ip -n {router} address add 192.168.77.1/24 dev lan"),
            format!("ip -n {inner} address add {INSIDE}/24 dev wire"),
            format!("ip -n {outer} link set wire up"),
            format!("ip -n {router} link set wan up"),
            format!("ip -n {router} link set lan up"),
            format!("ip -n {inner} link set wire up"),
            format!("ip -n {inner} route add default via 192.168.77.1"),
            format!("ip netns exec {router} sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'"),
        ] {
            system(&line)?;
        }
        Ok(())
    }

    /// Every inner address and port gets a port of the router that is not its own, as common
    /// routers do.
    fn translate(&self) -> Result<(), String> {
        let router = &self.router;
        let rule = "-t nat -A POSTROUTING -o wan -p udp -j MASQUERADE --to-ports 40000-50000 --random-fully";
        let iptables = format!("ip netns exec {router} iptables {rule}");
        let nft = format!(
            "ip netns exec {router} nft 'add table ip nat; \
             add chain ip nat out {{ type nat hook postrouting priority 100; }}; \
             add rule ip nat out oifname \"wan\" meta l4proto udp masquerade to :40000-50000 random,fully-random'"
        );
        system(&nft).or_else(|_| system(&iptables))
    }
}

impl Drop for Nat {
    fn drop(&mut self) {
        for namespace in [&self.outer, &self.router, &self.inner] {
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
