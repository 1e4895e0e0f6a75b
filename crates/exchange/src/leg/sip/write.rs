//! Writing SIP messages of a leg: what stands in every one of them.

use std::borrow::Cow;
use std::sync::Arc;

use fernamt_sip::builder::{Builder, FieldValue, RequestBuilder, ResponseBuilder, SafeText};
use fernamt_sip::message::{Message, Method, Name, StartLine};
use fernamt_sip::name_addr::Quoted;
use fernamt_sip::status::default_reason;
use fernamt_sip::transaction::{ClientId, ServerId};
use fernamt_sip::transport::Transport;

use super::transaction_use::TransactionUse;
use super::{Context, SipLeg};
use crate::leg::Warning;
use crate::stack::Stack;

/// The methods that are answered with more than a refusal.
pub(crate) const ALLOWED: &str =
    "INVITE, ACK, CANCEL, BYE, PRACK, UPDATE, OPTIONS, INFO, MESSAGE, REGISTER";

/// The type of a session description.
pub(super) const SDP: &str = "application/sdp";

/// A tag as it stands in a message.
pub(crate) struct Tag(pub(crate) u64);

impl Tag {
    /// The tag as text of its own.
    pub(crate) fn text(&self) -> String {
        Hexadecimal::of(self.0).after("")
    }
}

impl FieldValue for Tag {
    fn write(&self, out: &mut SafeText<'_>) {
        out.push(Hexadecimal::of(self.0).as_str());
    }
}

/// 16 hexadecimal digits, made without the machinery of formatting: every message carries several.
struct Hexadecimal([u8; 16]);

impl Hexadecimal {
    fn of(number: u64) -> Hexadecimal {
        let mut digits = [0; 16];
        for (place, digit) in digits.iter_mut().enumerate() {
            let nibble = (number >> (60 - 4 * place)) & 0xf;
            let nibble = u8::try_from(nibble).unwrap_or(0);
            *digit = if nibble < 10 {
                b'0' + nibble
            } else {
                b'a' + nibble - 10
            };
        }
        Hexadecimal(digits)
    }

    fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The digits behind `start`, in one allocation.
    fn after(&self, start: &str) -> String {
        let mut text = String::with_capacity(start.len() + self.0.len());
        text.push_str(start);
        text.push_str(self.as_str());
        text
    }
}

/// Reads a tag of ours.
pub(crate) fn parse_tag(text: &str) -> Option<u64> {
    (text.len() == 16).then(|| u64::from_str_radix(text, 16).ok())?
}

/// A branch of ours (RFC 3261 section 8.1.1.7).
pub(crate) struct Branch(pub(crate) u64);

impl Branch {
    /// The branch as text.
    pub(crate) fn text(&self) -> String {
        Hexadecimal::of(self.0).after("z9hG4bK")
    }
}

/// Our Contact, without brackets.
pub(super) struct Contact {
    pub(super) tag: u64,
    pub(super) address: Arc<str>,
    pub(super) transport: Transport,
}

impl FieldValue for Contact {
    fn write(&self, out: &mut SafeText<'_>) {
        let digits = Hexadecimal::of(self.tag);
        ["<sip:", digits.as_str(), "@", &*self.address].write(out);
        if self.transport != Transport::Udp {
            [";transport=", self.transport.uri_name()].write(out);
        }
        out.push(">");
    }
}

/// The start line without address and version, as a person would name the message.
pub(super) fn first_words<'m>(message: &Message<'m>) -> Cow<'m, str> {
    match message.start_line() {
        StartLine::Request { method, .. } => Cow::Borrowed(method.as_str()),
        StartLine::Response { status, .. } => Cow::Owned(status_words(status, message.method())),
    }
}

pub(super) fn status_words(status: u16, method: Method<'_>) -> String {
    let digits = [status / 100, status / 10 % 10, status % 10];
    let digits = digits.map(|digit| char::from(b'0' + u8::try_from(digit % 10).unwrap_or(0)));
    // Longer than any, so that the text is made in one piece.
    let mut words = String::with_capacity(64);
    words.extend(digits);
    words.push(' ');
    words.push_str(default_reason(status));
    if method != Method::Invite {
        words.extend([" (", method.as_str(), ")"]);
    }
    words
}

