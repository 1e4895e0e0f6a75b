//! What can be saved of a request that is too broken to be read, so that its sender hears why.

use super::parse::{leading_line_ends, starts_like_a_response};
use super::{Method, Name};
use crate::header::{CSeq, NameAddr, Via};
use crate::limits::{MAX_HEADERS, MAX_MESSAGE_BYTES, MAX_VIAS};
use crate::text;

/// The header fields that an answer needs, from bytes that [`Message::parse`](super::Message::parse)
/// refused. Only a request whose fields for an answer can be read themselves is answered.
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
    /// Looks for what an answer needs; `None` when the bytes must be dropped: a response, an ACK,
    /// or a request in which something that the answer must repeat is missing or unreadable.
    pub fn from_bytes(bytes: &'a [u8]) -> Option<Salvage<'a>> {
        let bytes = bytes.get(leading_line_ends(bytes)..)?;
        let bytes = bytes.get(..bytes.len().min(MAX_MESSAGE_BYTES))?;
        if bytes.is_empty() || starts_like_a_response(bytes) {
            return None;
        }
        let head_end = memchr::memmem::find(bytes, b"\r\n\r\n").map_or(bytes.len(), |end| end + 2);
        let mut lines = Lines {
            rest: bytes.get(..head_end)?,
        };
        if lines.next()?.starts_with(b"ACK ") {
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
        let via = self
            .vias()
            .next()
            .and_then(|value| super::Elements::new(value).next());
        let method = CSeq::parse(self.cseq).map(|cseq| cseq.method);
        via.is_some_and(|via| Via::parse(via).is_ok())
            && !self.from.is_empty()
            && !self.to.is_empty()
            && !self.call_id.is_empty()
            && !self.cseq.is_empty()
            && method != Ok(Method::Ack)
    }

    /// The values of the Via fields, the last hop first.
    pub fn vias(&self) -> impl Iterator<Item = &'a str> + use<'_, 'a> {
        self.vias.iter().take(self.via_count).copied()
    }

    /// The From field as it stands.
    pub fn from(&self) -> &'a str {
        self.from
    }

    /// The To field as it stands.
    pub fn to(&self) -> &'a str {
        self.to
    }

    /// Whether the To field has a tag already, so that none must be added.
    pub fn to_has_tag(&self) -> bool {
        NameAddr::parse(self.to).is_ok_and(|to| to.tag().is_some())
    }

    /// The Call-ID field as it stands.
    pub fn call_id(&self) -> &'a str {
        self.call_id
    }

    /// The CSeq field as it stands.
    pub fn cseq(&self) -> &'a str {
        self.cseq
    }
}

/// Lines of a header section, folded ones in one piece, however they end.
struct Lines<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let mut end = 0;
        loop {
            let tail = self.rest.get(end..).unwrap_or(&[]);
            match memchr::memchr(b'\n', tail) {
                None => end = self.rest.len(),
                Some(position) => {
                    end += position + 1;
                    if matches!(self.rest.get(end), Some(b' ' | b'\t')) {
                        continue;
                    }
                }
            }
            let (line, rest) = self.rest.split_at_checked(end)?;
            self.rest = rest;
            return Some(line);
        }
    }
}
