//! The bindings of one device while a REGISTER is applied to them (RFC 3261 section 10.3): a copy
//! that takes the place of the original only when nothing was refused.

use std::sync::Arc;

use fernamt_sip::time::UnixTime;
use fernamt_sip::uri::Uri;

use super::{Binding, ContactChange, RefusedChange};

/// The bindings as they are to be, and what was done to them.
pub(super) struct Draft {
    bindings: Vec<Drafted>,
    pub(super) done: Done,
}

/// How many bindings were treated in which way.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Done {
    pub(super) added: u64,
    pub(super) refreshed: u64,
    pub(super) removed: u64,
    pub(super) replaced: u64,
}

struct Drafted {
    binding: Arc<Binding>,
    /// Whether it comes from the REGISTER that is being applied; such a binding takes no part in the
    /// comparisons with what was there before.
    new: bool,
}

impl Draft {
    /// Begins with the bindings that have not expired.
    pub(super) fn new(now: UnixTime, bindings: &[Arc<Binding>]) -> Draft {
        let alive = bindings.iter().filter(|binding| binding.expires > now);
        let old = |binding: &Arc<Binding>| Drafted {
            binding: Arc::clone(binding),
            new: false,
        };
        Draft {
            bindings: alive.map(old).collect(),
            done: Done::default(),
        }
    }

    /// The bindings, highest q first, those of equal q in the order in which they came.
    pub(super) fn finish(mut self) -> Box<[Arc<Binding>]> {
        self.bindings
            .sort_by_key(|drafted| core::cmp::Reverse(drafted.binding.q));
        self.bindings
            .into_iter()
            .map(|drafted| drafted.binding)
            .collect()
    }

    pub(super) fn len(&self) -> usize {
        self.bindings.len()
    }

    /// Step 6: `Contact: *`.
    pub(super) fn remove_all(&mut self, call_id: &str, cseq: u32) -> Result<(), RefusedChange> {
        if self
            .bindings
            .iter()
            .any(|old| is_newer(&old.binding, call_id, cseq))
        {
            return Err(RefusedChange::OutOfOrder);
        }
        self.done.removed += self.bindings.len() as u64;
        self.bindings.clear();
        Ok(())
    }

    /// Step 7: one contact.
    pub(super) fn change(
        &mut self,
        now: UnixTime,
        change: ContactChange,
    ) -> Result<(), RefusedChange> {
        let ContactChange { mut binding, lasts } = change;
        binding.expires = now + lasts;
        let identity = Identity::of(&binding);
        let same = self
            .bindings
            .iter()
            .position(|old| identity.is(&old.binding));
        if let Some(old) = same.and_then(|place| self.bindings.get(place))
            && !old.new
            && is_newer(&old.binding, &binding.call_id, binding.cseq)
        {
            return Err(RefusedChange::OutOfOrder);
        }
        if lasts.is_zero() {
            if let Some(place) = same {
                self.bindings.remove(place);
                self.done.removed += 1;
            }
            return Ok(());
        }
        let moved = self.remove_where_it_was(&identity, same)?;
        let drafted = Drafted {
            binding: Arc::new(binding),
            new: true,
        };
        // Something may have been removed before it.
        let place = same.map(|place| place.saturating_sub(moved.before));
        match place.and_then(|place| self.bindings.get_mut(place)) {
            Some(old) => {
                *old = drafted;
                self.done.refreshed += 1;
            }
            None => {
                self.bindings.push(drafted);
                self.done.added += 1;
            }
        }
        self.done.replaced += moved.count;
        Ok(())
    }

