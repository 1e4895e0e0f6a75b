//! From bytes to the index of a message: lines, names and limits, but no meaning.

use core::ops::Range;

use super::{Field, Message, Method, NO_FIELD, Name, ParseError, ParseErrorKind, Read, StartLine};
use crate::limits::{
    MAX_HEADER_BYTES, MAX_HEADER_NAME_BYTES, MAX_HEADERS, MAX_MESSAGE_BYTES, MAX_METHOD_BYTES,
    MAX_URI_BYTES,
};
use crate::text;

const _: () = assert!(MAX_MESSAGE_BYTES <= u16::MAX as usize);
const _: () = assert!(MAX_HEADER_NAME_BYTES <= u8::MAX as usize);

pub(super) fn parse(datagram: &[u8]) -> Result<Message<'_>, ParseError> {
    let skipped = leading_line_ends(datagram);
    let bytes = datagram.get(skipped..).unwrap_or(&[]);
    let in_response = starts_like_a_response(bytes);
    parse_from_start_line(bytes).map_err(|(kind, offset)| ParseError {
        kind,
        offset: offset + skipped,
        in_response,
    })
}

/// The number of bytes of line ends before the start line (RFC 3261 section 7.5).
pub(super) fn leading_line_ends(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .take_while(|byte| matches!(byte, b'\r' | b'\n'))
        .count()
}

/// Whether the start line sets out to be a status line.
pub(super) fn starts_like_a_response(bytes: &[u8]) -> bool {
    bytes
        .get(..4)
        .is_some_and(|start| start.eq_ignore_ascii_case(b"SIP/"))
}

type Failure = (ParseErrorKind, usize);

fn parse_from_start_line(bytes: &[u8]) -> Result<Message<'_>, Failure> {
    if bytes.is_empty() {
        return Err((ParseErrorKind::Empty, 0));
    }
    if bytes.len() > MAX_MESSAGE_BYTES {
        return Err((ParseErrorKind::MessageTooLarge, MAX_MESSAGE_BYTES));
    }
    let line_end = next_line_end(bytes, 0)?;
    // The version decides whether anything after it can be understood at all.
    let first_line = bytes.get(..line_end).unwrap_or(&[]);
    let first_line = core::str::from_utf8(first_line).map_err(|_| (ParseErrorKind::NotUtf8, 0))?;
    let start_line = parse_start_line(first_line).map_err(|kind| (kind, 0))?;

    let mut message = Message {
        bytes,
        head: "",
        body: &[],
        start_line,
        count: 0,
        fields: [NO_FIELD; MAX_HEADERS],
        read: Read::default(),
    };
    let head_end = index_fields(&mut message, line_end + 2)?;
    let (head, rest) = bytes.split_at_checked(head_end).unwrap_or((bytes, &[]));
    message.head = core::str::from_utf8(head)
        .map_err(|error| (ParseErrorKind::NotUtf8, error.valid_up_to()))?;
    message.body = match content_length(&message).map_err(|kind| (kind, 0))? {
        Some(length) => rest
            .get(..length)
            .ok_or((ParseErrorKind::BodyTruncated, bytes.len()))?,
        None => rest,
    };
    message.bytes = bytes.get(..head_end + message.body.len()).unwrap_or(bytes);
    Ok(message)
}

/// Fills the index and returns where the body starts.
fn index_fields(message: &mut Message<'_>, first_field: usize) -> Result<usize, Failure> {
    let bytes = message.bytes;
    let mut line_ends = 1;
    let mut start = first_field;
    let head_end = loop {
        if bytes.get(start..start + 2) == Some(b"\r\n") {
            break start + 2;
        }
        let mut end = next_line_end(bytes, start)?;
        line_ends += 1;
        while let Some(b' ' | b'\t') = bytes.get(end + 2) {
            end = next_line_end(bytes, end + 2)?;
            line_ends += 1;
        }
        let field = index_field(bytes, start..end)?;
        let slot = message
            .fields
            .get_mut(message.count)
            .ok_or((ParseErrorKind::TooManyHeaders, start))?;
        *slot = field;
        message.count += 1;
        start = end + 2;
    };
    check_control_characters(message, head_end, line_ends + 1)?;
    Ok(head_end)
}

/// The position of the next CR LF at or after `from`.
#[inline]
fn next_line_end(bytes: &[u8], from: usize) -> Result<usize, Failure> {
    let rest = bytes.get(from..).unwrap_or(&[]);
    let Some(line_feed) = memchr::memchr(b'\n', rest) else {
        return Err((ParseErrorKind::Unterminated, bytes.len()));
    };
    match line_feed
        .checked_sub(1)
        .and_then(|position| rest.get(position))
    {
        Some(b'\r') => Ok(from + line_feed - 1),
        _ => Err((ParseErrorKind::ControlCharacter, from + line_feed)),
    }
}

