//! What a message must have to be worth processing (RFC 3261 sections 8.1.3.3, 8.2 and 16.3): the
//! checks between the parser and the transaction layer. What a user agent supports is not decided
//! here, only helped with.

use crate::header::{NameAddr, Via};
use crate::message::{HeaderError, Message, Method, Name};
use crate::uri::{Scheme, Uri, UriError};

/// Why a request is not processed. Its text is fit to be the reason phrase of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A header field that every request needs is missing, malformed or repeated.
    #[error("{}", HeaderFault(*.0))]
    Header(HeaderError),
    /// The request URI follows the grammar of no URI.
    #[error("Malformed Request-URI")]
    RequestUri(UriError),
    /// The request URI has header fields in it (RFC 3261 section 19.1.1).
    #[error("Header Fields In Request-URI")]
    UriHeaders,
    /// The request URI is of a scheme that is not served.
    #[error("Unsupported URI Scheme")]
    UriScheme,
    /// The method in CSeq is another than that of the request.
    #[error("CSeq Does Not Match Method")]
    MethodMismatch,
    /// The same, and the method is an unknown one (RFC 4475 section 3.1.2.18).
    #[error("Not Implemented")]
    UnknownMethod,
    /// A SIP URI in a header field cannot be read.
    #[error("Malformed URI In {0}")]
    Uri(Name),
    /// The address of record of a REGISTER is no SIP URI (RFC 3261 section 10.2).
    #[error("To Is Not A SIP URI")]
    AddressOfRecord,
    /// A response that has been through here with more hops than our own (RFC 3261 8.1.3.3).
    #[error("More Than One Via")]
    TooManyVias,
}

struct HeaderFault(HeaderError);

impl core::fmt::Display for HeaderFault {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.0 {
            HeaderError::Missing(name) => write!(formatter, "Missing {name}"),
            HeaderError::Malformed(name) => write!(formatter, "Malformed {name}"),
            HeaderError::Repeated(name) => write!(formatter, "Repeated {name}"),
        }
    }
}

/// A message that is not processed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{fault}")]
pub struct Rejection {
    /// What is wrong.
    pub fault: Fault,
    /// Whether it may be answered: not a response and not an ACK, and with a Via to answer to.
    pub is_answerable: bool,
}

impl Rejection {
    /// The status of the answer; `None` when the message is dropped.
    pub const fn status(&self) -> Option<u16> {
        if self.is_answerable {
            Some(self.fault.status())
        } else {
            None
        }
    }
}

impl Fault {
    /// The status with which a request is refused for this.
    pub const fn status(&self) -> u16 {
        match self {
            Fault::RequestUri(UriError::TooLong) => 414,
            Fault::UriScheme => 416,
            Fault::UnknownMethod => 501,
            Fault::Header(_)
            | Fault::RequestUri(_)
            | Fault::UriHeaders
            | Fault::MethodMismatch
            | Fault::Uri(_)
            | Fault::AddressOfRecord
            | Fault::TooManyVias => 400,
        }
    }
}

impl From<HeaderError> for Fault {
    fn from(error: HeaderError) -> Fault {
        Fault::Header(error)
    }
}

/// Checks a request before the transaction layer sees it.
///
/// # Errors
/// With the status and the reason phrase to answer with, or that it is to be dropped.
pub fn check_request(request: &Message<'_>) -> Result<(), Rejection> {
    find_fault(request).map_err(|fault| Rejection {
        fault,
        is_answerable: request.is_request()
            && request.method() != Method::Ack
            && request.value(Name::Via).is_some_and(|via| !via.is_empty()),
    })
}

/// Checks a response before the transaction layer sees it. The exchange is nobody's proxy, so a
/// response has exactly the one Via that the exchange wrote.
///
/// # Errors
/// With the reason for which it is dropped.
pub fn check_response(response: &Message<'_>) -> Result<(), Rejection> {
    let fault = || -> Result<(), Fault> {
        check_common(response)?;
        response.cseq()?;
        if response.list(Name::Via).nth(1).is_some() {
            Err(Fault::TooManyVias)
        } else {
            Ok(())
        }
    };
    fault().map_err(|fault| Rejection {
        fault,
        is_answerable: false,
    })
}

fn find_fault(request: &Message<'_>) -> Result<(), Fault> {
    let (from, to) = check_common(request)?;
    let method = request.method();
    check_cseq(request, method)?;
    check_request_uri(request.request_uri().unwrap_or(""))?;
    request.max_forwards()?;
    check_uri(from.uri_text(), Name::From)?;
    let to_scheme = check_uri(to.uri_text(), Name::To)?;
    if method == Method::Register && !matches!(to_scheme, Scheme::Sip | Scheme::Sips) {
        return Err(Fault::AddressOfRecord);
    }
    check_contacts(request, method)
}

