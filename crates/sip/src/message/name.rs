//! Names of header fields: recognised without regard to case, short and long (RFC 3261 7.3.3).

use core::fmt;

macro_rules! names {
    ($($variant:ident $text:literal $($compact:literal)?,)*) => {
        /// The name of a header field, as far as it is a registered one.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Name {
            $(
                #[doc = concat!("`", $text, "`.")]
                $variant,
            )*
            /// Any other name; the text stands in the header field itself.
            Other,
        }

        const ALL: &[(Name, &str)] = &[$((Name::$variant, $text),)*];

        const LONG: [&str; Name::Other as usize + 1] = [$($text,)* ""];

        const fn from_compact(letter: u8) -> Name {
            match letter {
                $($($compact => Name::$variant,)?)*
                _ => Name::Other,
            }
        }

        impl Name {
            /// The short form (RFC 3261 section 7.3.3), where there is one.
            pub const fn compact(self) -> Option<char> {
                match self {
                    $($(Name::$variant => Some($compact as char),)?)*
                    _ => None,
                }
            }
        }
    };
}

names! {
    Accept "Accept",
    AcceptContact "Accept-Contact" b'a',
    AcceptEncoding "Accept-Encoding",
    AcceptLanguage "Accept-Language",
    AcceptResourcePriority "Accept-Resource-Priority",
    AdditionalIdentity "Additional-Identity",
    AlertInfo "Alert-Info",
    Allow "Allow",
    AllowEvents "Allow-Events" b'u',
    AnswerMode "Answer-Mode",
    AttestationInfo "Attestation-Info",
    AuthenticationInfo "Authentication-Info",
    Authorization "Authorization",
    CallId "Call-ID" b'i',
    CallInfo "Call-Info",
    CellularNetworkInfo "Cellular-Network-Info",
    Contact "Contact" b'm',
    ContentDisposition "Content-Disposition",
    ContentEncoding "Content-Encoding" b'e',
    ContentId "Content-ID",
    ContentLanguage "Content-Language",
    ContentLength "Content-Length" b'l',
    ContentTransferEncoding "Content-Transfer-Encoding",
    ContentType "Content-Type" b'c',
    CSeq "CSeq",
    Date "Date",
    DcInfo "DC-Info",
    Diversion "Diversion",
    ErrorInfo "Error-Info",
    Event "Event" b'o',
    Expires "Expires",
    FeatureCaps "Feature-Caps",
    FlowTimer "Flow-Timer",
    From "From" b'f',
    Geolocation "Geolocation",
    GeolocationError "Geolocation-Error",
    GeolocationRouting "Geolocation-Routing",
    HistoryInfo "History-Info",
    Identity "Identity" b'y',
    IdentityInfo "Identity-Info" b'n',
    InReplyTo "In-Reply-To",
    InfoPackage "Info-Package",
    Join "Join",
    MaxBreadth "Max-Breadth",
    MaxForwards "Max-Forwards",
    MimeVersion "MIME-Version",
    MinExpires "Min-Expires",
    MinSe "Min-SE",
    Organization "Organization",
    OriginationId "Origination-Id",
    PAccessNetworkInfo "P-Access-Network-Info",
    PAnswerState "P-Answer-State",
    PAssertedIdentity "P-Asserted-Identity",
    PAssertedService "P-Asserted-Service",
    PAssociatedUri "P-Associated-URI",
    PCalledPartyId "P-Called-Party-ID",
    PChargeInfo "P-Charge-Info",
    PChargingFunctionAddresses "P-Charging-Function-Addresses",
    PChargingVector "P-Charging-Vector",
    PDcsBillingInfo "P-DCS-Billing-Info",
    PDcsLaes "P-DCS-LAES",
    PDcsOsps "P-DCS-OSPS",
    PDcsRedirect "P-DCS-Redirect",
    PDcsTracePartyId "P-DCS-Trace-Party-ID",
    PEarlyMedia "P-Early-Media",
    PMediaAuthorization "P-Media-Authorization",
    PPreferredIdentity "P-Preferred-Identity",
    PPreferredService "P-Preferred-Service",
    PPrivateNetworkIndication "P-Private-Network-Indication",
    PProfileKey "P-Profile-Key",
    PRefusedUriList "P-Refused-URI-List",
    PServedUser "P-Served-User",
    PUserDatabase "P-User-Database",
    PVisitedNetworkId "P-Visited-Network-ID",
    Path "Path",
    PermissionMissing "Permission-Missing",
    PolicyContact "Policy-Contact",
    PolicyId "Policy-ID",
    Priority "Priority",
    PriorityShare "Priority-Share",
    PriorityVerstat "Priority-Verstat",
    PrivAnswerMode "Priv-Answer-Mode",
    Privacy "Privacy",
    ProxyAuthenticate "Proxy-Authenticate",
    ProxyAuthenticationInfo "Proxy-Authentication-Info",
    ProxyAuthorization "Proxy-Authorization",
    ProxyRequire "Proxy-Require",
    RAck "RAck",
    Reason "Reason",
    RecordRoute "Record-Route",
    RecvInfo "Recv-Info",
    ReferEventsAt "Refer-Events-At",
    ReferSub "Refer-Sub",
    ReferTo "Refer-To" b'r',
    ReferredBy "Referred-By" b'b',
    RejectContact "Reject-Contact" b'j',
    RelayedCharge "Relayed-Charge",
    RemotePartyId "Remote-Party-ID",
    Replaces "Replaces",
    ReplyTo "Reply-To",
    RequestDisposition "Request-Disposition" b'd',
    Require "Require",
    ResourcePriority "Resource-Priority",
    ResourceShare "Resource-Share",
    ResponseSource "Response-Source",
    RestorationInfo "Restoration-Info",
    RetryAfter "Retry-After",
    Route "Route",
    RSeq "RSeq",
    SecurityClient "Security-Client",
    SecurityServer "Security-Server",
    SecurityVerify "Security-Verify",
    Server "Server",
    ServiceInteractInfo "Service-Interact-Info",
    ServiceRoute "Service-Route",
    SessionExpires "Session-Expires" b'x',
    SessionId "Session-ID",
    SipETag "SIP-ETag",
    SipIfMatch "SIP-If-Match",
    Subject "Subject" b's',
    SubscriptionState "Subscription-State",
    Supported "Supported" b'k',
    SuppressIfMatch "Suppress-If-Match",
    TargetDialog "Target-Dialog",
    Timestamp "Timestamp",
    To "To" b't',
    TriggerConsent "Trigger-Consent",
    Unsupported "Unsupported",
    UserAgent "User-Agent",
    UserToUser "User-to-User",
    Via "Via" b'v',
    Warning "Warning",
    WwwAuthenticate "WWW-Authenticate",
}