/// Tells the peer how far the media of a call are encrypted. No standard has a field for it that a
/// phone may show without misunderstanding something else; one that nobody knows is passed over (RFC
/// 3261 section 8.2.2), and `X-` and `P-` are out of use for new ones (RFC 6648, RFC 5727).
pub(super) const MEDIA_ENCRYPTION: &str = "Media-Encryption";

/// Writes how far the media of the call are encrypted, where that is known.
pub(super) fn write_encryption<Kind>(builder: &mut Builder<'_, Kind>, words: Option<&'static str>) {
    if let Some(words) = words {
        builder.header_raw(MEDIA_ENCRYPTION, words);
    }
}

/// Whether the peer is told with a message of this method how far media are encrypted: whenever media
/// can be new, and with every description.
fn is_about_media(method: Method<'_>, is_described: bool) -> bool {
    is_described || matches!(method, Method::Invite | Method::Update)
}

/// Writes why media do not come about (RFC 3261 section 20.43).
pub(super) fn write_warning<Kind>(
    builder: &mut Builder<'_, Kind>,
    warning: Option<&Warning>,
    host: &str,
) {
    if let Some(Warning { code, text }) = warning {
        let text = Quoted(text);
        builder.header(Name::Warning, format_args!("{code} {host} {text}"));
    }
}

/// Whether a description has ICE, so that candidates may follow it.
pub(super) fn has_ice(description: &[u8]) -> bool {
    memchr::memmem::find(description, b"a=ice-ufrag:").is_some()
}

/// The options that we support: session timers always, reliable progress where it is of use, and
/// candidates that follow (RFC 8840) where there is ICE.
pub(super) const fn supported(reliable: bool, trickles: bool) -> &'static str {
    match (reliable, trickles) {
        (true, true) => "timer, 100rel, trickle-ice",
        (true, false) => "timer, 100rel",
        (false, true) => "timer, trickle-ice",
        (false, false) => "timer",
    }
}

/// Says that INFO with candidates is welcome (RFC 8840 section 10).
pub(super) fn write_trickle<Kind>(builder: &mut Builder<'_, Kind>, trickles: bool) {
    if trickles {
        builder.header_raw("Recv-Info", "trickle-ice");
    }
}

/// A response that is being made.
pub(super) struct Reply<'r> {
    pub(super) status: u16,
    pub(super) body: Option<&'r [u8]>,
    /// RSeq of a reliable provisional response (RFC 3262).
    pub(super) rseq: Option<u32>,
}

impl Reply<'_> {
    pub(super) const fn status(status: u16) -> Reply<'static> {
        Reply {
            status,
            body: None,
            rseq: None,
        }
    }
}

impl SipLeg {
    pub(super) fn contact(&self, stack: &Stack) -> Contact {
        Contact {
            tag: self.tag,
            address: stack.public_address(self.flow.transport, self.flow.local),
            transport: self.flow.transport,
        }
    }

