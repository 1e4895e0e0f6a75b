//! What a receiver knows about a stream (RFC 3550 appendix A): loss, jitter, order; no packets kept.

use core::time::Duration;

use crate::rtcp::ReportBlock;

/// A jump ahead up to this is loss; a longer one is a new start.
const MAX_DROPOUT: u16 = 3_000;

/// A packet at most this far behind is late; one further behind is a new start.
const MAX_MISORDER: u16 = 100;

/// Packets that are remembered to tell a late one from a duplicate.
const WINDOW: u64 = 64;

/// What a packet was, in the order of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Arrival {
    /// The next one, or one after a gap.
    InOrder,
    /// Overtaken by another, but here for the first time.
    Reordered,
    /// Seen before.
    Duplicate,
    /// Too far away from the others; the next in sequence to it starts anew.
    Outlier,
    /// The stream has started anew with this packet.
    Restarted,
}

/// The receiver's view of one source.
#[derive(Clone, Debug)]
pub struct Receiver {
    clock_rate: u32,
    started: bool,
    highest: u16,
    cycles: u32,
    base: u32,
    /// The sequence number that would start the stream anew; outside 16 bits for none.
    bad: u32,
    /// Bit n is set when the packet n before the highest has come.
    window: u64,
    received: u64,
    duplicates: u64,
    reordered: u64,
    late: u64,
    /// Sixteen times the jitter, in ticks (RFC 3550 appendix A.8).
    jitter_scaled: u32,
    max_jitter: u32,
    transit: Option<u32>,
    last_timestamp: Option<u32>,
    expected_prior: u64,
    received_prior: u64,
    /// Packets counted before the stream started anew.
    earlier_expected: u64,
    /// The middle of the NTP time in the last sender report, and when that came.
    last_report: Option<(u32, u64)>,
}

/// What is told in a report block (RFC 3550 section 6.4.1), but for the sender's times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loss {
    /// Lost since the last report, as a fraction of 256.
    pub fraction: u8,
    /// Lost in all; negative with duplicates. In 24 bits.
    pub cumulative: i32,
    /// The highest sequence number with its cycles.
    pub extended_highest: u32,
    /// In ticks.
    pub jitter: u32,
}

/// The sums of a stream, for the call record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Packets that came, duplicates included.
    pub received: u64,
    /// Packets that should have come.
    pub expected: u64,
    /// Packets that never came.
    pub lost: u64,
    /// Packets that came twice.
    pub duplicates: u64,
    /// Packets that were overtaken.
    pub reordered: u64,
    /// Packets that came too late to be heard, as the listener reported.
    pub late: u64,
    /// The jitter at the end.
    pub jitter: Duration,
    /// The highest jitter.
    pub max_jitter: Duration,
}

impl Summary {
    /// Lost and late packets as a share of all, 0 to 1.
    pub fn loss_ratio(&self) -> f64 {
        if self.expected == 0 {
            return 0.0;
        }
        (self.lost + self.late).min(self.expected) as f64 / self.expected as f64
    }
}

impl Receiver {
    /// A source with `clock_rate` ticks in a second, 8,000 for G.711.
    pub const fn new(clock_rate: u32) -> Receiver {
        Receiver {
            clock_rate: if clock_rate == 0 { 8_000 } else { clock_rate },
            started: false,
            highest: 0,
            cycles: 0,
            base: 0,
            bad: u32::MAX,
            window: 0,
            received: 0,
            duplicates: 0,
            reordered: 0,
            late: 0,
            jitter_scaled: 0,
            max_jitter: 0,
            transit: None,
            last_timestamp: None,
            expected_prior: 0,
            received_prior: 0,
            earlier_expected: 0,
            last_report: None,
        }
    }

    /// Takes note of a packet that came at `arrival_micros` on a monotonic clock.
    #[inline]
    pub fn packet(&mut self, sequence: u16, timestamp: u32, arrival_micros: u64) -> Arrival {
        let arrival = self.untimed_packet(sequence);
        if !matches!(arrival, Arrival::Outlier | Arrival::Duplicate) {
            self.jitter(timestamp, arrival_micros);
        }
        arrival
    }

    /// Takes note of a packet whose timestamp tells nothing of when it was sent: an event of another
    /// clock, or a codec whose clock is not known.
    #[inline]
    pub fn untimed_packet(&mut self, sequence: u16) -> Arrival {
        let arrival = self.sequence(sequence);
        match arrival {
            Arrival::Outlier => return arrival,
            Arrival::Restarted => self.transit = None,
            Arrival::Duplicate => self.duplicates += 1,
            Arrival::Reordered => self.reordered += 1,
            Arrival::InOrder => {}
        }
        self.received += 1;
        arrival
    }

