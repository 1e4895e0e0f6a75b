//! The thread of a shard: wait, read the clocks once, take what has come, send what came out.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use fernamt_exchange::interface::{Answer, Input, Output, QuestionId};
use fernamt_exchange::media;
use fernamt_sip::time::{Now, Time};
use fernamt_sip::transport::{Flow, Transport};
use rustix::event::{Timespec, epoll};

use super::outbox::Outbox;
use super::{Core, Inboxes, Item, Services};
use crate::clock;
use crate::transport::stream::Streams;
use crate::transport::udp::{BATCH, ReceiveBatch, Socket, stun};

/// Under load a shard rests this long after a turn before it looks again: what has come by then is
/// handled in one turn with one set of system calls, and with all that it touches near the processor.
/// Nobody hears a delay of this size in signalling.
const GATHER: Duration = Duration::from_millis(10);

/// How many batches of datagrams are taken from one socket in one turn, before answers are sent. When
/// even more wait, there is no rest.
pub(crate) const MAX_BATCHES: usize = 4;

/// The longest sleep, so that a clock that was set or a lost wake-up never matters for long.
const LONGEST_SLEEP: Duration = Duration::from_secs(10);

/// Turns of one flush that failed sends may cause.
const MAX_FLUSH_ROUNDS: usize = 8;

/// The inbox's name in the epoll; sockets have their index.
const INBOX_TOKEN: u64 = u64::MAX;

/// What a shard has done, for the status; written by the shard only.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) datagrams_received: AtomicU64,
    pub(crate) datagrams_sent: AtomicU64,
    pub(crate) handed_over: AtomicU64,
    pub(crate) dropped: AtomicU64,
    pub(crate) turns: AtomicU64,
    /// Calls in progress after the last turn.
    pub(crate) calls: AtomicU64,
}

impl Counters {
    fn add(counter: &AtomicU64, count: usize) {
        if count > 0 {
            counter.fetch_add(count as u64, Ordering::Relaxed);
        }
    }
}

/// What a shard is made of.
pub(crate) struct Parts<C> {
    pub(crate) core: C,
    pub(crate) number: u16,
    pub(crate) sockets: Vec<Socket>,
    pub(crate) inboxes: Arc<Inboxes>,
    pub(crate) services: Arc<dyn Services>,
    pub(crate) streams: Arc<Streams>,
    pub(crate) counters: Arc<Counters>,
}

/// What is fed back to the core when its outputs are drained.
enum Reply {
    Answer(QuestionId, Answer),
    Media(media::Event),
    SendFailed(Flow),
}

/// One shard.
pub(crate) struct Shard<C> {
    core: C,
    number: u16,
    shards: u16,
    now: Now,
    outbox: Outbox,
    inboxes: Arc<Inboxes>,
    services: Arc<dyn Services>,
    streams: Arc<Streams>,
    counters: Arc<Counters>,
    epoll: OwnedFd,
    replies: VecDeque<Reply>,
    handover: Vec<Vec<Item>>,
    taken: Vec<Item>,
    failed: Vec<Flow>,
    /// The last turn has left datagrams where they were.
    behind: bool,
    stopped: bool,
}

