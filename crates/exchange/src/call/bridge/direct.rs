//! Media that flow between the phones and not through us: which descriptions may pass as they are, and
//! what two of them agree on. Nothing is written here.

use fernamt_sdp::{
    AnswerPolicy, Encryption, SessionDescription, Settled, SettledKeying, TransportDescription,
    TransportError,
};

use super::make::SUITES;
use super::reach::Prospect;
use super::read::format_of;
use super::words::Cover;
use super::{Bridge, CannotCarry, Side};
use crate::encryption::{Demand, Policy};
use crate::media::Format;

/// What any two phones may agree on between themselves.
const ANYTHING: AnswerPolicy<'static> = AnswerPolicy {
    encryption: Encryption::Offered,
    suites: &SUITES,
    dtls: true,
    ice: true,
    rtcp_mux: true,
};

impl Bridge {
    /// From now on the media flow between the phones themselves.
    pub(in crate::call) fn set_direct(&mut self) {
        self.direct = true;
    }

    /// From now on the media flow through us, as nobody has agreed to anything else.
    pub(in crate::call) fn set_relayed(&mut self) {
        self.direct = false;
        self.between = None;
        self.direct_offer = None;
    }

    /// Whether a description that passes as it is would carry keys from a protected signalling path
    /// to one that is not, or their answer would.
    pub(super) fn would_expose_keys(&self, description: &[u8]) -> bool {
        let is_secure = self.caller.policy.signalling.is_secure();
        let mut callees = self.callee.iter();
        self.direct
            && callees.any(|ends| ends.policy.signalling.is_secure() != is_secure)
            && names_keys(description)
    }

    /// Notes what is offered between the phones.
    pub(super) fn note_direct_offer(&mut self, offer: &SessionDescription<'_>) {
        let covers = sections(offer).map(|(_, theirs)| match theirs {
            Some(theirs) if is_protected(&theirs) => Prospect::Direct,
            _ => Prospect::Clear,
        });
        self.direct_offer = covers.reduce(|one, other| match other {
            Prospect::Direct => one,
            weaker => weaker,
        });
    }

    /// What the party that is made such an offer can be told.
    pub(super) fn direct_prospect(&self) -> Option<Prospect> {
        self.direct_offer
    }

    /// The phones have agreed: how their media are protected is what follows from both descriptions.
    /// Where they do not fit each other, only the phones know.
    pub(in crate::call) fn agree_directly(&mut self, offer: &[u8], answer: &[u8]) {
        self.between = agreed_between(offer, answer);
    }

    /// Whether it is known what the phones have agreed on.
    pub(in crate::call) fn has_agreed_directly(&self) -> bool {
        self.between.is_some()
    }

    /// Whether what the party of `from` offers may pass as it is.
    pub(super) fn check_direct_offer(
        &self,
        offer: &SessionDescription<'_>,
    ) -> Result<(), CannotCarry> {
        check_direct(self.all().map(|ends| ends.policy), offer).map_err(CannotCarry::Transport)?;
        match self.would_expose_keys(offer.text()) {
            true => Err(CannotCarry::ExposesKeys),
            false => Ok(()),
        }
    }

    /// Whether what the party of `from` answers may pass as it is. What the other party requires is not
    /// had where only its own offer has it.
    pub(super) fn check_direct_answer(
        &self,
        from: Side,
        answer: &SessionDescription<'_>,
    ) -> Result<(), TransportError> {
        if self.would_expose_keys(answer.text()) {
            // No keys were offered, or the offer would not have passed.
            return Err(TransportError::CryptoNotOffered);
        }
        let other = match from {
            Side::Caller => self.callee(),
            Side::Callee(_) => Some(Side::Caller),
        };
        let both = [Some(from), other].into_iter().flatten();
        check_direct(both.filter_map(|side| self.policy(side)), answer)
    }
}

