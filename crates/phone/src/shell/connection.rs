//! One stream connection, plain or TLS, that never blocks once it stands. Framing is `sip`'s.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use fernamt_sip::limits::MAX_MESSAGE_BYTES;
use fernamt_sip::stream::{Frame, Framer, PONG};
use fernamt_sip::transport::Flow;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};

/// How long the other end may take to accept a connection. The voice stands still meanwhile, but a
/// phone connects before it speaks.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes that wait to be sent before the other end is taken for dead.
const MAX_UNSENT_BYTES: usize = 1 << 20;

/// How much is read at once.
const READ_BYTES: usize = 16 * 1024;

/// A connection, and what has not been sent or is no whole message yet.
pub(super) struct Connection {
    pub(super) flow: Flow,
    socket: TcpStream,
    tls: Option<ClientConnection>,
    unsent: Vec<u8>,
    framer: Framer,
}

impl Connection {
    /// Connects; over TLS where settings and a name are given. The handshake happens later.
    pub(super) fn open(
        remote: SocketAddr,
        tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    ) -> io::Result<(TcpStream, Option<ClientConnection>)> {
        let socket = TcpStream::connect_timeout(&remote, CONNECT_TIMEOUT)?;
        let tls = tls
            .map(|(config, name)| ClientConnection::new(config, name))
            .transpose()
            .map_err(io::Error::other)?;
        Ok((socket, tls))
    }

    /// A connection that stands.
    pub(super) fn new(
        flow: Flow,
        socket: TcpStream,
        tls: Option<ClientConnection>,
    ) -> io::Result<Connection> {
        socket.set_nonblocking(true)?;
        socket.set_nodelay(true)?;
        Ok(Connection {
            flow,
            socket,
            tls,
            unsent: Vec::new(),
            framer: Framer::new(),
        })
    }

    /// To be polled.
    pub(super) fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// Whether there is something to send.
    pub(super) fn wants_write(&self) -> bool {
        !self.unsent.is_empty() || self.tls.as_ref().is_some_and(|tls| tls.wants_write())
    }

    /// Sends, or keeps what cannot be sent yet.
    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.unsent.len() + bytes.len() > MAX_UNSENT_BYTES {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the other end does not read",
            ));
        }
        match &mut self.tls {
            Some(tls) => tls.writer().write_all(bytes)?,
            None => self.unsent.extend_from_slice(bytes),
        }
        self.flush()
    }

    /// Sends what was kept, as far as the system takes it.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if let Some(tls) = &mut self.tls {
            while tls.wants_write() {
                match tls.write_tls(&mut self.socket) {
                    Ok(_) => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                    Err(error) => return Err(error),
                }
            }
            return Ok(());
        }
        while !self.unsent.is_empty() {
            match self.socket.write(&self.unsent) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(sent) => {
                    self.unsent.drain(..sent);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads what is there and gives every whole message; `false` when the other end has closed.
    pub(super) fn receive(&mut self, mut message: impl FnMut(&[u8])) -> io::Result<bool> {
        let mut plain = Vec::new();
        let open = match &mut self.tls {
            Some(tls) => read_tls(tls, &mut self.socket, &mut plain)?,
            None => {
                let mut buffer = [0; READ_BYTES];
                let read = self.socket.read(&mut buffer);
                if let Ok(count) = read {
                    plain.extend_from_slice(buffer.get(..count).unwrap_or(&[]));
                }
                is_open(read)?
            }
        };
        for part in plain.chunks(MAX_MESSAGE_BYTES) {
            self.framer.push(part).map_err(io::Error::other)?;
            let mut pings = 0;
            while let Some(frame) = self.framer.next_frame().map_err(io::Error::other)? {
                match frame {
                    Frame::Message(bytes) => message(bytes),
                    Frame::Ping => pings += 1,
                }
            }
            for _ in 0..pings {
                self.send(PONG)?;
            }
        }
        self.flush()?;
        Ok(open)
    }
}

fn read_tls(
    tls: &mut ClientConnection,
    socket: &mut TcpStream,
    plain: &mut Vec<u8>,
) -> io::Result<bool> {
    let open = is_open(tls.read_tls(socket))?;
    match tls.process_new_packets() {
        Ok(state) => {
            let waiting = state.plaintext_bytes_to_read() as u64;
            tls.reader().take(waiting).read_to_end(plain)?;
            Ok(open && !state.peer_has_closed())
        }
        Err(error) => {
            // The other end is told why, as far as it listens.
            let _ = tls.write_tls(socket);
            Err(io::Error::other(error))
        }
    }
}

/// What a read says about the connection: nothing to read is no end.
fn is_open(read: io::Result<usize>) -> io::Result<bool> {
    match read {
        Ok(count) => Ok(count > 0),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(true),
        Err(error) => Err(error),
    }
}
