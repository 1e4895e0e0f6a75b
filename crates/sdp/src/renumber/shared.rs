//! Payload types of sections that share one transport: over all of them a number means one thing
//! (RFC 9143 section 9.1.1). Which formats need another number for the reader; no line is written.

use super::{PayloadMap, PayloadPair, bit};
use crate::MAX_FORMATS;
use crate::format::{Format, RtpMap};
use crate::media::{Media, MediaKind};

/// Numbers that are given away: those for dynamic use (RFC 3551 section 6), and after them what is
/// not assigned and cannot be taken for RTCP (RFC 5761 section 4).
const FREE: [core::ops::RangeInclusive<u8>; 2] = [96..=127, 35..=63];

/// What a number stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Meaning<'m> {
    kind: MediaKind<'m>,
    map: RtpMap<'m>,
    parameters: Option<&'m str>,
    /// The only section in which it stands for that, where it names others by their numbers and
    /// these have changed.
    only: Option<usize>,
}

/// Gives every section the numbers by which the reader is to know its formats, so that a number
/// means one thing in all of them. A section that is not among those that share a transport is
/// `None`. `agreed` gives the number that a format of a section was given before, be it its own or
/// another: it stays (RFC 3264 section 8.3.2).
///
/// [`PayloadMap::to_offered`] is the way from the writer's number to that of the reader. A format for
/// which no number is left is [dropped](PayloadMap::drops).
pub fn numbers_in_one_transport(
    sections: &[Option<&Media<'_>>],
    agreed: impl Fn(usize, u8) -> Option<u8>,
) -> Vec<PayloadMap> {
    let mut sharing = Sharing::new(sections);
    for refers in [false, true] {
        for again in [true, false] {
            sharing.place(refers, again, &agreed);
        }
    }
    sharing.maps
}

struct Sharing<'m> {
    sections: Vec<(usize, MediaKind<'m>, Vec<Format<'m>>)>,
    meanings: Vec<Option<Meaning<'m>>>,
    /// Every number of the writer, and every one that was given to the reader.
    taken: u128,
    maps: Vec<PayloadMap>,
}

