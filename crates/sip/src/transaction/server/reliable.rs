//! The repetition of reliable provisional responses (RFC 3262 section 3). Their numbers are up to
//! the user; see [`crate::dialog::reliable`].

use std::sync::Arc;

use super::{Server, Servers, State};
use crate::time::Time;
use crate::transaction::core::{Core, Due, Interval, ServerTimer};
use crate::transaction::output::{Output, ResponseRefusal, ServerId};
use crate::transaction::settings::MAX_UNACKNOWLEDGED_PROVISIONALS;

/// A provisional response that waits for its PRACK.
struct Reliable {
    rseq: u32,
    bytes: Arc<[u8]>,
    interval: Interval,
    next: Time,
    until: Time,
}

#[derive(Default)]
pub(super) struct Reliables(Vec<Reliable>);

impl<U: Copy> Servers<U> {
    pub(in crate::transaction) fn respond_reliably(
        &mut self,
        core: &mut Core<U>,
        now: Time,
        id: ServerId,
        bytes: Arc<[u8]>,
        rseq: u32,
    ) -> Result<(), ResponseRefusal> {
        let server = self.slab.find_mut(id.0).ok_or(ResponseRefusal::Gone)?;
        if !server.is_invite {
            return Err(ResponseRefusal::NotInvite);
        }
        if server.state != State::Proceeding {
            return Err(ResponseRefusal::AlreadyFinal);
        }
        let waiting = &mut server.reliables.get_or_insert_default().0;
        if waiting.len() >= MAX_UNACKNOWLEDGED_PROVISIONALS {
            return Err(ResponseRefusal::TooManyUnacknowledged);
        }
        core.send(server.flow, &bytes);
        server.response = Some(Arc::clone(&bytes));
        let interval = core.settings.first_interval();
        waiting.push(Reliable {
            rseq,
            bytes,
            interval: interval.into(),
            next: now + interval,
            until: now + core.settings.timeout(),
        });
        set_reliable_timer(core, server, id.0.index);
        Ok(())
    }

    pub(in crate::transaction) fn prack_received(
        &mut self,
        core: &mut Core<U>,
        id: ServerId,
        rseq: u32,
    ) -> bool {
        let Some(server) = self.slab.find_mut(id.0) else {
            return false;
        };
        let Some(waiting) = &mut server.reliables else {
            return false;
        };
        let before = waiting.0.len();
        waiting.0.retain(|reliable| reliable.rseq != rseq);
        let found = waiting.0.len() < before;
        set_reliable_timer(core, server, id.0.index);
        found
    }
}

/// Sets the timer to the earliest of the reliable responses.
fn set_reliable_timer<U>(core: &mut Core<U>, server: &mut Server<U>, index: u32) {
    core.stop(&mut server.retransmit);
    let waiting = server
        .reliables
        .as_ref()
        .map_or(&[][..], |waiting| &waiting.0);
    match waiting
        .iter()
        .map(|reliable| reliable.next.min(reliable.until))
        .min()
    {
        Some(at) => {
            core.set(
                &mut server.retransmit,
                at,
                Due::Server(index, ServerTimer::Retransmit),
            );
        }
        None => server.reliables = None,
    }
}

/// The interval doubles without limit (RFC 3262 section 3).
pub(super) fn repeat_reliables<U: Copy>(
    core: &mut Core<U>,
    now: Time,
    server: &mut Server<U>,
    id: ServerId,
) {
    let (flow, user) = (server.flow, server.user);
    if let Some(waiting) = &mut server.reliables {
        waiting.0.retain_mut(|reliable| {
            if reliable.until <= now {
                let rseq = reliable.rseq;
                core.outputs.push_back(Output::NoPrack {
                    server: id,
                    user,
                    rseq,
                });
                return false;
            }
            if reliable.next <= now {
                core.send(flow, &reliable.bytes);
                let interval = reliable.interval.get().saturating_mul(2);
                reliable.interval = interval.into();
                reliable.next = now + interval;
            }
            true
        });
    }
    set_reliable_timer(core, server, id.0.index);
}
