//! What people are told about the media of a call: how they are protected, how their way was found,
//! and what went through. Never a key.

use fernamt_charging::MediaProtection;
use fernamt_sdp::CryptoSuite;
use fernamt_sip::transport::Transport;

use super::ends::Ends;
use super::protection::{streams, weakest};
use super::{Bridge, Side};
use crate::encryption::Demand;
use crate::media::{IceCandidateKind, Protection, Statistics};

/// How far the media of a call are encrypted on their way between the two phones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::call) enum Reach {
    /// On the legs of both.
    BothLegs,
    /// With the caller only.
    CallerOnly,
    /// With the called party only.
    CalleeOnly,
    /// Nowhere.
    Nowhere,
}

impl Bridge {
    /// How the media of a side are protected, where that is known and was not told before.
    pub(in crate::call) fn news_of_protection(&mut self, side: Side) -> Option<String> {
        let ends = self.ends_mut(side)?;
        let words = protection_in_words(ends)?;
        if *ends.told == *words {
            return None;
        }
        ends.told = words.as_str().into();
        Some(words)
    }

    /// How far the media of the call are encrypted; `None` while it is not known of both sides.
    pub(in crate::call) fn reach(&self) -> Option<Reach> {
        let is_encrypted =
            |ends: &Ends| weakest(ends).map(|weakest| weakest != MediaProtection::Clear);
        let caller = is_encrypted(&self.caller)?;
        let callee = is_encrypted(self.callee.first()?)?;
        Some(match (caller, callee) {
            (true, true) => Reach::BothLegs,
            (true, false) => Reach::CallerOnly,
            (false, true) => Reach::CalleeOnly,
            (false, false) => Reach::Nowhere,
        })
    }

    /// Whether the media with the caller are encrypted, as far as its offer can be answered; of a
    /// caller that has made none, whether they have to be.
    pub(in crate::call) fn caller_is_encrypted(&self) -> bool {
        let ends = self.caller.ends.iter().flatten();
        let mut talks = ends
            .filter_map(|end| end.newest())
            .filter(|talk| talk.usable)
            .peekable();
        if talks.peek().is_none() {
            return self.caller.policy.demand == Demand::Required;
        }
        talks.any(|talk| {
            let theirs = talk.theirs.as_ref();
            theirs.is_some_and(|theirs| theirs.profile.is_secure() || theirs.is_opportunistic())
        })
    }
}

fn protection_in_words(ends: &Ends) -> Option<String> {
    let signalling = ends.policy.signalling;
    let mut words: Vec<String> = Vec::with_capacity(1);
    for (_, talk) in streams(ends) {
        let one = one_in_words(&talk.remote.protection, signalling);
        if !words.contains(&one) {
            words.push(one);
        }
    }
    (!words.is_empty()).then(|| words.join("; also "))
}

fn one_in_words(protection: &Protection, signalling: Transport) -> String {
    let secure = signalling.is_secure();
    match protection {
        Protection::None => "not encrypted".to_owned(),
        Protection::Sdes(keys) => {
            let cipher = cipher_in_words(keys.ours.suite);
            match secure {
                true => format!("SRTP, {cipher}, keys from the description over {signalling}"),
                false => format!(
                    "SRTP, {cipher}, keys crossed an unencrypted signalling path ({signalling})"
                ),
            }
        }
        Protection::Dtls(_) => match secure {
            true => format!("SRTP, keys from a DTLS handshake, fingerprint over {signalling}"),
            false => format!(
                "SRTP, keys from a DTLS handshake, fingerprint crossed an unencrypted signalling \
                 path ({signalling})"
            ),
        },
    }
}

/// What a suite encrypts with.
pub(in crate::call) const fn cipher_in_words(suite: CryptoSuite) -> &'static str {
    match suite {
        CryptoSuite::AesCm128HmacSha1_80 => "AES-CM-128",
        CryptoSuite::AesCm128HmacSha1_32 => "AES-CM-128 with a short tag",
        CryptoSuite::AesCm256HmacSha1_80 => "AES-CM-256",
        CryptoSuite::AesCm256HmacSha1_32 => "AES-CM-256 with a short tag",
        CryptoSuite::AeadAes128Gcm => "AES-GCM-128",
        CryptoSuite::AeadAes256Gcm => "AES-GCM-256",
    }
}

/// How the way to a party was found.
pub(in crate::call) const fn kind_in_words(kind: IceCandidateKind) -> &'static str {
    match kind {
        IceCandidateKind::Host => "an address of its own",
        IceCandidateKind::ServerReflexive => "the address that a STUN server saw",
        IceCandidateKind::PeerReflexive => "the address that a check came from",
        IceCandidateKind::Relayed => "a TURN server",
    }
}

/// What went through an endpoint, for the journal.
pub(in crate::call) fn in_words(statistics: &Statistics) -> String {
    if statistics.packets_received == 0 && statistics.packets_sent == 0 {
        return "No media flowed.".to_owned();
    }
    let mut words = format!(
        "{} packets received, {} sent, {} lost, jitter {}.{} ms",
        statistics.packets_received,
        statistics.packets_sent,
        statistics.packets_lost,
        statistics.jitter_micros / 1000,
        statistics.jitter_micros % 1000 / 100,
    );
    if statistics.packets_dropped > 0 {
        words.push_str(&format!(
            ", {} dropped as not the party's",
            statistics.packets_dropped
        ));
    }
    words.push('.');
    words
}
