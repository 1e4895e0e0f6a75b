//! Payload type numbers across a bridge (RFC 3264 section 6.1): the same codec may have one number in
//! an offer and another in its answer. Which numbers mean the same; no packet is seen.

mod codec;
mod shared;

use serde::{Deserialize, Serialize};

use self::codec::{Match, Stream, same_codec};
use crate::media::Media;

pub use shared::numbers_in_one_transport;

/// A format whose number, or whose clock rate, differs between an offer and its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayloadPair {
    /// In the offer: by this number the offerer knows it.
    pub offered: u8,
    /// In the answer: by this number the answerer knows it.
    pub answered: u8,
    /// The clock rates in the offer and in the answer when they differ, which only those of
    /// telephone events may (RFC 4733).
    pub event_clocks: Option<(u32, u32)>,
}

/// Packets of one payload type that go on under another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PayloadTranslation {
    /// The payload type that is received.
    pub from: u8,
    /// The payload type that is sent.
    pub to: u8,
    /// The clock rates, in Hz, that the duration of a telephone event is rescaled from and to.
    pub event_clocks: Option<(u32, u32)>,
}

/// Which payload types of an offer and of its answer mean the same. Where nothing differs, it
/// holds nothing on the heap.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayloadMap {
    pairs: Vec<PayloadPair>,
    /// The numbers that have a meaning in the offer.
    offered: u128,
    /// The numbers of the answer whose formats were not offered and whose place is taken.
    dropped: u128,
}

impl PayloadMap {
    /// Compares the offer as it was sent to a party with the answer that came back.
    ///
    /// Formats are the same when name, clock rate and channels are, and what `fmtp` says of the kind
    /// of stream (profile and packetization mode of H.264, and the like). Where that leaves a format
    /// over, one with the same name and number is taken, and for telephone events one of another
    /// clock rate.
    pub fn between(offer: &Media<'_>, answer: &Media<'_>) -> PayloadMap {
        PayloadMap::across(offer, &PayloadMap::default(), answer)
    }

    /// The same where the party was sent the offer with other numbers than the offerer has: `written`
    /// is the change that was made (see [`numbers_in_one_transport`]), and the map that is given back
    /// leads from the answerer's numbers to those that the offerer has.
    pub fn across(offer: &Media<'_>, written: &PayloadMap, answer: &Media<'_>) -> PayloadMap {
        let mut matching = Matching::new(offer, answer);
        // What refers to other formats by their numbers comes after these are known.
        for refers in [false, true] {
            for kind in Match::ALL {
                matching.run(kind, refers);
            }
        }
        matching.finish(written)
    }

    /// Leaves out the formats of the answer that are not in the offer and have one of these numbers,
    /// one bit each, which mean something else to the reader in another section.
    pub fn drop_unknown(&mut self, answer: &Media<'_>, taken: u128) {
        for format in answer.codecs() {
            let number = bit(format.payload_type);
            let is_known = self.offered & number != 0
                || self
                    .pairs
                    .iter()
                    .any(|pair| pair.answered == format.payload_type);
            if !is_known && taken & number != 0 {
                self.dropped |= number;
            }
        }
    }

    /// Whether all numbers and clock rates are the same on both sides.
    pub const fn is_identity(&self) -> bool {
        self.pairs.is_empty() && self.dropped == 0
    }

    /// What differs.
    pub fn pairs(&self) -> &[PayloadPair] {
        &self.pairs
    }

    /// The offerer's number for one of the answer; `None`: it has none.
    pub fn to_offered(&self, answered: u8) -> Option<u8> {
        let pair = self.pairs.iter().find(|pair| pair.answered == answered);
        match pair {
            Some(pair) => Some(pair.offered),
            None if self.drops(answered) => None,
            None => Some(answered),
        }
    }

    /// The answerer's number for one of the offer.
    pub fn to_answered(&self, offered: u8) -> u8 {
        let pair = self.pairs.iter().find(|pair| pair.offered == offered);
        pair.map_or(offered, |pair| pair.answered)
    }

    /// The clock rate of telephone events in the offer, when the answer has another.
    pub fn offered_event_clock(&self, answered: u8) -> Option<u32> {
        let pair = self.pairs.iter().find(|pair| pair.answered == answered);
        pair?.event_clocks.map(|(offered, _)| offered)
    }

