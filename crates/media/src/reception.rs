//! Counting what a party sends, over all the sources (SSRC) it uses one after the other; no packet is
//! kept.

use fernamt_exchange::media::{ClockRate, Remote, Statistics};
use fernamt_rtp::packet::Header;
use fernamt_rtp::statistics::Receiver;

/// There are no more payload types.
const MAX_CLOCK_RATES: usize = 128;

/// The party's stream, counted.
#[derive(Debug, Default)]
pub(crate) struct Reception {
    packets: u64,
    bytes: u64,
    current: Option<Source>,
    /// Lost from the sources before the current one.
    lost_before: u64,
    /// The clocks of what the party may send, beside those of static payload types.
    clock_rates: Box<[ClockRate]>,
}

#[derive(Debug)]
struct Source {
    ssrc: u32,
    receiver: Receiver,
    /// Of the last packet.
    payload_type: u8,
    /// The clock of the last packet is known, so that its timestamp tells the jitter.
    is_timed: bool,
    /// A packet was timed.
    has_timed: bool,
    /// More than one was: one alone is neither late nor early.
    has_jitter: bool,
}

impl Reception {
    /// Takes note of what the party may send from now on.
    pub(crate) fn describe(&mut self, remote: &Remote) {
        let rates = remote.clock_rates.iter().take(MAX_CLOCK_RATES);
        self.clock_rates = rates.copied().collect();
        if let Some(source) = &mut self.current {
            let clock = clock_rate(&self.clock_rates, source.payload_type);
            source.begin_codec(source.payload_type, clock);
        }
    }

    #[inline]
    pub(crate) fn count(&mut self, header: Header, bytes: usize, now_micros: u64) {
        self.packets += 1;
        self.bytes += bytes as u64;
        match &mut self.current {
            Some(source)
                if source.ssrc == header.ssrc && source.payload_type == header.payload_type =>
            {
                source.count(header, now_micros);
            }
            _ => self.begin(header, now_micros),
        }
    }

    /// Counts a datagram that is not RTP.
    pub(crate) fn count_other(&mut self, bytes: usize) {
        self.packets += 1;
        self.bytes += bytes as u64;
    }

    /// Another source, or another codec of the same.
    #[cold]
    fn begin(&mut self, header: Header, now_micros: u64) {
        let clock = clock_rate(&self.clock_rates, header.payload_type);
        let is_same = |source: &&mut Source| source.ssrc == header.ssrc;
        if let Some(source) = self.current.as_mut().filter(is_same) {
            source.begin_codec(header.payload_type, clock);
            return source.count(header, now_micros);
        }
        let mut source = Source {
            ssrc: header.ssrc,
            receiver: Receiver::new(clock.unwrap_or(8_000)),
            payload_type: header.payload_type,
            is_timed: clock.is_some(),
            has_timed: false,
            has_jitter: false,
        };
        source.count(header, now_micros);
        if let Some(before) = self.current.replace(source) {
            self.lost_before += before.receiver.summary().lost;
        }
    }

