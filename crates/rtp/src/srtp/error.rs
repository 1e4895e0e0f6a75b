//! Why a key or a packet is refused, by blame; no words of the signalling.

/// Why bytes are no master key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MasterKeyError {
    /// The peer, or the caller, gave a key or a salt of another length.
    #[error("the master key or salt has another length than its crypto suite says")]
    Length,
    /// The peer, or the caller, gave an MKI of no or of too many bytes.
    #[error("the master key identifier is empty, or longer than RFC 4568 allows")]
    Mki,
    /// The peer, or the caller, gave a lifetime of no packets or of more than SRTP allows.
    #[error("the lifetime of the master key is none, or longer than SRTP allows")]
    Lifetime,
}

/// Why a packet cannot be sent. The packet has not changed, and nothing may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtectError {
    /// The peer whose packet this is broke a rule: it has no whole header.
    #[error("no packet: its header does not fit")]
    Malformed,
    /// The peer whose packet this is broke a rule: a packet of this number has been sent already.
    #[error("a packet of this number has been sent already")]
    Repeated,
    /// The peer whose packet this is broke a rule: it is late by more than the window. The receiver
    /// could not take it, and the keystream might be used twice. When the numbers of the source have
    /// jumped back, its next packet is sent.
    #[error("the packet is older than the window")]
    Old,
    /// The key has served for as long as it may (RFC 3711 section 9.2, RFC 4568 section 6.1) and must
    /// be changed.
    #[error("the lifetime of the master key is over")]
    KeyExpired,
    /// We failed: the buffer is too small.
    #[error("the buffer has no room for the protected packet")]
    Room,
}

/// Why a packet is not let in. Nothing has changed: it is as if it had not come. It is dropped and
/// counted; no number of such packets is a reason to end a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnprotectError {
    /// It has no whole header, or no room for what protection adds.
    #[error("no protected packet: it is too short, or no packet at all")]
    Malformed,
    /// Its master key identifier is not that of our key.
    #[error("the master key identifier is another one")]
    Mki,
    /// A packet of this number has been let in already.
    #[error("a packet of this number came already")]
    Repeated,
    /// It is late by more than the window.
    #[error("the packet is older than the window")]
    Old,
    /// Its tag is wrong: somebody else sent it, or changed it, or it is for another key.
    #[error("the authentication tag is wrong")]
    Tag,
    /// Its number is beyond the lifetime of the key.
    #[error("the lifetime of the master key is over")]
    KeyExpired,
}
