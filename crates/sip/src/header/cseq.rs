//! `CSeq` (RFC 3261 section 20.16).

use core::fmt;

use super::Malformed;
use crate::message::Method;
use crate::text;

/// The number of a request in its dialog or its registrations, and its method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CSeq<'a> {
    /// Below 2**31 when it is our own.
    pub number: u32,
    /// The method of the request.
    pub method: Method<'a>,
}

impl<'a> CSeq<'a> {
    /// Reads the value of a CSeq field.
    ///
    /// # Errors
    /// When it is not a number below 2**32 and a token.
    pub fn parse(value: &'a str) -> Result<CSeq<'a>, Malformed> {
        let value = text::trim(value);
        let (number, method) = value
            .split_once([' ', '\t', '\r'])
            .ok_or(Malformed("CSeq"))?;
        let method = text::trim_start(method);
        if !text::is_token(method) {
            return Err(Malformed("CSeq"));
        }
        let number = text::number(number).ok_or(Malformed("CSeq"))?;
        Ok(CSeq {
            number,
            method: Method::from_name(method),
        })
    }
}

impl fmt::Display for CSeq<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.number, self.method)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cseq_is_a_number_and_a_method() {
        let invite = CSeq {
            number: 9,
            method: Method::Invite,
        };
        assert_eq!(CSeq::parse("0009\r\n  INVITE"), Ok(invite));
        assert_eq!(CSeq::parse(&invite.to_string()), Ok(invite));
        assert_eq!(
            CSeq::parse("4294967295 X").map(|cseq| cseq.number),
            Ok(u32::MAX)
        );
        for value in [
            "",
            "1",
            "INVITE",
            "-1 INVITE",
            "+1 INVITE",
            "4294967296 ACK",
            "1 IN VITE",
            "1 @",
        ] {
            assert!(CSeq::parse(value).is_err(), "{value}");
        }
    }
}
