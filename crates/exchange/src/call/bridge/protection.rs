//! How the media of a side are protected, as one value for its record: the weakest of its streams. What
//! people are told of it stands in `words`.

use fernamt_charging::MediaProtection;
use fernamt_sdp::{SessionDescription, TransportDescription};

use super::ends::{End, Ends, Talk};
use super::read::format_of;
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
            true => self.direct_protection,
            false => weakest(ends),
        };
        protection.map(|protection| protection.also_over(signalling_encrypted))
    }

    /// Notes how the media between the phones themselves are protected, by the answer that passes. Its
    /// keys are told on both legs.
    pub(super) fn note_direct_answer(&mut self, answer: &SessionDescription<'_>) {
        let encrypted = self.all().all(|ends| ends.policy.signalling.is_secure());
        let sections = answer.media().iter().enumerate();
        let streams = sections.filter_map(|(section, media)| match format_of(media)? {
            Format::Udptl => Some(MediaProtection::Clear),
            Format::Rtp => between_phones(&TransportDescription::of(answer, section)?, encrypted),
        });
        self.direct_protection = streams.reduce(MediaProtection::weaker);
    }
}

/// The weakest of the streams that a side has agreed to; `None` while there is none.
pub(super) fn weakest(ends: &Ends) -> Option<MediaProtection> {
    let streams = streams(ends).map(|(end, talk)| of_stream(ends, end, talk));
    streams.reduce(MediaProtection::weaker)
}

/// The streams whose protection is settled. After a restart an offer that nobody has answered stands
/// where agreements do, and says nothing yet.
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

/// What an answer says that passes as it is; `None` where it has keys that are not known here.
fn between_phones(
    answer: &TransportDescription,
    signalling_encrypted: bool,
) -> Option<MediaProtection> {
    if answer.has_strong_fingerprint() {
        return Some(MediaProtection::Dtls {
            suite: None,
            signalling_encrypted,
        });
    }
    match answer.cryptos.first() {
        Some(crypto) => Some(MediaProtection::Sdes {
            suite: crypto.suite,
            signalling_encrypted,
        }),
        None if answer.profile.is_secure() => None,
        None => Some(MediaProtection::Clear),
    }
}
