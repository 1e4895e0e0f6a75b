//! What a session description says, in a few words for a journal. Not a parser: whatever cannot be
//! read is left out.

use std::fmt::Write as _;

/// Longest summary, in bytes.
const MAX_SUMMARY_BYTES: usize = 120;

/// Most lines of a body that are looked at.
const MAX_LINES: usize = 400;

/// Most codecs that are named per medium.
const MAX_CODECS: usize = 8;

/// One medium of a description.
struct Medium<'a> {
    kind: &'a str,
    port: &'a str,
    formats: &'a str,
    address: Option<&'a str>,
    direction: &'a str,
    names: Vec<(&'a str, &'a str)>,
}

/// What a session description (RFC 8866) says in short: for each medium its kind, codecs, direction
/// where it is not both ways, and where it wants to receive.
///
/// For example `audio PCMA PCMU telephone-event at 192.0.2.7:4000, sendonly`. Empty for an empty
/// body; a body that is no session description is named by its length.
pub fn body_summary(body: &[u8]) -> String {
    if body.is_empty() {
        return String::new();
    }
    let text = core::str::from_utf8(body).unwrap_or_default();
    let media = media(text);
    if media.is_empty() {
        return format!("{} bytes", body.len());
    }
    let mut summary = String::with_capacity(64);
    for (number, medium) in media.iter().enumerate() {
        if number > 0 {
            summary.push_str("; ");
        }
        if summary.len() > MAX_SUMMARY_BYTES {
            // Writing to a String does not fail.
            let _ = write!(summary, "and {} more", media.len() - number);
            break;
        }
        medium.describe(&mut summary);
    }
    summary
}

fn media(text: &str) -> Vec<Medium<'_>> {
    let mut media: Vec<Medium<'_>> = Vec::new();
    let mut session_address = None;
    let mut session_direction = "";
    for line in text.lines().take(MAX_LINES) {
        let Some((key, value)) = line.split_once('=') else {
            continue;
        };
        match (key, media.last_mut()) {
            ("m", _) => media.extend(Medium::parse(value)),
            ("c", Some(medium)) => medium.address = value.split(' ').nth(2),
            ("c", None) => session_address = value.split(' ').nth(2),
            ("a", Some(medium)) => medium.attribute(value),
            ("a", None) => session_direction = direction(value).unwrap_or(session_direction),
            _ => {}
        }
    }
    for medium in &mut media {
        medium.address = medium.address.or(session_address);
        if medium.direction.is_empty() {
            medium.direction = session_direction;
        }
    }
    media
}

fn direction(attribute: &str) -> Option<&str> {
    ["sendrecv", "sendonly", "recvonly", "inactive"]
        .contains(&attribute)
        .then_some(attribute)
}

impl<'a> Medium<'a> {
    fn parse(value: &'a str) -> Option<Medium<'a>> {
        let mut fields = value.splitn(4, ' ');
        let (kind, port) = (fields.next()?, fields.next()?);
        let _transport = fields.next()?;
        let formats = fields.next()?;
        Some(Medium {
            kind,
            port,
            formats,
            address: None,
            direction: "",
            names: Vec::new(),
        })
    }

    fn attribute(&mut self, attribute: &'a str) {
        if let Some(found) = direction(attribute) {
            self.direction = found;
        } else if let Some(map) = attribute.strip_prefix("rtpmap:")
            && let Some((format, name)) = map.split_once(' ')
            && self.names.len() < MAX_CODECS * 4
        {
            self.names
                .push((format, name.split('/').next().unwrap_or(name)));
        }
    }

    fn name<'s>(&'s self, format: &'s str) -> &'s str {
        let mapped = self
            .names
            .iter()
            .find(|(known, _)| *known == format)
            .map(|(_, name)| *name);
        // The static payload types of RFC 3551 that phones still offer without a name.
        mapped.unwrap_or(match format {
            "0" => "PCMU",
            "3" => "GSM",
            "4" => "G723",
            "8" => "PCMA",
            "9" => "G722",
            "13" => "CN",
            "18" => "G729",
            other => other,
        })
    }

    fn describe(&self, summary: &mut String) {
        summary.push_str(self.kind);
        if self.port == "0" {
            summary.push_str(" refused");
            return;
        }
        for (number, format) in self.formats.split_whitespace().enumerate() {
            if number >= MAX_CODECS {
                summary.push_str(" …");
                break;
            }
            summary.push(' ');
            summary.push_str(self.name(format));
        }
        match self.address {
            Some("0.0.0.0") => summary.push_str(", held"),
            Some(address) => {
                let bracketed = address.contains(':');
                let (open, close) = if bracketed { ("[", "]") } else { ("", "") };
                // Writing to a String does not fail.
                let _ = write!(summary, " at {open}{address}{close}:{}", self.port);
            }
            None => {}
        }
        if !matches!(self.direction, "" | "sendrecv") {
            summary.push_str(", ");
            summary.push_str(self.direction);
        }
    }
}
