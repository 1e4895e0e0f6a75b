//! Candidates that a party finds while the call runs (RFC 8838), as they come in a body of INFO (RFC
//! 8840). They are for us and not for the other party.

use fernamt_sdp::{TrickleFragment, TrickleSection};

use super::ends::{End, Ends};
use super::settle::candidate;
use super::{Bridge, Side};
use crate::interface::Output;
use crate::media::{Command, IceCandidate};
use crate::stack::Stack;

/// The type of such a body.
pub(in crate::call) const TRICKLE_FRAGMENT: &str = "application/trickle-ice-sdpfrag";

/// Candidates of one stream that are kept; what is beyond is passed over.
const MAX_KEPT_CANDIDATES: usize = 64;

impl Bridge {
    /// Takes more candidates of the party of `from`. False: there is nothing that they could be for.
    pub(in crate::call) fn take_candidates(
        &mut self,
        stack: &mut Stack,
        from: Side,
        body: &[u8],
    ) -> bool {
        let Some(ends) = self.ends_mut(from).filter(|ends| has_ice(ends)) else {
            return false;
        };
        let Ok(fragment) = TrickleFragment::parse(body) else {
            return false;
        };
        for (place, section) in fragment.sections.iter().enumerate() {
            let found = ends
                .ends
                .iter_mut()
                .enumerate()
                .filter_map(|(index, end)| Some((index, end.as_mut()?)))
                .find(|(index, end)| is_meant(section, place, *index, end));
            if let Some((_, end)) = found {
                take(stack, end, section);
            }
        }
        true
    }
}

fn has_ice(ends: &Ends) -> bool {
    let mut talks = ends.ends.iter().flatten().filter_map(End::newest);
    talks.any(|talk| {
        let theirs = talk.theirs.as_ref();
        theirs.is_some_and(|theirs| theirs.ice.is_some())
    })
}

fn is_meant(section: &TrickleSection, place: usize, index: usize, end: &End) -> bool {
    let theirs = end.newest().and_then(|talk| talk.theirs.as_ref());
    match (&section.mid, theirs.and_then(|theirs| theirs.mid.as_ref())) {
        (Some(meant), Some(mid)) => meant == mid,
        _ => place == index,
    }
}

fn take(stack: &mut Stack, end: &mut End, section: &TrickleSection) {
    let id = end.id;
    let is_told = end.agreed.is_some();
    for talk in [&mut end.agreed, &mut end.proposed].into_iter().flatten() {
        let Some(ice) = talk.theirs.as_mut().and_then(|theirs| theirs.ice.as_mut()) else {
            continue;
        };
        let other_generation = section
            .credentials
            .as_ref()
            .is_some_and(|credentials| *credentials != ice.credentials);
        if other_generation {
            continue;
        }
        let mut fresh: Vec<IceCandidate> = Vec::new();
        for offered in &section.candidates {
            let known = ice.candidates.contains(offered);
            if known || ice.candidates.len() >= MAX_KEPT_CANDIDATES {
                continue;
            }
            ice.candidates.push(offered.clone());
            fresh.extend(candidate(offered));
        }
        if let Some(told) = &mut talk.remote.ice {
            told.candidates.extend(fresh.iter().cloned());
        }
        if is_told && !fresh.is_empty() && talk.remote.ice.is_some() {
            let order = Command::Candidates {
                endpoint: id,
                candidates: fresh,
            };
            stack.outputs.push_back(Output::Media(order));
        }
    }
}
