//! Causes of release (ITU-T Q.850) and what they are in SIP (RFC 3398, Q.1912.5). Not a SIP status:
//! inside the exchange a release has one cause, and each kind of leg translates it.

mod rejection;

use core::fmt;

use fernamt_sip::header::Reason;
use fernamt_sip::message::{Message, Name};
use serde::{Deserialize, Serialize};

pub use rejection::{Rejection, best_rejection};

/// A cause value of ITU-T Q.850, 1 to 127.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Cause(pub u8);

macro_rules! causes {
    ($($value:literal $name:ident $text:literal,)*) => {
        impl Cause {
            $(
                #[doc = concat!($text, ".")]
                pub const $name: Cause = Cause($value);
            )*

            /// What Q.850 calls it, for people and for the `text` of a Reason header.
            pub const fn text(self) -> &'static str {
                match self.0 {
                    $($value => $text,)*
                    _ => "Unknown cause",
                }
            }

            /// Whether Q.850 gives this value a meaning.
            pub const fn is_known(self) -> bool {
                matches!(self.0, $($value)|*)
            }

            #[cfg(test)]
            const ALL: &[Cause] = &[$(Cause($value)),*];
        }
    };
}

causes! {
    1 UNALLOCATED_NUMBER "Unallocated (unassigned) number",
    2 NO_ROUTE_TO_NETWORK "No route to specified transit network",
    3 NO_ROUTE_TO_DESTINATION "No route to destination",
    4 SPECIAL_INFORMATION_TONE "Send special information tone",
    5 MISDIALLED_TRUNK_PREFIX "Misdialled trunk prefix",
    6 CHANNEL_UNACCEPTABLE "Channel unacceptable",
    7 CALL_AWARDED "Call awarded and being delivered in an established channel",
    8 PREEMPTION "Preemption",
    9 PREEMPTION_RESERVED "Preemption, circuit reserved for reuse",
    14 PORTED_NUMBER "Query on release: ported number",
    16 NORMAL_CLEARING "Normal call clearing",
    17 USER_BUSY "User busy",
    18 NO_USER_RESPONDING "No user responding",
    19 NO_ANSWER "No answer from user (user alerted)",
    20 SUBSCRIBER_ABSENT "Subscriber absent",
    21 CALL_REJECTED "Call rejected",
    22 NUMBER_CHANGED "Number changed",
    23 REDIRECTION "Redirection to new destination",
    24 ANONYMOUS_REJECTED "Call rejected because the caller is anonymous",
    25 EXCHANGE_ROUTING_ERROR "Exchange routing error",
    26 NON_SELECTED_USER "Non-selected user clearing",
    27 DESTINATION_OUT_OF_ORDER "Destination out of order",
    28 ADDRESS_INCOMPLETE "Invalid number format (address incomplete)",
    29 FACILITY_REJECTED "Facility rejected",
    30 STATUS_ENQUIRY "Response to STATUS ENQUIRY",
    31 NORMAL_UNSPECIFIED "Normal, unspecified",
    34 NO_CIRCUIT "No circuit/channel available",
    38 NETWORK_OUT_OF_ORDER "Network out of order",
    39 FRAME_MODE_OUT_OF_SERVICE "Permanent frame mode connection out of service",
    40 FRAME_MODE_OPERATIONAL "Permanent frame mode connection operational",
    41 TEMPORARY_FAILURE "Temporary failure",
    42 CONGESTION "Switching equipment congestion",
    43 ACCESS_INFORMATION_DISCARDED "Access information discarded",
    44 CIRCUIT_NOT_AVAILABLE "Requested circuit/channel not available",
    46 PRECEDENCE_BLOCKED "Precedence call blocked",
    47 RESOURCE_UNAVAILABLE "Resource unavailable, unspecified",
    49 QUALITY_UNAVAILABLE "Quality of service not available",
    50 FACILITY_NOT_SUBSCRIBED "Requested facility not subscribed",
    53 OUTGOING_BARRED_IN_GROUP "Outgoing calls barred within closed user group",
    55 INCOMING_BARRED_IN_GROUP "Incoming calls barred within closed user group",
    57 BEARER_NOT_AUTHORIZED "Bearer capability not authorized",
    58 BEARER_NOT_AVAILABLE "Bearer capability not presently available",
    62 INCONSISTENT_ACCESS "Inconsistency in designated outgoing access information and subscriber class",
    63 SERVICE_UNAVAILABLE "Service or option not available, unspecified",
    65 BEARER_NOT_IMPLEMENTED "Bearer capability not implemented",
    66 CHANNEL_TYPE_NOT_IMPLEMENTED "Channel type not implemented",
    69 FACILITY_NOT_IMPLEMENTED "Requested facility not implemented",
    70 RESTRICTED_DIGITAL_ONLY "Only restricted digital information bearer capability is available",
    79 SERVICE_NOT_IMPLEMENTED "Service or option not implemented, unspecified",
    81 INVALID_CALL_REFERENCE "Invalid call reference value",
    82 CHANNEL_DOES_NOT_EXIST "Identified channel does not exist",
    83 SUSPENDED_CALL_OTHER_IDENTITY "A suspended call exists, but this call identity does not",
    84 CALL_IDENTITY_IN_USE "Call identity in use",
    85 NO_CALL_SUSPENDED "No call suspended",
    86 CALL_IDENTITY_CLEARED "Call having the requested call identity has been cleared",
    87 NOT_IN_GROUP "User not member of closed user group",
    88 INCOMPATIBLE_DESTINATION "Incompatible destination",
    90 NON_EXISTENT_GROUP "Non-existent closed user group",
    91 INVALID_TRANSIT_NETWORK "Invalid transit network selection",
    95 INVALID_MESSAGE "Invalid message, unspecified",
    96 MANDATORY_ELEMENT_MISSING "Mandatory information element is missing",
    97 MESSAGE_TYPE_UNKNOWN "Message type non-existent or not implemented",
    98 MESSAGE_NOT_COMPATIBLE "Message not compatible with call state, or message type non-existent",
    99 ELEMENT_UNKNOWN "Information element or parameter non-existent or not implemented",
    100 INVALID_INFORMATION "Invalid information element contents",
    101 WRONG_STATE "Message not compatible with call state",
    102 RECOVERY_ON_TIMER_EXPIRY "Recovery on timer expiry",
    103 PARAMETER_PASSED_ON "Parameter non-existent or not implemented, passed on",
    110 PARAMETER_DISCARDED "Message with unrecognized parameter, discarded",
    111 PROTOCOL_ERROR "Protocol error, unspecified",
    127 INTERWORKING "Interworking, unspecified",
}

