//! A network of phones and scripted peers under virtual time.

use core::time::Duration;
use std::collections::VecDeque;
use std::net::SocketAddr;

use fernamt_sip::message::Message;
use fernamt_sip::time::Time;
use fernamt_sip::transport::{Flow, Transport};

use super::super::{AgentSettings, Command, Event, Input, Output, UserAgent};

/// How long a datagram travels.
const DELAY: Duration = Duration::from_millis(10);

/// A datagram on its way.
struct Datagram {
    due: Time,
    from: SocketAddr,
    to: SocketAddr,
    bytes: Vec<u8>,
}

/// One phone, and what it has told.
pub(super) struct Phone {
    pub(super) agent: UserAgent,
    pub(super) address: SocketAddr,
    pub(super) events: Vec<Event>,
}

/// Everybody, and the wire between.
pub(super) struct World {
    pub(super) now: Time,
    pub(super) phones: Vec<Phone>,
    wire: VecDeque<Datagram>,
    /// Datagrams to addresses that no phone has, for scripted peers.
    pub(super) delivered: Vec<(SocketAddr, SocketAddr, String)>,
    /// Every n-th datagram is lost.
    pub(super) lose_every: Option<usize>,
    sent: usize,
    /// All that was sent, by its first lines.
    pub(super) log: Vec<String>,
    /// All that was sent, as it was.
    pub(super) sent_bytes: Vec<Vec<u8>>,
}

pub(super) fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

pub(super) const LEFT: &str = "192.0.2.1:5060";
pub(super) const RIGHT: &str = "192.0.2.2:5060";

impl World {
    pub(super) fn new() -> World {
        World {
            now: Time::from_micros(1_000_000),
            phones: Vec::new(),
            wire: VecDeque::new(),
            delivered: Vec::new(),
            lose_every: None,
            sent: 0,
            log: Vec::new(),
            sent_bytes: Vec::new(),
        }
    }

    /// Two phones; the right one takes calls.
    pub(super) fn of_two(change: impl Fn(&mut AgentSettings)) -> World {
        let mut world = World::new();
        for (at, port) in [(LEFT, 4_000), (RIGHT, 5_000)] {
            let mut settings = AgentSettings {
                media_port: port,
                accept_calls: at == RIGHT,
                ..AgentSettings::default()
            };
            change(&mut settings);
            world.add(at, settings);
        }
        world
    }

    pub(super) fn add(&mut self, at: &str, settings: AgentSettings) -> usize {
        let number = u8::try_from(self.phones.len()).expect("a few phones");
        let agent = UserAgent::new(settings, [number + 1; 32]);
        self.phones.push(Phone {
            agent,
            address: address(at),
            events: Vec::new(),
        });
        self.phones.len() - 1
    }

    pub(super) fn flow(&self, phone: usize, to: &str) -> Flow {
        udp(self.phones[phone].address, address(to))
    }

    pub(super) fn command(&mut self, phone: usize, command: Command) {
        let now = self.now;
        self.phones[phone]
            .agent
            .handle(now, Input::Command(command));
        self.drain(phone);
    }

    pub(super) fn call(&mut self, phone: usize, to: &str) {
        let flow = self.flow(phone, to);
        let uri = format!("sip:callee@{to}").into();
        self.command(phone, Command::Call { uri, flow });
    }

    /// Puts a datagram of a scripted peer on the wire.
    pub(super) fn inject(&mut self, from: &str, to: &str, text: &str) {
        self.inject_bytes(from, to, text.replace('\n', "\r\n").into_bytes());
    }

    pub(super) fn inject_bytes(&mut self, from: &str, to: &str, bytes: Vec<u8>) {
        let due = self.now + DELAY;
        self.wire.push_back(Datagram {
            due,
            from: address(from),
            to: address(to),
            bytes,
        });
    }

