//! Bodies of several parts (RFC 2046 section 5.1, RFC 5621), cut where their boundary says.

use crate::header::Params;
use crate::limits::{
    MAX_BOUNDARY_BYTES, MAX_MULTIPART_DEPTH, MAX_MULTIPART_PARTS, MAX_PART_HEADER_BYTES,
};
use crate::message::lines::Lines;
use crate::message::{Message, Name};
use crate::text;

/// Why a body of several parts cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MultipartError {
    /// The type of the body is not `multipart/…`.
    #[error("not a multipart body")]
    NotMultipart,
    /// The type names no boundary, or one that is none.
    #[error("multipart body without a usable boundary")]
    Boundary,
    /// The boundary does not stand in the body.
    #[error("multipart body without parts")]
    NoParts,
    /// The last part does not end.
    #[error("multipart body without its last boundary")]
    Unterminated,
    /// More than [`MAX_MULTIPART_PARTS`].
    #[error("multipart body with too many parts")]
    TooManyParts,
    /// The header section of a part is malformed, or longer than [`MAX_PART_HEADER_BYTES`].
    #[error("multipart body with a malformed part")]
    Part,
}

/// One part of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    head: &'a str,
    /// The content of the part.
    pub body: &'a [u8],
}

impl<'a> Part<'a> {
    /// The value of the first header field called `name`, for example [`Name::ContentId`].
    pub fn value(&self, name: Name) -> Option<&'a str> {
        Lines::new(self.head.as_bytes()).find_map(|line| {
            let (found, value) = core::str::from_utf8(line).ok()?.split_once(':')?;
            (Name::from_text(text::trim(found)) == name).then_some(text::trim(value))
        })
    }

    /// The type of the part; `text/plain` when it has none (RFC 2046 section 5.1).
    pub fn content_type(&self) -> &'a str {
        self.value(Name::ContentType).unwrap_or("text/plain")
    }
}

/// The parts of a body, in order; ends after the first error.
#[derive(Clone, Debug)]
pub struct Parts<'a> {
    boundary: &'a str,
    /// Starts behind a boundary; `None` after the last.
    rest: Option<&'a [u8]>,
    count: usize,
}

/// The parts of `body`, whose Content-Type is `content_type`.
///
/// # Errors
/// When it is not a body of several parts.
pub fn parts<'a>(content_type: &'a str, body: &'a [u8]) -> Result<Parts<'a>, MultipartError> {
    let boundary = boundary(content_type)?;
    let mut rest = body;
    // What stands before the first boundary is for readers who do not know multipart.
    let first = loop {
        let delimiter = find_delimiter(rest, boundary).ok_or(MultipartError::NoParts)?;
        if !delimiter.is_last {
            break delimiter;
        }
        rest = delimiter.after;
    };
    Ok(Parts {
        boundary,
        rest: Some(first.after),
        count: 0,
    })
}

/// The boundary that a Content-Type names (RFC 2046 section 5.1.1).
fn boundary(content_type: &str) -> Result<&str, MultipartError> {
    let content_type = text::trim(content_type);
    let (media_type, params) = text::split_params(content_type);
    let main_type = media_type
        .split_once('/')
        .map(|(main_type, _)| text::trim(main_type));
    if !main_type.is_some_and(|main_type| main_type.eq_ignore_ascii_case("multipart")) {
        return Err(MultipartError::NotMultipart);
    }
    let value = Params::new(params)
        .get("boundary")
        .ok_or(MultipartError::Boundary)?;
    let bare = value
        .strip_prefix('"')
        .and_then(|value| value.strip_suffix('"'))
        .unwrap_or(value);
    let is_boundary = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&byte);
    let is_usable = !bare.is_empty()
        && bare.len() <= MAX_BOUNDARY_BYTES
        && !bare.ends_with(' ')
        && bare.bytes().all(is_boundary);
    is_usable.then_some(bare).ok_or(MultipartError::Boundary)
}

struct Delimiter<'a> {
    before: &'a [u8],
    after: &'a [u8],
    is_last: bool,
}

