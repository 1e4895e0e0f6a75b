//! What the party of one side says about its streams: offers and answers are read here, and what they
//! come to is kept until the other side agrees. Nothing is written and the media plane hears nothing.

use core::time::Duration;
use std::net::{IpAddr, SocketAddr};

use fernamt_sdp::{
    Encryption, FeedbackSet, Media, MediaKind, PayloadMap, Protocol, SessionDescription,
    TransportDescription, TransportError,
};

use super::ends::Talk;
use super::make::transport_answer;
use super::settle::{Both, settle};
use super::{Bridge, CannotCarry, Side};
use crate::encryption::Demand;
use crate::media::{ClockRate, Format, Remote};
use crate::stack::Stack;

/// What the datagrams of a section are; `None`: it is not relayed.
pub(super) fn format_of(media: &Media<'_>) -> Option<Format> {
    match (media.protocol, media.kind) {
        _ if media.is_rejected() => None,
        (Protocol::Udptl, MediaKind::Image) => Some(Format::Udptl),
        (protocol, _) if protocol.is_rtp() => Some(Format::Rtp),
        _ => None,
    }
}

impl Bridge {
    /// Which sections of an offer or a late answer are to be relayed.
    pub(super) fn wanted(
        &self,
        stack: &Stack,
        from: Side,
        parsed: &SessionDescription<'_>,
    ) -> Result<Vec<bool>, CannotCarry> {
        let mut problem = None;
        let wanted: Vec<bool> = (0..parsed.media().len())
            .map(
                |section| match self.objection(stack, from, parsed, section) {
                    Ok(wanted) => wanted,
                    Err(error) => {
                        problem = problem.or(Some(error));
                        false
                    }
                },
            )
            .collect();
        if parsed.media().is_empty() || wanted.contains(&true) {
            return Ok(wanted);
        }
        Err(match problem {
            Some(error) => CannotCarry::Transport(error),
            None => CannotCarry::NothingToRelay,
        })
    }

    /// Whether a section that was offered is relayed; an error where only its protection is against
    /// it.
    fn objection(
        &self,
        stack: &Stack,
        from: Side,
        parsed: &SessionDescription<'_>,
        section: usize,
    ) -> Result<bool, TransportError> {
        let Some(ends) = self.ends(from) else {
            return Ok(false);
        };
        let Some(media) = parsed.media().get(section) else {
            return Ok(false);
        };
        match format_of(media) {
            None => Ok(false),
            Some(Format::Udptl) if ends.policy.demand == Demand::Required => {
                Err(TransportError::EncryptionRequired)
            }
            Some(Format::Udptl) => Ok(true),
            Some(Format::Rtp) => {
                let Some(theirs) = TransportDescription::of(parsed, section) else {
                    return Ok(false);
                };
                transport_answer(&stack.config, ends.policy, &theirs)?;
                Ok(true)
            }
        }
    }

    /// Notes what the party of `from` offers. The media plane is told with [`Bridge::connect`], when
    /// the other side has agreed.
    pub(in crate::call) fn take_offer(&mut self, stack: &Stack, from: Side, description: &[u8]) {
        let Ok(parsed) = SessionDescription::parse(description) else {
            return;
        };
        if self.direct {
            return;
        }
        let Ok(wanted) = self.wanted(stack, from, &parsed) else {
            return;
        };
        let silence = stack.config.media_silence;
        let Some(ends) = self.ends_mut(from) else {
            return;
        };
        let signalling = ends.signalling;
        for (section, media) in parsed.media().iter().enumerate() {
            let Some(Some(end)) = ends.ends.get_mut(section) else {
                continue;
            };
            let wanted = wanted.get(section).copied().unwrap_or(false);
            let remote = remote_of(media, signalling, silence).filter(|_| wanted);
            let theirs = TransportDescription::of(&parsed, section);
            let ours = end
                .newest()
                .and_then(|talk| what_stays(talk, theirs.as_ref()));
            end.proposed = match remote {
                Some(remote) => Some(Talk {
                    remote,
                    ours,
                    theirs,
                    usable: true,
                    numbers: PayloadMap::default(),
                }),
                None => end.agreed.as_ref().map(muted),
            };
        }
    }

    /// Notes what the party of `from` answers to what we have offered it.
    pub(in crate::call) fn take_answer(
        &mut self,
        stack: &Stack,
        from: Side,
        description: &[u8],
    ) -> Result<(), TransportError> {
        let Ok(parsed) = SessionDescription::parse(description) else {
            return Ok(());
        };
        if self.direct {
            return self.check_direct_answer(from, &parsed);
        }
        let silence = stack.config.media_silence;
        let Some(ends) = self.ends_mut(from) else {
            return Ok(());
        };
        let (policy, signalling) = (ends.policy, ends.signalling);
        let written = ends.offer.clone();
        let offered_numbers = ends.offered_numbers.clone();
        let offer = written
            .as_deref()
            .and_then(|offer| SessionDescription::parse(offer).ok());
        let mut outcome = Ok(());
        let mut usable = false;
        for (section, media) in parsed.media().iter().enumerate() {
            let Some(Some(end)) = ends.ends.get_mut(section) else {
                continue;
            };
            let remote =
                remote_of(media, signalling, silence).filter(|_| format_of(media).is_some());
            let Some(remote) = remote else {
                end.proposed = end.agreed.as_ref().map(muted);
                continue;
            };
            let theirs = TransportDescription::of(&parsed, section);
            let ours = end.offered.clone().filter(|_| theirs.is_some());
            let mut talk = Talk {
                remote,
                ours,
                theirs,
                usable: true,
                numbers: numbers_of(offer.as_ref(), offered_numbers.get(section), section, media),
            };
            let settled = settle(
                &stack.config,
                policy,
                end.agreed.as_ref(),
                &mut talk,
                Both::WeOffered,
            );
            match settled {
                Ok(()) => usable = true,
                Err(error) => {
                    outcome = Err(error);
                    talk = muted(&talk);
                }
            }
            end.proposed = Some(talk);
        }
        // One section that is as it should be makes a call.
        outcome.or(if usable { Ok(()) } else { outcome })
    }