impl<C: Core> Shard<C> {
    /// Makes the shard; nothing is read before [`Shard::run`].
    pub(crate) fn new(parts: Parts<C>) -> io::Result<Shard<C>> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        for (index, socket) in parts.sockets.iter().enumerate() {
            let token = epoll::EventData::new_u64(index as u64);
            epoll::add(&epoll, socket.as_fd(), token, epoll::EventFlags::IN)?;
        }
        if let Some(inbox) = parts.inboxes.get(parts.number) {
            let token = epoll::EventData::new_u64(INBOX_TOKEN);
            epoll::add(&epoll, inbox.as_fd(), token, epoll::EventFlags::IN)?;
        }
        let shards = parts.inboxes.shards();
        Ok(Shard {
            core: parts.core,
            number: parts.number,
            shards,
            now: clock::now(),
            outbox: Outbox::new(parts.sockets),
            inboxes: parts.inboxes,
            services: parts.services,
            streams: parts.streams,
            counters: parts.counters,
            epoll,
            replies: VecDeque::new(),
            handover: (0..shards).map(|_| Vec::new()).collect(),
            taken: Vec::new(),
            failed: Vec::new(),
            behind: false,
            stopped: false,
        })
    }

    /// Runs until [`Item::Stop`]. What waits in the inbox is handled before a socket is read.
    pub(crate) fn run(mut self) {
        let mut receive = ReceiveBatch::new();
        self.take_inbox();
        self.flush();
        // A new call must not get a media port that a call of another shard is about to take up again.
        self.inboxes.wait_for_all();
        let mut events = Vec::with_capacity(self.outbox.sockets().len() + 1);
        let mut last_turn = Time::ZERO;
        let mut busy = false;
        while !self.stopped {
            if busy && !self.behind {
                self.rest(last_turn);
            }
            self.wait(&mut events);
            self.now = clock::now();
            busy = self.now.time.since(last_turn) < GATHER * 2;
            last_turn = self.now.time;
            self.turn(&mut events, &mut receive);
        }
    }

    /// Lets a little more come together when the last two turns were close to each other.
    fn rest(&self, last_turn: Time) {
        let passed = clock::monotonic().since(last_turn);
        if let Some(left) = GATHER.checked_sub(passed) {
            let due = self
                .core
                .next_deadline()
                .map_or(left, |at| at.since(last_turn + passed));
            thread::sleep(left.min(due));
        }
    }

    fn wait(&mut self, events: &mut Vec<epoll::Event>) {
        events.clear();
        let Some(inbox) = self.inboxes.get(self.number) else {
            return;
        };
        let mut timeout = LONGEST_SLEEP;
        if let Some(deadline) = self.core.next_deadline() {
            timeout = timeout.min(deadline.since(clock::monotonic()));
        }
        if !inbox.fall_asleep() {
            timeout = Duration::ZERO;
        }
        // The system rounds up to whole milliseconds, so that a deadline has passed at the wake-up.
        let timeout = Timespec::try_from(timeout).ok();
        let buffer = rustix::buffer::spare_capacity(events);
        let result = epoll::wait(&self.epoll, buffer, timeout.as_ref());
        if let Err(error) = result
            && error != rustix::io::Errno::INTR
        {
            tracing::error!(%error, "waiting for sockets failed");
            thread::sleep(Duration::from_millis(10));
        }
        let signalled = events.iter().any(|event| event.data.u64() == INBOX_TOKEN);
        inbox.wake_up(signalled);
    }

    fn turn(&mut self, events: &mut Vec<epoll::Event>, receive: &mut ReceiveBatch) {
        Counters::add(&self.counters.turns, 1);
        self.behind = false;
        self.take_inbox();
        for event in events.drain(..) {
            if event.data.u64() == INBOX_TOKEN {
                continue;
            }
            let index = usize::try_from(event.data.u64()).unwrap_or(usize::MAX);
            // Copied: the field is not aligned.
            let flags = event.flags;
            if flags.contains(epoll::EventFlags::ERR) {
                self.outbox.read_reports(index);
            }
            if flags.contains(epoll::EventFlags::IN) {
                self.behind |= self.receive(index, receive);
            }
        }
        if self
            .core
            .next_deadline()
            .is_some_and(|at| at <= self.now.time)
        {
            self.handle(Input::Timer);
        }
        self.flush();
        self.count_calls();
    }

    fn count_calls(&self) {
        self.counters
            .calls
            .store(self.core.call_count() as u64, Ordering::Relaxed);
    }

    fn take_inbox(&mut self) {
        let mut items = std::mem::take(&mut self.taken);
        if let Some(inbox) = self.inboxes.get(self.number) {
            inbox.take(&mut items);
        }
        for item in items.drain(..) {
            self.take_item(item);
        }
        self.taken = items;
    }

    fn take_item(&mut self, item: Item) {
        match item {
            Item::Message { flow, bytes } => self.handle(Input::Message {
                flow,
                bytes: &bytes,
            }),
            Item::ConnectionClosed(connection) => {
                self.handle(Input::ConnectionClosed { connection });
            }
            Item::SendFailed(flow) => self.handle(Input::SendFailed { flow }),
            Item::Unreachable(remote) => self.unreachable(remote),
            Item::Answer(question, answer) => self.handle(Input::Answer { question, answer }),
            Item::Media(event) => self.handle(Input::Media(event)),
            Item::Committed(ticket) => self.handle(Input::Committed(ticket)),
            Item::CommitFailed(ticket) => self.handle(Input::CommitFailed(ticket)),
            Item::Command(command) => self.handle(Input::Command(command)),
            Item::LiftBan(source) => self.core.lift_ban(source),
            Item::Calls(give) => give(self.core.calls()),
            Item::Reached(call) => {
                // Whoever waits for this point expects that what came out before it has left.
                self.flush();
                self.count_calls();
                call();
            }
            Item::Stop => self.stopped = true,
        }
    }

    /// Takes what waits on a socket; whether there may be more.
    fn receive(&mut self, index: usize, batch: &mut ReceiveBatch) -> bool {
        let whole = (0..MAX_BATCHES).all(|_| self.receive_batch(index, batch) == BATCH);
        self.hand_over();
        whole
    }

    /// Takes one batch from a socket and handles it; how many there were.
    fn receive_batch(&mut self, index: usize, batch: &mut ReceiveBatch) -> usize {
        let Some(socket) = self.outbox.sockets().get(index) else {
            return 0;
        };
        let bound = socket.bound();
        let received = match batch.receive(socket.as_fd()) {
            Ok(received) => received,
            Err(error) => {
                // A report about a datagram of ours comes up here, too.
                tracing::trace!(address = %bound, %error, "receiving failed");
                self.outbox.read_reports(index);
                return 0;
            }
        };
        Counters::add(&self.counters.datagrams_received, received);
        for index in 0..received {
            let Some(datagram) = batch.get(index) else {
                continue;
            };
            if is_keep_alive(datagram.bytes) {
                continue;
            }
            let mut local = bound;
            if let Some(ip) = datagram.local {
                local.set_ip(ip);
            }
            let flow = Flow {
                transport: Transport::Udp,
                local,
                remote: datagram.remote,
                connection: None,
            };
            if let Some(answer) = stun::answer(datagram.bytes, datagram.remote) {
                self.outbox.put(flow, answer);
                continue;
            }
            let owner = C::shard_of(datagram.bytes, self.shards);
            if owner == self.number {
                self.handle(Input::Message {
                    flow,
                    bytes: datagram.bytes,
                });
            } else if let Some(handover) = self.handover.get_mut(usize::from(owner)) {
                handover.push(Item::Message {
                    flow,
                    bytes: datagram.bytes.into(),
                });
            }
        }
        received
    }

    fn hand_over(&mut self) {
        for (shard, items) in (0..self.shards).zip(&mut self.handover) {
            if items.is_empty() {
                continue;
            }
            let count = items.len();
            if let Some(inbox) = self.inboxes.get(shard) {
                let dropped = inbox.append(items);
                Counters::add(&self.counters.dropped, dropped);
            }
            Counters::add(&self.counters.handed_over, count);
        }
    }

    /// One input, and everything that comes of it at once.
    fn handle(&mut self, input: Input<'_>) {
        self.core.handle(self.now, input);
        loop {
            while let Some(output) = self.core.poll() {
                self.carry_out(output);
            }
            let Some(reply) = self.replies.pop_front() else {
                return;
            };
            let input = match reply {
                Reply::Answer(question, answer) => Input::Answer { question, answer },
                Reply::Media(event) => Input::Media(event),
                Reply::SendFailed(flow) => Input::SendFailed { flow },
            };
            self.core.handle(self.now, input);
        }
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Send {
                flow,
                server_name,
                bytes,
            } => {
                if flow.transport != Transport::Udp {
                    self.streams.send(self.number, flow, server_name, bytes);
                } else if !self.outbox.put(flow, bytes) {
                    self.replies.push_back(Reply::SendFailed(flow));
                }
            }
            Output::CloseConnection(connection) => self.streams.close(connection),
            Output::Ask { question, ask } => {
                if let Some(answer) = self.services.ask(self.now, self.number, question, ask) {
                    self.replies.push_back(Reply::Answer(question, answer));
                }
            }
            Output::Media(command) => {
                if let Some(event) = self.services.media(self.number, command) {
                    self.replies.push_back(Reply::Media(event));
                }
            }
            Output::Write(write) => self.services.write(self.number, write),
            Output::Publish(event) => self.services.publish(self.number, event),
        }
    }

    fn flush(&mut self) {
        for _ in 0..MAX_FLUSH_ROUNDS {
            let mut failed = std::mem::take(&mut self.failed);
            let sent = self.outbox.flush(&mut failed);
            Counters::add(&self.counters.datagrams_sent, sent);
            let reported = self.outbox.take_unreachable();
            let none = failed.is_empty() && reported.is_empty();
            for flow in failed.drain(..) {
                self.handle(Input::SendFailed { flow });
            }
            self.failed = failed;
            for remote in reported {
                self.reported(remote);
            }
            if none {
                return;
            }
        }
    }

    /// The system gives a report to any of the sockets that share a port, so every shard looks
    /// whether it was the one that sent there.
    fn reported(&mut self, remote: SocketAddr) {
        for shard in (0..self.shards).filter(|shard| *shard != self.number) {
            self.inboxes.push(shard, Item::Unreachable(remote));
        }
        self.unreachable(remote);
    }

    fn unreachable(&mut self, remote: SocketAddr) {
        if let Some(flow) = self.outbox.recent_flow(remote) {
            tracing::debug!(%remote, "the network reports that nobody is there");
            self.handle(Input::SendFailed { flow });
        }
    }
}

/// Datagrams that only keep a NAT binding open: empty ones, line ends, zeroes. No request is shorter.
fn is_keep_alive(bytes: &[u8]) -> bool {
    bytes.len() <= 4 && bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n' | 0))
}
