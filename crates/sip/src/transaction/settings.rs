//! The timer values and limits of one shard's transactions (RFC 3261 section 17.1.1.1 and table 4).

use core::time::Duration;

/// Responses that wait for their PRACK in one server transaction.
pub const MAX_UNACKNOWLEDGED_PROVISIONALS: usize = 8;

/// Forks of one INVITE whose ACK is kept to be sent again; further ones are acknowledged once.
pub const MAX_STORED_ACKS: usize = 16;

/// How long an INVITE may stay without a final response from the user of the transaction.
///
/// RFC 3261 sets no limit here; this one catches a forgotten call and is far beyond any ringing.
pub const LONGEST_PROCEEDING: Duration = Duration::from_secs(3600);

/// Timer D for unreliable transports is at least this long (RFC 3261 section 17.1.1.2).
const SHORTEST_TIMER_D: Duration = Duration::from_secs(32);

/// A timer that is shorter would keep the processor busy with itself.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(1);

/// How the transactions of one shard behave.
#[derive(Clone, Debug)]
pub struct TransactionSettings {
    /// The estimate of a round trip.
    pub t1: Duration,
    /// The longest interval between retransmissions of what is not an INVITE.
    pub t2: Duration,
    /// How long a message may stay in the network.
    pub t4: Duration,
    /// Answer an INVITE with 100 on our own when its user has not answered it for this long
    /// (RFC 3261 section 17.2.1 says 200 ms). `None` leaves that to the user.
    pub automatic_trying: Option<Duration>,
    /// The most server transactions at one time.
    pub max_servers: usize,
    /// The most client transactions at one time, not counting CANCEL.
    pub max_clients: usize,
    /// A secret that makes the hashes of what peers send unpredictable for them.
    pub hash_seed: [u64; 2],
}

impl Default for TransactionSettings {
    fn default() -> TransactionSettings {
        TransactionSettings {
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
            t4: Duration::from_secs(5),
            automatic_trying: None,
            max_servers: 1_000_000,
            max_clients: 250_000,
            hash_seed: [0, 0],
        }
    }
}

impl TransactionSettings {
    /// The first retransmission interval.
    pub(super) fn first_interval(&self) -> Duration {
        self.t1.max(SHORTEST_INTERVAL)
    }

    /// The interval after `interval`, for everything but requests with INVITE and reliable
    /// provisional responses.
    pub(super) fn capped_double(&self, interval: Duration) -> Duration {
        interval
            .saturating_mul(2)
            .min(self.t2)
            .max(SHORTEST_INTERVAL)
    }

    /// 64 * T1: timers B, F, H, J, L and M.
    pub(super) fn timeout(&self) -> Duration {
        self.t1.saturating_mul(64)
    }

    /// Timer D for unreliable transports.
    pub(super) fn timer_d(&self) -> Duration {
        self.timeout().max(SHORTEST_TIMER_D)
    }
}
