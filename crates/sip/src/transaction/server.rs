//! Server transactions (RFC 3261 section 17.2, RFC 6026), and the retransmission of 2xx (RFC 3261
//! section 13.3.1.4) and of reliable provisional responses (RFC 3262 section 3).

mod reliable;

use std::sync::Arc;

use hashbrown::HashTable;

use self::reliable::{Reliables, repeat_reliables};
use super::core::{Core, Due, Interval, ServerTimer};
use super::fingerprint::{Class, Fingerprint};
use super::output::{Disposition, Output, Refusal, ResponseRefusal, ServerEnd, ServerId};
use super::queue::{Link, Linked, Queue};
use super::settings::LONGEST_PROCEEDING;
use super::slab::{Key, Slab};
use crate::builder::ResponseBuilder;
use crate::message::{Message, Method};
use crate::time::Time;
use crate::timer::TimerId;
use crate::transport::Flow;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// No response yet, or provisional ones only. (Trying and Proceeding differ in that only the
    /// latter has a response to repeat.)
    Proceeding,
    /// A final response that is no 2xx to an INVITE; there the ACK is missing.
    Completed,
    /// INVITE: the ACK came; further ones are absorbed.
    Confirmed,
    /// INVITE: a 2xx, whose ACK is missing.
    Accepted,
    /// INVITE: a 2xx and its ACK; retransmissions of the INVITE are absorbed.
    Acknowledged,
}

impl State {
    /// Whether nothing but the absorption of retransmissions is lost with the transaction.
    fn is_dispensable(self) -> bool {
        matches!(
            self,
            State::Completed | State::Confirmed | State::Acknowledged
        )
    }
}

struct Server<U> {
    fingerprint: Fingerprint,
    merge: Option<Fingerprint>,
    flow: Flow,
    user: U,
    is_invite: bool,
    state: State,
    /// What retransmissions of the request are answered with.
    response: Option<Arc<[u8]>>,
    reliables: Option<Box<Reliables>>,
    interval: Interval,
    retransmit: Option<TimerId>,
    end: Option<TimerId>,
    link: Link,
}

impl<U> Linked for Server<U> {
    fn link(&mut self) -> &mut Link {
        &mut self.link
    }
}

/// All server transactions.
pub(super) struct Servers<U> {
    slab: Slab<Server<U>>,
    by_fingerprint: HashTable<u32>,
    by_merge: HashTable<u32>,
    /// The dispensable ones, in the order in which they became so.
    dispensable: Queue,
}

