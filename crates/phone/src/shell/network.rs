//! The phone's sockets: SIP over UDP, TCP and TLS, and two for voice. One thread waits on all of
//! them, so that nothing has to be locked. No protocol here.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use fernamt_sip::transport::{ConnectionId, Flow, Transport};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use super::connection::Connection;
use super::place::{local_address_towards, media_sockets, resolve};
use super::tls::{self, TlsError, Trust};
use super::wake::{Interrupter, Wake};
use crate::address::ServerAddress;

/// The largest datagram there is.
const DATAGRAM_BYTES: usize = 65_535;

/// Datagrams taken from one socket before the others get their turn.
const DATAGRAMS_AT_ONCE: usize = 64;

/// Connections that others may open to a phone.
const MAX_CONNECTIONS: usize = 16;

/// Something that has come in.
#[derive(Debug)]
pub(super) enum Arrived {
    /// A SIP message.
    Message {
        /// Its way.
        flow: Flow,
        /// The message.
        bytes: Vec<u8>,
    },
    /// A connection is gone.
    Closed {
        /// Which one.
        connection: ConnectionId,
        /// Why, where the other end did not just close it.
        reason: Option<String>,
    },
    /// A datagram on one of the sockets for voice.
    Media {
        /// From where.
        from: SocketAddr,
        /// The datagram.
        bytes: Vec<u8>,
    },
    /// Somebody wants the phone to end.
    Interrupted,
}

