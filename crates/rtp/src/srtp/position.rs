//! Where a source stands: its packet index (RFC 3711 section 3.3.1), guessed from a sequence number;
//! no window.

/// Where a source stands, to be written down and taken up again after a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Position {
    /// The source.
    pub ssrc: u32,
    /// The highest packet index so far, 48 bits: the rollover counter and the sequence number.
    pub index: u64,
    /// What is added to the sequence numbers that a source gives its packets before they are sent
    /// (see [`super::Protector::protect_rtp`]); 0 for one that is heard.
    pub shift: u16,
}

/// How many packets a written position may be behind before it has to be written again: half of
/// what sequence numbers tell apart, so that there is as much time to write it.
const STEP_BITS: u32 = 15;

/// Whether a position has moved so far that it should be written down again.
pub(super) const fn has_moved(before: u64, after: u64) -> bool {
    before >> STEP_BITS != after >> STEP_BITS
}

/// The index of a rollover counter and a sequence number.
pub(super) const fn index_of(rollover: u32, sequence: u16) -> u64 {
    (rollover as u64) << 16 | sequence as u64
}

/// The index with this sequence number that is nearest to the highest one; below zero when it would
/// be before the first. At a distance of exactly half, the rollover counter stays (appendix A).
#[inline]
pub(super) const fn nearest(highest: u64, sequence: u16) -> i64 {
    let near = highest as u16;
    let step = sequence.wrapping_sub(near).cast_signed() as i64;
    let step = match step == i16::MIN as i64 && near < 0x8000 {
        true => -step,
        false => step,
    };
    highest.cast_signed() + step
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3711 appendix A, word by word.
    fn appendix_a(rollover: i64, last: i64, sequence: i64) -> i64 {
        let v = if last < 32_768 {
            if sequence - last > 32_768 {
                rollover - 1
            } else {
                rollover
            }
        } else if last - 32_768 > sequence {
            rollover + 1
        } else {
            rollover
        };
        (v << 16) + sequence
    }

    #[test]
    fn the_guess_is_that_of_appendix_a() {
        let edges = [
            0u16, 1, 2, 100, 32_766, 32_767, 32_768, 32_769, 65_534, 65_535,
        ];
        for rollover in [0u32, 1, 7, u32::MAX] {
            for last in edges {
                for sequence in edges {
                    assert_eq!(
                        nearest(index_of(rollover, last), sequence),
                        appendix_a(i64::from(rollover), i64::from(last), i64::from(sequence)),
                        "{rollover} {last} {sequence}"
                    );
                }
            }
        }
    }
}
