//! How the media of a side are protected, as one value for its record: the weakest of its streams. What
//! people are told of it stands in `reach` and `words`.

use fernamt_charging::MediaProtection;

use super::ends::{End, Ends, Talk};
use super::words::Cover;
use super::{Bridge, Side};
use crate::media::{Format, Protection};

impl Bridge {
    /// How the media of a side are protected by what is agreed on; `None` while nothing is.
    /// `signalling_encrypted`: of that which has carried it.
    pub(in crate::call) fn protection(
        &self,
        side: Side,
        signalling_encrypted: bool,
    ) -> Option<MediaProtection> {
        let ends = self.ends(side)?;
        let protection = match self.direct {
            true => {
                let covers = self.between.iter().flatten().copied();
                covers.map(between_phones).reduce(MediaProtection::weaker)
            }
            false => weakest(ends),
        };
        protection.map(|protection| protection.also_over(signalling_encrypted))
    }
}

/// The weakest of the streams that a side has agreed to; `None` while there is none.
pub(super) fn weakest(ends: &Ends) -> Option<MediaProtection> {
    let streams = streams(ends).map(|(end, talk)| of_stream(ends, end, talk));
    streams.reduce(MediaProtection::weaker)
}

/// The streams whose protection is settled. After a restart an offer that nobody has answered stands
/// where agreements do, and says nothing yet.
impl Bridge {
    /// Whether the last answer of the party of `side` has brought other keys; `None`: it has settled
    /// nothing.
    pub(in crate::call) fn brings_other_keys(&self, side: Side) -> Option<bool> {
        let ends = self.ends(side)?.ends.iter().flatten();
        let proposed = ends.filter(|end| end.proposed.is_some());
        proposed
            .map(End::has_other_keys)
            .reduce(|one, other| one || other)
    }
}

pub(super) fn streams(ends: &Ends) -> impl Iterator<Item = (&End, &Talk)> {
    let streams = ends.ends.iter().flatten();
    let streams = streams.filter_map(|end| Some((end, end.agreed.as_ref()?)));
    streams.filter(|(_, talk)| {
        let is_settled = talk.ours.is_some() || talk.remote.format == Format::Udptl;
        talk.usable && is_settled
    })
}

fn of_stream(ends: &Ends, end: &End, talk: &Talk) -> MediaProtection {
    let signalling_encrypted = ends.policy.signalling.is_secure();
    match &talk.remote.protection {
        Protection::None => MediaProtection::Clear,
        Protection::Sdes(keys) => MediaProtection::Sdes {
            suite: keys.ours.suite,
            signalling_encrypted,
        },
        Protection::Dtls(_) => {
            // The handshake is made by the stream whose ports are used.
            let carrier = end.carrier.and_then(|carrier| ends.get(carrier));
            let keys = carrier.unwrap_or(end).established.as_ref();
            MediaProtection::Dtls {
                suite: keys.map(|keys| keys.ours.suite),
                signalling_encrypted,
            }
        }
    }
}

/// What two phones have agreed on between themselves. Nobody else knows what a handshake came to.
fn between_phones(cover: Cover) -> MediaProtection {
    match cover {
        Cover::None => MediaProtection::Clear,
        Cover::Sdes(suite) => MediaProtection::Sdes {
            suite,
            signalling_encrypted: true,
        },
        Cover::Dtls => MediaProtection::Dtls {
            suite: None,
            signalling_encrypted: true,
        },
    }
}
