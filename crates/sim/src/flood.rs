//! More than the exchange can take: waves of messages from many sources, with nobody there who
//! plays by the rules. What is looked at is what the exchange keeps of it, and whether it still
//! works afterwards.

use core::time::Duration;
use std::net::SocketAddr;

use fernamt_exchange::Exchange;
use fernamt_exchange::config::Config;
use fernamt_exchange::directory::{Device, Directory};
use fernamt_exchange::interface::{Answer, Destination, Input, Output, Question, Write};
use fernamt_exchange::media;
use fernamt_exchange::registrar::Location;
use fernamt_sip::digest::{Challenger, DigestClient, Ha1};
use fernamt_sip::message::{Message, Name};
use fernamt_sip::time::{Now, Time, UnixTime};
use fernamt_sip::transport::{Flow, Transport};

use crate::random::Random;

/// Calls that the exchange takes at the same time in a flood.
pub const MAX_CALLS: usize = 500;

/// What floods in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wave {
    /// REGISTER without credentials, each from another source.
    Register,
    /// REGISTER with credentials that are wrong.
    Guess,
    /// INVITE without credentials, each with another Call-ID.
    Invite,
    /// INVITE with the right credentials, from a stolen account, never acknowledged.
    StolenAccount,
    /// MESSAGE with the right credentials to somebody who never answers.
    Text,
    /// Bytes that are nearly messages.
    Malformed,
    /// Responses and ACKs to nothing.
    Stray,
    /// Requests within dialogs that do not exist.
    WithinNothing,
}

impl Wave {
    /// All of them.
    pub const ALL: [Wave; 8] = [
        Wave::Register,
        Wave::Guess,
        Wave::Invite,
        Wave::StolenAccount,
        Wave::Text,
        Wave::Malformed,
        Wave::Stray,
        Wave::WithinNothing,
    ];
}

/// What the exchange holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Calls.
    pub calls: usize,
    /// Transactions, of requests that came and of requests that it sent.
    pub transactions: usize,
    /// Media endpoints.
    pub endpoints: usize,
    /// States of calls on disk.
    pub states: usize,
}

/// An exchange under a flood.
pub struct Flood {
    exchange: Exchange,
    now: Now,
    random: Random,
    directory: Directory,
    location: Location,
    credentials: DigestClient,
    held: Held,
    states: std::collections::BTreeSet<u64>,
    answers: u64,
    last_answer: Vec<u8>,
    port: u16,
}

impl Flood {
    /// An exchange with two devices, of which one is registered.
    pub fn new(seed: u64) -> Flood {
        let listen = "192.0.2.1:5060".parse().expect("an address");
        let config = Config {
            listeners: vec![(Transport::Udp, listen)],
            addresses: vec![listen.ip()],
            max_calls: MAX_CALLS,
            ..Config::default()
        };
        let mut random = Random::new(seed, 9);
        let exchange = Exchange::new(config, 0, random.seed()).expect("a good realm");
        let mut directory = Directory::default();
        for user in ["anna", "bert"] {
            directory.insert(Device {
                user: user.into(),
                name: None,
                numbers: Vec::new(),
                ha1: Ha1::new(user, "fernamt", "secret"),
                direct_media: false,
                encryption: Default::default(),
                media_transport: Default::default(),
            });
        }
        let mut flood = Flood {
            exchange,
            now: Now {
                time: Time::from_micros(1_000_000),
                unix: UnixTime::from_micros(1_800_000_000_000_000),
            },
            random,
            directory,
            location: Location::default(),
            credentials: DigestClient::with_password("anna", "secret", "192.0.2.1", None),
            held: Held::default(),
            states: std::collections::BTreeSet::new(),
            answers: 0,
            last_answer: Vec::new(),
            port: 0,
        };
        flood.register("bert");
        flood
    }

    /// What is held now.
    pub fn held(&self) -> Held {
        let (servers, clients) = self.exchange.transaction_counts();
        Held {
            calls: self.exchange.call_count(),
            transactions: servers + clients,
            states: self.states.len(),
            ..self.held
        }
    }

    /// How many messages the exchange has sent so far.
    pub fn answers(&self) -> u64 {
        self.answers
    }

