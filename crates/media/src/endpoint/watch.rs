//! Whether a party has gone without a word; no packet is looked at.

use fernamt_exchange::media::Remote;

/// Watches for a party that has gone without a word.
#[derive(Debug, Default)]
pub(super) struct Watch {
    limit_micros: Option<u64>,
    heard_micros: u64,
    reported: bool,
}

impl Watch {
    pub(super) fn set(&mut self, remote: &Remote, now_micros: u64) {
        let limit = remote.silence.filter(|_| remote.sends);
        let limit = limit.map(|limit| u64::try_from(limit.as_micros()).unwrap_or(u64::MAX));
        if self.limit_micros.is_none() {
            // The party was not to be heard until now.
            self.heard(now_micros);
        }
        self.limit_micros = limit;
    }

    #[inline]
    pub(super) fn heard(&mut self, now_micros: u64) {
        self.heard_micros = now_micros;
        self.reported = false;
    }

    pub(super) fn falls_silent(&mut self, now_micros: u64) -> bool {
        let silence = now_micros.saturating_sub(self.heard_micros);
        let too_long = self.limit_micros.is_some_and(|limit| silence >= limit);
        if !too_long || self.reported {
            return false;
        }
        self.reported = true;
        true
    }
}