impl<'m> Sharing<'m> {
    fn new(sections: &[Option<&Media<'m>>]) -> Sharing<'m> {
        let listed = sections.iter().enumerate();
        let listed = listed.filter_map(|(place, media)| {
            let media = media.filter(|media| media.protocol.is_rtp())?;
            Some((place, media.kind, media.codecs().collect()))
        });
        let sections_listed: Vec<(_, _, Vec<Format<'_>>)> = listed.collect();
        let formats = sections_listed.iter().flat_map(|(_, _, formats)| formats);
        Sharing {
            taken: formats.fold(0, |all, format| all | bit(format.payload_type)),
            sections: sections_listed,
            meanings: vec![None; MAX_FORMATS],
            maps: vec![PayloadMap::default(); sections.len()],
        }
    }

    /// Places the formats that do, or do not, name others, and those first that have been placed
    /// before.
    fn place(&mut self, refers: bool, again: bool, agreed: &impl Fn(usize, u8) -> Option<u8>) {
        let sections = core::mem::take(&mut self.sections);
        for (section, kind, formats) in &sections {
            for format in formats {
                let number = format.payload_type;
                let known = agreed(*section, number);
                // What every phone knows by its number alone keeps it.
                let is_static = RtpMap::of_static(number).is_some();
                if is_static || is_reference(format) != refers || known.is_some() != again {
                    continue;
                }
                let meaning = self.meaning(*section, *kind, format);
                self.place_one(*section, number, known.unwrap_or(number), meaning);
            }
        }
        self.sections = sections;
    }

    fn meaning(&self, section: usize, kind: MediaKind<'m>, format: &Format<'m>) -> Meaning<'m> {
        let has_changed = self.maps.get(section).is_some_and(|map| !map.is_identity());
        Meaning {
            kind,
            map: format.map,
            parameters: format.parameters.map(str::trim_ascii),
            only: (is_reference(format) && has_changed).then_some(section),
        }
    }

    fn place_one(&mut self, section: usize, own: u8, wanted: u8, meaning: Meaning<'m>) {
        let is_free = |known: &Option<Meaning<'_>>| known.is_none_or(|known| known == meaning);
        let fits = self.meanings.get(usize::from(wanted)).is_some_and(is_free);
        let given = match fits {
            true => Some(wanted),
            false => self.free_number(),
        };
        let Some(map) = self.maps.get_mut(section) else {
            return;
        };
        let Some(given) = given else {
            map.dropped |= bit(own);
            return;
        };
        self.taken |= bit(given);
        if let Some(place) = self.meanings.get_mut(usize::from(given)) {
            *place = Some(meaning);
        }
        // A number that stands twice in an m-line means the same both times.
        if given != own && map.pairs.iter().all(|pair| pair.answered != own) {
            map.pairs.push(PayloadPair {
                offered: given,
                answered: own,
                event_clocks: None,
            });
        }
    }

    fn free_number(&self) -> Option<u8> {
        let mut numbers = FREE.into_iter().flatten();
        numbers.find(|number| self.taken & bit(*number) == 0)
    }
}

/// Whether a format names others by their numbers: retransmission (RFC 4588), redundancy (RFC 2198).
fn is_reference(format: &Format<'_>) -> bool {
    ["rtx", "red"]
        .iter()
        .any(|name| format.map.encoding.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::description::SessionDescription;

    fn maps(sections: &str, agreed: impl Fn(usize, u8) -> Option<u8>) -> Vec<Vec<(u8, u8)>> {
        let text = format!(
            "v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\n{sections}"
        );
        let parsed = SessionDescription::parse(text.as_bytes()).unwrap();
        let media: Vec<_> = parsed.media().iter().map(Some).collect();
        let maps = numbers_in_one_transport(&media, agreed);
        let pairs = |map: &PayloadMap| {
            map.pairs()
                .iter()
                .map(|pair| (pair.answered, pair.offered))
                .collect()
        };
        maps.iter().map(pairs).collect()
    }

    const NEVER: fn(usize, u8) -> Option<u8> = |_, _| None;

    #[test]
    fn a_number_that_means_two_things_is_given_to_the_first() {
        let sections = "m=audio 4000 RTP/AVP 96 8\r\na=rtpmap:96 opus/48000/2\r\n\
                        m=video 4002 RTP/AVP 96 97\r\na=rtpmap:96 VP8/90000\r\na=rtpmap:97 H264/90000\r\n";
        assert_eq!(maps(sections, NEVER), [vec![], vec![(96, 98)]]);
    }

    #[test]
    fn what_means_the_same_keeps_its_number() {
        let sections = "m=audio 4000 RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n\
                        m=audio 4002 RTP/AVP 8 101\r\na=rtpmap:101 Telephone-Event/8000\r\na=fmtp:101 0-15\r\n";
        assert_eq!(maps(sections, NEVER), [vec![], vec![]]);
        let other = sections.replacen("0-15", "0-16", 1);
        assert_eq!(maps(&other, NEVER), [vec![], vec![(101, 96)]]);
    }

    #[test]
    fn what_names_others_goes_with_them() {
        let video = "RTP/AVP 96 97\r\na=rtpmap:96 VP8/90000\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n";
        let audio = "m=audio 4000 RTP/AVP 96\r\na=rtpmap:96 opus/48000/2\r\n";
        let sections = format!("m=video 4000 {video}m=video 4002 {video}");
        assert_eq!(maps(&sections, NEVER), [vec![], vec![]]);
        let sections = format!("{audio}{sections}");
        // Both sections give VP8 the same other number; the retransmissions have one each.
        let expected = [vec![], vec![(96, 98)], vec![(96, 99), (97, 100)]];
        let found = maps(&sections, NEVER);
        assert_eq!(found[0], expected[0]);
        assert_eq!(found[1], expected[1]);
        assert!(found[2].iter().any(|(own, _)| *own == 97), "{found:?}");
    }

    #[test]
    fn a_number_that_was_given_before_stays() {
        let sections = "m=audio 4000 RTP/AVP 98 96\r\na=rtpmap:96 opus/48000/2\r\na=rtpmap:98 speex/8000\r\n\
                        m=video 4002 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n";
        let agreed = |section, number| (section == 1 && number == 96).then_some(98);
        assert_eq!(maps(sections, agreed), [vec![(98, 97)], vec![(96, 98)]]);
        // Also where it is its own.
        let agreed = |section, number| (section == 1 && number == 96).then_some(96);
        assert_eq!(maps(sections, agreed), [vec![(96, 97)], vec![]]);
    }

    #[test]
    fn without_a_number_that_is_left_a_format_goes() {
        let free = FREE.into_iter().flatten().count();
        let section = |count: usize, first: u8| {
            let numbers: Vec<u8> = FREE.into_iter().flatten().take(count).collect();
            let list: Vec<String> = numbers.iter().map(u8::to_string).collect();
            let maps = numbers
                .iter()
                .map(|number| format!("a=rtpmap:{number} x{first}-{number}/8000\r\n"));
            format!(
                "m=audio 4000 RTP/AVP {}\r\n{}",
                list.join(" "),
                maps.collect::<String>()
            )
        };
        let text = |own: usize| {
            let sections = section(free - 1, 0) + &section(own, 1);
            format!(
                "v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\n{sections}"
            )
        };
        for (own, dropped) in [(1, 0), (2, 1)] {
            let text = text(own);
            let parsed = SessionDescription::parse(text.as_bytes()).unwrap();
            let media: Vec<_> = parsed.media().iter().map(Some).collect();
            let maps = numbers_in_one_transport(&media, NEVER);
            assert_eq!(maps[1].dropped().count_ones(), dropped);
            assert_eq!(maps[1].pairs().len(), 1);
        }
    }
}
