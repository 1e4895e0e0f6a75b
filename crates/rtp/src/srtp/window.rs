//! The replay window of one source (RFC 3711 section 3.3.2): which numbers were seen; no source, no tag.

/// How many numbers up to the highest one are remembered. RFC 3711 asks for 64 at least.
pub const WINDOW_PACKETS: u64 = 128;

/// The highest index, and which ones before it were seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    highest: u64,
    /// Bit 0 is the highest one.
    seen: u128,
}

/// What a window says about an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    New,
    Repeated,
    Old,
}

impl Window {
    /// Nothing was seen; `index` is where numbers are looked for.
    pub(super) const fn before(index: u64) -> Window {
        Window {
            highest: index,
            seen: 0,
        }
    }

    /// Everything up to `index` was seen.
    pub(super) const fn after(index: u64) -> Window {
        Window {
            highest: index,
            seen: u128::MAX,
        }
    }

    pub(super) const fn highest(&self) -> u64 {
        self.highest
    }

    #[inline]
    pub(super) const fn check(&self, index: u64) -> Verdict {
        match self.highest.checked_sub(index) {
            None => Verdict::New,
            Some(age) if age >= WINDOW_PACKETS => Verdict::Old,
            Some(age) if self.seen >> age & 1 != 0 => Verdict::Repeated,
            Some(_) => Verdict::New,
        }
    }

    /// Notes that `index`, which is new, was seen.
    #[inline]
    pub(super) const fn note(&mut self, index: u64) {
        match self.highest.checked_sub(index) {
            Some(age) if age < WINDOW_PACKETS => self.seen |= 1 << age,
            Some(_) => {}
            None => {
                let step = index - self.highest;
                self.seen = match step < WINDOW_PACKETS {
                    true => self.seen << step | 1,
                    false => 1,
                };
                self.highest = index;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_has_its_size() {
        let mut window = Window::before(1_000);
        window.note(1_000);
        assert_eq!(window.check(1_000), Verdict::Repeated);
        assert_eq!(window.check(1_001), Verdict::New);
        let last = 1_000 - (WINDOW_PACKETS - 1);
        assert_eq!(window.check(last), Verdict::New);
        assert_eq!(window.check(last - 1), Verdict::Old);
        window.note(last);
        assert_eq!(window.check(last), Verdict::Repeated);
        window.note(1_001);
        assert_eq!(window.check(last), Verdict::Old);
        assert_eq!(window.check(1_000), Verdict::Repeated);
        window.note(1_001 + WINDOW_PACKETS);
        assert_eq!(window.check(1_002), Verdict::New, "never came");
        assert_eq!(window.check(1_001), Verdict::Old);
    }

    #[test]
    fn after_an_index_everything_before_counts_as_seen() {
        let window = Window::after(500);
        for index in 500 - (WINDOW_PACKETS - 1)..=500 {
            assert_eq!(window.check(index), Verdict::Repeated, "{index}");
        }
        assert_eq!(window.check(500 - WINDOW_PACKETS), Verdict::Old);
        assert_eq!(window.check(501), Verdict::New);
    }
}
