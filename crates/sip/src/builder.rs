//! Messages written into a buffer that is used again and again (RFC 3261 sections 7, 8, 18).
//!
//! Nothing that is passed in can leave its place: in the values of header fields and in reason
//! phrases every control character, CR and LF included, becomes a space; in request URIs what may
//! not stand there is percent-escaped; a header field whose name is no token is not written. So
//! text from one peer can be handed to another without being able to add a line.

mod sanitize;
mod value;

use core::marker::PhantomData;
use std::net::{IpAddr, SocketAddr};

use crate::header::Via;
use crate::message::{Elements, Message, Method, Name, Salvage};
use crate::status::default_reason;
use crate::text;
use crate::transport::Transport;
use crate::uri::Host;
pub use sanitize::SafeText;
use sanitize::{push_method, push_uri};
pub use value::{FieldValue, Shown};

/// Marks a builder of requests.
#[derive(Debug)]
pub enum Request {}

/// Marks a builder of responses.
#[derive(Debug)]
pub enum Response {}

/// Writes a request.
pub type RequestBuilder<'b> = Builder<'b, Request>;

/// Writes a response.
pub type ResponseBuilder<'b> = Builder<'b, Response>;

/// Writes one message: the start line when it is made, header fields in the order of the calls,
/// and the end with [`Builder::finish`] or [`Builder::body`], one of which must be called.
#[derive(Debug)]
pub struct Builder<'b, Kind> {
    out: &'b mut Vec<u8>,
    finished: bool,
    kind: PhantomData<Kind>,
}

impl<'b> Builder<'b, Request> {
    /// Clears `out` and writes the request line.
    pub fn new(out: &'b mut Vec<u8>, method: Method<'_>, uri: &str) -> Builder<'b, Request> {
        out.clear();
        push_method(out, method);
        out.push(b' ');
        push_uri(out, uri);
        out.extend_from_slice(b" SIP/2.0\r\n");
        Builder {
            out,
            finished: false,
            kind: PhantomData,
        }
    }

    /// Writes our own Via; `rport` asks for the response at the port that the request comes from
    /// (RFC 3581).
    pub fn via(
        &mut self,
        transport: Transport,
        sent_by: impl FieldValue,
        branch: impl FieldValue,
        rport: bool,
    ) -> &mut Self {
        let start = ["SIP/2.0/", transport.via_name(), " "];
        let rport = if rport { ";rport" } else { "" };
        self.header(Name::Via, ((start, sent_by), (";branch=", (branch, rport))))
    }
}

impl<'b> Builder<'b, Response> {
    /// Clears `out` and writes the status line only. The usual way is
    /// [`ResponseBuilder::for_request`].
    pub fn new(out: &'b mut Vec<u8>, status: u16, reason: Option<&str>) -> Builder<'b, Response> {
        out.clear();
        let mut builder = Builder {
            out,
            finished: false,
            kind: PhantomData,
        };
        let status = status.clamp(100, 699);
        let reason = reason.unwrap_or_else(|| default_reason(status));
        builder.write_text(("SIP/2.0 ", (status, [" ", reason])));
        builder.out.extend_from_slice(b"\r\n");
        builder
    }

    /// Clears `out` and writes the status line and what every response repeats from its request:
    /// all Via fields, From, To, Call-ID and CSeq (RFC 3261 section 8.2.6.2).
    ///
    /// `reason` defaults to the registered phrase. `to_tag` is added to To unless To has a tag
    /// already. `source` is where the request came from: `received` and `rport` are filled into
    /// the top Via where RFC 3261 section 18.2.1 and RFC 3581 section 4 ask for them.
    pub fn for_request(
        out: &'b mut Vec<u8>,
        request: &Message<'_>,
        status: u16,
        reason: Option<&str>,
        to_tag: Option<&str>,
        source: Option<SocketAddr>,
    ) -> Builder<'b, Response> {
        let mut builder = Self::new(out, status, reason);
        builder.received_vias(request.values(Name::Via), request.top_via().ok(), source);
        builder.copy(request, Name::From);
        let has_tag = request.to().is_ok_and(|to| to.tag().is_some());
        builder.write_to(
            request.value(Name::To).unwrap_or(""),
            to_tag.filter(|_| !has_tag),
        );
        builder.copy(request, Name::CallId);
        builder.copy(request, Name::CSeq);
        builder
    }

