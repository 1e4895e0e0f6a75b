//! What sections that share one transport must agree on in what we write (RFC 9143): the transport
//! itself, what a payload type means, what a header extension means. No packet is seen.

use fernamt_sdp::extmap::{MID_URI, free_id};
use fernamt_sdp::{
    Attribute, Bundle, ExtMap, Media, PayloadMap, SessionDescription, numbers_in_one_transport,
};

use super::ends::{End, Talk};
use super::write::Section;
use super::{Bridge, Side};

/// The largest identifier of a header extension that the media plane writes (RFC 8285 section 4.2).
const MAX_WRITTEN_ID: u8 = 14;

/// The longest name of a section that fits into such an extension (RFC 8285 section 4.2).
const MAX_WRITTEN_MID_BYTES: usize = 16;

/// The first section of a bundle that is not refused carries the others, and what they say of their
/// transport is what it says (RFC 9143 section 7.3). In an offer every section keeps its own until
/// the party has agreed.
pub(super) fn share_transports(sections: &mut [Section], is_answer: bool) {
    let Some(carrier) = sections.iter().position(Section::is_bundled) else {
        return;
    };
    let Some(shared) = sections.get(carrier) else {
        return;
    };
    let (address, common) = (shared.address, shared.transport.clone());
    for section in sections {
        let refused = section.address.is_none();
        let Some(own) = &mut section.transport else {
            continue;
        };
        if refused || own.bundle.is_none() {
            own.bundle = None;
            continue;
        }
        own.bundle = Some(Bundle {
            tagged: carrier,
            only: false,
        });
        if let Some(common) = common.as_ref().filter(|_| is_answer) {
            section.address = address;
            own.ice = common.ice.clone();
            own.cryptos = common.cryptos.clone();
            own.setup = common.setup;
        }
    }
}

/// Packets of a bundle say which section they are of (RFC 9143 section 9.1): in every section of an
/// offer the extension for it has the same number, which nothing else has.
pub(super) fn number_tags(description: &SessionDescription<'_>, sections: &mut [Section]) {
    let known = sections
        .iter()
        .filter(|section| section.is_bundled())
        .find_map(|section| section.transport.as_ref()?.mid_extension);
    let Some(id) = known.or_else(|| free_id(all_attributes(description))) else {
        return;
    };
    for section in sections.iter_mut().filter(|section| section.is_bundled()) {
        if let Some(own) = section.transport.as_mut().filter(|own| own.mid.is_some()) {
            own.mid_extension = own.mid_extension.or(Some(id));
        }
    }
}

/// The extension for the name of a section, as far as packets can be given it.
pub(super) fn tag_in_answer(extension: Option<u8>, mid: Option<&str>) -> Option<u8> {
    let fits = mid.is_some_and(|mid| mid.len() <= MAX_WRITTEN_MID_BYTES);
    extension.filter(|id| fits && (1..=MAX_WRITTEN_ID).contains(id))
}

/// The numbers of header extensions that would mean several things to a party whose streams share one
/// transport: a browser takes no such description. What they number is left out.
pub(super) fn ambiguous_extensions(
    description: &SessionDescription<'_>,
    sections: &[Section],
) -> Vec<u16> {
    if !sections.iter().any(Section::is_bundled) {
        return Vec::new();
    }
    let mut meanings: Vec<(u16, &str)> = sections
        .iter()
        .filter(|section| section.is_bundled())
        .filter_map(|section| section.transport.as_ref()?.mid_extension)
        .map(|id| (u16::from(id), MID_URI))
        .collect();
    let mut ambiguous = Vec::new();
    let maps = all_attributes(description);
    let maps = maps.filter_map(|attribute| ExtMap::parse(&attribute));
    for map in maps.filter(|map| map.uri != MID_URI) {
        match meanings.iter().find(|(id, _)| *id == map.id) {
            Some((_, uri)) if *uri != map.uri => ambiguous.push(map.id),
            Some(_) => {}
            None => meanings.push((map.id, map.uri)),
        }
    }
    ambiguous
}

fn all_attributes<'d>(
    description: &'d SessionDescription<'d>,
) -> impl Iterator<Item = Attribute<'d>> {
    let sections = description.media().iter().flat_map(Media::attributes);
    description.attributes().chain(sections)
}

impl Bridge {
    /// Gives every format of an offer from `from` the number by which the party of `to` is to know
    /// it: where its sections share one transport, a number means one thing in all of them.
    pub(super) fn number_formats(
        &self,
        from: Side,
        to: Side,
        description: &SessionDescription<'_>,
        sections: &mut [Section],
    ) {
        if !sections.iter().any(Section::is_bundled) {
            return;
        }
        let media = description.media().iter().zip(&*sections);
        let bundled: Vec<_> = media
            .map(|(media, section)| section.is_bundled().then_some(media))
            .collect();
        let known = |section, number| self.number_before(from, to, section, number);
        let maps = numbers_in_one_transport(&bundled, known);
        for (section, map) in sections.iter_mut().zip(maps) {
            section.numbers = (!map.is_identity()).then_some(map);
        }
    }

    /// What a format of the party of `from` was called towards that of `to` before: by another number,
    /// or by its own.
    fn number_before(&self, from: Side, to: Side, section: usize, number: u8) -> Option<u8> {
        let agreed = |side| self.ends(side)?.get(section)?.agreed.as_ref();
        let by_answer_of_reader = agreed(to).map(|talk| talk.numbers.to_answered(number));
        let by_answer_of_writer = agreed(from).and_then(|talk| talk.numbers.to_offered(number));
        let by_answers = [by_answer_of_reader, by_answer_of_writer];
        let other = by_answers
            .into_iter()
            .flatten()
            .find(|known| *known != number);
        let is_known = |talk: &Talk| talk.remote.payload_types.contains(&number);
        other.or_else(|| agreed(from).is_some_and(is_known).then_some(number))
    }

    /// The payload types of the other sections that share the transport of this one, as their offerer
    /// has named them.
    pub(super) fn taken_in_bundle(&self, to: Side, section: usize) -> u128 {
        let Some(ends) = self.ends(to) else { return 0 };
        let is_bundled = |end: &&End| {
            let talk = end.newest();
            let theirs = talk.and_then(|talk| talk.theirs.as_ref());
            theirs.is_some_and(|theirs| theirs.bundle.is_some())
        };
        let others = ends.ends.iter().enumerate();
        others
            .filter(|(other, _)| *other != section)
            .filter_map(|(_, end)| end.as_ref())
            .filter(is_bundled)
            .filter_map(End::newest)
            .flat_map(|talk| &talk.remote.payload_types)
            .filter(|number| **number < 128)
            .fold(0, |taken, number| taken | 1 << number)
    }
}

/// What the formats of an answer are called by an offerer whose sections share one transport: what
/// it has not offered goes where the number means something else to it.
pub(super) fn without_taken(map: &PayloadMap, answer: &Media<'_>, taken: u128) -> PayloadMap {
    let mut map = map.clone();
    map.drop_unknown(answer, taken);
    map
}