    /// Lets so many messages flood in, with `apart` between them, and gives back the most that was
    /// held at any time.
    pub fn wave(&mut self, wave: Wave, messages: u32, apart: Duration) -> Held {
        let mut most = Held::default();
        for number in 0..messages {
            let source = match wave {
                Wave::Guess => number % 64,
                _ => number,
            };
            let from = SocketAddr::from((0x0a00_0000_u32.wrapping_add(source).to_be_bytes(), 5060));
            let bytes = self.message(wave, from);
            self.receive(from, &bytes);
            self.pass(apart);
            let held = self.held();
            most = Held {
                calls: most.calls.max(held.calls),
                transactions: most.transactions.max(held.transactions),
                endpoints: most.endpoints.max(held.endpoints),
                states: most.states.max(held.states),
            };
        }
        most
    }

    /// Lets time pass.
    pub fn pass(&mut self, duration: Duration) {
        let end = self.now.time + duration;
        while let Some(deadline) = self.exchange.next_deadline().filter(|due| *due <= end) {
            self.advance(deadline.max(self.now.time));
            self.exchange.handle(self.now, Input::Timer);
            self.drain();
        }
        self.advance(end);
    }

    /// Whether a device that nobody attacks can register now.
    pub fn works(&mut self) -> bool {
        self.register("bert") == Some(200)
    }

    fn advance(&mut self, to: Time) {
        let passed = to.since(self.now.time);
        self.now = Now {
            time: to,
            unix: self.now.unix + passed,
        };
    }

    fn message(&mut self, wave: Wave, from: SocketAddr) -> Vec<u8> {
        let to = "sip:bert@192.0.2.1";
        match wave {
            Wave::Register => self.request("REGISTER", "sip:192.0.2.1", from, None, ""),
            Wave::Guess => {
                let guess = "Authorization: Digest username=\"anna\", realm=\"fernamt\", \
                    nonce=\"0000\", uri=\"sip:192.0.2.1\", response=\"0123456789abcdef0123456789abcdef\"\r\n";
                self.request("REGISTER", "sip:192.0.2.1", from, Some(guess), "")
            }
            Wave::Invite => self.request("INVITE", to, from, None, OFFER),
            Wave::StolenAccount => {
                let credentials = self.credentials_for("INVITE", to);
                self.request("INVITE", to, from, Some(&credentials), OFFER)
            }
            Wave::Text => {
                let credentials = self.credentials_for("MESSAGE", to);
                self.request("MESSAGE", to, from, Some(&credentials), "")
            }
            Wave::Malformed => {
                let mut bytes = self.request("INVITE", to, from, None, OFFER);
                let place = self.random.below(bytes.len() as u64) as usize;
                bytes[place] = self.random.next() as u8;
                bytes.truncate(self.random.between(10, bytes.len() as u64) as usize);
                bytes
            }
            Wave::Stray => {
                let bytes = self.request("INVITE", to, from, None, "");
                let text = String::from_utf8_lossy(&bytes).replacen(
                    "INVITE sip:bert@192.0.2.1 SIP/2.0",
                    "SIP/2.0 200 OK",
                    1,
                );
                text.into_bytes()
            }
            Wave::WithinNothing => {
                let method = *self
                    .random
                    .pick(&["BYE", "INVITE", "UPDATE", "INFO", "ACK"]);
                let bytes = self.request(method, to, from, None, "");
                let text = String::from_utf8_lossy(&bytes);
                text.replacen(
                    "To: <sip:bert@192.0.2.1>",
                    "To: <sip:bert@192.0.2.1>;tag=x",
                    1,
                )
                .into_bytes()
            }
        }
    }

    fn request(
        &mut self,
        method: &str,
        uri: &str,
        from: SocketAddr,
        more: Option<&str>,
        body: &str,
    ) -> Vec<u8> {
        let (branch, call_id) = (self.random.token(), self.random.token());
        let more = more.unwrap_or("");
        let content_type = if body.is_empty() {
            ""
        } else {
            "Content-Type: application/sdp\r\n"
        };
        let to = if method == "REGISTER" {
            "sip:anna@192.0.2.1"
        } else {
            uri
        };
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bK{branch};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:anna@192.0.2.1>;tag={call_id}\r\nTo: <{to}>\r\n\
             Call-ID: {call_id}\r\nCSeq: 1 {method}\r\nContact: <sip:anna@{from}>\r\n\
             {more}{content_type}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    }