    /// As [`ResponseBuilder::for_request`], for a request that could not be read as a whole.
    pub fn for_salvage(
        out: &'b mut Vec<u8>,
        salvage: &Salvage<'_>,
        status: u16,
        reason: Option<&str>,
        to_tag: Option<&str>,
        source: Option<SocketAddr>,
    ) -> Builder<'b, Response> {
        let mut builder = Self::new(out, status, reason);
        let top = salvage.vias().next();
        let top = top.and_then(|value| Via::parse(Elements::new(value).next()?).ok());
        builder.received_vias(salvage.vias(), top, source);
        let mut repeat = |name, value: &str, tag| match value {
            "" => {}
            to if name == Name::To => builder.write_to(to, tag),
            value => {
                builder.header(name, value);
            }
        };
        repeat(Name::From, salvage.from(), None);
        repeat(
            Name::To,
            salvage.to(),
            to_tag.filter(|_| !salvage.to_has_tag()),
        );
        repeat(Name::CallId, salvage.call_id(), None);
        repeat(Name::CSeq, salvage.cseq(), None);
        builder
    }

    fn write_to(&mut self, to: &str, tag: Option<&str>) {
        match tag {
            Some(tag) => self.header(Name::To, [to, ";tag=", tag]),
            None => self.header(Name::To, to),
        };
    }

    /// Writes the Via fields of a request, whose top element was read as `top`.
    fn received_vias<'a>(
        &mut self,
        vias: impl Iterator<Item = &'a str>,
        top: Option<Via<'a>>,
        source: Option<SocketAddr>,
    ) {
        for (position, value) in vias.enumerate() {
            match (position, source, &top) {
                (0, Some(source), Some(top)) => self.received_via(value, top, source),
                _ => {
                    self.header(Name::Via, value);
                }
            }
        }
    }

    /// Writes the Via field that the request came with, its top element as the transport would have
    /// marked it when the request arrived.
    fn received_via(&mut self, value: &str, via: &Via<'_>, source: SocketAddr) {
        let address = canonical(source.ip());
        self.write_name(Name::Via);
        self.write_text(["SIP/2.0/", via.transport_name(), " ", via.sent_by()]);
        let mut wants_rport = false;
        for param in via.params() {
            // What the sender claims here is worth nothing.
            if param.name.eq_ignore_ascii_case("received") {
                continue;
            }
            if param.name.eq_ignore_ascii_case("rport") {
                wants_rport = true;
                self.write_text((";rport=", source.port()));
                continue;
            }
            self.write_text([";", param.name]);
            if let Some(value) = param.value {
                self.write_text(["=", value]);
            }
        }
        if wants_rport || via.host() != Host::from(address) {
            self.write_text((";received=", address));
        }
        let element = Elements::new(value).next().unwrap_or("");
        let others = text::trim_start(value).get(element.len()..).unwrap_or("");
        self.write_text(others);
        self.out.extend_from_slice(b"\r\n");
    }
}

/// An IPv4 address in the clothes of an IPv6 one is shown as what it is.
fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

impl<Kind> Builder<'_, Kind> {
    /// Writes a header field. [`Name::Other`] and Content-Length are not written: the former has no
    /// name (see [`Builder::header_raw`]), the latter is written at the end.
    pub fn header(&mut self, name: Name, value: impl FieldValue) -> &mut Self {
        debug_assert!(
            !self.finished,
            "a header field after the end of the message"
        );
        if self.finished || matches!(name, Name::Other | Name::ContentLength) {
            return self;
        }
        self.write_name(name);
        self.write_text(value);
        self.out.extend_from_slice(b"\r\n");
        self
    }

    /// Writes a header field of any name; one that is no token, or Content-Length, is not written.
    pub fn header_raw(&mut self, name: &str, value: &str) -> &mut Self {
        debug_assert!(
            !self.finished,
            "a header field after the end of the message"
        );
        let is_written = text::is_token(name) && Name::from_text(name) != Name::ContentLength;
        if self.finished || !is_written {
            return self;
        }
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b": ");
        SafeText(self.out).push(value);
        self.out.extend_from_slice(b"\r\n");
        self
    }

    /// Writes every field called `name` of another message, in order, folds made into spaces.
    pub fn copy(&mut self, message: &Message<'_>, name: Name) -> &mut Self {
        for value in message.values(name) {
            self.header_raw(name.as_str(), value);
        }
        self
    }

    /// Ends the message with a body.
    pub fn body(&mut self, content_type: &str, body: &[u8]) {
        self.header(Name::ContentType, content_type);
        self.end(body);
    }

    /// Ends the message without a body.
    pub fn finish(&mut self) {
        self.end(&[]);
    }

    fn end(&mut self, body: &[u8]) {
        if self.finished {
            return;
        }
        self.finished = true;
        self.out.extend_from_slice(b"Content-Length: ");
        self.write_text(body.len());
        self.out.extend_from_slice(b"\r\n\r\n");
        self.out.extend_from_slice(body);
    }

    fn write_name(&mut self, name: Name) {
        self.out.extend_from_slice(name.as_str().as_bytes());
        self.out.extend_from_slice(b": ");
    }

    fn write_text(&mut self, value: impl FieldValue) {
        value.write(&mut SafeText(self.out));
    }
}

#[cfg(test)]
mod tests;
