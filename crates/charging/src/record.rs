//! The record of one call: who, whom, when, how long, how it ended. Not its price (rating) and not
//! its course (the journal).

use core::fmt;
use core::str::FromStr;
use core::time::Duration;

use fernamt_sip::time::UnixTime;
use serde::{Deserialize, Serialize};

use crate::protection::MediaProtection;

/// Names one call of this installation, for ever. Chosen at random by the exchange.
///
/// Written as 16 hexadecimal digits. Not the SIP Call-ID, of which every call has one per leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CallReference(pub u64);

impl fmt::Display for CallReference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}", self.0)
    }
}

/// The text is not a call reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a call reference is 16 hexadecimal digits")]
pub struct NotACallReference;

impl FromStr for CallReference {
    type Err = NotACallReference;

    fn from_str(text: &str) -> Result<CallReference, NotACallReference> {
        if text.len() != 16 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(NotACallReference);
        }
        u64::from_str_radix(text, 16)
            .map(CallReference)
            .map_err(|_| NotACallReference)
    }
}

/// Who ended a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Releaser {
    /// The calling party hung up or gave up.
    Caller,
    /// The called party hung up or declined.
    Callee,
    /// The exchange itself: no route, a vanished side, a shutdown, a command.
    Exchange,
}

/// Which side of the call a leg is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LegRole {
    /// The leg that came in.
    Caller,
    /// A leg that the exchange made.
    Callee,
}

/// One leg of a call as its peer saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegRecord {
    /// Which side.
    pub role: LegRole,
    /// The SIP Call-ID on this leg; empty on a leg inside the exchange (echo, announcement).
    pub call_id: Box<str>,
    /// The device's user name, where the peer is a device.
    pub user: Option<Box<str>>,
    /// Transport and address of the peer, for example `UDP 192.0.2.7:5060`.
    pub peer: Box<str>,
    /// How its media were protected while the call was answered: the weakest that applied to any of
    /// its streams at any time. `None`: the call was not answered, no media were agreed on, or the
    /// program that wrote the record did not note it.
    pub protection: Option<MediaProtection>,
}

/// What remains of a call (a CDR).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallRecord {
    /// Names the call.
    pub call: CallReference,
    /// User name of the calling device, where it is one of ours.
    pub caller: Option<Box<str>>,
    /// The number or name that the called party was shown.
    pub caller_number: Box<str>,
    /// What was dialled, as received.
    pub dialled: Box<str>,
    /// User name of the called device, where it is one of ours and was found.
    pub callee: Option<Box<str>>,
    /// When the call came in.
    pub start: UnixTime,
    /// When it was answered; `None` for a call that nobody answered.
    pub answer: Option<UnixTime>,
    /// When it was released.
    pub end: UnixTime,
    /// From answer to release, by the monotonic clock; zero when nobody answered.
    pub duration: Duration,
    /// Why it was released: a cause value of ITU-T Q.850.
    pub cause: u8,
    /// The cause in words.
    pub cause_text: Box<str>,
    /// The SIP status that the caller was given, where the call was not answered.
    pub status: Option<u16>,
    /// Who released it.
    pub released_by: Releaser,
    /// The first audio codec of the answer, for example `PCMA/8000`.
    pub codec: Option<Box<str>>,
    /// The legs: the caller's first, then those of the called side that took part (the one that
    /// answered, or all that were tried).
    pub legs: Vec<LegRecord>,
}

impl CallRecord {
    /// Whether the media were encrypted on every leg. `None`: as far as is known they were, but it is
    /// not known of all.
    pub fn is_encrypted(&self) -> Option<bool> {
        let mut legs = self.legs.iter().map(|leg| leg.protection);
        if legs.clone().any(|leg| leg == Some(MediaProtection::Clear)) {
            return Some(false);
        }
        (!self.legs.is_empty() && legs.all(|leg| leg.is_some())).then_some(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_reference_is_read_as_it_is_written() {
        let call = CallReference(0x0123_4567_89ab_cdef);
        assert_eq!(call.to_string(), "0123456789abcdef");
        assert_eq!(call.to_string().parse(), Ok(call));
        assert_eq!("123".parse::<CallReference>(), Err(NotACallReference));
        assert_eq!(
            "+123456789abcdef".parse::<CallReference>(),
            Err(NotACallReference)
        );
    }

    #[test]
    fn a_call_is_encrypted_when_all_its_legs_are_and_not_when_one_is_not() {
        const CLEAR: Option<MediaProtection> = Some(MediaProtection::Clear);
        const DTLS: Option<MediaProtection> = Some(MediaProtection::Dtls {
            suite: None,
            signalling_encrypted: true,
        });
        for (legs, encrypted) in [
            (&[][..], None),
            (&[None, None], None),
            (&[DTLS, None], None),
            (&[CLEAR, None], Some(false)),
            (&[DTLS, CLEAR], Some(false)),
            (&[DTLS, DTLS], Some(true)),
            (&[DTLS], Some(true)),
        ] {
            assert_eq!(record(legs).is_encrypted(), encrypted, "{legs:?}");
        }
    }

    fn record(legs: &[Option<MediaProtection>]) -> CallRecord {
        let leg = |protection: &Option<MediaProtection>| LegRecord {
            role: LegRole::Callee,
            call_id: "a@192.0.2.7".into(),
            user: None,
            peer: "UDP 192.0.2.7:5060".into(),
            protection: *protection,
        };
        CallRecord {
            call: CallReference(1),
            caller: None,
            caller_number: "anna".into(),
            dialled: "bert".into(),
            callee: None,
            start: UnixTime::from_micros(0),
            answer: None,
            end: UnixTime::from_micros(0),
            duration: Duration::ZERO,
            cause: 16,
            cause_text: "Normal call clearing".into(),
            status: None,
            released_by: Releaser::Caller,
            codec: None,
            legs: legs.iter().map(leg).collect(),
        }
    }
}
