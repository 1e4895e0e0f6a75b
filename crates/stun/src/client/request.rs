//! How a request is written (RFC 8656 sections 7.1, 8.1, 10.1 and 12.1), and how it is protected by
//! what the server has told. What is asked for, and when, is decided elsewhere.

use rand_chacha::ChaCha12Rng;
use rand_core::Rng;

use super::Wish;
use crate::message::address::Family;
use crate::message::algorithm::PasswordAlgorithm;
use crate::message::{Builder, Integrity, Key, attribute};
use crate::{Method, TransactionId};

/// The protocol number of UDP (RFC 8656 section 7.1).
const UDP: u8 = 17;

/// What the server has told us to prove who we are with.
pub(super) struct Challenge {
    pub(super) realm: Box<str>,
    pub(super) nonce: Box<str>,
    /// What PASSWORD-ALGORITHMS said, where the server knows it (RFC 8489 section 9.2.5).
    pub(super) algorithms: Option<(Box<[u8]>, PasswordAlgorithm)>,
    pub(super) key: Key,
}

impl Challenge {
    pub(super) fn integrity(&self) -> Integrity {
        match self.algorithms {
            Some(_) => Integrity::Sha256,
            None => Integrity::Sha1,
        }
    }

    pub(super) fn sign<'a>(&self, request: Builder<'a>, username: &str) -> Builder<'a> {
        let mut request = request
            .text(attribute::USERNAME, username)
            .text(attribute::REALM, &self.realm)
            .text(attribute::NONCE, &self.nonce);
        if let Some((offered, chosen)) = &self.algorithms {
            request = request
                .attribute(attribute::PASSWORD_ALGORITHMS, offered)
                .attribute(attribute::PASSWORD_ALGORITHM, &chosen.value());
        }
        request.integrity(self.integrity(), &self.key)
    }
}

pub(super) fn transaction_id(chance: &mut ChaCha12Rng) -> TransactionId {
    let mut id = [0; 12];
    chance.fill_bytes(&mut id);
    TransactionId(id)
}

pub(super) fn method_of(wish: Wish) -> Method {
    match wish {
        Wish::Allocate => Method::ALLOCATE,
        Wish::Refresh | Wish::Release => Method::REFRESH,
        Wish::Permit(_) => Method::CREATE_PERMISSION,
        Wish::Bind(..) => Method::CHANNEL_BIND,
    }
}

pub(super) fn write_wish(request: Builder<'_>, wish: Wish, family: Family) -> Builder<'_> {
    match wish {
        Wish::Allocate => {
            let request = request.attribute(attribute::REQUESTED_TRANSPORT, &[UDP, 0, 0, 0]);
            match family {
                Family::V4 => request,
                Family::V6 => request.attribute(
                    attribute::REQUESTED_ADDRESS_FAMILY,
                    &[family.number(), 0, 0, 0],
                ),
            }
        }
        Wish::Refresh => request,
        Wish::Release => request.number(attribute::LIFETIME, 0),
        Wish::Permit(peer) => request.masked_address(attribute::XOR_PEER_ADDRESS, peer),
        Wish::Bind(number, peer) => {
            let [high, low] = number.to_be_bytes();
            request
                .attribute(attribute::CHANNEL_NUMBER, &[high, low, 0, 0])
                .masked_address(attribute::XOR_PEER_ADDRESS, peer)
        }
    }
}
