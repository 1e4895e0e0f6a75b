//! Client transactions (RFC 3261 section 17.1, RFC 6026), CANCEL (section 9.1) and the repetition
//! of the ACK to a 2xx (section 13.2.2.4).

mod cancel;

use core::time::Duration;
use std::net::SocketAddr;
use std::sync::Arc;

use hashbrown::{HashMap, HashTable};

use self::cancel::Cancel;
use super::core::{ClientTimer, Core, Due, Interval};
use super::fingerprint::Fingerprint;
use super::output::{ClientFailure, ClientId, Disposition, Output, Refusal};
use super::queue::{Link, Linked, Queue};
use super::server::forget;
use super::settings::MAX_STORED_ACKS;
use super::slab::{Key, Slab};
use super::written;
use crate::message::{Message, Method};
use crate::time::Time;
use crate::timer::TimerId;
use crate::transport::{Flow, Transport};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// INVITE without a response.
    Calling,
    /// Another request without a response.
    Trying,
    /// Provisional responses only.
    Proceeding,
    /// A final response, to INVITE no 2xx.
    Completed,
    /// INVITE: a 2xx.
    Accepted,
}

impl State {
    fn has_final_response(self) -> bool {
        matches!(self, State::Completed | State::Accepted)
    }
}

/// The ACK to the 2xx of one fork.
struct StoredAck {
    to_tag: Box<str>,
    flow: Flow,
    bytes: Arc<[u8]>,
}

#[derive(Default)]
struct StoredAcks(Vec<StoredAck>);

struct Client<U> {
    fingerprint: Fingerprint,
    flow: Flow,
    /// `None` for a CANCEL of our own, of which nobody needs to hear.
    user: Option<U>,
    is_invite: bool,
    state: State,
    cancel: Cancel,
    /// For retransmission, and of an INVITE for ACK and CANCEL.
    request: Option<Arc<[u8]>>,
    /// The ACK to a response that was no 2xx.
    ack: Option<Arc<[u8]>>,
    acks: Option<Box<StoredAcks>>,
    interval: Interval,
    retransmit: Option<TimerId>,
    end: Option<TimerId>,
    overdue: Option<TimerId>,
    link: Link,
}

impl<U> Linked for Client<U> {
    fn link(&mut self) -> &mut Link {
        &mut self.link
    }
}

/// What a request needs to begin.
pub(super) struct Start<'a, U> {
    pub(super) flow: Flow,
    pub(super) bytes: Arc<[u8]>,
    pub(super) method: Method<'a>,
    pub(super) branch: &'a str,
    pub(super) user: Option<U>,
}

/// All client transactions.
pub(super) struct Clients<U> {
    slab: Slab<Client<U>>,
    by_fingerprint: HashTable<u32>,
    /// Those without a final response, by the place they were sent to.
    by_remote: HashMap<(Transport, SocketAddr), Queue>,
}

