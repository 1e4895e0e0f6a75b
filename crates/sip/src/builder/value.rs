//! What can be written as the value of a header field. Texts, numbers and rows of texts go straight
//! into the message; whatever else can be shown goes through the machinery of formatting, which costs
//! several times as much.

use core::fmt::{Arguments, Display, Write as _};
use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::sanitize::SafeText;
use crate::header::{SessionExpires, Via};

/// A value of a header field, or a part of one.
pub trait FieldValue {
    /// Writes it.
    fn write(&self, out: &mut SafeText<'_>);
}

/// A value of any type that can be shown.
#[derive(Clone, Copy, Debug)]
pub struct Shown<T>(pub T);

impl<T: Display> FieldValue for Shown<T> {
    fn write(&self, out: &mut SafeText<'_>) {
        // Writing to memory cannot fail; a Display that reports an error just ends the value.
        let _ = write!(out, "{}", self.0);
    }
}

impl FieldValue for Arguments<'_> {
    fn write(&self, out: &mut SafeText<'_>) {
        let _ = out.write_fmt(*self);
    }
}

impl<T: FieldValue + ?Sized> FieldValue for &T {
    #[inline]
    fn write(&self, out: &mut SafeText<'_>) {
        (**self).write(out);
    }
}

/// One behind the other.
impl<T: FieldValue, const N: usize> FieldValue for [T; N] {
    #[inline]
    fn write(&self, out: &mut SafeText<'_>) {
        self.iter().for_each(|part| part.write(out));
    }
}

/// One behind the other.
impl<A: FieldValue, B: FieldValue> FieldValue for (A, B) {
    #[inline]
    fn write(&self, out: &mut SafeText<'_>) {
        self.0.write(out);
        self.1.write(out);
    }
}

macro_rules! texts {
    ($($text:ty),*) => { $(
        impl FieldValue for $text {
            #[inline]
            fn write(&self, out: &mut SafeText<'_>) {
                out.push(self);
            }
        }
    )* };
}

texts!(str, String, Box<str>, Arc<str>, Cow<'_, str>);

macro_rules! numbers {
    ($($number:ty),*) => { $(
        impl FieldValue for $number {
            #[inline]
            fn write(&self, out: &mut SafeText<'_>) {
                #[allow(clippy::cast_lossless, reason = "usize has no From to u64")]
                push_number(out, *self as u64);
            }
        }
    )* };
}

numbers!(u8, u16, u32, u64, usize);

/// What a literal number is when nothing else says so.
impl FieldValue for i32 {
    fn write(&self, out: &mut SafeText<'_>) {
        if self.is_negative() {
            out.push("-");
        }
        self.unsigned_abs().write(out);
    }
}

impl FieldValue for SessionExpires {
    fn write(&self, out: &mut SafeText<'_>) {
        (self.seconds, self.refresher_parameter()).write(out);
    }
}

impl FieldValue for Via<'_> {
    fn write(&self, out: &mut SafeText<'_>) {
        let params = self.params();
        [
            "SIP/2.0/",
            self.transport_name(),
            " ",
            self.sent_by(),
            params.as_str(),
        ]
        .write(out);
    }
}

impl FieldValue for SocketAddr {
    fn write(&self, out: &mut SafeText<'_>) {
        match self {
            SocketAddr::V4(address) => (self.ip(), (":", address.port())).write(out),
            SocketAddr::V6(address) => Shown(address).write(out),
        }
    }
}

impl FieldValue for IpAddr {
    fn write(&self, out: &mut SafeText<'_>) {
        match self {
            IpAddr::V4(address) => {
                for (index, octet) in address.octets().iter().enumerate() {
                    if index > 0 {
                        out.push(".");
                    }
                    push_number(out, u64::from(*octet));
                }
            }
            IpAddr::V6(address) => Shown(address).write(out),
        }
    }
}

/// The most decimal digits that a number of 64 bits has.
const MAX_DIGITS: usize = 20;

fn push_number(out: &mut SafeText<'_>, mut number: u64) {
    let mut digits = [0_u8; MAX_DIGITS];
    let mut first = MAX_DIGITS;
    for (index, digit) in digits.iter_mut().enumerate().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
        first = index;
        if number == 0 {
            break;
        }
    }
    out.push_checked(digits.get(first..).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(value: impl FieldValue) -> String {
        let mut out = Vec::new();
        value.write(&mut SafeText(&mut out));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_look_as_anywhere_else() {
        for number in [0, 1, 9, 10, 99, 100, 65_535, u64::from(u32::MAX), u64::MAX] {
            assert_eq!(written(number), number.to_string());
        }
        assert_eq!(written(7_u8) + &written(300_u16), "7300");
    }

    #[test]
    fn addresses_look_as_anywhere_else() {
        for address in ["0.0.0.0", "192.0.2.10", "255.255.255.255", "2001:db8::1"] {
            assert_eq!(written(address.parse::<IpAddr>().unwrap()), address);
        }
    }

    #[test]
    fn parts_stand_one_behind_the_other_and_are_made_safe() {
        assert_eq!(written(["<", "sip:a\r\nb", ">"]), "<sip:a  b>");
        assert_eq!(written((7_u32, [" INVITE"])), "7 INVITE");
        assert_eq!(written(format_args!("{}\n", 1)), "1 ");
    }
}
