//! Nonces that need no memory: the time of issue and a serial number, sealed with HMAC-SHA256.
//! Whether a nonce was used before is not known here; see [`super::replay`].

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::digest::KeyInit;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::algorithm::equal_in_constant_time;
use crate::time::UnixTime;

const TIME_BYTES: usize = 6;
const BODY_BYTES: usize = TIME_BYTES + 4 + 4;
const SEAL_BYTES: usize = 16;
const NONCE_BYTES: usize = BODY_BYTES + SEAL_BYTES;
/// Characters of a nonce; the bytes are a multiple of three, so that base64 needs no padding.
const NONCE_CHARACTERS: usize = NONCE_BYTES / 3 * 4;
/// The block size of SHA-256, to which HMAC fills up its key (RFC 2104 section 2).
const KEY_BLOCK_BYTES: usize = 64;

/// What a nonce of ours says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Nonce {
    /// Milliseconds since 1970.
    pub(super) issued_ms: u64,
    /// Who issued it: one run of one shard.
    pub(super) instance: u32,
    /// Counts the nonces of the instance.
    pub(super) serial: u32,
}

impl Nonce {
    fn body(self) -> [u8; BODY_BYTES] {
        let mut body = [0; BODY_BYTES];
        let time = self
            .issued_ms
            .to_be_bytes()
            .into_iter()
            .skip(8 - TIME_BYTES);
        let bytes = time
            .chain(self.instance.to_be_bytes())
            .chain(self.serial.to_be_bytes());
        for (target, byte) in body.iter_mut().zip(bytes) {
            *target = byte;
        }
        body
    }

    fn from_body(body: &[u8; BODY_BYTES]) -> Nonce {
        let number = |bytes: &[u8]| {
            bytes
                .iter()
                .fold(0_u64, |number, byte| (number << 8) | u64::from(*byte))
        };
        let (time, rest) = body.split_at(TIME_BYTES);
        let (instance, serial) = rest.split_at(4);
        // Four bytes always fit.
        Nonce {
            issued_ms: number(time),
            instance: number(instance) as u32,
            serial: number(serial) as u32,
        }
    }
}

/// The text of a nonce: 40 characters of the base64 alphabet for URLs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NonceText([u8; NONCE_CHARACTERS]);

impl NonceText {
    pub(super) fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// Issues and opens nonces under one secret.
pub(super) struct Nonces {
    seal: Hmac<Sha256>,
    instance: u32,
    next_serial: u32,
}

impl Nonces {
    pub(super) fn new(secret: &[u8; 32], instance: u32) -> Nonces {
        let mut key = [0; KEY_BLOCK_BYTES];
        for (target, byte) in key.iter_mut().zip(secret) {
            *target = *byte;
        }
        // The prepared state saves hashing the key for every nonce.
        Nonces {
            seal: Hmac::new(&key.into()),
            instance,
            next_serial: 0,
        }
    }

    fn seal(&self, body: &[u8; BODY_BYTES]) -> [u8; SEAL_BYTES] {
        let mut state = self.seal.clone();
        state.update(body);
        let full = state.finalize().into_bytes();
        let mut seal = [0; SEAL_BYTES];
        for (target, byte) in seal.iter_mut().zip(full) {
            *target = byte;
        }
        seal
    }

    /// A bit string that depends on nothing but the secret and `label`.
    pub(super) fn derive(&self, label: &[u8]) -> [u8; 32] {
        let mut state = self.seal.clone();
        state.update(label);
        state.finalize().into_bytes().into()
    }

    /// Makes a nonce that was never issued before.
    pub(super) fn issue(&mut self, now: UnixTime) -> NonceText {
        let nonce = Nonce {
            issued_ms: unix_ms(now),
            instance: self.instance,
            serial: self.next_serial,
        };
        self.next_serial = self.next_serial.wrapping_add(1);
        let body = nonce.body();
        let mut bytes = [0; NONCE_BYTES];
        for (target, byte) in bytes.iter_mut().zip(body.iter().chain(&self.seal(&body))) {
            *target = *byte;
        }
        let mut text = [b'A'; NONCE_CHARACTERS];
        // The output has exactly the size of the encoding, so that this cannot fail.
        let _ = URL_SAFE_NO_PAD.encode_slice(bytes, &mut text);
        NonceText(text)
    }

    /// Reads a nonce; `None` when it was not issued under this secret.
    pub(super) fn open(&self, text: &str) -> Option<Nonce> {
        if text.len() != NONCE_CHARACTERS {
            return None;
        }
        let mut bytes = [0; NONCE_BYTES];
        let length = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
        if length != NONCE_BYTES {
            return None;
        }
        let (body, seal) = bytes.split_first_chunk::<BODY_BYTES>()?;
        equal_in_constant_time(&self.seal(body), seal).then(|| Nonce::from_body(body))
    }
}

/// Milliseconds since 1970; times before count as 1970.
pub(super) fn unix_ms(now: UnixTime) -> u64 {
    u64::try_from(now.as_micros() / 1000).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime::from_micros(1_764_000_000_123_456);

    #[test]
    fn a_nonce_says_when_and_by_whom_it_was_issued() {
        let mut nonces = Nonces::new(&[7; 32], 0xdead_beef);
        let first = nonces.issue(NOW);
        let second = nonces.issue(NOW);
        assert_ne!(first, second);
        assert_eq!(first.as_str().len(), 40);
        assert_eq!(
            nonces.open(second.as_str()),
            Some(Nonce {
                issued_ms: 1_764_000_000_123,
                instance: 0xdead_beef,
                serial: 1
            })
        );
    }

    #[test]
    fn a_nonce_survives_a_restart_and_nothing_else() {
        let text = Nonces::new(&[7; 32], 1).issue(NOW);
        assert!(Nonces::new(&[7; 32], 2).open(text.as_str()).is_some());
        assert!(Nonces::new(&[8; 32], 1).open(text.as_str()).is_none());
    }

    #[test]
    fn a_nonce_with_any_character_changed_is_not_ours() {
        let mut nonces = Nonces::new(&[7; 32], 1);
        let text = nonces.issue(NOW);
        for index in 0..NONCE_CHARACTERS {
            let mut changed = text.0;
            changed[index] = if changed[index] == b'A' { b'B' } else { b'A' };
            assert_eq!(nonces.open(core::str::from_utf8(&changed).unwrap()), None);
        }
        for text in [
            "",
            "abc",
            "\u{e4}".repeat(20).as_str(),
            "=".repeat(40).as_str(),
        ] {
            assert_eq!(nonces.open(text), None);
        }
    }
}
