//! What a SIP transaction of ours is for: the token that the transaction layer keeps for its user.

use crate::leg::{LegId, ReplyToken};

/// Whose transaction, and what for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TransactionUse {
    /// Nobody waits for its outcome.
    Nobody,
    /// A leg's.
    Leg(LegId, Purpose),
    /// A request outside any call that is relayed (MESSAGE).
    Relay(u64),
}

/// What a leg's transaction is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The INVITE that sets the leg up.
    Invite,
    /// PRACK.
    Prack,
    /// A re-INVITE or UPDATE that carries an offer or asks for one.
    Offer,
    /// A re-INVITE, UPDATE or OPTIONS that only keeps the session alive.
    Refresh,
    /// INFO or MESSAGE inside the dialog.
    Information(ReplyToken),
    /// A request of the peer that is being answered.
    Answering,
}
