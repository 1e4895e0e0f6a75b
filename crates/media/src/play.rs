//! Playing to a party: octets become packets, one each 20 ms. When 20 ms have passed is not known
//! here.

use std::sync::Arc;

use fernamt_rtp::packet::{HEADER_BYTES, Header};

use crate::announcement::FRAME_SAMPLES;

/// Bytes of a packet of 20 ms.
pub(crate) const PACKET_BYTES: usize = HEADER_BYTES + FRAME_SAMPLES;

/// Microseconds from packet to packet.
pub(crate) const FRAME_MICROS: u64 = 20_000;

/// What is being played, and how far.
#[derive(Debug)]
pub(crate) struct Playing {
    /// Tells this order to play from the next one on the same endpoint.
    pub(crate) serial: u64,
    octets: Arc<[u8]>,
    position: usize,
    payload_type: u8,
}

impl Playing {
    pub(crate) fn new(serial: u64, octets: Arc<[u8]>, payload_type: u8) -> Playing {
        Playing {
            serial,
            octets,
            position: 0,
            payload_type,
        }
    }

    /// Whether it has been played to its end.
    pub(crate) fn is_over(&self) -> bool {
        self.position >= self.octets.len()
    }

    /// The next packet; `None` at the end.
    pub(crate) fn next_packet(
        &mut self,
        outgoing: &mut Outgoing,
        now_micros: u64,
    ) -> Option<[u8; PACKET_BYTES]> {
        let frame = self
            .octets
            .get(self.position..self.position + FRAME_SAMPLES)?;
        if self.position == 0 {
            outgoing.begin(now_micros);
        }
        let header = outgoing.next_header(self.payload_type, self.position == 0, now_micros);
        self.position += FRAME_SAMPLES;
        let mut packet = [0; PACKET_BYTES];
        let (head, payload) = packet.split_at_mut(HEADER_BYTES);
        head.copy_from_slice(&header.to_bytes());
        payload.copy_from_slice(frame);
        Some(packet)
    }
}

/// The stream of an endpoint that we make ourselves. It is one stream however often something is
/// played (RFC 3550 section 5.1): its numbers start at random and then only go on.
#[derive(Debug)]
pub(crate) struct Outgoing {
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    last_micros: Option<u64>,
}

impl Outgoing {
    pub(crate) fn new(random: u64, more_random: u32) -> Outgoing {
        let [s0, s1, t0, t1, t2, t3, ..] = random.to_le_bytes();
        Outgoing {
            ssrc: more_random,
            sequence: u16::from_le_bytes([s0, s1]),
            timestamp: u32::from_le_bytes([t0, t1, t2, t3]),
            last_micros: None,
        }
    }

    /// Lets the timestamp pass over the pause since the last packet.
    fn begin(&mut self, now_micros: u64) {
        let Some(last_micros) = self.last_micros else {
            return;
        };
        let pause = now_micros
            .saturating_sub(last_micros)
            .saturating_sub(FRAME_MICROS);
        // 8 ticks a millisecond; the timestamp wraps as it does anyway.
        self.timestamp = self.timestamp.wrapping_add((pause * 8 / 1_000) as u32);
    }

    fn next_header(&mut self, payload_type: u8, marker: bool, now_micros: u64) -> Header {
        let header = Header {
            marker,
            payload_type,
            sequence: self.sequence,
            timestamp: self.timestamp,
            ssrc: self.ssrc,
        };
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(FRAME_SAMPLES as u32);
        self.last_micros = Some(now_micros);
        header
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fernamt_rtp::Packet;

    fn headers(playing: &mut Playing, outgoing: &mut Outgoing, start_micros: u64) -> Vec<Header> {
        let ticks = (0..).map(|tick| start_micros + tick * FRAME_MICROS);
        ticks
            .map_while(|now| playing.next_packet(outgoing, now))
            .map(|packet| Packet::parse(&packet).unwrap().header)
            .collect()
    }

    #[test]
    fn a_stream_is_one_frame_a_packet_with_the_marker_on_the_first() {
        let octets: Arc<[u8]> = (0..480_u32).map(|n| n as u8).collect();
        let mut playing = Playing::new(1, octets.clone(), 8);
        let mut outgoing = Outgoing::new(0xffff, 7);
        let mut heard = Vec::new();
        for tick in 0..3 {
            assert!(!playing.is_over());
            let packet = playing
                .next_packet(&mut outgoing, tick * FRAME_MICROS)
                .unwrap();
            let packet = Packet::parse(&packet).unwrap();
            assert_eq!(packet.header.marker, tick == 0);
            assert_eq!(packet.header.sequence, 0xffff_u16.wrapping_add(tick as u16));
            assert_eq!(packet.header.timestamp, tick as u32 * 160);
            assert_eq!((packet.header.ssrc, packet.header.payload_type), (7, 8));
            heard.extend_from_slice(packet.payload);
        }
        assert!(playing.is_over());
        assert_eq!(playing.next_packet(&mut outgoing, 60_000), None);
        assert_eq!(heard, *octets);
    }

    #[test]
    fn the_second_order_goes_on_with_the_same_stream_after_the_pause() {
        let octets: Arc<[u8]> = vec![0; 320].into();
        let mut outgoing = Outgoing::new(0, 7);
        let first = headers(&mut Playing::new(1, octets.clone(), 8), &mut outgoing, 0);
        let second = headers(&mut Playing::new(2, octets, 8), &mut outgoing, 1_000_000);
        assert_eq!(second[0].sequence, first[1].sequence + 1);
        assert_eq!(second[0].timestamp, 8_000);
        assert!(second[0].marker);
    }
}
