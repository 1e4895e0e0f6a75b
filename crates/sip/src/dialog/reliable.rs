//! The order of reliable provisional responses (RFC 3262). Their repetition is up to the server
//! transaction.

use serde::{Deserialize, Serialize};

/// The highest first RSeq (RFC 3262 section 3).
const MAX_FIRST_RSEQ: u32 = (1 << 31) - 1;

/// What the caller has seen of the reliable provisional responses in one early dialog.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProvisionalOrder {
    last: Option<u32>,
}

/// What a reliable provisional response is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProvisionalArrival {
    /// The next one: process it, and send PRACK.
    InOrder,
    /// One that was processed: do nothing. The PRACK repeats itself.
    Repeated,
    /// One before it is missing: do nothing, it will come again (RFC 3262 section 4).
    Early,
}

impl ProvisionalOrder {
    /// Takes note of a response with this RSeq. The first of a dialog may have any number.
    pub fn receive(&mut self, rseq: u32) -> ProvisionalArrival {
        match self.last {
            Some(last) if rseq <= last => ProvisionalArrival::Repeated,
            Some(last) if rseq - last > 1 => ProvisionalArrival::Early,
            _ => {
                self.last = Some(rseq);
                ProvisionalArrival::InOrder
            }
        }
    }
}

/// Numbers the reliable provisional responses that we send to one INVITE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProvisionalNumbers {
    last: u32,
}

impl ProvisionalNumbers {
    /// Numbers that begin at random (RFC 3262 section 3).
    pub fn new(random: u32) -> ProvisionalNumbers {
        ProvisionalNumbers {
            last: random % MAX_FIRST_RSEQ,
        }
    }

    /// The RSeq of the next response.
    pub fn next_rseq(&mut self) -> u32 {
        self.last = self.last.saturating_add(1);
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses_are_processed_once_and_in_order() {
        use ProvisionalArrival::{Early, InOrder, Repeated};
        let mut order = ProvisionalOrder::default();
        for (rseq, arrival) in [
            (776_656, InOrder),
            (776_656, Repeated),
            (776_658, Early),
            (776_657, InOrder),
            (776_655, Repeated),
            (776_658, InOrder),
        ] {
            assert_eq!(order.receive(rseq), arrival, "{rseq}");
        }
        assert_eq!(
            ProvisionalOrder {
                last: Some(u32::MAX)
            }
            .receive(u32::MAX),
            Repeated
        );
    }

    #[test]
    fn numbers_begin_between_1_and_the_limit_and_count_up() {
        for random in [0, 1, MAX_FIRST_RSEQ - 1, MAX_FIRST_RSEQ, u32::MAX] {
            let mut numbers = ProvisionalNumbers::new(random);
            let first = numbers.next_rseq();
            assert!((1..=MAX_FIRST_RSEQ).contains(&first));
            assert_eq!(numbers.next_rseq(), first + 1);
        }
    }
}
