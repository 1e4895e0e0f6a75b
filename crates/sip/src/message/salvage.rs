//! What can be saved of a request that is too broken to be read, so that its sender hears why.

use super::lines::Lines;
use super::parse::{leading_line_ends, starts_like_a_response};
use super::{Method, Name};
use crate::header::{CSeq, NameAddr};
use crate::limits::{MAX_HEADERS, MAX_MESSAGE_BYTES, MAX_VIAS};
use crate::text;

/// The header fields that an answer repeats, from bytes that
/// [`Message::parse`](super::Message::parse) refused.
///
/// The answer goes to where the bytes came from, as nothing in them can be relied on. What is
/// missing is missing in the answer too; without a Via nobody could tell what is answered.
#[derive(Clone, Debug)]
pub struct Salvage<'a> {
    vias: [&'a str; MAX_VIAS],
    via_count: usize,
    from: &'a str,
    to: &'a str,
    call_id: &'a str,
    cseq: &'a str,
}

impl<'a> Salvage<'a> {
    /// Looks for what an answer repeats; `None` when the bytes must be dropped: a response, an ACK,
    /// what does not look like SIP at all, or a request without a Via.
    pub fn from_bytes(bytes: &'a [u8]) -> Option<Salvage<'a>> {
        let bytes = bytes.get(leading_line_ends(bytes)..)?;
        let bytes = bytes.get(..bytes.len().min(MAX_MESSAGE_BYTES))?;
        if bytes.is_empty() || starts_like_a_response(bytes) {
            return None;
        }
        let head_end = memchr::memmem::find(bytes, b"\r\n\r\n").map_or(bytes.len(), |end| end + 2);
        let mut lines = Lines::new(bytes.get(..head_end)?);
        let first_line = lines.next()?;
        let is_sip = memchr::memmem::find(first_line, b" SIP/").is_some();
        if !is_sip || first_line.starts_with(b"ACK ") {
            return None;
        }
        let mut salvage = Salvage {
            vias: [""; MAX_VIAS],
            via_count: 0,
            from: "",
            to: "",
            call_id: "",
            cseq: "",
        };
        for line in lines.take(MAX_HEADERS) {
            salvage.keep(line);
        }
        salvage.is_answerable().then_some(salvage)
    }

    fn keep(&mut self, line: &'a [u8]) {
        let Some((name, value)) = core::str::from_utf8(line)
            .ok()
            .and_then(|line| line.split_once(':'))
        else {
            return;
        };
        let value = text::trim(value);
        let slot = match Name::from_text(text::trim(name)) {
            Name::Via => match self.vias.get_mut(self.via_count) {
                Some(slot) => {
                    self.via_count += 1;
                    slot
                }
                None => return,
            },
            Name::From => &mut self.from,
            Name::To => &mut self.to,
            Name::CallId => &mut self.call_id,
            Name::CSeq => &mut self.cseq,
            _ => return,
        };
        if slot.is_empty() {
            *slot = value;
        }
    }

    fn is_answerable(&self) -> bool {
        let method = CSeq::parse(self.cseq).map(|cseq| cseq.method);
        self.vias().next().is_some_and(|via| !via.is_empty()) && method != Ok(Method::Ack)
    }

    /// The values of the Via fields, the last hop first.
    pub fn vias(&self) -> impl Iterator<Item = &'a str> + use<'_, 'a> {
        self.vias.iter().take(self.via_count).copied()
    }

    /// The From field as it stands; empty when there is none.
    pub fn from(&self) -> &'a str {
        self.from
    }

    /// The To field as it stands; empty when there is none.
    pub fn to(&self) -> &'a str {
        self.to
    }

    /// Whether the To field has a tag already, so that none must be added.
    pub fn to_has_tag(&self) -> bool {
        NameAddr::parse(self.to).is_ok_and(|to| to.tag().is_some())
    }

    /// The Call-ID field as it stands; empty when there is none.
    pub fn call_id(&self) -> &'a str {
        self.call_id
    }

    /// The CSeq field as it stands; empty when there is none.
    pub fn cseq(&self) -> &'a str {
        self.cseq
    }
}
