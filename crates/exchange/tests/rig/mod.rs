//! An exchange with everything around it in one place and virtual time: phones that are scripts,
//! a directory, a location, a media plane and a journal that do what they are told at once.

#![allow(dead_code, missing_docs)]
#![allow(clippy::unwrap_used, clippy::panic)]

pub(crate) mod sdp;
pub(crate) mod secure;

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use fernamt_charging::CallRecord;
use fernamt_exchange::Exchange;
use fernamt_exchange::config::Config;
use fernamt_exchange::directory::{Device, Directory};
use fernamt_exchange::interface::{
    Answer, Destination, Event, Input, Output, Question, Target, Ticket, Write,
};
use fernamt_exchange::journal::Entry;
use fernamt_exchange::media;
use fernamt_exchange::registrar::Location;
use fernamt_sip::digest::{Challenger, DigestClient, Ha1};
use fernamt_sip::message::{Message, Method, Name};
use fernamt_sip::time::{Now, Time, UnixTime};
use fernamt_sip::transport::{Flow, Transport};

pub(crate) const EXCHANGE: &str = "192.0.2.1:5060";

pub(crate) struct Rig {
    pub(crate) exchange: Exchange,
    pub(crate) now: Now,
    pub(crate) directory: Directory,
    pub(crate) location: Location,
    /// What was sent, by the address it was sent to.
    pub(crate) wire: VecDeque<(Flow, String)>,
    pub(crate) media: Vec<media::Command>,
    pub(crate) open_ports: Vec<media::EndpointId>,
    next_port: u16,
    pub(crate) records: Vec<(CallRecord, Vec<Entry>)>,
    /// The last state of each call that has no record.
    pub(crate) states: Vec<(fernamt_charging::CallReference, Vec<u8>)>,
    pub(crate) events: Vec<Event>,
    pub(crate) disk_full: bool,
    /// Writing takes until [`Rig::finish_writing`].
    pub(crate) disk_slow: bool,
    writing: Vec<(Ticket, bool)>,
    pub(crate) media_full: bool,
    /// Where every name leads.
    pub(crate) targets: Vec<Target>,
    /// How long the exchange and what is around it have been at work.
    pub(crate) thinking: Duration,
}

pub(crate) fn config() -> Config {
    Config {
        listeners: vec![
            (Transport::Udp, EXCHANGE.parse().unwrap()),
            (Transport::Tcp, EXCHANGE.parse().unwrap()),
        ],
        addresses: vec!["192.0.2.1".parse().unwrap()],
        secret: [7; 32],
        ..Config::default()
    }
}

impl Rig {
    pub(crate) fn new() -> Rig {
        Rig::with(config())
    }

    pub(crate) fn with(config: Config) -> Rig {
        let mut rig = Rig {
            exchange: Exchange::new(config, 0, [1; 32]).unwrap(),
            now: Now {
                time: Time::from_micros(1_000_000),
                unix: UnixTime::from_micros(1_800_000_000_000_000),
            },
            directory: Directory::default(),
            location: Location::default(),
            wire: VecDeque::new(),
            media: Vec::new(),
            open_ports: Vec::new(),
            next_port: 30_000,
            records: Vec::new(),
            states: Vec::new(),
            events: Vec::new(),
            disk_full: false,
            disk_slow: false,
            writing: Vec::new(),
            media_full: false,
            targets: Vec::new(),
            thinking: Duration::ZERO,
        };
        for user in ["anna", "bert", "carla"] {
            rig.add_device(user, &[]);
        }
        rig
    }

    pub(crate) fn add_device(&mut self, user: &str, numbers: &[&str]) {
        self.directory.insert(Device {
            user: user.into(),
            name: Some(format!("{user} at home").into()),
            numbers: numbers
                .iter()
                .map(|number| number.parse().unwrap())
                .collect(),
            ha1: Ha1::new(user, "fernamt", &format!("secret-{user}")),
            direct_media: false,
            encryption: Default::default(),
            media_transport: Default::default(),
        });
    }

