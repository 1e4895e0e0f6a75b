//! Events from one side's number and clock to the other's (RFC 4733), in place; no timestamp, no
//! sound, no tones.

use crate::packet::{HEADER_BYTES, Packet};

use super::EVENT_BYTES;

/// What telephone-event is on one side, and on the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventTranslation {
    /// The payload type there.
    pub payload_type: u8,
    /// The clock rate here, in Hz.
    pub from_hertz: u32,
    /// The clock rate there, in Hz.
    pub to_hertz: u32,
}

impl EventTranslation {
    /// Gives a packet of events the payload type and the durations of the other side; marker, number
    /// and timestamp stay. `None`, and an unchanged packet, when it is no packet or has no whole event.
    ///
    /// A duration that is too long for its field at the other rate becomes the longest one
    /// (RFC 4733 section 2.5.1.3 would begin a new segment, which is a matter of several packets); a
    /// key is seen to go down and to come up all the same.
    pub fn apply(&self, packet: &mut [u8]) -> Option<()> {
        let parsed = Packet::parse(packet).ok()?;
        let length = parsed.payload.len();
        if length < EVENT_BYTES {
            return None;
        }
        let begin = packet.len() - usize::from(parsed.padding) - length;
        if self.from_hertz != self.to_hertz {
            let events = packet.get_mut(begin..begin + length)?;
            for event in events.chunks_exact_mut(EVENT_BYTES) {
                self.scale_duration(event)?;
            }
        }
        set_payload_type(packet, self.payload_type)
    }

    fn scale_duration(&self, event: &mut [u8]) -> Option<()> {
        let duration = event.last_chunk_mut::<2>()?;
        let ticks = scale(
            u64::from(u16::from_be_bytes(*duration)),
            self.from_hertz,
            self.to_hertz,
        );
        *duration = u16::try_from(ticks).unwrap_or(u16::MAX).to_be_bytes();
        Some(())
    }
}

/// Gives a packet another payload type; its marker stays. `None` when it is too short.
#[inline]
pub fn set_payload_type(packet: &mut [u8], payload_type: u8) -> Option<()> {
    let header = packet.first_chunk_mut::<HEADER_BYTES>()?;
    let [_, second, ..] = header;
    *second = (*second & 0x80) | (payload_type & 0x7f);
    Some(())
}

/// Ticks of one clock as ticks of another, rounded to the nearest; a rate of 0 is none.
fn scale(ticks: u64, from_hertz: u32, to_hertz: u32) -> u64 {
    let from = u64::from(from_hertz.max(1));
    (ticks * u64::from(to_hertz) + from / 2) / from
}