impl Cause {
    /// The cause that a final SIP response stands for (RFC 3398 section 8.2.6.1).
    ///
    /// The tables leave some statuses open, and here they are closed: 487 is a call that its caller
    /// gave up (16), 488 and 606 are answered before any Warning is read (88 rather than a guess),
    /// 433 is RFC 5079's anonymity (24, as in Q.1912.5), 480 is 20, *subscriber absent*, as in
    /// Q.1912.5 table 22: RFC 3398 says 18, *no user responding*, which people read as a phone that
    /// does not work. Where nothing is said of a status, its class decides.
    pub const fn from_status(status: u16) -> Cause {
        match status {
            200..=299 | 487 => Cause::NORMAL_CLEARING,
            300..=399 => Cause::REDIRECTION,
            401..=403 | 407 | 603 | 607 | 608 => Cause::CALL_REJECTED,
            404 | 485 | 604 => Cause::UNALLOCATED_NUMBER,
            405 => Cause::SERVICE_UNAVAILABLE,
            406 | 415 | 501 => Cause::SERVICE_NOT_IMPLEMENTED,
            408 | 504 => Cause::RECOVERY_ON_TIMER_EXPIRY,
            410 => Cause::NUMBER_CHANGED,
            413 | 414 | 416 | 420 | 421 | 423 | 505 | 513 => Cause::INTERWORKING,
            433 => Cause::ANONYMOUS_REJECTED,
            480 => Cause::SUBSCRIBER_ABSENT,
            482 | 483 => Cause::EXCHANGE_ROUTING_ERROR,
            484 => Cause::ADDRESS_INCOMPLETE,
            486 | 600 => Cause::USER_BUSY,
            488 | 606 => Cause::INCOMPATIBLE_DESTINATION,
            502 => Cause::NETWORK_OUT_OF_ORDER,
            400 | 481 | 500 | 503 => Cause::TEMPORARY_FAILURE,
            _ => Cause::INTERWORKING,
        }
    }

    /// The SIP status that this cause is to a caller whose call was not answered (RFC 3398 section
    /// 7.2.4.1).
    ///
    /// Q.1912.5 differs in three places, and RFC 3398 is followed: 21 is 403 here and 480 there, 2
    /// and 3 are 404 here and 500 there, and the 5xx of circuits are 503 here and 480 there. Where
    /// RFC 3398 gives 503 for what is wrong with one destination (88), the caller gets 488: 503
    /// makes phones turn away from the exchange (RFC 3261 section 21.5.4).
    pub const fn status(self) -> u16 {
        match self.0 {
            1..=3 | 26 => 404,
            17 => 486,
            18 => 408,
            16 | 19 | 20 | 31 => 480,
            21 | 53 | 55 | 57 | 87 => 403,
            22 | 23 => 410,
            24 => 433,
            25 => 483,
            27 => 502,
            5 | 28 => 484,
            29 | 69 | 79 => 501,
            65 | 70 | 88 => 488,
            34 | 38 | 41..=44 | 46 | 47 | 49 | 58 | 63 => 503,
            102 => 504,
            _ => 500,
        }
    }

    /// The cause in a Reason header value (RFC 3326) of the protocol `Q.850`; `None` for another
    /// protocol or without a cause.
    pub fn from_reason(value: &str) -> Option<Cause> {
        Reason::parse(value).ok()?.q850_cause().map(Cause)
    }

    /// The cause that a message gives in its Reason headers: Q.850 if there is one, otherwise that
    /// of a SIP status, as in the CANCEL to phones that lost a race.
    pub fn of_message(message: &Message<'_>) -> Option<Cause> {
        let reasons = || {
            message
                .list(Name::Reason)
                .filter_map(|value| Reason::parse(value).ok())
        };
        let q850 = reasons().find_map(|reason| reason.q850_cause()).map(Cause);
        q850.or_else(|| {
            reasons()
                .find_map(|reason| reason.sip_status())
                .map(Cause::from_status)
        })
    }

    /// The value of a Reason header: `Q.850;cause=17;text="User busy"`.
    pub const fn reason(self) -> ReasonValue {
        ReasonValue(self)
    }
}

/// The cause in words with its value, as people see it in records: `User busy (17)`.
impl fmt::Display for Cause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({})", self.text(), self.0)
    }
}

/// Writes a cause as the value of a Reason header (RFC 3326).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReasonValue(Cause);

impl fmt::Display for ReasonValue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Cause(value) = self.0;
        write!(formatter, "Q.850;cause={value};text=\"{}\"", self.0.text())
    }
}

#[cfg(test)]
mod tests;
