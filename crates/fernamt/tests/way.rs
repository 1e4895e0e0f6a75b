//! What `fernamt registrations` and `fernamt explain` say of the way between a phone and the exchange, of
//! its media, and of their protection.

#![allow(clippy::expect_used, clippy::panic)]

mod support;

use std::net::UdpSocket;

use fernamt_sip::digest::{Challenger, DigestClient};
use fernamt_sip::message::{Message, Name};
use support::{Exchange, Office, PATIENCE, wait_until};

/// Where the phone believes to be.
const INSIDE: &str = "192.168.1.9:5060";

/// A phone as a script, with a socket of its own.
struct Phone {
    socket: UdpSocket,
    port: u16,
    password: String,
    /// What it writes about itself.
    contact: String,
    vias: String,
    cseq: u32,
}

impl Phone {
    fn new(exchange: &Exchange) -> Phone {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        socket.connect(exchange.server()).expect("an address");
        socket.set_read_timeout(Some(PATIENCE)).expect("a time");
        let own = socket.local_addr().expect("an address").to_string();
        Phone {
            socket,
            port: exchange.port,
            password: exchange.password("10"),
            vias: format!("Via: SIP/2.0/UDP {own};branch=BRANCH;rport\r\n"),
            contact: own,
            cseq: 0,
        }
    }

    /// From now on it says that it is somewhere else.
    fn moves(&mut self, via: &str, contact: &str) {
        self.contact = contact.to_owned();
        self.vias = format!("Via: SIP/2.0/UDP {via};branch=BRANCH;rport\r\n");
    }

    fn say(&mut self, method: &str, user: &str, more: &str, body: &str) {
        let (port, cseq) = (self.port, self.cseq);
        let vias = self
            .vias
            .replace("BRANCH", &format!("z9hG4bK{method}{cseq}"));
        let text = format!(
            "{method} sip:{user}127.0.0.1:{port} SIP/2.0\r\n{vias}Max-Forwards: 70\r\n\
             From: <sip:10@127.0.0.1>;tag=t\r\n{more}CSeq: {cseq} {method}\r\n\
             Contact: <sip:10@{}>\r\nContent-Length: {}\r\n\r\n{body}",
            self.contact,
            body.len()
        );
        self.socket.send(text.as_bytes()).expect("sent");
    }

    /// The next final response.
    fn hear(&self) -> String {
        let mut bytes = [0; 4096];
        loop {
            let count = self.socket.recv(&mut bytes).expect("a response");
            let text = String::from_utf8_lossy(bytes.get(..count).expect("its bytes"));
            if text.starts_with("SIP/2.0") && !text.starts_with("SIP/2.0 1") {
                return text.into_owned();
            }
        }
    }

    /// Sends a request, and again with credentials: the final response.
    fn ask(&mut self, method: &str, user: &str, more: &str, body: &str) -> String {
        self.cseq += 1;
        self.say(method, user, more, body);
        let challenge = self.hear();
        let message = Message::parse(challenge.as_bytes()).expect("a message");
        let (name, challenger) = match message.status() {
            Some(401) => (Name::WwwAuthenticate, Challenger::Server),
            Some(407) => (Name::ProxyAuthenticate, Challenger::Proxy),
            _ => panic!("{challenge}"),
        };
        if method == "INVITE" {
            let to = message.value(Name::To).expect("a tag").to_owned();
            let dialog = more.replace("To: <sip:*43@127.0.0.1>", &format!("To: {to}"));
            self.say("ACK", user, &dialog, "");
        }
        let mut client = DigestClient::with_password("10", &self.password, "127.0.0.1", None);
        client
            .challenged("127.0.0.1", challenger, message.values(name), 0)
            .expect("a challenge");
        let uri = format!("sip:{user}127.0.0.1:{}", self.port);
        let proof = client
            .authorize("127.0.0.1", method, &uri, "0a4f113b")
            .expect("credentials");
        self.cseq += 1;
        let more = format!("{}: {}\r\n{more}", proof.name, proof.value);
        self.say(method, user, &more, body);
        self.hear()
    }

    fn register(&mut self) {
        let more = "To: <sip:10@127.0.0.1>\r\nCall-ID: registration\r\n";
        let answer = self.ask("REGISTER", "", more, "");
        assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
    }
}