    /// The figures so far; those about sending are left at zero.
    pub(crate) fn statistics(&self) -> Statistics {
        let (mut lost, mut jitter_micros) = (self.lost_before, None);
        if let Some(source) = &self.current {
            lost += source.receiver.summary().lost;
            if source.has_jitter {
                let jitter = source.receiver.jitter_now().as_micros();
                jitter_micros = Some(u32::try_from(jitter).unwrap_or(u32::MAX));
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

impl Source {
    #[inline]
    fn count(&mut self, header: Header, now_micros: u64) {
        if self.is_timed {
            if !self.has_jitter {
                self.note_timed();
            }
            let receiver = &mut self.receiver;
            receiver.packet(header.sequence, header.timestamp, now_micros);
        } else {
            self.receiver.untimed_packet(header.sequence);
        }
    }

    #[cold]
    fn note_timed(&mut self) {
        self.has_jitter = self.has_timed;
        self.has_timed = true;
    }

    fn begin_codec(&mut self, payload_type: u8, clock: Option<u32>) {
        self.payload_type = payload_type;
        self.is_timed = clock.is_some();
        if let Some(clock) = clock {
            self.receiver.set_clock_rate(clock);
        }
    }
}

/// The clock of a payload type, as described or as everybody knows it.
fn clock_rate(described: &[ClockRate], payload_type: u8) -> Option<u32> {
    let mut described = described.iter();
    let found = described.find(|clock| clock.payload_type == payload_type);
    found
        .map(|clock| clock.hertz)
        .filter(|hertz| *hertz > 0)
        .or_else(|| static_clock_rate(payload_type))
}

/// The clock of a static payload type (RFC 3551 tables 4 and 5).
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

    /// Counts a second of packets that come 5 ms early or late by turns.
    fn jitter(reception: &mut Reception, payload_type: u8, ticks: u32) -> Option<u32> {
        for sequence in 1..100_u16 {
            let wander = u64::from(sequence % 2) * 5_000;
            let now_micros = u64::from(sequence) * 20_000 + wander;
            let packet = Header {
                timestamp: u32::from(sequence) * ticks,
                ..packet(1, sequence, payload_type)
            };
            reception.count(packet, 172, now_micros);
        }
        reception.statistics().jitter_micros
    }

    fn described(clock_rates: &[(u8, u32)]) -> Reception {
        let mut reception = Reception::default();
        let rate = |&(payload_type, hertz): &(u8, u32)| ClockRate {
            payload_type,
            hertz,
        };
        reception.describe(&Remote {
            clock_rates: clock_rates.iter().map(rate).collect(),
            ..Remote::plain("198.51.100.7:4000".parse().unwrap())
        });
        reception
    }

    #[test]
    fn jitter_is_told_where_the_clock_is_known() {
        for (payload_type, ticks, is_known) in [
            (0, 160, true),
            (8, 160, true),
            (111, 960, true),
            (96, 320, true),
            (110, 160, false),
        ] {
            let mut reception = described(&[(111, 48_000), (96, 16_000)]);
            let jitter = jitter(&mut reception, payload_type, ticks);
            let is_right = jitter.map(|jitter| (4_000..6_000).contains(&jitter));
            assert_eq!(
                is_right,
                is_known.then_some(true),
                "{payload_type}: {jitter:?}"
            );
        }
    }

    #[test]
    fn a_clock_that_is_described_while_packets_flow_is_used_from_then_on() {
        let mut reception = described(&[]);
        assert_eq!(jitter(&mut reception, 111, 960), None);
        let clocks = described(&[(111, 48_000)]).clock_rates;
        reception.describe(&Remote {
            clock_rates: clocks.into_vec(),
            ..Remote::plain("198.51.100.7:4000".parse().unwrap())
        });
        let jitter = jitter(&mut reception, 111, 960).unwrap();
        assert!((4_000..6_000).contains(&jitter), "{jitter}");
    }

    #[test]
    fn another_codec_of_the_same_source_loses_nothing_and_is_no_jitter() {
        let mut reception = described(&[(111, 48_000)]);
        let codec = |sequence: u16| match sequence % 20 {
            0..10 => (111, 960),
            10..15 => (8, 160),
            // A key that is pressed, of which no clock is told.
            _ => (101, 1),
        };
        for sequence in 1..400_u16 {
            let (payload_type, ticks) = codec(sequence);
            let packet = Header {
                timestamp: u32::from(sequence) * ticks,
                ..packet(1, sequence, payload_type)
            };
            reception.count(packet, 172, u64::from(sequence) * 20_000);
        }
        let statistics = reception.statistics();
        assert_eq!(statistics.packets_lost, 0);
        assert_eq!(statistics.jitter_micros, Some(0));
    }

    #[test]
    fn more_clocks_than_there_are_payload_types_are_passed_over() {
        let rates: Vec<(u8, u32)> = (0..=128).map(|number| (number, 48_000)).collect();
        assert_eq!(described(&rates).clock_rates.len(), MAX_CLOCK_RATES);
    }
}
