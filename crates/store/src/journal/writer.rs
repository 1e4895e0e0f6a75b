//! The writer: takes what is waiting, writes it with one write and one sync, tells who waits. One
//! thread of its own. What a state means to a call is not known here.

use std::fmt::Display;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fernamt_charging::CallReference;
use fernamt_exchange::interface::Ticket;

use super::CommitSink;
use super::appender::{Appender, Target};
use super::emptying::Emptying;
use super::frame::{self, HEAD_BYTES, MAX_PAYLOAD_BYTES, Salt};
use super::held::Held;
use super::ledger::Ledger;
use super::progress::Progress;
use super::queue::{Batch, KEPT_BUFFER_BYTES, Queue};
use super::record::Meaning;
use super::segment::{Position, SegmentId};

/// How long after a commit the next one comes at the earliest. A write that comes alone is on disk as
/// fast as the disk is. Under load this is what an answer waits for others at most: a sync costs as
/// much as writing dozens of records, and nobody hears twenty milliseconds.
const GATHERING: Duration = Duration::from_millis(20);

/// How long to wait after a failure before the disk is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// A record that stands in the buffer.
struct Encoded {
    /// Where it begins, with its head.
    start: usize,
    length: usize,
    call: CallReference,
    meaning: Meaning,
    /// It is kept somewhere else too, in memory or in an old segment, and need not be kept once more
    /// when it cannot be written.
    again: bool,
}

/// Nothing can be written at the moment.
struct Trouble {
    reason: Box<str>,
    try_again: Instant,
}

/// See the module.
pub(super) struct Writer {
    appender: Appender,
    sink: Box<dyn CommitSink>,
    progress: Arc<Progress>,
    ledger: Ledger,
    slack_bytes: u64,
    emptying: Option<Emptying>,
    /// A segment that could not be read again; it stays.
    not_emptied: Option<SegmentId>,
    held: Held,
    trouble: Option<Trouble>,
    buffer: Vec<u8>,
    encoded: Vec<Encoded>,
    committed: Vec<(u16, Ticket)>,
    failed: Vec<(u16, Ticket)>,
}

impl Writer {
    /// `slack_bytes`: by how much the journal may be larger than three times what is needed of it.
    pub(super) fn new(
        appender: Appender,
        sink: Box<dyn CommitSink>,
        progress: Arc<Progress>,
        ledger: Ledger,
        slack_bytes: u64,
    ) -> Writer {
        Writer {
            appender,
            sink,
            progress,
            ledger,
            slack_bytes,
            emptying: None,
            not_emptied: None,
            held: Held::default(),
            trouble: None,
            buffer: Vec::new(),
            encoded: Vec::new(),
            committed: Vec::new(),
            failed: Vec::new(),
        }
    }

    /// Works until the queue says stop.
    pub(super) fn run(mut self, queue: &Queue) {
        let mut spare = Batch::default();
        let mut not_before = Instant::now();
        loop {
            let retry = self.trouble.as_ref().map(|trouble| trouble.try_again);
            let mut batch = queue.take(spare, not_before, retry);
            if !batch.flushes.is_empty() || batch.stop {
                // Somebody wants to know now.
                self.try_again_now();
            }
            self.commit(&batch);
            not_before = Instant::now() + GATHERING;
            let flushes = std::mem::take(&mut batch.flushes);
            match &self.trouble {
                None => self.progress.flush(flushes),
                Some(Trouble { reason, .. }) => flushes.into_iter().for_each(|reply| {
                    // Whoever asked may have gone.
                    let _ = reply.send(Err(reason.clone()));
                }),
            }
            if batch.stop {
                self.say_what_is_lost();
                self.progress.stop();
                return;
            }
            spare = batch.cleared();
        }
    }

    fn try_again_now(&mut self) {
        if let Some(trouble) = &mut self.trouble {
            trouble.try_again = Instant::now();
        }
    }

    fn say_what_is_lost(&self) {
        if !self.held.is_empty() {
            tracing::error!(
                records = self.held.len(),
                "the journal cannot be written; what waited for it is LOST with this stop"
            );
        }
    }

