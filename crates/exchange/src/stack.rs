//! What every leg and every call of a shard uses: settings, both clocks, chance, transactions,
//! timers, and the queues of what is to be done. It decides nothing.

use core::cell::RefCell;
use core::time::Duration;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use fernamt_sip::time::Now;
use fernamt_sip::timer::{TimerId, TimerQueue};
use fernamt_sip::transaction::{TransactionSettings, Transactions};
use fernamt_sip::transport::{Flow, Transport};
use hashbrown::HashMap;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

use crate::call::Redirection;
use crate::config::Config;
use crate::interface::{Output, Question, QuestionId};
use crate::leg::sip::public_address;
use crate::leg::sip::transaction_use::TransactionUse;
use crate::leg::{CallSlot, LegEvent, LegId};
use crate::media::EndpointId;

/// A caller that has heard nothing for this long is told that we are at work (RFC 3261
/// section 17.2.1).
const TRYING_AFTER: Duration = Duration::from_millis(200);

/// Names of TLS peers that are remembered at the same time.
const MAX_SERVER_NAMES: usize = 10_000;

/// Addresses of ours that are kept as text.
const MAX_PUBLIC_ADDRESSES: usize = 32;

/// What a question was asked for.
#[derive(Debug)]
pub(crate) enum Asker {
    /// A request outside any call waits for it.
    Request(Box<crate::request::Waiting>),
    /// A call waits for its destination.
    Call(CallSlot),
    /// A call whose caller has made no offer waits for what is known of its phone.
    Caller(CallSlot),
    /// A call was redirected, perhaps to another subscriber.
    Redirect(CallSlot, Redirection),
    /// A leg waits for the addresses of its peer.
    Leg(LegId),
    /// A leg has lost its peer and waits for the bindings of its device.
    LostLeg(LegId),
}

/// An address of ours as text.
struct PublicAddress {
    way: (Transport, SocketAddr),
    text: Arc<str>,
}

/// Whom a timer wakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alarm {
    /// A leg: refresh or expiry of its session, or a retry after glare.
    Leg(LegId, crate::leg::sip::LegTimer),
    /// A call that has rung for long enough.
    RingTime(CallSlot),
    /// A call whose announcement should have ended.
    AnnouncementTime(CallSlot),
}

/// The services of one shard.
pub(crate) struct Stack {
    pub(crate) config: Arc<Config>,
    pub(crate) shard: u16,
    pub(crate) now: Now,
    pub(crate) transactions: Transactions<TransactionUse>,
    pub(crate) outputs: VecDeque<Output>,
    pub(crate) events: VecDeque<(LegId, LegEvent)>,
    /// Which leg has which of our dialog tags.
    pub(crate) tags: HashMap<u64, LegId>,
    /// Calling legs of calls that were picked up, by Call-ID, until their ACK has been seen.
    pub(crate) resumed_calls: HashMap<Box<str>, LegId>,
    /// Which call has which endpoint.
    pub(crate) endpoints: HashMap<EndpointId, CallSlot>,
    pub(crate) askers: HashMap<QuestionId, Asker>,
    /// A buffer for building messages, so that building allocates once.
    pub(crate) scratch: Vec<u8>,
    /// The names that the certificates of TLS peers must carry, where we looked them up by name.
    server_names: HashMap<SocketAddr, Arc<str>>,
    /// Addresses of ours as text.
    public_addresses: RefCell<Vec<PublicAddress>>,
    timers: TimerQueue<Alarm>,
    random: ChaCha8Rng,
    next_question: u64,
    next_endpoint: u64,
}

impl Stack {
    pub(crate) fn new(config: Config, shard: u16, seed: [u8; 32]) -> Stack {
        let mut random = ChaCha8Rng::from_seed(seed);
        let settings = TransactionSettings {
            automatic_trying: Some(TRYING_AFTER),
            hash_seed: [random.next_u64(), random.next_u64()],
            ..TransactionSettings::default()
        };
        Stack {
            config: Arc::new(config),
            shard,
            now: Now::default(),
            transactions: Transactions::new(settings),
            outputs: VecDeque::new(),
            events: VecDeque::new(),
            tags: HashMap::new(),
            resumed_calls: HashMap::new(),
            endpoints: HashMap::new(),
            askers: HashMap::new(),
            scratch: Vec::with_capacity(2048),
            server_names: HashMap::new(),
            public_addresses: RefCell::default(),
            timers: TimerQueue::new(),
            random,
            next_question: 0,
            next_endpoint: 0,
        }
    }

