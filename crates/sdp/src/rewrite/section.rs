//! One media section while it is changed: the m-line, the c-line, and its attributes.

use core::fmt::Arguments;
use std::borrow::Cow;
use std::io::Write;
use std::net::IpAddr;

use super::{
    ConnectionValue, MediaRewrite, Rewrite, RtcpRewrite, end_last_line, put_added, put_connection,
};
use crate::attribute::{Attribute, Direction};
use crate::description::{Connection, SessionDescription};
use crate::extmap::is_mid_extension;
use crate::feedback::{Feedback, FeedbackSet, RtcpFeedback};
use crate::line::Line;
use crate::media::Media;
use crate::renumber::PayloadMap;
use crate::transport::{TransportDescription, is_of_browsers, is_transport, put_section};

/// One media section while it is written.
pub(super) struct Section<'s, 'r> {
    rewrite: &'s Rewrite<'r>,
    change: &'s MediaRewrite<'r>,
    media: &'s Media<'s>,
    /// The payload types that go.
    dropped: u128,
    rejected: bool,
    /// Where media go in the end, when that changes.
    address: Option<IpAddr>,
    /// What the session's c-line says in the end.
    session_address: Option<IpAddr>,
    direction: Option<Direction>,
    /// The change of numbers, unless it changes none.
    renumber: Option<&'r PayloadMap>,
    /// The payload types of redundancy (RFC 2198), whose `fmtp` names others; with a change of
    /// numbers only.
    redundant: u128,
    end: &'s [u8],
}

impl<'s, 'r> Section<'s, 'r> {
    pub(super) fn new(
        rewrite: &'s Rewrite<'r>,
        change: &'s MediaRewrite<'r>,
        description: &'s SessionDescription<'s>,
        media: &'s Media<'s>,
        end: &'s [u8],
    ) -> Section<'s, 'r> {
        let (dropped, none_left) = dropped_formats(media, change);
        let address = change
            .address
            .map(|address| address.ip())
            .or(rewrite.connection);
        let inherited = description.connection().map(|_| rewrite.connection);
        let session_address = match inherited {
            Some(Some(replaced)) => Some(replaced),
            Some(None) => description.connection().and_then(Connection::ip),
            None => None,
        };
        let loses_hold =
            media.is_held_by_address() && address.is_some_and(|address| !address.is_unspecified());
        let direction = change.direction.or(loses_hold.then(|| media.direction()));
        let renumber = change.renumber.filter(|map| !map.is_identity());
        Section {
            rewrite,
            change,
            media,
            dropped: if none_left { 0 } else { dropped },
            rejected: change.reject || none_left,
            address,
            session_address,
            direction,
            renumber,
            redundant: renumber.map_or(0, |_| redundant_formats(media)),
            end,
        }
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let mut connection_due = self.needs_connection();
        let mut connection_done = false;
        for line in self.media.lines() {
            // The c-line stands behind the m-line and its i-line (RFC 8866 section 5).
            if connection_due && !matches!(line.letter, b'm' | b'i') {
                self.put_own_connection(out);
                connection_due = false;
            }
            match line.letter {
                b'm' => self.put_media_line(out, &line),
                b'c' => match self.address {
                    Some(address) if !connection_done => put_connection(out, &line, address),
                    // More c-lines are layers of a multicast, which one address replaces.
                    Some(_) => {}
                    None => out.extend_from_slice(line.raw),
                },
                b'k' if self.rewrite.replaces_transports() => {}
                b'a' if self.removes(&line) => {}
                b'a' if self.put_renumbered(out, &line) => {}
                _ => out.extend_from_slice(line.raw),
            }
            connection_done |= line.letter == b'c';
        }
        if connection_due {
            self.put_own_connection(out);
        }
        self.put_added(out);
    }

    /// Whether the section needs a c-line that it did not have.
    fn needs_connection(&self) -> bool {
        let own = self.change.address.map(|address| address.ip());
        self.media.own_connection().is_none() && own.is_some() && own != self.session_address
    }

    fn put_own_connection(&self, out: &mut Vec<u8>) {
        if let Some(address) = self.address {
            end_last_line(out, self.end);
            let _ = write!(out, "c={}", ConnectionValue(address));
            out.extend_from_slice(self.end);
        }
    }

