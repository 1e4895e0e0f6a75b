//! Where a host takes requests (RFC 3263): the name service, and the order of what it says.

mod find;
mod order;
mod system;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use fernamt_exchange::interface::{Answer, HostQuery};
use fernamt_sip::escape::Escaped;
use tokio::time::timeout;

pub(crate) use self::find::Families;
use self::find::{Unanswered, targets};
use self::system::System;

/// A question about a host is answered within this time, if need be with "not now".
const RESOLVE_TIME: Duration = Duration::from_secs(5);

/// Questions at once; more are answered with "not now".
pub(crate) const MAX_PENDING: usize = 1024;

/// Answers questions about hosts.
pub(crate) struct Resolver {
    system: System,
    families: Families,
    random: AtomicU64,
    pending: AtomicUsize,
}

impl Resolver {
    /// Asks these name servers; none: those that the system is configured with. `seed` need not be
    /// secret: it only spreads load.
    pub(crate) fn new(servers: &[std::net::SocketAddr], families: Families, seed: u64) -> Resolver {
        Resolver {
            system: System::new(servers),
            families,
            random: AtomicU64::new(seed),
            pending: AtomicUsize::new(0),
        }
    }

    /// Finds the places to try for a host.
    pub(crate) async fn resolve(&self, query: &HostQuery) -> Answer {
        if self.pending.fetch_add(1, Ordering::Relaxed) >= MAX_PENDING {
            self.pending.fetch_sub(1, Ordering::Relaxed);
            tracing::warn!("too many questions to the name service at once");
            return Answer::Unavailable;
        }
        let mut random = |most| self.random(most);
        let found = targets(&self.system, query, self.families, &mut random);
        let found = timeout(RESOLVE_TIME, found)
            .await
            .unwrap_or(Err(Unanswered));
        self.pending.fetch_sub(1, Ordering::Relaxed);
        match found {
            Ok(targets) => Answer::Targets(targets),
            Err(Unanswered) => {
                let host = Escaped(&query.host);
                tracing::info!(%host, "the name service does not answer");
                Answer::Unavailable
            }
        }
    }

    /// A number from 0 to `most`, both included (SplitMix64, spread over threads by its counter).
    fn random(&self, most: u32) -> u32 {
        let mut word = self
            .random
            .fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^= word >> 31;
        u32::try_from(word % (u64::from(most) + 1)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests;
