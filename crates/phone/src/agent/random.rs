//! Unpredictable names from a seed that the shell gives: tags, branches, Call-IDs.

use rand_chacha::ChaCha12Rng;
use rand_core::{Rng as _, SeedableRng as _};

const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// The source of everything that must not be guessed.
#[derive(Debug)]
pub(super) struct Random(ChaCha12Rng);

impl Random {
    /// From 32 truly random bytes.
    pub(super) fn new(seed: [u8; 32]) -> Random {
        Random(ChaCha12Rng::from_seed(seed))
    }

    /// 80 bits as sixteen letters and digits.
    pub(super) fn token(&mut self) -> String {
        let bits = self.0.next_u64();
        let more = self.0.next_u64();
        let letter = |index: u32| {
            let bits = if index < 12 {
                bits >> (5 * index)
            } else {
                more >> (5 * (index - 12))
            };
            let letter = LETTERS.get((bits % 32) as usize).copied().unwrap_or(b'a');
            char::from(letter)
        };
        (0..16).map(letter).collect()
    }

    /// A new branch (RFC 3261 section 8.1.1.7).
    pub(super) fn branch(&mut self) -> String {
        format!("z9hG4bK{}", self.token())
    }

    /// Any number.
    pub(super) fn number(&mut self) -> u64 {
        self.0.next_u64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_differ_and_repeat_with_the_seed() {
        let mut random = Random::new([1; 32]);
        let first: Vec<String> = (0..100).map(|_| random.token()).collect();
        let mut sorted = first.clone();
        sorted.sort();
        sorted.dedup();
        assert_eq!(sorted.len(), 100);
        assert!(first.iter().all(|token| token.len() == 16));
        let mut again = Random::new([1; 32]);
        assert_eq!(again.token(), first[0]);
    }
}
