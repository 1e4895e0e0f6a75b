//! Whatever comes in whatever order: at most one final result for each request, an end to each
//! transaction, and nothing left behind.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Receive {
        kind: u8,
        branch: u8,
        tag: u8,
        old: bool,
    },
    Accept {
        branch: u8,
        method: u8,
        reliable: bool,
        old: bool,
    },
    Respond {
        which: usize,
        status: u16,
        reliably: bool,
    },
    Prack {
        which: usize,
    },
    Acknowledged {
        which: usize,
    },
    Request {
        branch: u8,
        method: u8,
        reliable: bool,
    },
    Acknowledge {
        which: usize,
        tag: u8,
    },
    Cancel {
        which: usize,
    },
    Overdue {
        which: usize,
    },
    FlowFails {
        reliable: bool,
    },
    ClientFails {
        which: usize,
    },
    Wait {
        millis: u64,
    },
}

const METHODS: [&str; 4] = ["INVITE", "OPTIONS", "CANCEL", "BYE"];
const STATUSES: [u16; 6] = [100, 180, 200, 202, 302, 486];

fn step() -> impl Strategy<Value = Step> {
    let status = prop::sample::select(&STATUSES[..]);
    prop_oneof![
        6 => (0_u8..12, 0_u8..6, 0_u8..3, any::<bool>())
            .prop_map(|(kind, branch, tag, old)| Step::Receive { kind, branch, tag, old }),
        3 => (0_u8..6, 0_u8..4, any::<bool>(), any::<bool>())
            .prop_map(|(branch, method, reliable, old)| {
                Step::Accept { branch, method, reliable, old }
            }),
        4 => (any::<usize>(), status, any::<bool>())
            .prop_map(|(which, status, reliably)| Step::Respond { which, status, reliably }),
        1 => any::<usize>().prop_map(|which| Step::Prack { which }),
        1 => any::<usize>().prop_map(|which| Step::Acknowledged { which }),
        3 => (0_u8..6, 0_u8..4, any::<bool>())
            .prop_map(|(branch, method, reliable)| Step::Request { branch, method, reliable }),
        1 => (any::<usize>(), 0_u8..3)
            .prop_map(|(which, tag)| Step::Acknowledge { which, tag }),
        1 => any::<usize>().prop_map(|which| Step::Cancel { which }),
        1 => any::<usize>().prop_map(|which| Step::Overdue { which }),
        1 => any::<bool>().prop_map(|reliable| Step::FlowFails { reliable }),
        1 => any::<usize>().prop_map(|which| Step::ClientFails { which }),
        3 => prop_oneof![0_u64..600, 0_u64..6000, 0_u64..40_000]
            .prop_map(|millis| Step::Wait { millis }),
    ]
}

/// What a user of the transactions may rely on, checked at every step.
struct Checker {
    shard: Shard,
    servers: Vec<ServerId>,
    clients: Vec<ClientId>,
    /// The final response or failure of each request of ours: 2xx, or something else.
    results: HashMap<ClientId, bool>,
    finals: HashMap<ServerId, u16>,
    ended: HashSet<ServerId>,
}

fn message(method: &str, branch: u8, to_tag: &str, old: bool) -> String {
    let text = request_with(method, &branch.to_string(), to_tag);
    if old {
        text.replace(";branch=z9hG4bK", ";x=")
    } else {
        text
    }
}

fn pick<T: Copy>(list: &[T], which: usize) -> Option<T> {
    list.get(which % list.len().max(1)).copied()
}

impl Checker {
    fn new() -> Checker {
        let shard = Shard::with(|settings| {
            settings.max_servers = 8;
            settings.automatic_trying = Some(Duration::from_millis(200));
        });
        Checker {
            shard,
            servers: Vec::new(),
            clients: Vec::new(),
            results: HashMap::new(),
            finals: HashMap::new(),
            ended: HashSet::new(),
        }
    }

