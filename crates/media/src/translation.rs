//! What the packets of a party are called on the other side of its bridge; no sound is touched.

use fernamt_exchange::media::Translation;
use fernamt_rtp::event::translation::{EventTranslation, set_payload_type};
use fernamt_rtp::packet::Header;

/// Payload types that are given other numbers, at most: as many as there are.
const MAX_TRANSLATIONS: usize = 128;

/// The translations of one party; usually none.
#[derive(Debug, Default)]
pub(crate) struct Translations(Box<[Translation]>);

impl Translations {
    pub(crate) fn new(translations: &[Translation]) -> Translations {
        let first = translations.iter().take(MAX_TRANSLATIONS).copied();
        Translations(first.collect())
    }

    /// Gives a packet the number of the other side, in place. `None` when it cannot be translated.
    #[inline]
    pub(crate) fn apply(&self, packet: &mut [u8]) -> Option<()> {
        if self.0.is_empty() {
            return Some(());
        }
        let payload_type = Header::peek(packet)?.payload_type;
        let found = self.0.iter().find(|known| known.from == payload_type);
        match found {
            None => Some(()),
            Some(&Translation {
                to,
                event_clocks: None,
                ..
            }) => set_payload_type(packet, to),
            Some(&Translation {
                to,
                event_clocks: Some((from_hertz, to_hertz)),
                ..
            }) => EventTranslation {
                payload_type: to,
                from_hertz,
                to_hertz,
            }
            .apply(packet),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(payload_type: u8, payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x80, payload_type];
        packet.extend([0; 10]);
        packet.extend(payload);
        packet
    }

    #[test]
    fn numbers_and_durations_become_those_of_the_other_side() {
        let translations = Translations::new(&[
            Translation {
                from: 96,
                to: 101,
                event_clocks: Some((48_000, 8_000)),
            },
            Translation {
                from: 111,
                to: 98,
                event_clocks: None,
            },
        ]);
        let mut event = packet(96 | 0x80, &[1, 10, 0x25, 0x80]);
        assert_eq!(translations.apply(&mut event), Some(()));
        assert_eq!(event, packet(101 | 0x80, &[1, 10, 0x06, 0x40]));
        let mut voice = packet(111, &[1, 2, 3]);
        assert_eq!(translations.apply(&mut voice), Some(()));
        assert_eq!(voice, packet(98, &[1, 2, 3]));
        let mut other = packet(0, &[1, 2, 3]);
        assert_eq!(translations.apply(&mut other), Some(()));
        assert_eq!(other, packet(0, &[1, 2, 3]));
    }
}
