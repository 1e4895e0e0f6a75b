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
            self.session_version = self.session_version.saturating_add(1);
        }
        changed
    }
}

/// A hash of all lines but the o-line, eight bytes at a time. It is written down with the call;
/// should it ever change, versions rise once without need.
fn hash_without_origin(text: &[u8]) -> u64 {
    let (before, behind) = match find_origin(text) {
        Some((begin, end)) => (text.get(..begin), text.get(end..)),
        None => (Some(text), None),
    };
    let hash = hash_bytes(0, before.unwrap_or_default());
    hash_bytes(hash, behind.unwrap_or_default())
}

/// Where the o-line begins and ends.
fn find_origin(text: &[u8]) -> Option<(usize, usize)> {
    let mut begin = 0;
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        let end = begin + line.len();
        match line {
            [b'o', b'=', ..] => return Some((begin, end)),
            // Media sections have none.
            [b'm', b'=', ..] => return None,
            _ => begin = end,
        }
    }
    None
}

fn hash_bytes(seed: u64, bytes: &[u8]) -> u64 {
    /// The golden ratio in 64 bits, odd: multiplying by it mixes upwards, rotating brings the
    /// mixed bits down again.
    const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |hash: u64, word: u64| (hash.rotate_left(23) ^ word).wrapping_mul(MULTIPLIER);
    let (words, rest) = bytes.as_chunks::<8>();
    let hash = words
        .iter()
        .fold(seed, |hash, word| mix(hash, u64::from_le_bytes(*word)));
    let hash = rest
        .iter()
        .fold(hash, |hash, &byte| mix(hash, u64::from(byte)));
    mix(hash, bytes.len() as u64)
}