    /// Writes everything, or keeps what must not be lost.
    pub(super) fn commit(&mut self, batch: &Batch) {
        if batch.is_empty() && self.held.is_empty() {
            return;
        }
        let target = self.target();
        self.buffer.clear();
        self.encoded.clear();
        if let Ok(target) = &target {
            if target.length == 0 {
                self.buffer.extend_from_slice(&target.id.header());
            }
            self.encode_again(target.id.salt);
        }
        // Without a target the records are only encoded to be kept; no segment's salt is needed.
        let salt = target.as_ref().map_or(Salt(0), |target| target.id.salt);
        for (call, meaning, payload) in batch.writes() {
            self.encode(call, meaning, payload, salt);
        }
        let written = target.and_then(|target| {
            let length = self
                .appender
                .append(&self.buffer)
                .map_err(|error| error.to_string())?;
            Ok((target, length))
        });
        match written {
            Ok((target, length)) => self.succeeded(target, length),
            Err(reason) => self.not_written(&reason),
        }
        self.report();
        if self.buffer.capacity() > KEPT_BUFFER_BYTES {
            self.buffer = Vec::new();
        }
    }

    fn target(&mut self) -> Result<Target, String> {
        match &self.trouble {
            Some(trouble) if Instant::now() < trouble.try_again => Err(trouble.reason.to_string()),
            _ => self.appender.target().map_err(|error| error.to_string()),
        }
    }

    /// What has been written or kept before: it comes first, since what is new may replace it.
    fn encode_again(&mut self, salt: Salt) {
        let Writer {
            buffer,
            encoded,
            held,
            ledger,
            ..
        } = self;
        let mut push = |call, payload: &[u8], meaning| {
            let start = buffer.len();
            let framed = frame::push(buffer, salt, |buffer| buffer.extend_from_slice(payload));
            // It has been framed before, and is not larger now.
            if framed.is_ok() {
                let length = buffer.len() - start;
                encoded.push(Encoded {
                    start,
                    length,
                    call,
                    meaning,
                    again: true,
                });
            }
        };
        let state = Meaning::State { waits: None };
        if let Some(emptying) = &mut self.emptying {
            match emptying.next_piece(ledger, |call, payload| push(call, payload, state)) {
                Ok(true) => {}
                Ok(false) => self.emptying = None,
                Err(error) => {
                    tracing::error!(%error, "an old segment of the journal cannot be read again");
                    self.emptying = None;
                    self.not_emptied = ledger.to_be_emptied(0).map(|extent| extent.id);
                }
            }
        }
        for (call, payload) in held.states() {
            push(call, payload, state);
        }
        for (call, payload) in held.closed() {
            let answered = true;
            push(
                call,
                payload,
                Meaning::Closed {
                    answered,
                    waits: None,
                },
            );
        }
    }

    fn encode(&mut self, call: CallReference, meaning: Meaning, payload: &[u8], salt: Salt) {
        let start = self.buffer.len();
        let framed = frame::push(&mut self.buffer, salt, |buffer| {
            buffer.extend_from_slice(payload);
        });
        if framed.is_ok() {
            let length = self.buffer.len() - start;
            self.encoded.push(Encoded {
                start,
                length,
                call,
                meaning,
                again: false,
            });
        } else {
            tracing::error!(%call, limit = MAX_PAYLOAD_BYTES, "a record of a call is too large to be written");
            self.failed.extend(meaning.waits());
        }
    }