    /// What the record of a device says of encryption.
    pub(crate) fn wish(&mut self, user: &str, encryption: &str, media_transport: &str) {
        let device = Device::clone(self.directory.device(user).unwrap());
        self.directory.insert(Device {
            encryption: encryption.parse().unwrap(),
            media_transport: media_transport.parse().unwrap(),
            ..device
        });
    }

    /// The last that the media plane was told of each endpoint, in the order of their names.
    pub(crate) fn remotes(&self) -> Vec<(media::EndpointId, media::Remote)> {
        let mut last = std::collections::BTreeMap::new();
        for order in &self.media {
            if let media::Command::Remote { endpoint, remote } = order {
                last.insert(*endpoint, media::Remote::clone(remote));
            }
        }
        last.into_iter().collect()
    }

    /// The device's media may flow directly.
    pub(crate) fn allow_direct_media(&mut self, user: &str) {
        let device = Device::clone(self.directory.device(user).unwrap());
        self.directory.insert(Device {
            direct_media: true,
            ..device
        });
    }

    /// The exchange is killed and started again; it has what was on disk.
    pub(crate) fn crash(&mut self, config: Config) {
        self.exchange = Exchange::new(config, 0, [2; 32]).unwrap();
        self.wire.clear();
        self.media.clear();
        self.open_ports.clear();
        for (_, state) in std::mem::take(&mut self.states) {
            self.states
                .push((Exchange::reference_of_state(&state).unwrap(), state.clone()));
            let command = fernamt_exchange::interface::Command::Recover { state };
            self.input(Input::Command(command));
        }
    }

    pub(crate) fn input(&mut self, input: Input<'_>) {
        let begin = std::time::Instant::now();
        self.exchange.handle(self.now, input);
        self.drain();
        self.thinking += begin.elapsed();
    }

    pub(crate) fn pass(&mut self, duration: Duration) {
        let end = self.now.time + duration;
        while let Some(deadline) = self
            .exchange
            .next_deadline()
            .filter(|deadline| *deadline <= end)
        {
            self.advance(deadline.max(self.now.time));
            self.exchange.handle(self.now, Input::Timer);
            self.drain();
        }
        self.advance(end);
        self.exchange.handle(self.now, Input::Timer);
        self.drain();
    }

    fn advance(&mut self, to: Time) {
        let passed = to.since(self.now.time);
        self.now = Now {
            time: to,
            unix: self.now.unix + passed,
        };
    }

    fn drain(&mut self) {
        while let Some(output) = self.exchange.poll() {
            match output {
                Output::Send { flow, bytes, .. } => {
                    self.wire
                        .push_back((flow, String::from_utf8(bytes.to_vec()).unwrap()));
                }
                Output::Ask { question, ask } => {
                    let answer = self.answer(ask);
                    self.exchange
                        .handle(self.now, Input::Answer { question, answer });
                }
                Output::Media(command) => {
                    let event = self.execute(&command);
                    self.media.push(command);
                    if let Some(event) = event {
                        self.exchange.handle(self.now, Input::Media(event));
                    }
                }
                Output::Write(write) => self.write(write),
                Output::Publish(event) => self.events.push(event),
                Output::CloseConnection(_) => {}
            }
        }
    }

    fn answer(&mut self, ask: Question) -> Answer {
        match ask {
            Question::Device { user } => Answer::Device(self.directory.device(&user).cloned()),
            Question::Destination { dialled } => {
                let device = self.directory.destination(&dialled, Some("49"));
                Answer::Destination(device.map(|device| {
                    let bindings = self.location.bindings(self.now.unix, &device.user);
                    Destination { device, bindings }
                }))
            }
            Question::Register { user, change } => {
                Answer::Bindings(self.location.apply(self.now.unix, &user, *change))
            }
            Question::Resolve(_) => Answer::Targets(self.targets.clone()),
        }
    }