    pub(crate) fn random_u64(&mut self) -> u64 {
        self.random.next_u64()
    }

    /// A number from `low` to `high - 1`.
    pub(crate) fn random_between(&mut self, low: u64, high: u64) -> u64 {
        low + self.random.next_u64() % high.saturating_sub(low).max(1)
    }

    /// A dialog tag that is not in use, registered for `leg`.
    pub(crate) fn new_tag(&mut self, leg: LegId) -> u64 {
        loop {
            let tag = self.random.next_u64();
            if let hashbrown::hash_map::Entry::Vacant(vacant) = self.tags.entry(tag) {
                vacant.insert(leg);
                return tag;
            }
        }
    }

    /// A new endpoint of a call. Its upper 16 bits are the shard, so that reports find back.
    pub(crate) fn new_endpoint(&mut self, call: CallSlot) -> EndpointId {
        self.next_endpoint += 1;
        let endpoint = EndpointId(u64::from(self.shard) << 48 | self.next_endpoint);
        self.endpoints.insert(endpoint, call);
        endpoint
    }

    pub(crate) fn ask(&mut self, asker: Asker, ask: Question) {
        self.next_question += 1;
        let question = QuestionId(self.next_question);
        self.askers.insert(question, asker);
        self.outputs.push_back(Output::Ask { question, ask });
    }

    pub(crate) fn emit(&mut self, leg: LegId, event: LegEvent) {
        self.events.push_back((leg, event));
    }

    pub(crate) fn set_timer(&mut self, after: Duration, alarm: Alarm) -> TimerId {
        self.timers.insert(self.now.time + after, alarm)
    }

    pub(crate) fn cancel_timer(&mut self, timer: &mut Option<TimerId>) {
        if let Some(timer) = timer.take() {
            self.timers.cancel(timer);
        }
    }

    pub(crate) fn due_timer(&mut self) -> Option<Alarm> {
        self.timers.pop_due(self.now.time)
    }

    /// The address of ours that a peer is to send to, as text; made anew only for the first of many
    /// messages along the same way.
    pub(crate) fn public_address(&self, transport: Transport, local: SocketAddr) -> Arc<str> {
        let mut known = self.public_addresses.borrow_mut();
        let way = (transport, local);
        if let Some(found) = known.iter().find(|found| found.way == way) {
            return Arc::clone(&found.text);
        }
        if known.len() >= MAX_PUBLIC_ADDRESSES {
            known.clear();
        }
        let text: Arc<str> = public_address(&self.config, transport, local)
            .to_string()
            .into();
        known.push(PublicAddress {
            way,
            text: Arc::clone(&text),
        });
        text
    }

    /// Remembers by which name we looked for a TLS peer.
    pub(crate) fn name_server(&mut self, address: SocketAddr, name: Arc<str>) {
        if self.server_names.len() >= MAX_SERVER_NAMES {
            self.server_names.clear();
        }
        self.server_names.insert(address, name);
    }

    /// The name that the certificate at the other end of a new connection must carry.
    pub(crate) fn server_name(&self, flow: &Flow) -> Option<Arc<str>> {
        if flow.connection.is_some() || !flow.transport.is_secure() {
            return None;
        }
        self.server_names.get(&flow.remote).cloned()
    }

    pub(crate) fn next_deadline(&self) -> Option<fernamt_sip::time::Time> {
        match (
            self.timers.next_deadline(),
            self.transactions.next_deadline(),
        ) {
            (Some(own), Some(transactions)) => Some(own.min(transactions)),
            (own, transactions) => own.or(transactions),
        }
    }
}
