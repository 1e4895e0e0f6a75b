//! The text of our own offers and answers; what is in them is decided elsewhere.

use core::fmt::Write;

use super::{Codec, Endpoint, Negotiated, OldSection};
use crate::attribute::Direction;

/// What a text says besides what the endpoint always says.
pub(super) struct Content<'n> {
    /// The stream that an answer settles; an offer leaves it open.
    pub(super) settled: Option<&'n Negotiated>,
    /// The value of the t-line.
    pub(super) timing: &'n str,
    /// Which way the audio flows, seen from us.
    pub(super) direction: Direction,
    /// Whether RTCP is to share the port.
    pub(super) rtcp_mux: bool,
}

/// Writes the description; errors cannot happen, a `String` takes everything.
pub(super) fn write(endpoint: &Endpoint, content: &Content<'_>) -> String {
    let mut out = String::with_capacity(320);
    let address = endpoint.local.ip();
    let address_type = if address.is_ipv4() { "IP4" } else { "IP6" };
    let _ = write!(
        out,
        "v=0\r\no={}\r\ns=-\r\nc=IN {address_type} {address}\r\nt={}\r\n",
        endpoint.state.origin(address),
        content.timing
    );
    for (index, section) in endpoint.sections.iter().enumerate() {
        if index == endpoint.audio_index {
            audio(&mut out, endpoint, section, content);
        } else {
            let OldSection {
                kind,
                protocol,
                formats,
                ..
            } = section;
            let _ = write!(out, "m={kind} 0 {protocol} {formats}\r\n");
            mid(&mut out, section);
        }
    }
    out
}

fn audio(out: &mut String, endpoint: &Endpoint, section: &OldSection, content: &Content<'_>) {
    let formats = Formats::of(endpoint, content.settled);
    let _ = write!(
        out,
        "m=audio {} {}",
        endpoint.local.port(),
        section.protocol
    );
    for number in formats.codecs.iter().map(|(number, _)| number) {
        let _ = write!(out, " {number}");
    }
    for (number, _) in &formats.events {
        let _ = write!(out, " {number}");
    }
    out.push_str("\r\n");
    mid(out, section);
    for (number, codec) in &formats.codecs {
        let _ = write!(out, "a=rtpmap:{number} {}\r\n", codec.map());
        if let Some(parameters) = &codec.parameters {
            let _ = write!(out, "a=fmtp:{number} {parameters}\r\n");
        }
    }
    for (number, clock_rate) in &formats.events {
        let _ = write!(out, "a=rtpmap:{number} telephone-event/{clock_rate}\r\n");
        let _ = write!(out, "a=fmtp:{number} 0-15\r\n");
    }
    let _ = write!(
        out,
        "a=ptime:{}\r\n",
        endpoint.capabilities.ptime_milliseconds
    );
    if content.rtcp_mux {
        out.push_str("a=rtcp-mux\r\n");
    }
    let _ = write!(out, "a={}\r\n", content.direction);
}

fn mid(out: &mut String, section: &OldSection) {
    if let Some(mid) = &section.mid {
        let _ = write!(out, "a=mid:{mid}\r\n");
    }
}

/// The formats of the audio section, each with its number.
struct Formats<'e> {
    codecs: Vec<(u8, &'e Codec)>,
    /// Number and clock rate.
    events: Vec<(u8, u32)>,
}

impl<'e> Formats<'e> {
    fn of(endpoint: &'e Endpoint, settled: Option<&Negotiated>) -> Formats<'e> {
        let codecs = &endpoint.capabilities.codecs;
        let Some(settled) = settled else {
            let all: Vec<_> = endpoint.numbers.iter().copied().zip(codecs).collect();
            // One number has one clock rate: that of our first codec.
            let rate = codecs.first().map_or(8_000, |codec| codec.clock_rate);
            let events = endpoint.event_number.map(|number| (number, rate));
            return Formats {
                codecs: all,
                events: events.into_iter().collect(),
            };
        };
        let codec = codecs.get(settled.codec);
        let rate = codec.map_or(8_000, |codec| codec.clock_rate);
        Formats {
            codecs: codec
                .map(|codec| (settled.payload.receive, codec))
                .into_iter()
                .collect(),
            events: settled
                .telephone_event
                .map(|event| (event.receive, rate))
                .into_iter()
                .collect(),
        }
    }
}