/// Whether a description may pass as it is between parties with these wishes: each section has to be as all
/// of them wish it, as the good one of two is no help to what is said in the other.
pub(in crate::call) fn check_direct(
    policies: impl Iterator<Item = Policy>,
    parsed: &SessionDescription<'_>,
) -> Result<(), TransportError> {
    for policy in policies {
        for (section, media) in parsed.media().iter().enumerate() {
            if media.is_rejected() {
                continue;
            }
            let theirs = TransportDescription::of(parsed, section)
                .filter(|_| format_of(media) == Some(Format::Rtp));
            check_section(policy.demand, theirs.as_ref())?;
        }
    }
    Ok(())
}

/// The same of one section; nothing is known of those that are no RTP.
fn check_section(
    demand: Demand,
    theirs: Option<&TransportDescription>,
) -> Result<(), TransportError> {
    match (demand, theirs) {
        (Demand::Required, theirs) if !theirs.is_some_and(is_protected) => {
            Err(TransportError::EncryptionRequired)
        }
        (Demand::Never, Some(theirs)) if theirs.profile.is_secure() => {
            Err(TransportError::EncryptionForbidden)
        }
        _ => Ok(()),
    }
}

/// Whether a description has keys, in whichever way: lines of SRTP (RFC 4568), of MIKEY (RFC 4567), or
/// the old line for them (RFC 4566 section 5.12).
pub(in crate::call) fn names_keys(description: &[u8]) -> bool {
    description.split(|byte| *byte == b'\n').any(|line| {
        let starts_with = |start: &str| {
            let head = line.get(..start.len());
            head.is_some_and(|head| head.eq_ignore_ascii_case(start.as_bytes()))
        };
        starts_with("k=") || starts_with("a=crypto:") || starts_with("a=key-mgmt:")
    })
}

/// Whether there is a key in it that protects.
fn is_protected(theirs: &TransportDescription) -> bool {
    let answer = theirs.answer(&ANYTHING);
    answer.is_ok_and(|answer| answer.is_protected())
}

/// The sections that are not refused, of kinds that we know.
fn sections(
    parsed: &SessionDescription<'_>,
) -> impl Iterator<Item = (Format, Option<TransportDescription>)> {
    parsed
        .media()
        .iter()
        .enumerate()
        .filter_map(|(section, media)| {
            let format = format_of(media)?;
            Some((format, TransportDescription::of(parsed, section)))
        })
}

/// What protects each stream that both have; `None`: the descriptions do not fit each other.
fn agreed_between(offer: &[u8], answer: &[u8]) -> Option<Vec<Cover>> {
    let offer = SessionDescription::parse(offer).ok()?;
    let answer = SessionDescription::parse(answer).ok()?;
    let mut covers = Vec::with_capacity(answer.media().len());
    for (section, media) in answer.media().iter().enumerate() {
        let offered = offer.media().get(section);
        let formats = (format_of(media), offered.and_then(format_of));
        let (Some(format), Some(_)) = formats else {
            continue;
        };
        covers.push(match format {
            Format::Udptl => Cover::None,
            Format::Rtp => {
                let offered = TransportDescription::of(&offer, section)?;
                let answered = TransportDescription::of(&answer, section)?;
                match Settled::new(&offered, &answered).ok()?.keying {
                    SettledKeying::None => Cover::None,
                    SettledKeying::Sdes { answered: at, .. } => {
                        Cover::Sdes(answered.cryptos.get(at)?.suite)
                    }
                    SettledKeying::Dtls { .. } => Cover::Dtls,
                }
            }
        });
    }
    Some(covers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_write_a_key_is_known() {
        for line in [
            "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x",
            "a=Crypto:1 UNKNOWN inline:x",
            "a=key-mgmt:mikey AQAF",
            "k=clear:abcd",
        ] {
            let text = format!("v=0\r\nm=audio 9 RTP/AVP 0\r\n{line}\r\n");
            assert!(names_keys(text.as_bytes()), "{line}");
        }
        let text = b"v=0\r\ns=k=\r\na=cryptozoology\r\na=fingerprint:sha-256 11\r\n";
        assert!(!names_keys(text));
    }
}