    fn execute(&mut self, command: &media::Command) -> Option<media::Event> {
        match command {
            media::Command::Open { endpoint, .. } if self.media_full => {
                Some(media::Event::Refused {
                    endpoint: *endpoint,
                    reason: media::Refusal::NoPort,
                })
            }
            media::Command::Open {
                endpoint,
                local,
                port,
            } => {
                self.next_port += 2;
                self.open_ports.push(*endpoint);
                let rtp = SocketAddr::new(*local, port.unwrap_or(self.next_port));
                Some(media::Event::Opened {
                    endpoint: *endpoint,
                    rtp,
                })
            }
            media::Command::Close { endpoint } => {
                self.open_ports.retain(|open| open != endpoint);
                let statistics = media::Statistics::default();
                Some(media::Event::Closed {
                    endpoint: *endpoint,
                    statistics,
                })
            }
            _ => None,
        }
    }

    fn write(&mut self, write: Write) {
        let ticket = write.ticket();
        match write {
            Write::State { call, state, .. } => {
                if !self.disk_full {
                    self.states.retain(|(known, _)| *known != call);
                    self.states.push((call, state));
                }
            }
            Write::Closed {
                record, journal, ..
            } => {
                self.states.retain(|(known, _)| *known != record.call);
                self.records.push((*record, journal.entries()));
            }
        }
        match ticket {
            Some(ticket) if self.disk_slow => self.writing.push((ticket, !self.disk_full)),
            Some(ticket) => self.written(ticket, !self.disk_full),
            None => {}
        }
    }

    fn written(&mut self, ticket: Ticket, done: bool) {
        let input = match done {
            true => Input::Committed(ticket),
            false => Input::CommitFailed(ticket),
        };
        self.exchange.handle(self.now, input);
    }

    /// All that was to be written is on disk, or has failed.
    pub(crate) fn finish_writing(&mut self) {
        for (ticket, done) in std::mem::take(&mut self.writing) {
            self.written(ticket, done);
        }
        self.drain();
    }

    /// The next message for this address, of any kind.
    pub(crate) fn next_for(&mut self, phone: &Phone) -> Option<String> {
        let index = self
            .wire
            .iter()
            .position(|(flow, _)| flow.remote == phone.address)?;
        self.wire.remove(index).map(|(_, text)| text)
    }
}

/// A phone as a script: it knows how to write messages, and nothing else.
pub(crate) struct Phone {
    pub(crate) user: &'static str,
    pub(crate) address: SocketAddr,
    pub(crate) transport: Transport,
    /// The connection of a phone on a stream.
    pub(crate) connection: Option<u64>,
    /// Behind the contact of a REGISTER.
    pub(crate) contact_params: &'static str,
    /// Behind the contact of an INVITE.
    pub(crate) invite_params: &'static str,
    /// A router on the way that changes what the phone says.
    pub(crate) router: Option<fn(&str) -> String>,
    cseq: u32,
    calls: u32,
}

/// A dialog as the phone sees it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Talk {
    pub(crate) call_id: String,
    pub(crate) local: String,
    pub(crate) remote: String,
    pub(crate) target: String,
    pub(crate) cseq: u32,
    pub(crate) invite: String,
}

pub(crate) const OFFER: &str = "v=0\r\no=phone 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\n";
pub(crate) const ANSWER: &str = "v=0\r\no=phone 2 1 IN IP4 198.51.100.8\r\ns=-\r\nc=IN IP4 198.51.100.8\r\nt=0 0\r\nm=audio 5000 RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\n";

impl Phone {
    pub(crate) fn new(user: &'static str, address: &str) -> Phone {
        Phone {
            user,
            address: address.parse().unwrap(),
            transport: Transport::Udp,
            connection: None,
            contact_params: "",
            invite_params: "",
            router: None,
            cseq: 0,
            calls: 0,
        }
    }

    pub(crate) fn flow(&self) -> Flow {
        Flow {
            transport: self.transport,
            local: EXCHANGE.parse().unwrap(),
            remote: self.address,
            connection: self.connection.map(fernamt_sip::transport::ConnectionId),
        }
    }

    pub(crate) fn send(&self, rig: &mut Rig, text: &str) {
        let changed = self.router.map(|router| router(text));
        let text = changed.as_deref().unwrap_or(text);
        rig.input(Input::Message {
            flow: self.flow(),
            bytes: text.as_bytes(),
        });
    }

