//! `Reason` (RFC 3326).

use core::fmt;
use std::borrow::Cow;

use super::event::token_with_params;
use super::name_addr::Quoted;
use super::{Malformed, Params};
use crate::text;

/// Why a request is sent, above all why a call ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Reason<'a> {
    /// Whose cause it is: `Q.850`, `SIP` or another.
    pub protocol: &'a str,
    /// All parameters.
    pub params: Params<'a>,
}

impl<'a> Reason<'a> {
    /// Reads one element of a Reason field.
    ///
    /// # Errors
    /// When it is no token with parameters.
    pub fn parse(element: &'a str) -> Result<Reason<'a>, Malformed> {
        let (protocol, params) = token_with_params(element).ok_or(Malformed("Reason"))?;
        Ok(Reason { protocol, params })
    }

    /// The cause, whatever the protocol.
    pub fn cause(&self) -> Option<u16> {
        text::number(self.params.get("cause")?)
    }

    /// The cause of Q.850, from 1 to 127.
    pub fn q850_cause(&self) -> Option<u8> {
        let cause = u8::try_from(self.cause()?)
            .ok()
            .filter(|cause| (1..128).contains(cause));
        if self.protocol.eq_ignore_ascii_case("Q.850") {
            cause
        } else {
            None
        }
    }

    /// The status code, when the protocol is SIP.
    pub fn sip_status(&self) -> Option<u16> {
        let status = self.cause().filter(|status| (100..700).contains(status));
        if self.protocol.eq_ignore_ascii_case("SIP") {
            status
        } else {
            None
        }
    }

    /// What is said about it to people.
    pub fn text(&self) -> Option<Cow<'a, str>> {
        self.params.find("text").and_then(|param| param.unquoted())
    }
}

/// A reason to be written.
#[derive(Clone, Copy, Debug)]
pub struct WrittenReason<'a> {
    /// Whose cause it is: `Q.850` or `SIP`.
    pub protocol: &'a str,
    /// The cause in that protocol.
    pub cause: u16,
    /// For people; may be empty.
    pub text: &'a str,
}

impl fmt::Display for WrittenReason<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{};cause={}", self.protocol, self.cause)?;
        if self.text.is_empty() {
            return Ok(());
        }
        write!(formatter, ";text={}", Quoted(self.text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_of_both_protocols_are_read() {
        let reason = Reason::parse("Q.850 ;cause=16 ;text=\"Terminated\"").unwrap();
        assert_eq!((reason.q850_cause(), reason.sip_status()), (Some(16), None));
        assert_eq!(reason.text().as_deref(), Some("Terminated"));
        let reason = Reason::parse("SIP;cause=200;text=\"Call completed elsewhere\"").unwrap();
        assert_eq!(
            (reason.q850_cause(), reason.sip_status()),
            (None, Some(200))
        );
        assert_eq!(Reason::parse("Q.850;cause=300").unwrap().q850_cause(), None);
        assert!(Reason::parse(";cause=1").is_err());
    }

    #[test]
    fn a_written_reason_reads_back() {
        let written = WrittenReason {
            protocol: "Q.850",
            cause: 17,
            text: "busy \"now\"\r\nX: y",
        };
        let written = written.to_string();
        let reason = Reason::parse(&written).unwrap();
        assert_eq!(reason.q850_cause(), Some(17));
        assert_eq!(reason.text().as_deref(), Some("busy \"now\"  X: y"));
    }
}
