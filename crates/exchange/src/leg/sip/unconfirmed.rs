//! The 2xx of a leg that was picked up after a restart and whose ACK may have been lost with it. The
//! transaction that would repeat it is gone; so the leg repeats it until the ACK comes (RFC 3261
//! section 13.3.1.4), also when the caller repeats its INVITE.

use core::time::Duration;
use std::net::SocketAddr;
use std::sync::Arc;

use fernamt_sip::message::Message;
use fernamt_sip::timer::TimerId;
use fernamt_sip::transport::Flow;

use super::{Context, LegTimer, Phase, SipLeg};
use crate::interface::Output;
use crate::stack::{Alarm, Stack};

/// T1 and T2 of RFC 3261, and how long the 2xx is repeated: 64 * T1.
const FIRST_INTERVAL: Duration = Duration::from_millis(500);
const LONGEST_INTERVAL: Duration = Duration::from_secs(4);
const REPEATED_FOR: Duration = Duration::from_secs(32);

/// A 2xx that nobody has acknowledged to this process.
#[derive(Debug)]
pub(super) struct Unconfirmed {
    remote: SocketAddr,
    bytes: Arc<[u8]>,
    interval: Duration,
    passed: Duration,
    timer: Option<TimerId>,
}

impl SipLeg {
    /// Sends the 2xx that was written down, and goes on with it until it is acknowledged. A caller
    /// that has it already acknowledges it once more.
    pub(super) fn resume_answer(
        &mut self,
        stack: &mut Stack,
        remote: SocketAddr,
        bytes: Arc<[u8]>,
    ) {
        self.unconfirmed = Some(Unconfirmed {
            remote,
            bytes,
            interval: FIRST_INTERVAL,
            passed: Duration::ZERO,
            timer: None,
        });
        stack.resumed_calls.insert(self.call_id.clone(), self.id);
        self.send_answer_again(stack);
    }

    /// The 2xx, and where it goes.
    pub(super) fn unconfirmed_answer(&self) -> Option<(SocketAddr, &[u8])> {
        let unconfirmed = self.unconfirmed.as_ref()?;
        Some((unconfirmed.remote, &unconfirmed.bytes))
    }

    fn send_answer_again(&mut self, stack: &mut Stack) {
        let alarm = Alarm::Leg(self.id, LegTimer::AnswerAgain);
        let flow = self.flow;
        let Some(unconfirmed) = &mut self.unconfirmed else {
            return;
        };
        let remote = unconfirmed.remote;
        stack.outputs.push_back(Output::Send {
            flow: Flow { remote, ..flow },
            server_name: None,
            bytes: Arc::clone(&unconfirmed.bytes),
        });
        stack.cancel_timer(&mut unconfirmed.timer);
        unconfirmed.timer = Some(stack.set_timer(unconfirmed.interval, alarm));
    }

    /// It is time to send the 2xx again.
    pub(super) fn answer_again(&mut self, cx: &mut Context<'_>) {
        let Some(unconfirmed) = &mut self.unconfirmed else {
            return;
        };
        unconfirmed.timer = None;
        unconfirmed.passed += unconfirmed.interval;
        unconfirmed.interval = (unconfirmed.interval * 2).min(LONGEST_INTERVAL);
        if unconfirmed.passed >= REPEATED_FOR {
            self.confirm_answer(cx.stack);
            if matches!(self.phase, Phase::AwaitingAck(_)) {
                return self.never_acknowledged(cx);
            }
            // Most callers have acknowledged it before the restart, and some do so only once.
            return;
        }
        self.send_answer_again(cx.stack);
    }

    /// The INVITE of this leg has come again. False: it is another one.
    pub(crate) fn is_repeated_invite(
        &mut self,
        cx: &mut Context<'_>,
        invite: &Message<'_>,
    ) -> bool {
        let same = self.dialog.as_deref().is_some_and(|dialog| {
            let tag = invite.from().ok().and_then(|from| from.tag()).unwrap_or("");
            let cseq = invite.cseq().ok().map(|cseq| cseq.number);
            &*dialog.remote.tag == tag && cseq.is_some() && cseq <= dialog.remote_cseq
        });
        if same {
            self.send_answer_again(cx.stack);
        }
        same
    }

    /// The ACK is there, or will not come.
    pub(super) fn confirm_answer(&mut self, stack: &mut Stack) {
        if let Some(mut unconfirmed) = self.unconfirmed.take() {
            stack.cancel_timer(&mut unconfirmed.timer);
            stack.resumed_calls.remove(&self.call_id);
        }
    }
}
