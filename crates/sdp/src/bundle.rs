//! Sections that share one transport, `a=group:BUNDLE` (RFC 9143, before it RFC 8843).

use serde::{Deserialize, Serialize};

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
        let is_member = |group: &Group<'_>| group.members().any(|member| member == mid);
        let group = description
            .groups()
            .find(|group| group.semantics == "BUNDLE" && is_member(group))?;
        // A section that is rejected cannot carry the others.
        let place_of = |member: &str| {
            let mut media = description.media().iter();
            media.position(|media| media.mid() == Some(member) && !media.is_rejected())
        };
        let tagged = group.members().find_map(place_of)?;
        Some(Bundle { tagged, only })
    }
}
