//! What a call waits for the disk for, and the tickets that say so. Nothing is written here.

use crate::interface::Ticket;
use crate::leg::CallSlot;

/// What of a call is on its way to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// The call as it is when it is answered.
    Answer,
    /// Its record.
    Record,
}

/// Set in the ticket of a record. There are never so many calls that the number of a place needs it.
const RECORD: u64 = 1 << 63;

impl Wait {
    /// The ticket of what the call in this place waits for.
    pub(super) const fn ticket(self, slot: CallSlot) -> Ticket {
        let place = (slot.index as u64) << 32 | slot.generation as u64;
        match self {
            Wait::Answer => Ticket(place),
            Wait::Record => Ticket(place | RECORD),
        }
    }

    /// What a ticket of ours is about.
    pub(crate) const fn of(ticket: Ticket) -> (Wait, CallSlot) {
        let wait = match ticket.0 & RECORD {
            0 => Wait::Answer,
            _ => Wait::Record,
        };
        let slot = CallSlot {
            index: ((ticket.0 & !RECORD) >> 32) as u32,
            generation: ticket.0 as u32,
        };
        (wait, slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_says_which_call_waits_for_what() {
        for index in [0, 1, u32::MAX >> 1] {
            for generation in [0, u32::MAX] {
                let slot = CallSlot { index, generation };
                for wait in [Wait::Answer, Wait::Record] {
                    assert_eq!(Wait::of(wait.ticket(slot)), (wait, slot));
                }
            }
        }
    }
}
