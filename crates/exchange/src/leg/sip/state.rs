//! A confirmed SIP leg as a plain value that can be written down and picked up again.

use core::time::Duration;
use std::net::SocketAddr;
use std::sync::Arc;

use fernamt_sip::dialog::Dialog;
use fernamt_sip::dialog::session_timer::SessionTimer;
use fernamt_sip::transport::{Flow, Transport};
use serde::{Deserialize, Serialize};

use super::acknowledgement::OwingAck;
use super::awaiting::AwaitingAck;
use super::{Abilities, Phase, SipLeg};
use crate::leg::LegId;
use crate::packed::Octets;
use crate::stack::Stack;

/// What of a leg survives a restart: everything but transactions and timers, which begin anew. Its
/// text `T`, dialog `D` and bytes `B` are borrowed while it is written, and owned when it has been read.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SipLegState<T = Box<str>, D = Box<Dialog>, B = Octets<Box<[u8]>>> {
    tag: u64,
    call_id: T,
    transport: Transport,
    local: SocketAddr,
    remote: SocketAddr,
    abilities: Abilities,
    dialog: Option<D>,
    session: Option<SessionTimer>,
    described: Option<B>,
    /// The 2xx that had been written when this was, and where it goes: the caller may not have got
    /// it.
    answer: Option<(SocketAddr, B)>,
}

/// What a leg waits for, or its peer, that survives a restart although its transactions do not. Its
/// text `T` is as that of [`SipLegState`].
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Pending<T = Box<str>> {
    /// Our 2xx carried an offer: the ACK will carry the answer.
    own_offer: bool,
    /// The peer's 2xx carried an offer, and its ACK needs an answer: the CSeq and the To tag of it.
    owing_ack: Option<(u32, T)>,
}

/// What a leg waits for while it is written.
pub(crate) type PendingOf<'l> = Pending<&'l str>;

/// The state of a leg while it is written.
pub(crate) type SipLegStateOf<'l> = SipLegState<&'l str, &'l Dialog, Octets<&'l [u8]>>;

impl SipLeg {
    /// The leg as it would go on after a restart.
    pub(crate) fn state(&self) -> SipLegStateOf<'_> {
        let session = self.session.as_ref();
        SipLegState {
            tag: self.tag,
            call_id: &self.call_id,
            transport: self.flow.transport,
            local: self.flow.local,
            remote: self.flow.remote,
            abilities: self.abilities,
            dialog: self.dialog.as_deref(),
            session: session.map(|session| session.agreed),
            described: self.described.as_deref().map(Octets),
            answer: self
                .prepared_answer()
                .map(|(remote, bytes)| (remote, Octets(bytes))),
        }
    }

    /// What it waits for, as it would go on after a restart.
    pub(crate) fn pending(&self) -> PendingOf<'_> {
        Pending {
            own_offer: self.awaits_answer(),
            owing_ack: match &self.phase {
                Phase::OwingAck(owing) => Some((owing.cseq, &owing.to_tag)),
                _ => None,
            },
        }
    }

    /// The message that would end a leg that is not confirmed, ready to be sent after a restart.
    pub(crate) fn farewell(&self) -> Option<Vec<u8>> {
        self.farewell_response().or_else(|| self.farewell_cancel())
    }

    /// Picks a leg up; `None` when its tag is taken, which would be another copy of the same call.
    ///
    /// `talked` is for how long the call has been answered.
    pub(crate) fn resume(
        stack: &mut Stack,
        id: LegId,
        state: SipLegState,
        pending: Pending,
        talked: Duration,
    ) -> Option<SipLeg> {
        if stack.tags.contains_key(&state.tag) {
            return None;
        }
        stack.tags.insert(state.tag, id);
        let mut dialog = state.dialog;
        if let Some(dialog) = &mut dialog {
            dialog.local_cseq = dialog.local_cseq.saturating_add(cseq_gap(talked));
            dialog.confirm();
        }
        let flow = Flow {
            transport: state.transport,
            local: state.local,
            remote: state.remote,
            connection: None,
        };
        let mut leg = SipLeg {
            id,
            tag: state.tag,
            call_id: state.call_id,
            flow,
            abilities: state.abilities,
            phase: Phase::Established,
            dialog,
            asked: None,
            own: None,
            session: None,
            described: state.described.map(|described| described.0),
            informations: Vec::new(),
            farewell: None,
            unconfirmed: None,
            acknowledgement: None,
            answered: true,
            encryption: None,
        };
        if let Some((cseq, to_tag)) = pending.owing_ack {
            leg.phase = Phase::OwingAck(OwingAck {
                client: None,
                cseq,
                to_tag,
            });
        }
        if let Some((remote, bytes)) = state.answer {
            let bytes: Arc<[u8]> = bytes.0.into();
            if pending.own_offer {
                let awaiting = AwaitingAck::resumed(remote, Arc::clone(&bytes));
                leg.phase = Phase::AwaitingAck(awaiting);
            }
            leg.resume_answer(stack, remote, bytes);
        }
        if let Some(agreed) = state.session {
            leg.resume_session(stack, agreed);
        }
        Some(leg)
    }
}

/// Requests of ours may have been sent after the state was written, and also by a process that has
/// picked up the same state and could not write it again; the next CSeq must be higher than theirs.
/// So the gap grows with time.
fn cseq_gap(talked: Duration) -> u32 {
    let seconds = u32::try_from(talked.as_secs()).unwrap_or(u32::MAX);
    seconds
        .saturating_add(1)
        .saturating_mul(1000)
        .min(MAX_CSEQ_GAP)
}

/// CSeq numbers end at 2**31 (RFC 3261 section 8.1.1.5).
const MAX_CSEQ_GAP: u32 = 1 << 28;
