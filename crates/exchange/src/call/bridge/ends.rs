//! The endpoints that face one side, and what has been said and agreed about each: plain values that
//! are written down with the call. No description is read or written here.

use std::net::{IpAddr, SocketAddr};

use fernamt_sdp::{PayloadMap, SessionState, TransportDescription};
use fernamt_sip::transport::Flow;
use serde::{Deserialize, Serialize};

use crate::encryption::Policy;
use crate::leg::Description;
use crate::media::{EndpointId, Protection, Remote, Rollovers, SrtpKeys};
use crate::stack::Stack;

/// The endpoints that face one side, one for each media section.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Ends {
    /// The called leg; 0 for the caller.
    pub(super) leg: u8,
    /// Our address on the path to this side.
    pub(super) local: IpAddr,
    /// Where the signalling of this side comes from.
    pub(super) signalling: IpAddr,
    pub(super) session: SessionState,
    /// How far its media are to be encrypted.
    pub(super) policy: Policy,
    pub(super) ends: Vec<Option<End>>,
    /// What the journal was last told about the protection of its media.
    pub(super) told: Box<str>,
    /// Our last offer as it was written; not kept through a restart.
    #[serde(skip)]
    pub(super) offer: Option<Description>,
    /// What the other party's payload types are called in it, section by section.
    #[serde(skip)]
    pub(super) offered_numbers: Vec<PayloadMap>,
}

/// One endpoint and its party.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct End {
    pub(super) id: EndpointId,
    /// Where it listens, or did before a restart; not known before it was open.
    pub(super) rtp: Option<SocketAddr>,
    /// Ordered, and not yet open.
    pub(super) opening: bool,
    /// What both sides have agreed to.
    pub(super) agreed: Option<Talk>,
    /// What the party has said and the other side has not agreed to yet.
    pub(super) proposed: Option<Talk>,
    /// What we have offered to the party, which has not answered it.
    pub(super) offered: Option<TransportDescription>,
    /// The keys of the last handshake on the media path.
    pub(super) established: Option<SrtpKeys>,
    /// Those of the last one on the port of RTCP, where it has one of its own.
    pub(super) established_rtcp: Option<SrtpKeys>,
    /// How far protected streams have come.
    pub(super) rollovers: Rollovers,
    /// The section whose ports carry this stream, where that is another one (RFC 9143).
    pub(super) carrier: Option<usize>,
    /// The media plane has been told to connect it with the other side.
    pub(super) bridged: bool,
    /// The media plane has been told that what the party sends may be here before its answer.
    #[serde(skip)]
    pub(super) expected: bool,
}

/// What is known about one stream of a party.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Talk {
    pub(super) remote: Remote,
    /// How we said to the party that the stream is transported; nothing while an offer of the party
    /// has no answer, and where it is no RTP.
    pub(super) ours: Option<TransportDescription>,
    /// How the party said it.
    pub(super) theirs: Option<TransportDescription>,
    /// The section may be carried on. Otherwise it is refused.
    pub(super) usable: bool,
    /// What the payload types of its answer are called in the offer that it was made.
    pub(super) numbers: PayloadMap,
}

impl Ends {
    pub(super) fn new(flow: &Flow, policy: Policy, stack: &mut Stack) -> Ends {
        Ends {
            leg: 0,
            local: flow.local.ip(),
            signalling: flow.remote.ip(),
            session: SessionState::new(stack.random_u64()),
            policy,
            ends: Vec::new(),
            told: Box::default(),
            offer: None,
            offered_numbers: Vec::new(),
        }
    }

    pub(super) fn get(&self, section: usize) -> Option<&End> {
        self.ends.get(section)?.as_ref()
    }

    pub(super) fn has_endpoints(&self) -> bool {
        self.ends.iter().any(Option::is_some)
    }
}

impl End {
    pub(super) fn new(id: EndpointId) -> End {
        End {
            id,
            rtp: None,
            opening: true,
            agreed: None,
            proposed: None,
            offered: None,
            established: None,
            established_rtcp: None,
            rollovers: Rollovers::default(),
            carrier: None,
            bridged: false,
            expected: false,
        }
    }

    /// What is known about the stream, agreed to or not.
    pub(super) fn newest(&self) -> Option<&Talk> {
        self.proposed.as_ref().or(self.agreed.as_ref())
    }

    /// Whether what was proposed comes with other keys than what was agreed.
    pub(super) fn has_other_keys(&self) -> bool {
        let both = self.proposed.as_ref().zip(self.agreed.as_ref());
        both.is_some_and(|(now, before)| now.remote.protection != before.remote.protection)
    }

    /// The other side agrees to what was proposed. False: nothing was.
    pub(super) fn agree(&mut self) -> bool {
        let Some(proposed) = self.proposed.take() else {
            return false;
        };
        if let Some(agreed) = &self.agreed {
            let (before, now) = (&agreed.remote.protection, &proposed.remote.protection);
            forget_positions(&mut self.rollovers, before, now);
            if !is_same_association(before, now) {
                self.established = None;
                self.established_rtcp = None;
            }
        }
        self.agreed = Some(proposed);
        true
    }

    /// After a restart the media plane knows nothing: it is told what was agreed once more.
    pub(super) fn begin_again(&mut self) {
        self.opening = true;
        if self.agreed.is_some() {
            // What was offered in mid call is answered by nobody any more.
            self.offered = None;
        }
        self.carrier = None;
        self.bridged = false;
        self.expected = false;
        self.proposed = self.agreed.take().or(self.proposed.take());
    }
}

/// A new key begins a new context (RFC 4568 section 7.1.4); under one that stays, no number may be
/// used a second time.
fn forget_positions(rollovers: &mut Rollovers, before: &Protection, now: &Protection) {
    let (ours_stay, theirs_stay) = match (before, now) {
        (Protection::Sdes(before), Protection::Sdes(now)) => (
            now.ours.continues(&before.ours),
            now.theirs.continues(&before.theirs),
        ),
        _ => {
            let same = is_same_association(before, now);
            (same, same)
        }
    };
    if !ours_stay {
        rollovers.ours.clear();
        rollovers.rtcp = 0;
        rollovers.rtcp_alone.sent = 0;
        rollovers.sent_packets = 0;
        rollovers.made_up_names = None;
    }
    if !theirs_stay {
        rollovers.theirs.clear();
        rollovers.heard_packets = (0, 0);
        rollovers.rtcp_alone.heard = 0;
    }
}

/// Whether the keys of a handshake go on (RFC 8842 section 4).
fn is_same_association(before: &Protection, now: &Protection) -> bool {
    match (before, now) {
        (Protection::Dtls(before), Protection::Dtls(now)) => {
            before.role == now.role && before.fingerprints == now.fingerprints
        }
        _ => false,
    }
}
