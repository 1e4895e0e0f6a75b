//! A 2xx of ours until its ACK (RFC 3261 section 13.3.1.4). How it came about is in `incoming`; how it
//! goes on after a restart is in `unconfirmed`.

use std::net::SocketAddr;
use std::sync::Arc;

use fernamt_sip::message::Message;
use fernamt_sip::transaction::ServerId;

use super::{Context, Phase, SipLeg};
use crate::cause::Cause;
use crate::leg::{Description, LegEvent, Release};
use crate::stack::Stack;

/// A 2xx that has no ACK.
#[derive(Debug)]
pub(crate) struct AwaitingAck {
    /// Its transaction; after a restart there is none.
    pub(super) server: Option<ServerId>,
    /// The 2xx, and where it goes.
    pub(super) sent: (SocketAddr, Arc<[u8]>),
    /// The 2xx carried an offer: the ACK carries the answer.
    pub(super) own_offer: bool,
    /// The leg is to end as soon as the ACK is there (RFC 3261 section 15).
    pub(super) release: Option<Cause>,
}

impl AwaitingAck {
    /// After a restart: a 2xx that carried an offer, and goes on being repeated.
    pub(super) fn resumed(remote: SocketAddr, bytes: Arc<[u8]>) -> AwaitingAck {
        AwaitingAck {
            server: None,
            sent: (remote, bytes),
            own_offer: true,
            release: None,
        }
    }

    /// Nobody waits for the ACK any more.
    pub(super) fn stop(&self, stack: &mut Stack) {
        if let Some(server) = self.server {
            stack.transactions.acknowledged(server);
        }
    }
}

impl SipLeg {
    /// The ACK to our 2xx, or to the 2xx of a re-INVITE.
    pub(crate) fn acknowledged(&mut self, cx: &mut Context<'_>, ack: &Message<'_>) {
        let description: Option<Description> = (!ack.body().is_empty()).then(|| ack.body().into());
        self.confirm_answer(cx.stack);
        if let Phase::AwaitingAck(awaiting) = &self.phase {
            awaiting.stop(cx.stack);
            let (own_offer, release) = (awaiting.own_offer, awaiting.release);
            cx.received(self.id, ack);
            self.phase = Phase::Established;
            if let Some(cause) = release {
                return self.release(cx, cause, false);
            }
            if own_offer {
                cx.stack.emit(self.id, LegEvent::Confirmed { description });
            }
            return;
        }
        self.acknowledged_offer(cx, ack, description);
    }

    /// No ACK came for our 2xx (RFC 3261 section 13.3.1.4).
    pub(crate) fn never_acknowledged(&mut self, cx: &mut Context<'_>) {
        if !matches!(self.phase, Phase::AwaitingAck(_) | Phase::Established) {
            return;
        }
        self.phase = Phase::Established;
        self.say_bye(cx, Cause::RECOVERY_ON_TIMER_EXPIRY);
        self.leave(
            cx,
            Release {
                cause: Cause::RECOVERY_ON_TIMER_EXPIRY,
                by_party: false,
                status: None,
            },
        );
    }

    /// The leg is to end, and its 2xx has no ACK: remembers it until the ACK is there.
    pub(super) fn release_when_acknowledged(&mut self, cause: Cause) -> bool {
        match &mut self.phase {
            Phase::AwaitingAck(awaiting) => {
                awaiting.release = Some(cause);
                true
            }
            _ => false,
        }
    }
}