    pub(crate) fn expect(&self, rig: &mut Rig, start: &str) -> String {
        let Some(text) = rig.next_for(self) else {
            panic!(
                "{} expected {start:?} and got nothing; wire: {:#?}",
                self.user, rig.wire
            )
        };
        self.acknowledge_failure(rig, &text);
        assert!(
            text.starts_with(start),
            "{} expected {start:?} and got:\n{text}",
            self.user
        );
        text
    }

    /// A final response that is no 2xx is acknowledged, as every phone does.
    fn acknowledge_failure(&self, rig: &mut Rig, text: &str) {
        let message = Message::parse(text.as_bytes()).unwrap();
        let failed = message.status().is_some_and(|status| status >= 300);
        if !failed || message.method() != Method::Invite {
            return;
        }
        let branch = message
            .value(Name::Via)
            .unwrap()
            .split(";r")
            .next()
            .unwrap()
            .to_owned();
        let ack = format!(
            "ACK sip:x@192.0.2.1 SIP/2.0\r\nVia: {branch}\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {} ACK\r\nContent-Length: 0\r\n\r\n",
            message.value(Name::From).unwrap(),
            message.value(Name::To).unwrap(),
            message.value(Name::CallId).unwrap(),
            message.cseq().unwrap().number,
        );
        self.send(rig, &ack);
    }

    pub(crate) fn expect_nothing(&self, rig: &mut Rig) {
        if let Some(text) = rig.next_for(self) {
            panic!("{} expected nothing and got:\n{text}", self.user)
        }
    }

    /// The Call-ID of what comes next; phones of the same user differ in it.
    pub(crate) fn call_id(&self) -> String {
        let address = self.address.to_string().replace(['.', ':'], "");
        format!("{}{address}-{}", self.user, self.calls)
    }

    pub(crate) fn request(&mut self, method: &str, uri: &str, extra: &str, body: &str) -> String {
        self.cseq += 1;
        let cseq = self.cseq;
        self.request_with(method, uri, &self.call_id(), cseq, extra, body)
    }

