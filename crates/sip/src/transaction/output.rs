//! What goes into the transactions comes out as one of these.

use std::sync::Arc;

use super::slab::Key;
use crate::message::HeaderError;
use crate::transport::Flow;

/// Names a server transaction, for as long as it lives and never again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerId(pub(super) Key);

/// Names a client transaction, for as long as it lives and never again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(pub(super) Key);

/// What a received message is to the transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition<U> {
    /// A request of no transaction yet: [`accept`](super::Transactions::accept) it, or answer it
    /// without state. A CANCEL that meets no INVITE comes here too: answer it with 481.
    New,
    /// A CANCEL for an INVITE of ours. It is a request of its own, to be accepted and answered with
    /// 200; the INVITE is to be answered with 487 unless it has a final response (RFC 3261 9.2).
    Cancel {
        /// The INVITE.
        server: ServerId,
        /// The user of the INVITE.
        user: U,
    },
    /// An ACK that belongs to a 2xx or to nothing. It is matched by its dialog, and then the INVITE
    /// is [`acknowledged`](super::Transactions::acknowledged).
    Ack {
        /// The INVITE, when the peer has sent its ACK with the branch of the INVITE although the
        /// response was a 2xx.
        server: Option<ServerId>,
    },
    /// A response that the user has not seen yet.
    Response {
        /// The request that it answers.
        client: ClientId,
        /// The user of that request.
        user: U,
    },
    /// Everything was done: a retransmission, or an ACK to a response that was no 2xx.
    Absorbed,
    /// A response to no request of ours, or too late.
    Stray,
    /// There is no telling without the Via, CSeq and, from RFC 2543 peers, From and Call-ID.
    Malformed(HeaderError),
}

/// What is to be done for the transactions, and what their users must know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output<U> {
    /// Send a message. Retransmissions share their bytes.
    Send {
        /// The way to send it.
        flow: Flow,
        /// The whole message.
        bytes: Arc<[u8]>,
    },
    /// A request of ours got no final response and will get none. The transaction is over.
    ClientFailed {
        /// The request.
        client: ClientId,
        /// Its user.
        user: U,
        /// What happened.
        failure: ClientFailure,
    },
    /// Timer C as set by [`expect_final`](super::Transactions::expect_final) fired; the transaction
    /// goes on (RFC 3261 section 16.8).
    ClientOverdue {
        /// The request.
        client: ClientId,
        /// Its user.
        user: U,
    },
    /// No ACK came for a 2xx: the dialog is confirmed, and to be ended with BYE (RFC 3261 section
    /// 13.3.1.4). The transaction is over.
    NoAck {
        /// The INVITE.
        server: ServerId,
        /// Its user.
        user: U,
    },
    /// No PRACK came for a reliable provisional response: the INVITE is to be answered with a 5xx
    /// (RFC 3262 section 3). The transaction goes on.
    NoPrack {
        /// The INVITE.
        server: ServerId,
        /// Its user.
        user: U,
        /// The number of the provisional response.
        rseq: u32,
    },
    /// A server transaction ended in another way than it should.
    ServerGone {
        /// The request.
        server: ServerId,
        /// Its user.
        user: U,
        /// What happened.
        reason: ServerEnd,
    },
}

/// Why a request of ours gets no final response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientFailure {
    /// Nobody answered for 64 * T1 (timers B and F).
    Timeout,
    /// The request cannot be sent, or the connection broke before the final response.
    TransportFailed,
    /// The request was cancelled, and the peer did not even say so.
    CancelTimeout,
}

impl ClientFailure {
    /// The status that the user may treat this as (RFC 3261 section 8.1.3.1).
    pub const fn status(self) -> u16 {
        match self {
            ClientFailure::Timeout => 408,
            ClientFailure::TransportFailed => 503,
            ClientFailure::CancelTimeout => 487,
        }
    }
}

/// Why a server transaction ended before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerEnd {
    /// Its user did not answer it for so long that its peer has given up.
    Unanswered,
    /// No ACK came for the final response, which was no 2xx (timer H).
    NoAck,
    /// It made room for a new one while it waited for an ACK.
    Displaced,
}

/// Why a transaction is not begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// All places are taken: answer with 503 and Retry-After.
    #[error("too many transactions at one time")]
    Full,
    /// The transaction exists: the request is a retransmission, or the branch was used twice.
    #[error("the transaction exists already")]
    Exists,
    /// The request lacks what a transaction is matched by.
    #[error("the request cannot be matched: {0}")]
    Malformed(#[from] HeaderError),
    /// ACK makes no transaction.
    #[error("an ACK makes no transaction")]
    Ack,
}

/// Why a response is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResponseRefusal {
    /// The transaction is over.
    #[error("the transaction is over")]
    Gone,
    /// The request has its final response.
    #[error("the request has a final response already")]
    AlreadyFinal,
    /// A reliable provisional response is for INVITE only.
    #[error("only an INVITE can have a reliable provisional response")]
    NotInvite,
    /// Too many provisional responses wait for their PRACK.
    #[error("too many provisional responses are not acknowledged")]
    TooManyUnacknowledged,
}

/// What [`cancel`](super::Transactions::cancel) did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancelling {
    /// CANCEL was sent; a final response or [`ClientFailure::CancelTimeout`] follows.
    Sent,
    /// CANCEL goes out with the first provisional response (RFC 3261 section 9.1).
    Waiting,
    /// There is nothing to cancel: the transaction is over or has a final response, or it is none
    /// of INVITE. A 2xx that was received is ended with BYE.
    TooLate,
}