    /// The sender goes on with another codec, whose clock has this many ticks in a second. The jitter
    /// stays what it was.
    pub fn set_clock_rate(&mut self, clock_rate: u32) {
        if clock_rate == self.clock_rate || clock_rate == 0 {
            return;
        }
        let (before, now) = (u64::from(self.clock_rate), u64::from(clock_rate));
        let convert =
            |ticks: u32| u32::try_from(u64::from(ticks) * now / before).unwrap_or(u32::MAX);
        self.jitter_scaled = convert(self.jitter_scaled);
        self.max_jitter = convert(self.max_jitter);
        self.clock_rate = clock_rate;
        self.transit = None;
        self.last_timestamp = None;
    }

    /// Takes note of a packet that came too late to be heard.
    pub const fn count_late(&mut self) {
        self.late += 1;
    }

    /// RFC 3550 appendix A.1, without the probation of new sources: a media port knows its source
    /// from the signalling.
    fn sequence(&mut self, sequence: u16) -> Arrival {
        if !self.started {
            self.start(sequence);
            return Arrival::InOrder;
        }
        let ahead = sequence.wrapping_sub(self.highest);
        if ahead == 0 {
            return Arrival::Duplicate;
        }
        if ahead < MAX_DROPOUT {
            if sequence < self.highest {
                self.cycles = self.cycles.wrapping_add(1 << 16);
            }
            self.highest = sequence;
            self.window = self.window.checked_shl(u32::from(ahead)).unwrap_or(0) | 1;
            self.bad = u32::MAX;
            return Arrival::InOrder;
        }
        let behind = self.highest.wrapping_sub(sequence);
        if behind > MAX_MISORDER {
            return self.far_away(sequence);
        }
        self.behind(behind)
    }

    fn far_away(&mut self, sequence: u16) -> Arrival {
        if self.bad != u32::from(sequence) {
            self.bad = u32::from(sequence.wrapping_add(1));
            return Arrival::Outlier;
        }
        self.earlier_expected += u64::from(self.expected_now());
        self.start(sequence);
        Arrival::Restarted
    }

    fn behind(&mut self, behind: u16) -> Arrival {
        if u64::from(behind) >= WINDOW {
            return Arrival::Reordered;
        }
        let bit = 1u64 << behind;
        if self.window & bit != 0 {
            return Arrival::Duplicate;
        }
        self.window |= bit;
        Arrival::Reordered
    }

    const fn start(&mut self, sequence: u16) {
        self.started = true;
        self.highest = sequence;
        self.cycles = 0;
        self.base = sequence as u32;
        self.bad = u32::MAX;
        self.window = 1;
    }

    /// RFC 3550 appendix A.8.
    fn jitter(&mut self, timestamp: u32, arrival_micros: u64) {
        // Packets of one moment, as video frames and events have, tell nothing about the network.
        if self.last_timestamp == Some(timestamp) {
            return;
        }
        self.last_timestamp = Some(timestamp);
        let transit = self.ticks(arrival_micros).wrapping_sub(timestamp);
        let Some(before) = self.transit.replace(transit) else {
            return;
        };
        let difference = transit.wrapping_sub(before).cast_signed().unsigned_abs();
        // A jump of more than ten seconds is a sender's new time base, not the network.
        if difference > self.clock_rate.saturating_mul(10) {
            return;
        }
        let decay = (self.jitter_scaled + 8) >> 4;
        self.jitter_scaled = self
            .jitter_scaled
            .saturating_add(difference)
            .saturating_sub(decay);
        self.max_jitter = self.max_jitter.max(self.jitter_scaled >> 4);
    }

    /// Ticks of the stream's clock; seconds first, so that nothing overflows.
    const fn ticks(&self, micros: u64) -> u32 {
        let rate = self.clock_rate as u64;
        let (seconds, rest) = (micros / 1_000_000, micros % 1_000_000);
        seconds
            .wrapping_mul(rate)
            .wrapping_add(rest * rate / 1_000_000) as u32
    }

    const fn extended_highest(&self) -> u32 {
        self.cycles.wrapping_add(self.highest as u32)
    }

