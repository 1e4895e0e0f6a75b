//! The stream we send: numbers its packets and counts them for the sender report; no clock.

use crate::packet::Header;
use crate::rtcp::SenderInfo;

/// One source of ours. Sequence number and timestamp should begin at random (RFC 3550
/// section 5.1).
#[derive(Clone, Copy, Debug)]
pub struct Outgoing {
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    talk_begins: bool,
    packets: u32,
    octets: u32,
}

impl Outgoing {
    /// A source that has sent nothing.
    pub const fn new(ssrc: u32, sequence: u16, timestamp: u32) -> Outgoing {
        Outgoing {
            ssrc,
            sequence,
            timestamp,
            talk_begins: true,
            packets: 0,
            octets: 0,
        }
    }

    /// Our source number.
    pub const fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// The timestamp of the next packet.
    pub const fn timestamp(&self) -> u32 {
        self.timestamp
    }

    /// The header of the next packet of voice, with `ticks` of sound in `octets` of payload. The
    /// first one after silence has the marker (RFC 3551 section 4.1).
    pub const fn voice(&mut self, payload_type: u8, ticks: u32, octets: usize) -> Header {
        let header = self.header(payload_type, self.talk_begins, self.timestamp, octets);
        self.talk_begins = false;
        self.timestamp = self.timestamp.wrapping_add(ticks);
        header
    }

    /// The header of a packet about something that began at `timestamp`, as an event is (RFC 4733
    /// section 2.2.1). The clock does not move by it: whoever sends events in place of voice
    /// calls [`Outgoing::pass`] as well.
    pub const fn event(
        &mut self,
        payload_type: u8,
        marker: bool,
        timestamp: u32,
        octets: usize,
    ) -> Header {
        self.header(payload_type, marker, timestamp, octets)
    }

    /// Lets time pass in which no voice is sent; the next packet of voice begins a new talk.
    pub const fn pass(&mut self, ticks: u32) {
        self.timestamp = self.timestamp.wrapping_add(ticks);
        self.talk_begins = true;
    }

    /// What a sender report tells about us. `ntp` is now; `ticks_since` have passed since the
    /// timestamp of the next packet was due, usually 0.
    pub const fn sender_info(&self, ntp: u64, ticks_since: u32) -> SenderInfo {
        SenderInfo {
            ntp,
            rtp_timestamp: self.timestamp.wrapping_add(ticks_since),
            packets: self.packets,
            octets: self.octets,
        }
    }

    const fn header(
        &mut self,
        payload_type: u8,
        marker: bool,
        timestamp: u32,
        octets: usize,
    ) -> Header {
        let header = Header {
            marker,
            payload_type,
            sequence: self.sequence,
            timestamp,
            ssrc: self.ssrc,
        };
        self.sequence = self.sequence.wrapping_add(1);
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(octets as u32);
        header
    }
}
