//! Transactions under virtual time: what goes in and comes out is written as short text.

mod cancel;
mod client_invite;
mod client_other;
mod failures;
mod limits;
mod properties;
mod provisional;
mod server_invite;
mod server_other;
mod speed;

use super::*;

/// A shard of transactions whose users are numbers, and a clock.
struct Shard {
    transactions: Transactions<u32>,
    now: Time,
}

fn millis(millis: u64) -> Time {
    Time::from_micros(millis * 1000)
}

fn flow(transport: crate::transport::Transport) -> Flow {
    use crate::transport::{ConnectionId, Transport};
    Flow {
        transport,
        local: "192.0.2.1:5060".parse().unwrap(),
        remote: "192.0.2.2:5070".parse().unwrap(),
        connection: (transport != Transport::Udp).then_some(ConnectionId(7)),
    }
}

fn udp() -> Flow {
    flow(crate::transport::Transport::Udp)
}

fn tcp() -> Flow {
    flow(crate::transport::Transport::Tcp)
}

/// A request as it comes from a peer, or as we send it.
fn request(method: &str, branch: &str) -> String {
    request_with(method, branch, "")
}

fn request_with(method: &str, branch: &str, to_tag: &str) -> String {
    format!(
        "{method} sip:bob@example.com SIP/2.0\r\n\
         Via: SIP/2.0/UDP 192.0.2.2:5070;branch=z9hG4bK{branch}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:alice@example.com>;tag=from\r\n\
         To: <sip:bob@example.com>{to_tag}\r\nCall-ID: call\r\nCSeq: 1 {method}\r\n\
         Content-Length: 0\r\n\r\n"
    )
}

fn response(status: u16, method: &str, branch: &str, to_tag: &str) -> String {
    format!(
        "SIP/2.0 {status} X\r\nVia: SIP/2.0/UDP 192.0.2.2:5070;branch=z9hG4bK{branch}\r\n\
         From: <sip:alice@example.com>;tag=from\r\nTo: <sip:bob@example.com>;tag={to_tag}\r\n\
         Call-ID: call\r\nCSeq: 1 {method}\r\nContent-Length: 0\r\n\r\n"
    )
}

impl Shard {
    fn new() -> Shard {
        Shard::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut TransactionSettings)) -> Shard {
        let mut settings = TransactionSettings::default();
        change(&mut settings);
        Shard {
            transactions: Transactions::new(settings),
            now: Time::ZERO,
        }
    }

    fn receive(&mut self, text: &str) -> Disposition<u32> {
        self.transactions
            .receive(self.now, &Message::parse(text.as_bytes()).unwrap())
    }

    fn accept(&mut self, flow: Flow, text: &str, user: u32) -> ServerId {
        let message = Message::parse(text.as_bytes()).unwrap();
        assert_eq!(
            self.transactions.receive(self.now, &message),
            Disposition::New
        );
        self.transactions
            .accept(self.now, flow, &message, user)
            .unwrap()
    }

    fn respond(&mut self, server: ServerId, status: u16) -> Result<(), ResponseRefusal> {
        let bytes = response(status, "INVITE", "b", "to").into_bytes();
        self.transactions.respond(self.now, server, bytes, status)
    }

    fn request(&mut self, flow: Flow, method: &str, branch: &str, user: u32) -> ClientId {
        let bytes = request(method, branch).into_bytes();
        let branch = format!("z9hG4bK{branch}");
        let method = Method::from_name(method);
        self.transactions
            .request(self.now, flow, bytes, method, &branch, user)
            .unwrap()
    }

    /// What comes out now, without the time.
    fn drain(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.transactions.poll())
            .map(|output| show(&output))
            .collect()
    }

    /// What comes out up to a time, with the time in milliseconds before it.
    fn run_until(&mut self, end: u64) -> Vec<String> {
        let mut events = Vec::new();
        while let Some(deadline) = self.transactions.next_deadline()
            && deadline <= millis(end)
        {
            assert!(deadline > self.now, "time stands still");
            self.now = deadline;
            self.transactions.expire(deadline);
            let now = deadline.as_micros() / 1000;
            events.extend(
                self.drain()
                    .into_iter()
                    .map(|event| format!("{now} {event}")),
            );
        }
        self.now = millis(end);
        self.transactions.expire(self.now);
        assert_eq!(self.drain(), [""; 0]);
        events
    }

    /// Nothing is left, not even a timer.
    fn assert_empty(&self) {
        assert_eq!(self.transactions.server_count(), 0);
        assert_eq!(self.transactions.client_count(), 0);
        assert_eq!(self.transactions.next_deadline(), None);
    }
}

fn show(output: &Output<u32>) -> String {
    match output {
        Output::Send { bytes, .. } => {
            let message = Message::parse(bytes).unwrap();
            match message.status() {
                Some(status) => status.to_string(),
                None => message.method().to_string(),
            }
        }
        Output::ClientFailed { user, failure, .. } => format!("failed {user} {}", failure.status()),
        Output::ClientOverdue { user, .. } => format!("overdue {user}"),
        Output::NoAck { user, .. } => format!("no ack {user}"),
        Output::NoPrack { user, rseq, .. } => format!("no prack {user} {rseq}"),
        Output::ServerGone { user, reason, .. } => format!("gone {user} {reason:?}"),
    }
}

/// Times of sending, as [`Shard::run_until`] shows them.
fn times(times: &[u64], what: &str) -> Vec<String> {
    times.iter().map(|time| format!("{time} {what}")).collect()
}

/// What [`Shard::run_until`] shows for a server or client that repeats from T1 up to T2.
const UP_TO_T2: [u64; 10] = [
    500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500,
];