    const fn expected_now(&self) -> u32 {
        if self.started {
            self.extended_highest()
                .wrapping_sub(self.base)
                .wrapping_add(1)
        } else {
            0
        }
    }

    const fn expected(&self) -> u64 {
        self.earlier_expected + self.expected_now() as u64
    }

    /// Whether any packet has come.
    pub const fn has_started(&self) -> bool {
        self.started
    }

    /// The values for a report block, and the beginning of the next interval (RFC 3550 appendix
    /// A.3).
    pub fn report(&mut self) -> Loss {
        let expected = self.expected();
        let expected_interval = expected - self.expected_prior;
        let received_interval = self.received - self.received_prior;
        self.expected_prior = expected;
        self.received_prior = self.received;
        let lost_interval = expected_interval.saturating_sub(received_interval);
        let fraction = (lost_interval << 8)
            .checked_div(expected_interval)
            .unwrap_or(0);
        let cumulative = expected.cast_signed() - self.received.cast_signed();
        Loss {
            fraction: u8::try_from(fraction).unwrap_or(u8::MAX),
            cumulative: cumulative.clamp(-0x80_0000, 0x7f_ffff) as i32,
            extended_highest: self.extended_highest(),
            jitter: self.jitter_scaled >> 4,
        }
    }

    /// Takes note of a sender report about this stream that came at `arrival_micros`.
    pub const fn sender_report(&mut self, ntp: u64, arrival_micros: u64) {
        self.last_report = Some((ntp_middle(ntp), arrival_micros));
    }

    /// The report block for the source, and the beginning of the next interval.
    pub fn report_block(&mut self, ssrc: u32, now_micros: u64) -> ReportBlock {
        let loss = self.report();
        let (last_report, delay_micros) = match self.last_report {
            Some((middle, came)) => (middle, now_micros.saturating_sub(came)),
            None => (0, 0),
        };
        let delay = u128::from(delay_micros) * 65_536 / 1_000_000;
        ReportBlock {
            ssrc,
            fraction_lost: loss.fraction,
            cumulative_lost: loss.cumulative,
            extended_highest: loss.extended_highest,
            jitter: loss.jitter,
            last_report,
            delay_since_last: u32::try_from(delay).unwrap_or(u32::MAX),
        }
    }

    /// The sums so far.
    pub fn summary(&self) -> Summary {
        let distinct = self.received - self.duplicates;
        Summary {
            received: self.received,
            expected: self.expected(),
            lost: self.expected().saturating_sub(distinct),
            duplicates: self.duplicates,
            reordered: self.reordered,
            late: self.late,
            jitter: self.duration(self.jitter_scaled >> 4),
            max_jitter: self.duration(self.max_jitter),
        }
    }

    /// The jitter now.
    pub fn jitter_now(&self) -> Duration {
        self.duration(self.jitter_scaled >> 4)
    }

    fn duration(&self, ticks: u32) -> Duration {
        Duration::from_micros(u64::from(ticks) * 1_000_000 / u64::from(self.clock_rate))
    }
}

/// Seconds from 1900, where NTP begins, to 1970.
const NTP_OFFSET_SECONDS: i64 = 2_208_988_800;

/// A civil time, microseconds since 1970, as an NTP timestamp (RFC 3550 section 4).
pub fn ntp_of_unix(unix_micros: i64) -> u64 {
    let seconds = unix_micros.div_euclid(1_000_000) + NTP_OFFSET_SECONDS;
    let fraction = unix_micros.rem_euclid(1_000_000).cast_unsigned();
    (seconds.cast_unsigned() << 32) | ((fraction << 32) / 1_000_000)
}

/// The middle 32 bits of an NTP timestamp, as in LSR: units of 1/65,536 s.
pub const fn ntp_middle(ntp: u64) -> u32 {
    (ntp >> 16) as u32
}

/// The round trip that a report block about our own packets tells (RFC 3550 section 6.4.1):
/// now, minus when we sent the report it answers, minus how long it lay at the peer.
///
/// `None` when the peer had no report of ours, or the result would be negative (clocks that
/// jumped, a forged report).
pub fn round_trip(ntp_now: u64, last_report: u32, delay_since_last: u32) -> Option<Duration> {
    if last_report == 0 {
        return None;
    }
    let passed = ntp_middle(ntp_now).wrapping_sub(last_report);
    let trip = passed.wrapping_sub(delay_since_last).cast_signed();
    let micros = u64::try_from((i64::from(trip) * 1_000_000) >> 16).ok()?;
    Some(Duration::from_micros(micros))
}