/// A socket could not be opened or used.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// A port cannot be opened.
    #[error("cannot listen on {transport} {address}: {source}")]
    Listen {
        /// For what.
        transport: &'static str,
        /// Where.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// A name leads nowhere.
    #[error("`{host}` cannot be found: {reason}")]
    Resolve {
        /// The name.
        host: String,
        /// Why not.
        reason: String,
    },
    /// A connection cannot be made.
    #[error("cannot connect to {server}: {reason}")]
    Connect {
        /// To where.
        server: String,
        /// Why not.
        reason: String,
    },
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The system refuses something that every phone needs.
    #[error("{what}: {source}")]
    System {
        /// What.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
}

fn system(what: &'static str) -> impl FnOnce(io::Error) -> NetworkError {
    move |source| NetworkError::System { what, source }
}

/// All sockets of one phone.
pub(super) struct Network {
    wake: Wake,
    sip: UdpSocket,
    sip_local: SocketAddr,
    listener: Option<TcpListener>,
    connections: BTreeMap<ConnectionId, Connection>,
    next_connection: u64,
    rtp: UdpSocket,
    rtcp: UdpSocket,
    trust: Trust,
    tls: Option<Arc<ClientConfig>>,
    /// The name behind an address that TLS is spoken to.
    server_name: Option<ServerName<'static>>,
    buffer: Vec<u8>,
}

impl Network {
    /// Opens the sockets. `listen` is where others may reach the phone; `local` is this machine's
    /// address that voice comes to.
    pub(super) fn open(
        listen: Option<SocketAddr>,
        local: IpAddr,
        trust: Trust,
    ) -> Result<Network, NetworkError> {
        let address = listen.unwrap_or(SocketAddr::new(local, 0));
        let cannot = |transport| {
            move |source| NetworkError::Listen {
                transport,
                address,
                source,
            }
        };
        let sip = UdpSocket::bind(address).map_err(cannot("UDP"))?;
        sip.set_nonblocking(true).map_err(cannot("UDP"))?;
        let sip_local = sip.local_addr().map_err(cannot("UDP"))?;
        let listener = match listen {
            Some(_) => {
                let listener = TcpListener::bind(sip_local).map_err(cannot("TCP"))?;
                listener.set_nonblocking(true).map_err(cannot("TCP"))?;
                Some(listener)
            }
            None => None,
        };
        let (rtp, rtcp) =
            media_sockets(local).map_err(system("no free pair of ports for voice"))?;
        Ok(Network {
            wake: Wake::new().map_err(system("no pipe for interrupts"))?,
            sip,
            sip_local,
            listener,
            connections: BTreeMap::new(),
            next_connection: 0,
            rtp,
            rtcp,
            trust,
            tls: None,
            server_name: None,
            buffer: vec![0; DATAGRAM_BYTES],
        })
    }

    /// A bell for this phone.
    pub(super) fn interrupter(&self) -> Interrupter {
        self.wake.interrupter()
    }

    /// Where voice comes in.
    pub(super) fn media_port(&self) -> Result<u16, NetworkError> {
        let address = self
            .rtp
            .local_addr()
            .map_err(system("the port for voice is not known"))?;
        Ok(address.port())
    }

    /// Where SIP comes in.
    pub(super) fn sip_local(&self) -> SocketAddr {
        self.sip_local
    }

    /// The way to a server: nothing is sent by UDP yet, a stream is connected.
    pub(super) fn connect(&mut self, server: &ServerAddress) -> Result<Flow, NetworkError> {
        let remote = resolve(server, self.sip_local)?;
        if server.transport == Transport::Tls {
            self.server_name = Some(tls::server_name(&server.host)?);
        }
        let local = self.local_towards(remote);
        let flow = Flow {
            transport: server.transport,
            local,
            remote,
            connection: None,
        };
        if server.transport == Transport::Udp {
            return Ok(flow);
        }
        self.open_stream(flow)
            .map_err(|error| NetworkError::Connect {
                server: format!("{remote} by {}", server.transport),
                reason: tls::explain(&error),
            })
    }

    /// Our address as `remote` sees it, where no router is between.
    fn local_towards(&self, remote: SocketAddr) -> SocketAddr {
        if !self.sip_local.ip().is_unspecified() {
            return self.sip_local;
        }
        let ip = local_address_towards(remote).unwrap_or(self.sip_local.ip());
        SocketAddr::new(ip, self.sip_local.port())
    }

    fn open_stream(&mut self, flow: Flow) -> io::Result<Flow> {
        let tls = match flow.transport {
            Transport::Tls => {
                let name = match &self.server_name {
                    Some(name) => name.clone(),
                    None => ServerName::IpAddress(flow.remote.ip().into()),
                };
                Some((self.tls_config().map_err(io::Error::other)?, name))
            }
            _ => None,
        };
        let (socket, tls) = Connection::open(flow.remote, tls)?;
        let local = socket.local_addr()?;
        let id = self.next_id();
        let flow = Flow {
            local,
            connection: Some(id),
            ..flow
        };
        self.connections
            .insert(id, Connection::new(flow, socket, tls)?);
        Ok(flow)
    }

    fn tls_config(&mut self) -> Result<Arc<ClientConfig>, TlsError> {
        if let Some(config) = &self.tls {
            return Ok(Arc::clone(config));
        }
        let config = tls::client_config(&self.trust)?;
        self.tls = Some(Arc::clone(&config));
        Ok(config)
    }

    fn next_id(&mut self) -> ConnectionId {
        self.next_connection += 1;
        ConnectionId(self.next_connection)
    }

    /// Sends a message; a stream that is not there is opened.
    pub(super) fn send(&mut self, flow: Flow, bytes: &[u8]) -> Result<(), String> {
        if flow.transport == Transport::Udp {
            let sent = self.sip.send_to(bytes, flow.remote);
            return sent
                .map(|_| ())
                .map_err(|error| format!("{}: {error}", flow.remote));
        }
        let id = match self.find(flow) {
            Some(id) => id,
            None => match self.open_stream(flow).map(|flow| flow.connection) {
                Ok(Some(id)) => id,
                Ok(None) => return Err(format!("no connection to {}", flow.remote)),
                Err(error) => return Err(tls::explain(&error)),
            },
        };
        let connection = self
            .connections
            .get_mut(&id)
            .ok_or("the connection is closed")?;
        connection.send(bytes).map_err(|error| tls::explain(&error))
    }

    fn find(&self, flow: Flow) -> Option<ConnectionId> {
        let known = flow
            .connection
            .filter(|id| self.connections.contains_key(id));
        let same = |(id, connection): (&ConnectionId, &Connection)| {
            let other = connection.flow;
            let fits = other.remote == flow.remote && other.transport == flow.transport;
            fits.then_some(*id)
        };
        known.or_else(|| self.connections.iter().find_map(same))
    }

    /// Sends voice, or what is said about it.
    pub(super) fn send_media(&self, to: SocketAddr, bytes: &[u8], control: bool) {
        let socket = if control { &self.rtcp } else { &self.rtp };
        // Like every datagram it may be lost, here already.
        let _ = socket.send_to(bytes, to);
    }

    /// Waits until something comes, at most this long, and gives it.
    pub(super) fn wait(
        &mut self,
        timeout: Duration,
        arrived: &mut Vec<Arrived>,
    ) -> Result<(), NetworkError> {
        let ready = self
            .poll(timeout)
            .map_err(system("waiting for the network failed"))?;
        let [wake, sip, rtp, rtcp, listener] = ready.fixed;
        if wake {
            for _ in 0..self.wake.rings() {
                arrived.push(Arrived::Interrupted);
            }
        }
        for (socket, _) in [(&self.rtp, rtp), (&self.rtcp, rtcp)]
            .iter()
            .filter(|(_, ready)| *ready)
        {
            receive_media(socket, &mut self.buffer, arrived);
        }
        if sip {
            self.receive_sip(arrived);
        }
        if listener {
            self.accept();
        }
        for id in ready.connections {
            self.serve(id, arrived);
        }
        Ok(())
    }

    fn poll(&self, timeout: Duration) -> io::Result<Ready> {
        let mut sockets = vec![
            PollFd::new(self.wake.ear(), PollFlags::IN),
            PollFd::new(&self.sip, PollFlags::IN),
            PollFd::new(&self.rtp, PollFlags::IN),
            PollFd::new(&self.rtcp, PollFlags::IN),
        ];
        let ids: Vec<ConnectionId> = self.connections.keys().copied().collect();
        for connection in self.connections.values() {
            let write = if connection.wants_write() {
                PollFlags::OUT
            } else {
                PollFlags::empty()
            };
            sockets.push(PollFd::new(connection.socket(), PollFlags::IN | write));
        }
        if let Some(listener) = &self.listener {
            sockets.push(PollFd::new(listener, PollFlags::IN));
        }
        let timeout = Timespec {
            tv_sec: timeout.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: timeout.subsec_nanos().into(),
        };
        match poll(&mut sockets, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut ready = sockets.iter().map(|socket| !socket.revents().is_empty());
        let mut next = || ready.next().unwrap_or(false);
        let [wake, sip, rtp, rtcp] = [next(), next(), next(), next()];
        let connections = ids.into_iter().filter(|_| next()).collect();
        let listener = next();
        Ok(Ready {
            fixed: [wake, sip, rtp, rtcp, listener],
            connections,
        })
    }

    fn receive_sip(&mut self, arrived: &mut Vec<Arrived>) {
        for _ in 0..DATAGRAMS_AT_ONCE {
            let Ok((length, remote)) = self.sip.recv_from(&mut self.buffer) else {
                return;
            };
            let bytes = self.buffer.get(..length).unwrap_or(&[]).to_vec();
            let local = self.local_towards(remote);
            let flow = Flow {
                transport: Transport::Udp,
                local,
                remote,
                connection: None,
            };
            arrived.push(Arrived::Message { flow, bytes });
        }
    }

    fn accept(&mut self) {
        let Some(listener) = &self.listener else {
            return;
        };
        let Ok((socket, remote)) = listener.accept() else {
            return;
        };
        if self.connections.len() >= MAX_CONNECTIONS {
            return;
        }
        let local = socket.local_addr().unwrap_or(self.sip_local);
        let id = self.next_id();
        let flow = Flow {
            transport: Transport::Tcp,
            local,
            remote,
            connection: Some(id),
        };
        if let Ok(connection) = Connection::new(flow, socket, None) {
            self.connections.insert(id, connection);
        }
    }

    fn serve(&mut self, id: ConnectionId, arrived: &mut Vec<Arrived>) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let flow = connection.flow;
        let received = connection.receive(|bytes| {
            arrived.push(Arrived::Message {
                flow,
                bytes: bytes.to_vec(),
            });
        });
        let reason = match received {
            Ok(true) => return,
            Ok(false) => None,
            Err(error) => Some(tls::explain(&error)),
        };
        self.connections.remove(&id);
        arrived.push(Arrived::Closed {
            connection: id,
            reason,
        });
    }
}

fn receive_media(socket: &UdpSocket, buffer: &mut [u8], arrived: &mut Vec<Arrived>) {
    for _ in 0..DATAGRAMS_AT_ONCE {
        let Ok((length, from)) = socket.recv_from(buffer) else {
            return;
        };
        let bytes = buffer.get(..length).unwrap_or(&[]).to_vec();
        arrived.push(Arrived::Media { from, bytes });
    }
}

/// Which sockets have something: wake, SIP, RTP, RTCP, listener; and which connections.
struct Ready {
    fixed: [bool; 5],
    connections: Vec<ConnectionId>,
}