    fn drain(&mut self, phone: usize) {
        while let Some(output) = self.phones[phone].agent.poll() {
            match output {
                Output::Send { flow, bytes } => {
                    self.sent += 1;
                    self.log.push(first_line(&bytes));
                    self.sent_bytes.push(bytes.to_vec());
                    if self
                        .lose_every
                        .is_some_and(|every| self.sent.is_multiple_of(every))
                    {
                        continue;
                    }
                    let from = self.phones[phone].address;
                    let (due, to) = (self.now + DELAY, flow.remote);
                    self.wire.push_back(Datagram {
                        due,
                        from,
                        to,
                        bytes: bytes.to_vec(),
                    });
                }
                Output::Event(event) => self.phones[phone].events.push(event),
            }
        }
    }

    /// Lets time pass.
    pub(super) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let arrival = self.wire.front().map(|datagram| datagram.due);
            let deadlines = self
                .phones
                .iter()
                .filter_map(|phone| phone.agent.deadline());
            let Some(next) = deadlines.chain(arrival).min().filter(|next| *next <= end) else {
                break;
            };
            self.now = self.now.max(next);
            if arrival.is_some_and(|due| due <= self.now) {
                let datagram = self.wire.pop_front().expect("one is due");
                self.deliver(&datagram);
            } else {
                for phone in 0..self.phones.len() {
                    let now = self.now;
                    self.phones[phone].agent.handle(now, Input::Timer);
                    self.drain(phone);
                }
            }
        }
        self.now = end;
    }

    fn deliver(&mut self, datagram: &Datagram) {
        let to = self
            .phones
            .iter()
            .position(|phone| phone.address == datagram.to);
        let Some(phone) = to else {
            let text = String::from_utf8(datagram.bytes.clone()).expect("text");
            self.delivered.push((datagram.from, datagram.to, text));
            return;
        };
        let flow = udp(datagram.to, datagram.from);
        let now = self.now;
        let input = Input::Message {
            flow,
            bytes: &datagram.bytes,
        };
        self.phones[phone].agent.handle(now, input);
        self.drain(phone);
    }

    pub(super) fn seconds(&mut self, seconds: u64) {
        self.run(Duration::from_secs(seconds));
    }

    /// The end of the call at a phone; it must be told exactly once.
    pub(super) fn ended(&self, phone: usize) -> &super::super::Ended {
        let ends: Vec<_> = self.phones[phone]
            .events
            .iter()
            .filter_map(|event| match event {
                Event::Ended(ended) => Some(ended),
                _ => None,
            })
            .collect();
        assert_eq!(ends.len(), 1, "{:?}", self.phones[phone].events);
        ends[0]
    }

    /// The voice that was agreed on last.
    pub(super) fn plan(&self, phone: usize) -> &crate::media::MediaPlan {
        self.phones[phone]
            .events
            .iter()
            .rev()
            .find_map(|event| match event {
                Event::Media(plan) => Some(&**plan),
                _ => None,
            })
            .expect("voice was agreed on")
    }

    pub(super) fn has(&self, phone: usize, wanted: &Event) -> bool {
        self.phones[phone].events.contains(wanted)
    }

    pub(super) fn logged(&self, start: &str) -> usize {
        self.log
            .iter()
            .filter(|line| line.starts_with(start))
            .count()
    }

    /// The last message that a scripted peer got, parsed by `look`.
    pub(super) fn last_delivered<T>(&self, look: impl Fn(&Message<'_>) -> T) -> T {
        let (_, _, text) = self.delivered.last().expect("something was delivered");
        look(&Message::parse(text.as_bytes()).expect("a message"))
    }
}

pub(super) fn udp(local: SocketAddr, remote: SocketAddr) -> Flow {
    Flow {
        transport: Transport::Udp,
        local,
        remote,
        connection: None,
    }
}

fn first_line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let line = text.lines().next().unwrap_or("");
    match line.strip_prefix("SIP/2.0 ") {
        Some(status) => {
            let cseq = text
                .lines()
                .find(|line| line.starts_with("CSeq: "))
                .unwrap_or("");
            format!("{} {}", &status[..3], cseq.rsplit(' ').next().unwrap_or(""))
        }
        None => line.split(' ').next().unwrap_or("").to_owned(),
    }
}
