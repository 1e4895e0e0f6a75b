//! Whether the party still wants to be sent to (RFC 7675): asked every few seconds, and over when it
//! has not answered for half a minute.

/// How long an answer counts, in microseconds (RFC 7675 section 5.1).
pub(super) const EXPIRY_MICROS: u64 = 30_000_000;

/// From question to question, in microseconds, before it is varied by a fifth either way.
const INTERVAL_MICROS: u64 = 5_000_000;

/// The consent of a party.
#[derive(Clone, Copy, Debug)]
pub(super) struct Consent {
    answered_micros: u64,
    ask_micros: u64,
}

impl Consent {
    /// Consent that has just been given.
    pub(super) fn new(now_micros: u64, random: u64) -> Consent {
        Consent {
            answered_micros: now_micros,
            ask_micros: now_micros + interval(random),
        }
    }

    /// Notes an answer.
    pub(super) fn renew(&mut self, now_micros: u64) {
        self.answered_micros = now_micros;
    }

    /// Whether it is over.
    pub(super) fn is_over(&self, now_micros: u64) -> bool {
        now_micros >= self.answered_micros + EXPIRY_MICROS
    }

    /// Has it asked for at once.
    pub(super) fn doubt(&mut self, now_micros: u64) {
        self.ask_micros = now_micros;
    }

    /// Whether it is time to ask; the next time is then later.
    pub(super) fn take_question(&mut self, now_micros: u64, random: u64) -> bool {
        let is_due = now_micros >= self.ask_micros;
        if is_due {
            self.ask_micros = now_micros + interval(random);
        }
        is_due
    }

    /// When something is to be done.
    pub(super) fn deadline_micros(&self, asks: bool) -> u64 {
        let end = self.answered_micros + EXPIRY_MICROS;
        if asks { self.ask_micros.min(end) } else { end }
    }
}

/// Between four and six seconds.
fn interval(random: u64) -> u64 {
    INTERVAL_MICROS * 4 / 5 + random % (INTERVAL_MICROS * 2 / 5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consent_ends_half_a_minute_after_the_last_answer() {
        let mut consent = Consent::new(0, 0);
        assert!(!consent.is_over(EXPIRY_MICROS - 1));
        assert!(consent.is_over(EXPIRY_MICROS));
        consent.renew(1_000_000);
        assert!(!consent.is_over(EXPIRY_MICROS));
        assert!(consent.is_over(EXPIRY_MICROS + 1_000_000));
    }

    #[test]
    fn questions_are_four_to_six_seconds_apart() {
        for random in [0, 1, 12_345, u64::MAX] {
            let mut consent = Consent::new(0, random);
            assert!(!consent.take_question(3_999_999, random));
            assert!(consent.take_question(6_000_000, random));
            assert!(!consent.take_question(6_000_000, random));
        }
    }
}