    fn flow(reliable: bool) -> Flow {
        if reliable { tcp() } else { udp() }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Receive {
                kind,
                branch,
                tag,
                old,
            } => self.receive(kind, branch, tag, old),
            Step::Wait { millis } => self.wait(millis),
            Step::Accept { .. }
            | Step::Respond { .. }
            | Step::Prack { .. }
            | Step::Acknowledged { .. } => self.serve(step),
            _ => self.ask(step),
        }
        self.drain();
    }

    /// What the user of server transactions does.
    fn serve(&mut self, step: Step) {
        let now = self.shard.now;
        let transactions = &mut self.shard.transactions;
        match step {
            Step::Accept {
                branch,
                method,
                reliable,
                old,
            } => {
                let text = message(METHODS[usize::from(method)], branch, "", old);
                let message = Message::parse(text.as_bytes()).unwrap();
                let is_known = matches!(transactions.receive(now, &message), Disposition::Absorbed);
                match transactions.accept(now, Self::flow(reliable), &message, 0) {
                    Ok(server) => {
                        assert!(!is_known);
                        self.servers.push(server);
                    }
                    Err(Refusal::Exists) => assert!(is_known),
                    Err(refusal) => assert_eq!(refusal, Refusal::Full),
                }
            }
            Step::Respond {
                which,
                status,
                reliably,
            } => {
                let Some(server) = pick(&self.servers, which) else {
                    return;
                };
                let bytes = response(status, "INVITE", "b", "to").into_bytes();
                let sent = if reliably && status < 200 {
                    transactions.respond_reliably(now, server, bytes, which as u32 % 5)
                } else {
                    transactions.respond(now, server, bytes, status)
                };
                if sent.is_ok() {
                    assert!(
                        !self.finals.contains_key(&server),
                        "a response after the final one"
                    );
                    assert!(!self.ended.contains(&server));
                    if status >= 200 {
                        self.finals.insert(server, status);
                    }
                }
            }
            Step::Prack { which } => {
                if let Some(server) = pick(&self.servers, which) {
                    transactions.prack_received(server, which as u32 % 5);
                }
            }
            Step::Acknowledged { which } => {
                if let Some(server) = pick(&self.servers, which)
                    && transactions.acknowledged(server)
                {
                    assert!((200..300).contains(&self.finals[&server]));
                }
            }
            _ => {}
        }
    }

    /// What the user of client transactions does, and the transport to it.
    fn ask(&mut self, step: Step) {
        let now = self.shard.now;
        let transactions = &mut self.shard.transactions;
        match step {
            Step::Request {
                branch,
                method,
                reliable,
            } => {
                let method = METHODS[usize::from(method)];
                let bytes = message(method, branch, "", false).into_bytes();
                let branch = format!("z9hG4bK{branch}");
                let flow = Self::flow(reliable);
                let method = Method::from_name(method);
                if let Ok(client) = transactions.request(now, flow, bytes, method, &branch, 0) {
                    self.clients.push(client);
                }
            }
            Step::Acknowledge { which, tag } => {
                if let Some(client) = pick(&self.clients, which) {
                    let ack = message("ACK", 99, "", false).into_bytes();
                    transactions.acknowledge(client, udp(), ack, &tag.to_string());
                }
            }
            Step::Cancel { which } => {
                if let Some(client) = pick(&self.clients, which) {
                    transactions.cancel(now, client, None);
                }
            }
            Step::Overdue { which } => {
                if let Some(client) = pick(&self.clients, which) {
                    let within = Duration::from_millis(which as u64 % 10_000 + 1);
                    transactions.expect_final(now, client, Some(within));
                }
            }
            Step::FlowFails { reliable } => transactions.transport_failed(Self::flow(reliable)),
            Step::ClientFails { which } => {
                if let Some(client) = pick(&self.clients, which) {
                    transactions.client_failed(client);
                }
            }
            _ => {}
        }
    }

    fn receive(&mut self, kind: u8, branch: u8, tag: u8, old: bool) {
        let kind = usize::from(kind);
        if let Some(status) = STATUSES.get(kind) {
            let method = METHODS[usize::from(tag) % METHODS.len()];
            let text = response(*status, method, &branch.to_string(), &tag.to_string());
            if let Disposition::Response { client, .. } = self.shard.receive(&text)
                && *status >= 200
            {
                self.result(client, *status < 300 && method == "INVITE");
            }
        } else {
            let method = ["INVITE", "OPTIONS", "CANCEL", "ACK", "BYE", "ACK"][kind - 6];
            let to_tag = if method == "ACK" { ";tag=to" } else { "" };
            self.shard.receive(&message(method, branch, to_tag, old));
        }
    }

    /// Forks may each bring a 2xx to INVITE; everything else comes once.
    fn result(&mut self, client: ClientId, is_fork: bool) {
        if let Some(previous) = self.results.insert(client, is_fork) {
            assert!(previous && is_fork, "two results for {client:?}");
        }
    }

    fn wait(&mut self, millis: u64) {
        let end = self.shard.now + Duration::from_millis(millis);
        while let Some(deadline) = self.shard.transactions.next_deadline()
            && deadline <= end
        {
            assert!(deadline > self.shard.now, "time stands still");
            self.shard.now = deadline;
            self.shard.transactions.expire(deadline);
            self.drain();
        }
        self.shard.now = end;
        self.shard.transactions.expire(end);
    }

    fn drain(&mut self) {
        while let Some(output) = self.shard.transactions.poll() {
            match output {
                Output::ClientFailed { client, .. } => self.result(client, false),
                Output::ServerGone { server, .. } | Output::NoAck { server, .. } => {
                    assert!(self.ended.insert(server), "two ends of {server:?}");
                }
                Output::NoPrack { server, .. } => assert!(!self.finals.contains_key(&server)),
                Output::Send { .. } | Output::ClientOverdue { .. } => {}
            }
        }
        assert!(self.shard.transactions.server_count() <= 8);
    }

    /// Answers what is left open, as a user would, and lets all timers run out.
    fn finish(mut self) {
        // Early INVITEs of ours end by cancelling; everything else ends by itself.
        for client in self.clients.clone() {
            self.shard.transactions.cancel(self.shard.now, client, None);
        }
        self.drain();
        self.wait(70_000);
        for client in &self.clients {
            assert!(
                self.results.contains_key(client),
                "no result for {client:?}"
            );
        }
        for server in self.servers.clone() {
            let bytes = response(500, "INVITE", "b", "to").into_bytes();
            let _ = self
                .shard
                .transactions
                .respond(self.shard.now, server, bytes, 500);
        }
        self.wait(70_000);
        self.shard.assert_empty();
    }
}

proptest! {
    #[test]
    fn no_order_of_messages_and_timers_breaks_the_promises(
        steps in prop::collection::vec(step(), 1..120)
    ) {
        let mut checker = Checker::new();
        for step in steps {
            checker.step(step);
        }
        checker.finish();
    }
}
