//! CANCEL for an INVITE of ours (RFC 3261 section 9.1), as a transaction of its own that nobody
//! needs to hear of.

use std::sync::Arc;

use super::{Clients, Start, State, set_end};
use crate::message::{Message, Method};
use crate::time::Time;
use crate::transaction::core::Core;
use crate::transaction::output::{Cancelling, ClientId};
use crate::transaction::written;

/// What became of the wish to cancel.
pub(super) enum Cancel {
    No,
    /// Until the first provisional response; the value of Reason.
    Waiting(Option<Box<str>>),
    Sent,
}

impl<U: Copy> Clients<U> {
    pub(in crate::transaction) fn cancel(
        &mut self,
        core: &mut Core<U>,
        now: Time,
        id: ClientId,
        reason: Option<&str>,
    ) -> Cancelling {
        let Some(client) = self.slab.find_mut(id.0) else {
            return Cancelling::TooLate;
        };
        if !client.is_invite || client.state.has_final_response() {
            return Cancelling::TooLate;
        }
        match (&client.cancel, client.state) {
            (Cancel::Sent, _) => Cancelling::Sent,
            (Cancel::Waiting(_), _) => Cancelling::Waiting,
            (Cancel::No, State::Proceeding) => {
                self.send_cancel(core, now, id.0.index, reason);
                Cancelling::Sent
            }
            (Cancel::No, _) => {
                client.cancel = Cancel::Waiting(reason.map(Into::into));
                Cancelling::Waiting
            }
        }
    }

    pub(super) fn send_cancel(
        &mut self,
        core: &mut Core<U>,
        now: Time,
        index: u32,
        reason: Option<&str>,
    ) {
        let Some(client) = self.slab.get_mut(index) else {
            return;
        };
        client.cancel = Cancel::Sent;
        let flow = client.flow;
        set_end(core, client, index, now + core.settings.timeout());
        let Some(request) = client.request.clone() else {
            return;
        };
        let Ok(invite) = Message::parse(&request) else {
            return;
        };
        let Ok(via) = invite.top_via() else { return };
        written::cancel(&mut core.scratch, &invite, reason);
        let bytes = Arc::from(core.scratch.as_slice());
        let branch = via.branch().unwrap_or("");
        let start = Start {
            flow,
            bytes,
            method: Method::Cancel,
            branch,
            user: None,
        };
        // It can only exist already, and then it runs.
        let _ = self.request(core, now, start);
    }
}
