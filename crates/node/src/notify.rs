//! Tells the service manager how we are (`sd_notify`): a datagram to the socket it names.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Tells the service manager, where there is one: `READY=1`, `STOPPING=1`, `STATUS=…`.
pub(crate) fn notify(state: &str) {
    if let Some(name) = std::env::var_os("NOTIFY_SOCKET") {
        notify_at(name.as_bytes(), state);
    }
}

/// The name is a path, or one of the abstract name space after an `@`.
fn notify_at(name: &[u8], state: &str) {
    let address = match name.strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(name)),
    };
    // Nobody can act on a service manager that does not listen.
    if let (Ok(address), Ok(socket)) = (address, UnixDatagram::unbound()) {
        let _ = socket.send_to_addr(state.as_bytes(), &address);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_reaches_a_socket_in_the_file_system_and_an_abstract_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let name = format!("fernamt-test-{}", std::process::id());
        let abstract_name = SocketAddr::from_abstract_name(&name).unwrap();
        let sockets = [
            (
                path.as_os_str().as_bytes().to_vec(),
                UnixDatagram::bind(&path).unwrap(),
            ),
            (
                format!("@{name}").into_bytes(),
                UnixDatagram::bind_addr(&abstract_name).unwrap(),
            ),
        ];
        for (name, socket) in sockets {
            notify_at(&name, "READY=1");
            let mut buffer = [0; 64];
            let length = socket.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..length], b"READY=1");
        }
        notify_at(b"/nonexistent/notify", "READY=1");
    }
}