/// The next line that is the boundary; the line end before it belongs to it.
fn find_delimiter<'a>(bytes: &'a [u8], boundary: &str) -> Option<Delimiter<'a>> {
    let mut from = 0;
    loop {
        let tail = bytes.get(from..)?;
        let dashes = from + memchr::memmem::find(tail, b"--")?;
        from = dashes + 2;
        let before = bytes.get(..dashes)?;
        let Some(before) = (if before.is_empty() {
            Some(before)
        } else {
            before.strip_suffix(b"\r\n")
        }) else {
            continue;
        };
        let Some(after) = bytes
            .get(from..)
            .and_then(|rest| rest.strip_prefix(boundary.as_bytes()))
        else {
            continue;
        };
        let (after, is_last) = match after.strip_prefix(b"--") {
            Some(after) => (after, true),
            None => (after, false),
        };
        let padding = after
            .iter()
            .take_while(|byte| matches!(byte, b' ' | b'\t'))
            .count();
        let after = after.get(padding..).unwrap_or(&[]);
        match after.strip_prefix(b"\r\n") {
            Some(after) => {
                return Some(Delimiter {
                    before,
                    after,
                    is_last,
                });
            }
            None if is_last && after.is_empty() => {
                return Some(Delimiter {
                    before,
                    after,
                    is_last,
                });
            }
            None => {}
        }
    }
}

impl<'a> Parts<'a> {
    fn next_part(&mut self) -> Result<Option<Part<'a>>, MultipartError> {
        let Some(bytes) = self.rest.take() else {
            return Ok(None);
        };
        if self.count == MAX_MULTIPART_PARTS {
            return Err(MultipartError::TooManyParts);
        }
        self.count += 1;
        let (before, after) = split_part(bytes, self.boundary)?;
        self.rest = after;
        read_part(before).map(Some)
    }
}

/// The bytes of the part that starts here, and what follows it unless it is the last.
fn split_part<'a>(
    bytes: &'a [u8],
    boundary: &str,
) -> Result<(&'a [u8], Option<&'a [u8]>), MultipartError> {
    let delimiter = find_delimiter(bytes, boundary).ok_or(MultipartError::Unterminated)?;
    Ok((
        delimiter.before,
        (!delimiter.is_last).then_some(delimiter.after),
    ))
}

fn read_part(bytes: &[u8]) -> Result<Part<'_>, MultipartError> {
    let (head, body) = match bytes.strip_prefix(b"\r\n") {
        Some(body) => (&[][..], body),
        None => {
            let end = memchr::memmem::find(bytes, b"\r\n\r\n").ok_or(MultipartError::Part)?;
            (
                bytes.get(..end).unwrap_or(&[]),
                bytes.get(end + 4..).unwrap_or(&[]),
            )
        }
    };
    if head.len() > MAX_PART_HEADER_BYTES {
        return Err(MultipartError::Part);
    }
    let head = core::str::from_utf8(head).map_err(|_| MultipartError::Part)?;
    Ok(Part { head, body })
}

impl<'a> Iterator for Parts<'a> {
    type Item = Result<Part<'a>, MultipartError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_part().transpose()
    }
}

impl<'a> Message<'a> {
    /// The body of type `media_type`, for example `application/sdp`: the whole body, or the first
    /// such part of it, nested parts included.
    pub fn body_of_type(&self, media_type: &str) -> Option<&'a [u8]> {
        find_body(
            self.content_type()?,
            self.body(),
            media_type,
            MAX_MULTIPART_DEPTH,
        )
    }
}

fn find_body<'a>(
    content_type: &'a str,
    body: &'a [u8],
    wanted: &str,
    depth: usize,
) -> Option<&'a [u8]> {
    if is_media_type(content_type, wanted) {
        return Some(body);
    }
    let depth = depth.checked_sub(1)?;
    parts(content_type, body)
        .ok()?
        .map_while(Result::ok)
        .find_map(|part| find_body(part.content_type(), part.body, wanted, depth))
}

