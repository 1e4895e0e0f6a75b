//! Names with addresses: From, To, Contact, Route and their kin (RFC 3261 section 20.10).

use core::fmt;
use std::borrow::Cow;

use super::params::unquote;
use super::{Malformed, Params};
use crate::escape;
use crate::text;
use crate::uri::{Uri, UriError};

/// RFC 5626 section 11.2.
const MAX_REG_ID: u32 = (1 << 31) - 1;

/// A URI with an optional name to show and parameters of the header field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NameAddr<'a> {
    display: &'a str,
    uri: &'a str,
    bracketed: bool,
    params: Params<'a>,
}

impl<'a> NameAddr<'a> {
    /// Reads one element: `"Name" <uri>;params`, `Name <uri>;params` or `uri;params`.
    ///
    /// The URI itself is read by [`NameAddr::uri`] only.
    ///
    /// # Errors
    /// When quotes or brackets do not match, the name holds what only a quoted name may hold, or
    /// a URI without brackets holds a comma, a question mark or a semicolon before its parameters
    /// (RFC 3261 section 20.10).
    pub fn parse(element: &'a str) -> Result<NameAddr<'a>, Malformed> {
        Self::parse_inner(text::trim(element)).ok_or(Malformed("name and address"))
    }

    fn parse_inner(element: &'a str) -> Option<NameAddr<'a>> {
        let (display, rest) = match text::quoted_string_length(element) {
            Some(length) => text::split_at(element, length),
            None if element.starts_with('"') => return None,
            None => match element.find('<') {
                Some(position) if is_unquoted_name(element.get(..position)?) => {
                    text::split_at(element, position)
                }
                _ => return Self::parse_bare(element),
            },
        };
        let rest = text::trim_start(rest).strip_prefix('<')?;
        let (uri, rest) = text::split_once(rest, b'>')?;
        if !text::is_uri_text(uri) || uri.is_empty() {
            return None;
        }
        let params = Params::new(text::trim(rest));
        params.are_well_formed().then_some(NameAddr {
            display: text::trim(display),
            uri,
            bracketed: true,
            params,
        })
    }

    /// RFC 3261 section 20: parameters after a URI without brackets belong to the header field.
    fn parse_bare(element: &'a str) -> Option<NameAddr<'a>> {
        let (uri, params) = text::split_params(element);
        let uri = text::trim(uri);
        let allowed = |byte| !matches!(byte, b',' | b'?');
        if !uri.contains(':') || !text::is_uri_text(uri) || !uri.bytes().all(allowed) {
            return None;
        }
        let params = Params::new(params);
        params.are_well_formed().then_some(NameAddr {
            display: "",
            uri,
            bracketed: false,
            params,
        })
    }

    /// The name as it stands, quotes and backslashes included; empty when there is none.
    pub fn raw_display_name(&self) -> &'a str {
        self.display
    }

    /// The name for people: without quotes and backslashes, and without any character that could
    /// leave its line or forge what stands beside it; `None` when nothing is left.
    pub fn display_name(&self) -> Option<Cow<'a, str>> {
        let name = unquote(self.display);
        let safe = if name.contains(escape::is_unsafe) {
            let kept: String = name.chars().filter(|c| !escape::is_unsafe(*c)).collect();
            Cow::Owned(kept)
        } else {
            name
        };
        (!text::trim(&safe).is_empty()).then_some(safe)
    }

    /// The URI as it stands, without brackets.
    pub fn uri_text(&self) -> &'a str {
        self.uri
    }

    /// The URI, read.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn uri(&self) -> Result<Uri<'a>, UriError> {
        Uri::parse(self.uri)
    }

    /// The parameters of the header field; those of the URI are in the URI.
    pub fn params(&self) -> Params<'a> {
        self.params
    }

    /// The value of a parameter of the header field; empty when it has none.
    pub fn param(&self, name: &str) -> Option<&'a str> {
        self.params.get(name)
    }

    /// The device behind a contact, as a URN (`+sip.instance`, RFC 5626 section 4.1).
    pub fn instance(&self) -> Option<&'a str> {
        let quoted = self.params.get("+sip.instance")?;
        quoted.strip_prefix("\"<")?.strip_suffix(">\"")
    }

    /// Which of the flows of a device this is (RFC 5626 section 4.2), from 1 to 2**31-1.
    pub fn reg_id(&self) -> Option<u32> {
        text::number(self.params.get("reg-id")?).filter(|id| (1..=MAX_REG_ID).contains(id))
    }

    /// One side's part of the name of a dialog (RFC 3261 section 19.3); empty text does not count.
    pub fn tag(&self) -> Option<&'a str> {
        self.params.get("tag").filter(|tag| !tag.is_empty())
    }

    /// How much this contact is wished for, in thousandths: from 0 to 1000 (RFC 3261 section
    /// 20.10); 1000 when nothing is said, `None` when what is said is no such value.
    pub fn q_thousandths(&self) -> Option<u16> {
        let Some(q) = self.params.get("q") else {
            return Some(1000);
        };
        let (whole, fraction) = text::split_once(q, b'.').unwrap_or((q, ""));
        let fraction_is_right =
            fraction.len() <= 3 && fraction.bytes().all(|byte| byte.is_ascii_digit());
        if !fraction_is_right {
            return None;
        }
        let thousandths = fraction
            .bytes()
            .zip([100_u16, 10, 1])
            .map(|(digit, weight)| u16::from(digit - b'0') * weight);
        match whole {
            "0" => Some(thousandths.sum()),
            "1" if thousandths.sum::<u16>() == 0 => Some(1000),
            _ => None,
        }
    }

    /// The `expires` parameter of a contact, in seconds (RFC 3261 section 10.2.1.1). A number
    /// above 2**32-1 counts as that; what is no number is `None`.
    pub fn expires_seconds(&self) -> Option<u32> {
        delta_seconds(self.params.get("expires")?)
    }
}