    fn put_media_line(&self, out: &mut Vec<u8>, line: &Line<'_>) {
        let media = self.media;
        let own = self.change.transport;
        let port = match self.change.address {
            _ if self.rejected => Some(0),
            _ if own
                .and_then(|own| own.bundle)
                .is_some_and(|bundle| bundle.only) =>
            {
                Some(0)
            }
            Some(address) if !media.is_rejected() => Some(address.port()),
            _ => None,
        };
        let own = own.filter(|_| media.protocol.is_rtp());
        let protocol = own.map_or(media.protocol_text, |own| own.profile.as_str());
        let same_protocol = protocol == media.protocol_text;
        if port.is_none() && self.dropped == 0 && same_protocol && self.renumber.is_none() {
            out.extend_from_slice(line.raw);
            return;
        }
        let _ = write!(
            out,
            "m={} {}",
            media.kind.as_str(),
            port.unwrap_or(media.port)
        );
        if port.is_none() && media.port_count != 1 {
            let _ = write!(out, "/{}", media.port_count);
        }
        let _ = write!(out, " {protocol}");
        for format in media.formats().filter(|format| !self.is_dropped(format)) {
            match self.new_number(format) {
                Some(number) => {
                    let _ = write!(out, " {number}");
                }
                None => {
                    let _ = write!(out, " {format}");
                }
            }
        }
        out.extend_from_slice(line.end());
    }

    /// What a format is called from now on, when that changes.
    fn new_number(&self, format: &str) -> Option<u8> {
        let old = format.parse().ok()?;
        let new = self.renumber?.to_offered(old)?;
        (new != old).then_some(new)
    }

    /// Writes an attribute that names a format whose number changes; false: it is none.
    fn put_renumbered(&self, out: &mut Vec<u8>, line: &Line<'_>) -> bool {
        let attribute = line.text().map(Attribute::parse).filter(is_for_format);
        let (Some(map), Some(attribute)) = (self.renumber, attribute) else {
            return false;
        };
        let Some((format, rest)) = attribute.format_and_rest() else {
            return false;
        };
        let number = self.new_number(format);
        let changed = match attribute.name {
            "fmtp" => self.renumbered_fmtp(map, format, rest),
            "rtpmap" => reclocked_rtpmap(map, format, rest),
            _ => None,
        };
        if number.is_none() && changed.is_none() {
            return false;
        }
        let _ = write!(out, "a={}:", attribute.name);
        let _ = match number {
            Some(number) => write!(out, "{number}"),
            None => write!(out, "{format}"),
        };
        let rest = changed.as_deref().unwrap_or(rest);
        if !rest.is_empty() {
            let _ = write!(out, " {rest}");
        }
        out.extend_from_slice(line.end());
        true
    }

    /// The parameters of a format that name other formats, when their numbers change.
    fn renumbered_fmtp(&self, map: &PayloadMap, format: &str, parameters: &str) -> Option<String> {
        let renumber = |text: &str| {
            let old = text.trim_ascii().parse::<u8>().ok()?;
            map.to_offered(old).filter(|&new| new != old)
        };
        let is_redundant = format
            .parse::<u8>()
            .is_ok_and(|number| number < 128 && self.redundant & (1 << number) != 0);
        if is_redundant {
            parameters.split('/').find_map(renumber)?;
            let numbers: Vec<_> = parameters
                .split('/')
                .map(|text| either(renumber(text), text))
                .collect();
            return Some(numbers.join("/"));
        }
        let apt = |parameter: &str| parameter.trim_ascii_start().starts_with("apt=");
        let original = parameters.split(';').find(|parameter| apt(parameter))?;
        let (_, original) = original.split_once('=')?;
        renumber(original)?;
        let parameters: Vec<_> = parameters
            .split(';')
            .map(|parameter| match parameter.split_once('=') {
                Some((name, value)) if apt(parameter) => {
                    Cow::Owned(format!("{name}={}", either(renumber(value), value)))
                }
                _ => Cow::Borrowed(parameter),
            })
            .collect();
        Some(parameters.join(";"))
    }

    fn is_dropped(&self, format: &str) -> bool {
        let payload_type = format.parse::<u8>().ok().filter(|&number| number < 128);
        payload_type.is_some_and(|payload_type| self.dropped & (1 << payload_type) != 0)
    }