    /// Answers a request of the peer.
    pub(super) fn respond(
        &mut self,
        cx: &mut Context<'_>,
        server: ServerId,
        request: &Message<'_>,
        reply: &Reply<'_>,
        more: impl FnOnce(&mut ResponseBuilder<'_>),
    ) {
        let bytes = self.write_response(cx, request, reply, more);
        let line = status_words(reply.status, request.method());
        cx.sent(self.id, &line, reply.body.unwrap_or(&[]));
        let now = cx.stack.now.time;
        let transactions = &mut cx.stack.transactions;
        // A transaction that is over has nobody left who waits for this.
        let _ = match reply.rseq {
            Some(rseq) => transactions.respond_reliably(now, server, bytes, rseq),
            None => transactions.respond(now, server, bytes, reply.status),
        };
    }

    /// Writes a response without sending it.
    pub(super) fn write_response(
        &self,
        cx: &mut Context<'_>,
        request: &Message<'_>,
        reply: &Reply<'_>,
        more: impl FnOnce(&mut ResponseBuilder<'_>),
    ) -> Arc<[u8]> {
        let contact = self.contact(cx.stack);
        let tag = Tag(self.tag).text();
        let mut scratch = std::mem::take(&mut cx.stack.scratch);
        let source = Some(self.flow.remote);
        let mut builder = ResponseBuilder::for_request(
            &mut scratch,
            request,
            reply.status,
            None,
            Some(&tag),
            source,
        );
        if reply.status > 100 && reply.status < 300 {
            builder.copy(request, Name::RecordRoute);
            builder.header(Name::Contact, &contact);
            if matches!(request.method(), Method::Invite | Method::Update) {
                let trickles = reply.body.is_some_and(has_ice);
                builder
                    .header(Name::Allow, ALLOWED)
                    .header(Name::Supported, supported(true, trickles));
                write_trickle(&mut builder, trickles);
            }
            if is_about_media(request.method(), reply.body.is_some()) {
                write_encryption(&mut builder, self.encryption);
            }
        }
        if let Some(rseq) = reply.rseq {
            builder
                .header(Name::Require, "100rel")
                .header(Name::RSeq, rseq);
        }
        more(&mut builder);
        match reply.body {
            Some(body) => builder.body(SDP, body),
            None => builder.finish(),
        }
        let bytes = scratch.as_slice().into();
        cx.stack.scratch = scratch;
        bytes
    }

    /// Sends a request inside the dialog. The CSeq is the dialog's next.
    pub(super) fn request_in_dialog(
        &mut self,
        cx: &mut Context<'_>,
        method: Method<'_>,
        usage: TransactionUse,
        body: Option<(&str, &[u8])>,
        more: impl FnOnce(&mut RequestBuilder<'_>),
    ) -> Option<ClientId> {
        let contact = self.contact(cx.stack);
        let branch = Branch(cx.stack.random_u64()).text();
        let (flow, encryption) = (self.flow, self.encryption);
        let dialog = self.sending_dialog()?;
        let flow = match dialog.route_set.is_empty() {
            true => super::flow::request_flow(flow, &dialog.remote_target),
            false => flow,
        };
        let mut scratch = std::mem::take(&mut cx.stack.scratch);
        let mut builder = dialog.request(&mut scratch, method, |builder| {
            builder.via(flow.transport, &contact.address, &branch, true);
        });
        builder.header(Name::Contact, &contact);
        let is_described = body.is_some_and(|(content_type, _)| content_type == SDP);
        if is_about_media(method, is_described) {
            write_encryption(&mut builder, encryption);
        }
        more(&mut builder);
        match body {
            Some((content_type, body)) => builder.body(content_type, body),
            None => builder.finish(),
        }
        let bytes: Arc<[u8]> = scratch.as_slice().into();
        cx.stack.scratch = scratch;
        cx.sent(self.id, method.as_str(), body.map_or(&[], |(_, body)| body));
        let now = cx.stack.now.time;
        cx.stack
            .transactions
            .request(now, flow, bytes, method, &branch, usage)
            .ok()
    }

    /// The dialog that our own requests go along: the confirmed one, or the first early one.
    pub(super) fn sending_dialog(&mut self) -> Option<&mut fernamt_sip::dialog::Dialog> {
        if let super::Phase::Outgoing(outgoing) = &mut self.phase {
            return outgoing.first_early();
        }
        self.dialog.as_deref_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_read_as_it_is_written() {
        for tag in [0, 1, 0x0123_4567_89ab_cdef, u64::MAX] {
            assert_eq!(Tag(tag).text(), format!("{tag:016x}"));
            assert_eq!(parse_tag(&Tag(tag).text()), Some(tag));
        }
        assert_eq!(parse_tag("0123"), None);
    }
}
