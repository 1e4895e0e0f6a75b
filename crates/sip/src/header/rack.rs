//! `RAck` (RFC 3262 section 7.2).

use core::fmt;

use super::{CSeq, Malformed};
use crate::text;

/// Which reliable provisional response a PRACK acknowledges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RAck<'a> {
    /// The RSeq of the response.
    pub response_number: u32,
    /// The CSeq of the request that was answered.
    pub cseq: CSeq<'a>,
}

impl<'a> RAck<'a> {
    /// Reads the value of a RAck field.
    ///
    /// # Errors
    /// When it is not two numbers and a method.
    pub fn parse(value: &'a str) -> Result<RAck<'a>, Malformed> {
        let value = text::trim(value);
        let (number, cseq) = value
            .split_once([' ', '\t', '\r'])
            .ok_or(Malformed("RAck"))?;
        Ok(RAck {
            response_number: text::number(number).ok_or(Malformed("RAck"))?,
            cseq: CSeq::parse(cseq).map_err(|_| Malformed("RAck"))?,
        })
    }
}

impl fmt::Display for RAck<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.response_number, self.cseq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Method;

    #[test]
    fn a_rack_is_two_numbers_and_a_method() {
        let rack = RAck::parse("776656  1 INVITE").unwrap();
        assert_eq!(rack.response_number, 776_656);
        assert_eq!(
            rack.cseq,
            CSeq {
                number: 1,
                method: Method::Invite
            }
        );
        assert_eq!(rack.to_string(), "776656 1 INVITE");
        for value in [
            "",
            "1",
            "1 2",
            "1 INVITE",
            "4294967296 1 INVITE",
            "1 2 INVITE x",
        ] {
            assert!(RAck::parse(value).is_err(), "{value}");
        }
    }
}
