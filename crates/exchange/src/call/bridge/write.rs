//! How a description that came from one side reads for the party of the other: with our addresses and
//! our transport, everything else as it came. The media plane hears nothing.

use std::net::{IpAddr, SocketAddr};

use fernamt_sdp::{
    Bundle, ExtMap, Media, MediaRewrite, PayloadMap, Rewrite, RtcpRewrite, SessionDescription,
    TransportDescription,
};

use fernamt_sip::transport::Transport;

use super::bundle::{ambiguous_extensions, number_tags, share_transports, without_taken};
use super::make::{Maker, transport_answer};
use super::read::format_of;
use super::settle::{Both, settle};
use super::{Bridge, Side};
use crate::leg::Description;
use crate::media::Format;
use crate::stack::Stack;

/// A description that is longer than this offers one suite only where it travels in a datagram: the
/// whole INVITE is to stay below 1300 bytes (RFC 3261 section 18.1.1).
const MAX_BYTES_FOR_ALL_SUITES: usize = 400;

/// How our part of an offer is made.
type MakeOffer = fn(&Maker<'_>, &mut Stack) -> TransportDescription;

/// One section as it is to be written.
#[derive(Default)]
pub(super) struct Section {
    /// Where we take its media; `None`: it is refused.
    pub(super) address: Option<SocketAddr>,
    pub(super) transport: Option<TransportDescription>,
    /// What the numbers of the writer are called by the reader.
    pub(super) numbers: Option<PayloadMap>,
}

impl Section {
    /// Whether it shares its transport, or may.
    pub(super) fn is_bundled(&self) -> bool {
        let bundle = self.transport.as_ref().and_then(|own| own.bundle);
        self.address.is_some() && bundle.is_some()
    }
}

impl Bridge {
    /// Writes an offer that came from `from` for the party of `to`.
    pub(in crate::call) fn write_offer(
        &mut self,
        stack: &mut Stack,
        from: Side,
        to: Side,
        description: &[u8],
    ) -> Option<Description> {
        let parsed = SessionDescription::parse(description).ok()?;
        if self.direct {
            self.note_direct_offer(&parsed);
            return self.write_direct(stack, to, &parsed);
        }
        let mut sections = Vec::with_capacity(parsed.media().len());
        for (section, media) in parsed.media().iter().enumerate() {
            let usable = self
                .ends(from)
                .and_then(|ends| ends.get(section)?.newest())
                .is_some_and(|talk| talk.usable);
            sections.push(match format_of(media).filter(|_| usable) {
                Some(format) => {
                    self.offered_section(stack, to, section, format, parsed.text().len())
                }
                None => Section::default(),
            });
        }
        share_transports(&mut sections, false);
        number_tags(&parsed, &mut sections);
        self.number_formats(from, to, &parsed, &mut sections);
        self.remember_offer(to, &sections);
        self.expect_answer(stack, to);
        let written = self.write(stack, to, &parsed, &sections);
        if let Some(ends) = self.ends_mut(to) {
            ends.offer.clone_from(&written);
            let numbers = sections.into_iter().map(|section| section.numbers);
            ends.offered_numbers = numbers.map(Option::unwrap_or_default).collect();
        }
        written
    }

    /// Writes an offer of our own for the party of `to`: what it was told last.
    pub(in crate::call) fn write_again(
        &mut self,
        stack: &mut Stack,
        to: Side,
        told: &[u8],
    ) -> Option<Description> {
        if self.direct {
            let parsed = SessionDescription::parse(told).ok()?;
            return self.write_direct(stack, to, &parsed);
        }
        let (parsed, sections) =
            self.sections_again(stack, to, told, |maker, stack| maker.offer(stack))?;
        self.write_own_offer(stack, to, &parsed, sections)
    }

    /// The same with other keys. `None` where its keys are not in descriptions.
    pub(in crate::call) fn write_renewal(
        &mut self,
        stack: &mut Stack,
        to: Side,
        told: &[u8],
    ) -> Option<Description> {
        let make: MakeOffer = |maker, stack| maker.offer_with_new_keys(stack);
        let (parsed, sections) = self.sections_again(stack, to, told, make)?;
        let transports = sections.iter().filter_map(|it| it.transport.as_ref());
        if !{ transports }.any(|transport| !transport.cryptos.is_empty()) {
            return None;
        }
        self.write_own_offer(stack, to, &parsed, sections)
    }

    fn sections_again<'t>(
        &self,
        stack: &mut Stack,
        to: Side,
        told: &'t [u8],
        make: MakeOffer,
    ) -> Option<(SessionDescription<'t>, Vec<Section>)> {
        let parsed = SessionDescription::parse(told).ok()?;
        let mut sections = Vec::with_capacity(parsed.media().len());
        for (section, media) in parsed.media().iter().enumerate() {
            sections.push(self.section_again(stack, to, section, media, make));
        }
        Some((parsed, sections))
    }

    fn write_own_offer(
        &mut self,
        stack: &Stack,
        to: Side,
        parsed: &SessionDescription<'_>,
        mut sections: Vec<Section>,
    ) -> Option<Description> {
        share_transports(&mut sections, false);
        self.remember_offer(to, &sections);
        let written = self.write(stack, to, parsed, &sections);
        if let Some(ends) = self.ends_mut(to) {
            ends.offer.clone_from(&written);
        }
        written
    }

    fn section_again(
        &self,
        stack: &mut Stack,
        to: Side,
        section: usize,
        media: &Media<'_>,
        make: MakeOffer,
    ) -> Section {
        let found = self
            .ends(to)
            .and_then(|ends| Some((ends, ends.get(section)?)));
        let agreed = found.and_then(|(_, end)| end.agreed.as_ref());
        let usable = agreed.is_some_and(|talk| talk.usable);
        let (Some((ends, end)), Some(format)) = (found, format_of(media).filter(|_| usable)) else {
            return Section::default();
        };
        let Some(rtp) = end.rtp else {
            return Section::default();
        };
        let address = public_address(stack.config.advertised, rtp);
        let maker = Maker {
            policy: ends.policy,
            end,
            address,
            has_room: true,
            section,
        };
        Section {
            address: Some(address),
            transport: (format == Format::Rtp).then(|| make(&maker, stack)),
            numbers: None,
        }
    }

    fn offered_section(
        &mut self,
        stack: &mut Stack,
        to: Side,
        section: usize,
        format: Format,
        length: usize,
    ) -> Section {
        let found = self
            .ends(to)
            .and_then(|ends| Some((ends, ends.get(section)?)));
        let Some((ends, end)) = found else {
            return Section::default();
        };
        let Some(rtp) = end.rtp else {
            return Section::default();
        };
        let address = public_address(stack.config.advertised, rtp);
        let is_datagram = ends.policy.signalling == Transport::Udp;
        // Credentials and candidates take the place of further suites.
        let is_short = length <= MAX_BYTES_FOR_ALL_SUITES && !ends.policy.ice;
        let maker = Maker {
            policy: ends.policy,
            end,
            address,
            has_room: !is_datagram || is_short,
            section,
        };
        Section {
            address: Some(address),
            transport: match format {
                Format::Rtp => Some(maker.offer(stack)),
                Format::Udptl => None,
            },
            numbers: None,
        }
    }

    fn remember_offer(&mut self, to: Side, sections: &[Section]) {
        let Some(ends) = self.ends_mut(to) else {
            return;
        };
        for (place, section) in ends.ends.iter_mut().zip(sections) {
            if let Some(end) = place {
                end.offered = section.transport.clone();
            }
        }
    }

    /// Writes an answer that came from the other side for the party of `to`, which has made an offer,
    /// and settles the transport of `to` by it.
    pub(in crate::call) fn write_answer(
        &mut self,
        stack: &mut Stack,
        to: Side,
        description: &[u8],
    ) -> Option<Description> {
        let parsed = SessionDescription::parse(description).ok()?;
        if self.direct {
            return self.write_direct(stack, to, &parsed);
        }
        let mut sections = Vec::with_capacity(parsed.media().len());
        for (section, media) in parsed.media().iter().enumerate() {
            sections.push(self.answered_section(stack, to, section, media));
        }
        share_transports(&mut sections, true);
        self.remember_answer(stack, to, &sections);
        self.write(stack, to, &parsed, &sections)
    }

    fn answered_section(
        &mut self,
        stack: &mut Stack,
        to: Side,
        section: usize,
        media: &Media<'_>,
    ) -> Section {
        let mut answered = Section::default();
        let found = self
            .ends(to)
            .and_then(|ends| Some((ends, ends.get(section)?)));
        let Some((ends, end)) = found else {
            return answered;
        };
        let theirs = end.newest().and_then(|talk| talk.theirs.as_ref());
        let (Some(rtp), Some(talk)) = (end.rtp, end.newest()) else {
            return answered;
        };
        if format_of(media).is_none() || !talk.usable {
            // A section that is refused keeps its name (RFC 9143 section 7.3).
            answered.transport = theirs.map(|theirs| TransportDescription {
                mid: theirs.mid.clone(),
                ..TransportDescription::new(theirs.profile)
            });
            return answered;
        }
        let address = public_address(stack.config.advertised, rtp);
        answered.address = Some(address);
        answered.numbers = self.numbers_towards(to, section, media);
        let Some(theirs) = theirs else {
            return answered;
        };
        let Ok(answer) = transport_answer(&stack.config, ends.policy, theirs) else {
            answered.address = None;
            return answered;
        };
        let maker = Maker {
            policy: ends.policy,
            end,
            address,
            has_room: true,
            section,
        };
        let mut ours = maker.answer(stack, theirs, &answer);
        ours.bundle = theirs.bundle.map(|bundle| Bundle {
            only: false,
            ..bundle
        });
        answered.transport = Some(ours);
        answered
    }

    /// What the answerer's numbers of a section are called by the party of `to`, where that differs.
    fn numbers_towards(&self, to: Side, section: usize, answer: &Media<'_>) -> Option<PayloadMap> {
        let answerer = match to {
            Side::Caller => self.callee()?,
            Side::Callee(_) => Side::Caller,
        };
        let talk = self.ends(answerer)?.get(section)?.newest()?;
        let offer = self.ends(to)?.get(section)?.newest()?.theirs.as_ref();
        let map = match offer.is_some_and(|offer| offer.bundle.is_some()) {
            true => without_taken(&talk.numbers, answer, self.taken_in_bundle(to, section)),
            false => talk.numbers.clone(),
        };
        (!map.is_identity()).then_some(map)
    }

    fn remember_answer(&mut self, stack: &Stack, to: Side, sections: &[Section]) {
        let Some(ends) = self.ends_mut(to) else {
            return;
        };
        let policy = ends.policy;
        // What an answer does not name is not agreed to.
        let unnamed = Section::default();
        let sections = sections.iter().chain(std::iter::repeat(&unnamed));
        for (place, section) in ends.ends.iter_mut().zip(sections) {
            let Some(end) = place else { continue };
            let Some(mut talk) = end.newest().cloned() else {
                continue;
            };
            if section.address.is_none() {
                talk.usable = false;
                talk.remote.sends = false;
                talk.remote.receives = false;
                talk.remote.silence = None;
            } else if section.transport.is_some() {
                talk.ours = section.transport.clone();
                let agreed = end.agreed.as_ref();
                // What is answered by the rule of answers fits the offer.
                let _ = settle(&stack.config, policy, agreed, &mut talk, Both::TheyOffered);
            }
            end.proposed = Some(talk);
        }
    }

    /// Between the phones themselves a description passes as it is.
    fn write_direct(
        &mut self,
        stack: &Stack,
        to: Side,
        parsed: &SessionDescription<'_>,
    ) -> Option<Description> {
        let advertised = stack.config.advertised;
        let ends = self.ends_mut(to)?;
        let address = public_ip(advertised, ends.local);
        let mut out = Vec::with_capacity(parsed.text().len() + 64);
        ends.session
            .write(parsed, &Rewrite::default(), address, &mut out);
        Some(out.into_boxed_slice())
    }

    fn write(
        &mut self,
        stack: &Stack,
        to: Side,
        parsed: &SessionDescription<'_>,
        sections: &[Section],
    ) -> Option<Description> {
        let advertised = stack.config.advertised;
        let ends = self.ends_mut(to)?;
        let address = public_ip(advertised, ends.local);
        let media = sections.iter().map(|section| MediaRewrite {
            address: section.address,
            rtcp: RtcpRewrite::NextPort,
            reject: section.address.is_none(),
            transport: section.transport.as_ref(),
            renumber: section.numbers.as_ref(),
            ..MediaRewrite::default()
        });
        let ambiguous = ambiguous_extensions(parsed, sections);
        let rewrite = Rewrite {
            connection: Some(address),
            remove: Some(&|attribute| {
                attribute.is_ice()
                    || attribute.is_security()
                    || attribute.is_bundle()
                    || ExtMap::parse(attribute).is_some_and(|map| ambiguous.contains(&map.id))
            }),
            media: media.collect(),
            ..Rewrite::default()
        };
        let mut out = Vec::with_capacity(parsed.text().len() + 256);
        ends.session.write(parsed, &rewrite, address, &mut out);
        Some(out.into_boxed_slice())
    }
}

fn public_address(advertised: Option<IpAddr>, own: SocketAddr) -> SocketAddr {
    SocketAddr::new(public_ip(advertised, own.ip()), own.port())
}

/// The address that others know us by.
pub(super) fn public_ip(advertised: Option<IpAddr>, own: IpAddr) -> IpAddr {
    match advertised {
        Some(address) if address.is_ipv4() == own.is_ipv4() => address,
        _ => own,
    }
}
