//! A phone as a script: what it sends and what it expects.

use std::net::SocketAddr;

use fernamt_exchange::interface::Input;
use fernamt_sip::digest::{Challenger, DigestClient};
use fernamt_sip::message::{Message, Method, Name};
use fernamt_sip::transport::{Flow, Transport};

use super::sdp::answer;
use super::{EXCHANGE, Rig, body};

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

    /// A phone at 198.51.100.`last` on a transport; over streams it has a connection.
    pub(crate) fn on(transport: Transport, user: &'static str, last: u8) -> Phone {
        let mut phone = Phone::new(user, &format!("198.51.100.{last}:5060"));
        phone.transport = transport;
        if transport != Transport::Udp {
            phone.connection = Some(u64::from(last));
        }
        phone.contact_params = match transport {
            Transport::Udp => "",
            Transport::Tcp => ";transport=tcp",
            Transport::Tls => ";transport=tls",
            Transport::Ws | Transport::Wss => ";transport=ws",
        };
        phone
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

    /// Takes a call with what it is offered; `keys`: whether it has SRTP where it is not forced to.
    pub(crate) fn accept(&self, rig: &mut Rig, invite: &str, keys: bool) {
        self.accept_with(rig, invite, keys, "");
    }

    /// The same, with these lines in the last section of the answer, too.
    pub(crate) fn accept_with(&self, rig: &mut Rig, invite: &str, keys: bool, lines: &str) {
        let address = self.address.ip().to_string();
        let answer = answer(&body(invite), &address, 5000, keys) + lines;
        self.respond(rig, invite, "200 OK", "", &answer);
    }

    /// Sends a caller on to another contact.
    pub(crate) fn redirect(&self, rig: &mut Rig, invite: &str, contact: &str) {
        let moved = self.response(invite, "302 Moved Temporarily", "", "");
        let own = format!("Contact: <sip:{}@{}>", self.user, self.address);
        assert!(moved.contains(&own), "{moved}");
        self.send(rig, &moved.replace(&own, &format!("Contact: <{contact}>")));
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
}