/// Slots of the lookup table; a power of two, several times the number of names.
const SLOTS: usize = 512;

/// Where a name stands in [`ALL`], plus one; zero is an empty slot.
static TABLE: [u8; SLOTS] = lookup_table();

#[allow(clippy::indexing_slicing, reason = "runs at compile time only")]
const fn lookup_table() -> [u8; SLOTS] {
    let mut table = [0_u8; SLOTS];
    let mut index = 0;
    while index < ALL.len() {
        let mut slot = slot_of(ALL[index].1.as_bytes());
        while table[slot] != 0 {
            slot = (slot + 1) % SLOTS;
        }
        table[slot] = index as u8 + 1;
        index += 1;
    }
    table
}

/// Mixes the length and four of the bytes, which is enough to tell nearly all names apart.
#[inline]
const fn slot_of(name: &[u8]) -> usize {
    let (Some(first), Some(last)) = (name.first(), name.last()) else {
        return 0;
    };
    let (quarter, middle) = match name.split_at_checked(name.len() / 2) {
        Some((front, [middle, ..])) => match front.split_at_checked(front.len() / 2) {
            Some((_, [quarter, ..])) => (*quarter, *middle),
            _ => (0, *middle),
        },
        _ => (0, 0),
    };
    let mixed = (name.len() as u32).wrapping_mul(0x9E37_79B1)
        ^ ((*first | 0x20) as u32).wrapping_mul(0x85EB_CA6B)
        ^ ((*last | 0x20) as u32).wrapping_mul(0xC2B2_AE35)
        ^ ((middle | 0x20) as u32).wrapping_mul(0x27D4_EB2F)
        ^ ((quarter | 0x20) as u32).wrapping_mul(0x1656_67B1);
    (mixed >> 20) as usize % SLOTS
}

impl Name {
    /// The name that `text` is, in its long or short form and in any case.
    pub fn from_text(text: &str) -> Name {
        Name::from_bytes(text.as_bytes())
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Name {
        if let [letter] = bytes {
            return from_compact(letter.to_ascii_lowercase());
        }
        let mut slot = slot_of(bytes);
        while let Some(&entry) = TABLE.get(slot)
            && let Some((name, known)) = ALL.get(usize::from(entry).wrapping_sub(1))
        {
            if known.as_bytes() == bytes || known.as_bytes().eq_ignore_ascii_case(bytes) {
                return *name;
            }
            slot = (slot + 1) % SLOTS;
        }
        Name::Other
    }

    /// The long form; empty for [`Name::Other`].
    pub fn as_str(self) -> &'static str {
        LONG.get(self as usize).copied().unwrap_or("")
    }

    /// Every registered name, in alphabetical order.
    pub fn all() -> impl Iterator<Item = Name> {
        ALL.iter().map(|(name, _)| *name)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_recognised_in_every_case_and_in_its_short_form() {
        for name in Name::all() {
            assert_eq!(Name::from_text(name.as_str()), name);
            assert_eq!(Name::from_text(&name.as_str().to_lowercase()), name);
            assert_eq!(Name::from_text(&name.as_str().to_uppercase()), name);
            if let Some(letter) = name.compact() {
                assert_eq!(Name::from_text(&letter.to_string()), name);
                assert_eq!(
                    Name::from_text(&letter.to_ascii_uppercase().to_string()),
                    name
                );
            }
        }
    }

    #[test]
    fn unknown_names_are_other() {
        for text in [
            "",
            "z",
            "X-Unknown",
            "Vias",
            "Call-I",
            "\u{e9}",
            "Contact-Length",
        ] {
            assert_eq!(Name::from_text(text), Name::Other, "{text}");
        }
    }

    #[test]
    fn a_lookup_never_takes_many_steps() {
        let longest = TABLE.split(|entry| *entry == 0).map(<[u8]>::len).max();
        assert!(longest < Some(8), "{longest:?}");
    }
}