/// Whether `content_type` is `wanted`, whatever its parameters.
pub(crate) fn is_media_type(content_type: &str, wanted: &str) -> bool {
    let (own, _) = text::split_params(content_type);
    let (main_type, sub_type) = wanted.split_once('/').unwrap_or((wanted, ""));
    own.split_once('/').is_some_and(|(own_main, own_sub)| {
        text::trim(own_main).eq_ignore_ascii_case(main_type)
            && text::trim(own_sub).eq_ignore_ascii_case(sub_type)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: &str = "multipart/mixed; boundary=\"b 1\"";

    fn bodies(content_type: &str, body: &str) -> Result<Vec<String>, MultipartError> {
        parts(content_type, body.as_bytes())?
            .map(|part| part.map(|part| String::from_utf8_lossy(part.body).into_owned()))
            .collect()
    }

    #[test]
    fn parts_are_cut_at_their_boundary_only() {
        let body = "to be ignored\r\n--b 1 \r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--b 12\r\n \
                    --b 1\r\n--b 1\r\n\r\n\r\n--b 1\t\r\n\r\nlast\r\n\r\n--b 1--\r\nafter";
        assert_eq!(
            bodies(TYPE, body),
            Ok(vec![
                "v=0\r\n--b 12\r\n --b 1".to_owned(),
                String::new(),
                "last\r\n".to_owned()
            ])
        );
    }

    #[test]
    fn header_fields_of_parts_are_read() {
        let body = b"--x\r\ncontent-id: <a@b>\r\nc:\r\n application/isup;version=itu\r\n\r\n\x01\xff\r\n--x--";
        let part = parts("multipart/mixed;boundary=x", body)
            .unwrap()
            .next()
            .unwrap()
            .unwrap();
        assert_eq!(part.value(Name::ContentId), Some("<a@b>"));
        assert_eq!(part.content_type(), "application/isup;version=itu");
        assert_eq!(part.body, b"\x01\xff");
    }

    #[test]
    fn multipart_crash() {
        for (content_type, body, expected) in [
            ("", "", MultipartError::NotMultipart),
            ("multipart", "", MultipartError::NotMultipart),
            ("multipart/mixed", "", MultipartError::Boundary),
            (
                "multipart/mixed;boundary=",
                "--\r\n\r\n----",
                MultipartError::Boundary,
            ),
            (
                "multipart/mixed;boundary=\"\"",
                "--\r\n\r\n----",
                MultipartError::Boundary,
            ),
            ("multipart/mixed;boundary=\"", "", MultipartError::Boundary),
            (
                "multipart/mixed;boundary=\"a\r\n\"",
                "",
                MultipartError::Boundary,
            ),
            ("multipart/mixed;boundary=a", "", MultipartError::NoParts),
            ("multipart/mixed;boundary=a", "--a", MultipartError::NoParts),
            (
                "multipart/mixed;boundary=a",
                "--a--",
                MultipartError::NoParts,
            ),
            (
                "multipart/mixed;boundary=a",
                "--a\r\n",
                MultipartError::Unterminated,
            ),
            (
                "multipart/mixed;boundary=a",
                "--a\r\n\r\nx",
                MultipartError::Unterminated,
            ),
            (
                "multipart/mixed;boundary=a",
                "--a\r\n--a--",
                MultipartError::Part,
            ),
            (
                "multipart/mixed;boundary=a",
                "--a\r\nX: y\r\n--a--",
                MultipartError::Part,
            ),
        ] {
            assert_eq!(
                bodies(content_type, body),
                Err(expected),
                "{content_type} {body}"
            );
        }
        let long = "b".repeat(MAX_BOUNDARY_BYTES + 1);
        assert_eq!(
            bodies(&format!("multipart/mixed;boundary={long}"), ""),
            Err(MultipartError::Boundary)
        );
    }

    #[test]
    fn parts_above_the_limit_are_refused() {
        let body = |count: usize| format!("{}--a--", "--a\r\n\r\nx\r\n".repeat(count));
        let content_type = "multipart/mixed;boundary=a";
        assert_eq!(
            bodies(content_type, &body(MAX_MULTIPART_PARTS)).map(|parts| parts.len()),
            Ok(MAX_MULTIPART_PARTS)
        );
        assert_eq!(
            bodies(content_type, &body(MAX_MULTIPART_PARTS + 1)),
            Err(MultipartError::TooManyParts)
        );
        let head = |length: usize| format!("--a\r\n{}\r\n\r\nx\r\n--a--", "h".repeat(length));
        assert!(bodies(content_type, &head(MAX_PART_HEADER_BYTES)).is_ok());
        assert_eq!(
            bodies(content_type, &head(MAX_PART_HEADER_BYTES + 1)),
            Err(MultipartError::Part)
        );
    }

    #[test]
    fn a_body_is_found_in_nested_parts_but_not_too_deep() {
        let mut content_type = "application/sdp".to_owned();
        let mut body = "v=0".to_owned();
        for depth in 0..=MAX_MULTIPART_DEPTH {
            let text = format!("INFO sip:a SIP/2.0\r\nContent-Type: {content_type}\r\n\r\n{body}");
            let message = Message::parse(text.as_bytes()).unwrap();
            assert_eq!(
                message.body_of_type("Application/SDP"),
                Some(&b"v=0"[..]),
                "{depth}"
            );
            assert_eq!(message.body_of_type("application/isup"), None);
            body =
                format!("--{depth}\r\nContent-Type: {content_type}\r\n\r\n{body}\r\n--{depth}--");
            content_type = format!("multipart/mixed;boundary={depth}");
        }
        let text = format!("INFO sip:a SIP/2.0\r\nContent-Type: {content_type}\r\n\r\n{body}");
        let message = Message::parse(text.as_bytes()).unwrap();
        assert_eq!(message.body_of_type("application/sdp"), None);
    }
}
