//! Telling the media plane what both sides have agreed on. Nothing is agreed here.

use super::Bridge;
use super::ends::{End, Ends, Talk};
use crate::interface::Output;
use crate::media::{self, ClockRate, Protection, Remote, Translation};
use crate::stack::Stack;

impl Bridge {
    /// Both sides have agreed on what was proposed: tells the media plane.
    pub(in crate::call) fn connect(&mut self, stack: &mut Stack) {
        if self.direct {
            return;
        }
        let Bridge { caller, callee, .. } = self;
        let Some(callee) = callee.first_mut() else {
            return;
        };
        let mut changed = Vec::with_capacity(caller.ends.len());
        for (a, b) in caller.ends.iter_mut().zip(&mut callee.ends) {
            changed.push(match (a, b) {
                // Both are asked: neither may be skipped.
                (Some(a), Some(b)) => a.agree() | b.agree(),
                _ => false,
            });
        }
        bundle(stack, caller);
        bundle(stack, callee);
        for ((a, b), changed) in caller.ends.iter_mut().zip(&mut callee.ends).zip(changed) {
            let (Some(a), Some(b)) = (a, b) else { continue };
            if !changed {
                continue;
            }
            tell_remote(stack, a, b.agreed.as_ref());
            tell_remote(stack, b, a.agreed.as_ref());
            if !(a.bridged && b.bridged) && a.agreed.is_some() && b.agreed.is_some() {
                let order = media::Command::Bridge { a: a.id, b: b.id };
                stack.outputs.push_back(Output::Media(order));
                (a.bridged, b.bridged) = (true, true);
            }
        }
    }

    /// Takes what was proposed of the caller as agreed, for a call to the exchange itself.
    pub(in crate::call) fn connect_caller(&mut self, stack: &mut Stack) {
        let mut changed = Vec::with_capacity(self.caller.ends.len());
        for end in &mut self.caller.ends {
            changed.push(end.as_mut().is_some_and(End::agree));
        }
        bundle(stack, &mut self.caller);
        for (end, changed) in self.caller.ends.iter().zip(changed) {
            if let Some(end) = end.as_ref().filter(|_| changed) {
                tell_remote(stack, end, None);
            }
        }
    }
}

/// Tells the media plane which streams of a party share the ports of another one (RFC 9143).
fn bundle(stack: &mut Stack, ends: &mut Ends) {
    let carriers: Vec<Option<usize>> = (0..ends.ends.len())
        .map(|section| carrier_of(ends, section))
        .collect();
    let mut told: Vec<usize> = Vec::new();
    for (section, carrier) in carriers.iter().enumerate() {
        let known = ends.get(section).and_then(|end| end.carrier);
        if let Some(carrier) = carrier.filter(|carrier| known != Some(*carrier))
            && !told.contains(&carrier)
        {
            told.push(carrier);
        }
    }
    for carrier in told {
        let id = |section: usize| ends.get(section).map(|end| end.id);
        let riders = carriers.iter().enumerate();
        let riders = riders.filter(|(_, other)| **other == Some(carrier));
        let riders = riders.filter_map(|(section, _)| id(section)).collect();
        if let Some(carrier) = id(carrier) {
            let order = media::Command::Bundle { carrier, riders };
            stack.outputs.push_back(Output::Media(order));
        }
    }
    for (place, carrier) in ends.ends.iter_mut().zip(carriers) {
        if let Some(end) = place {
            end.carrier = carrier;
        }
    }
}

/// The section on whose ports this one travels; `None`: its own.
fn carrier_of(ends: &Ends, section: usize) -> Option<usize> {
    let usable = |section: usize| -> Option<&Talk> {
        let talk = ends.get(section)?.agreed.as_ref();
        talk.filter(|talk| talk.usable)
    };
    let talk = usable(section)?;
    let ours = talk.ours.as_ref()?.bundle?.tagged;
    let theirs = talk.theirs.as_ref()?.bundle?.tagged;
    // What the offerer named first may have been refused.
    let carrier = [ours, theirs]
        .into_iter()
        .find(|place| usable(*place).is_some())?;
    (carrier != section).then_some(carrier)
}

/// Tells the media plane where a party is, given what the party on the other side has said.
///
/// A party may send what the other one is willing to receive (RFC 3264 section 6.1). Where an answerer
/// numbers its formats otherwise than the offer, the offerer has read its own numbers and packets are
/// translated; what either of them names may come from either of them. Silence means something only while
/// both talk: whoever holds, or is held, may well send nothing.
fn tell_remote(stack: &mut Stack, end: &End, other: Option<&Talk>) {
    let Some(mut remote) = end.agreed.as_ref().map(|talk| talk.remote.clone()) else {
        return;
    };
    if let (Some(own), Some(other)) = (&end.agreed, other) {
        join(&mut remote, own, other);
    }
    remote.translations = translations(end.agreed.as_ref(), other);
    remote.reduced_size = end.agreed.as_ref().is_some_and(takes_reduced_size);
    if !(remote.sends && remote.receives) {
        remote.silence = None;
    }
    if let Protection::Dtls(dtls) = &mut remote.protection {
        dtls.established = end.established.clone();
        dtls.established_rtcp = end.established_rtcp.clone();
    }
    remote.rollovers = end.rollovers.clone();
    let (endpoint, remote) = (end.id, Box::new(remote));
    stack
        .outputs
        .push_back(Output::Media(media::Command::Remote { endpoint, remote }));
}

/// Whether a party and we have agreed on RTCP that begins with no report (RFC 5506).
fn takes_reduced_size(talk: &Talk) -> bool {
    let both = [&talk.ours, &talk.theirs].into_iter();
    both.flatten().filter(|said| said.rtcp_reduced_size).count() == 2
}

/// What packets of a party are called on the other side: by its own numbers where it has answered, by
/// those of the other party where that one has.
fn translations(own: Option<&Talk>, other: Option<&Talk>) -> Vec<Translation> {
    let as_answerer = own
        .into_iter()
        .flat_map(|talk| talk.numbers.from_answerer());
    let as_offerer = other
        .into_iter()
        .flat_map(|talk| talk.numbers.from_offerer());
    as_answerer
        .chain(as_offerer)
        .map(|translation| Translation {
            from: translation.from,
            to: translation.to,
            event_clocks: translation.event_clocks,
        })
        .collect()
}

fn join(remote: &mut Remote, own: &Talk, other: &Talk) {
    remote.sends &= other.remote.receives;
    remote.receives &= other.remote.sends;
    // Where its numbers tell its streams apart, those of the other party, which mean something else here,
    // would make them ambiguous.
    let is_bundled = own.ours.as_ref().is_some_and(|ours| ours.bundle.is_some());
    let called_here = |number| match is_bundled {
        true => own_number(own, other, number),
        false => Some(number),
    };
    let others = other.remote.payload_types.iter();
    remote
        .payload_types
        .extend(others.filter_map(|number| called_here(*number)));
    remote.payload_types.sort_unstable();
    remote.payload_types.dedup();
    for clock in &other.remote.clock_rates {
        let mut known = remote.clock_rates.iter();
        if let Some(payload_type) = called_here(clock.payload_type)
            && !known.any(|known| known.payload_type == payload_type)
        {
            remote.clock_rates.push(ClockRate {
                payload_type,
                ..*clock
            });
        }
    }
}

/// What a payload type of the other party is called by this one.
fn own_number(own: &Talk, other: &Talk, number: u8) -> Option<u8> {
    let offered = other.numbers.to_offered(number)?;
    Some(own.numbers.to_answered(offered))
}