fn index_field(bytes: &[u8], range: Range<usize>) -> Result<Field, Failure> {
    let start = range.start;
    let malformed = (ParseErrorKind::HeaderField, start);
    if range.len() > MAX_HEADER_BYTES {
        return Err((ParseErrorKind::HeaderTooLong, start));
    }
    let field = bytes.get(range.clone()).ok_or(malformed)?;
    let name_length = field
        .iter()
        .take_while(|byte| text::is_token_byte(**byte))
        .count();
    if name_length == 0 {
        return Err(malformed);
    }
    let (name, rest) = field.split_at_checked(name_length).ok_or(malformed)?;
    let gap = rest
        .iter()
        .take_while(|byte| matches!(byte, b' ' | b'\t'))
        .count();
    if rest.get(gap) != Some(&b':') {
        return Err(malformed);
    }
    if name_length > MAX_HEADER_NAME_BYTES {
        return Err((ParseErrorKind::HeaderNameTooLong, start));
    }
    let value = rest.get(gap + 1..).unwrap_or(&[]);
    let leading = value
        .iter()
        .take_while(|byte| text::is_white(**byte))
        .count();
    let trailing = value
        .iter()
        .rev()
        .take_while(|byte| text::is_white(**byte))
        .count();
    let value_start = range.end - value.len() + leading;
    let value_end = range.end.saturating_sub(trailing).max(value_start);
    Ok(Field {
        name: Name::from_bytes(name),
        name_length: narrow(name_length, malformed)?,
        start: narrow(start, malformed)?,
        value_start: narrow(value_start, malformed)?,
        value_end: narrow(value_end, malformed)?,
    })
}

fn narrow<N: TryFrom<usize>>(number: usize, failure: Failure) -> Result<N, Failure> {
    N::try_from(number).map_err(|_| failure)
}

/// Checks that no control character stands in the header section but the line ends and those that
/// a backslash escapes in a quoted string.
///
/// Counting them is quick; only a wrong count makes a second look necessary.
fn check_control_characters(
    message: &Message<'_>,
    head_end: usize,
    line_ends: usize,
) -> Result<(), Failure> {
    let head = message.bytes.get(..head_end).unwrap_or(&[]);
    if text::count_controls(head) == 2 * line_ends {
        return Ok(());
    }
    let first_field = message
        .fields
        .first()
        .map_or(head_end, |field| usize::from(field.start));
    let mut position = 0;
    let mut quoted = false;
    while let Some(&byte) = head.get(position) {
        let next = head.get(position + 1).copied();
        if byte == b'\r' && next == Some(b'\n') {
            // A field ends where the next line does not continue it.
            quoted = quoted && matches!(head.get(position + 2), Some(b' ' | b'\t'));
            position += 2;
            continue;
        }
        if text::is_control(byte) {
            return Err((ParseErrorKind::ControlCharacter, position));
        }
        if byte == b'"' && position >= first_field {
            quoted = !quoted;
        }
        let escapes = quoted && byte == b'\\' && !matches!(next, None | Some(b'\r' | b'\n'));
        position += if escapes { 2 } else { 1 };
    }
    Ok(())
}

fn parse_start_line(line: &str) -> Result<StartLine<'_>, ParseErrorKind> {
    if starts_like_a_response(line.as_bytes()) {
        parse_status_line(line)
    } else {
        parse_request_line(line)
    }
}

/// RFC 3261 section 7.1: exactly one space between three words.
fn parse_request_line(line: &str) -> Result<StartLine<'_>, ParseErrorKind> {
    let (method, rest) = line.split_once(' ').ok_or(ParseErrorKind::StartLine)?;
    let (uri, version) = rest.rsplit_once(' ').ok_or(ParseErrorKind::StartLine)?;
    if !text::is_token(method) || method.len() > MAX_METHOD_BYTES {
        return Err(ParseErrorKind::StartLine);
    }
    check_version(version)?;
    if uri.len() > MAX_URI_BYTES {
        return Err(ParseErrorKind::UriTooLong);
    }
    if uri.is_empty() || !text::is_uri_text(uri) {
        return Err(ParseErrorKind::RequestUri);
    }
    Ok(StartLine::Request {
        method: Method::from_name(method),
        uri,
    })
}

/// RFC 3261 section 7.2; the space before an empty reason phrase may be missing.
fn parse_status_line(line: &str) -> Result<StartLine<'_>, ParseErrorKind> {
    let (version, rest) = line.split_once(' ').ok_or(ParseErrorKind::StartLine)?;
    check_version(version)?;
    let (code, reason) = rest.split_once(' ').unwrap_or((rest, ""));
    let status = text::number(code)
        .filter(|status| code.len() == 3 && (100..700).contains(status))
        .ok_or(ParseErrorKind::StatusCode)?;
    Ok(StartLine::Response { status, reason })
}

fn check_version(version: &str) -> Result<(), ParseErrorKind> {
    if version.eq_ignore_ascii_case("SIP/2.0") {
        return Ok(());
    }
    let is_sip = version
        .get(..4)
        .is_some_and(|name| name.eq_ignore_ascii_case("SIP/"));
    let number = version.get(4..).and_then(|number| number.split_once('.'));
    match number {
        Some((major, minor))
            if is_sip
                && text::number::<u64>(major).is_some()
                && text::number::<u64>(minor).is_some() =>
        {
            Err(ParseErrorKind::Version)
        }
        _ => Err(ParseErrorKind::StartLine),
    }
}

/// RFC 3261 section 20.14; several fields must agree, or nobody knows where the message ends.
fn content_length(message: &Message<'_>) -> Result<Option<usize>, ParseErrorKind> {
    let mut known = None;
    for value in message.values(Name::ContentLength) {
        let length = text::number::<usize>(value).ok_or(ParseErrorKind::ContentLength)?;
        if known.is_some_and(|known| known != length) {
            return Err(ParseErrorKind::ContentLength);
        }
        known = Some(length);
    }
    Ok(known)
}
