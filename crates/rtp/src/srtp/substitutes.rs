//! Names (SSRC) of our own for the sources that come when a key has as many as are remembered: none
//! twice, and none of those. No packet.

/// Names are this far apart. It is odd, so that each of the 2^32 names comes once before the first comes
/// again.
const STEP: u32 = 0x9e37_79b9;

/// The most names that are made up under one key.
pub const MAX_SUBSTITUTES: u32 = 1 << 31;

/// After a restart this many names are left out: more than can have been used since they were written
/// down, which is done soon after each new one.
const LEFT_OUT: u32 = 1 << 16;

/// Which names have been made up so far, to be written down and taken up again after a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Substitutes {
    /// The first one.
    pub first: u32,
    /// How many there have been.
    pub drawn: u32,
}

impl Substitutes {
    /// None so far. The first source that is not remembered can still have its own name.
    pub(super) const fn new(first: u32) -> Substitutes {
        Substitutes { first, drawn: 0 }
    }

    pub(super) const fn after_restart(self) -> Substitutes {
        Substitutes {
            first: self.first,
            drawn: self.drawn.saturating_add(LEFT_OUT),
        }
    }

    /// A name that was none before and is not taken; `None`: there is none left.
    pub(super) fn draw(&mut self, is_taken: impl Fn(u32) -> bool) -> Option<u32> {
        while self.drawn < MAX_SUBSTITUTES {
            let name = self.first.wrapping_add(STEP.wrapping_mul(self.drawn));
            self.drawn += 1;
            // As many as are remembered are left out at most.
            if !is_taken(name) {
                return Some(name);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_name_comes_twice_and_none_that_is_taken() {
        let mut names = Substitutes::new(7);
        let taken = |name: u32| name.is_multiple_of(3);
        let mut seen = HashSet::new();
        for _ in 0..100_000 {
            let name = names.draw(taken).unwrap();
            assert!(!taken(name) && seen.insert(name));
        }
        let mut later = names.after_restart();
        for _ in 0..1_000 {
            assert!(seen.insert(later.draw(taken).unwrap()));
        }
    }

    #[test]
    fn names_end_before_they_would_come_again() {
        let mut names = Substitutes {
            first: 7,
            drawn: MAX_SUBSTITUTES - 1,
        };
        assert!(names.draw(|_| false).is_some());
        assert_eq!(names.draw(|_| false), None);
        assert_eq!(names.after_restart().draw(|_| false), None);
    }
}
