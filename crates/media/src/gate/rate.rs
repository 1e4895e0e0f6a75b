//! How many packets one party may send in a second; counts, and holds no packet.

const WINDOW_MICROS: u64 = 1_000_000;

/// Counts the packets of the current second.
#[derive(Debug)]
pub(super) struct Rate {
    limit: u32,
    count: u32,
    window_start_micros: u64,
}

impl Rate {
    pub(super) fn new(limit: u32) -> Rate {
        Rate {
            limit,
            count: 0,
            window_start_micros: 0,
        }
    }

    /// Counts one packet; whether it is within the limit.
    #[inline]
    pub(super) fn allows(&mut self, now_micros: u64) -> bool {
        if now_micros.saturating_sub(self.window_start_micros) >= WINDOW_MICROS {
            self.window_start_micros = now_micros;
            self.count = 0;
        }
        if self.count >= self.limit {
            return false;
        }
        self.count += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_packet_after_the_limit_is_refused_until_the_next_second() {
        let mut rate = Rate::new(3);
        assert_eq!(
            [0, 1, 2, 999_999].map(|now| rate.allows(now)),
            [true, true, true, false]
        );
        assert!(rate.allows(1_000_000));
    }
}
