//! ERROR-CODE (RFC 8489 section 14.8): a number and words for people; and the codes that there are.

use super::MAX_TEXT_BYTES;

/// Why a request was not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorCode(u16);

/// The codes of RFC 8489 section 14.8 and RFC 8656 section 19, with the words that go with them.
macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $reason:literal;)*) => {
        impl ErrorCode {
            $($(#[$doc])* pub const $name: ErrorCode = ErrorCode($code);)*

            /// Words for people.
            pub const fn reason(self) -> &'static str {
                match self {
                    $(ErrorCode::$name => $reason,)*
                    ErrorCode(_) => "",
                }
            }
        }
    };
}

codes! {
    /// The client should ask another server.
    TRY_ALTERNATE = 300, "Try Alternate";
    /// A rule was broken.
    BAD_REQUEST = 400, "Bad Request";
    /// Credentials are missing or wrong.
    UNAUTHENTICATED = 401, "Unauthenticated";
    /// It is not allowed, whoever asks.
    FORBIDDEN = 403, "Forbidden";
    /// There are attributes that must be understood, and are not.
    UNKNOWN_ATTRIBUTE = 420, "Unknown Attribute";
    /// There is no such allocation, or there is one already.
    ALLOCATION_MISMATCH = 437, "Allocation Mismatch";
    /// The nonce cannot be used any more.
    STALE_NONCE = 438, "Stale Nonce";
    /// This family of addresses is not served.
    ADDRESS_FAMILY_NOT_SUPPORTED = 440, "Address Family not Supported";
    /// The allocation belongs to somebody else.
    WRONG_CREDENTIALS = 441, "Wrong Credentials";
    /// The relay speaks UDP only.
    UNSUPPORTED_TRANSPORT_PROTOCOL = 442, "Unsupported Transport Protocol";
    /// The peer's family is not that of the allocation.
    PEER_ADDRESS_FAMILY_MISMATCH = 443, "Peer Address Family Mismatch";
    /// The user has as many allocations as a user may have.
    ALLOCATION_QUOTA_REACHED = 486, "Allocation Quota Reached";
    /// We failed.
    SERVER_ERROR = 500, "Server Error";
    /// There are no more ports, places or rights to give.
    INSUFFICIENT_CAPACITY = 508, "Insufficient Capacity";
}

impl ErrorCode {
    /// A code between 300 and 699.
    pub const fn new(code: u16) -> Option<ErrorCode> {
        if matches!(code, 300..=699) {
            Some(ErrorCode(code))
        } else {
            None
        }
    }

    /// The number.
    pub const fn code(self) -> u16 {
        self.0
    }

    /// The four bytes in front of the words.
    pub(super) fn head(self) -> [u8; 4] {
        // Both are below 256, since the code is below 700.
        [0, 0, (self.0 / 100) as u8, (self.0 % 100) as u8]
    }

    /// Reads the value of ERROR-CODE: the code and the words.
    pub fn read(value: &[u8]) -> Option<(ErrorCode, &str)> {
        let (head, reason) = value.split_first_chunk::<4>()?;
        let [_, _, class, number] = *head;
        let class = class & 0x07;
        if !matches!(class, 3..=6) || number > 99 || reason.len() > MAX_TEXT_BYTES {
            return None;
        }
        let code = u16::from(class) * 100 + u16::from(number);
        Some((ErrorCode(code), core::str::from_utf8(reason).ok()?))
    }
}