impl<U: Copy> Clients<U> {
    pub(super) fn new() -> Clients<U> {
        Clients {
            slab: Slab::new(),
            by_fingerprint: HashTable::new(),
            by_remote: HashMap::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.slab.len()
    }

    fn find(&self, fingerprint: Fingerprint) -> Option<u32> {
        let is_it = |index: &u32| {
            self.slab
                .get(*index)
                .is_some_and(|client| client.fingerprint == fingerprint)
        };
        self.by_fingerprint.find(fingerprint.hash, is_it).copied()
    }

    pub(super) fn request(
        &mut self,
        core: &mut Core<U>,
        now: Time,
        start: Start<'_, U>,
    ) -> Result<ClientId, Refusal> {
        let Start {
            flow,
            bytes,
            method,
            branch,
            user,
        } = start;
        if method == Method::Ack {
            return Err(Refusal::Ack);
        }
        let fingerprint = core.fingerprints.client(branch, method);
        if self.find(fingerprint).is_some() {
            return Err(Refusal::Exists);
        }
        let is_invite = method == Method::Invite;
        core.send(flow, &bytes);
        // Without retransmission only an INVITE is needed again.
        let is_kept = is_invite || !flow.transport.is_reliable();
        let key = self.slab.insert(Client {
            fingerprint,
            flow,
            user,
            is_invite,
            state: if is_invite {
                State::Calling
            } else {
                State::Trying
            },
            cancel: Cancel::No,
            request: is_kept.then_some(bytes),
            ack: None,
            acks: None,
            interval: Interval::default(),
            retransmit: None,
            end: None,
            overdue: None,
            link: Link::default(),
        });
        self.index(key, fingerprint, flow);
        let Some(client) = self.slab.get_mut(key.index) else {
            return Err(Refusal::Full);
        };
        set_end(core, client, key.index, now + core.settings.timeout());
        if !flow.transport.is_reliable() {
            let interval = core.settings.first_interval();
            client.interval = interval.into();
            set_retransmit(core, client, key.index, now + interval);
        }
        Ok(ClientId(key))
    }

    fn index(&mut self, key: Key, fingerprint: Fingerprint, flow: Flow) {
        let slab = &self.slab;
        let hash = |index: &u32| slab.get(*index).map_or(0, |client| client.fingerprint.hash);
        self.by_fingerprint
            .insert_unique(fingerprint.hash, key.index, hash);
        let queue = self
            .by_remote
            .entry((flow.transport, flow.remote))
            .or_default();
        queue.push(&mut self.slab, key.index);
    }

    pub(super) fn receive(
        &mut self,
        core: &mut Core<U>,
        now: Time,
        message: &Message<'_>,
        status: u16,
    ) -> Disposition<U> {
        let (via, cseq) = match (message.top_via(), message.cseq()) {
            (Ok(via), Ok(cseq)) => (via, cseq),
            (Err(error), _) | (_, Err(error)) => return Disposition::Malformed(error),
        };
        let Some(branch) = via.branch() else {
            return Disposition::Stray;
        };
        let Some(index) = self.find(core.fingerprints.client(branch, cseq.method)) else {
            return Disposition::Stray;
        };
        let Some((key, client)) = self.slab.key_at(index).zip(self.slab.get_mut(index)) else {
            return Disposition::Stray;
        };
        let user = client.user;
        let is_news = match (client.state, status) {
            (State::Completed, 200..300) if client.is_invite => return Disposition::Stray,
            (State::Completed, _) => {
                repeat_ack(core, client, status);
                false
            }
            (State::Accepted, 200..300) => !acknowledge_again(core, client, message),
            (State::Accepted, _) => false,
            (_, ..200) => {
                self.provisional(core, now, index);
                true
            }
            _ => {
                self.final_response(core, now, index, message, status);
                true
            }
        };
        match user {
            Some(user) if is_news => Disposition::Response {
                client: ClientId(key),
                user,
            },
            _ => Disposition::Absorbed,
        }
    }

    fn provisional(&mut self, core: &mut Core<U>, now: Time, index: u32) {
        let Some(client) = self.slab.get_mut(index) else {
            return;
        };
        client.state = State::Proceeding;
        if !client.is_invite {
            // Timers E and F go on (RFC 3261 section 17.1.2.2).
            return;
        }
        core.stop(&mut client.retransmit);
        match core::mem::replace(&mut client.cancel, Cancel::No) {
            Cancel::No => core.stop(&mut client.end),
            Cancel::Sent => client.cancel = Cancel::Sent,
            Cancel::Waiting(reason) => self.send_cancel(core, now, index, reason.as_deref()),
        }
    }

    fn final_response(
        &mut self,
        core: &mut Core<U>,
        now: Time,
        index: u32,
        message: &Message<'_>,
        status: u16,
    ) {
        self.leave_remote(index);
        let Some(client) = self.slab.get_mut(index) else {
            return;
        };
        core.stop(&mut client.retransmit);
        core.stop(&mut client.overdue);
        client.cancel = Cancel::No;
        let is_reliable = client.flow.transport.is_reliable();
        let request = client.request.take();
        let lifetime = match (client.is_invite, status) {
            (true, ..300) => {
                client.state = State::Accepted;
                core.settings.timeout()
            }
            (true, _) => {
                client.state = State::Completed;
                if let Some(Ok(invite)) = request.as_deref().map(Message::parse) {
                    written::ack(&mut core.scratch, &invite, message);
                    let ack = Arc::from(core.scratch.as_slice());
                    core.send(client.flow, &ack);
                    client.ack = Some(ack);
                }
                if is_reliable {
                    Duration::ZERO
                } else {
                    core.settings.timer_d()
                }
            }
            (false, _) => {
                client.state = State::Completed;
                if is_reliable {
                    Duration::ZERO
                } else {
                    core.settings.t4
                }
            }
        };
        if lifetime.is_zero() {
            self.remove(core, index);
        } else {
            set_end(core, client, index, now + lifetime);
        }
    }

    /// Keeps the ACK of a fork, so that it can answer every 2xx of it.
    pub(super) fn acknowledge(
        &mut self,
        core: &mut Core<U>,
        id: ClientId,
        flow: Flow,
        bytes: Arc<[u8]>,
        to_tag: &str,
    ) -> bool {
        core.send(flow, &bytes);
        let Some(client) = self.slab.find_mut(id.0) else {
            return false;
        };
        if client.state != State::Accepted {
            return false;
        }
        let acks = &mut client.acks.get_or_insert_default().0;
        let ack = StoredAck {
            to_tag: to_tag.into(),
            flow,
            bytes,
        };
        if let Some(stored) = acks.iter_mut().find(|stored| *stored.to_tag == *to_tag) {
            *stored = ack;
            return true;
        }
        let has_place = acks.len() < MAX_STORED_ACKS;
        if has_place {
            acks.push(ack);
        }
        has_place
    }

    pub(super) fn expect_final(
        &mut self,
        core: &mut Core<U>,
        now: Time,
        id: ClientId,
        within: Option<Duration>,
    ) {
        let Some(client) = self.slab.find_mut(id.0) else {
            return;
        };
        core.stop(&mut client.overdue);
        if let (Some(within), false) = (within, client.state.has_final_response()) {
            let due = Due::Client(id.0.index, ClientTimer::Overdue);
            core.set(&mut client.overdue, now + within, due);
        }
    }

    pub(super) fn transport_failed(&mut self, core: &mut Core<U>, failed: Flow) {
        let mut affected = Vec::new();
        if let Some(queue) = self.by_remote.get(&(failed.transport, failed.remote)) {
            queue.for_each(&mut self.slab, |index, client| {
                if is_on(client.flow, failed) {
                    affected.push(index);
                }
            });
        }
        for index in affected {
            self.fail(core, index, ClientFailure::TransportFailed);
        }
    }

    pub(super) fn client_failed(&mut self, core: &mut Core<U>, id: ClientId) {
        if let Some(client) = self.slab.find_mut(id.0)
            && !client.state.has_final_response()
        {
            self.fail(core, id.0.index, ClientFailure::TransportFailed);
        }
    }

    fn fail(&mut self, core: &mut Core<U>, index: u32, failure: ClientFailure) {
        if let (Some(key), Some(client)) = (self.slab.key_at(index), self.slab.get(index))
            && let Some(user) = client.user
        {
            core.outputs.push_back(Output::ClientFailed {
                client: ClientId(key),
                user,
                failure,
            });
        }
        self.remove(core, index);
    }

    pub(super) fn timer(&mut self, core: &mut Core<U>, now: Time, index: u32, timer: ClientTimer) {
        let key = self.slab.key_at(index);
        let Some(client) = self.slab.get_mut(index) else {
            return;
        };
        match timer {
            ClientTimer::Retransmit => {
                client.retransmit = None;
                retransmit(core, now, client, index);
            }
            ClientTimer::Overdue => {
                client.overdue = None;
                if let (Some(key), Some(user)) = (key, client.user) {
                    core.outputs.push_back(Output::ClientOverdue {
                        client: ClientId(key),
                        user,
                    });
                }
            }
            ClientTimer::End => {
                client.end = None;
                match (client.state, &client.cancel) {
                    (State::Completed | State::Accepted, _) => self.remove(core, index),
                    (_, Cancel::Sent) => self.fail(core, index, ClientFailure::CancelTimeout),
                    _ => self.fail(core, index, ClientFailure::Timeout),
                }
            }
        }
    }

    fn leave_remote(&mut self, index: u32) {
        let Some(client) = self.slab.get(index) else {
            return;
        };
        let remote = (client.flow.transport, client.flow.remote);
        let Some(queue) = self.by_remote.get_mut(&remote) else {
            return;
        };
        queue.remove(&mut self.slab, index);
        if queue.first().is_none() {
            self.by_remote.remove(&remote);
        }
        if self.by_remote.is_empty() && self.by_remote.capacity() > 4096 {
            self.by_remote = HashMap::new();
        }
    }

    fn remove(&mut self, core: &mut Core<U>, index: u32) {
        self.leave_remote(index);
        let Some(mut client) = self.slab.remove(index) else {
            return;
        };
        core.stop(&mut client.retransmit);
        core.stop(&mut client.end);
        core.stop(&mut client.overdue);
        forget(&mut self.by_fingerprint, client.fingerprint.hash, index);
    }

    /// The size of one transaction without its messages, in bytes.
    #[cfg(test)]
    pub(super) const BYTES: usize = Slab::<Client<U>>::SLOT_BYTES;
}

/// Whether a failure of `failed` is one of `flow`, when both lead to the same place.
///
/// A request may have been given a flow without a connection, which was opened for it.
fn is_on(flow: Flow, failed: Flow) -> bool {
    match (flow.connection, failed.connection) {
        (Some(connection), Some(failed)) => connection == failed,
        _ => flow.transport.is_reliable() || flow.local == failed.local,
    }
}

fn set_end<U>(core: &mut Core<U>, client: &mut Client<U>, index: u32, at: Time) {
    core.set(&mut client.end, at, Due::Client(index, ClientTimer::End));
}

fn set_retransmit<U>(core: &mut Core<U>, client: &mut Client<U>, index: u32, at: Time) {
    core.set(
        &mut client.retransmit,
        at,
        Due::Client(index, ClientTimer::Retransmit),
    );
}

/// Timer A doubles without limit; timer E up to T2, which it is at once after a provisional
/// response (RFC 3261 section 17.1.2.2).
fn retransmit<U>(core: &mut Core<U>, now: Time, client: &mut Client<U>, index: u32) {
    if let Some(request) = &client.request {
        core.send(client.flow, request);
    }
    let interval = client.interval.get();
    let interval = match (client.is_invite, client.state) {
        (true, _) => interval.saturating_mul(2),
        (false, State::Proceeding) => core.settings.t2.max(core.settings.first_interval()),
        (false, _) => core.settings.capped_double(interval),
    };
    client.interval = interval.into();
    set_retransmit(core, client, index, now + interval);
}

fn repeat_ack<U>(core: &mut Core<U>, client: &Client<U>, status: u16) {
    if let (Some(ack), 300..) = (&client.ack, status) {
        core.send(client.flow, ack);
    }
}

/// Sends the ACK of a fork whose 2xx came once more; `false` for a fork without one.
fn acknowledge_again<U>(core: &mut Core<U>, client: &Client<U>, response: &Message<'_>) -> bool {
    let to_tag = response.to().ok().and_then(|to| to.tag()).unwrap_or("");
    let acks = client.acks.as_ref().map_or(&[][..], |acks| &acks.0);
    match acks.iter().find(|ack| *ack.to_tag == *to_tag) {
        Some(ack) => {
            core.send(ack.flow, &ack.bytes);
            true
        }
        None => false,
    }
}
