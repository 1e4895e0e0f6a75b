//! The client and server transactions of one shard (RFC 3261 section 17, RFC 6026, RFC 3262
//! section 3). No socket and no clock is here, and nothing is decided: who is called, and how a
//! request is answered, is up to the user of a transaction.
//!
//! A method changes something and returns at once what its caller must know; everything else comes
//! out of [`Transactions::poll`], to be called until there is nothing more. `U` is the user's own
//! token, which comes back with everything that concerns a transaction.
//!
//! ```text
//! receive, accept, respond, request, …, expire  →  poll … poll  →  next_deadline
//! ```

mod client;
mod core;
mod fingerprint;
mod loops;
mod output;
mod queue;
mod server;
mod settings;
mod slab;
#[cfg(test)]
mod tests;
mod written;

use ::core::time::Duration;
use std::sync::Arc;

pub use loops::has_passed;
pub use output::{
    Cancelling, ClientFailure, ClientId, Disposition, Output, Refusal, ResponseRefusal, ServerEnd,
    ServerId,
};
pub use settings::{
    LONGEST_PROCEEDING, MAX_STORED_ACKS, MAX_UNACKNOWLEDGED_PROVISIONALS, TransactionSettings,
};

use self::client::{Clients, Start};
use self::core::{Core, Due};
use self::server::Servers;
use crate::message::{Message, Method};
use crate::time::Time;
use crate::transport::Flow;

/// All transactions of one shard.
pub struct Transactions<U> {
    core: Core<U>,
    servers: Servers<U>,
    clients: Clients<U>,
}

impl<U: Copy> Transactions<U> {
    /// No transaction yet.
    pub fn new(settings: TransactionSettings) -> Transactions<U> {
        Transactions {
            core: Core::new(settings),
            servers: Servers::new(),
            clients: Clients::new(),
        }
    }

    /// Matches a message that arrived to its transaction, and does what the transaction does on
    /// its own: it answers retransmissions, and acknowledges what is no 2xx.
    pub fn receive(&mut self, now: Time, message: &Message<'_>) -> Disposition<U> {
        match message.status() {
            Some(status) => self.clients.receive(&mut self.core, now, message, status),
            None => self.servers.receive(&mut self.core, now, message),
        }
    }

    /// Whether a request that is [`Disposition::New`] is another copy of one that is being served,
    /// which came by another way: answer it with 482 (RFC 3261 section 8.2.2.2).
    pub fn is_merged(&self, message: &Message<'_>) -> bool {
        self.servers.is_merged(&self.core, message)
    }

    /// Begins a server transaction for a request. Its responses go out on `flow`, which is the one
    /// that the request came on unless its Via says otherwise (RFC 3261 section 18.2.2).
    ///
    /// # Errors
    /// [`Refusal::Full`] when there is no place left, not even that of a transaction that only
    /// absorbs retransmissions.
    pub fn accept(
        &mut self,
        now: Time,
        flow: Flow,
        message: &Message<'_>,
        user: U,
    ) -> Result<ServerId, Refusal> {
        self.servers
            .accept(&mut self.core, now, flow, message, user)
    }

    /// Sends a response. A 2xx to INVITE is sent again and again, on any transport, until
    /// [`Transactions::acknowledged`] or [`Output::NoAck`].
    ///
    /// # Errors
    /// When the request has a final response or is over; nothing is sent then.
    pub fn respond(
        &mut self,
        now: Time,
        server: ServerId,
        bytes: impl Into<Arc<[u8]>>,
        status: u16,
    ) -> Result<(), ResponseRefusal> {
        self.servers
            .respond(&mut self.core, now, server, bytes.into(), status)
    }

    /// Sends a provisional response with this RSeq to an INVITE, again and again until
    /// [`Transactions::prack_received`] or [`Output::NoPrack`] (RFC 3262 section 3).
    ///
    /// # Errors
    /// As [`Transactions::respond`], and when too many are not acknowledged.
    pub fn respond_reliably(
        &mut self,
        now: Time,
        server: ServerId,
        bytes: impl Into<Arc<[u8]>>,
        rseq: u32,
    ) -> Result<(), ResponseRefusal> {
        self.servers
            .respond_reliably(&mut self.core, now, server, bytes.into(), rseq)
    }

