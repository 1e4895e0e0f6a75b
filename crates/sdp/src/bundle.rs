//! Sections that share one transport, `a=group:BUNDLE` (RFC 9143, before it RFC 8843).

use serde::{Deserialize, Serialize};

use crate::MAX_MEDIA;
use crate::attribute::Group;
use crate::description::SessionDescription;

/// The longest `a=mid` that is understood.
pub const MAX_MID_BYTES: usize = 64;

/// A section's part in a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Bundle {
    /// The section, by its place, whose transport is shared: the first of the group. It may be the
    /// section itself.
    pub tagged: usize,
    /// `a=bundle-only`: the section has no transport of its own (RFC 9143 section 6).
    pub only: bool,
}

impl Bundle {
    /// The part that the section with `mid` has, by the groups of the description.
    pub(crate) fn of(
        description: &SessionDescription<'_>,
        mid: &str,
        only: bool,
    ) -> Option<Bundle> {
        let mut groups = description.groups().take(MAX_MEDIA);
        let group = groups.find(|group| {
            group.semantics == "BUNDLE" && members(group).any(|member| member == mid)
        })?;
        let names = names(description);
        // A section that is rejected cannot carry the others.
        let carries = |place: &usize| {
            let media = description.media().get(*place);
            media.is_some_and(|media| !media.is_rejected())
        };
        let place_of = |member: &str| names.iter().position(|name| *name == Some(member));
        let tagged = members(&group).filter_map(place_of).find(carries)?;
        Some(Bundle { tagged, only })
    }
}

/// The members of a group; more than there may be sections mean nothing.
fn members<'a>(group: &Group<'a>) -> impl Iterator<Item = &'a str> + use<'a> {
    group.members().take(MAX_MEDIA)
}

/// The `mid` of every section, found in one pass.
pub(crate) fn names<'a>(description: &SessionDescription<'a>) -> [Option<&'a str>; MAX_MEDIA] {
    let mut names = [None; MAX_MEDIA];
    for (name, media) in names.iter_mut().zip(description.media()) {
        *name = media.mid();
    }
    names
}
