//! What the network says about datagrams that did not arrive (ICMP), from the error queue of a
//! socket. Only where something was sent lately is believed to be unreachable.
#![allow(unsafe_code)]

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd};

use fernamt_sip::transport::Flow;

use super::batch::{control_messages, socket_address, zeroed_address};

/// Flows that are remembered; a report comes back within a round trip.
const REMEMBERED: usize = 1024;

/// Reports that are read at once.
pub(crate) const MAX_REPORTS: usize = 64;

/// The flows that something was sent on lately.
pub(crate) struct Recent {
    flows: Vec<Flow>,
    next: usize,
}

impl Recent {
    pub(crate) fn new() -> Recent {
        Recent {
            flows: Vec::with_capacity(REMEMBERED),
            next: 0,
        }
    }

    /// Takes note that something was sent.
    pub(crate) fn sent(&mut self, flow: Flow) {
        match self.flows.get_mut(self.next) {
            Some(place) => *place = flow,
            None => self.flows.push(flow),
        }
        self.next = (self.next + 1) % REMEMBERED;
    }

    /// The flow on which something was sent there last.
    pub(crate) fn find(&self, remote: SocketAddr) -> Option<Flow> {
        let (newer, older) = self.flows.split_at_checked(self.next).unwrap_or((&[], &[]));
        newer
            .iter()
            .rev()
            .chain(older.iter().rev())
            .find(|flow| flow.remote == remote)
            .copied()
    }
}

/// Takes the reports that wait on a socket: the destinations that cannot be reached. Says whether
/// there were any reports, whatever they said.
pub(crate) fn take_reports(socket: BorrowedFd<'_>, unreachable: &mut Vec<SocketAddr>) -> bool {
    let mut any = false;
    for _ in 0..MAX_REPORTS {
        match take_report(socket) {
            Ok(Some(report)) => {
                any = true;
                unreachable.extend(report.destination);
            }
            Ok(None) | Err(_) => break,
        }
    }
    any
}

struct Report {
    /// Where nobody is; `None` for reports of another kind.
    destination: Option<SocketAddr>,
}

fn take_report(socket: BorrowedFd<'_>) -> io::Result<Option<Report>> {
    let mut address = zeroed_address();
    let mut control = [0u64; 64];
    // SAFETY: `msghdr` is plain data; null pointers with zero lengths mean nothing.
    let mut header: libc::msghdr = unsafe { core::mem::zeroed() };
    header.msg_name = (&raw mut address).cast();
    header.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
    header.msg_control = control.as_mut_ptr().cast();
    header.msg_controllen = size_of_val(&control) as _;
    let flags = libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT;
    // SAFETY: the header points at an address and a control buffer with the lengths given, both alive
    // through the call; there is no data buffer.
    let received = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, flags) };
    if received < 0 {
        let error = io::Error::last_os_error();
        return if error.kind() == io::ErrorKind::WouldBlock {
            Ok(None)
        } else {
            Err(error)
        };
    }
    let mut is_unreachable = false;
    control_messages(&header, |level, kind, data| {
        let is_error = matches!(
            (level, kind),
            (libc::IPPROTO_IP, libc::IP_RECVERR) | (libc::IPPROTO_IPV6, libc::IPV6_RECVERR)
        );
        if is_error {
            // SAFETY: the data of this control message is a `sock_extended_err`; read unaligned.
            let error = unsafe { data.cast::<libc::sock_extended_err>().read_unaligned() };
            let errno = i32::try_from(error.ee_errno).unwrap_or(0);
            is_unreachable = matches!(errno, libc::ECONNREFUSED | libc::EHOSTUNREACH);
        }
    });
    let destination = socket_address(&address).filter(|_| is_unreachable);
    Ok(Some(Report { destination }))
}

#[cfg(test)]
mod tests {
    use fernamt_sip::transport::Transport;

    use super::*;

    fn flow(port: u16) -> Flow {
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        Flow {
            transport: Transport::Udp,
            local: address(5060),
            remote: address(port),
            connection: None,
        }
    }

    #[test]
    fn only_the_latest_flows_are_remembered() {
        let mut recent = Recent::new();
        for port in 1..=u16::try_from(REMEMBERED).unwrap() + 1 {
            recent.sent(flow(port));
        }
        assert_eq!(recent.find(flow(1).remote), None);
        assert_eq!(recent.find(flow(2).remote), Some(flow(2)));
        let last = u16::try_from(REMEMBERED).unwrap() + 1;
        assert_eq!(recent.find(flow(last).remote), Some(flow(last)));
    }
}