/// What requests and responses must both have; returns From and To.
fn check_common<'a>(message: &Message<'a>) -> Result<(NameAddr<'a>, NameAddr<'a>), Fault> {
    let mut seen = 0_u8;
    for name in message.names() {
        let bit = match name {
            Name::From => 1,
            Name::To => 2,
            Name::CallId => 4,
            Name::CSeq => 8,
            Name::MaxForwards => 16,
            _ => continue,
        };
        if seen & bit != 0 {
            return Err(HeaderError::Repeated(name).into());
        }
        seen |= bit;
    }
    message.top_via()?;
    for via in message.list(Name::Via).skip(1) {
        Via::parse(via).map_err(|_| HeaderError::Malformed(Name::Via))?;
    }
    message.call_id()?;
    Ok((message.from()?, message.to()?))
}

fn check_cseq(request: &Message<'_>, method: Method<'_>) -> Result<(), Fault> {
    if request.cseq()?.method == method {
        Ok(())
    } else if method.is_known() {
        Err(Fault::MethodMismatch)
    } else {
        Err(Fault::UnknownMethod)
    }
}

fn check_request_uri(uri: &str) -> Result<(), Fault> {
    let uri = Uri::parse(uri).map_err(Fault::RequestUri)?;
    match uri.scheme() {
        Scheme::Other => Err(Fault::UriScheme),
        _ if uri.raw_headers().is_empty() => Ok(()),
        _ => Err(Fault::UriHeaders),
    }
}

/// Reads a URI in a header field; those of foreign schemes are nobody's business here.
fn check_uri(uri: &str, name: Name) -> Result<Scheme, Fault> {
    Uri::parse(uri)
        .map(|uri| uri.scheme())
        .map_err(|_| Fault::Uri(name))
}

fn check_contacts(request: &Message<'_>, method: Method<'_>) -> Result<(), Fault> {
    if method == Method::Register && request.contact_is_star() {
        return Ok(());
    }
    for contact in request.contacts() {
        check_uri(contact?.uri_text(), Name::Contact)?;
    }
    Ok(())
}

/// The options that `request` requires and `supported` does not hold: what goes into Unsupported
/// of a 420 (RFC 3261 section 8.2.2.3). ACK and CANCEL are never refused for it.
pub fn unsupported_options<'m, 'a>(
    request: &'m Message<'a>,
    supported: &'m [&str],
) -> impl Iterator<Item = &'a str> + use<'m, 'a> {
    let applies = !matches!(request.method(), Method::Ack | Method::Cancel);
    request.require().filter(move |option| {
        applies
            && !supported
                .iter()
                .any(|known| known.eq_ignore_ascii_case(option))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, changed: &str) -> String {
        format!(
            "{method} sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP a.example;branch=z9hG4bK1\r\n\
             From: <sip:a@b>;tag=1\r\nTo: <sip:b@b>\r\nCall-ID: 1\r\nCSeq: 1 {method}\r\n{changed}\r\n"
        )
    }

    fn rejection(text: &str) -> Rejection {
        check_request(&Message::parse(text.as_bytes()).unwrap()).unwrap_err()
    }

    #[test]
    fn a_fault_is_named_in_the_reason_phrase() {
        let repeated = rejection(&request("INVITE", "To: <sip:c@b>\r\n"));
        assert_eq!(
            (repeated.status(), repeated.to_string()),
            (Some(400), "Repeated To".to_owned())
        );
        let contact = rejection(&request("INVITE", "Contact: *\r\n"));
        assert_eq!(contact.to_string(), "Malformed Contact");
        let hops = rejection(&request("INVITE", "Max-Forwards: many\r\n"));
        assert_eq!(hops.to_string(), "Malformed Max-Forwards");
        let missing = request("INVITE", "").replace("Call-ID: 1\r\n", "");
        assert_eq!(rejection(&missing).to_string(), "Missing Call-ID");
        let host = request("INVITE", "").replace("<sip:a@b>", "<sip:a@1.2.3>");
        assert_eq!(rejection(&host).to_string(), "Malformed URI In From");
    }

    #[test]
    fn an_ack_and_a_request_without_via_are_dropped() {
        assert_eq!(
            rejection(&request("ACK", "To: <sip:c@b>\r\n")).status(),
            None
        );
        let lost =
            request("INVITE", "").replace("Via: SIP/2.0/UDP a.example;branch=z9hG4bK1\r\n", "");
        assert_eq!(rejection(&lost).status(), None);
    }

    #[test]
    fn all_bindings_can_be_meant_in_register_only() {
        let text = request("REGISTER", "Contact: *\r\n");
        assert_eq!(
            check_request(&Message::parse(text.as_bytes()).unwrap()),
            Ok(())
        );
    }

    #[test]
    fn unsupported_options_are_listed() {
        let text = request("INVITE", "Require: 100rel, foo\r\nRequire: Timer,bar\r\n");
        let message = Message::parse(text.as_bytes()).unwrap();
        let unsupported: Vec<_> = unsupported_options(&message, &["100rel", "timer"]).collect();
        assert_eq!(unsupported, ["foo", "bar"]);
        let text = request("ACK", "Require: foo\r\n");
        let message = Message::parse(text.as_bytes()).unwrap();
        assert_eq!(unsupported_options(&message, &[]).count(), 0);
    }
}
