//! The system's clocks and its random source.

use std::io;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use fernamt_sip::time::{Now, Time, UnixTime};

/// Both clocks, begun together. Civil time is the monotonic clock added to the beginning, so that
/// it does not jump within a call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    origin: Instant,
    unix: UnixTime,
}

impl Clock {
    /// Begins now.
    pub(super) fn new() -> Clock {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let micros = i64::try_from(since.as_micros()).unwrap_or(i64::MAX);
        Clock {
            origin: Instant::now(),
            unix: UnixTime::from_micros(micros),
        }
    }

    /// Both clocks now.
    pub(super) fn now(&self) -> Now {
        let passed = self.origin.elapsed();
        let micros = u64::try_from(passed.as_micros()).unwrap_or(u64::MAX);
        Now {
            time: Time::from_micros(micros),
            unix: self.unix + passed,
        }
    }
}

/// Truly random bytes.
pub(super) fn random<const COUNT: usize>() -> io::Result<[u8; COUNT]> {
    let mut bytes = [0; COUNT];
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        filled += rustix::rand::getrandom(rest, rustix::rand::GetRandomFlags::empty())?;
    }
    Ok(bytes)
}
