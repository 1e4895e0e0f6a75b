//! Offers and re-INVITEs that cross each other (RFC 3261 section 14, RFC 3311 section 5). What is
//! offered is not looked at here.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::Role;

/// Which changes of a session are under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// We sent an INVITE that has no final response.
    pub our_invite: bool,
    /// We received an INVITE that we have not answered finally.
    pub their_invite: bool,
    /// We made an offer that has no answer, in whatever message.
    pub our_offer: bool,
    /// We received an offer that we have not answered, in whatever message.
    pub their_offer: bool,
}

/// How to answer a request that must wait for another change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Glare {
    /// Both sides want a change at the same time: 491.
    RequestPending,
    /// The peer begins a second change before its first is answered: 500 with a Retry-After of a
    /// random number of seconds from 0 to 10.
    RetryLater,
}

impl Glare {
    /// The status to answer with.
    pub const fn status(self) -> u16 {
        match self {
            Glare::RequestPending => 491,
            Glare::RetryLater => 500,
        }
    }
}

impl Changes {
    /// Whether an INVITE of the peer within the dialog may be processed (RFC 3261 section 14.2).
    ///
    /// # Errors
    /// How to answer when it may not.
    pub fn may_accept_invite(&self) -> Result<(), Glare> {
        if self.their_invite {
            Err(Glare::RetryLater)
        } else if self.our_invite {
            Err(Glare::RequestPending)
        } else {
            self.may_accept_offer()
        }
    }

    /// Whether an offer of the peer in an UPDATE or PRACK may be processed (RFC 3311 section 5.2).
    ///
    /// # Errors
    /// How to answer when it may not.
    pub fn may_accept_offer(&self) -> Result<(), Glare> {
        if self.our_offer {
            Err(Glare::RequestPending)
        } else if self.their_offer {
            Err(Glare::RetryLater)
        } else {
            Ok(())
        }
    }

    /// Whether we may send an INVITE within the dialog (RFC 3261 section 14.1).
    pub fn may_send_invite(&self) -> bool {
        !self.our_invite && !self.their_invite && self.may_send_offer()
    }

    /// Whether we may make an offer (RFC 3264 section 4, RFC 3311 section 5.1).
    pub fn may_send_offer(&self) -> bool {
        !self.our_offer && !self.their_offer
    }
}

/// How long to wait after a 491 before trying again (RFC 3261 section 14.1): from 2.1 to 4 seconds
/// for the side that made the Call-ID, up to 2 seconds for the other, in steps of 10 ms.
pub fn retry_after_491(role: Role, random: u32) -> Duration {
    let steps = match role {
        Role::Caller => 210 + random % 191,
        Role::Callee => random % 201,
    };
    Duration::from_millis(u64::from(steps) * 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crossing_changes_are_told_apart() {
        let none = Changes::default();
        let ours = Changes {
            our_invite: true,
            our_offer: true,
            ..none
        };
        let theirs = Changes {
            their_invite: true,
            their_offer: true,
            ..none
        };
        let our_update = Changes {
            our_offer: true,
            ..none
        };
        let their_update = Changes {
            their_offer: true,
            ..none
        };
        let (pending, later) = (Err(Glare::RequestPending), Err(Glare::RetryLater));
        for (changes, invite, offer, may_invite, may_offer) in [
            (none, Ok(()), Ok(()), true, true),
            (ours, pending, pending, false, false),
            (theirs, later, later, false, false),
            (our_update, pending, pending, false, false),
            (their_update, later, later, false, false),
            (
                Changes {
                    our_invite: true,
                    ..none
                },
                pending,
                Ok(()),
                false,
                true,
            ),
            (
                Changes {
                    their_invite: true,
                    ..none
                },
                later,
                Ok(()),
                false,
                true,
            ),
        ] {
            assert_eq!(changes.may_accept_invite(), invite, "{changes:?}");
            assert_eq!(changes.may_accept_offer(), offer, "{changes:?}");
            assert_eq!(changes.may_send_invite(), may_invite, "{changes:?}");
            assert_eq!(changes.may_send_offer(), may_offer, "{changes:?}");
        }
        assert_eq!(
            (Glare::RequestPending.status(), Glare::RetryLater.status()),
            (491, 500)
        );
    }

    #[test]
    fn after_491_the_caller_waits_longer_than_the_callee() {
        for random in (0..100_000).chain([u32::MAX]) {
            let caller = retry_after_491(Role::Caller, random);
            assert!((2100..=4000).contains(&caller.as_millis()));
            assert!(retry_after_491(Role::Callee, random).as_millis() <= 2000);
        }
    }
}