    /// What is to be done with packets of the offerer, who has read the answer in its own numbers.
    pub fn from_offerer(&self) -> impl Iterator<Item = PayloadTranslation> + use<'_> {
        self.pairs.iter().map(|pair| PayloadTranslation {
            from: pair.offered,
            to: pair.answered,
            event_clocks: pair.event_clocks,
        })
    }

    /// What is to be done with packets of the answerer. By RFC 3264 section 5.1 it sends what the
    /// offer called it; many send what they called it themselves, and that is understood too, unless
    /// the number means something else in the offer.
    pub fn from_answerer(&self) -> impl Iterator<Item = PayloadTranslation> + use<'_> {
        let unambiguous = |pair: &&PayloadPair| {
            pair.answered == pair.offered || self.offered & bit(pair.answered) == 0
        };
        self.pairs
            .iter()
            .filter(unambiguous)
            .map(|pair| PayloadTranslation {
                from: pair.answered,
                to: pair.offered,
                event_clocks: pair
                    .event_clocks
                    .map(|(offered, answered)| (answered, offered)),
            })
    }

    /// Whether a format of the answer has no number for the offerer.
    pub const fn drops(&self, answered: u8) -> bool {
        self.dropped & bit(answered) != 0
    }

    /// The numbers that [`PayloadMap::drops`] says true for, one bit each.
    pub(crate) const fn dropped(&self) -> u128 {
        self.dropped
    }
}

const fn bit(payload_type: u8) -> u128 {
    if payload_type < 128 {
        1 << payload_type
    } else {
        0
    }
}

/// Two lists of formats while they are compared.
struct Matching<'m> {
    offered: Vec<Stream<'m>>,
    answered: Vec<Stream<'m>>,
    /// By the place in `answered`: the place in `offered`.
    found: Vec<Option<usize>>,
    taken: u128,
}

impl<'m> Matching<'m> {
    fn new(offer: &Media<'m>, answer: &Media<'m>) -> Matching<'m> {
        let answered: Vec<_> = answer.codecs().map(Stream::of).collect();
        Matching {
            offered: offer.codecs().map(Stream::of).collect(),
            found: vec![None; answered.len()],
            answered,
            taken: 0,
        }
    }

    /// Matches what is left and matches in this way.
    fn run(&mut self, kind: Match, refers: bool) {
        for place in 0..self.answered.len() {
            let (Some(answered), Some(None)) = (self.answered.get(place), self.found.get(place))
            else {
                continue;
            };
            if answered.refers() != refers {
                continue;
            }
            let number_of = |answered: u8| self.number_of(answered);
            let found = self.offered.iter().position(|offered| {
                self.taken & bit(offered.number()) == 0
                    && same_codec(kind, offered, answered, &number_of)
            });
            let Some(found) = found else { continue };
            self.taken |= self
                .offered
                .get(found)
                .map_or(0, |offered| bit(offered.number()));
            if let Some(slot) = self.found.get_mut(place) {
                *slot = Some(found);
            }
        }
    }

    /// The offered number that a number of the answer was found to mean.
    fn number_of(&self, answered: u8) -> Option<u8> {
        let place = self
            .answered
            .iter()
            .position(|stream| stream.number() == answered)?;
        let found = self.found.get(place).copied().flatten()?;
        self.offered.get(found).map(Stream::number)
    }

    /// `written`: from the offerer's numbers to those in the offer as it was sent.
    fn finish(self, written: &PayloadMap) -> PayloadMap {
        let offered = self.offered.iter().fold(0, |all, stream| {
            all | bit(written.to_answered(stream.number()))
        });
        let mut map = PayloadMap {
            offered,
            ..PayloadMap::default()
        };
        for (answered, found) in self.answered.iter().zip(&self.found) {
            let Some(offered) = found.and_then(|found| self.offered.get(found)) else {
                map.dropped |= map.offered & bit(answered.number());
                continue;
            };
            let clocks = (offered.clock_rate(), answered.clock_rate());
            let event_clocks = (clocks.0 != clocks.1).then_some(clocks);
            let own = written.to_answered(offered.number());
            if own != answered.number() || event_clocks.is_some() {
                map.pairs.push(PayloadPair {
                    offered: own,
                    answered: answered.number(),
                    event_clocks,
                });
            }
        }
        map
    }
}
