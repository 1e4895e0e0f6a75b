//! Binding requests and answers as connectivity checks use them (RFC 8445 section 7.1): written and
//! read, nothing decided.

use core::net::SocketAddr;

use fernamt_stun::message::{
    Builder, Class, ErrorCode, Integrity, Key, Message, Method, TransactionId, attribute,
};

/// PRIORITY (RFC 8445 section 16.1).
pub(super) const PRIORITY: u16 = 0x0024;
/// USE-CANDIDATE (RFC 8445 section 16.1).
pub(super) const USE_CANDIDATE: u16 = 0x0025;
/// ICE-CONTROLLED (RFC 8445 section 16.1).
pub(super) const ICE_CONTROLLED: u16 = 0x8029;
/// ICE-CONTROLLING (RFC 8445 section 16.1).
pub(super) const ICE_CONTROLLING: u16 = 0x802a;

/// Role Conflict (RFC 8445 section 16.2).
pub(super) const ROLE_CONFLICT: u16 = 487;

/// What a check may carry and must be understood.
const KNOWN: [u16; 5] = [
    attribute::USERNAME,
    attribute::MESSAGE_INTEGRITY,
    attribute::MESSAGE_INTEGRITY_SHA256,
    PRIORITY,
    USE_CANDIDATE,
];

/// What a check of ours says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request<'a> {
    pub(super) transaction: TransactionId,
    pub(super) username: &'a str,
    pub(super) priority: u32,
    pub(super) controlling: bool,
    pub(super) tie_breaker: u64,
    pub(super) nominates: bool,
}

impl Request<'_> {
    /// Writes it, protected with the party's password.
    pub(super) fn write(&self, key: &Key, out: &mut Vec<u8>) {
        out.clear();
        let role = if self.controlling {
            ICE_CONTROLLING
        } else {
            ICE_CONTROLLED
        };
        let mut message = Builder::new(out, Class::Request, Method::BINDING, self.transaction)
            .text(attribute::USERNAME, self.username)
            .number(PRIORITY, self.priority)
            .attribute(role, &self.tie_breaker.to_be_bytes());
        if self.nominates {
            message = message.attribute(USE_CANDIDATE, &[]);
        }
        // It is far below the longest message.
        let _ = message
            .integrity(Integrity::Sha1, key)
            .fingerprint()
            .finish();
    }
}

/// Writes that a check has come, and from where.
pub(super) fn write_success(
    request: &Message<'_>,
    from: SocketAddr,
    integrity: Integrity,
    key: &Key,
    out: &mut Vec<u8>,
) {
    out.clear();
    let transaction = request.transaction();
    let _ = Builder::new(out, Class::Success, Method::BINDING, transaction)
        .masked_address(attribute::XOR_MAPPED_ADDRESS, from)
        .integrity(integrity, key)
        .fingerprint()
        .finish();
}

/// Writes why a check is refused, with the attributes that are not understood.
pub(super) fn write_error(
    request: &Message<'_>,
    code: ErrorCode,
    integrity: Integrity,
    key: &Key,
    out: &mut Vec<u8>,
) {
    out.clear();
    let transaction = request.transaction();
    let mut message = Builder::new(out, Class::Error, Method::BINDING, transaction).error(code);
    if code == ErrorCode::UNKNOWN_ATTRIBUTE {
        message = message.unknown(request.unknown(&KNOWN).kinds());
    }
    let _ = message.integrity(integrity, key).fingerprint().finish();
}

/// Whether all that must be understood is.
pub(super) fn is_understood(request: &Message<'_>) -> bool {
    request.unknown(&KNOWN).is_empty()
}

/// The tie-breaker of a side that says that it has this role.
pub(super) fn tie_breaker(message: &Message<'_>, role: u16) -> Option<u64> {
    let value = message.find(role)?;
    Some(u64::from_be_bytes(value.try_into().ok()?))
}
