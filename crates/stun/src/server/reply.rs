//! What an answer needs to know of its request, so that the request need not be kept.

use super::Flow;
use crate::message::{Integrity, Key, Message, attribute};
use crate::{Method, TransactionId};

/// Whom an answer goes to, and how it is protected.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) flow: Flow,
    pub(super) method: Method,
    pub(super) transaction: TransactionId,
    /// Of a request that was authenticated.
    pub(super) protection: Option<(Integrity, Key)>,
    /// Whether the request had a fingerprint; then the answer has one.
    pub(super) fingerprint: bool,
}

impl Reply {
    pub(super) fn to(flow: Flow, request: &Message<'_>) -> Reply {
        Reply {
            flow,
            method: request.method(),
            transaction: request.transaction(),
            protection: None,
            fingerprint: request.has(attribute::FINGERPRINT),
        }
    }
}
