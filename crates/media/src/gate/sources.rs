//! How often a party in clear may change its source (SSRC); counts, and holds no packet.
//!
//! A phone does so a few times a call: for hold music, a transfer, another stream. Whoever forges its
//! address could do it with every packet, and each source costs memory, statistics and, where the other
//! side is encrypted, a place among those of a key ([`fernamt_rtp::srtp::MAX_SENT_SOURCES`]).

/// Sources of one party that are known at once: streams of voice and video that share ports, and some
/// that were there before.
pub(super) const KNOWN_SOURCES: usize = 16;

/// New sources that are let in one behind the other.
pub(super) const CHANGES_AT_ONCE: u32 = 16;

/// After this many microseconds one more is let in.
pub(super) const CHANGE_MICROS: u64 = 10_000_000;

/// The sources of a party.
#[derive(Debug, Default)]
pub(super) struct Sources {
    current: Option<u32>,
    /// There are none in most calls, so that they lie elsewhere.
    others: Option<Box<Others>>,
}

/// The sources of a party that has had more than one.
#[derive(Debug)]
struct Others {
    /// The last one first.
    known: [Option<u32>; KNOWN_SOURCES],
    changes_left: u32,
    counted_micros: u64,
}

impl Sources {
    /// Whether a packet of this source is let in.
    #[inline]
    pub(super) fn admit(&mut self, ssrc: u32, now_micros: u64) -> bool {
        self.current == Some(ssrc) || self.change(ssrc, now_micros)
    }

    #[inline(never)]
    fn change(&mut self, ssrc: u32, now_micros: u64) -> bool {
        if let Some(current) = self.current {
            let others = self.others.get_or_insert_with(|| {
                let mut known = [None; KNOWN_SOURCES];
                known[0] = Some(current);
                Box::new(Others {
                    known,
                    changes_left: CHANGES_AT_ONCE,
                    counted_micros: now_micros,
                })
            });
            if !others.admit(ssrc, now_micros) {
                return false;
            }
        }
        self.current = Some(ssrc);
        true
    }
}

impl Others {
    fn admit(&mut self, ssrc: u32, now_micros: u64) -> bool {
        let place = self.known.iter().position(|known| *known == Some(ssrc));
        if place.is_none() && !self.may_change(now_micros) {
            return false;
        }
        // The one that was heard the longest time ago goes for a new one.
        let last = place.unwrap_or(KNOWN_SOURCES - 1);
        if let Some(up_to) = self.known.get_mut(..=last) {
            up_to.rotate_right(1);
        }
        self.known[0] = Some(ssrc);
        true
    }

    fn may_change(&mut self, now_micros: u64) -> bool {
        let passed = now_micros.saturating_sub(self.counted_micros) / CHANGE_MICROS;
        self.counted_micros += passed * CHANGE_MICROS;
        let more = u32::try_from(passed).unwrap_or(u32::MAX);
        self.changes_left = self.changes_left.saturating_add(more).min(CHANGES_AT_ONCE);
        let may = self.changes_left > 0;
        self.changes_left = self.changes_left.saturating_sub(1);
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_sources_are_let_in_up_to_a_number_and_then_one_now_and_then() {
        let mut sources = Sources::default();
        let after_all = CHANGES_AT_ONCE + 1;
        for ssrc in 0..after_all {
            assert!(sources.admit(ssrc, 0), "{ssrc}");
        }
        assert!(!sources.admit(100, CHANGE_MICROS - 1));
        assert!(sources.admit(after_all - 1, CHANGE_MICROS - 1), "known");
        assert!(sources.admit(100, CHANGE_MICROS));
        assert!(!sources.admit(101, CHANGE_MICROS));
        // A long time does not add up to more than the number.
        let late = 1_000 * CHANGE_MICROS;
        let let_in = (200..300).filter(|ssrc| sources.admit(*ssrc, late));
        assert_eq!(let_in.count(), CHANGES_AT_ONCE as usize);
    }

    #[test]
    fn sources_that_take_turns_are_known_as_long_as_they_are_heard() {
        let mut sources = Sources::default();
        for _ in 0..1_000 {
            for ssrc in 0..KNOWN_SOURCES as u32 {
                assert!(sources.admit(ssrc, 0));
            }
        }
        // Forged ones use up what is left, and the ones that are heard stay.
        for forged in 1_000..2_000 {
            sources.admit(forged, 0);
            assert!(sources.admit(1, 0) && sources.admit(2, 0));
        }
    }
}