#[test]
fn registrations_say_what_lies_between_each_phone_and_the_exchange() {
    let office = Office::new();
    let exchange = office.serve("--first-devices 1");
    let mut phone = Phone::new(&exchange);
    let own = phone.contact.clone();
    let way = |office: &Office| {
        let listed = office.run("registrations --json").ends_with(0).json();
        listed[0]["nat"].as_str().expect("a verdict").to_owned()
    };
    for (via, contact, verdict, words) in [
        (&*own, &*own, "none", "no NAT"),
        (
            INSIDE,
            &*own,
            "rewritten",
            "address rewritten on the way (ALG) or by STUN",
        ),
        (
            INSIDE,
            INSIDE,
            "nat_changed_port",
            "behind a NAT that changed the port",
        ),
    ] {
        phone.moves(via, contact);
        phone.register();
        wait_until("the registration", || way(&office) == verdict);
        office.run("registrations").ends_with(0).says(words);
        let gone = "To: <sip:10@127.0.0.1>\r\nCall-ID: registration\r\nExpires: 0\r\n";
        phone.ask("REGISTER", "", gone, "");
    }
    let behind = format!("Via: SIP/2.0/UDP {INSIDE};branch=z9hG4bKbehind\r\n");
    phone.moves(&own, INSIDE);
    phone.vias.push_str(&behind);
    phone.register();
    wait_until("the registration", || way(&office) == "proxy");
    office
        .run("registrations")
        .ends_with(0)
        .says("through a proxy, behind which nothing is seen");
    exchange.stop();
    // What is written down is the contact alone, and a proxy may have been in between.
    office.run("registrations").ends_with(0).says("not known");
}

#[test]
fn explain_says_where_media_came_from_and_what_became_of_them() {
    let office = Office::new();
    let exchange = office.serve("--first-devices 1");
    let mut phone = Phone::new(&exchange);
    phone.moves(INSIDE, INSIDE);
    let offer = "v=0\r\no=- 1 1 IN IP4 192.168.1.9\r\ns=-\r\nc=IN IP4 192.168.1.9\r\nt=0 0\r\n\
                 m=audio 4000 RTP/AVP 8\r\n";
    let call = "To: <sip:*43@127.0.0.1>\r\nCall-ID: echo\r\nContent-Type: application/sdp\r\n";
    let answer = phone.ask("INVITE", "*43@", call, offer);
    assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
    let port = answer.split("m=audio ").nth(1).expect("a section");
    let port = port.split(' ').next().expect("a port");
    let message = Message::parse(answer.as_bytes()).expect("a message");
    let dialog = format!(
        "To: {}\r\nCall-ID: echo\r\n",
        message.value(Name::To).expect("a tag")
    );
    phone.say("ACK", "*43@", &dialog, "");
    let media = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let own = media.local_addr().expect("an address");
    media.set_read_timeout(Some(PATIENCE)).expect("a time");
    // The last but one has a format that nobody has agreed to.
    for (sequence, payload_type) in [(1_u8, 8), (2, 8), (3, 8), (4, 8), (5, 99), (6, 8)] {
        let mut packet = vec![0x80, payload_type, 0, sequence];
        packet.extend((u32::from(sequence) * 160).to_be_bytes());
        packet.extend([1, 2, 3, 4]);
        packet.resize(172, 0xd5);
        let there = format!("127.0.0.1:{port}");
        media.send_to(&packet, there).expect("sent");
    }
    // The last one comes back.
    let mut echoed = [0; 256];
    while echoed.get(3) != Some(&6) {
        media.recv(&mut echoed).expect("an echo");
    }
    phone.cseq += 1;
    phone.say("BYE", "*43@", &dialog, "");
    assert!(phone.hear().starts_with("SIP/2.0 200"));
    let explain = || office.run("explain echo");
    wait_until("the record", || explain().code == Some(0));
    let said = explain().ends_with(0);
    let text: String = said.out.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        "behind a NAT that changed the port.",
        &format!("Media comes from {own}, and the phone has described 192.168.1.9:4000."),
        "Media with the caller: not encrypted.",
        "packets received, ",
        " sent, 1 lost, jitter ",
        // With the third packet it was known whose they are.
        ", 3 dropped as not known to be from the party, not agreed on or too many.",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    exchange.stop();
}
