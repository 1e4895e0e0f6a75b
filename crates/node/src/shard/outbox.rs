//! Datagrams that wait for the end of the batch, per socket and in order.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use fernamt_sip::transport::Flow;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::Timespec;

use crate::transport::udp::{BATCH, Outgoing, Recent, SendBatch, Socket, take_reports};

/// How long a full socket buffer is waited for. Then datagrams are lost, as on any network.
const FULL_BUFFER_WAIT: Duration = Duration::from_millis(5);

struct Pending {
    flow: Flow,
    from: Option<IpAddr>,
    bytes: Arc<[u8]>,
}

impl Outgoing for Pending {
    fn remote(&self) -> SocketAddr {
        self.flow.remote
    }

    fn local(&self) -> Option<IpAddr> {
        self.from
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// The UDP sockets of a shard and what is to be sent on them.
pub(super) struct Outbox {
    sockets: Vec<Socket>,
    pending: Vec<Vec<Pending>>,
    waiting: usize,
    sender: Sender,
}

/// What sending needs, apart from the sockets.
struct Sender {
    batch: SendBatch,
    recent: Recent,
    /// Destinations that the network says nobody can reach.
    unreachable: Vec<SocketAddr>,
}

impl Outbox {
    pub(super) fn new(sockets: Vec<Socket>) -> Outbox {
        let pending = sockets.iter().map(|_| Vec::new()).collect();
        let sender = Sender {
            batch: SendBatch::new(),
            recent: Recent::new(),
            unreachable: Vec::new(),
        };
        Outbox {
            sockets,
            pending,
            waiting: 0,
            sender,
        }
    }

    pub(super) fn sockets(&self) -> &[Socket] {
        &self.sockets
    }

    /// Keeps a datagram until [`Outbox::flush`]; false when no socket leads there.
    pub(super) fn put(&mut self, flow: Flow, bytes: Arc<[u8]>) -> bool {
        let exact = self
            .sockets
            .iter()
            .position(|socket| socket.serves(flow.local));
        // An address that we do not serve (any more): the family is what must fit.
        let same_family = || {
            self.sockets
                .iter()
                .position(|s| s.bound().is_ipv4() == flow.remote.is_ipv4())
        };
        let Some(index) = exact.or_else(same_family) else {
            return false;
        };
        let Some((socket, pending)) = self.sockets.get(index).zip(self.pending.get_mut(index))
        else {
            return false;
        };
        let from = Some(flow.local.ip())
            .filter(|ip| exact.is_some() && socket.is_wildcard() && !ip.is_unspecified());
        pending.push(Pending { flow, from, bytes });
        self.waiting += 1;
        true
    }

    /// Sends everything. Flows on which something could not be sent go into `failed`. Says how many
    /// datagrams left.
    pub(super) fn flush(&mut self, failed: &mut Vec<Flow>) -> usize {
        if self.waiting == 0 {
            return 0;
        }
        self.waiting = 0;
        let mut total = 0;
        for (socket, pending) in self.sockets.iter().zip(&mut self.pending) {
            total += self.sender.send_all(socket, pending, failed);
            pending.clear();
        }
        total
    }

    /// Reads what the network reports to a socket.
    pub(super) fn read_reports(&mut self, index: usize) {
        if let Some(socket) = self.sockets.get(index) {
            take_reports(socket.as_fd(), &mut self.sender.unreachable);
        }
    }

    /// Destinations that were reported since the last call.
    pub(super) fn take_unreachable(&mut self) -> Vec<SocketAddr> {
        std::mem::take(&mut self.sender.unreachable)
    }

    /// The flow on which something was sent there lately.
    pub(super) fn recent_flow(&self, remote: SocketAddr) -> Option<Flow> {
        self.sender.recent.find(remote)
    }
}

impl Sender {
    fn send_all(&mut self, socket: &Socket, pending: &[Pending], failed: &mut Vec<Flow>) -> usize {
        let mut rest = pending;
        let mut total = 0;
        let mut waited = false;
        while let Some(first) = rest.first() {
            let now = rest.get(..BATCH).unwrap_or(rest);
            let done = match self.batch.send(socket.as_fd(), now) {
                Ok(sent) => {
                    let sent = sent.clamp(1, now.len());
                    for datagram in now.iter().take(sent) {
                        self.recent.sent(datagram.flow);
                    }
                    total += sent;
                    sent
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
                Err(error) if is_full(&error) => {
                    if waited {
                        tracing::debug!(lost = rest.len(), "the UDP socket buffer stays full");
                        return total;
                    }
                    waited = true;
                    wait_for_room(socket);
                    0
                }
                // A report about an earlier datagram comes up as the error of the next system call,
                // which then has done nothing.
                Err(_) if take_reports(socket.as_fd(), &mut self.unreachable) => 0,
                Err(error) => {
                    let remote = first.flow.remote;
                    tracing::debug!(%remote, %error, "a datagram cannot be sent");
                    failed.push(first.flow);
                    1
                }
            };
            rest = rest.get(done..).unwrap_or_default();
        }
        total
    }
}

fn is_full(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock || error.raw_os_error() == Some(libc::ENOBUFS)
}

fn wait_for_room(socket: &Socket) {
    let file = socket.as_fd();
    let time = Timespec::try_from(FULL_BUFFER_WAIT).ok();
    let _ = poll(&mut [PollFd::new(&file, PollFlags::OUT)], time.as_ref());
}
