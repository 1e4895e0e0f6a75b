//! Nonces that need no memory: the time of issue, sealed for the flow that it was issued to
//! (RFC 8489 section 9.2). A request that somebody has copied is worth nothing on another flow.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use core::time::Duration;
use hmac::digest::KeyInit;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::net::IpAddr;

use super::Flow;
use crate::message::integrity::equal_in_constant_time;
use crate::time::Now;

/// By these characters a client sees that the four that follow are features, and that the first
/// feature, a choice of password algorithms, is there (RFC 8489 sections 9.2 and 18.1).
const COOKIE: &str = "obMatJos2gAAA";

const TIME_BYTES: usize = 6;
const SEAL_BYTES: usize = 18;
const SEALED_CHARACTERS: usize = (TIME_BYTES + SEAL_BYTES) / 3 * 4;
const NONCE_CHARACTERS: usize = COOKIE.len() + SEALED_CHARACTERS;

/// The block size of SHA-256, to which HMAC fills up its key (RFC 2104 section 2).
const BLOCK_BYTES: usize = 64;

/// A nonce may come from a clock that is ahead of ours by this much.
const CLOCK_TOLERANCE_MS: u64 = 60_000;

/// The text of a nonce.
pub(super) struct NonceText([u8; NONCE_CHARACTERS]);

impl NonceText {
    pub(super) fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// What a nonce that a client shows is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Issued to this flow, and not long ago.
    Good,
    /// Issued to this flow, too long ago.
    Expired,
    /// Not issued to this flow.
    Foreign,
}

/// Issues and judges nonces under one secret.
pub(super) struct Nonces {
    seal: Hmac<Sha256>,
    life: Duration,
}

impl Nonces {
    pub(super) fn new(secret: &[u8; 32], life: Duration) -> Nonces {
        let mut block = [0; BLOCK_BYTES];
        for (target, byte) in block.iter_mut().zip(secret) {
            *target = *byte;
        }
        let seal = Hmac::new(&block.into());
        Nonces { seal, life }
    }

    /// A key that nobody knows and that is always the same.
    pub(super) fn derive(&self, label: &[u8]) -> [u8; 32] {
        let mut state = self.seal.clone();
        state.update(label);
        state.finalize().into_bytes().into()
    }

    fn sealed(&self, time: [u8; TIME_BYTES], flow: &Flow) -> [u8; SEAL_BYTES] {
        let mut state = self.seal.clone();
        state.update(b"turn nonce");
        state.update(&time);
        state.update(&flow.remote.port().to_be_bytes());
        state.update(&[u8::from(flow.connection.is_some())]);
        match flow.remote.ip() {
            IpAddr::V4(ip) => state.update(&ip.octets()),
            IpAddr::V6(ip) => state.update(&ip.octets()),
        }
        let full = state.finalize().into_bytes();
        let mut seal = [0; SEAL_BYTES];
        for (target, byte) in seal.iter_mut().zip(full) {
            *target = byte;
        }
        seal
    }

    pub(super) fn issue(&self, now: Now, flow: &Flow) -> NonceText {
        let [_, _, time @ ..] = now.unix_ms.to_be_bytes();
        let mut bytes = [0; TIME_BYTES + SEAL_BYTES];
        let parts = time.into_iter().chain(self.sealed(time, flow));
        for (target, byte) in bytes.iter_mut().zip(parts) {
            *target = byte;
        }
        let mut sealed = [b'A'; SEALED_CHARACTERS];
        // The output has exactly the size of the encoding, so that this cannot fail.
        let _ = URL_SAFE_NO_PAD.encode_slice(bytes, &mut sealed);
        let mut text = [0; NONCE_CHARACTERS];
        for (target, byte) in text.iter_mut().zip(COOKIE.bytes().chain(sealed)) {
            *target = byte;
        }
        NonceText(text)
    }

    pub(super) fn judge(&self, now: Now, flow: &Flow, text: &str) -> Verdict {
        let Some((time, seal)) = open(text) else {
            return Verdict::Foreign;
        };
        if !equal_in_constant_time(&self.sealed(time, flow), &seal) {
            return Verdict::Foreign;
        }
        let issued_ms = time
            .iter()
            .fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        let life_ms = u64::try_from(self.life.as_millis()).unwrap_or(u64::MAX);
        if issued_ms > now.unix_ms.saturating_add(CLOCK_TOLERANCE_MS)
            || now.unix_ms.saturating_sub(issued_ms) >= life_ms
        {
            return Verdict::Expired;
        }
        Verdict::Good
    }
}

fn open(text: &str) -> Option<([u8; TIME_BYTES], [u8; SEAL_BYTES])> {
    let sealed = text.strip_prefix(COOKIE)?;
    if sealed.len() != SEALED_CHARACTERS {
        return None;
    }
    let mut bytes = [0; TIME_BYTES + SEAL_BYTES];
    URL_SAFE_NO_PAD.decode_slice(sealed, &mut bytes).ok()?;
    let (time, seal) = bytes.split_first_chunk::<TIME_BYTES>()?;
    Some((*time, seal.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: Duration = Duration::from_secs(600);

    fn flow(remote: &str, connection: Option<u64>) -> Flow {
        Flow {
            connection,
            local: "198.51.100.1:3478".parse().unwrap(),
            remote: remote.parse().unwrap(),
        }
    }

    fn at(unix_ms: u64) -> Now {
        Now { micros: 0, unix_ms }
    }

    #[test]
    fn a_nonce_is_good_for_its_time_and_its_flow() {
        let nonces = Nonces::new(&[1; 32], LIFE);
        let here = flow("203.0.113.1:1000", None);
        let issued = at(1_764_000_000_000);
        let text = nonces.issue(issued, &here);
        let judge = |now, flow: &Flow| nonces.judge(now, flow, text.as_str());
        assert_eq!(judge(issued, &here), Verdict::Good);
        assert_eq!(judge(at(issued.unix_ms + 599_999), &here), Verdict::Good);
        assert_eq!(judge(at(issued.unix_ms + 600_000), &here), Verdict::Expired);
        assert_eq!(judge(at(issued.unix_ms - 60_001), &here), Verdict::Expired);
        for other in [
            flow("203.0.113.1:1001", None),
            flow("203.0.113.2:1000", None),
            flow("203.0.113.1:1000", Some(1)),
            flow("[2001:db8::1]:1000", None),
        ] {
            assert_eq!(judge(issued, &other), Verdict::Foreign);
        }
        let others = Nonces::new(&[2; 32], LIFE);
        assert_eq!(others.judge(issued, &here, text.as_str()), Verdict::Foreign);
    }

    #[test]
    fn a_nonce_with_any_character_changed_is_not_ours() {
        let nonces = Nonces::new(&[1; 32], LIFE);
        let here = flow("203.0.113.1:1000", None);
        let text = nonces.issue(at(5), &here);
        for index in 0..NONCE_CHARACTERS {
            let mut changed = text.0;
            changed[index] = if changed[index] == b'A' { b'B' } else { b'A' };
            let changed = core::str::from_utf8(&changed).unwrap();
            assert_eq!(nonces.judge(at(5), &here, changed), Verdict::Foreign);
        }
        for text in ["", "obMatJos2gAAA", "obMatJos2gAAA\u{e4}"] {
            assert_eq!(nonces.judge(at(5), &here, text), Verdict::Foreign);
        }
    }

    #[test]
    fn the_cookie_says_that_there_is_a_choice_of_algorithms() {
        let features = base64::engine::general_purpose::STANDARD
            .decode(&COOKIE[9..])
            .unwrap();
        assert_eq!(features, [0x80, 0, 0]);
    }
}
