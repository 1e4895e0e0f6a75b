//! One pair of candidates and the check that is under way on it (RFC 8445 section 6.1.2). Our side of
//! it is always the same, so that a pair is named by the address of the party.

use core::net::SocketAddr;

use fernamt_exchange::media::IceCandidateKind;
use fernamt_stun::message::TransactionId;

/// Time until a check that is not answered is sent again for the first time, in microseconds; doubled
/// each time (RFC 8445 section 14.3).
pub(super) const RETRANSMISSION_MICROS: u64 = 500_000;

/// How often a check is sent at most (RFC 8489 section 6.2.1, `Rc`).
const MAX_SENT: u8 = 7;

/// How long is waited for an answer to the last one, in multiples of the first time (`Rm`).
const LAST_WAIT: u64 = 16;

/// How often a check has to be sent without an answer before there is doubt whether anybody is there.
const DOUBTFUL_SENT: u8 = 3;

/// A pair.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    pub(super) remote: SocketAddr,
    pub(super) kind: IceCandidateKind,
    /// The priority of the party's candidate.
    pub(super) remote_priority: u32,
    pub(super) state: State,
    /// A check is to be sent at the next opportunity (RFC 8445 section 7.3.1.4).
    pub(super) is_triggered: bool,
    /// The controlling side wants it to be used.
    pub(super) is_nominated: bool,
    /// The party has sent an authentic check from here, so that it is on its way if not yet found.
    pub(super) has_asked: bool,
    /// When it has answered a check last.
    pub(super) answered_micros: Option<u64>,
    /// When the party has last shown that it is there: by an answer, or by a check of its own.
    pub(super) shown_micros: u64,
    check: Option<Check>,
}

/// The state of a pair (RFC 8445 section 6.1.2.6). None is frozen: there is one check list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Waiting,
    InProgress,
    Succeeded,
    Failed,
}

/// A check that has been sent and not answered.
#[derive(Clone, Copy, Debug)]
struct Check {
    transaction: TransactionId,
    nominates: bool,
    as_controlling: bool,
    sent: u8,
    next_micros: u64,
}

/// What is to be done about a check that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// It is sent again.
    Again {
        transaction: TransactionId,
        nominates: bool,
    },
    /// No answer has come.
    Failed,
}

impl Pair {
    pub(super) fn new(remote: SocketAddr, kind: IceCandidateKind, remote_priority: u32) -> Pair {
        Pair {
            remote,
            kind,
            remote_priority,
            state: State::Waiting,
            is_triggered: false,
            is_nominated: false,
            has_asked: false,
            answered_micros: None,
            shown_micros: 0,
            check: None,
        }
    }

    /// The priority of the pair (RFC 8445 section 6.1.2.3).
    pub(super) fn priority(&self, ours: u32, controlling: bool) -> u64 {
        let (g, d) = match controlling {
            true => (ours, self.remote_priority),
            false => (self.remote_priority, ours),
        };
        (u64::from(g.min(d)) << 32) + 2 * u64::from(g.max(d)) + u64::from(g > d)
    }

    /// Notes that a new check is sent.
    pub(super) fn check(
        &mut self,
        transaction: TransactionId,
        nominates: bool,
        as_controlling: bool,
        now_micros: u64,
    ) {
        self.is_triggered = false;
        if self.state != State::Succeeded {
            self.state = State::InProgress;
        }
        self.check = Some(Check {
            transaction,
            nominates,
            as_controlling,
            sent: 1,
            next_micros: now_micros + RETRANSMISSION_MICROS,
        });
    }

    /// When the check under way has to be looked at again.
    pub(super) fn next_micros(&self) -> Option<u64> {
        self.check.map(|check| check.next_micros)
    }

    /// What is due now; a check that is to be sent again counts as sent.
    pub(super) fn take_due(&mut self, now_micros: u64) -> Option<Due> {
        let check = self
            .check
            .as_mut()
            .filter(|check| check.next_micros <= now_micros)?;
        if check.sent >= MAX_SENT {
            self.check = None;
            self.state = State::Failed;
            return Some(Due::Failed);
        }
        check.sent += 1;
        let wait = match check.sent {
            MAX_SENT => LAST_WAIT * RETRANSMISSION_MICROS,
            sent => RETRANSMISSION_MICROS << (sent - 1),
        };
        check.next_micros = now_micros + wait;
        Some(Due::Again {
            transaction: check.transaction,
            nominates: check.nominates,
        })
    }

    /// Whether the check under way has this transaction.
    pub(super) fn asks(&self, transaction: TransactionId) -> bool {
        self.check
            .is_some_and(|check| check.transaction == transaction)
    }

    /// Whether what was asked last has not been answered for so long that nobody may be there.
    pub(super) fn is_doubtful(&self) -> bool {
        self.check.is_some_and(|check| check.sent >= DOUBTFUL_SENT)
    }

    /// Takes the answer to the check: whether that nominated the pair.
    pub(super) fn succeed(&mut self, now_micros: u64) -> bool {
        self.state = State::Succeeded;
        self.answered_micros = Some(now_micros);
        self.shown_micros = now_micros;
        self.check.take().is_some_and(|check| check.nominates)
    }

    /// Takes a refusal of the check: whether it was sent in this role.
    pub(super) fn refuse(&mut self, controlling: bool) -> bool {
        let check = self.check.take();
        if self.state == State::InProgress {
            self.state = State::Failed;
        }
        check.is_some_and(|check| check.as_controlling == controlling)
    }

    /// Gives up.
    pub(super) fn fail(&mut self) {
        self.check = None;
        self.state = State::Failed;
        self.is_nominated = false;
    }
}