    pub(crate) fn request_with(
        &self,
        method: &str,
        uri: &str,
        call_id: &str,
        cseq: u32,
        extra: &str,
        body: &str,
    ) -> String {
        let (user, address) = (self.user, self.address);
        let params = match method {
            "REGISTER" => self.contact_params,
            "INVITE" => self.invite_params,
            _ => "",
        };
        let to = if method == "REGISTER" {
            format!("sip:{user}@192.0.2.1")
        } else {
            uri.to_owned()
        };
        let content_type = if body.is_empty() {
            ""
        } else {
            "Content-Type: application/sdp\r\n"
        };
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/{} {address};branch=z9hG4bK{user}{call_id}{cseq}{method};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{user}@192.0.2.1>;tag=t{call_id}\r\nTo: <{to}>\r\nCall-ID: {call_id}\r\n\
             CSeq: {cseq} {method}\r\nContact: <sip:{user}@{address}>{params}\r\n{content_type}{extra}Content-Length: {}\r\n\r\n{body}",
            self.transport,
            body.len()
        )
    }

    /// Sends a request, answers the challenge, and sends it again.
    pub(crate) fn authenticated(
        &mut self,
        rig: &mut Rig,
        method: &str,
        uri: &str,
        extra: &str,
        body: &str,
    ) -> String {
        let first = self.request(method, uri, extra, body);
        self.send(rig, &first);
        let register = method == "REGISTER";
        let challenge = self.expect(
            rig,
            if register {
                "SIP/2.0 401"
            } else {
                "SIP/2.0 407"
            },
        );
        let credentials = self.credentials(&challenge, method, uri);
        let second = self.request(method, uri, &format!("{credentials}{extra}"), body);
        self.send(rig, &second);
        second
    }

    pub(crate) fn credentials(&self, challenge: &str, method: &str, uri: &str) -> String {
        self.credentials_with(&format!("secret-{}", self.user), challenge, method, uri)
    }

    pub(crate) fn credentials_with(
        &self,
        password: &str,
        challenge: &str,
        method: &str,
        uri: &str,
    ) -> String {
        let message = Message::parse(challenge.as_bytes()).unwrap();
        let mut client =
            DigestClient::with_password(self.user, password, "192.0.2.1", Some("fernamt"));
        let (name, challenger) = match message.status() {
            Some(401) => (Name::WwwAuthenticate, Challenger::Server),
            _ => (Name::ProxyAuthenticate, Challenger::Proxy),
        };
        client
            .challenged("192.0.2.1", challenger, message.values(name), 0)
            .unwrap();
        let authorization = client
            .authorize("192.0.2.1", method, uri, "0a4f113b")
            .unwrap();
        format!("{}: {}\r\n", authorization.name, authorization.value)
    }

    pub(crate) fn register(&mut self, rig: &mut Rig) -> String {
        self.calls += 1;
        self.authenticated(rig, "REGISTER", "sip:192.0.2.1", "Expires: 600\r\n", "");
        self.expect(rig, "SIP/2.0 200")
    }

    /// Calls; gives back the INVITE that carried the credentials.
    pub(crate) fn invite(&mut self, rig: &mut Rig, uri: &str, extra: &str, body: &str) -> String {
        self.calls += 1;
        self.authenticated(rig, "INVITE", uri, extra, body)
    }

    /// Calls from another port than the one in its contact.
    pub(crate) fn invite_from(
        &mut self,
        rig: &mut Rig,
        contact: &str,
        uri: &str,
        body: &str,
    ) -> String {
        self.calls += 1;
        let with_contact = |text: String| {
            let own = format!("Contact: <sip:{}@{}>", self.user, self.address);
            text.replace(&own, &format!("Contact: <sip:{}@{contact}>", self.user))
        };
        let (call_id, cseq) = (self.call_id(), self.cseq + 1);
        let first = self.request_with("INVITE", uri, &call_id, cseq, "", body);
        self.send(rig, &with_contact(first));
        let challenge = self.expect(rig, "SIP/2.0 407");
        let credentials = self.credentials(&challenge, "INVITE", uri);
        let second = self.request_with("INVITE", uri, &call_id, cseq + 1, &credentials, body);
        let second = with_contact(second);
        self.send(rig, &second);
        self.cseq += 2;
        second
    }

    /// Answers a request.
    pub(crate) fn respond(
        &self,
        rig: &mut Rig,
        request: &str,
        status: &str,
        extra: &str,
        body: &str,
    ) {
        let text = self.response(request, status, extra, body);
        self.send(rig, &text);
    }

    pub(crate) fn response(&self, request: &str, status: &str, extra: &str, body: &str) -> String {
        let message = Message::parse(request.as_bytes()).unwrap();
        let to = message.value(Name::To).unwrap();
        let tag = if to.contains("tag=") {
            String::new()
        } else {
            format!(";tag=callee-{}", self.user)
        };
        let content_type = if body.is_empty() {
            ""
        } else {
            "Content-Type: application/sdp\r\n"
        };
        format!(
            "SIP/2.0 {status}\r\nVia: {}\r\nFrom: {}\r\nTo: {to}{tag}\r\nCall-ID: {}\r\nCSeq: {}\r\n\
             Contact: <sip:{}@{}>\r\nAllow: INVITE, ACK, BYE, CANCEL, UPDATE, PRACK\r\n{content_type}{extra}Content-Length: {}\r\n\r\n{body}",
            message.value(Name::Via).unwrap(),
            message.value(Name::From).unwrap(),
            message.value(Name::CallId).unwrap(),
            message.value(Name::CSeq).unwrap(),
            self.user,
            self.address,
            body.len()
        )
    }

    /// The CANCEL of an INVITE (RFC 3261 section 9.1).
    pub(crate) fn cancel(&self, invite: &str) -> String {
        let message = Message::parse(invite.as_bytes()).unwrap();
        format!(
            "CANCEL {} SIP/2.0\r\nVia: {}\r\nMax-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {} CANCEL\r\nContent-Length: 0\r\n\r\n",
            message.request_uri().unwrap(),
            message.value(Name::Via).unwrap(),
            message.value(Name::From).unwrap(),
            message.value(Name::To).unwrap(),
            message.value(Name::CallId).unwrap(),
            message.cseq().unwrap().number,
        )
    }

    /// The dialog of an INVITE that we sent and of a response with a tag.
    pub(crate) fn talk_as_caller(&self, invite: &str, response: &str) -> Talk {
        let (invite_text, invite) = (invite, Message::parse(invite.as_bytes()).unwrap());
        let response = Message::parse(response.as_bytes()).unwrap();
        Talk {
            call_id: invite.call_id().unwrap().to_owned(),
            local: invite.value(Name::From).unwrap().to_owned(),
            remote: response.value(Name::To).unwrap().to_owned(),
            target: response.contact().unwrap().unwrap().uri_text().to_owned(),
            cseq: invite.cseq().unwrap().number,
            invite: invite_text.to_owned(),
        }
    }

    /// The dialog of an INVITE that came.
    pub(crate) fn talk_as_callee(&self, invite: &str) -> Talk {
        let (invite_text, invite) = (invite, Message::parse(invite.as_bytes()).unwrap());
        Talk {
            call_id: invite.call_id().unwrap().to_owned(),
            local: format!(
                "{};tag=callee-{}",
                invite.value(Name::To).unwrap(),
                self.user
            ),
            remote: invite.value(Name::From).unwrap().to_owned(),
            target: invite.contact().unwrap().unwrap().uri_text().to_owned(),
            cseq: 0,
            invite: invite_text.to_owned(),
        }
    }

    pub(crate) fn in_dialog(
        &self,
        talk: &mut Talk,
        method: &str,
        extra: &str,
        body: &str,
    ) -> String {
        if method != "ACK" {
            talk.cseq += 1;
        }
        let content_type = if body.is_empty() {
            ""
        } else {
            "Content-Type: application/sdp\r\n"
        };
        format!(
            "{method} {} SIP/2.0\r\nVia: SIP/2.0/{} {};branch=z9hG4bK{}{}{method};rport\r\nMax-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {} {method}\r\nContact: <sip:{}@{}>\r\n{content_type}{extra}Content-Length: {}\r\n\r\n{body}",
            talk.target,
            self.transport,
            self.address,
            self.user,
            talk.cseq,
            talk.local,
            talk.remote,
            talk.call_id,
            talk.cseq,
            self.user,
            self.address,
            body.len()
        )
    }
}