/// Seconds as RFC 3261 section 20.19 has them: too large a number counts as the largest.
pub(crate) fn delta_seconds(text: &str) -> Option<u32> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u32::MAX))
}

/// The grammar allows tokens and white space. Phones also send letters beyond ASCII, and signs
/// that separate nothing here, so only what could be taken for something else is refused.
fn is_unquoted_name(name: &str) -> bool {
    !name
        .bytes()
        .any(|byte| matches!(byte, b'"' | b',' | b';' | b':' | b'>' | b'\\'))
}

/// As it stood, except that a URI is always written in brackets.
impl fmt::Display for NameAddr<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.display.is_empty() {
            write!(formatter, "{} ", self.display)?;
        }
        write!(formatter, "<{}>{}", self.uri, self.params.as_str())
    }
}

/// Writes text as a quoted string: quotes and backslashes are escaped, and characters that could
/// leave the line become spaces.
#[derive(Clone, Copy, Debug)]
pub struct Quoted<'a>(pub &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        formatter.write_char('"')?;
        for character in self.0.chars() {
            match character {
                '"' | '\\' => write!(formatter, "\\{character}")?,
                unsafe_one if escape::is_unsafe(unsafe_one) => formatter.write_char(' ')?,
                plain => formatter.write_char(plain)?,
            }
        }
        formatter.write_char('"')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(element: &str) -> NameAddr<'_> {
        NameAddr::parse(element).unwrap_or_else(|error| panic!("{element}: {error}"))
    }

    #[test]
    fn all_three_forms_are_read() {
        let quoted =
            parse("\"J. \\\\\\\"R\\\" <>\" <sip:j@example.com;transport=tcp> ;tag=98asjd8");
        assert_eq!(quoted.display_name().as_deref(), Some("J. \\\"R\" <>"));
        assert_eq!(quoted.uri_text(), "sip:j@example.com;transport=tcp");
        assert_eq!(quoted.tag(), Some("98asjd8"));

        let plain = parse("caller<sip:caller@example.com>;tag=323");
        assert_eq!(plain.display_name().as_deref(), Some("caller"));
        assert_eq!(plain.tag(), Some("323"));

        let bare = parse("sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n");
        assert_eq!(bare.uri_text(), "sip:vivekg@chair-dnrc.example.com");
        assert_eq!(bare.display_name(), None);
        assert_eq!(bare.tag(), Some("1918181833n"));
    }

    #[test]
    fn what_is_ambiguous_is_refused() {
        for element in [
            "",
            "*",
            "bob",
            "\"bob",
            "\"bob\" sip:x",
            "\"bob\" <sip:x",
            "<>",
            "< sip:t@example.org >",
            "sip:user@example.com?Route=%3Csip:sip.example.com%3E",
            "Bell, Alexander <sip:a@b>",
            "\"Mr. J. User <sip:j.user@example.com>",
            "<sip:a>x",
            "<sip:a> tag=1",
            "sip:a,b@c",
            "<<sip:a>>",
        ] {
            assert!(NameAddr::parse(element).is_err(), "{element}");
        }
    }

    #[test]
    fn display_name_control_chars() {
        let bel = parse("\"BEL:\\\u{7} NUL:\\\0 DEL:\\\u{7f}\" <sip:a@b>");
        assert_eq!(bel.display_name().as_deref(), Some("BEL: NUL: DEL:"));
        let forged = parse("\"bob\u{2028}\u{202e}INFO ban\" <sip:a@b>");
        assert_eq!(forged.display_name().as_deref(), Some("bobINFO ban"));
        assert_eq!(parse("\"\\\u{1}\" <sip:a@b>").display_name(), None);
        assert_eq!(
            Quoted("a\"b\\c\r\nX: y\u{1b}").to_string(),
            "\"a\\\"b\\\\c  X: y \""
        );
    }

    #[test]
    fn q_is_read_in_thousandths() {
        let q = |value: &str| parse(&format!("<sip:a@b>;q={value}")).q_thousandths();
        assert_eq!(q("0.5"), Some(500));
        assert_eq!(q("0.025"), Some(25));
        assert_eq!(q("1.000"), Some(1000));
        assert_eq!(q("0"), Some(0));
        assert_eq!(q("1.1"), None);
        assert_eq!(q("0.1234"), None);
        assert_eq!(q("-1"), None);
        assert_eq!(parse("<sip:a@b>").q_thousandths(), Some(1000));
    }

    #[test]
    fn a_flow_of_a_device_is_read() {
        let contact = parse("<sip:a@b;ob>;reg-id=2;+sip.instance=\"<urn:uuid:00000000-0000>\"");
        assert_eq!(
            (contact.instance(), contact.reg_id()),
            (Some("urn:uuid:00000000-0000"), Some(2))
        );
        let wrong = parse("<sip:a@b;ob>;reg-id=0;+sip.instance=urn");
        assert_eq!((wrong.instance(), wrong.reg_id()), (None, None));
    }

    #[test]
    fn expires_does_not_overflow() {
        let expires = |value: &str| parse(&format!("<sip:a@b>;expires={value}")).expires_seconds();
        assert_eq!(expires("3600"), Some(3600));
        assert_eq!(expires("1000000000000000000000"), Some(u32::MAX));
        assert_eq!(expires("-1"), None);
    }
}
