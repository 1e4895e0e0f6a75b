//! The clock on the wall, for what is written into records.

use std::time::{SystemTime, UNIX_EPOCH};

use fernamt_sip::time::UnixTime;

pub(crate) fn now() -> UnixTime {
    let micros = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_micros());
    UnixTime::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
}