    /// Credentials of the stolen account, with the nonce of a challenge that was asked for.
    fn credentials_for(&mut self, method: &str, uri: &str) -> String {
        let cnonce = self.random.token();
        let answer = self
            .credentials
            .authorize("192.0.2.1", method, uri, &cnonce);
        let is_fresh = self.random.below(2_000) != 0;
        let answer = answer.filter(|_| is_fresh).or_else(|| {
            let from = "10.255.255.1:5060".parse().expect("an address");
            let bytes = self.request(method, uri, from, None, "");
            self.receive(from, &bytes);
            let challenge = std::mem::take(&mut self.last_answer);
            let challenge = Message::parse(&challenge).ok()?;
            let values = challenge.values(Name::ProxyAuthenticate);
            self.credentials
                .challenged("192.0.2.1", Challenger::Proxy, values, 0)
                .ok()?;
            self.credentials
                .authorize("192.0.2.1", method, uri, &cnonce)
        });
        answer.map_or_else(String::new, |it| format!("{}: {}\r\n", it.name, it.value))
    }

    fn register(&mut self, user: &str) -> Option<u16> {
        let from: SocketAddr = "198.51.100.7:5060".parse().expect("an address");
        let mut client = DigestClient::with_password(user, "secret", "192.0.2.1", None);
        let mut more = "Expires: 3600\r\n".to_owned();
        for _ in 0..2 {
            let bytes = self.request("REGISTER", "sip:192.0.2.1", from, Some(&more), "");
            let text =
                String::from_utf8_lossy(&bytes).replace("sip:anna@", &format!("sip:{user}@"));
            self.last_answer.clear();
            self.receive(from, text.as_bytes());
            let answer = std::mem::take(&mut self.last_answer);
            let answer = Message::parse(&answer).ok()?;
            if answer.status() != Some(401) {
                return answer.status();
            }
            let values = answer.values(Name::WwwAuthenticate);
            client
                .challenged("192.0.2.1", Challenger::Server, values, 0)
                .ok()?;
            let uri = "sip:192.0.2.1";
            let authorization = client.authorize(uri.get(4..)?, "REGISTER", uri, "0123")?;
            more = format!(
                "Expires: 3600\r\n{}: {}\r\n",
                authorization.name, authorization.value
            );
        }
        Some(401)
    }

    fn receive(&mut self, from: SocketAddr, bytes: &[u8]) {
        let flow = Flow {
            transport: Transport::Udp,
            local: "192.0.2.1:5060".parse().expect("an address"),
            remote: from,
            connection: None,
        };
        self.exchange
            .handle(self.now, Input::Message { flow, bytes });
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.exchange.poll() {
            match output {
                Output::Send { bytes, .. } => {
                    self.answers += 1;
                    if bytes.starts_with(b"SIP/2.0") {
                        self.last_answer.clear();
                        self.last_answer.extend_from_slice(&bytes);
                    }
                }
                Output::Ask { question, ask } => {
                    let answer = self.answer(ask);
                    self.exchange
                        .handle(self.now, Input::Answer { question, answer });
                }
                Output::Media(command) => self.order_media(&command),
                Output::Write(write) => self.write(&write),
                Output::CloseConnection(_) | Output::Publish(_) => {}
            }
        }
    }

    fn write(&mut self, write: &Write) {
        match write {
            Write::State { call, .. } => self.states.insert(call.0),
            Write::Closed { record, .. } => self.states.remove(&record.call.0),
        };
        if let Some(ticket) = write.ticket() {
            self.exchange.handle(self.now, Input::Committed(ticket));
        }
    }

    fn answer(&mut self, ask: Question) -> Answer {
        match ask {
            Question::Device { user } => Answer::Device(self.directory.device(&user).cloned()),
            Question::Destination { dialled } => {
                let device = self.directory.destination(&dialled, None);
                Answer::Destination(device.map(|device| {
                    let bindings = self.location.bindings(self.now.unix, &device.user);
                    Destination { device, bindings }
                }))
            }
            Question::Register { user, change } => {
                Answer::Bindings(self.location.apply(self.now.unix, &user, *change))
            }
            Question::Resolve(_) => Answer::Targets(Vec::new()),
        }
    }

    fn order_media(&mut self, command: &media::Command) {
        let event = match command {
            media::Command::Open {
                endpoint, local, ..
            } => {
                self.held.endpoints += 1;
                self.port = self.port.wrapping_add(2);
                let rtp = SocketAddr::new(*local, self.port);
                media::Event::Opened {
                    endpoint: *endpoint,
                    rtp,
                }
            }
            media::Command::Close { endpoint } => {
                self.held.endpoints -= 1;
                let statistics = media::Statistics::default();
                media::Event::Closed {
                    endpoint: *endpoint,
                    statistics,
                }
            }
            _ => return,
        };
        self.exchange.handle(self.now, Input::Media(event));
    }
}

const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\n\
    m=audio 4000 RTP/AVP 8 0\r\n";
