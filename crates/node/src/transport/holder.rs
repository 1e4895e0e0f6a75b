//! Who holds a port, as far as /proc tells, for an error that a person can act on.

use std::fs;
use std::io;
use std::net::SocketAddr;

use fernamt_sip::transport::Transport;

use crate::error::NodeError;

/// The error of a listener that cannot be opened.
pub(crate) fn listen_error(
    transport: Transport,
    address: SocketAddr,
    error: io::Error,
) -> NodeError {
    let remedy = match transport {
        Transport::Udp | Transport::Tcp => "--sip ADDR:PORT, or the key listen.sip",
        Transport::Tls => "the key listen.tls",
        Transport::Ws => "the key listen.websocket",
        Transport::Wss => "the key listen.secure_websocket",
    };
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            let holder = match holder(transport, address.port()) {
                Some(name) => format!(" by {name}"),
                None => String::new(),
            };
            NodeError::PortTaken {
                transport,
                address,
                holder,
                remedy,
            }
        }
        io::ErrorKind::AddrNotAvailable => {
            let hint = "; it is not an address of this machine";
            NodeError::Listen {
                transport,
                address,
                error,
                hint,
            }
        }
        io::ErrorKind::PermissionDenied => {
            let hint = "; ports below 1024 need the capability CAP_NET_BIND_SERVICE";
            NodeError::Listen {
                transport,
                address,
                error,
                hint,
            }
        }
        _ => NodeError::Listen {
            transport,
            address,
            error,
            hint: "",
        },
    }
}

/// `NAME (process N)` of the program that holds a port.
fn holder(transport: Transport, port: u16) -> Option<String> {
    let tables = match transport {
        Transport::Udp => ["/proc/net/udp", "/proc/net/udp6"],
        _ => ["/proc/net/tcp", "/proc/net/tcp6"],
    };
    let inodes: Vec<String> = tables
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| sockets_on(&table, port, transport != Transport::Udp))
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    if inodes.is_empty() {
        return None;
    }
    let processes = fs::read_dir("/proc").ok()?;
    for process in processes.flatten() {
        let name = process.file_name();
        let Some(id) = name
            .to_str()
            .filter(|id| id.bytes().all(|byte| byte.is_ascii_digit()))
        else {
            continue;
        };
        let Ok(files) = fs::read_dir(process.path().join("fd")) else {
            continue;
        };
        let holds = files.flatten().any(|file| {
            fs::read_link(file.path())
                .is_ok_and(|target| inodes.iter().any(|inode| target.as_os_str() == &**inode))
        });
        if holds {
            let program = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return Some(format!("{} (process {id})", program.trim().escape_debug()));
        }
    }
    None
}

/// The inodes of the sockets on a port in a table of /proc/net; for TCP only listening ones.
fn sockets_on(table: &str, port: u16, listening: bool) -> Vec<String> {
    const LISTEN: &str = "0A";
    let wanted = format!(":{port:04X}");
    let mut inodes = Vec::new();
    for line in table.lines().skip(1) {
        let mut fields = line.split_ascii_whitespace();
        let local = fields.nth(1).unwrap_or_default();
        let state = fields.nth(1).unwrap_or_default();
        if !local.ends_with(&wanted) || (listening && state != LISTEN) {
            continue;
        }
        if let Some(inode) = fields.nth(5) {
            inodes.push(inode.to_owned());
        }
    }
    inodes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_that_holds_a_port_is_found() {
        let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let own = format!("(process {})", std::process::id());
        let found = holder(Transport::Udp, udp.local_addr().unwrap().port()).unwrap();
        assert!(found.ends_with(&own), "{found}");
        let found = holder(Transport::Tcp, tcp.local_addr().unwrap().port()).unwrap();
        assert!(found.ends_with(&own), "{found}");
    }

    #[test]
    fn a_table_is_read_by_its_columns() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             0: 00000000:13C4 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0\n\
             1: 0100007F:13C4 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0\n";
        assert_eq!(sockets_on(table, 5060, true), ["4711"]);
        assert_eq!(sockets_on(table, 5060, false), ["4711", "4712"]);
        assert!(sockets_on(table, 5061, false).is_empty());
    }
}
