//! Counting what a party sends, over all the sources (SSRC) it uses one after the other; no packet is
//! kept.

use fernamt_exchange::media::Statistics;
use fernamt_rtp::packet::Header;
use fernamt_rtp::statistics::Receiver;

/// The party's stream, counted.
#[derive(Debug, Default)]
pub(crate) struct Reception {
    packets: u64,
    bytes: u64,
    current: Option<Source>,
    /// Lost from the sources before the current one.
    lost_before: u64,
}

#[derive(Debug)]
struct Source {
    ssrc: u32,
    receiver: Receiver,
    /// The clock is known, so that the timestamps tell the jitter.
    has_clock: bool,
}

impl Reception {
    #[inline]
    pub(crate) fn count(&mut self, header: Header, bytes: usize, now_micros: u64) {
        self.packets += 1;
        self.bytes += bytes as u64;
        match &mut self.current {
            Some(source) if source.ssrc == header.ssrc => {
                source
                    .receiver
                    .packet(header.sequence, header.timestamp, now_micros);
            }
            _ => self.begin(header, now_micros),
        }
    }

    /// Counts a datagram that is not RTP.
    pub(crate) fn count_other(&mut self, bytes: usize) {
        self.packets += 1;
        self.bytes += bytes as u64;
    }

    fn begin(&mut self, header: Header, now_micros: u64) {
        let clock = static_clock_rate(header.payload_type);
        let mut receiver = Receiver::new(clock.unwrap_or(8_000));
        receiver.packet(header.sequence, header.timestamp, now_micros);
        let source = Source {
            ssrc: header.ssrc,
            receiver,
            has_clock: clock.is_some(),
        };
        if let Some(before) = self.current.replace(source) {
            self.lost_before += before.receiver.summary().lost;
        }
    }

    /// The figures so far; those about sending are left at zero.
    pub(crate) fn statistics(&self) -> Statistics {
        let (mut lost, mut jitter_micros) = (self.lost_before, 0);
        if let Some(source) = &self.current {
            lost += source.receiver.summary().lost;
            if source.has_clock {
                let jitter = source.receiver.jitter_now().as_micros();
                jitter_micros = u32::try_from(jitter).unwrap_or(u32::MAX);
            }
        }
        Statistics {
            packets_received: self.packets,
            bytes_received: self.bytes,
            packets_lost: lost,
            jitter_micros,
            ..Statistics::default()
        }
    }
}

/// The clock of a static payload type (RFC 3551 tables 4 and 5). That of a dynamic one stands in the
/// session description, which is not known here.
fn static_clock_rate(payload_type: u8) -> Option<u32> {
    match payload_type {
        0 | 3 | 4 | 5 | 7 | 8 | 9 | 12 | 13 | 15 | 18 => Some(8_000),
        6 => Some(16_000),
        10 | 11 => Some(44_100),
        16 => Some(11_025),
        17 => Some(22_050),
        14 | 25 | 26 | 28 | 31..=34 => Some(90_000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(ssrc: u32, sequence: u16, payload_type: u8) -> Header {
        let timestamp = u32::from(sequence) * 160;
        Header {
            marker: false,
            payload_type,
            sequence,
            timestamp,
            ssrc,
        }
    }

    #[test]
    fn loss_is_summed_over_the_sources_of_a_party() {
        let mut reception = Reception::default();
        for (ssrc, sequence) in [(1, 1), (1, 2), (1, 5), (2, 900), (2, 902)] {
            reception.count(packet(ssrc, sequence, 8), 172, u64::from(sequence) * 20_000);
        }
        let statistics = reception.statistics();
        assert_eq!(statistics.packets_received, 5);
        assert_eq!(statistics.bytes_received, 5 * 172);
        assert_eq!(statistics.packets_lost, 2 + 1);
    }

    #[test]
    fn jitter_is_told_where_the_clock_is_known() {
        for (payload_type, is_known) in [(0, true), (8, true), (111, false)] {
            let mut reception = Reception::default();
            for sequence in 1..100_u16 {
                let wander = u64::from(sequence % 2) * 5_000;
                let now_micros = u64::from(sequence) * 20_000 + wander;
                reception.count(packet(1, sequence, payload_type), 172, now_micros);
            }
            let jitter = reception.statistics().jitter_micros;
            assert_eq!(
                (4_000..6_000).contains(&jitter),
                is_known,
                "{payload_type}: {jitter}"
            );
        }
    }
}