    /// Removes what the same phone has left behind at an old address, so that no call rings there.
    fn remove_where_it_was(
        &mut self,
        identity: &Identity<'_>,
        same: Option<usize>,
    ) -> Result<Moved, RefusedChange> {
        let mut gone: Vec<usize> = Vec::new();
        for (place, old) in self.bindings.iter().enumerate() {
            if old.new || Some(place) == same || !identity.has_left(&old.binding) {
                continue;
            }
            if is_newer(
                &old.binding,
                &identity.binding.call_id,
                identity.binding.cseq,
            ) {
                return Err(RefusedChange::OutOfOrder);
            }
            gone.push(place);
        }
        if gone.is_empty() && same.is_none() {
            gone.extend(self.place_of_dead_connection(identity));
        }
        for place in gone.iter().rev() {
            self.bindings.remove(*place);
        }
        let before = gone
            .iter()
            .filter(|place| same.is_some_and(|same| **place < same))
            .count();
        Ok(Moved {
            count: gone.len() as u64,
            before,
        })
    }

    /// A phone that only its model and its name tell apart has left at most one connection behind:
    /// the one from the same address if there is one, otherwise the first to expire.
    fn place_of_dead_connection(&self, identity: &Identity<'_>) -> Option<usize> {
        let candidates = self
            .bindings
            .iter()
            .enumerate()
            .filter(|(_, old)| !old.new && identity.may_have_lost_connection(&old.binding));
        let from_elsewhere = |old: &Binding| old.received.ip() != identity.binding.received.ip();
        let chosen =
            candidates.min_by_key(|(_, old)| (from_elsewhere(&old.binding), old.binding.expires));
        chosen.map(|(place, _)| place)
    }
}

/// What was removed because its phone is elsewhere now.
struct Moved {
    count: u64,
    /// How many of them stood before the binding that is refreshed.
    before: usize,
}

/// Whether the binding was made by a later REGISTER of the same sequence.
fn is_newer(binding: &Binding, call_id: &str, cseq: u32) -> bool {
    *binding.call_id == *call_id && binding.cseq >= cseq
}

/// A binding with its contact read once.
struct Identity<'a> {
    binding: &'a Binding,
    uri: Option<Uri<'a>>,
}

impl<'a> Identity<'a> {
    fn of(binding: &'a Binding) -> Identity<'a> {
        Identity {
            binding,
            uri: Uri::parse(&binding.contact).ok(),
        }
    }

    /// Whether both are the same binding: the same flow of the same instance (RFC 5626 section 6),
    /// otherwise the same contact URI (RFC 3261 section 19.1.4). Two instances that give the same
    /// contact are two phones with the same private address behind different NATs.
    fn is(&self, old: &Binding) -> bool {
        match self.same_instance(old) {
            Some(false) => false,
            Some(true) if self.binding.reg_id != 0 && old.reg_id != 0 => {
                self.binding.reg_id == old.reg_id
            }
            _ => self.same_contact(old),
        }
    }

    /// Whether the old binding is the same phone under an address that it has no more.
    fn has_left(&self, old: &Binding) -> bool {
        match self.same_instance(old) {
            Some(true) => {
                self.binding.reg_id == old.reg_id || self.binding.reg_id == 0 || old.reg_id == 0
            }
            Some(false) => false,
            None => self.binding.call_id == old.call_id && self.same_contact_user(old),
        }
    }

    /// Whether the old binding's connection is gone and nothing speaks against the same phone.
    fn may_have_lost_connection(&self, old: &Binding) -> bool {
        old.transport.is_reliable()
            && old.connection.is_none()
            && self.same_instance(old).is_none()
            && old.user_agent.is_some()
            && self.binding.user_agent == old.user_agent
            && self.same_contact_user(old)
    }

    /// `None` where one of them does not say which instance it is.
    fn same_instance(&self, old: &Binding) -> Option<bool> {
        Some(self.binding.instance.as_deref()? == old.instance.as_deref()?)
    }

    fn same_contact(&self, old: &Binding) -> bool {
        if self.binding.contact == old.contact {
            return true;
        }
        match (&self.uri, Uri::parse(&old.contact)) {
            (Some(uri), Ok(old)) => uri.is_equivalent(&old),
            _ => false,
        }
    }

    fn same_contact_user(&self, old: &Binding) -> bool {
        match (&self.uri, Uri::parse(&old.contact)) {
            (Some(uri), Ok(old)) => uri.user() == old.user(),
            _ => false,
        }
    }
}