    /// Stops the repetition of a reliable provisional response. `false` when none with this RSeq is
    /// waiting: the PRACK is to be answered with 481.
    pub fn prack_received(&mut self, server: ServerId, rseq: u32) -> bool {
        self.servers.prack_received(&mut self.core, server, rseq)
    }

    /// Stops the repetition of a 2xx to INVITE. `false` when there is none, or it was acknowledged
    /// before.
    pub fn acknowledged(&mut self, server: ServerId) -> bool {
        self.servers.acknowledged(&mut self.core, server)
    }

    /// Sends a request and begins its client transaction. `branch` is that of its top Via, and must
    /// never have been used before.
    ///
    /// # Errors
    /// [`Refusal::Full`] when there is no place left, [`Refusal::Exists`] when the branch is in
    /// use; nothing is sent then.
    pub fn request(
        &mut self,
        now: Time,
        flow: Flow,
        bytes: impl Into<Arc<[u8]>>,
        method: Method<'_>,
        branch: &str,
        user: U,
    ) -> Result<ClientId, Refusal> {
        if self.clients.len() >= self.core.settings.max_clients {
            return Err(Refusal::Full);
        }
        let start = Start {
            flow,
            bytes: bytes.into(),
            method,
            branch,
            user: Some(user),
        };
        self.clients.request(&mut self.core, now, start)
    }

    /// Sends the ACK to a 2xx with this To tag, and again whenever the same 2xx comes again.
    /// `false` when it was sent only once, because the transaction is over.
    pub fn acknowledge(
        &mut self,
        client: ClientId,
        flow: Flow,
        ack: impl Into<Arc<[u8]>>,
        to_tag: &str,
    ) -> bool {
        self.clients
            .acknowledge(&mut self.core, client, flow, ack.into(), to_tag)
    }

    /// Cancels an INVITE as soon as that is allowed. `reason` is the value of a Reason field.
    ///
    /// The transaction goes on until its final response, which may still be a 2xx. When there is
    /// none for 64 * T1 after CANCEL, it fails with [`ClientFailure::CancelTimeout`].
    pub fn cancel(&mut self, now: Time, client: ClientId, reason: Option<&str>) -> Cancelling {
        self.clients.cancel(&mut self.core, now, client, reason)
    }

    /// Sets timer C of a request, or sets it anew: [`Output::ClientOverdue`] comes when there is no
    /// final response within this time. `None` stops it.
    pub fn expect_final(&mut self, now: Time, client: ClientId, within: Option<Duration>) {
        self.clients
            .expect_final(&mut self.core, now, client, within);
    }

    /// Ends all requests of ours that wait for a final response on this flow, with
    /// [`ClientFailure::TransportFailed`].
    ///
    /// Server transactions go on: their responses may find another connection (RFC 3261 section
    /// 18.2.2), and otherwise end by their timers.
    pub fn transport_failed(&mut self, flow: Flow) {
        self.clients.transport_failed(&mut self.core, flow);
    }

    /// Ends one request of ours that cannot be sent, with [`ClientFailure::TransportFailed`].
    pub fn client_failed(&mut self, client: ClientId) {
        self.clients.client_failed(&mut self.core, client);
    }

    /// When to call [`Transactions::expire`] next.
    pub fn next_deadline(&self) -> Option<Time> {
        self.core.timers.next_deadline()
    }

    /// Fires every timer that is due.
    pub fn expire(&mut self, now: Time) {
        while let Some(due) = self.core.timers.pop_due(now) {
            match due {
                Due::Server(index, timer) => {
                    self.servers.timer(&mut self.core, now, index, timer);
                }
                Due::Client(index, timer) => {
                    self.clients.timer(&mut self.core, now, index, timer);
                }
            }
        }
    }

    /// The next thing that is to be done; `None` when there is none until the next input.
    pub fn poll(&mut self) -> Option<Output<U>> {
        self.core.outputs.pop_front()
    }

    /// How many server transactions there are.
    pub fn server_count(&self) -> usize {
        self.servers.len()
    }

    /// How many client transactions there are.
    pub fn client_count(&self) -> usize {
        self.clients.len()
    }
}
