//! One figure for many: percentiles and processor time. It measures nothing by itself.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The value below which `per_mille` thousandths of the values lie; sorts them. `None` when there is
/// none.
pub fn percentile(values: &mut [u64], per_mille: usize) -> Option<u64> {
    values.sort_unstable();
    let last = values.len().checked_sub(1)?;
    values
        .get((values.len() * per_mille / 1_000).min(last))
        .copied()
}

/// The processor time that this process has used, all threads together.
pub fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(
        time.tv_sec.unsigned_abs(),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let mut values: Vec<u64> = (1..=100).rev().collect();
        assert_eq!(percentile(&mut values, 0), Some(1));
        assert_eq!(percentile(&mut values, 500), Some(51));
        assert_eq!(percentile(&mut values, 990), Some(100));
        assert_eq!(percentile(&mut values, 1_000), Some(100));
        assert_eq!(percentile(&mut [], 500), None);
    }
}