    fn succeeded(&mut self, target: Target, length: u64) {
        let mut closed = 0;
        self.ledger.written(target.id, length);
        for Encoded {
            start,
            length,
            call,
            meaning,
            ..
        } in self.encoded.drain(..)
        {
            let offset = target.length + start as u64;
            match meaning {
                Meaning::State { waits } => {
                    let position = Position {
                        segment: target.id.number,
                        offset,
                    };
                    self.ledger.state(call, position, length as u32);
                    self.committed.extend(waits);
                }
                Meaning::Closed { waits, .. } => {
                    self.ledger.release(call);
                    self.committed.extend(waits);
                    closed += 1;
                }
            }
        }
        if self.trouble.take().is_some() {
            tracing::info!(
                kept = self.held.len(),
                "the journal of calls can be written again"
            );
        }
        if !self.held.is_empty() {
            self.held.clear();
        }
        let moved = self.progress.written(target.id, length, closed);
        self.remove_done(moved);
        self.begin_emptying();
    }

    /// Whoever waits is told; what must not be lost is kept.
    fn not_written(&mut self, reason: &str) {
        for Encoded {
            start,
            length,
            call,
            meaning,
            again,
        } in self.encoded.drain(..)
        {
            let payload = self
                .buffer
                .get(start + HEAD_BYTES..start + length)
                .unwrap_or_default();
            match meaning {
                _ if again => {}
                Meaning::State { waits: Some(waits) } => self.failed.push(waits),
                Meaning::State { waits: None } => self.held.keep_state(call, payload),
                Meaning::Closed { answered, waits } => {
                    self.failed.extend(waits);
                    self.held.keep_closed(call, answered, payload);
                }
            }
        }
        // What it has copied is not written, and it cannot go back.
        self.emptying = None;
        let now = Instant::now();
        match &mut self.trouble {
            Some(trouble) if now < trouble.try_again => {}
            Some(trouble) => {
                *trouble = Trouble {
                    reason: reason.into(),
                    try_again: now + RETRY,
                };
            }
            None => {
                tracing::error!(
                    folder = %self.appender.folder().display(), reason,
                    "the journal of calls cannot be written: no call can be answered until it can; \
                     free space on that file system"
                );
                self.trouble = Some(Trouble {
                    reason: reason.into(),
                    try_again: now + RETRY,
                });
            }
        }
    }

    fn report(&mut self) {
        let Writer {
            sink,
            committed,
            failed,
            ..
        } = self;
        by_shard(committed, |shard, tickets| sink.committed(shard, tickets));
        by_shard(failed, |shard, tickets| sink.failed(shard, tickets));
    }

    /// Removes segments that nobody needs any more.
    fn remove_done(&mut self, moved: Position) {
        while let Some(done) = self.ledger.done(moved) {
            let damaged = self.progress.is_damaged(done.id);
            if let Err(error) = done.id.remove(self.appender.folder(), damaged) {
                // The younger ones stay too, then; see the ledger.
                complain(&done.id.path(self.appender.folder()).display(), &error);
                return;
            }
            self.progress.removed(done.id);
            self.ledger.forget_oldest();
        }
    }

    fn begin_emptying(&mut self) {
        if self.emptying.is_some() {
            return;
        }
        let Some(extent) = self.ledger.to_be_emptied(self.slack_bytes) else {
            return;
        };
        if self.not_emptied == Some(extent.id) {
            return;
        }
        match Emptying::begin(self.appender.folder(), extent) {
            Ok(emptying) => self.emptying = Some(emptying),
            Err(error) => {
                complain(&extent.id.path(self.appender.folder()).display(), &error);
                self.not_emptied = Some(extent.id);
            }
        }
    }
}

fn complain(file: &dyn Display, error: &dyn Display) {
    tracing::error!(%file, %error, "an old segment of the journal cannot be removed");
}

/// Hands out the tickets of each shard together.
fn by_shard(tickets: &mut Vec<(u16, Ticket)>, mut tell: impl FnMut(u16, &[Ticket])) {
    // Stable: within a shard they stay in the order in which they were queued.
    tickets.sort_by_key(|(shard, _)| *shard);
    let mut of_one = Vec::new();
    for group in tickets.chunk_by(|(a, _), (b, _)| a == b) {
        of_one.clear();
        of_one.extend(group.iter().map(|(_, ticket)| *ticket));
        if let Some((shard, _)) = group.first() {
            tell(*shard, &of_one);
        }
    }
    tickets.clear();
}