impl<U: Copy> Servers<U> {
    pub(super) fn new() -> Servers<U> {
        Servers {
            slab: Slab::new(),
            by_fingerprint: HashTable::new(),
            by_merge: HashTable::new(),
            dispensable: Queue::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.slab.len()
    }

    fn find(&self, fingerprint: Fingerprint) -> Option<u32> {
        let is_it = |index: &u32| {
            self.slab
                .get(*index)
                .is_some_and(|server| server.fingerprint == fingerprint)
        };
        self.by_fingerprint.find(fingerprint.hash, is_it).copied()
    }

    pub(super) fn receive(
        &mut self,
        core: &mut Core<U>,
        now: Time,
        message: &Message<'_>,
    ) -> Disposition<U> {
        let method = message.method();
        let own = match core.fingerprints.server_first(message, Class::of(method)) {
            Ok(own) => own,
            Err(error) => return Disposition::Malformed(error),
        };
        match (method, self.find(own)) {
            (Method::Ack, found) => self.ack(core, now, found),
            (_, Some(index)) => {
                self.repeat(core, index);
                Disposition::Absorbed
            }
            (Method::Cancel, None) => match core.fingerprints.server(message, Class::Invite) {
                Ok(invite) => self.cancelled(invite),
                Err(error) => Disposition::Malformed(error),
            },
            (_, None) => Disposition::New,
        }
    }

    /// A retransmitted request is answered with the last response. Once there is a 2xx to INVITE,
    /// only its own timer repeats it (RFC 6026 section 7.1).
    fn repeat(&mut self, core: &mut Core<U>, index: u32) {
        let Some(server) = self.slab.get(index) else {
            return;
        };
        if let (State::Proceeding | State::Completed, Some(response)) =
            (server.state, &server.response)
        {
            core.send(server.flow, response);
        }
    }

    fn ack(&mut self, core: &mut Core<U>, now: Time, found: Option<u32>) -> Disposition<U> {
        let Some((index, server)) =
            found.and_then(|index| Some((index, self.slab.get_mut(index)?)))
        else {
            return Disposition::Ack { server: None };
        };
        match server.state {
            State::Accepted | State::Acknowledged => {
                return Disposition::Ack {
                    server: self.slab.key_at(index).map(ServerId),
                };
            }
            State::Completed if server.is_invite => {
                if server.flow.transport.is_reliable() {
                    self.remove(core, index);
                } else {
                    server.state = State::Confirmed;
                    server.response = None;
                    core.stop(&mut server.retransmit);
                    let timer_i = now + core.settings.t4;
                    core.set(
                        &mut server.end,
                        timer_i,
                        Due::Server(index, ServerTimer::End),
                    );
                }
            }
            State::Proceeding | State::Completed | State::Confirmed => {}
        }
        Disposition::Absorbed
    }

    fn cancelled(&mut self, invite: Fingerprint) -> Disposition<U> {
        let found = self.find(invite).and_then(|index| {
            let server = self.slab.get(index)?;
            Some((self.slab.key_at(index)?, server.user))
        });
        match found {
            Some((key, user)) => Disposition::Cancel {
                server: ServerId(key),
                user,
            },
            None => Disposition::New,
        }
    }

    /// Whether another request of ours has come the other way round to here.
    pub(super) fn is_merged(&self, core: &Core<U>, message: &Message<'_>) -> bool {
        let Ok(Some(merge)) = core.fingerprints.merge(message) else {
            return false;
        };
        let class = Class::of(message.method());
        let Ok(own) = core.fingerprints.server(message, class) else {
            return false;
        };
        let first = self
            .find_merge(merge)
            .and_then(|index| self.slab.get(index));
        first.is_some_and(|first| first.fingerprint != own)
    }

    fn find_merge(&self, merge: Fingerprint) -> Option<u32> {
        let is_it = |index: &u32| {
            self.slab
                .get(*index)
                .is_some_and(|server| server.merge == Some(merge))
        };
        self.by_merge.find(merge.hash, is_it).copied()
    }

    pub(super) fn accept(
        &mut self,
        core: &mut Core<U>,
        now: Time,
        flow: Flow,
        message: &Message<'_>,
        user: U,
    ) -> Result<ServerId, Refusal> {
        let method = message.method();
        if method == Method::Ack {
            return Err(Refusal::Ack);
        }
        let fingerprint = core.fingerprints.server(message, Class::of(method))?;
        if self.find(fingerprint).is_some() {
            return Err(Refusal::Exists);
        }
        // CANCEL repeats the Call-ID and the CSeq number of its INVITE. Of several copies only the
        // first is found by its merge, so that many of them make no long search.
        let merge = match method {
            Method::Cancel => None,
            _ => core.fingerprints.merge(message)?,
        };
        let merge = merge.filter(|merge| self.find_merge(*merge).is_none());
        if self.slab.len() >= core.settings.max_servers && !self.displace(core) {
            return Err(Refusal::Full);
        }
        let key = self.slab.insert(Server {
            fingerprint,
            merge,
            flow,
            user,
            is_invite: method == Method::Invite,
            state: State::Proceeding,
            response: None,
            reliables: None,
            interval: Interval::default(),
            retransmit: None,
            end: None,
            link: Link::default(),
        });
        self.index(key, fingerprint, merge);
        self.begin(core, now, key.index, message);
        Ok(ServerId(key))
    }

    fn index(&mut self, key: Key, fingerprint: Fingerprint, merge: Option<Fingerprint>) {
        let slab = &self.slab;
        let hash = |index: &u32| slab.get(*index).map_or(0, |server| server.fingerprint.hash);
        self.by_fingerprint
            .insert_unique(fingerprint.hash, key.index, hash);
        if let Some(merge) = merge {
            let hash = |index: &u32| {
                slab.get(*index)
                    .and_then(|server| server.merge)
                    .map_or(0, |merge| merge.hash)
            };
            self.by_merge.insert_unique(merge.hash, key.index, hash);
        }
    }

    fn begin(&mut self, core: &mut Core<U>, now: Time, index: u32, message: &Message<'_>) {
        let Some(server) = self.slab.get_mut(index) else {
            return;
        };
        let limit = if server.is_invite {
            LONGEST_PROCEEDING
        } else {
            core.settings.timeout()
        };
        core.set(
            &mut server.end,
            now + limit,
            Due::Server(index, ServerTimer::End),
        );
        if let (true, Some(delay)) = (server.is_invite, core.settings.automatic_trying) {
            let source = Some(server.flow.remote);
            let out = &mut core.scratch;
            ResponseBuilder::for_request(out, message, 100, None, None, source).finish();
            server.response = Some(Arc::from(core.scratch.as_slice()));
            let at = now + delay;
            core.set(
                &mut server.retransmit,
                at,
                Due::Server(index, ServerTimer::Retransmit),
            );
        }
    }

    /// Makes room by ending the oldest transaction that only absorbs retransmissions.
    fn displace(&mut self, core: &mut Core<U>) -> bool {
        let Some(index) = self.dispensable.first() else {
            return false;
        };
        if let Some(server) = self.slab.get(index)
            && server.is_invite
            && server.state == State::Completed
        {
            self.gone(core, index, ServerEnd::Displaced);
        }
        self.remove(core, index);
        true
    }

    pub(super) fn respond(
        &mut self,
        core: &mut Core<U>,
        now: Time,
        id: ServerId,
        bytes: Arc<[u8]>,
        status: u16,
    ) -> Result<(), ResponseRefusal> {
        let server = self.slab.find_mut(id.0).ok_or(ResponseRefusal::Gone)?;
        if server.state != State::Proceeding {
            return Err(ResponseRefusal::AlreadyFinal);
        }
        core.send(server.flow, &bytes);
        server.response = Some(bytes);
        if status < 200 {
            // The timer may be that of a reliable response, which goes on.
            if server.reliables.is_none() {
                core.stop(&mut server.retransmit);
            }
            return Ok(());
        }
        core.stop(&mut server.retransmit);
        server.reliables = None;
        let is_accepted = server.is_invite && status < 300;
        if !server.is_invite && server.flow.transport.is_reliable() {
            // Timer J is zero.
            self.remove(core, id.0.index);
            return Ok(());
        }
        server.state = if is_accepted {
            State::Accepted
        } else {
            State::Completed
        };
        let index = id.0.index;
        let end = now + core.settings.timeout();
        core.set(&mut server.end, end, Due::Server(index, ServerTimer::End));
        if is_accepted || (server.is_invite && !server.flow.transport.is_reliable()) {
            let interval = core.settings.first_interval();
            server.interval = interval.into();
            let at = now + interval;
            core.set(
                &mut server.retransmit,
                at,
                Due::Server(index, ServerTimer::Retransmit),
            );
        }
        if server.state.is_dispensable() {
            self.dispensable.push(&mut self.slab, index);
        }
        Ok(())
    }

    pub(super) fn acknowledged(&mut self, core: &mut Core<U>, id: ServerId) -> bool {
        let Some(server) = self.slab.find_mut(id.0) else {
            return false;
        };
        if server.state != State::Accepted {
            return false;
        }
        server.state = State::Acknowledged;
        server.response = None;
        core.stop(&mut server.retransmit);
        if server.flow.transport.is_reliable() {
            // No retransmission of the INVITE can come any more.
            self.remove(core, id.0.index);
        } else {
            self.dispensable.push(&mut self.slab, id.0.index);
        }
        true
    }

    pub(super) fn timer(&mut self, core: &mut Core<U>, now: Time, index: u32, timer: ServerTimer) {
        let Some(server) = self.slab.get_mut(index) else {
            return;
        };
        match timer {
            ServerTimer::Retransmit => {
                server.retransmit = None;
                self.retransmit(core, now, index);
            }
            ServerTimer::End => {
                server.end = None;
                self.end(core, index);
            }
        }
    }

    fn retransmit(&mut self, core: &mut Core<U>, now: Time, index: u32) {
        let Some(key) = self.slab.key_at(index) else {
            return;
        };
        let Some(server) = self.slab.get_mut(index) else {
            return;
        };
        match server.state {
            State::Proceeding if server.reliables.is_some() => {
                repeat_reliables(core, now, server, ServerId(key));
            }
            State::Proceeding => {
                // The automatic 100.
                if let Some(trying) = &server.response {
                    core.send(server.flow, trying);
                }
            }
            State::Completed | State::Accepted => {
                if let Some(response) = &server.response {
                    core.send(server.flow, response);
                }
                let interval = core.settings.capped_double(server.interval.get());
                server.interval = interval.into();
                let at = now + interval;
                core.set(
                    &mut server.retransmit,
                    at,
                    Due::Server(index, ServerTimer::Retransmit),
                );
            }
            State::Confirmed | State::Acknowledged => {}
        }
    }

    fn end(&mut self, core: &mut Core<U>, index: u32) {
        let Some(server) = self.slab.get(index) else {
            return;
        };
        match server.state {
            State::Proceeding => self.gone(core, index, ServerEnd::Unanswered),
            State::Completed if server.is_invite => self.gone(core, index, ServerEnd::NoAck),
            State::Accepted => {
                let user = server.user;
                if let Some(key) = self.slab.key_at(index) {
                    core.outputs.push_back(Output::NoAck {
                        server: ServerId(key),
                        user,
                    });
                }
            }
            State::Completed | State::Confirmed | State::Acknowledged => {}
        }
        self.remove(core, index);
    }

    fn gone(&self, core: &mut Core<U>, index: u32, reason: ServerEnd) {
        if let (Some(server), Some(key)) = (self.slab.get(index), self.slab.key_at(index)) {
            let (server, user) = (ServerId(key), server.user);
            core.outputs.push_back(Output::ServerGone {
                server,
                user,
                reason,
            });
        }
    }

    fn remove(&mut self, core: &mut Core<U>, index: u32) {
        self.dispensable.remove(&mut self.slab, index);
        let Some(mut server) = self.slab.remove(index) else {
            return;
        };
        core.stop(&mut server.retransmit);
        core.stop(&mut server.end);
        forget(&mut self.by_fingerprint, server.fingerprint.hash, index);
        if let Some(merge) = server.merge {
            forget(&mut self.by_merge, merge.hash, index);
        }
    }

    /// The size of one transaction without its response, in bytes.
    #[cfg(test)]
    pub(super) const BYTES: usize = Slab::<Server<U>>::SLOT_BYTES;
}

/// Takes a number out of an index, and gives the memory back with the last one.
pub(super) fn forget(index: &mut HashTable<u32>, hash: u64, number: u32) {
    if let Ok(entry) = index.find_entry(hash, |other| *other == number) {
        entry.remove();
    }
    if index.is_empty() && index.capacity() > 4096 {
        *index = HashTable::new();
    }
}