    /// After a restart: what the party of a side was last told, with the clocks of what it may send.
    pub(in crate::call) fn know_clock_rates(&mut self, side: Side, description: &[u8]) {
        let Ok(parsed) = SessionDescription::parse(description) else {
            return;
        };
        let ends = self.ends_mut(side).map(|ends| ends.ends.iter_mut());
        for (end, media) in ends.into_iter().flatten().zip(parsed.media()) {
            if let Some(talk) = end.as_mut().and_then(|end| end.proposed.as_mut()) {
                talk.remote.clock_rates = clock_rates_of(media);
            }
        }
    }

    /// The other side has refused: forgets what was proposed.
    pub(in crate::call) fn forget_proposals(&mut self, stack: &mut Stack) {
        for ends in self.all_mut() {
            ends.ends.iter_mut().flatten().for_each(|end| {
                end.proposed = None;
                end.offered = None;
            });
        }
        for side in std::iter::once(Side::Caller).chain(self.callee_sides()) {
            self.expect_no_answer(stack, side);
        }
    }
}

/// What the payload types of an answer are called in the offer that it answers, as whoever made that
/// knows it.
fn numbers_of(
    offer: Option<&SessionDescription<'_>>,
    written: Option<&PayloadMap>,
    section: usize,
    answer: &Media<'_>,
) -> PayloadMap {
    let offered = offer.and_then(|offer| offer.media().get(section));
    match offered.filter(|offered| offered.kind == answer.kind && answer.protocol.is_rtp()) {
        Some(offered) => match written {
            Some(written) => PayloadMap::across(offered, written, answer),
            None => PayloadMap::between(offered, answer),
        },
        None => PayloadMap::default(),
    }
}

/// What of our last answer answers this offer, too: all of it, but what the offer restarts.
fn what_stays(talk: &Talk, theirs: Option<&TransportDescription>) -> Option<TransportDescription> {
    let mut ours = talk.ours.clone()?;
    if let (Some(before), Some(now)) = (&talk.theirs, theirs) {
        if now.restarts_ice(before) {
            ours.ice = None;
        }
        if now.restarts_dtls(before) {
            ours.setup = None;
        }
    }
    Some(ours)
}

/// The stream ends for now: nothing is accepted and nothing is sent.
fn muted(talk: &Talk) -> Talk {
    let mut muted = talk.clone();
    muted.remote.sends = false;
    muted.remote.receives = false;
    muted.remote.silence = None;
    muted.usable = false;
    muted
}

/// Where a party is and what it accepts, without what its transport says of protection.
fn remote_of(media: &Media<'_>, signalling: IpAddr, silence: Option<Duration>) -> Option<Remote> {
    let rtp = media.address().filter(|_| !media.is_rejected())?;
    let format = format_of(media)?;
    let direction = media.direction();
    let held_by_address = media.is_held_by_address();
    let rtcp = match format {
        Format::Rtp => rtcp_of(media, rtp).filter(|_| !held_by_address),
        Format::Udptl => None,
    };
    Some(Remote {
        rtcp,
        signalling,
        sends: direction.sends(),
        receives: direction.receives() && !held_by_address,
        payload_types: media
            .formats()
            .filter_map(|format| format.parse().ok())
            .collect(),
        clock_rates: clock_rates_of(media),
        // A fax machine is silent while it listens.
        silence: silence.filter(|_| format == Format::Rtp),
        format,
        feedback: FeedbackSet::of(media),
        ..Remote::plain(rtp)
    })
}

/// The clocks of what a section names. Events are written with the time at which a key was pressed, and
/// tell nothing of the network.
pub(super) fn clock_rates_of(media: &Media<'_>) -> Vec<ClockRate> {
    let codecs = media.codecs().filter(|codec| !codec.is_telephone_event());
    codecs
        .map(|codec| ClockRate {
            payload_type: codec.payload_type,
            hertz: codec.map.clock_rate,
        })
        .collect()
}

/// Where a party takes RTCP, unless it is agreed that it shares the port of RTP.
fn rtcp_of(media: &Media<'_>, rtp: SocketAddr) -> Option<SocketAddr> {
    if media.rtcp().is_some() && !media.has("rtcp-mux") {
        return media.rtcp_address();
    }
    Some(SocketAddr::new(rtp.ip(), rtp.port().checked_add(1)?))
}

impl From<Demand> for Encryption {
    fn from(demand: Demand) -> Encryption {
        match demand {
            Demand::Never => Encryption::Never,
            Demand::Offered => Encryption::Offered,
            Demand::Required => Encryption::Required,
        }
    }
}
