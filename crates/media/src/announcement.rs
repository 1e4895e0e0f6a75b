//! The spoken announcements that come with the program, as octets of G.711 ready to be sent; no time
//! and no packet.

use std::sync::{Arc, OnceLock};

use fernamt_codec::g711::Law;
use fernamt_exchange::media::{Announcement, Codec};

use crate::wave;

/// Samples, and octets of G.711, in one packet of 20 ms at 8 kHz.
pub const FRAME_SAMPLES: usize = 160;

/// "The number you have dialled is not known."
const NUMBER_NOT_KNOWN_ENGLISH: &[u8] =
    include_bytes!("../assets/announcements/en/number-not-known.wav");

/// „Die gewählte Rufnummer ist nicht bekannt.“
const NUMBER_NOT_KNOWN_GERMAN: &[u8] =
    include_bytes!("../assets/announcements/de/number-not-known.wav");

/// The languages there are announcements in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// German.
    German,
}

/// The file of an announcement: a WAV file, 8 kHz, 16 bits, one channel.
pub fn file(announcement: Announcement, language: Language) -> &'static [u8] {
    match (announcement, language) {
        (Announcement::NumberNotKnown, Language::English) => NUMBER_NOT_KNOWN_ENGLISH,
        (Announcement::NumberNotKnown, Language::German) => NUMBER_NOT_KNOWN_GERMAN,
    }
}

/// The announcements of one language, encoded when first asked for.
#[derive(Debug)]
pub(crate) struct Announcements {
    language: Language,
    number_not_known: [OnceLock<Arc<[u8]>>; 2],
}

impl Announcements {
    pub(crate) fn new(language: Language) -> Announcements {
        Announcements {
            language,
            number_not_known: Default::default(),
        }
    }

    /// The octets of an announcement, a whole number of frames.
    pub(crate) fn octets(&self, announcement: Announcement, codec: Codec) -> Arc<[u8]> {
        let [pcma, pcmu] = match announcement {
            Announcement::NumberNotKnown => &self.number_not_known,
        };
        let (cell, law) = match codec {
            Codec::Pcma => (pcma, Law::A),
            Codec::Pcmu => (pcmu, Law::Mu),
        };
        cell.get_or_init(|| encode(file(announcement, self.language), law))
            .clone()
    }
}

/// Encodes a file and fills its last frame with silence. A file that cannot be read is one frame of
/// silence, so that the call goes on; that those of the program can be read is tested.
fn encode(file: &[u8], law: Law) -> Arc<[u8]> {
    let samples = wave::samples(file).unwrap_or_default();
    let length = samples
        .len()
        .next_multiple_of(FRAME_SAMPLES)
        .max(FRAME_SAMPLES);
    let mut octets = vec![law.silence(); length];
    law.encode(&samples, &mut octets);
    octets.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LANGUAGES: [Language; 2] = [Language::English, Language::German];

    fn root_mean_square_dbfs(samples: &[i16]) -> f64 {
        let power: f64 = samples
            .iter()
            .map(|&sample| f64::from(sample).powi(2))
            .sum();
        10.0 * (power / samples.len() as f64 / 32_768.0_f64.powi(2)).log10()
    }

    #[test]
    fn every_announcement_is_speech_of_a_few_seconds_at_a_proper_level() {
        for language in LANGUAGES {
            let samples = wave::samples(file(Announcement::NumberNotKnown, language)).unwrap();
            assert!(
                (8_000..48_000).contains(&samples.len()),
                "{language:?}: {}",
                samples.len()
            );
            let level = root_mean_square_dbfs(&samples);
            assert!(
                (-22.0..-18.0).contains(&level),
                "{language:?}: {level} dBFS"
            );
            let clipped = samples
                .iter()
                .filter(|&&sample| sample.unsigned_abs() >= 32_767);
            assert_eq!(clipped.count(), 0, "{language:?}");
        }
    }

    #[test]
    fn the_octets_are_whole_frames_that_end_in_silence() {
        for language in LANGUAGES {
            let announcements = Announcements::new(language);
            for (codec, silence) in [(Codec::Pcma, 0xd5), (Codec::Pcmu, 0xff)] {
                let octets = announcements.octets(Announcement::NumberNotKnown, codec);
                let samples = wave::samples(file(Announcement::NumberNotKnown, language)).unwrap();
                assert_eq!(octets.len() % FRAME_SAMPLES, 0);
                assert!(
                    octets[samples.len()..]
                        .iter()
                        .all(|&octet| octet == silence)
                );
            }
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_is_one_frame_of_silence() {
        assert_eq!(*encode(b"no wave file", Law::Mu), [0xff; FRAME_SAMPLES]);
    }
}
