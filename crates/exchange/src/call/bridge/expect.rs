//! Telling the media plane that what a party sends may overtake its answer. What was offered is written
//! elsewhere.

use super::ends::End;
use super::{Bridge, Side};
use crate::interface::Output;
use crate::media::{Command, IceCredentials, IceOffer, Offer};
use crate::stack::Stack;

impl Bridge {
    /// An offer is made to the party of `side`. Media come by another way than signalling and may be
    /// quicker: whoever offers has to be ready for them (RFC 5763 section 5, RFC 8445 section 7.3).
    pub(in crate::call) fn expect_answer(&mut self, stack: &mut Stack, side: Side) {
        let Some(ends) = self.ends_mut(side) else {
            return;
        };
        let signalling = ends.signalling;
        for end in ends.ends.iter_mut().flatten() {
            let offered = end.offered.as_ref().map(|offered| Offer {
                signalling,
                dtls: !offered.fingerprints.is_empty(),
                ice: offered.ice.as_ref().map(|ice| IceOffer {
                    local: IceCredentials::from(&ice.credentials),
                    lite: ice.lite,
                }),
            });
            let offer = offered.filter(|offer| offer.dtls || offer.ice.is_some());
            if offer.is_some() || end.expected {
                tell(stack, end, offer);
            }
        }
    }

    /// After a restart: the party of `side` was made this offer and has not answered it.
    pub(in crate::call) fn offered_before(&mut self, side: Side, offer: &[u8]) {
        if let Some(ends) = self.ends_mut(side) {
            ends.offer = Some(offer.into());
        }
    }

    /// No answer is to come from the party of `side` any more, be it that it is there.
    pub(in crate::call) fn expect_no_answer(&mut self, stack: &mut Stack, side: Side) {
        let ends = self.ends_mut(side).into_iter();
        let ends = ends.flat_map(|ends| ends.ends.iter_mut().flatten());
        for end in ends.filter(|end| end.expected) {
            tell(stack, end, None);
        }
    }
}

fn tell(stack: &mut Stack, end: &mut End, offer: Option<Offer>) {
    end.expected = offer.is_some();
    stack.outputs.push_back(Output::Media(Command::Offered {
        endpoint: end.id,
        offer: offer.map(Box::new),
    }));
}