pub(crate) fn header(text: &str, name: Name) -> String {
    Message::parse(text.as_bytes())
        .unwrap()
        .value(name)
        .unwrap_or("")
        .to_owned()
}

pub(crate) fn body(text: &str) -> String {
    String::from_utf8(Message::parse(text.as_bytes()).unwrap().body().to_vec()).unwrap()
}

pub(crate) fn method(text: &str) -> String {
    let message = Message::parse(text.as_bytes()).unwrap();
    let method: Method<'_> = message.method();
    method.as_str().to_owned()
}

/// Two registered phones.
pub(crate) fn two_phones(rig: &mut Rig) -> (Phone, Phone) {
    let mut anna = Phone::new("anna", "198.51.100.7:5060");
    let mut bert = Phone::new("bert", "198.51.100.8:5060");
    anna.register(rig);
    bert.register(rig);
    (anna, bert)
}

/// A call that both have confirmed.
pub(crate) fn talking(rig: &mut Rig, anna: &mut Phone, bert: &Phone) -> (Talk, Talk) {
    let sent = anna.invite(rig, "sip:bert@192.0.2.1", "", OFFER);
    let invite = bert.expect(rig, "INVITE");
    bert.respond(rig, &invite, "180 Ringing", "", "");
    anna.expect(rig, "SIP/2.0 180");
    bert.respond(rig, &invite, "200 OK", "", ANSWER);
    bert.expect(rig, "ACK");
    let answer = anna.expect(rig, "SIP/2.0 200");
    let mut hers = anna.talk_as_caller(&sent, &answer);
    let ack = anna.in_dialog(&mut hers, "ACK", "", "");
    anna.send(rig, &ack);
    (hers, bert.talk_as_callee(&invite))
}

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(crate) fn arc<T>(value: T) -> Arc<T> {
    Arc::new(value)
}
