//! One side of a call in words that belong to no protocol: progress, alerting, answer, offers of
//! media, release with a cause. A leg knows its own protocol and nothing of the other leg; a call
//! knows only these words.

use core::time::Duration;

use crate::cause::Cause;
pub(crate) use crate::cause::Rejection;

pub(crate) mod sip;

/// Names a leg of a call in its shard. Stale names are harmless: the generation of the call's slot
/// tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct LegId {
    /// The call.
    pub(crate) call: CallSlot,
    /// 0: the caller's leg; 1 and up: legs of the called side in the order they were made.
    pub(crate) leg: u8,
}

/// Where a call stands in its shard's table, and which one of those that stood there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CallSlot {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

/// A session description (SDP), as it crosses from leg to leg.
pub(crate) type Description = Box<[u8]>;

/// Gives the answer to a question of the peer back to the leg that asked. Only that leg knows what
/// it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReplyToken(pub(crate) u64);

/// What a leg reports.
#[derive(Debug)]
pub(crate) enum LegEvent {
    /// The called party has been reached but has not answered.
    Progress(Progress),
    /// The called party has answered. Without a description when an earlier progress carried the
    /// answer; with an offer when the set-up carried none.
    Answered { description: Option<Description> },
    /// The called party, or the way to it, has refused.
    Rejected(Rejection),
    /// The called party does not take the media as they were offered, and another offer was held
    /// out: it waits for that.
    DescriptionRefused { status: u16 },
    /// The way to the party that is to be called is known now, or is another one: the set-up that is
    /// written for it can be sent along it.
    Reachable,
    /// The called party says to try these addresses instead.
    Redirected { contacts: Vec<Box<str>> },
    /// In mid call the party offers new media; without a description it asks for an offer.
    Offered { description: Option<Description> },
    /// The party has answered an offer: the answer to [`LegCommand::Offer`].
    OfferAnswered { description: Option<Description> },
    /// The party has refused [`LegCommand::Offer`]; everything stays as it was.
    OfferRefused { status: u16 },
    /// The party has confirmed; carries its answer when we had made the offer in the answer
    /// ([`LegCommand::PrepareAnswer`], [`LegCommand::AcceptOffer`]) or in progress.
    Confirmed { description: Option<Description> },
    /// The party sends something that is not about the call itself (key presses, a text).
    Information {
        information: Information,
        reply: ReplyToken,
    },
    /// The party has replied to [`LegCommand::Inform`].
    InformationReplied { reply: ReplyToken, status: u16 },
    /// The party has hung up, given up or vanished. The leg is over.
    Released(Release),
    /// The session is to be kept alive, for which this party has to be made an offer.
    RefreshDue,
    /// The way to the party is broken. Where is its device now?
    Lost,
    /// Nothing is pending on a leg that was released by us. Its memory can go.
    Finished,
}

/// News from a called party that has not answered yet.
#[derive(Debug)]
pub(crate) struct Progress {
    /// The party's bell rings.
    pub(crate) alerting: bool,
    /// Media that can already be heard or agreed.
    pub(crate) description: Option<Description>,
    /// The party will not go on before this is confirmed (a reliable provisional response that
    /// carries an offer).
    pub(crate) offer: bool,
}

/// Why media do not come about, in words for a person (RFC 3261 section 20.43 in SIP).
#[derive(Clone, Debug)]
pub(crate) struct Warning {
    pub(crate) code: u16,
    pub(crate) text: Box<str>,
}

/// How a party left.
#[derive(Clone, Debug)]
pub(crate) struct Release {
    pub(crate) cause: Cause,
    /// Whether the party did it; otherwise the exchange found out that it is gone.
    pub(crate) by_party: bool,
    /// The final response that the leg has given on its own to a party that waited for one.
    pub(crate) status: Option<u16>,
}

/// Something that is passed on as it is.
#[derive(Clone, Debug)]
pub(crate) struct Information {
    /// The kind: INFO or MESSAGE in SIP.
    pub(crate) kind: InformationKind,
    pub(crate) content_type: Box<str>,
    /// `Info-Package` (RFC 6086).
    pub(crate) package: Option<Box<str>>,
    pub(crate) body: Box<[u8]>,
}

/// What kind of information.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InformationKind {
    /// About the session: key presses, a picture request.
    Info,
    /// A text for a person.
    Message,
}

/// What a leg is told.
#[derive(Debug)]
pub(crate) enum LegCommand {
    /// Tell the calling party that the called one has been reached.
    Progress(Progress),
    /// Prepare to tell the calling party that it is answered, so that what will be told can be
    /// written down first.
    PrepareAnswer { description: Option<Description> },
    /// Tell the calling party that it is answered.
    Answer,
    /// Tell the calling party that it will not be answered.
    Reject {
        rejection: Rejection,
        retry_after: Option<Duration>,
        warning: Option<Warning>,
    },
    /// From now on show the party how far the media of the call are encrypted; `None`: that is not
    /// known.
    ShowEncryption(Option<&'static str>),
    /// Offer new media; without a description: ask the party for an offer. When it has not answered
    /// within this time, the offer is taken back, and counts as refused.
    Offer {
        description: Option<Description>,
        within: Duration,
    },
    /// Keep the session alive by this offer: the answer to [`LegEvent::RefreshDue`]. What becomes of it
    /// is reported as of [`LegCommand::Offer`].
    Refresh {
        description: Description,
        within: Duration,
    },
    /// The session cannot be refreshed now: ask again in a moment.
    RefreshLater,
    /// What the party was offered last does not count: this does, which it was told before.
    TakeBack { described: Description },
    /// Answer the party's offer; an offer itself where the party had asked for one.
    AcceptOffer { description: Option<Description> },
    /// Refuse the party's offer.
    RefuseOffer {
        status: u16,
        warning: Option<Warning>,
    },
    /// Confirm the party's answer, with our answer where the party had made the offer.
    Confirm { description: Option<Description> },
    /// Pass something on.
    Inform {
        information: Information,
        reply: ReplyToken,
    },
    /// Reply to [`LegEvent::Information`].
    ReplyInformation { reply: ReplyToken, status: u16 },
    /// End the leg, whatever it is doing.
    Release { cause: Cause, elsewhere: bool },
    /// Tell a party that has hung up that it is so.
    ConfirmRelease,
}
