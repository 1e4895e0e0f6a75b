//! Our own o-line on one side of a call: its id, and a version that rises when the text changes.

use core::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::description::SessionDescription;
use crate::rewrite::Rewrite;

/// An o-line of our own (RFC 8866 section 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnOrigin<'a> {
    /// A word; white space, control characters or nothing at all become `-`.
    pub username: &'a str,
    /// The same for the whole session.
    pub session_id: u64,
    /// Rises by one with every change (RFC 3264 section 8).
    pub session_version: u64,
    /// Where we are.
    pub address: IpAddr,
}

impl fmt::Display for OwnOrigin<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |byte: u8| byte > b' ' && byte != 0x7f;
        let username = match self.username {
            "" => "-",
            name if name.bytes().all(plain) => name,
            _ => "-",
        };
        let address_type = if self.address.is_ipv4() { "IP4" } else { "IP6" };
        write!(
            formatter,
            "{username} {} {} IN {address_type} {}",
            self.session_id, self.session_version, self.address
        )
    }
}

/// What one side of a call must remember about the descriptions it sent: small, and part of the
/// call's written state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionState {
    session_id: u64,
    session_version: u64,
    /// Of the last text sent, without its o-line.
    hash: Option<u64>,
}

impl SessionState {
    /// A session that has sent nothing. The id should be random; RFC 3264 section 5 wants id and
    /// first version to fit into 62 bits, so higher bits are dropped.
    pub const fn new(session_id: u64) -> SessionState {
        let session_id = session_id >> 2;
        SessionState {
            session_id,
            session_version: session_id,
            hash: None,
        }
    }

    /// The id in every o-line of this session.
    pub const fn session_id(&self) -> u64 {
        self.session_id
    }

    /// The version in the last o-line.
    pub const fn session_version(&self) -> u64 {
        self.session_version
    }

    /// Writes `description`, changed by `rewrite`, with an o-line of this session to `out`.
    ///
    /// The version rises only when something but the o-line differs from what was sent before
    /// (RFC 3264 section 8); the origin in `rewrite` is not used.
    pub fn write(
        &mut self,
        description: &SessionDescription<'_>,
        rewrite: &Rewrite<'_>,
        address: IpAddr,
        out: &mut Vec<u8>,
    ) {
        let start = out.len();
        let mut rewrite = rewrite.clone();
        rewrite.origin = Some(self.origin(address));
        rewrite.apply(description, out);
        if self.advance(out.get(start..).unwrap_or_default()) {
            out.truncate(start);
            rewrite.origin = Some(self.origin(address));
            rewrite.apply(description, out);
        }
    }

    /// The o-line for the present version.
    pub const fn origin(&self, address: IpAddr) -> OwnOrigin<'static> {
        OwnOrigin {
            username: "-",
            session_id: self.session_id,
            session_version: self.session_version,
            address,
        }
    }

    /// Remembers `text` as sent; true when it differs from the one before, and the version rose.
    pub(crate) fn advance(&mut self, text: &[u8]) -> bool {
        let hash = hash_without_origin(text);
        let changed = self.hash.is_some_and(|before| before != hash);
        self.hash = Some(hash);
        if changed {
            self.session_version += 1;
        }
        changed
    }
}

/// FNV-1a over all lines but the o-line: written down with the call, so it must never change.
fn hash_without_origin(text: &[u8]) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let lines = text.split_inclusive(|&byte| byte == b'\n');
    lines
        .filter(|line| !line.starts_with(b"o="))
        .flatten()
        .fold(OFFSET, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(PRIME)
        })
}
