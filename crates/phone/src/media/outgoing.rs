//! The voice that goes out: samples to RTP packets. No socket, no clock.

use fernamt_codec::{FRAME_SAMPLES, Frame};
use fernamt_rtp::Header;
use fernamt_rtp::packet::HEADER_BYTES;

use super::control::Sent;
use super::plan::{MediaPlan, Voice};

/// Samples of the longest packet: 60 ms.
const MAX_PACKET_SAMPLES: usize = 3 * FRAME_SAMPLES;

/// Samples of a millisecond.
const SAMPLES_PER_MILLISECOND: usize = 8;

/// One stream of packets.
#[derive(Debug)]
pub(super) struct Outgoing {
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    /// The next packet is the first of talk (RFC 3551 section 4.1).
    marker: bool,
    /// Samples that wait until a packet is full.
    waiting: Vec<i16>,
    packets: u64,
    octets: u64,
}

impl Outgoing {
    /// A stream; where its numbers begin is to be random (RFC 3550 section 5.1).
    pub(super) fn new(ssrc: u32, sequence: u16, timestamp: u32) -> Outgoing {
        let waiting = Vec::with_capacity(MAX_PACKET_SAMPLES + FRAME_SAMPLES);
        Outgoing {
            ssrc,
            sequence,
            timestamp,
            marker: true,
            waiting,
            packets: 0,
            octets: 0,
        }
    }

    /// Takes 20 ms of voice, and gives each packet that is full.
    pub(super) fn frame(&mut self, plan: &MediaPlan, frame: &Frame, mut send: impl FnMut(&[u8])) {
        self.waiting.extend_from_slice(frame);
        let length = usize::from(plan.ptime_milliseconds) * SAMPLES_PER_MILLISECOND;
        let length = length.clamp(FRAME_SAMPLES / 2, MAX_PACKET_SAMPLES);
        while self.waiting.len() >= length {
            let mut packet = [0; HEADER_BYTES + MAX_PACKET_SAMPLES];
            let size = self.encode(plan.voice, plan.payload_type, length, &mut packet);
            send(packet.get(..size).unwrap_or(&[]));
            self.waiting.drain(..length);
        }
    }

    fn encode(
        &mut self,
        voice: Voice,
        payload_type: u8,
        length: usize,
        packet: &mut [u8],
    ) -> usize {
        let header = Header {
            marker: core::mem::take(&mut self.marker),
            payload_type,
            sequence: self.sequence,
            timestamp: self.timestamp,
            ssrc: self.ssrc,
        };
        let Some((head, body)) = packet.split_first_chunk_mut::<HEADER_BYTES>() else {
            return 0;
        };
        *head = header.to_bytes();
        let samples = self.waiting.get(..length).unwrap_or(&[]);
        let written = voice.law().encode(samples, body);
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(length as u32);
        self.packets += 1;
        self.octets += written as u64;
        HEADER_BYTES + written
    }

    /// Lets 20 ms go by in silence: the clock of the timestamps runs on (RFC 3550 section 5.1).
    pub(super) fn pause(&mut self) {
        self.waiting.clear();
        self.timestamp = self.timestamp.wrapping_add(FRAME_SAMPLES as u32);
        self.marker = true;
    }

    /// What has been sent.
    pub(super) fn sent(&self) -> Sent {
        Sent {
            packets: self.packets,
            octets: self.octets,
            timestamp: self.timestamp,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::plan;
    use super::*;
    use fernamt_rtp::Packet;

    fn packets(ptime_milliseconds: u16, frames: usize) -> Vec<(Header, usize)> {
        let plan = MediaPlan {
            ptime_milliseconds,
            ..plan()
        };
        let mut stream = Outgoing::new(7, u16::MAX, u32::MAX);
        let mut packets = Vec::new();
        for _ in 0..frames {
            stream.frame(&plan, &[1_000; FRAME_SAMPLES], |bytes| {
                let packet = Packet::parse(bytes).expect("RTP");
                packets.push((packet.header, packet.payload.len()));
            });
        }
        packets
    }

    #[test]
    fn packets_have_the_length_that_was_agreed_and_count_without_gaps() {
        for (ptime, frames, count, bytes) in [
            (20, 6, 6, 160),
            (10, 6, 12, 80),
            (30, 6, 4, 240),
            (60, 6, 2, 480),
        ] {
            let packets = packets(ptime, frames);
            assert_eq!(packets.len(), count, "{ptime}");
            for (index, (header, length)) in packets.iter().enumerate() {
                assert_eq!(*length, bytes);
                assert_eq!(header.marker, index == 0);
                assert_eq!(header.sequence, u16::MAX.wrapping_add(index as u16));
                assert_eq!(
                    header.timestamp,
                    u32::MAX.wrapping_add((index * bytes) as u32)
                );
            }
        }
    }

    #[test]
    fn after_a_pause_the_marker_stands_and_time_has_gone_on() {
        let plan = plan();
        let mut stream = Outgoing::new(7, 0, 0);
        stream.frame(&plan, &[0; FRAME_SAMPLES], |_| {});
        stream.pause();
        let mut header = None;
        stream.frame(&plan, &[0; FRAME_SAMPLES], |bytes| {
            header = Header::peek(bytes)
        });
        let header = header.expect("a packet");
        assert!(header.marker);
        assert_eq!((header.sequence, header.timestamp), (1, 320));
    }
}
