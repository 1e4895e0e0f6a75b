//! How a phone writes messages, and what is read from those of others.

use fernamt_sip::message::{Message, Method, Name};

use super::Phone;

impl Phone {
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