    fn removes(&self, line: &Line<'_>) -> bool {
        let Some(attribute) = line.text().map(Attribute::parse) else {
            return false;
        };
        match attribute.name {
            "rtcp" | "rtcp-mux" if self.change.rtcp != RtcpRewrite::Keep => return true,
            name if self.direction.is_some() && Direction::from_name(name).is_some() => {
                return true;
            }
            _ => {}
        }
        let format = attribute.format_and_rest().map(|(format, _)| format);
        if is_for_format(&attribute) && format.is_some_and(|format| self.is_dropped(format)) {
            return true;
        }
        self.rewrite.replaces_transports() && self.ends(&attribute)
            || self.rewrite.remove.is_some_and(|remove| remove(&attribute))
    }

    /// Whether an attribute ends with the transport of its writer.
    fn ends(&self, attribute: &Attribute<'_>) -> bool {
        if !self.media.protocol.is_rtp() && !self.rejected {
            return attribute.is_ice() || attribute.is_bundle() || attribute.name == "mid";
        }
        let own = self.change.transport;
        is_transport(attribute)
            // It belongs into the session; here it would name sections that are called otherwise.
            || attribute.name == "group"
            || is_mid_extension(attribute)
            || attribute.name == "rtcp-fb" && !own.is_some_and(|own| keeps_feedback(own, attribute))
            || is_of_browsers(attribute) && !own.is_some_and(TransportDescription::is_webrtc)
    }

    fn put_added(&self, out: &mut Vec<u8>) {
        let mut add = |attribute: Arguments<'_>| put_added(out, self.end, attribute);
        if let Some(direction) = self.direction {
            add(format_args!("{direction}"));
        }
        match self.change.rtcp {
            _ if self.change.transport.is_some() => {}
            RtcpRewrite::Port(port) if !self.rejected => add(format_args!("rtcp:{port}")),
            RtcpRewrite::Multiplexed if !self.rejected => add(format_args!("rtcp-mux")),
            _ => {}
        }
        if let Some(own) = self.change.transport {
            put_section(own, self.rejected, &mut add);
            if !own.feedback() && !self.rejected {
                for feedback in FeedbackSet::of(self.media).lines() {
                    add(format_args!("rtcp-fb:* {feedback}"));
                }
            }
        }
        for attribute in self.change.append {
            add(format_args!("{attribute}"));
        }
    }
}

/// Whether a line about feedback stays as it is: for a reader whose profile has feedback, but for what
/// needs a header extension that only browsers understand.
fn keeps_feedback(own: &TransportDescription, attribute: &Attribute<'_>) -> bool {
    let line = RtcpFeedback::parse(attribute);
    let feedback = line.and_then(|line| line.feedback());
    own.is_webrtc() || own.feedback() && feedback != Some(Feedback::TransportWide)
}

/// The codec of telephone events when the offerer knows them by another clock rate.
fn reclocked_rtpmap(map: &PayloadMap, format: &str, codec: &str) -> Option<String> {
    let clock_rate = map.offered_event_clock(format.parse().ok()?)?;
    let (encoding, _) = codec.split_once('/')?;
    Some(format!("{encoding}/{clock_rate}"))
}

/// The new number as text, else the old text.
fn either(number: Option<u8>, text: &str) -> Cow<'_, str> {
    match number {
        Some(number) => Cow::Owned(number.to_string()),
        None => Cow::Borrowed(text),
    }
}

/// Whether an attribute is about the format that its value begins with.
fn is_for_format(attribute: &Attribute<'_>) -> bool {
    matches!(attribute.name, "rtpmap" | "fmtp" | "rtcp-fb")
}

/// The payload types whose `fmtp` is a list of others (RFC 2198).
fn redundant_formats(media: &Media<'_>) -> u128 {
    media
        .codecs()
        .filter(|format| format.map.encoding.eq_ignore_ascii_case("red"))
        .fold(0, |all, format| all | 1 << format.payload_type)
}

/// The payload types that a change drops, and whether none is left.
fn dropped_formats(media: &Media<'_>, change: &MediaRewrite<'_>) -> (u128, bool) {
    if !media.protocol.is_rtp() {
        return (0, false);
    }
    let mut dropped = change.renumber.map_or(0, PayloadMap::dropped);
    if let Some(keep) = change.keep_format {
        for format in media.codecs().filter(|format| !keep(format)) {
            dropped |= 1 << format.payload_type;
        }
    }
    if dropped == 0 {
        return (0, false);
    }
    let left = media.formats().any(|format| {
        let payload_type = format.parse::<u8>().ok().filter(|&number| number < 128);
        payload_type.is_none_or(|payload_type| dropped & (1 << payload_type) == 0)
    });
    (dropped, !left)
}
