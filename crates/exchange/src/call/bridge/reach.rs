//! How far the media of a call are encrypted: on which of its legs, or between the phones. What is said
//! about it to whom is in `words` and in `call/protect.rs`.

use super::ends::{End, Ends};
use super::make::transport_answer;
use super::protection::streams;
use super::words::{Cover, covers_in_words};
use super::{Bridge, Side};
use crate::config::Config;
use crate::encryption::Demand;

/// How far the media of a call are encrypted on their way between the two phones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::call) enum Reach {
    /// On the legs of both.
    BothLegs,
    /// With the caller only.
    CallerOnly,
    /// With the called party only.
    CalleeOnly,
    /// Between the phones themselves, past us.
    Direct,
    /// Nowhere.
    Nowhere,
}

/// What a party that is made an offer can be told: of its own side it decides itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::call) enum Prospect {
    /// The media are encrypted with the party that offers.
    OtherLeg,
    /// There is no other leg: the media are encrypted from phone to phone, where the party takes a key.
    Direct,
    /// The other side is in clear.
    Clear,
}

impl Bridge {
    /// How the media of a side are protected, where that is known and was not told before.
    pub(in crate::call) fn news_of_protection(&mut self, side: Side) -> Option<String> {
        let ends = self.ends_mut(side)?;
        let words = covers_in_words(covers(ends), &[ends.policy.signalling])?;
        ends.is_news(&words).then_some(words)
    }

    /// The same of media that flow between the phones.
    pub(in crate::call) fn news_between_phones(&mut self) -> Option<String> {
        let paths: Vec<_> = self.all().map(|ends| ends.policy.signalling).collect();
        let covers = self.between.as_ref()?.iter().copied();
        let words = covers_in_words(covers, &paths)?;
        self.caller.is_news(&words).then_some(words)
    }

    /// How far the media of the call are encrypted; `None` while it is not known of both sides.
    pub(in crate::call) fn reach(&self) -> Option<Reach> {
        if self.is_direct() {
            let between = self.between.as_ref()?.iter().copied();
            return Some(match weakest(between)? {
                Cover::None => Reach::Nowhere,
                _ => Reach::Direct,
            });
        }
        let caller = weakest(covers(&self.caller))?;
        let callee = weakest(covers(self.callee.first()?))?;
        Some(match (caller != Cover::None, callee != Cover::None) {
            (true, true) => Reach::BothLegs,
            (true, false) => Reach::CallerOnly,
            (false, true) => Reach::CalleeOnly,
            (false, false) => Reach::Nowhere,
        })
    }

    /// The same of a caller that talks with the exchange itself, which is the other party then.
    pub(in crate::call) fn reach_to_exchange(&self) -> Option<Reach> {
        Some(match weakest(covers(&self.caller))? {
            Cover::None => Reach::Nowhere,
            _ => Reach::BothLegs,
        })
    }

    /// What the other party can be told about the media with the party of `from` while it has not
    /// answered; `None`: that is not known yet.
    pub(in crate::call) fn prospect(&self, config: &Config, from: Side) -> Option<Prospect> {
        if self.is_direct() {
            return self.direct_prospect();
        }
        let ends = self.ends(from)?;
        let will_be = ends.ends.iter().flatten();
        let will_be = will_be.filter_map(|end| is_to_be_encrypted(config, ends, end));
        let is_encrypted = will_be.reduce(|one, other| one && other);
        match is_encrypted.or_else(|| is_bound_to_be(ends))? {
            true => Some(Prospect::OtherLeg),
            false => Some(Prospect::Clear),
        }
    }
}

impl Ends {
    /// Whether these words about the protection of its media were not the last ones.
    fn is_news(&mut self, words: &str) -> bool {
        let is_news = *self.told != *words;
        if is_news {
            self.told = words.into();
        }
        is_news
    }
}

/// Whether a stream will be encrypted: by the answer that the party gets, or as it is agreed. `None`:
/// there will be no stream.
fn is_to_be_encrypted(config: &Config, ends: &Ends, end: &End) -> Option<bool> {
    let talk = end.newest().filter(|talk| talk.usable)?;
    let Some(theirs) = talk.theirs.as_ref().filter(|_| end.proposed.is_some()) else {
        return Some(Cover::from(&talk.remote.protection) != Cover::None);
    };
    let answer = transport_answer(config, ends.policy, theirs).ok()?;
    Some(answer.is_protected())
}

/// Of a party that has said nothing yet: whether there is only one way how it can end.
fn is_bound_to_be(ends: &Ends) -> Option<bool> {
    match ends.policy.demand {
        Demand::Required => Some(true),
        Demand::Never => Some(false),
        Demand::Offered => None,
    }
}

/// What is agreed on the streams of a side.
fn covers(ends: &Ends) -> impl Iterator<Item = Cover> {
    streams(ends).map(|(_, talk)| Cover::from(&talk.remote.protection))
}

/// A call is as well protected as the weakest of its streams.
fn weakest(covers: impl Iterator<Item = Cover>) -> Option<Cover> {
    covers.reduce(|one, other| match other {
        Cover::None => other,
        _ => one,
    })
}
